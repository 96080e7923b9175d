//! Requests that no client should send, at every cut: an answer in XML, and nothing stored.
//!
//! In the tables `|` is CRLF and `@` a Host line; the rows say what the answer is.

mod support;

use std::sync::Arc;

use lobos_proto::Config;
use lobos_proto::digest::{Algorithm, digest};
use support::config;
use support::driver::{Driver, Event, Wait};
use support::memory::Memory;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// The next request is answered.
    Stays,
    /// The server closes its side, and all of it when the client has.
    Ends,
}
use Then::{Ends, Stays};

type Row = (&'static str, u16, &'static str, Then);

const GOOD: &[u8] = b"GET /photos/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn bytes(text: &str) -> Vec<u8> {
    let text = text.replace('@', "Host: localhost|").replace('|', "\r\n");
    // Characters up to U+00FF stand for the byte of that value.
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect()
}

/// Sends each row in one piece, byte by byte, and in two pieces at every cut.
fn check(rows: &[Row]) {
    check_with(&config(|_| {}), rows);
}

fn check_with(config: &Arc<Config>, rows: &[Row]) {
    for row in rows {
        let input = bytes(row.0);
        refused(config, row, &[&input]);
        refused(config, row, &input.chunks(1).collect::<Vec<_>>());
        for cut in 1..input.len() {
            let (start, end) = input.split_at(cut);
            refused(config, row, &[start, end]);
        }
    }
}

fn refused(config: &Arc<Config>, row: &Row, pieces: &[&[u8]]) {
    let (shown, status, code, then) = *row;
    let store = Memory::sample();
    let before = store.dump();
    let mut driver = Driver::new(config, &store);
    for piece in pieces {
        driver.receive(piece);
        assert_eq!(driver.run(), Wait::Read, "{shown}");
    }
    assert_eq!(store.dump(), before, "{shown}");
    let output = String::from_utf8(driver.output()).expect("text");
    let (head, body) = output.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {output}");
    assert!(head.contains("\r\nContent-Type: application/xml"), "{shown}: {output}");
    if shown.starts_with("HEAD") {
        assert_eq!(body, "", "{shown}");
    } else {
        assert!(body.contains(&format!("<Error><Code>{code}</Code>")), "{shown}: {output}");
        assert!(body.ends_with("</Error>"), "{shown}: {output}");
        let length = format!("\r\nContent-Length: {}", body.len());
        assert!(head.contains(&length), "{shown}: {output}");
    }
    assert_eq!(head.contains("\r\nConnection: close"), then == Ends, "{shown}: {output}");
    if then == Stays {
        driver.receive(GOOD);
        assert_eq!(driver.run(), Wait::Read, "{shown}");
        let both = String::from_utf8(driver.output()).expect("text");
        assert!(both.starts_with(&output), "{shown}");
        let next = &both[output.len()..];
        assert!(next.starts_with("HTTP/1.1 200 OK\r\n") && next.ends_with("hello world"), "{both}");
        return;
    }
    assert_eq!(driver.log.last(), Some(&Event::HalfClosed), "{shown}");
    driver.connection.peer_closed();
    assert_eq!(driver.run(), Wait::Closed, "{shown}");
}

#[test]
fn request_lines() {
    // What is not exactly a request line of HTTP/1 ends the connection.
    const BAD: &str = "InvalidRequest";
    check(&[
        ("GET  /b HTTP/1.1|@|", 400, BAD, Ends),
        (" GET /b HTTP/1.1|@|", 400, BAD, Ends),
        ("GET /b HTTP/1.1 |@|", 400, BAD, Ends),
        ("GET\t/b HTTP/1.1|@|", 400, BAD, Ends),
        ("GET /b\tHTTP/1.1|@|", 400, BAD, Ends),
        ("GET /a b HTTP/1.1|@|", 505, "InvalidHTTPVersion", Ends),
        ("GET /b|@|", 400, BAD, Ends),
        ("GET|@|", 400, BAD, Ends),
        ("/b HTTP/1.1|@|", 400, BAD, Ends),
        ("G(T /b HTTP/1.1|@|", 400, BAD, Ends),
        ("GET /\x00 HTTP/1.1|@|", 400, BAD, Ends),
        ("GET /\x7f HTTP/1.1|@|", 400, BAD, Ends),
        ("GET /b\u{ff} HTTP/1.1|@|", 400, BAD, Ends),
        ("GET /b HTTP/1.1\n@|", 400, BAD, Ends),
        ("GET /b HTTP/1.1|Host: localhost\n\n", 400, BAD, Ends),
        ("GET /b HTTP/1.1\rHost: localhost||", 400, BAD, Ends),
        ("\n", 400, BAD, Ends),
        ("|\n", 400, BAD, Ends),
        ("\x16\x03\x01\x02\x00\x01\x00\n", 400, BAD, Ends),
        ("{\"json\": true}\r\n\r\n", 400, BAD, Ends),
        ("GET /b http/1.1|@|", 505, "InvalidHTTPVersion", Ends),
        ("GET /b HTTP/0.9|@|", 505, "InvalidHTTPVersion", Ends),
        ("GET /b HTTP/1.2|@|", 505, "InvalidHTTPVersion", Ends),
        ("GET /b HTTP/1.11|@|", 400, BAD, Ends),
        ("PRI * HTTP/2.0||SM||", 505, "InvalidHTTPVersion", Ends),
    ]);
}

#[test]
fn header_lines() {
    // Header lines that two parsers could read in two ways end the connection (RFC 9112, 5).
    const BAD: &str = "InvalidRequest";
    check(&[
        ("GET /b HTTP/1.1||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@@|", 400, BAD, Ends),
        ("GET /b HTTP/1.1|Host : localhost||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@A: b| folded||", 400, BAD, Ends),
        ("GET /b HTTP/1.1| A: b|@|", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@A: b\x00c||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@A: b\rc||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@A: b\x7f||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@A b: c||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@A\u{e4}: c||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@: c||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|@nothing||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|Host: \u{ff}||", 400, BAD, Ends),
        ("HEAD /b HTTP/1.1||", 400, BAD, Ends),
        ("GET /b HTTP/1.1|Host:||", 400, BAD, Stays),
        ("GET /b HTTP/1.1|Host: a b||", 400, BAD, Stays),
        ("GET /b HTTP/1.1|Host: localhost:x||", 400, BAD, Stays),
        ("GET /b HTTP/1.1|Host: [::1||", 400, BAD, Stays),
        ("GET /b HTTP/1.1|Host: localhost, localhost||", 400, BAD, Stays),
        ("GET /b HTTP/1.1|Host: localhost.evil.example||", 403, "AccessDenied", Stays),
    ]);
}

#[test]
fn framings() {
    // A body whose end is not said exactly once ends the connection (RFC 9112, section 6).
    const BAD: &str = "InvalidRequest";
    check(&[
        ("PUT /bench/a HTTP/1.1|@Content-Length: 1|Content-Length: 2||xx", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: 1|Content-Length: 1||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: 1, 1||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: +1||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: -1||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: 0x1||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: 1 1||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: one||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length:||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: \u{c2}\u{a0}1||x", 400, BAD, Ends),
        ("PUT /bench/a HTTP/1.1|@Content-Length: 18446744073709551616||x", 400, BAD, Ends),
        ("HEAD /bench/a HTTP/1.1|@Content-Length: x||", 400, BAD, Ends),
        (
            "PUT /bench/a HTTP/1.1|@Content-Length: 6|Transfer-Encoding: chunked||0||GET ",
            400,
            BAD,
            Ends,
        ),
        ("PUT /bench/a HTTP/1.0|Transfer-Encoding: chunked||0||", 400, BAD, Ends),
        (
            "PUT /bench/a HTTP/1.1|@Transfer-Encoding: chunked|Transfer-Encoding: chunked||0||",
            400,
            BAD,
            Ends,
        ),
    ]);
    const OTHER: &str = "NotImplemented";
    check(&[
        ("PUT /bench/a HTTP/1.1|@Transfer-Encoding: gzip, chunked||0||", 501, OTHER, Ends),
        ("PUT /bench/a HTTP/1.1|@Transfer-Encoding: chunked, chunked||0||", 501, OTHER, Ends),
        ("PUT /bench/a HTTP/1.1|@Transfer-Encoding: identity||0||", 501, OTHER, Ends),
        ("PUT /bench/a HTTP/1.1|@Transfer-Encoding: xchunked||0||", 501, OTHER, Ends),
        ("PUT /bench/a HTTP/1.1|@Transfer-Encoding:||0||", 501, OTHER, Ends),
        ("PUT /bench/a HTTP/1.1|@Transfer-Encoding: \u{c2}\u{a0}chunked||0||", 501, OTHER, Ends),
    ]);
}

#[test]
fn targets() {
    // What names no bucket and no key is refused, and the connection stays.
    check(&[
        ("GET * HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET b/k HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET http:///b HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET ftp://localhost/b HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /b#fragment HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /b/% HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /b/%4 HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /b/%zz HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /b/%C3 HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /b/%c0%af HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("HEAD /b/%zz HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /b?prefix=%zz HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /b?%ff HTTP/1.1|@|", 400, "InvalidURI", Stays),
        ("GET /photos/.. HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /photos/a/../b HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /photos/%2e%2e/b HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /photos/a%2f..%2fb HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /photos/./a.txt HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /photos/a%00 HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("PUT /bench/../a HTTP/1.1|@Content-Length: 1||x", 400, "InvalidArgument", Stays),
        ("DELETE /photos/../photos/a.txt HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /../photos HTTP/1.1|@|", 400, "InvalidBucketName", Stays),
        ("GET /%2e%2e/photos HTTP/1.1|@|", 400, "InvalidBucketName", Stays),
        ("GET /photos%2Fa.txt HTTP/1.1|@|", 400, "InvalidBucketName", Stays),
        ("GET //a HTTP/1.1|@|", 400, "InvalidBucketName", Stays),
        ("GET /a.txt HTTP/1.1|Host: localhost/..||", 400, "InvalidBucketName", Stays),
        ("GET /a.txt HTTP/1.1|Host: localhost/photos/x||", 400, "InvalidBucketName", Stays),
        ("OPTIONS * HTTP/1.1|@|", 405, "MethodNotAllowed", Stays),
        ("TRACE /photos HTTP/1.1|@|", 405, "MethodNotAllowed", Stays),
        ("CONNECT localhost:80 HTTP/1.1|@|", 405, "MethodNotAllowed", Stays),
        ("get /photos HTTP/1.1|@|", 405, "MethodNotAllowed", Stays),
        ("GET /photos/a.txt?partNumber=x HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /photos/a.txt?partNumber=10001 HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /photos?max-keys=-1 HTTP/1.1|@|", 400, "InvalidArgument", Stays),
        ("GET /photos?max-keys=99999999999 HTTP/1.1|@|", 400, "InvalidArgument", Stays),
    ]);
}

#[test]
fn upload_headers() {
    // A header of an upload that cannot be meant is refused before the store is asked.
    const PUT: &str = "PUT /bench/a HTTP/1.1|@Content-Length: 5|";
    let rows = [
        ("Content-MD5: ", 400, "InvalidDigest"),
        ("Content-MD5: XUFAKrxLKna5cZ2REBfFkg", 400, "InvalidDigest"),
        ("Content-MD5: XUFAKrxLKna5cZ2REBfFkh==", 400, "InvalidDigest"),
        ("x-amz-content-sha256: abc", 400, "InvalidArgument"),
        ("x-amz-content-sha256: unsigned-payload", 400, "InvalidArgument"),
        ("x-amz-checksum-crc32: AAAA", 400, "InvalidRequest"),
        ("x-amz-checksum-crc32:", 400, "InvalidRequest"),
        ("x-amz-checksum-crc32: NhCmhg==|x-amz-checksum-crc32c: AAAAAA==", 400, "InvalidRequest"),
        (
            "x-amz-checksum-crc32: NhCmhg==|x-amz-trailer: x-amz-checksum-crc32",
            400,
            "InvalidRequest",
        ),
        ("x-amz-trailer: x-amz-checksum-crc16", 400, "InvalidRequest"),
        ("x-amz-sdk-checksum-algorithm: CRC16", 400, "InvalidRequest"),
        ("x-amz-checksum-algorithm: CRC16", 400, "InvalidRequest"),
        ("x-amz-sdk-checksum-algorithm: CRC32", 400, "InvalidRequest"),
        ("x-amz-checksum-algorithm: SHA1|x-amz-checksum-crc32: NhCmhg==", 400, "InvalidRequest"),
        ("x-amz-decoded-content-length: five", 411, "MissingContentLength"),
        ("x-amz-decoded-content-length: -5", 411, "MissingContentLength"),
        ("x-amz-decoded-content-length: +5", 411, "MissingContentLength"),
        ("x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER", 411, "MissingContentLength"),
        ("If-None-Match: \"a\"", 501, "NotImplemented"),
        ("If-None-Match: *|If-Match: \"a\"", 501, "NotImplemented"),
        ("x-amz-storage-class: SLOW", 400, "InvalidStorageClass"),
        ("x-amz-acl: mine", 400, "InvalidArgument"),
        ("x-amz-server-side-encryption: aws:kms", 501, "NotImplemented"),
        ("x-amz-server-side-encryption: DES", 400, "InvalidEncryptionAlgorithmError"),
        ("x-amz-server-side-encryption-aws-kms-key-id: x", 400, "InvalidArgument"),
        ("x-amz-server-side-encryption-customer-algorithm: AES256", 400, "InvalidRequest"),
        ("x-amz-object-lock-mode: COMPLIANCE", 400, "InvalidArgument"),
        ("x-amz-object-lock-legal-hold: ON", 400, "InvalidRequest"),
        ("x-amz-expected-bucket-owner: somebody", 403, "AccessDenied"),
        ("x-amz-copy-source: /photos", 400, "InvalidArgument"),
        ("x-amz-write-offset-bytes: +", 400, "InvalidArgument"),
    ];
    for (lines, status, code) in rows {
        let text: &'static str = format!("{PUT}{lines}||hello").leak();
        check(&[(text, status, code, Stays)]);
    }
}

#[test]
fn http_chunks() {
    // What is not exactly a chunk ends the connection, and the upload leaves no trace.
    let rows = [
        "|x|0||",
        "g|x|0||",
        "-1|x|0||",
        "+1|x|0||",
        "0x1|x|0||",
        " 1|x|0||",
        "1 |x|0||",
        "1;a\x01|x|0||",
        "1\u{a0}|x|0||",
        "00000000000000001|x|0||",
        "1\nx|0||",
        "1|xy|0||",
        "1|x\n0||",
        "1|x0||",
        "2|x|0||",
        "1\r;a|x|0||",
    ];
    for chunks in rows {
        let head = "PUT /bench/a HTTP/1.1|@Transfer-Encoding: chunked||";
        let text: &'static str = format!("{head}{chunks}").leak();
        check(&[(text, 400, "InvalidRequest", Ends)]);
    }
    check(&[
        (
            "PUT /bench/a HTTP/1.1|@Transfer-Encoding: chunked||1|x|0|no colon||",
            400,
            "MalformedTrailerError",
            Ends,
        ),
        (
            "PUT /bench/a HTTP/1.1|@Transfer-Encoding: chunked||1|x|0|: a||",
            400,
            "MalformedTrailerError",
            Ends,
        ),
        (
            "PUT /bench/a HTTP/1.1|@Transfer-Encoding: chunked||1|x|0|a: b\n||",
            400,
            "InvalidRequest",
            Ends,
        ),
    ]);
}

#[test]
fn aws_chunks() {
    // What aws-chunked does not allow, or is not what was announced, stores nothing.
    const TRAILER: &str = "x-amz-trailer: x-amz-checksum-crc32|";
    let rows = [
        ("", "g|hello|0||", "IncompleteBody", Ends),
        ("", "5|hello!|0||", "IncompleteBody", Ends),
        ("", "5\nhello|0||", "IncompleteBody", Ends),
        ("", "5|hello|", "IncompleteBody", Ends),
        ("", "5|hello|0", "IncompleteBody", Ends),
        ("", "6|hello", "IncompleteBody", Ends),
        ("", "5|hello|0||more", "IncompleteBody", Ends),
        ("x-amz-decoded-content-length: 6|", "5|hello|0||", "IncompleteBody", Ends),
        ("x-amz-decoded-content-length: 4|", "5|hello|0||", "IncompleteBody", Ends),
        ("x-amz-decoded-content-length: 5|", "", "IncompleteBody", Ends),
        (TRAILER, "5|hello|0||", "MalformedTrailerError", Stays),
        (TRAILER, "5|hello|0|x-amz-checksum-crc32:||", "InvalidRequest", Stays),
        (TRAILER, "5|hello|0|x-amz-checksum-crc32:AAAA||", "InvalidRequest", Stays),
        (TRAILER, "5|hello|0|x-amz-checksum-crc32:AAAAAA==||", "BadDigest", Stays),
        (TRAILER, "5|hello|0|x-amz-checksum-crc32c:AAAAAA==||", "MalformedTrailerError", Stays),
        (TRAILER, "5|hello|0|x-amz-checksum-crc32||", "MalformedTrailerError", Ends),
        ("", "5|hello|0|x-amz-checksum-crc32:NhCmhg==||", "MalformedTrailerError", Stays),
    ];
    for (lines, chunks, code, then) in rows {
        let length = bytes(chunks).len();
        let head = "PUT /bench/a HTTP/1.1|@Content-Encoding: aws-chunked|";
        let text = format!("{head}{lines}Content-Length: {length}||{chunks}").leak();
        check(&[(text, 400, code, then)]);
    }
    // A trailer is announced, but the body has no place for it.
    let plain = format!("PUT /bench/a HTTP/1.1|@{TRAILER}Content-Length: 5||hello").leak();
    check(&[(plain, 400, "MalformedTrailerError", Stays)]);
    // More than was announced is not read to its end.
    let lines = "Content-Encoding: aws-chunked|x-amz-decoded-content-length: 4|";
    let more = format!("PUT /bench/a HTTP/1.1|@{lines}Content-Length: 99||5|hello").leak();
    check(&[(more, 400, "IncompleteBody", Ends)]);
}

#[test]
fn documents() {
    // What is not exactly the document that S3 asks for is refused, and nothing is removed.
    let deep = format!("<Delete>{}{}</Delete>", "<a>".repeat(17), "</a>".repeat(17));
    let rows = [
        "",
        " ",
        "a.txt",
        "{\"Delete\": []}",
        "<Delete>",
        "<Delete/>",
        "<Delete></delete>",
        "<Delete><Object><Key>a.txt</Key></Object>",
        "<Delete><Object><Key>a.txt</Object></Key></Delete>",
        "<Delete><Object/></Delete>",
        "<Delete><Object><VersionId>1</VersionId></Object></Delete>",
        "<Delete><Key>a.txt</Key></Delete>",
        "<Other><Object><Key>a.txt</Key></Object></Other>",
        "<Delete><Object><Key>a.txt</Key></Object></Delete><Delete/>",
        "<Delete><Object><Key>a.txt</Key></Object></Delete>text",
        "<Delete><Object><Key>&unknown;</Key></Object></Delete>",
        "<Delete><Object><Key>&#0;</Key></Object></Delete>",
        "<Delete><Object><Key>&#xD800;</Key></Object></Delete>",
        "<Delete><Object><Key>\u{ff}</Key></Object></Delete>",
        "<!DOCTYPE Delete [<!ENTITY a 'a.txt'>]><Delete><Object><Key>&a;</Key></Object></Delete>",
        "\u{ff}\u{fe}<\x00D\x00/\x00>\x00",
        "<Delete><Object><Key>a.txt</Key></Object><",
        &deep,
    ];
    for document in rows {
        let document_bytes = bytes(document);
        let length = document_bytes.len();
        let md5 = digest(Algorithm::Md5, &document_bytes).to_base64();
        let head = format!("POST /photos?delete HTTP/1.1|@Content-MD5: {md5}|Content-Length:");
        let text: &'static str = format!("{head} {length}||{document}").leak();
        check(&[(text, 400, "MalformedXML", Stays)]);
    }
    check(&[
        ("PUT /fresh HTTP/1.1|@Content-Length: 12||<CreateBucke", 400, "MalformedXML", Stays),
        (
            "POST /photos?delete HTTP/1.1|@Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==|\
             Transfer-Encoding: chunked||5|<Delete|0||",
            400,
            "InvalidRequest",
            Ends,
        ),
        (
            "POST /photos?delete HTTP/1.1|@Content-MD5: AAAA|Content-Length: 9||<Delete/>",
            400,
            "InvalidDigest",
            Stays,
        ),
    ]);
}

#[test]
fn keys_of_clients() {
    // Encryption with a key of the client is refused: for its connection if others can read it,
    // else because it is not there.
    let key = "x-amz-server-side-encryption-customer-algorithm: AES256|";
    let rows = [("PUT", "Content-Length: 2||hi"), ("GET", "|"), ("HEAD", "|")];
    for (secure, status, code) in [(false, 400, "InvalidRequest"), (true, 501, "NotImplemented")] {
        for (method, rest) in rows {
            let request = format!("{method} /photos/a.txt HTTP/1.1|@{key}{rest}").leak();
            check_with(&config(|c| c.secure = secure), &[(request, status, code, Stays)]);
        }
    }
}

#[test]
fn truncated_uploads() {
    // An upload that ends anywhere before its last byte is never stored, in any framing.
    let inner = "5|hello|0|x-amz-checksum-crc32:NhCmhg==||";
    let aws = "Content-Encoding: aws-chunked|x-amz-trailer: x-amz-checksum-crc32|";
    for request in [
        "PUT /bench/a HTTP/1.1|@Content-Length: 5||hello".to_owned(),
        "PUT /bench/a HTTP/1.1|@Transfer-Encoding: chunked||5|hello|0||".to_owned(),
        format!("PUT /bench/a HTTP/1.1|@{aws}Content-Length: 46||{inner}"),
        format!("PUT /bench/a HTTP/1.1|@{aws}Transfer-Encoding: chunked||2E|{inner}|0||"),
    ] {
        let whole = bytes(&request);
        for end in 0..=whole.len() {
            let store = Memory::sample();
            let mut driver = Driver::new(&config(|_| {}), &store);
            driver.receive(&whole[..end]);
            assert_eq!(driver.run(), Wait::Read);
            driver.connection.peer_closed();
            assert_eq!(driver.run(), Wait::Closed);
            let stored = store.bytes("bench", "a").is_some();
            assert_eq!(stored, end == whole.len(), "{request} up to {end}");
            let output = String::from_utf8(driver.output()).expect("text");
            let begun = driver.log.iter().any(|event| matches!(event, Event::Asked(..)));
            let incomplete = output.contains("<Code>IncompleteBody</Code>");
            assert_eq!(incomplete, begun && !stored, "{request} up to {end}: {output}");
        }
    }
}

#[test]
fn documents_in_small_chunks() {
    // A document counts by what it is, not by its framing: in chunks of one byte it is taken up to
    // the limit, and refused at once if it says that it is far longer (found by fuzzing).
    let config = config(|c| c.limits.document = 100);
    let document = "<Delete><Object><Key>a.txt</Key></Object><Quiet>true</Quiet></Delete>";
    let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
    let chunks: String = document.chars().map(|byte| format!("1\r\n{byte}\r\n")).collect();
    let wire = format!("{chunks}0\r\n\r\n");
    assert!(wire.len() > 3 * config.limits.document);
    let head = |decoded: usize| {
        format!(
            "POST /photos/?delete HTTP/1.1\r\nHost: localhost\r\nContent-MD5: {md5}\r\n\
             Content-Encoding: aws-chunked\r\nx-amz-decoded-content-length: {decoded}\r\n\
             x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\
             Content-Length: {}\r\n\r\n",
            wire.len()
        )
    };
    let input = head(document.len()) + &wire;
    for cut in 0..=input.len() {
        let store = Memory::sample();
        let mut driver = Driver::new(&config, &store);
        for piece in [&input[..cut], &input[cut..]] {
            driver.receive(piece.as_bytes());
            assert_eq!(driver.run(), Wait::Read, "cut at {cut}");
        }
        let output = String::from_utf8(driver.output()).expect("text");
        assert!(output.starts_with("HTTP/1.1 200 "), "cut at {cut}: {output}");
    }
    let mut driver = Driver::new(&config, &Memory::sample());
    driver.receive(head(201).as_bytes());
    assert_eq!(driver.run(), Wait::Read);
    assert!(driver.output().starts_with(b"HTTP/1.1 400 "));
}
