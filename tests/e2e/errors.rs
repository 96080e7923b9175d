//! Errors as S3 sends them: code, status, words and the elements that each has of its own; what
//! every answer has; and whose the buckets are.

use crate::support::http::Response;
use crate::support::server::{Server, Setup};

on_every_runtime![
    elements,
    digests,
    conditions,
    every_answer,
    heads,
    paths,
    lengths,
    metadata_of_any_bytes,
];

on_every_runtime![with |runtime| Setup::root(runtime).start();
    owner,
    owner_of_each_request,
    expected_owner,
];

/// The elements of an error in their order, without those that all have.
fn own(error: &Response) -> Vec<(String, String)> {
    let text = error.text();
    let start = text.find("</Message>").unwrap() + "</Message>".len();
    let end = text.find("<Resource>").unwrap();
    let mut rest = &text[start..end];
    let mut found = Vec::new();
    while let Some(after) = rest.strip_prefix('<') {
        let (name, after) = after.split_once('>').unwrap();
        let (value, after) = after.split_once(&format!("</{name}>")).unwrap();
        found.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    assert_eq!(rest, "");
    found
}

#[track_caller]
fn has(error: &Response, elements: &[(&str, &str)]) {
    let wanted = elements.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    assert_eq!(own(error), wanted.collect::<Vec<_>>());
}

fn elements(server: &Server) {
    // Each error says what it is about in the elements that S3 has for it.
    server.store("k", "0123456789");
    has(&server.get("/none/k").error(404, "NoSuchBucket"), &[("BucketName", "none")]);
    has(&server.get("/bench/a%20b").error(404, "NoSuchKey"), &[("Key", "a b")]);
    has(&server.get("/.a/k").error(400, "InvalidBucketName"), &[("BucketName", ".a")]);
    let long = server.put(&format!("/bench/{}", "x".repeat(1025)), "x");
    has(&long.error(400, "KeyTooLongError"), &[("Size", "1025"), ("MaxSizeAllowed", "1024")]);
    let range = server.request("GET", "/bench/k").header("Range", "bytes=10-20").send();
    assert_eq!(range.header("Content-Range"), "bytes */10");
    has(
        &range.error(416, "InvalidRange"),
        &[("RangeRequested", "bytes=10-20"), ("ActualObjectSize", "10")],
    );
    let part = server.get("/bench/k?partNumber=x").error(400, "InvalidArgument");
    has(&part, &[("ArgumentName", "partNumber"), ("ArgumentValue", "x")]);
    let put = |name: &str, value: &str| {
        server.request("PUT", "/bench/k").header(name, value).body("new").send()
    };
    has(
        &put("x-amz-meta-a", &"v".repeat(2048)).error(400, "MetadataTooLarge"),
        &[("Size", "2049"), ("MaxSizeAllowed", "2048")],
    );
    has(
        &put("x-amz-storage-class", "FAST").error(400, "InvalidStorageClass"),
        &[("StorageClassRequested", "FAST")],
    );
    put("x-amz-website-redirect-location", "ftp://x").error(400, "InvalidRedirectLocation");
    let large = server.request("PUT", "/bench/k").header("Content-Length", 6_u64 << 30);
    let large = large.unsized_body("").send().error(400, "EntityTooLarge");
    has(&large, &[("ProposedSize", "6442450944"), ("MaxSizeAllowed", "5368709120")]);
    assert_eq!(server.get("/bench/k").expect(200).text(), "0123456789");
}

fn digests(server: &Server) {
    // A digest that does not fit is told with the one that was computed.
    let put = |name: &str, value: &str| {
        server.request("PUT", "/bench/k").header(name, value).body("hello").send()
    };
    let md5 = put("Content-MD5", "gX1NSbCfng6B+naT6r0pCw==").error(400, "BadDigest");
    has(
        &md5,
        &[
            ("ExpectedDigest", "817d4d49b09f9e0e81fa7693eabd290b"),
            ("CalculatedDigest", "XUFAKrxLKna5cZ2REBfFkg=="),
        ],
    );
    for value in ["XUFAKrxLKna5cZ2REBfFkg", "hello", "aGVsbG8=", ""] {
        let invalid = put("Content-MD5", value).error(400, "InvalidDigest");
        has(&invalid, &[("Content-MD5", value)]);
    }
    let other = "ab".repeat(32);
    let sha256 = put("x-amz-content-sha256", &other).error(400, "XAmzContentSHA256Mismatch");
    assert_eq!(sha256.one("ClientComputedContentSHA256"), other);
    let computed = sha256.one("S3ComputedContentSHA256");
    assert!(computed.starts_with("2cf24dba5fb0a30e"), "{computed}");
    server.get("/bench/k").error(404, "NoSuchKey");
}

fn conditions(server: &Server) {
    // A condition that fails is named; one that S3 does not have for a write is refused.
    server.store("k", "x");
    let ask = |method: &str, headers: &[(&str, &str)]| {
        let request = server.request(method, "/bench/k");
        let request = if method == "PUT" { request.body("new") } else { request };
        headers.iter().fold(request, |r, (name, value)| r.header(name, value)).send()
    };
    for (method, name, value) in [
        ("GET", "If-Match", "\"other\""),
        ("GET", "If-Unmodified-Since", "Thu, 01 Jan 1998 00:00:00 GMT"),
        ("PUT", "If-Match", "\"other\""),
        ("PUT", "If-None-Match", "*"),
    ] {
        let failed = ask(method, &[(name, value)]).error(412, "PreconditionFailed");
        assert_eq!(failed.one("Condition"), name, "{method}");
    }
    let other = ask("PUT", &[("If-None-Match", "\"a\"")]).error(501, "NotImplemented");
    assert_eq!(other.one("Header"), "If-None-Match");
    assert!(other.one("additionalMessage").starts_with("We don't accept the provided value"));
    ask("PUT", &[("If-None-Match", "*"), ("If-Match", "*")]).error(501, "NotImplemented");
    assert_eq!(server.get("/bench/k").expect(200).text(), "x");
}

fn every_answer(server: &Server) {
    // Every answer, good or bad, has two request ids, a date and the name of the server, and no
    // two answers have the same ids.
    server.store("k", "x");
    let mut seen = Vec::new();
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/bench"),
        ("GET", "/bench/k"),
        ("HEAD", "/bench/k"),
        ("HEAD", "/bench/none"),
        ("GET", "/bench/none"),
        ("DELETE", "/bench/none"),
        ("PUT", "/bench/k?uploads"),
        ("POST", "/"),
        ("GET", "/bench/k%"),
    ] {
        let got = server.request(method, target).send();
        let id = got.header("x-amz-request-id").to_owned();
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert!(!got.header("x-amz-id-2").is_empty());
        assert_eq!(got.header("Server"), "Lobos");
        assert!(got.header("Date").ends_with(" GMT"));
        assert!(!seen.contains(&id));
        seen.push(id);
    }
}

fn heads(server: &Server) {
    // No answer to HEAD has a body, and the connection goes on behind each.
    server.store("k", "hello");
    let mut connection = server.connect();
    for (target, status) in [
        ("/bench/k", 200),
        ("/bench/none", 404),
        ("/none/k", 404),
        ("/none", 404),
        ("/bench/k?partNumber=0", 400),
        ("/bench/k?versionId=other", 404),
        ("/bench/k%", 400),
    ] {
        let got = server.request("HEAD", target).on(&mut connection).expect(status);
        let length = got.find("Content-Length");
        assert!(status != 200 || length == Some("5"), "{target}");
    }
    assert!(connection.is_silent());
    let ranged = server.request("HEAD", "/bench/k").header("Range", "bytes=1-2");
    assert_eq!(ranged.on(&mut connection).expect(206).header("Content-Length"), "2");
    let encoded = server.request("HEAD", "/bench/k").header("Accept-Encoding", "gzip, br");
    let encoded = encoded.on(&mut connection).expect(200);
    assert_eq!((encoded.header("Content-Length"), encoded.find("Content-Encoding")), ("5", None));
}

fn paths(server: &Server) {
    // The resource of an error is the path as it was sent; escapes are decoded once, in a path a
    // plus is a plus, in a query it is a space.
    for (target, resource, key) in [
        ("/bench/a+b", "/bench/a+b", "a+b"),
        ("/bench/a%2Bb?x=y", "/bench/a%2Bb", "a+b"),
        ("/bench/a%20b", "/bench/a%20b", "a b"),
        ("/bench/a%2Fb", "/bench/a%2Fb", "a/b"),
        ("/bench/a%252Fb", "/bench/a%252Fb", "a%2Fb"),
        ("http://localhost/bench/k?a=b", "/bench/k", "k"),
    ] {
        let got = server.get(target).error(404, "NoSuchKey");
        assert_eq!((got.one("Resource").as_str(), got.one("Key").as_str()), (resource, key));
        let path = server.put(target, "x").expect(200);
        assert!(!path.header("ETag").is_empty());
        assert_eq!(server.get(target).expect(200).text(), "x");
        server.delete(target).expect(204);
    }
    server.store("a%20b", "x");
    server.store("a%2Bb", "x");
    assert_eq!(server.get("/bench?prefix=a+b").all("Key"), ["a b"]);
    assert_eq!(server.get("/bench?prefix=a%2Bb").all("Key"), ["a+b"]);
    for broken in ["/bench/%", "/bench/a%2", "/bench/%zz", "/bench?prefix=%2", "/bench/%FF"] {
        server.get(broken).error(400, "InvalidURI");
    }
}

fn lengths(server: &Server) {
    // A PUT must say how long it is or come in chunks; a GET need not, nor a new bucket.
    let put = server.request("PUT", "/bench/k").unsized_body("");
    put.send().error(411, "MissingContentLength");
    let put = server.request("PUT", "/bench/k").header("Transfer-Encoding", "chunked");
    put.unsized_body("5\r\nhello\r\n0\r\n\r\n").send().expect(200);
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    for bad in ["", "-1", "five", "5, 5"] {
        let put = server.request("PUT", "/bench/k").header("Content-Length", bad);
        put.unsized_body("hello").send().expect(400).refusal();
    }
    let bucket = server.request("PUT", "/bench").unsized_body("").send();
    bucket.error(409, "BucketAlreadyOwnedByYou");
}

fn metadata_of_any_bytes(server: &Server) {
    // Names are kept in lower case, and values of UTF-8 and of ISO 8859-1 come back as they were.
    let head = server.request("PUT", "/bench/k").header("Connection", "close").body("x").head();
    let head = &head[..head.len() - 2];
    let lines = b"X-Amz-Meta-Utf8: caf\xc3\xa9\r\nx-amz-meta-latin1: caf\xe9\r\n\r\nx";
    let mut connection = server.connect();
    connection.write([head, lines].concat());
    assert!(connection.rest().starts_with(b"HTTP/1.1 200 "));
    let mut connection = server.connect();
    let get = server.request("GET", "/bench/k").header("Connection", "close");
    connection.write(get.bytes());
    let got = connection.rest();
    for line in
        [&b"\r\nx-amz-meta-utf8: caf\xc3\xa9\r\n"[..], b"\r\nx-amz-meta-latin1: caf\xe9\r\n"]
    {
        assert!(got.windows(line.len()).any(|w| w == line), "{}", String::from_utf8_lossy(&got));
    }
}

const CREDENTIAL: &str = "20260101/us-east-1/s3/aws4_request";

fn owner(server: &Server) {
    // Everything belongs to the access key that the request names, in whatever form.
    server.put("/abc", "").expect(200);
    server.put("/abc/k", "x").expect(200);
    let v4 =
        format!("AWS4-HMAC-SHA256 Credential=AKIA/{CREDENTIAL}, SignedHeaders=host, Signature=0");
    for (authorization, id) in [(v4.as_str(), "AKIA"), ("AWS minio:c2ln", "minio")] {
        for target in ["/", "/abc", "/abc?list-type=2&fetch-owner=true"] {
            let got = server.request("GET", target).header("Authorization", authorization);
            let got = got.send().expect(200);
            assert_eq!((got.one("ID"), got.one("DisplayName")), (id.to_owned(), id.to_owned()));
        }
    }
    assert_eq!(server.get("/").expect(200).one("ID"), "lobos");
}

fn owner_of_each_request(server: &Server) {
    // On one connection each request has the owner that it names itself, whatever the one before
    // named and wherever the name stands.
    let v4 = |key: &str| {
        format!("AWS4-HMAC-SHA256 Credential={key}/{CREDENTIAL}, SignedHeaders=host, Signature=0")
    };
    let late = |key: &str| {
        format!("AWS4-HMAC-SHA256 SignedHeaders=host, Credential={key}/{CREDENTIAL}, Signature=0")
    };
    let (mut connection, query) = (server.connect(), "/?AWSAccessKeyId=Q&Signature=s");
    for (target, authorization, id) in [
        ("/", v4("A"), "A"),
        ("/", v4("A"), "A"),
        ("/", v4("AB"), "AB"),
        ("/", late("C"), "C"),
        ("/", late("D"), "D"),
        ("/", String::new(), "lobos"),
        (query, String::new(), "Q"),
        ("/", String::new(), "lobos"),
        ("/", v4("A"), "A"),
        (query, String::new(), "Q"),
        ("/", v4("A"), "A"),
        ("/", "AWS E:c2ln".to_owned(), "E"),
    ] {
        let mut request = server.request("GET", target);
        if !authorization.is_empty() {
            request = request.header("Authorization", &authorization);
        }
        let got = request.on(&mut connection).expect(200);
        assert_eq!(got.one("ID"), id, "{target} {authorization}");
    }
}

fn expected_owner(server: &Server) {
    // A client that expects another owner is refused. Without key pairs nobody knows the account,
    // so any account may be right.
    let name = "x-amz-expected-bucket-owner";
    let put = |owner: &str| {
        let request = server.request("PUT", "/abc/k").header(name, owner).body("x");
        request.header("Authorization", "AWS me:c2ln").send()
    };
    server.put("/abc", "").expect(200);
    for other in ["you", "12345678901", "1234567890123", "12345678901x", "lobos"] {
        put(other).error(403, "AccessDenied");
        server.request("HEAD", "/abc").header(name, other).send().expect(if other == "lobos" {
            200
        } else {
            403
        });
    }
    server.get("/abc/k").error(404, "NoSuchKey");
    for own in ["me", "123456789012", ""] {
        put(own).expect(200);
    }
}
