//! The entity tag of a file in a listing and in HeadObject: always the same, whoever made the file.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use common::{Shop, all_quirks, copy_request, md5, put_request, rename_request, send};
use lobos_fs::{Options, Quirks};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, XattrFlags, setxattr, utimensat};

/// Every key of the bucket with its tag, which the listing and HeadObject agree about.
fn tags(shop: &Shop, what: &str) -> Vec<(String, String)> {
    let objects = shop.page().objects.into_iter();
    let tags = objects.map(|object| {
        let info = shop.head(&object.key).unwrap().info;
        assert_eq!(object.etag, info.etag, "{} {what}", object.key);
        assert_eq!((object.size, object.modified), (info.size, info.modified));
        (object.key, object.etag.as_str().to_owned())
    });
    tags.collect()
}

fn tag(shop: &Shop, key: &str) -> String {
    let tags = tags(shop, "");
    tags.into_iter().find(|(found, _)| found == key).map(|(_, tag)| tag).unwrap()
}

fn touch(path: &Path, secs: i64, nanos: i64) {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let modified = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: omit, last_modification: modified };
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

fn run(program: &str, arguments: &[&str], paths: [&Path; 2]) {
    assert!(
        std::process::Command::new(program).args(arguments).args(paths).status().unwrap().success()
    );
}

/// A file with the attribute that it would have if it had been put with this time.
fn put_at(shop: &Shop, key: &str, secs: i64, nanos: i64) {
    let path = shop.path(key);
    fs::write(&path, b"body").unwrap();
    touch(&path, secs, nanos);
    let stat = fs::metadata(&path).unwrap();
    let mtime = u64::try_from(secs).unwrap() * 1_000_000_000 + u64::try_from(nanos).unwrap();
    let mut packed = vec![1, 1, 24, 0];
    packed.extend([mtime, stat.size(), stat.ino()].map(u64::to_le_bytes).as_flattened());
    packed.extend([2, 16, 0]);
    packed.extend(md5(b"body").bytes());
    setxattr(&path, "user.lobos", &packed, XattrFlags::empty()).unwrap();
}

fn is_md5(tag: &str) -> bool {
    tag == hex(md5(b"body").bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn files_of_every_time() {
    // Listing and HeadObject agree on files with every kind of time, with our attribute or not,
    // and what was put through the store has its MD5 until anybody touches it.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        let mut put = put_request("put");
        put.metadata.user = vec![("k".into(), "v".into())];
        send(&shop.store, put, b"body").unwrap();
        for key in ["a/put", "a//aside", "touched", "old", "moved/x", "renamed"] {
            shop.put(key, b"body");
        }
        common::copy(&shop.store, copy_request("put", "copied")).unwrap();
        common::rename(&shop.store, rename_request("renamed", "a/renamed")).unwrap();
        common::append(&shop.store, "appended", 0, b"bo").unwrap();
        common::append(&shop.store, "appended", 2, b"dy").unwrap();
        fs::write(shop.path("plain"), b"body").unwrap();
        for (at, nanos) in
            [0, 1, 100, 1_000, 123_456_789, 999_999_900, 999_999_999].iter().enumerate()
        {
            fs::write(shop.path(&format!("time-{at}")), b"body").unwrap();
            touch(&shop.path(&format!("time-{at}")), 1_000_000_000, *nanos);
        }
        for nanos in 0..100 {
            fs::write(shop.path(&format!("nanos-{nanos}")), b"body").unwrap();
            touch(&shop.path(&format!("nanos-{nanos}")), 1_000_000_000, nanos);
        }
        run("cp", &["-p", "--preserve=xattr"], [&shop.path("put"), &shop.path("preserved")]);
        touch(&shop.path("touched"), 1_700_000_000, 0);
        run("touch", &["-d", "2001-02-03T04:05:06"], [&shop.path("old"), &shop.path("old")]);
        fs::create_dir(shop.path("other")).unwrap();
        fs::rename(shop.path("moved/x"), shop.path("other/x")).unwrap();
        symlink("put", shop.path("link")).unwrap();
        symlink("plain", shop.path("link-to-plain")).unwrap();
        let tags = tags(&shop, &format!("{quirks:?}"));
        let with_md5: Vec<&str> =
            tags.iter().filter(|(_, tag)| is_md5(tag)).map(|(key, _)| key.as_str()).collect();
        let mut wanted = vec!["a//aside", "a/put", "a/renamed", "copied", "other/x", "put"];
        if !quirks.no_xattrs {
            wanted.insert(4, "link");
        }
        assert_eq!(with_md5, wanted, "{quirks:?}");
        assert!(tags.len() > 100);
    }
}

#[test]
fn times_of_the_store() {
    // A kept MD5 counts only with a time that the store may have given: with its mark, or cut by a
    // file system whose times are less exact.
    let shop = Shop::new();
    let put = |key: &str| {
        shop.put(key, b"body");
        fs::metadata(shop.path(key)).unwrap().mtime_nsec() % 100
    };
    let marks: Vec<i64> = ["p1", "p2", "p3"].map(put).to_vec();
    assert!(marks.iter().all(|mark| *mark == marks[0] && *mark != 0), "{marks:?}");
    let mut counting = 0;
    for nanos in 0..100 {
        put_at(&shop, &format!("n{nanos}"), 1_500_000_000, 77_000_000 + nanos);
        let counts = is_md5(&tag(&shop, &format!("n{nanos}")));
        assert_eq!(counts, nanos == 0 || nanos == marks[0], "{nanos}");
        counting += usize::from(counts);
    }
    assert_eq!(counting, 2);
    for (at, nanos) in [0, 100, 1_000, 1_000_000, 10_000_000].iter().enumerate() {
        put_at(&shop, &format!("coarse-{at}"), 1_500_000_000, *nanos);
        assert!(is_md5(&tag(&shop, &format!("coarse-{at}"))), "{nanos}");
    }
}

#[test]
fn large_pages() {
    // The tags of a page are the same however many keys it has, and wherever they are.
    for quirks in [Quirks::default(), Quirks { no_xattrs: true, ..Quirks::default() }] {
        let shop = Shop::with(Options::default(), quirks);
        for at in 0..60 {
            for folder in ["", "a/", "a/b/", "c/", "a//"] {
                shop.put(&format!("{folder}{at:02}"), b"body");
            }
        }
        let tags = tags(&shop, &format!("{quirks:?}"));
        assert_eq!(tags.len(), 300);
        assert!(tags.iter().all(|(_, tag)| is_md5(tag)));
    }
}
