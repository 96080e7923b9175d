//! What is remembered of the metadata of files, or that they have none, saves calls, and is never
//! out of date.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use common::{Shop, all_quirks, bucket, put_request, send};
use lobos_fs::{FsStore, Options};
use lobos_proto::op::PutObjectTagging;
use lobos_proto::{Code, ETag, Key, Request, Store as _, TagSet};
use rustix::fs::{CWD, FileType, Mode, mknodat};

fn tag(store: &FsStore, key: &str, value: &str) {
    let tags = Some(TagSet::from_pairs(vec![("k".into(), value.into())]));
    let request = PutObjectTagging { bucket: bucket(), key: Key::new(key).unwrap(), tags };
    store.call(Request::PutObjectTagging(request)).unwrap();
}

/// Asks until whatever is remembered is remembered.
fn ask(shop: &Shop, key: &str) {
    std::thread::sleep(Duration::from_millis(30));
    for _ in 0..3 {
        assert_eq!(shop.head(key).unwrap().info.tags, 0);
        assert_eq!(shop.body(key), b"bytes");
    }
}

#[test]
fn metadata_from_elsewhere() {
    // Metadata that another store over the folder gives a file that had none is in the next answer,
    // after a quiet time and right after the file was made.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        for (at, quiet) in (0..100).map(|at| (at, at % 10 == 0)) {
            let key = format!("d/{at}");
            fs::create_dir_all(shop.path("d")).unwrap();
            fs::write(shop.path(&key), b"bytes").unwrap();
            if quiet {
                ask(&shop, &key);
            }
            assert_eq!(shop.head(&key).unwrap().info.tags, 0);
            assert_eq!(shop.get(&key).unwrap().0.info.tags, 0);
            tag(&shop.indexed, &key, "v");
            assert_eq!(shop.head(&key).unwrap().info.tags, 1, "{key} {quirks:?}");
            assert_eq!(shop.get(&key).unwrap().0.info.tags, 1, "{key} {quirks:?}");
        }
    }
}

#[test]
fn another_thing_has_the_name() {
    // Where a known file was is what is there now: other bytes, a folder, a FIFO, a link that
    // leads out of the bucket, nothing.
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), b"secret").unwrap();
    let shop = Shop::new();
    let path = shop.path("d/file");
    let missing = |what: &str| {
        assert_eq!(shop.head("d/file").unwrap_err(), Code::NoSuchKey, "{what}");
        assert_eq!(shop.get("d/file").unwrap_err(), Code::NoSuchKey, "{what}");
    };
    let make = || {
        fs::create_dir_all(shop.path("d")).unwrap();
        fs::write(&path, b"bytes").unwrap();
        ask(&shop, "d/file");
    };
    make();
    fs::write(&path, b"other bytes").unwrap();
    let head = shop.head("d/file").unwrap().info;
    assert_eq!((head.size, shop.body("d/file")), (11, b"other bytes".to_vec()));
    assert_eq!(head.etag, shop.get("d/file").unwrap().0.info.etag);
    make();
    fs::remove_file(&path).unwrap();
    missing("nothing");
    fs::create_dir(&path).unwrap();
    missing("a folder");
    fs::remove_dir(&path).unwrap();
    make();
    fs::remove_file(&path).unwrap();
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    missing("a FIFO");
    fs::remove_file(&path).unwrap();
    make();
    fs::remove_file(&path).unwrap();
    symlink(outside.path().join("file"), &path).unwrap();
    missing("a link");
    fs::remove_file(&path).unwrap();
    make();
    fs::rename(shop.path("d"), shop.path("away")).unwrap();
    symlink(outside.path(), shop.path("d")).unwrap();
    missing("a folder that is a link");
}

#[test]
fn metadata_changed_elsewhere() {
    // Metadata that was read is given again, and what another program or another store over the
    // folder makes of it, or of the bytes, is in the next answer: after a quiet time and at once.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        for (at, quiet) in (0..100).map(|at| (at, at % 10 == 0)) {
            let key = format!("d/{at}");
            let user = vec![("round".to_owned(), at.to_string())];
            let said = |shop: &Shop| {
                let (head, got) = (shop.head(&key).unwrap().info, shop.get(&key).unwrap().0.info);
                assert_eq!(head, got, "{key} {quirks:?}");
                head
            };
            let ask = |tags: usize, etag: ETag| {
                if quiet {
                    std::thread::sleep(Duration::from_millis(30));
                }
                for _ in 0..3 {
                    let info = said(&shop);
                    assert_eq!((info.etag, info.tags), (etag, tags), "{key} {quirks:?}");
                    assert_eq!(info.metadata.user, user, "{key} {quirks:?}");
                }
            };
            let mut request = put_request(&key);
            request.metadata.user.clone_from(&user);
            let etag = send(&shop.store, request, b"bytes").unwrap().etag;
            ask(0, etag);
            tag(&shop.indexed, &key, "v");
            ask(1, etag);
            fs::write(shop.path(&key), b"others").unwrap();
            let info = said(&shop);
            assert!(info.etag != etag && info.size == 6, "{key} {quirks:?}");
            let etag = shop.put(&key, b"new").etag;
            let info = said(&shop);
            assert_eq!((info.etag, info.tags, info.metadata.user.len()), (etag, 0, 0));
        }
    }
}

#[test]
fn attribute_removed_elsewhere() {
    // Who takes the attribute away, as copying programs do, leaves an object without metadata.
    let shop = Shop::new();
    for at in 0..20 {
        let key = format!("d/{at}");
        let mut request = put_request(&key);
        request.metadata.user = vec![("a".into(), "1".into())];
        send(&shop.store, request, b"bytes").unwrap();
        std::thread::sleep(Duration::from_millis(30));
        for _ in 0..3 {
            assert_eq!(shop.head(&key).unwrap().info.metadata.user.len(), 1);
        }
        rustix::fs::removexattr(shop.path(&key), "user.lobos").unwrap();
        let (head, got) = (shop.head(&key).unwrap().info, shop.get(&key).unwrap().0.info);
        assert_eq!(head, got);
        assert_eq!((head.metadata.user.len(), head.etag.as_str().len()), (0, 34), "{key}");
    }
}
