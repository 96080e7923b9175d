//! The entity tag in a listing is the one that HeadObject gives, whatever time a file has.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, SystemTime};

use common::{Shop, all_quirks, append, copy, copy_request, rename, rename_request};
use lobos_fs::Options;

/// Holds every tag of the listing against that of HEAD; gives how many are MD5s.
fn md5s(shop: &Shop) -> usize {
    let objects = shop.page().objects;
    for object in &objects {
        let head = shop.head(&object.key).unwrap().info;
        assert_eq!((object.etag, object.modified), (head.etag, head.modified), "{}", object.key);
    }
    objects.iter().filter(|object| object.etag.as_str().len() == 32).count()
}

fn set_time(shop: &Shop, key: &str, time: Duration) {
    let file = File::open(shop.path(key)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + time).unwrap();
}

#[test]
fn times() {
    // Of files whose times others set to anything, of objects that were touched, copied with
    // their times and attributes, and of those that nobody changed.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        for nanos in (0..=100).chain([137, 1_000_000_037, 5_000_000_000]) {
            fs::write(shop.path(&format!("file-{nanos}")), "x").unwrap();
            set_time(&shop, &format!("file-{nanos}"), Duration::from_nanos(nanos));
        }
        assert_eq!(md5s(&shop), 0);
        for key in ["a", "b", "d/c", "e//f"] {
            shop.put(key, key.as_bytes());
        }
        assert_eq!(md5s(&shop), 4);
        copy(&shop.store, copy_request("a", "copied")).unwrap();
        rename(&shop.store, rename_request("b", "renamed")).unwrap();
        assert_eq!(md5s(&shop), 5);
        append(&shop.store, "d/c", 3, b"more").unwrap();
        rename(&shop.store, rename_request("file-1", "file-renamed")).unwrap();
        assert_eq!(md5s(&shop), 4);
        let mut cp = Command::new("cp");
        let done = cp.arg("--preserve=all").args([shop.path("a"), shop.path("cp")]).status();
        let done = done.unwrap();
        assert!(done.success());
        assert_eq!(md5s(&shop), 4);
        set_time(&shop, "a", Duration::from_nanos(37));
        assert_eq!(md5s(&shop), 3);
    }
}

#[test]
fn coarse_times() {
    // A tag is found as well where the file system cut its time, to whatever unit.
    let shop = Shop::new();
    for (at, unit) in [100_u64, 1000, 1_000_000, 1_000_000_000].into_iter().enumerate() {
        let key = format!("k{at}");
        shop.put(&key, b"x");
        // As if it had been cut when it was put: in the file and in what is kept of it.
        let time = fs::metadata(shop.path(&key)).unwrap().modified().unwrap();
        let nanos = u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos());
        let nanos = nanos.unwrap();
        let cut = nanos - nanos % unit;
        set_time(&shop, &key, Duration::from_nanos(cut));
        let mut kept = vec![0; 4096];
        let len = rustix::fs::getxattr(shop.path(&key), "user.lobos", &mut kept[..]).unwrap();
        kept.truncate(len);
        let at = kept.windows(8).position(|w| w == nanos.to_le_bytes()).unwrap();
        kept[at..at + 8].copy_from_slice(&cut.to_le_bytes());
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(shop.path(&key), "user.lobos", &kept, flags).unwrap();
    }
    assert_eq!(md5s(&shop), 4);
}
