//! Requests that no client should send: each is refused in XML, and the server goes on.

use std::fs;

use crate::support::server::Server;
use crate::support::tree::files;

on_every_store![
    methods,
    endless_head,
    bytes_that_are_no_request,
    percent_encoding,
    dot_segments,
    keys,
    absolute_form,
];

on_every_runtime![
    lengths,
    transfer_encodings,
    line_ends,
    header_lines,
    hosts,
    request_lines,
    versions,
    chunk_sizes,
    overlong_head,
    too_many_headers
];

/// Sends each as a request of its own: it is refused, nothing is stored, and the server goes on.
fn all_refused(server: &Server, requests: &[String]) {
    server.store("k", "hello");
    for request in requests {
        let mut connection = server.connect();
        connection.write(request);
        let shown = request.chars().take(200).collect::<String>();
        let response = connection.response("GET");
        assert!(response.status >= 400, "{shown:?} gives {response:?}");
        response.refusal();
        assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    }
    assert_eq!(files(&server.path("")), ["k"]);
}

/// And where it is unclear what the next request would be, the connection ends.
fn all_refused_and_closed(server: &Server, requests: &[String]) {
    all_refused(server, requests);
    for request in requests {
        let mut connection = server.connect();
        connection.write(request);
        connection.response("GET").refusal();
        let shown = request.chars().take(200).collect::<String>();
        assert!(connection.is_closed(), "{shown:?}");
    }
}

/// A PUT of `x` with these header lines, each with its line end.
fn put(lines: &str, body: &str) -> String {
    format!("PUT /bench/x HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{body}")
}

fn get(lines: &str) -> String {
    format!("GET /bench/k HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
}

fn lengths(server: &Server) {
    // Content-Length is one number, once (RFC 9112, section 6.3).
    all_refused_and_closed(
        server,
        &[
            put("Content-Length: 1\r\nContent-Length: 2\r\n", "xx"),
            put("Content-Length: 1\r\nContent-Length: 1\r\n", "x"),
            put("Content-Length: 1, 1\r\n", "x"),
            put("Content-Length: +1\r\n", "x"),
            put("Content-Length: -1\r\n", "x"),
            put("Content-Length: 0x1\r\n", "x"),
            put("Content-Length: 1 1\r\n", "x"),
            put("Content-Length: \r\n", "x"),
            put("Content-Length: one\r\n", "x"),
            put("Content-Length: 99999999999999999999999\r\n", "x"),
            put("Content-Length: 5368709121\r\n", "x"),
        ],
    );
}

fn transfer_encodings(server: &Server) {
    // Transfer-Encoding is `chunked`, alone, in HTTP/1.1 only (RFC 9112, section 6.1).
    let chunked = "1\r\nx\r\n0\r\n\r\n";
    let old = "PUT /bench/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    all_refused_and_closed(
        server,
        &[
            put("Content-Length: 11\r\nTransfer-Encoding: chunked\r\n", chunked),
            put("Transfer-Encoding: chunked\r\nContent-Length: 11\r\n", chunked),
            put("Transfer-Encoding: gzip, chunked\r\n", chunked),
            put("Transfer-Encoding: chunked, chunked\r\n", chunked),
            put("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", chunked),
            put("Transfer-Encoding: identity\r\n", chunked),
            put("Transfer-Encoding: xchunked\r\n", chunked),
            put("Transfer-Encoding: \"chunked\"\r\n", chunked),
            put("Transfer-Encoding: chunked;q=1\r\n", chunked),
            put("Transfer-Encoding: \r\n", chunked),
            format!("{old}{chunked}"),
        ],
    );
}

fn line_ends(server: &Server) {
    // Lines of the head end with CRLF and nothing else; CR and LF stand nowhere else.
    all_refused_and_closed(
        server,
        &[
            "GET /bench/k HTTP/1.1\nHost: localhost\n\n".into(),
            "GET /bench/k HTTP/1.1\nHost: localhost\r\n\r\n".into(),
            "GET /bench/k HTTP/1.1\r\nHost: localhost\n\r\n".into(),
            get("A: b\nC: d\r\n"),
            get("A: b\rC: d\r\n"),
            get("A: b\r\rC: d\r\n"),
            get("A: \r\r\n"),
            "GET /bench/k HTTP/1.1\rHost: localhost\r\r".to_owned() + "\r\n\r\n",
        ],
    );
}

fn header_lines(server: &Server) {
    // A header line is a name, a colon at once, and a value of text (RFC 9112, section 5).
    all_refused_and_closed(
        server,
        &[
            get("Range : bytes=0-1\r\n"),
            get("Range\t: bytes=0-1\r\n"),
            get("A: b\r\n folded\r\n"),
            get("A: b\r\n\tfolded\r\n"),
            get(" A: b\r\n"),
            get("no colon\r\n"),
            get(": no name\r\n"),
            get("A b: c\r\n"),
            get("A(b): c\r\n"),
            get("A: nul\0\r\n"),
            get("A\0: b\r\n"),
            get("A: \u{1}\r\n"),
            get("A: \u{7f}\r\n"),
            "GET /bench/k HTTP/1.1\r\n Host: localhost\r\n\r\n".into(),
        ],
    );
}

fn hosts(server: &Server) {
    // HTTP/1.1 has one Host, and it is a host (RFC 9112, section 3.2).
    all_refused(
        server,
        &[
            "GET /bench/k HTTP/1.1\r\n\r\n".into(),
            get("Host: localhost\r\n"),
            get("Host: other\r\n"),
            "GET /bench/k HTTP/1.1\r\nHost:\r\n\r\n".into(),
            "GET /bench/k HTTP/1.1\r\nHost: a b\r\n\r\n".into(),
            "GET /bench/k HTTP/1.1\r\nHost: a@localhost\r\n\r\n".into(),
            "GET /bench/k HTTP/1.1\r\nHost: localhost:x\r\n\r\n".into(),
        ],
    );
}

fn request_lines(server: &Server) {
    // The request line has three words with one space between them.
    let with = |line: &str| format!("{line}\r\nHost: localhost\r\n\r\n");
    all_refused(
        server,
        &[
            with("GET  /bench/k HTTP/1.1"),
            with("GET /bench/k  HTTP/1.1"),
            with("GET /bench/k HTTP/1.1 "),
            with("GET\t/bench/k\tHTTP/1.1"),
            with(" GET /bench/k HTTP/1.1"),
            with("GET /bench/a b HTTP/1.1"),
            with("GET bench/k HTTP/1.1"),
            with("GET  HTTP/1.1"),
            with("GET /bench/k"),
            with("/bench/k"),
            with("GET /bench/\u{1}k HTTP/1.1"),
            with("GET /bench/\0 HTTP/1.1"),
            with("G\u{e4}T /bench/k HTTP/1.1"),
        ],
    );
}

fn methods(server: &Server) {
    // Methods that S3 does not have are refused, also on a bucket and on the server itself.
    server.store("k", "hello");
    for method in ["TRACE", "CONNECT", "PATCH", "get", "MKCOL", "PROPFIND", "X", "OPTION", "GETT"] {
        for target in ["/bench/k", "/bench", "/"] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            server.raw(request).refusal();
        }
    }
    for method in ["TRACE", "CONNECT"] {
        server.raw(format!("{method} localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n")).refusal();
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

fn versions(server: &Server) {
    // Only HTTP/1.0 and 1.1 are spoken.
    let with = |v: &str| format!("GET /bench/k {v}\r\nHost: localhost\r\n\r\n");
    all_refused_and_closed(
        server,
        &["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/1", "http/1.1", "HTTP/1.1.1", "HTTPS/1.1"]
            .map(with),
    );
    all_refused_and_closed(server, &["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into()]);
}

fn chunk_sizes(server: &Server) {
    // A chunk size is hex digits of 64 bits, and its data ends with CRLF (RFC 9112, section 7.1).
    let chunked = |body: &str| put("Transfer-Encoding: chunked\r\n", body);
    all_refused_and_closed(
        server,
        &[
            chunked("x\r\n"),
            chunked("\r\nx\r\n0\r\n\r\n"),
            chunked("-1\r\nx\r\n0\r\n\r\n"),
            chunked("+1\r\nx\r\n0\r\n\r\n"),
            chunked("0x1\r\nx\r\n0\r\n\r\n"),
            chunked(" 1\r\nx\r\n0\r\n\r\n"),
            chunked("1\nx\n0\n\n"),
            chunked("1\r\nxy\r\n0\r\n\r\n"),
            chunked("1\r\nx0\r\n\r\n"),
            chunked("2\r\nx\r\n0\r\n\r\n"),
            chunked("1\r\nx\n0\r\n\r\n"),
            chunked("1\rx\r\n0\r\n\r\n"),
            chunked("10000000000000000\r\nx\r\n0\r\n\r\n"),
            chunked("fffffffffffffffff\r\nx"),
            chunked("1;a=\nb\r\nx\r\n0\r\n\r\n"),
            chunked("1;a=\0\r\nx\r\n0\r\n\r\n"),
            chunked(&format!("1;{}", "a".repeat(10_000))),
            chunked(&format!("{}1\r\nx\r\n0\r\n\r\n", "0".repeat(10_000))),
            chunked(&format!("1\r\nx\r\n0\r\n{}", "A: b\r\n".repeat(5000))),
            chunked("1\r\nx\r\n0\r\nno colon\r\n\r\n"),
        ],
    );
}

fn overlong_head(server: &Server) {
    // A head over the limit is refused in words, wherever its length sits.
    let long = "x".repeat(70_000);
    let targets = format!("GET /bench/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    all_refused_and_closed(
        server,
        &[targets, get(&format!("A: {long}\r\n")), get(&format!("{long}: b\r\n"))],
    );
}

fn endless_head(server: &Server) {
    // A line that never ends is cut off at the limit.
    let mut connection = server.connect();
    connection.write("x".repeat(66_000));
    connection.response("GET").refusal();
    assert!(connection.is_closed());
    server.get("/bench/none").error(404, "NoSuchKey");
}

fn too_many_headers(server: &Server) {
    // More header lines than the limit are refused.
    all_refused_and_closed(server, &[get(&"A: b\r\n".repeat(300))]);
}

fn bytes_that_are_no_request(server: &Server) {
    // TLS, binary noise and other protocols are refused or closed, and the server goes on.
    for noise in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(),
        &[0xff; 300],
        b"\0\0\0\0\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"\r\n\r\n\r\n\r\n\r\n",
        b"\n",
    ] {
        let mut connection = server.connect();
        connection.write(noise);
        connection.half_close();
        let mut rest = connection.rest();
        rest.truncate(13);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 4"), "{noise:?}: {rest:?}");
        server.get("/bench/none").error(404, "NoSuchKey");
    }
}

fn percent_encoding(server: &Server) {
    // A broken escape, or one that is no UTF-8, is InvalidURI.
    for key in ["%", "%z", "%zz", "a%2", "%ff", "%c3%28", "%ed%a0%80", "%u0041", "k%"] {
        server.get(&format!("/bench/{key}")).error(400, "InvalidURI");
        server.put(&format!("/bench/{key}"), "x").error(400, "InvalidURI");
    }
    server.get("/bench?prefix=%zz").error(400, "InvalidURI");
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn dot_segments(server: &Server) {
    // No spelling of `..` leaves the bucket, for no method.
    fs::write(server.home().join("secret"), "what it holds").unwrap();
    server.place("inside", "inside");
    for target in [
        "/bench/../secret",
        "/bench/%2e%2e/secret",
        "/bench/.%2E/secret",
        "/bench/%2e%2e%2fsecret",
        "/bench/..%2fsecret",
        "/bench/a/../../secret",
        "/bench/a/%2e%2e/%2e%2e/secret",
        "/bench/..",
        "/bench/.",
        "/bench/./inside",
        "/bench/a/..",
        "/bench//../secret",
        "/bench/%2F%2e%2e%2Fsecret",
        "/../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/./bench/inside",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let request = server.request(method, target);
            let response = if method == "PUT" { request.body("x") } else { request }.send();
            let status = response.status;
            assert!((400..500).contains(&status), "{method} {target}: {status}");
            assert!(!response.refusal().text().contains("what it holds"), "{method} {target}");
        }
    }
    assert_eq!(fs::read(server.home().join("secret")).unwrap(), b"what it holds");
    assert_eq!(files(server.home()), ["bench/inside", "secret"]);
    server.get("/bench/%252e%252e/secret").error(404, "NoSuchKey");
}

fn keys(server: &Server) {
    // A key has 1 to 1,024 bytes and no NUL.
    server.put(&format!("/bench/{}", "k".repeat(1025)), "x").error(400, "KeyTooLongError");
    server.put(&format!("/bench/{}", "%C3%BC".repeat(513)), "x").error(400, "KeyTooLongError");
    server.put("/bench/a%00b", "x").expect(400).refusal();
    server.get("/bench/a%00b").expect(400).refusal();
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn absolute_form(server: &Server) {
    // An absolute target is understood, and its host counts (RFC 9112, section 3.2.2).
    server.store("k", "hello");
    let ask = |target: &str, host: &str| {
        server.raw(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    };
    assert_eq!(ask("http://localhost/bench/k", "localhost").expect(200).text(), "hello");
    ask("http://evil.example/bench/k", "localhost").error(403, "AccessDenied");
    ask("ftp://localhost/bench/k", "localhost").refusal();
    ask("http:///bench/k", "localhost").refusal();
}
