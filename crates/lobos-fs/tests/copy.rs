//! CopyObject: the same bytes under another key, what is kept with them, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;

use common::{Shop, all_quirks, copy, copy_request, get, md5, put_request, send};
use lobos_digest::{Algorithm, digest};
use lobos_fs::{EtagMode, FsStore, Layout, Options, Quirks};
use lobos_proto::op::{CopiedObject, CopyObject};
use lobos_proto::s3::condition::Tags;
use lobos_proto::{BucketName, Checksum, Code, ETag, Metadata, TagSet};

fn code(result: Result<CopiedObject, lobos_proto::Error>) -> Result<(), Code> {
    result.map(drop).map_err(|e| e.code())
}

fn tags(name: &str) -> TagSet {
    TagSet::from_pairs(vec![(name.into(), "1".into())])
}

/// An object with all that a PUT can say.
fn put_full(shop: &Shop, key: &str, body: &[u8]) -> Metadata {
    let mut put = put_request(key);
    put.metadata = Metadata {
        content_type: Some("text/x-own".into()),
        cache_control: Some("no-store".into()),
        website_redirect: Some("/there".into()),
        user: vec![("a".into(), "ü".repeat(100))],
        ..Metadata::default()
    };
    put.tags = tags("t");
    put.checksum = Some(Algorithm::Crc64Nvme);
    let said = put.metadata.clone();
    send(&shop.store, put, body).unwrap();
    said
}

#[test]
fn everything() {
    // A copy has the bytes, metadata, tags, checksum and MD5 of its source, but not its redirect;
    // it is a new object with a time of its own, and the source stays as it is.
    for options in
        [EtagMode::Md5, EtagMode::Fast].map(|etag| Options { etag, ..Options::default() })
    {
        for quirks in all_quirks() {
            let shop = Shop::with(options, quirks);
            let body = b"hello".repeat(50_000);
            let said = put_full(&shop, "d/a.txt", &body);
            let before = shop.head("d/a.txt").unwrap().info;
            let copied = copy(&shop.store, copy_request("d/a.txt", "new/b.bin")).unwrap();

            let (response, bytes) = shop.get("new/b.bin").unwrap();
            let info = response.info;
            assert_eq!(bytes, body);
            assert_eq!(fs::read(shop.path("new/b.bin")).unwrap(), body);
            assert_eq!((info.etag, info.modified), (copied.stored.etag, copied.modified));
            assert_eq!(info.checksums, copied.stored.checksums);
            assert_eq!(info.checksums, [Checksum::full(digest(Algorithm::Crc64Nvme, &body))]);
            assert_eq!((info.content_type.as_ref(), info.tags), ("text/x-own", 1));
            let expected = Metadata { content_type: None, website_redirect: None, ..said };
            assert_eq!(info.metadata, expected);
            assert!(info.modified > before.modified);
            match options.etag {
                EtagMode::Md5 => assert_eq!(info.etag.as_str(), md5(&body).to_hex()),
                EtagMode::Fast => assert!(info.etag.as_str().ends_with("-1")),
            }
            assert_eq!(shop.head("d/a.txt").unwrap().info, before);
            assert_eq!(shop.leftovers(), [""; 0], "{quirks:?}");
        }
    }
}

#[test]
fn guessed_type() {
    // What the name of the source tells of its type is kept under a name that tells another.
    let shop = Shop::new();
    shop.put("a.png", b"x");
    fs::write(shop.path("b.css"), "x").unwrap();
    for (from, to, expected) in [
        ("a.png", "c.txt", "image/png"),
        ("c.txt", "d.png", "image/png"),
        ("b.css", "e", "text/css"),
    ] {
        copy(&shop.store, copy_request(from, to)).unwrap();
        assert_eq!(shop.head(to).unwrap().info.content_type, expected);
    }
}

#[test]
fn directives() {
    // Metadata and tags of the request take the place of those of the source, each on its own.
    let shop = Shop::new();
    let said = put_full(&shop, "a", b"x");
    let new = Metadata { user: vec![("n".into(), "2".into())], ..Metadata::default() };
    let request = |metadata: Option<&Metadata>, tags: Option<TagSet>| CopyObject {
        metadata: metadata.cloned(),
        tags,
        redirect: Some("/x".into()),
        ..copy_request("a", "b")
    };
    copy(&shop.store, request(Some(&new), None)).unwrap();
    let info = shop.head("b").unwrap().info;
    let redirect = Some("/x".to_owned());
    let expected = Metadata { website_redirect: redirect.clone(), ..new };
    assert_eq!((info.metadata, info.tags), (expected, 1));
    assert_eq!(info.content_type, "binary/octet-stream");
    copy(&shop.store, request(None, Some(TagSet::default()))).unwrap();
    let info = shop.head("b").unwrap().info;
    let expected = Metadata { content_type: None, website_redirect: redirect, ..said };
    assert_eq!((info.metadata, info.tags), (expected, 0));
}

#[test]
fn onto_itself() {
    // A copy onto itself changes what was asked for and no byte.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        let body = b"body".repeat(100_000);
        for key in ["d/a", "a//b", "f/"] {
            put_full(&shop, key, if key == "f/" { b"" } else { &body });
            let before = shop.head(key).unwrap().info;
            let metadata = Some(Metadata::default());
            copy(&shop.store, CopyObject { metadata, ..copy_request(key, key) }).unwrap();
            let (response, bytes) = shop.get(key).unwrap();
            assert_eq!(bytes, if key == "f/" { &b""[..] } else { &body });
            assert_eq!(response.info.metadata, Metadata::default());
            assert_eq!(response.info.etag, before.etag);
            assert!(response.info.modified > before.modified, "{key} {quirks:?}");
        }
        assert_eq!(shop.keys(), ["a//b", "d/a", "f/"]);
    }
}

#[test]
fn every_place() {
    // Files, folders and what is kept aside are copied to each of the three.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        for key in ["file", "deep/file", "a//b", "folder/", ".lobos/x", "empty"] {
            let bytes: &[u8] = if key == "folder/" || key == "empty" { b"" } else { b"bytes" };
            put_full(&shop, key, bytes);
            for to in ["to", "to/b", "x//y", "g/", "deep/g/"] {
                copy(&shop.store, copy_request(key, to)).unwrap_or_else(|e| panic!("{to}: {e}"));
                let (response, got) = shop.get(to).unwrap();
                assert_eq!(got, bytes, "{key} {to} {quirks:?}");
                assert_eq!(response.info.content_type, "text/x-own");
                assert_eq!(response.info.etag.as_str(), md5(bytes).to_hex());
                shop.delete(to);
            }
            shop.delete(key);
        }
        assert_eq!(shop.keys(), [""; 0]);
    }
}

#[test]
fn another_bucket() {
    // A copy goes from bucket to bucket, and a bucket that is not there is NoSuchBucket.
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let dirs =
        vec![(common::BUCKET.into(), one.path().into()), ("other".into(), two.path().into())];
    let store = FsStore::open(Layout::Dirs(dirs), Options::default()).unwrap();
    fs::write(two.path().join("a"), "bytes").unwrap();
    let other = BucketName::new("other").unwrap();
    let mut request = copy_request("a", "b");
    assert_eq!(code(copy(&store, request.clone())), Err(Code::NoSuchKey));
    request.source.bucket = other.clone();
    copy(&store, request).unwrap();
    assert_eq!(get(&store, "b").unwrap().1, b"bytes");
    let mut back = copy_request("b", "c/d");
    back.bucket = other;
    copy(&store, back.clone()).unwrap();
    assert_eq!(fs::read(two.path().join("c/d")).unwrap(), b"bytes");
    back.source.bucket = BucketName::new("none").unwrap();
    assert_eq!(code(copy(&store, back.clone())), Err(Code::NoSuchBucket));
    back.bucket = BucketName::new("none").unwrap();
    back.source.bucket = BucketName::new("other").unwrap();
    assert_eq!(code(copy(&store, back)), Err(Code::NoSuchBucket));
}

#[test]
fn foreign_files() {
    // A file that nobody put gets the MD5 of its bytes as the tag of its copy, and the time when
    // it was copied; with opaque tags nothing is hashed.
    for (etag, hashed) in [(EtagMode::Md5, true), (EtagMode::Fast, false)] {
        let shop = Shop::with(Options { etag, ..Options::default() }, Quirks::default());
        let body = b"foreign".repeat(100_000);
        fs::write(shop.path("a"), &body).unwrap();
        symlink("a", shop.path("link")).unwrap();
        symlink("/etc/passwd", shop.path("out")).unwrap();
        for from in ["a", "link"] {
            let copied = copy(&shop.store, copy_request(from, "b")).unwrap();
            assert_eq!(copied.stored.etag.as_str() == md5(&body).to_hex(), hashed);
            assert_eq!(shop.body("b"), body);
            assert_eq!(shop.head("b").unwrap().info.etag, copied.stored.etag);
        }
        assert_eq!(code(copy(&shop.store, copy_request("out", "b"))), Err(Code::NoSuchKey));
        assert_eq!(shop.body("b"), body);
    }
}

#[test]
fn changed_behind_our_back() {
    // What was known of other bytes is not said of the copy.
    let shop = Shop::new();
    put_full(&shop, "a", b"old bytes");
    fs::write(shop.path("a"), "new bytes").unwrap();
    let copied = copy(&shop.store, copy_request("a", "b")).unwrap();
    assert_eq!(copied.stored.etag.as_str(), md5(b"new bytes").to_hex());
    assert!(copied.stored.checksums.is_empty());
    assert_eq!(shop.head("b").unwrap().info.metadata.cache_control.as_deref(), Some("no-store"));
}

#[test]
fn checksums() {
    // Another algorithm is computed over the copy, and only that one is kept.
    for etag in [EtagMode::Md5, EtagMode::Fast] {
        let shop = Shop::with(Options { etag, ..Options::default() }, Quirks::default());
        let body = b"hello".repeat(100_000);
        put_full(&shop, "a", &body);
        for algorithm in Algorithm::ALL {
            let request = CopyObject { checksum: Some(algorithm), ..copy_request("a", "b") };
            let copied = copy(&shop.store, request).unwrap();
            let expected = [Checksum::full(digest(algorithm, &body))];
            assert_eq!(copied.stored.checksums, expected);
            assert_eq!(shop.head("b").unwrap().info.checksums, expected);
        }
        // Of a folder's no bytes too.
        let request = CopyObject { checksum: Some(Algorithm::Sha1), ..copy_request("f/", "g/") };
        shop.put("f/", b"");
        let copied = copy(&shop.store, request).unwrap();
        assert_eq!(copied.stored.checksums, [Checksum::full(digest(Algorithm::Sha1, b""))]);
    }
}

#[test]
fn conditions() {
    // Conditions about the source and about the target are each held, and nothing is changed then.
    let shop = Shop::new();
    let etag = shop.put("a", b"x").etag;
    shop.put("b", b"old");
    let request = |set: &dyn Fn(&mut CopyObject)| {
        let mut request = copy_request("a", "b");
        set(&mut request);
        code(copy(&shop.store, request))
    };
    let tags = |tag: &str| Some(Tags::parse(tag));
    let failed = Err(Code::PreconditionFailed);
    assert_eq!(request(&|r| r.source.conditions.if_match = tags("other")), failed);
    assert_eq!(request(&|r| r.source.conditions.if_none_match = tags(etag.as_str())), failed);
    assert_eq!(request(&|r| r.conditions.absent = true), failed);
    assert_eq!(request(&|r| r.conditions.matches = tags(etag.as_str())), failed);
    assert_eq!(shop.body("b"), b"old");
    assert_eq!(request(&|r| r.max = 0), Err(Code::InvalidRequest));
    let old = ETag::new(&md5(b"old").to_hex()).unwrap();
    assert_eq!(request(&|r| r.conditions.matches = tags(old.as_str())), Ok(()));
    assert_eq!(shop.body("b"), b"x");
    shop.delete("b");
    assert_eq!(request(&|r| r.conditions.matches = tags("*")), Err(Code::NoSuchKey));
    assert_eq!(request(&|r| r.conditions.absent = true), Ok(()));
    assert_eq!(shop.leftovers(), [""; 0]);
}
