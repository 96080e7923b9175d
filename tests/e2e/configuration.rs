//! The configurations of a bucket: what one without answers, what is kept, what is refused.

use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::files;

on_every_runtime![
    without,
    kept,
    refused,
    not_removable,
    harmless_to_objects,
    object_lock,
    nonsense_on_the_disk,
];
on_every_runtime!(with root; new_bucket, removed_with_the_bucket);

fn root(runtime: Runtime) -> Server {
    Setup::root(runtime).start()
}

/// Documents that can be kept, and what must come back.
const GOOD: &[(&str, &str, &str)] = &[
    ("abac", "<AbacStatus><Status>Disabled</Status></AbacStatus>", "<Status>Disabled</Status>"),
    (
        "accelerate",
        "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>",
        "<Status>Suspended</Status>",
    ),
    (
        "cors",
        "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>\
         <AllowedOrigin>http://example.org</AllowedOrigin></CORSRule></CORSConfiguration>",
        "<AllowedOrigin>http://example.org</AllowedOrigin>",
    ),
    (
        "encryption",
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
         <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>\
         <BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>",
        "<BucketKeyEnabled>true</BucketKeyEnabled>",
    ),
    ("logging", "<BucketLoggingStatus/>", "BucketLoggingStatus"),
    ("notification", "<NotificationConfiguration/>", "NotificationConfiguration"),
    (
        "ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule>\
         </OwnershipControls>",
        "<ObjectOwnership>BucketOwnerPreferred</ObjectOwnership>",
    ),
    (
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicPolicy>true</BlockPublicPolicy>\
         </PublicAccessBlockConfiguration>",
        "<BlockPublicPolicy>true</BlockPublicPolicy>",
    ),
    (
        "requestPayment",
        "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
        "<Payer>BucketOwner</Payer>",
    ),
    (
        "versioning",
        "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
        "<Status>Suspended</Status>",
    ),
];

fn without(server: &Server) {
    // A bucket that was never given a configuration answers as one of S3 does.
    for (name, code) in [
        ("cors", "NoSuchCORSConfiguration"),
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("ownershipControls", "OwnershipControlsNotFoundError"),
        ("policy", "NoSuchBucketPolicy"),
        ("policyStatus", "NoSuchBucketPolicy"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("tagging", "NoSuchTagSet"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("metrics&id=a", "NoSuchConfiguration"),
    ] {
        for suffix in ["", "="] {
            server.get(&format!("/bench?{name}{suffix}")).error(404, code);
        }
        server.get(&format!("/nowhere?{name}")).error(404, "NoSuchBucket");
        if name != "object-lock" && name != "policyStatus" && name != "metrics&id=a" {
            server.delete(&format!("/bench?{name}")).expect(204);
            server.delete(&format!("/nowhere?{name}")).error(404, "NoSuchBucket");
        }
    }
    for (name, root) in [
        ("accelerate", "AccelerateConfiguration"),
        ("analytics", "ListBucketAnalyticsConfigurationResult"),
        ("encryption", "ServerSideEncryptionConfiguration"),
        ("inventory", "ListInventoryConfigurationsResult"),
        ("logging", "BucketLoggingStatus"),
        ("metrics", "ListMetricsConfigurationsResult"),
        ("notification", "NotificationConfiguration"),
        ("requestPayment", "RequestPaymentConfiguration"),
        ("versioning", "VersioningConfiguration"),
    ] {
        let answer = server.get(&format!("/bench?{name}")).expect(200);
        assert_eq!(answer.header("Content-Type"), "application/xml");
        assert!(answer.text().contains(&format!("<{root} xmlns=")), "{}", answer.text());
        server.get(&format!("/nowhere?{name}")).error(404, "NoSuchBucket");
    }
    let sse = server.get("/bench?encryption");
    assert_eq!(sse.one("SSEAlgorithm"), "AES256");
    assert_eq!(server.get("/bench?requestPayment").one("Payer"), "BucketOwner");
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn kept(server: &Server) {
    // What is accepted comes back until it is removed.
    for (name, document, inner) in GOOD {
        let target = format!("/bench?{name}");
        server.put(&target, document).expect(200);
        let read = server.get(&target).expect(200);
        assert!(read.text().contains(inner), "{name}: {}", read.text());
        // And it can be put again as it came.
        server.put(&target, read.text()).expect(200);
        assert_eq!(server.get(&target).expect(200).text(), read.text());
    }
    assert_eq!(server.get("/bench?list-type=2").one("KeyCount"), "0");
    for name in ["cors", "ownershipControls", "publicAccessBlock"] {
        server.delete(&format!("/bench?{name}")).expect(204);
        server.get(&format!("/bench?{name}")).expect(404);
    }
    server.delete("/bench?encryption").expect(204);
    assert_eq!(server.get("/bench?encryption").one("BucketKeyEnabled"), "false");
}

fn nonsense_on_the_disk(server: &Server) {
    // What another program made of the file of a configuration is as none, unless it could have
    // been put: never an answer that is no XML.
    let without = |name| server.get(&format!("/bench?{name}"));
    for (name, document, _) in GOOD {
        let none = without(name);
        server.put(&format!("/bench?{name}"), document).expect(200);
        let kept = std::fs::read_to_string(server.path(&format!(".lobos/config/{name}"))).unwrap();
        for nonsense in ["", "gig\u{1e}/n>", "<a/>", "<a>", &kept[..kept.len() - 1]] {
            server.place(&format!(".lobos/config/{name}"), nonsense);
            let got = without(name);
            assert_eq!(got.status, none.status, "{name}: {nonsense}: {}", got.text());
            let is_none = got.status != 200 || got.text() == none.text();
            assert!(is_none, "{name}: {nonsense}: {}", got.text());
        }
        let odd = kept.replace("><", ">\u{1e}<");
        server.place(&format!(".lobos/config/{name}"), odd);
        assert!(!without(name).text().contains('\u{1e}'), "{name}");
        std::fs::remove_file(server.path(&format!(".lobos/config/{name}"))).ok();
    }
}

fn refused(server: &Server) {
    // What asks for something that is not done is refused, and so is what makes no sense.
    for (name, document) in [
        (
            "versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        ),
        ("policy", "{\"Version\":\"2012-10-17\",\"Statement\":[]}"),
        ("lifecycle", "<LifecycleConfiguration/>"),
        ("website", "<WebsiteConfiguration/>"),
        ("replication", "<ReplicationConfiguration/>"),
        (
            "notification",
            "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>",
        ),
        ("logging", "<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>"),
        (
            "accelerate",
            "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>",
        ),
        (
            "requestPayment",
            "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
        ),
        ("metrics&id=a", "<MetricsConfiguration/>"),
    ] {
        server.put(&format!("/bench?{name}"), document).error(501, "NotImplemented");
    }
    for (name, document, _) in GOOD {
        let other = document.replacen('<', "<X", 1);
        server.put(&format!("/bench?{name}"), &other).error(400, "MalformedXML");
        server.put(&format!("/bench?{name}"), "").error(400, "MissingRequestBodyError");
        server.put(&format!("/nowhere?{name}"), document).error(404, "NoSuchBucket");
    }
    let lock = "<ObjectLockConfiguration/>";
    server.put("/bench?object-lock", lock).error(409, "InvalidBucketState");
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn not_removable(server: &Server) {
    // S3 has no DELETE for these.
    for name in ["accelerate", "logging", "notification", "requestPayment", "versioning"] {
        server.delete(&format!("/bench?{name}")).error(405, "MethodNotAllowed");
    }
    server.get("/bench?location").expect(200);
}

fn harmless_to_objects(server: &Server) {
    // No request about a configuration lists, makes or removes an object or the bucket.
    server.store("k", "hello");
    for (name, document, _) in GOOD {
        for method in ["PUT", "DELETE", "POST", "HEAD"] {
            let request = server.request(method, &format!("/bench?{name}"));
            let _ = if method == "HEAD" { request } else { request.body(document) }.send();
        }
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    assert_eq!(server.get("/bench?list-type=2").all("Contents").len(), 1);
}

fn object_lock(server: &Server) {
    // No bucket has Object Lock, and no object is archived.
    server.store("k", "hello");
    for name in ["retention", "legal-hold"] {
        server.get(&format!("/bench/k?{name}")).error(400, "InvalidRequest");
        server.put(&format!("/bench/k?{name}"), "<X/>").error(400, "InvalidRequest");
    }
    let restore = server.request("POST", "/bench/k?restore").body("<RestoreRequest/>");
    restore.send().error(403, "InvalidObjectState");
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

fn new_bucket(server: &Server) {
    // Tags and ownership of a CreateBucket are those of the bucket.
    let document = "<CreateBucketConfiguration><Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>\
                    </CreateBucketConfiguration>";
    let request = server.request("PUT", "/fresh").header("x-amz-object-ownership", "ObjectWriter");
    request.body(document).send().expect(200);
    assert_eq!(server.get("/fresh?tagging").expect(200).one("Key"), "a");
    let ownership = server.get("/fresh?ownershipControls").expect(200);
    assert_eq!(ownership.one("ObjectOwnership"), "ObjectWriter");
    let request = server.request("PUT", "/other").header("x-amz-object-ownership", "Nobody");
    request.send().error(400, "InvalidArgument");
    let twice = document.replace("</Tag>", "</Tag><Tag><Key>a</Key><Value/></Tag>");
    server.put("/other", &twice).error(400, "InvalidTag");
    server.head("/other").expect(404);
}

fn removed_with_the_bucket(server: &Server) {
    // A bucket with configurations and no object is empty, and takes them along.
    for _ in 0..2 {
        server.request("PUT", "/fresh").send().expect(200);
        server.get("/fresh?cors").error(404, "NoSuchCORSConfiguration");
        for (name, document, _) in GOOD {
            server.put(&format!("/fresh?{name}"), document).expect(200);
        }
        server.delete("/fresh").expect(204);
        assert!(!server.home().join("root/fresh").exists());
    }
}
