//! Putting, reading and deleting single objects, with everything that is kept beside the bytes.

use crate::support::server::Server;
use crate::support::tree::{bytes, set_modified};

on_every_store![
    sizes,
    overwrite,
    head_is_get_without_a_body,
    delete,
    missing,
    user_metadata,
    user_metadata_limit,
    standard_headers,
    response_overrides,
    harmless_headers,
    folder_object,
    unknown_queries,
];

on_every_runtime![
    round_trip,
    overwrite_forgets,
    guessed_content_types,
    safe_in_a_browser,
    etag_of_a_put
];

fn round_trip(server: &Server) {
    // What was put comes back byte for byte, and lies on disk as a plain file of that name.
    let body = bytes(100_000);
    let put = server.put("/bench/a/b.bin", &body).expect(200);
    assert_eq!(put.header("Content-Length"), "0");
    let got = server.get("/bench/a/b.bin").expect(200);
    assert!(got.body == body);
    assert_eq!(got.header("ETag"), put.header("ETag"));
    assert_eq!(got.header("Accept-Ranges"), "bytes");
    assert!(got.header("Last-Modified").ends_with(" GMT"));
    assert!(std::fs::read(server.path("a/b.bin")).unwrap() == body);
}

fn sizes(server: &Server) {
    // Objects of every size around the buffers and thresholds inside come back whole.
    let mut connection = server.connect();
    for size in [0, 1, 4095, 4096, 16_383, 16_384, 16_385, 65_536, 262_143, 262_145, 3 << 20] {
        let body = bytes(size);
        server.request("PUT", "/bench/k").body(&body).on(&mut connection).expect(200);
        let got = server.request("GET", "/bench/k").on(&mut connection).expect(200);
        assert!(got.body == body, "{size}");
        let head = server.request("HEAD", "/bench/k").on(&mut connection).expect(200);
        assert_eq!(head.header("Content-Length"), size.to_string());
    }
}

fn overwrite(server: &Server) {
    // A second PUT replaces the object, whether longer or shorter.
    for body in ["first", "a longer second", "3", ""] {
        server.store("k", body);
        assert_eq!(server.get("/bench/k").expect(200).text(), body);
    }
}

fn head_is_get_without_a_body(server: &Server) {
    // HEAD has the status and every header of GET, for objects and for ranges of them.
    server.request("PUT", "/bench/k").header("x-amz-meta-a", "b").body("hello").send().expect(200);
    for range in [None, Some("bytes=1-3")] {
        let ask = |method| {
            let request = server.request(method, "/bench/k");
            range.map_or(request.clone(), |range| request.header("Range", range)).send()
        };
        let (get, head) = (ask("GET"), ask("HEAD"));
        assert_eq!(get.status, head.status);
        let comparable = |headers: &[(String, String)]| {
            let changes = ["date", "x-amz-request-id", "x-amz-id-2"];
            let mut kept: Vec<_> =
                headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect();
            kept.retain(|(name, _)| !changes.contains(&name.as_str()));
            kept.sort();
            kept
        };
        assert_eq!(comparable(&get.headers), comparable(&head.headers));
    }
}

fn delete(server: &Server) {
    // DELETE answers 204 whether or not there was an object, and then it is gone.
    server.store("k", "x");
    let mut connection = server.connect();
    for _ in 0..2 {
        let gone = server.request("DELETE", "/bench/k").on(&mut connection).expect(204);
        assert_eq!(gone.find("Content-Length").unwrap_or("0"), "0");
        server.request("GET", "/bench/k").on(&mut connection).error(404, "NoSuchKey");
    }
    assert!(!server.path("k").exists());
}

fn missing(server: &Server) {
    // An object or bucket that is not there has its own error, with the names in it.
    let key = server.get("/bench/no/such%20key").error(404, "NoSuchKey");
    assert_eq!(key.one("Key"), "no/such key");
    assert_eq!(key.one("Resource"), "/bench/no/such%20key");
    let bucket = server.get("/nothere/k").error(404, "NoSuchBucket");
    assert_eq!(bucket.one("BucketName"), "nothere");
    assert_eq!(server.head("/bench/none").expect(404).find("ETag"), None);
    server.put("/nothere/k", "x").error(404, "NoSuchBucket");
    server.delete("/nothere/k").error(404, "NoSuchBucket");
    assert!(!server.home().join("nothere").exists());
}

fn user_metadata(server: &Server) {
    // x-amz-meta-* come back word for word, names in lower case.
    let put = server
        .request("PUT", "/bench/k")
        .header("x-amz-meta-color", "light  blue; a=\"1\"")
        .header("X-Amz-Meta-CamelCase", "Value")
        .header("x-amz-meta-empty", "")
        .body("x");
    put.send().expect(200);
    let head = server.head("/bench/k").expect(200);
    assert_eq!(head.header("x-amz-meta-color"), "light  blue; a=\"1\"");
    assert_eq!(head.header("x-amz-meta-empty"), "");
    let camel = head.headers.iter().find(|(_, value)| value == "Value").unwrap();
    assert_eq!(camel.0, "x-amz-meta-camelcase");
}

fn user_metadata_limit(server: &Server) {
    // 2 KiB of metadata is kept, more is MetadataTooLarge and stores nothing (S3, PutObject).
    let name = "x-amz-meta-n";
    let put = |length: usize| {
        let value = "v".repeat(length);
        server.request("PUT", "/bench/k").header(name, value).body("x").send()
    };
    put(2049).error(400, "MetadataTooLarge");
    server.get("/bench/k").error(404, "NoSuchKey");
    put(2047).expect(200);
    assert_eq!(server.head("/bench/k").header(name).len(), 2047);
}

fn standard_headers(server: &Server) {
    // The headers that S3 keeps with an object come back as they were sent.
    let headers = [
        ("Content-Type", "text/x-custom; charset=utf-8"),
        ("Cache-Control", "max-age=60, public"),
        ("Content-Disposition", "attachment; filename=\"a b.txt\""),
        ("Content-Encoding", "gzip"),
        ("Content-Language", "de-DE, en"),
        ("Expires", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ("x-amz-website-redirect-location", "/elsewhere"),
    ];
    let put = headers.iter().fold(server.request("PUT", "/bench/k"), |r, (n, v)| r.header(n, v));
    put.body("x").send().expect(200);
    for response in [server.get("/bench/k"), server.head("/bench/k")] {
        for (name, value) in headers {
            assert_eq!(response.header(name), value);
        }
    }
}

fn overwrite_forgets(server: &Server) {
    // Nothing of the old object's metadata is left after a PUT without any.
    let put = server.request("PUT", "/bench/k.txt").header("Content-Type", "image/png");
    put.header("x-amz-meta-a", "b").header("Cache-Control", "no-store").body("x").send();
    server.store("k.txt", "y");
    let head = server.head("/bench/k.txt").expect(200);
    assert_eq!(head.find("x-amz-meta-a"), None);
    assert_eq!(head.find("Cache-Control"), None);
    assert!(head.header("Content-Type").starts_with("text/plain"));
}

fn guessed_content_types(server: &Server) {
    // A PUT without a Content-Type gets one by its name; S3's own default where there is no guess.
    for (key, kind) in [
        ("a.html", "text/html"),
        ("a.json", "application/json"),
        ("a.PNG", "image/png"),
        ("a.tar.gz", "application/gzip"),
        ("noending", "binary/octet-stream"),
        ("a.unheardof", "binary/octet-stream"),
    ] {
        server.store(key, "x");
        let got = server.head(&format!("/bench/{key}")).header("Content-Type").to_owned();
        assert_eq!(got.split(';').next(), Some(kind), "{key}");
    }
}

fn safe_in_a_browser(server: &Server) {
    // Objects are never sniffed or embedded elsewhere; documents with script run in a sandbox.
    for (key, sandboxed) in
        [("a.html", true), ("a.svg", true), ("a.xml", true), ("a.xhtml", true), ("a.png", false)]
    {
        server.store(key, "x");
        let got = server.get(&format!("/bench/{key}")).expect(200);
        assert_eq!(got.header("X-Content-Type-Options"), "nosniff");
        assert_eq!(got.header("Cross-Origin-Resource-Policy"), "same-origin");
        let policy = got.find("Content-Security-Policy").unwrap_or_default();
        assert_eq!(policy.contains("sandbox"), sandboxed, "{key}");
    }
    server.store("b.txt", "x");
    let forced = server.get("/bench/b.txt?response-content-type=text%2Fhtml").expect(200);
    assert!(forced.header("Content-Security-Policy").contains("sandbox"));
}

fn response_overrides(server: &Server) {
    // response-* parameters replace the headers of one answer and change nothing that is kept.
    server.request("PUT", "/bench/k").header("Cache-Control", "no-store").body("x").send();
    let query = "response-content-type=text%2Fcsv&response-cache-control=max-age%3D1\
                 &response-content-disposition=attachment%3B%20filename%3D%22x+y%22\
                 &response-content-encoding=br&response-content-language=fr\
                 &response-expires=Thu%2C%2001%20Dec%201994%2016%3A00%3A00%20GMT";
    for method in ["GET", "HEAD"] {
        let got = server.request(method, &format!("/bench/k?{query}")).send().expect(200);
        assert_eq!(got.header("Content-Type"), "text/csv");
        assert_eq!(got.header("Cache-Control"), "max-age=1");
        assert_eq!(got.header("Content-Disposition"), "attachment; filename=\"x y\"");
        assert_eq!(got.header("Content-Encoding"), "br");
        assert_eq!(got.header("Content-Language"), "fr");
        assert_eq!(got.header("Expires"), "Thu, 01 Dec 1994 16:00:00 GMT");
    }
    assert_eq!(server.head("/bench/k").header("Cache-Control"), "no-store");
    let split = server.get("/bench/k?response-content-type=a%0d%0aSet-Cookie:%20x=1");
    assert_eq!(split.find("Set-Cookie"), None);
}

fn harmless_headers(server: &Server) {
    // Storage class, server-side encryption with S3's keys, canned ACL and Upgrade fail no PUT.
    let put = server
        .request("PUT", "/bench/k")
        .header("x-amz-storage-class", "STANDARD_IA")
        .header("x-amz-server-side-encryption", "AES256")
        .header("x-amz-acl", "bucket-owner-full-control")
        .header("Upgrade", "h2c")
        .header("Authorization", "AWS4-HMAC-SHA256 Credential=any/20260101/x/s3/aws4_request, x")
        .header("x-amz-security-token", "any");
    put.body("x").send().expect(200);
    assert_eq!(server.get("/bench/k").expect(200).text(), "x");
}

fn etag_of_a_put(server: &Server) {
    // The ETag is the MD5 of what was put, in quotes, the same in every answer.
    let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
    assert_eq!(server.store("k", "hello").header("ETag"), etag);
    assert_eq!(server.head("/bench/k").header("ETag"), etag);
    assert_eq!(server.get("/bench?list-type=2").one("ETag"), etag);
    assert_eq!(server.store("e", "").header("ETag"), "\"d41d8cd98f00b204e9800998ecf8427e\"");
    set_modified(&server.path("k"), 1_000_000_000);
    let opaque = server.head("/bench/k").header("ETag").to_owned();
    assert!(opaque.ends_with("-1\"") && opaque != etag, "{opaque}");
}

fn folder_object(server: &Server) {
    // `d/` of no bytes is an object of its own: not `d`, and not gone with what is beneath it.
    server.store("d/", "");
    server.store("d/inside", "x");
    assert_eq!(server.get("/bench/d/").expect(200).header("Content-Length"), "0");
    server.head("/bench/d").expect(404);
    server.get("/bench/d").error(404, "NoSuchKey");
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["d/", "d/inside"]);
    server.delete("/bench/d/").expect(204);
    server.head("/bench/d/").expect(404);
    assert_eq!(server.get("/bench/d/inside").expect(200).text(), "x");
}

fn unknown_queries(server: &Server) {
    // Query parameters that S3 does not know are no part of the key and change nothing.
    server.put("/bench/k?x-id=PutObject", "x").expect(200);
    let signed = "AWSAccessKeyId=a&Signature=b&Expires=4102444800";
    for query in ["x-id=GetObject", signed, "", "&&"] {
        assert_eq!(server.get(&format!("/bench/k?{query}")).expect(200).text(), "x");
    }
    assert_eq!(server.get("/bench?list-type=2&x-id=ListObjectsV2").all("Key"), ["k"]);
}
