//! What is put comes back: bytes, metadata, tags, checksums; and what is refused leaves nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{Shop, all_quirks, begin, md5, put_request, send, send_expecting};
use lobos_digest::{Algorithm, digest};
use lobos_fs::{Durability, EtagMode, Options};
use lobos_proto::s3::condition::Tags;
use lobos_proto::{Checksum, Code, Expected, Metadata};

fn all_options() -> Vec<Options> {
    let mut all = Vec::new();
    for etag in [EtagMode::Md5, EtagMode::Fast] {
        for durability in [Durability::Cache, Durability::Disk] {
            all.push(Options { etag, durability, ..Options::default() });
        }
    }
    all
}

#[test]
fn round_trip() {
    // Bytes, metadata, tag and time of a PUT come back from GET, HEAD and the listing, for every
    // option and on every kind of file system; an overwrite keeps nothing of the old object.
    for options in all_options() {
        for quirks in all_quirks() {
            let shop = Shop::with(options, quirks);
            let said = Metadata {
                content_type: Some("text/x-own".into()),
                cache_control: Some("no-store".into()),
                user: vec![("a".into(), "1".into()), ("b".into(), "ü".repeat(100))],
                ..Metadata::default()
            };
            let mut put = put_request("deep/er/file.txt");
            put.metadata = said.clone();
            put.checksum = Some(Algorithm::Crc64Nvme);
            let body = b"hello".repeat(10_000);
            let stored = send(&shop.store, put, &body).unwrap();
            assert_eq!(stored.size, 50_000);

            let (response, bytes) = shop.get("deep/er/file.txt").unwrap();
            let info = response.info;
            assert_eq!(bytes, body);
            assert_eq!(info.etag, stored.etag);
            assert_eq!(info.content_type, "text/x-own");
            assert_eq!(info.metadata, Metadata { content_type: None, ..said });
            assert_eq!(info.checksums, [Checksum::full(digest(Algorithm::Crc64Nvme, &body))]);
            assert_eq!(info.checksums, stored.checksums);
            assert_eq!(shop.head("deep/er/file.txt").unwrap().info, info);
            let listed = shop.page().objects;
            assert_eq!(listed.len(), 1, "{quirks:?}");
            assert_eq!((listed[0].etag, listed[0].modified), (info.etag, info.modified));
            match options.etag {
                EtagMode::Md5 => assert_eq!(info.etag.as_str(), md5(&body).to_hex()),
                EtagMode::Fast => assert!(info.etag.as_str().ends_with("-1")),
            }
            assert_eq!(fs::read(shop.path("deep/er/file.txt")).unwrap(), body);

            shop.put("deep/er/file.txt", b"new");
            let (response, bytes) = shop.get("deep/er/file.txt").unwrap();
            assert_eq!(bytes, b"new");
            assert_eq!(response.info.content_type, "text/plain");
            assert_eq!(response.info.metadata, Metadata::default());
            // As S3 does it for an upload without a checksum.
            let crc = Checksum::full(digest(Algorithm::Crc64Nvme, b"new"));
            let kept = if options.etag == EtagMode::Md5 { vec![crc] } else { vec![] };
            assert_eq!(response.info.checksums, kept);
            assert!(response.info.modified > info.modified);
            assert_ne!(response.info.etag, info.etag);

            shop.delete("deep/er/file.txt");
            assert_eq!(shop.get("deep/er/file.txt").unwrap_err(), Code::NoSuchKey);
            assert_eq!(shop.keys(), [""; 0]);
            assert_eq!(shop.leftovers(), [""; 0]);
            if !quirks.no_xattrs {
                assert!(!shop.path("deep").exists(), "folders that were made are removed");
            }
            let metas = shop.tree().into_iter().filter(|p| p.starts_with(".lobos/meta/"));
            assert!(metas.into_iter().all(|p| p == ".lobos/meta/"));
        }
    }
}

#[test]
fn large_metadata() {
    // Metadata that fits into no attribute comes back all the same.
    let shop = Shop::new();
    let mut put = put_request("a");
    put.metadata.user = (0..30).map(|n| (format!("n{n}"), "v".repeat(1000))).collect();
    let said = put.metadata.clone();
    send(&shop.store, put, b"body").unwrap();
    assert_eq!(shop.head("a").unwrap().info.metadata, said);
    shop.put("a", b"body");
    assert_eq!(shop.head("a").unwrap().info.metadata, Metadata::default());
}

#[test]
fn nothing_to_say() {
    // Where there is nothing to keep, the tree holds the file and nothing else.
    let options = Options { etag: EtagMode::Fast, ..Options::default() };
    for quirks in all_quirks().into_iter().filter(|q| !q.no_tmpfile) {
        let shop = Shop::with(options, quirks);
        let mut put = put_request("a.png");
        put.metadata.content_type = Some("image/png".into());
        send(&shop.store, put, b"x").unwrap();
        assert_eq!(shop.tree(), ["a.png"]);
        let names = rustix::fs::listxattr(shop.path("a.png"), &mut [0; 100][..]).unwrap();
        assert_eq!(names, 0);
        assert_eq!(shop.head("a.png").unwrap().info.content_type, "image/png");
    }
}

#[test]
fn promises() {
    // A body that is not what was promised is refused with its own code, and the old object stays.
    let shop = Shop::new();
    shop.put("a", b"old");
    let before = shop.tree();
    let body = b"what came";
    let other = b"what was promised";
    let promise = |algorithm, body: &[u8]| Some(digest(algorithm, body));
    for (good, bad, code) in [
        (
            Expected { md5: promise(Algorithm::Md5, body), ..Expected::default() },
            Expected { md5: promise(Algorithm::Md5, other), ..Expected::default() },
            Code::BadDigest,
        ),
        (
            Expected { sha256: promise(Algorithm::Sha256, body), ..Expected::default() },
            Expected { sha256: promise(Algorithm::Sha256, other), ..Expected::default() },
            Code::XAmzContentSHA256Mismatch,
        ),
        (
            Expected { checksum: promise(Algorithm::Crc32, body), ..Expected::default() },
            Expected { checksum: promise(Algorithm::Crc32, other), ..Expected::default() },
            Code::BadDigest,
        ),
    ] {
        let request = |key| {
            let mut put = put_request(key);
            put.verify = vec![Algorithm::Md5, Algorithm::Sha256];
            put.checksum = Some(Algorithm::Crc32);
            put
        };
        let refused = send_expecting(&shop.store, request("a"), body, &bad).unwrap_err();
        assert_eq!(refused.code(), code);
        assert_eq!(shop.body("a"), b"old");
        assert_eq!(shop.tree(), before);
        send_expecting(&shop.store, request("good"), body, &good).unwrap();
        shop.delete("good");
    }
}

#[test]
fn dropped() {
    // An upload that is given up leaves no trace, whether the key was there or not.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        shop.put("old", b"old");
        shop.put("old", b"old");
        let sink = begin(&shop.store, put_request("old")).unwrap();
        drop(sink);
        let before = shop.tree();
        for key in ["old", "new", "deep/new", "a//b", "folder/"] {
            let mut sink = begin(&shop.store, put_request(key)).unwrap();
            sink.append(&[7; 100_000]).unwrap();
            drop(sink);
        }
        assert_eq!(shop.tree(), before, "{quirks:?}");
        assert_eq!(shop.body("old"), b"old");
    }
}

#[test]
fn write_conditions() {
    // If-None-Match and If-Match decide before the upload and again when it is whole.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        for key in ["k", "x//y", "f/"] {
            let absent = |body| common::put_if_absent(&shop.store, key, body);
            let matches = |tag: &str| common::put_if_match(&shop.store, key, tag, b"");
            assert_eq!(matches("\"x\"").unwrap_err().code(), Code::NoSuchKey);
            let first = absent(b"").unwrap();
            assert_eq!(absent(b"").unwrap_err().code(), Code::PreconditionFailed);
            assert_eq!(matches("\"x\"").unwrap_err().code(), Code::PreconditionFailed);
            matches(first.etag.as_str()).unwrap();
            matches("*").unwrap();

            let mut put = put_request(key);
            put.conditions.absent = true;
            shop.delete(key);
            let sink = begin(&shop.store, put).unwrap();
            shop.put(key, b"");
            let late = sink.commit(&Expected::default()).unwrap_err();
            assert_eq!(late.code(), Code::PreconditionFailed, "{key} {quirks:?}");

            let mut put = put_request(key);
            put.conditions.matches = Some(Tags::Any);
            let sink = begin(&shop.store, put).unwrap();
            shop.delete(key);
            let late = sink.commit(&Expected::default()).unwrap_err();
            assert_eq!(late.code(), Code::NoSuchKey);
            assert_eq!(shop.get(key).unwrap_err(), Code::NoSuchKey);
        }
        assert_eq!(shop.leftovers(), [""; 0]);
    }
}

#[test]
fn modes() {
    // A new file has the rights that the umask leaves, as one made by any other program.
    use std::os::unix::fs::PermissionsExt;
    let shop = Shop::new();
    fs::write(shop.path("by-hand"), b"").unwrap();
    let mode = |path: &str| fs::metadata(shop.path(path)).unwrap().permissions().mode();
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        shop.put("d/a", b"");
        shop.put("d/a", b"again");
        let made = fs::metadata(shop.path("d/a")).unwrap().permissions().mode();
        assert_eq!(made, mode("by-hand"));
    }
}
