//! What is not there yet says so with 501 in XML, and never does something else instead.

#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not right")]

#[macro_use]
mod support;

use support::server::Server;
use support::tree::files;

on_every_runtime![
    object_sub_resources,
    bucket_sub_resources,
    multipart,
    form_post,
    versions,
    customer_keys,
    promises_in_headers,
    posts,
];

const OBJECT: &[&str] = &[
    "acl",
    "tagging",
    "retention",
    "legal-hold",
    "torrent",
    "attributes",
    "restore",
    "select&select-type=2",
    "annotation",
    "encryption",
];

const BUCKET: &[&str] = &[
    "acl",
    "accelerate",
    "analytics",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "session",
    "tagging",
    "versions",
    "website",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "abac",
];

fn object_sub_resources(server: &Server) {
    // A sub-resource of an object never reads, writes or deletes the object itself.
    server.store("k", "hello");
    for name in OBJECT {
        for suffix in ["", "="] {
            let query = format!("{name}{suffix}");
            for method in ["GET", "PUT", "DELETE", "POST"] {
                for key in ["k", "new"] {
                    let request = server.request(method, &format!("/bench/{key}?{query}"));
                    let request = if method == "PUT" { request.body("<X/>") } else { request };
                    let response = request.send();
                    assert_eq!(response.status, 501, "{method} {query}");
                    response.error(501, "NotImplemented");
                }
            }
        }
        server.head(&format!("/bench/k?{name}")).expect(501);
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    assert_eq!(files(&server.path("")), ["k"]);
}

fn bucket_sub_resources(server: &Server) {
    // A sub-resource of a bucket never lists, makes or removes the bucket.
    server.store("k", "hello");
    for name in BUCKET {
        for method in ["GET", "PUT", "DELETE"] {
            for target in ["/bench", "/bench/"] {
                let response = server.request(method, &format!("{target}?{name}")).send();
                assert_eq!(response.status, 501, "{method} {target}?{name}");
                response.error(501, "NotImplemented");
            }
        }
    }
    for name in ["versioning", "object-lock", "location"] {
        let response = server.put(&format!("/bench?{name}"), "<X/>");
        assert!([405, 501].contains(&response.status), "{name}");
        response.refusal();
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

fn multipart(server: &Server) {
    // No part of a multipart upload is ever taken for an object.
    for (method, target) in [
        ("POST", "/bench/k?uploads"),
        ("POST", "/bench/k?uploads="),
        ("PUT", "/bench/k?partNumber=1&uploadId=abc"),
        ("PUT", "/bench/k?uploadId=abc&partNumber=1"),
        ("PUT", "/bench/k?uploadId=abc"),
        ("PUT", "/bench/k?partNumber=1"),
        ("PUT", "/bench/k?uploads"),
        ("POST", "/bench/k?uploadId=abc"),
        ("GET", "/bench/k?uploadId=abc"),
        ("DELETE", "/bench/k?uploadId=abc"),
        ("GET", "/bench?uploads"),
    ] {
        let request = server.request(method, target);
        let request = if method == "PUT" { request.body("part") } else { request };
        request.send().error(501, "NotImplemented");
    }
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn form_post(server: &Server) {
    // An upload by an HTML form is not there yet.
    let body = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n\
                --x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nhello\r\n--x--\r\n";
    let request = server.request("POST", "/bench");
    let request = request.header("Content-Type", "multipart/form-data; boundary=x");
    request.body(body).send().error(501, "NotImplemented");
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn versions(server: &Server) {
    // There is one version, `null`; any other is not there and nothing is done to the object.
    server.store("k", "hello");
    assert_eq!(server.get("/bench/k?versionId=null").expect(200).text(), "hello");
    server.get("/bench/k?versionId=abc").expect(404).refusal();
    let status = server.delete("/bench/k?versionId=abc").status;
    assert!([204, 404].contains(&status), "{status}");
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

fn customer_keys(server: &Server) {
    // Encryption with a key of the client is refused, not promised and left out.
    let prefix = "x-amz-server-side-encryption-customer";
    let request =
        server.request("PUT", "/bench/k").header(&format!("{prefix}-algorithm"), "AES256");
    let request = request.header(&format!("{prefix}-key"), "AAAA");
    request.body("hello").send().error(501, "NotImplemented");
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn promises_in_headers(server: &Server) {
    // Tags and locks that would be lost are refused, not left out.
    for (name, value) in [
        ("x-amz-tagging", "a=b"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-object-lock-legal-hold", "ON"),
    ] {
        let request = server.request("PUT", "/bench/k").header(name, value).body("hello");
        request.send().error(501, "NotImplemented");
    }
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn posts(server: &Server) {
    // A POST that means nothing does nothing.
    server.store("k", "hello");
    for target in ["/", "/bench", "/bench/k", "/bench/new"] {
        server.request("POST", target).body("x").send().refusal();
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    assert_eq!(files(&server.path("")), ["k"]);
}
