//! What is not served says so in XML (405 with Allow, 501, or S3's own refusal), and never does
//! something else instead.

use crate::support::server::Server;
use crate::support::tree::files;

on_every_runtime![
    object_sub_resources,
    bucket_sub_resources,
    keys_where_buckets_are_meant,
    unknown_operations,
    parts_of_no_upload,
    versions,
    customer_keys,
    encryption,
    object_lock,
    storage_classes,
    canned_acls,
    methods,
    copies_that_are_none,
    posts,
];

/// Parameters that make another operation of a request for an object, and are not served.
const OBJECT: &[&str] = &["annotation", "encryption", "select&select-type=2", "torrent"];

/// Parameters that make another operation of a request for a bucket, served or not.
const BUCKET: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "session",
    "tagging",
    "uploads",
    "versioning",
    "website",
];

/// The files that a person sees.
fn visible(server: &Server) -> Vec<String> {
    files(&server.path("")).into_iter().filter(|name| !name.starts_with(".lobos")).collect()
}

fn object_sub_resources(server: &Server) {
    // A sub-resource of an object never reads, writes or deletes the object itself.
    server.store("k", "hello");
    for name in OBJECT {
        for query in [(*name).to_owned(), format!("{name}=")] {
            for method in ["GET", "PUT", "DELETE", "POST"] {
                for key in ["k", "new"] {
                    let request = server.request(method, &format!("/bench/{key}?{query}"));
                    let request = if method == "PUT" { request.body("<X/>") } else { request };
                    request.send().error(501, "NotImplemented");
                }
            }
        }
        server.head(&format!("/bench/k?{name}")).expect(501);
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    assert_eq!(visible(server), ["k"]);
}

fn bucket_sub_resources(server: &Server) {
    // A sub-resource of a bucket never lists, makes or removes the bucket, and no nonsense is
    // taken for its document.
    server.store("k", "hello");
    for name in BUCKET {
        for target in ["/bench", "/bench/"] {
            let target = format!("{target}?{name}");
            let got = server.get(&target);
            assert!(!got.text().contains("<ListBucketResult"), "{target}");
            server.put(&target, "<X/>").refusal();
            let deleted = server.delete(&target);
            if deleted.status != 204 {
                deleted.refusal();
            }
        }
        server.put(&format!("/new?{name}"), "<X/>").refusal();
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    assert_eq!(server.get("/").all("Name"), ["bench"]);
}

fn keys_where_buckets_are_meant(server: &Server) {
    // What S3 has only for buckets is a request that is wrong for keys, in S3's words.
    server.store("k", "hello");
    let uploads = server.get("/bench/k?uploads").error(400, "InvalidRequest");
    assert!(uploads.one("Message").starts_with("Key is not expected for the GET method ?uploads"));
    let versions = server.get("/bench/k?versions").error(400, "InvalidRequest");
    let words = "There is no such thing as the ?versions sub-resource for a key";
    assert_eq!(versions.one("Message"), words);
}

fn unknown_operations(server: &Server) {
    // A parameter without a value may be an operation of tomorrow: in a write it is refused, and a
    // read ignores it.
    server.store("k", "hello");
    for target in ["/bench/k?tomorrow", "/bench/k?tomorrow=", "/bench?tomorrow"] {
        server.put(target, "x").error(501, "NotImplemented");
        server.delete(target).error(501, "NotImplemented");
        server.get(target).expect(200);
    }
    assert_eq!(server.get("/bench/k?tomorrow").expect(200).text(), "hello");
}

fn parts_of_no_upload(server: &Server) {
    // No part of a multipart upload is ever taken for an object.
    for (method, target) in [
        ("PUT", "/bench/k?partNumber=1&uploadId=abc"),
        ("PUT", "/bench/k?uploadId=abc&partNumber=1"),
        ("PUT", "/bench/k?uploadId=abc"),
        ("PUT", "/bench/k?partNumber=1"),
        ("PUT", "/bench/k?uploads"),
        ("POST", "/bench/k?uploadId=abc"),
        ("GET", "/bench/k?uploadId=abc"),
        ("DELETE", "/bench/k?uploadId=abc"),
    ] {
        let request = server.request(method, target);
        let request = if method == "PUT" { request.body("part") } else { request };
        request.send().refusal();
    }
    let alone = server.put("/bench/k?partNumber=1", "part").error(400, "InvalidArgument");
    assert_eq!(alone.one("Message"), "This operation does not accept partNumber without uploadId");
    assert_eq!(alone.one("ArgumentName"), "partNumber");
    assert_eq!(visible(server), Vec::<String>::new());
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
    // A key of the client is refused as S3 refuses it over a connection that others can read.
    server.store("old", "hello");
    for (method, key) in [("PUT", "k"), ("GET", "old"), ("HEAD", "old")] {
        for (name, value) in [("algorithm", "AES256"), ("key", "AAAA"), ("key-MD5", "AAAA")] {
            let name = format!("x-amz-server-side-encryption-customer-{name}");
            let request = server.request(method, &format!("/bench/{key}")).header(&name, value);
            let refused = request.send().expect(400);
            assert!(method == "HEAD" || refused.one("Message").contains("secure connection"));
        }
    }
    assert_eq!(visible(server), ["old"]);
}

fn encryption(server: &Server) {
    // SSE-S3 is taken; keys of a service that is not there are refused, and so is nonsense.
    let name = "x-amz-server-side-encryption";
    let put = |value: &str| server.request("PUT", "/bench/k").header(name, value).body("x").send();
    for kms in ["aws:kms", "aws:kms:dsse"] {
        assert_eq!(put(kms).error(501, "NotImplemented").one("Header"), name);
    }
    put("ROT13").error(400, "InvalidEncryptionAlgorithmError");
    assert_eq!(visible(server), Vec::<String>::new());
    put("AES256").expect(200);
}

fn object_lock(server: &Server) {
    // Locks that would be lost are refused, in S3's words for a bucket without Object Lock.
    let (mode, date) = ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date");
    let hold = "x-amz-object-lock-legal-hold";
    let put = |headers: &[(&str, &str)]| {
        let request = server.request("PUT", "/bench/k").body("x");
        headers.iter().fold(request, |r, (name, value)| r.header(name, value)).send()
    };
    let later = "2099-01-01T00:00:00Z";
    for headers in [&[(mode, "COMPLIANCE"), (date, later)][..], &[(hold, "ON")]] {
        let refused = put(headers).error(400, "InvalidRequest");
        assert_eq!(refused.one("Message"), "Bucket is missing ObjectLockConfiguration");
    }
    for half in [(mode, "GOVERNANCE"), (date, later)] {
        put(&[half]).error(400, "InvalidArgument");
    }
    assert_eq!(visible(server), Vec::<String>::new());
}

fn storage_classes(server: &Server) {
    // Every storage class of S3 is taken and means the same; other names are none.
    let name = "x-amz-storage-class";
    let put = |class: &str| server.request("PUT", "/bench/k").header(name, class).body("x").send();
    put("FAST").error(400, "InvalidStorageClass");
    put("standard").error(400, "InvalidStorageClass");
    assert_eq!(visible(server), Vec::<String>::new());
    for class in ["STANDARD", "STANDARD_IA", "REDUCED_REDUNDANCY", "GLACIER", "DEEP_ARCHIVE"] {
        put(class).expect(200);
        assert_eq!(server.head("/bench/k").expect(200).find(name), None);
        assert_eq!(server.get("/bench/k").expect(200).text(), "x");
    }
}

fn canned_acls(server: &Server) {
    // A canned ACL fails no PUT, though nobody else has rights here; another word is none.
    let put = |acl| server.request("PUT", "/bench/k").header("x-amz-acl", acl).body("x").send();
    let refused = put("everybody").error(400, "InvalidArgument");
    assert_eq!((refused.one("ArgumentName"), refused.one("ArgumentValue")), {
        ("x-amz-acl".to_owned(), "everybody".to_owned())
    });
    assert_eq!(visible(server), Vec::<String>::new());
    for acl in ["private", "public-read", "bucket-owner-full-control", "authenticated-read"] {
        put(acl).expect(200);
    }
}

fn methods(server: &Server) {
    // A method that a resource does not have is 405 with the methods that it has.
    server.store("k", "hello");
    for (method, target, resource, allowed) in [
        ("POST", "/", "SERVICE", "GET"),
        ("DELETE", "/", "SERVICE", "GET"),
        ("PATCH", "/bench", "BUCKET", "GET, HEAD, PUT, POST, DELETE"),
        ("POST", "/bench/k", "OBJECT", "GET, HEAD, PUT, DELETE"),
        ("PATCH", "/bench/k", "OBJECT", "GET, HEAD, PUT, DELETE"),
        ("PUT", "/bench?location", "LOCATION", "GET"),
        ("PUT", "/bench/k?uploads", "UPLOADS", "POST"),
    ] {
        let refused = server.request(method, target).send().error(405, "MethodNotAllowed");
        assert_eq!(refused.header("Allow"), allowed, "{method} {target}");
        assert_eq!(refused.one("Method"), method);
        assert_eq!(refused.one("ResourceType"), resource, "{method} {target}");
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

fn copies_that_are_none(server: &Server) {
    // A copy source with another request than a copy means a mistake, and nothing is done.
    server.store("k", "hello");
    for (method, target) in [
        ("DELETE", "/bench/k"),
        ("GET", "/bench/k"),
        ("GET", "/bench"),
        ("DELETE", "/bench"),
        ("POST", "/bench/k?uploadId=x"),
    ] {
        let request = server.request(method, target).header("x-amz-copy-source", "/bench/k");
        let refused = request.send().error(400, "InvalidArgument");
        assert_eq!(refused.one("ArgumentName"), "x-amz-copy-source");
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

fn posts(server: &Server) {
    // A POST that means nothing does nothing.
    server.store("k", "hello");
    for target in ["/", "/bench", "/bench/k", "/bench/new"] {
        server.request("POST", target).body("x").send().refusal();
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    assert_eq!(visible(server), ["k"]);
}
