//! XML bodies that are none, that are too much, or that say two things: refused, fast, and nothing
//! is done of them. And answers: nothing that a client sends becomes a header of its own.

use std::time::{Duration, Instant};

use crate::support::http::Response;
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::files;
use lobos_digest::{Algorithm, digest};

on_every_runtime![
    entities,
    not_well_formed,
    encodings,
    said_twice,
    too_much,
    too_deep,
    in_every_operation,
    limits_of_lists,
    harmless_forms,
    headers_from_headers,
    headers_from_queries,
    headers_from_forms,
    headers_from_the_disk,
];
on_every_runtime!(with std::convert::identity; headers_from_presigned_urls);

fn post(server: &Server, target: &str, document: impl AsRef<[u8]>) -> Response {
    let md5 = digest(Algorithm::Md5, document.as_ref()).to_base64();
    server.request("POST", target).header("Content-MD5", md5).body(document).send()
}

fn delete(server: &Server, document: impl AsRef<[u8]>) -> Response {
    post(server, "/bench?delete", document)
}

/// Each is MalformedXML, and the object that it names stays.
fn malformed(server: &Server, documents: &[&str]) {
    server.place("k", "hello");
    for document in documents {
        let start = Instant::now();
        let shown = document.chars().take(200).collect::<String>();
        let answer = delete(server, document);
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        answer.error(400, "MalformedXML");
        assert!(start.elapsed() < Duration::from_secs(10), "{shown}");
        assert_eq!(files(&server.path("")), ["k"], "{shown}");
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

const KEY: &str = "<Object><Key>k</Key></Object>";

fn entities(server: &Server) {
    // No document type and no entity but the five of XML: no bombs, no files, no requests.
    let laughs: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let bomb = format!(
        "<!DOCTYPE Delete [<!ENTITY l0 \"k\">{laughs}]><Delete><Object><Key>&l9;</Key></Object></Delete>"
    );
    let quadratic = format!(
        "<!DOCTYPE Delete [<!ENTITY a \"{}\">]><Delete><Object><Key>{}</Key></Object></Delete>",
        "a".repeat(50_000),
        "&a;".repeat(1000)
    );
    malformed(
        server,
        &[
            &bomb,
            &quadratic,
            "<!DOCTYPE Delete><Delete><Object><Key>k</Key></Object></Delete>",
            "<!DOCTYPE Delete SYSTEM \"file:///etc/passwd\"><Delete><Object><Key>k</Key></Object></Delete>",
            "<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&x;</Key></Object></Delete>",
            "<!DOCTYPE d [<!ENTITY x SYSTEM \"http://localhost/\">]><Delete><Object><Key>&x;</Key></Object></Delete>",
            "<!DOCTYPE d [<!ENTITY % x SYSTEM \"file:///etc/passwd\">%x;]><Delete><Object><Key>k</Key></Object></Delete>",
            "<!DOCTYPE d [<!ENTITY x 'k'>]><Delete><Object><Key>&x;</Key></Object></Delete>",
            "<!doctype Delete><Delete><Object><Key>k</Key></Object></Delete>",
            "<Delete><!DOCTYPE Delete><Object><Key>k</Key></Object></Delete>",
            "<Delete><Object><Key>&nbsp;k</Key></Object></Delete>",
            "<Delete><Object><Key>&k;</Key></Object></Delete>",
            "<Delete><Object><Key>&#0;</Key></Object></Delete>",
            "<Delete><Object><Key>&#xd800;</Key></Object></Delete>",
            "<Delete><Object><Key>&#x110000;</Key></Object></Delete>",
            "<Delete><Object><Key>&#99999999999999999999;</Key></Object></Delete>",
            "<Delete><Object><Key>&#-107;</Key></Object></Delete>",
            "<Delete><Object><Key>&#+107;</Key></Object></Delete>",
            "<Delete><Object><Key>&#x+6b;</Key></Object></Delete>",
            "<Delete><Object><Key>&#;</Key></Object></Delete>",
            "<Delete><Object><Key>&#x;</Key></Object></Delete>",
            "<Delete><Object><Key>&k</Key></Object></Delete>",
            "<Delete><Object><Key>k&</Key></Object></Delete>",
        ],
    );
}

fn not_well_formed(server: &Server) {
    // One root, closed as it was opened, and nothing behind it.
    malformed(
        server,
        &[
            "",
            " ",
            "\0",
            "k",
            "{}",
            "{\"Delete\":{\"Object\":[{\"Key\":\"k\"}]}}",
            "<",
            "<Delete",
            "<Delete>",
            "<Delete/>",
            "<Delete><Object><Key>k</Key></Object>",
            "<Delete><Object><Key>k</Key></Delete></Object>",
            "<Delete><Object><Key>k</key></Object></Delete>",
            "<Delete><Object><Key>k</Key></Object></Delete",
            "<Delete><Object><Key>k</Key></Object></Delete>x",
            "<Delete><Object><Key>k</Key></Object></Delete>\0",
            "<Delete><Object><Key>k</Key></Object></Delete><Delete/>",
            "<Delete><Object><Key>k</Key></Object></Delete>&amp;",
            "<Delete><Object><Key>k</Key></Object></Delete><![CDATA[]]>x",
            "x<Delete><Object><Key>k</Key></Object></Delete>",
            "<delete><Object><Key>k</Key></Object></delete>",
            "<Delete><object><Key>k</Key></object></Delete>",
            "<Delete><Object><key>k</key></Object></Delete>",
            "<Delete><Object>k</Object></Delete>",
            "<Delete><Key>k</Key></Delete>",
            "<Object><Key>k</Key></Object>",
            "<a><Delete><Object><Key>k</Key></Object></Delete></a>",
            "<Delete><a><Object><Key>k</Key></Object></a></Delete>",
            "<Delete><Object><a><Key>k</Key></a></Object></Delete>",
            "<Delete><Object><Key><![CDATA[k</Key></Object></Delete>",
            "<Delete><Object><Key><!-- k</Key></Object></Delete>",
            "<Delete><Object Key=\"k\"/></Delete>",
            "<html><body>k</body></html>",
        ],
    );
}

fn encodings(server: &Server) {
    // UTF-8 and nothing else, whatever the document says it is.
    server.place("k", "hello");
    let document = format!("<Delete>{KEY}</Delete>");
    let wide =
        |order: fn(u16) -> [u8; 2]| document.encode_utf16().flat_map(order).collect::<Vec<_>>();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    for bytes in [
        little.clone(),
        big.clone(),
        [b"\xff\xfe".to_vec(), little].concat(),
        [b"\xfe\xff".to_vec(), big].concat(),
        document.bytes().flat_map(|b| [b, 0, 0, 0]).collect(),
        b"<Delete><Object><Key>\xff</Key></Object></Delete>".to_vec(),
        b"<Delete><Object><Key>\xc0\xab</Key></Object></Delete>".to_vec(),
        b"<Delete><Object><Key>\xed\xa0\x80</Key></Object></Delete>".to_vec(),
        b"\xff<Delete><Object><Key>k</Key></Object></Delete>".to_vec(),
        b"+ADw-Delete+AD4-".to_vec(),
    ] {
        delete(server, &bytes).error(400, "MalformedXML");
        assert!(server.path("k").exists());
    }
}

fn said_twice(server: &Server) {
    // A value that stands there twice: nobody guesses which one was meant.
    malformed(
        server,
        &[
            "<Delete><Object><Key>other</Key><Key>k</Key></Object></Delete>",
            "<Delete><Object><Key>k</Key><Key>other</Key></Object></Delete>",
            "<Delete><Object><Key>k</Key><a:Key>other</a:Key></Object></Delete>",
            "<Delete><Object><Key>k</Key><VersionId>null</VersionId><VersionId/></Object></Delete>",
            "<Delete><Quiet>true</Quiet><Quiet>false</Quiet><Object><Key>k</Key></Object></Delete>",
            "<Delete><Object><Key>k</Key><ETag>a</ETag><ETag>*</ETag></Object></Delete>",
        ],
    );
    let upload = server.request("POST", "/bench/x?uploads").body("").send().one("UploadId");
    let etag = server.put(&format!("/bench/x?partNumber=1&uploadId={upload}"), "part");
    let etag = etag.header("ETag");
    for part in [
        format!("<PartNumber>1</PartNumber><PartNumber>2</PartNumber><ETag>{etag}</ETag>"),
        format!("<PartNumber>1</PartNumber><ETag>{etag}</ETag><ETag>a</ETag>"),
        format!("<PartNumber>1</PartNumber><ETag>{etag}</ETag><ChecksumCRC32/><ChecksumCRC32/>"),
    ] {
        let document =
            format!("<CompleteMultipartUpload><Part>{part}</Part></CompleteMultipartUpload>");
        post(server, &format!("/bench/x?uploadId={upload}"), document).error(400, "MalformedXML");
    }
    assert!(!server.path("x").exists());
    let tag = "<Key>a</Key><Key>b</Key><Value>c</Value>";
    let tags = format!("<Tagging><TagSet><Tag>{tag}</Tag></TagSet></Tagging>");
    server.put("/bench/k?tagging", tags).error(400, "MalformedXML");
}

fn too_much(server: &Server) {
    // Documents of 10 MiB, of one long text, of very many elements, attributes or comments.
    server.place("k", "hello");
    let big = 10 << 20;
    let text = "k".repeat(big);
    for document in [
        format!("<Delete>{}</Delete>", KEY.repeat(big / KEY.len())),
        format!("<Delete><Object><Key>{text}</Key></Object></Delete>"),
        format!("<Delete><!--{text}-->{KEY}</Delete>"),
        format!("<{text}>"),
        format!("<Delete a=\"{text}\">{KEY}</Delete>"),
        " ".repeat(big),
    ] {
        for chunked in [false, true] {
            let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
            let request = server.request("POST", "/bench?delete").header("Content-MD5", md5);
            let request = match chunked {
                false => request.body(&document),
                true => request
                    .header("Transfer-Encoding", "chunked")
                    .unsized_body(crate::support::chunked::http(document.as_bytes(), 60_000)),
            };
            let answer = request.send();
            assert_eq!(answer.status, 400, "{}", answer.text());
            answer.refusal();
        }
    }
    let start = Instant::now();
    for document in [
        format!("<Delete>{}</Delete>", "<a/>".repeat(900_000)),
        format!("<Delete><Object>{}</Object></Delete>", "<Key>k</Key>".repeat(120_000)),
        format!("<Delete>{}{KEY}</Delete>", "<!---->".repeat(500_000)),
        format!("<Delete{}>{KEY}</Delete>", " a='b'".repeat(600_000)),
        format!("<Delete>{}{KEY}</Delete>", "&amp;".repeat(700_000)),
        format!("<Delete xmlns:{}='b'>{KEY}</Delete>", "a".repeat(3_000_000)),
    ] {
        let answer = delete(server, &document);
        assert!([200, 400].contains(&answer.status), "{}", answer.status);
        if answer.status == 200 {
            server.place("k", "hello");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

fn too_deep(server: &Server) {
    // Nesting has an end, and the stack none of it.
    let deep = |n: usize| format!("<Delete>{KEY}{}{}</Delete>", "<a>".repeat(n), "</a>".repeat(n));
    let open = format!("<Delete>{}", "<a>".repeat(1_000_000));
    malformed(server, &[&deep(16), &deep(1000), &deep(100_000), &open]);
    delete(server, deep(10)).expect(200);
}

fn in_every_operation(server: &Server) {
    // The same reader is behind every operation that takes a document.
    server.place("k", "hello");
    let upload = server.request("POST", "/bench/x?uploads").body("").send().one("UploadId");
    let complete = format!("/bench/x?uploadId={upload}");
    let bomb = "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>";
    let deep = "<a>".repeat(10_000);
    for (method, target) in [
        ("POST", "/bench?delete"),
        ("POST", complete.as_str()),
        ("PUT", "/bench/k?tagging"),
        ("PUT", "/bench?tagging"),
        ("PUT", "/bench?cors"),
        ("PUT", "/bench?acl"),
        ("PUT", "/bench/k?acl"),
        ("PUT", "/bench?versioning"),
        ("PUT", "/bench?ownershipControls"),
        ("PUT", "/bench?publicAccessBlock"),
        ("PUT", "/bench?encryption"),
        ("PUT", "/new-bucket"),
    ] {
        for document in [bomb, &deep, "<a", "<a/><b/>", "\u{feff}\u{feff}<a", "x"] {
            let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
            let request = server.request(method, target).header("Content-MD5", md5);
            let answer = request.body(document).send();
            assert!((400..500).contains(&answer.status), "{method} {target}: {}", answer.status);
            answer.refusal();
        }
    }
    assert_eq!(server.get("/bench/k?tagging").expect(200).all("Tag").len(), 0);
}

fn limits_of_lists(server: &Server) {
    // 1,000 keys and 10,000 parts are the most; one more and nothing is done.
    server.place("k", "hello");
    let keys = |n: usize| format!("<Delete>{}</Delete>", KEY.repeat(n));
    delete(server, keys(1001)).error(400, "MalformedXML");
    assert!(server.path("k").exists());
    assert_eq!(delete(server, keys(1000)).expect(200).all("Deleted").len(), 1000);
    let upload = server.request("POST", "/bench/x?uploads").body("").send().one("UploadId");
    let parts = |n: usize| {
        let part = |n| format!("<Part><PartNumber>{n}</PartNumber><ETag>a</ETag></Part>");
        let parts: String = (1..=n).map(part).collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    };
    let target = format!("/bench/x?uploadId={upload}");
    post(server, &target, parts(10_001)).refusal();
    post(server, &target, parts(10_000)).error(400, "InvalidPart");
    post(server, &target, "<CompleteMultipartUpload/>").error(400, "MalformedXML");
    let tags = |n: usize| {
        let tag = |n| format!("<Tag><Key>{n}</Key><Value/></Tag>");
        format!("<Tagging><TagSet>{}</TagSet></Tagging>", (0..n).map(tag).collect::<String>())
    };
    server.place("k", "hello");
    server.put("/bench/k?tagging", tags(11)).expect(400).refusal();
    server.put("/bench/k?tagging", tags(10)).expect(200);
}

fn harmless_forms(server: &Server) {
    // What says the same is the same: a BOM, a declaration, comments, CDATA, any name space.
    for document in [
        format!("\u{feff}<Delete>{KEY}</Delete>"),
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n<Delete>{KEY}</Delete>\r\n"
        ),
        format!("<!-- a --><Delete><!-- b -->{KEY}<!-- c --></Delete><!-- d -->"),
        format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{KEY}</Delete>"),
        format!("<Delete xmlns=\"urn:other\" a='b'>{KEY}</Delete>"),
        "<s:Delete xmlns:s='x'><s:Object><s:Key>k</s:Key></s:Object></s:Delete>".to_owned(),
        "<Delete><Object><Key><![CDATA[k]]></Key></Object></Delete>".to_owned(),
        "<Delete><Object><Key>&#107;</Key></Object></Delete>".to_owned(),
        "<Delete><Object><Key>&#x6B;</Key></Object></Delete>".to_owned(),
        "<Delete>\n\t<Object >\n<Key\n>k</Key ></Object>\n</Delete>".to_owned(),
        "<Delete><Unknown>x</Unknown><Object><Key>k</Key><More/></Object></Delete>".to_owned(),
    ] {
        server.place("k", "hello");
        assert_eq!(delete(server, &document).expect(200).all("Key"), ["k"], "{document}");
        assert!(!server.path("k").exists(), "{document}");
    }
}

/// Nothing of `Evil` is a header or a second answer.
#[track_caller]
fn unsplit(answer: &Response, shown: &str) {
    assert_eq!(answer.find("Evil"), None, "{shown}: {answer:?}");
    assert!(answer.headers.iter().all(|(_, v)| !v.contains(['\r', '\n', '\0'])), "{shown}");
}

const LINES: [&str; 8] = [
    "a\r\nEvil: 1",
    "a\nEvil: 1",
    "a\rEvil: 1",
    "a\r\n\r\nHTTP/1.1 200 OK\r\nEvil: 1",
    "a\r\n Evil: 1",
    "a\u{85}Evil: 1",
    "a\u{2028}Evil: 1",
    "a\u{560a}\u{560d}Evil: 1",
];

const ENCODED: [&str; 6] = [
    "a%0d%0aEvil:%201",
    "=?UTF-8?Q?a=0D=0AEvil:_1?=",
    "=?UTF-8?B?YQ0KRXZpbDogMQ==?=",
    "a\\r\\nEvil: 1",
    "a&#13;&#10;Evil: 1",
    "a%E5%98%8A%E5%98%8DEvil: 1",
];

const HEADERS: [&str; 8] = [
    "x-amz-meta-a",
    "Content-Type",
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Expires",
    "x-amz-website-redirect-location",
];

fn headers_from_headers(server: &Server) {
    // A value that only looks like a line end in some coding is kept as it is.
    for name in HEADERS {
        for value in ENCODED {
            let value = if name.ends_with("location") { format!("/{value}") } else { value.into() };
            let put = server.request("PUT", "/bench/k").header(name, &value).body("x").send();
            unsplit(&put, &value);
            if put.status != 200 {
                continue;
            }
            let got = server.get("/bench/k").expect(200);
            unsplit(&got, &value);
            assert_eq!(got.header(name), value, "{name}");
            let copy = server.request("PUT", "/bench/c").header("x-amz-copy-source", "/bench/k");
            unsplit(&copy.body("").send().expect(200), &value);
            // S3 does not copy that one.
            let copied = server.head("/bench/c").expect(200).find(name).map(str::to_owned);
            assert_eq!(copied, (!name.ends_with("location")).then_some(value), "{name}");
        }
    }
}

fn headers_from_queries(server: &Server) {
    // Nothing of a query or a path becomes a line of the head of an answer.
    server.store("k", "x");
    let lines: Vec<_> = LINES.iter().map(|line| encoded(line)).collect();
    for line in &lines {
        for name in ["type", "language", "disposition", "encoding"] {
            let target = format!("/bench/k?response-content-{name}={line}");
            unsplit(&server.get(&target), &target);
        }
        for target in [
            format!("/bench/k?response-expires={line}"),
            format!("/bench/k?response-cache-control={line}"),
            format!("/bench/{line}"),
            format!("/{line}"),
            format!("/bench?list-type=2&prefix={line}"),
            format!("/bench/k?versionId={line}"),
            format!("/bench/k?partNumber={line}"),
        ] {
            unsplit(&server.get(&target), &target);
            unsplit(&server.head(&target), &target);
            unsplit(&server.put(&target, "x"), &target);
            unsplit(&server.delete(&target), &target);
        }
        let posted = server.request("POST", &format!("/bench/{line}?uploads")).body("").send();
        unsplit(&posted, line);
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

fn form(server: &Server, fields: &[(&str, &str)], file: &str) -> Response {
    let part = "--e\r\nContent-Disposition: form-data; name=";
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!("{part}\"{name}\"\r\n\r\n{value}\r\n"));
    }
    body.push_str(&format!("{part}\"file\"; filename=\"{file}\"\r\n\r\nx\r\n--e--\r\n"));
    let post = server.request("POST", "/bench").body(body);
    post.header("Content-Type", "multipart/form-data; boundary=e").send()
}

fn headers_from_forms(server: &Server) {
    // The fields of a form may hold anything, and none of it becomes a header of its own.
    for line in LINES {
        for name in HEADERS.iter().chain(&["acl", "x-amz-storage-class", "tagging"]) {
            let name = name.to_ascii_lowercase();
            unsplit(&form(server, &[("key", "k"), (&name, line)], "f"), line);
            unsplit(&server.get("/bench/k"), line);
        }
        for name in ["success_action_redirect", "redirect", "success_action_status"] {
            let url = format!("http://page.example/{line}");
            for value in [line, &url] {
                let answer = form(server, &[("key", "k"), (name, value)], "f");
                unsplit(&answer, line);
            }
        }
        unsplit(&form(server, &[("key", line), ("success_action_status", "201")], "f"), line);
        let redirect = ("success_action_redirect", "http://page.example/");
        unsplit(&form(server, &[("key", line), redirect], "f"), line);
        unsplit(&form(server, &[("key", "${filename}"), redirect], &line.replace('\r', "")), line);
    }
    for url in ["//evil.example", "javascript:alert(1)", "data:text/html,x", "http:evil", "/x", ""]
    {
        let answer = form(server, &[("key", "k"), ("success_action_redirect", url)], "f");
        assert_ne!(answer.status, 303, "{url}");
    }
}

fn headers_from_the_disk(server: &Server) {
    // What another program wrote into the attribute of a file is no header of its own either.
    let put = server.request("PUT", "/bench/k").header("x-amz-meta-a", "a--Evil: 1");
    put.header("Content-Language", "b--Evil: 1").body("x").send().expect(200);
    let path = server.path("k");
    let mut value = vec![0; 4096];
    let length = rustix::fs::getxattr(&path, "user.lobos", &mut value[..]).unwrap();
    value.truncate(length);
    for at in 0..value.len() - 1 {
        if &value[at..at + 2] == b"--" {
            value[at..at + 2].copy_from_slice(b"\r\n");
        }
    }
    rustix::fs::setxattr(&path, "user.lobos", &value, rustix::fs::XattrFlags::empty()).unwrap();
    let got = server.get("/bench/k").expect(200);
    unsplit(&got, "attribute");
    assert_eq!(got.text(), "x");
}

fn headers_from_presigned_urls(runtime: &Runtime) {
    // Headers in the query of a presigned URL come decoded: one with a line end is refused.
    let server = Setup::new(*runtime).start();
    let time = crate::support::sign::basic(0);
    let signed = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date={time}&X-Amz-Expires=60\
         &X-Amz-SignedHeaders=host&X-Amz-Signature=0"
    );
    for name in ["x-amz-meta-a", "x-amz-website-redirect-location", "x-amz-tagging", "x-amz-acl"] {
        for line in LINES {
            let target = format!("/bench/k?{name}={}&{signed}", encoded(line));
            let put = server.put(&target, "x");
            unsplit(&put, line);
            unsplit(&server.get("/bench/k"), line);
        }
    }
    let target = format!("/bench/other?x-amz-meta-a%0d%0aEvil:=1&{signed}");
    server.put(&target, "x").refusal();
    server.get("/bench/other").expect(404);
}
