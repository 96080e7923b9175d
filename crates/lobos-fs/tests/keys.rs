//! Any key is an object, whatever else is there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{Shop, all_quirks};
use lobos_fs::Options;
use lobos_proto::Code;

fn check(shop: &Shop, keys: &[&str]) {
    let mut sorted: Vec<_> = keys.iter().map(|&key| key.to_owned()).collect();
    sorted.sort();
    for key in keys {
        let want = if *key == "a/" { Vec::new() } else { key.as_bytes().to_vec() };
        assert_eq!(shop.body(key), want, "{key:?} of {keys:?}");
    }
    assert_eq!(shop.keys(), sorted);
    for object in shop.page().objects {
        let info = shop.head(&object.key).unwrap().info;
        assert_eq!((info.etag, info.size), (object.etag, object.size), "{:?}", object.key);
        assert_eq!(info.modified, object.modified);
    }
}

fn body(key: &str) -> &[u8] {
    if key == "a/" { b"" } else { key.as_bytes() }
}

#[test]
fn file_folder_and_both() {
    // `a`, `a/`, `a/b` and `a/b/c` live side by side, put and deleted in every order.
    let keys = ["a", "a/", "a/b", "a/b/c"];
    let mut orders = Vec::new();
    for n in 0..256_usize {
        let order = [n % 4, n / 4 % 4, n / 16 % 4, n / 64];
        if (0..4).all(|k| order.contains(&k)) {
            orders.push(order.map(|k| keys[k]));
        }
    }
    assert_eq!(orders.len(), 24);
    for (number, order) in orders.iter().enumerate() {
        let quirks = all_quirks()[number % 8];
        let shop = Shop::with(Options::default(), quirks);
        for (count, key) in order.iter().enumerate() {
            shop.put(key, body(key));
            check(&shop, &order[..=count]);
        }
        // Once more over what is there, then away in another order.
        for key in order {
            shop.put(key, body(key));
        }
        check(&shop, order);
        let mut left = orders[(number * 7 + 5) % 24].to_vec();
        while let Some(key) = left.pop() {
            shop.delete(key);
            assert_eq!(shop.get(key).unwrap_err(), Code::NoSuchKey, "{key:?}");
            check(&shop, &left);
        }
        if !quirks.no_xattrs {
            let left = shop.tree().into_iter().filter(|path| !path.starts_with(".lobos/"));
            assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
        }
    }
}

#[test]
fn folder_with_bytes() {
    // `a/` can have bytes; with and without them it is one object.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        for round in 0..2 {
            shop.put("a/", b"");
            assert_eq!(shop.body("a/"), b"");
            shop.put("a/", b"bytes");
            assert_eq!(shop.body("a/"), b"bytes");
            shop.put("a/x", b"x");
            assert_eq!(shop.keys(), ["a/", "a/x"]);
            shop.put("a/", b"");
            assert_eq!(shop.body("a/"), b"", "round {round}");
            shop.delete("a/");
            assert_eq!(shop.get("a/").unwrap_err(), Code::NoSuchKey);
            assert_eq!(shop.keys(), ["a/x"]);
            shop.delete("a/x");
        }
    }
}

/// Between spaces.
const STRANGE: &str = "/ // /x x/ x// a//b a/b// //a .lobos .lobos/ .lobos/x .lobos/aside/kx \
    .lobos/tmp/x .lobosx .LOBOS/meta/1 d/.lobos/x .lobos-tmp-1 d/.lobos-tmp-1/x ... a%2Fb % \
    a\\b \u{1} \u{7f} ü ~ - *? con k d";

fn strange() -> Vec<String> {
    let mut keys: Vec<String> = STRANGE.split(' ').map(str::to_owned).collect();
    keys.extend(["a\nb", " ", " a"].map(str::to_owned));
    let fits = "x".repeat(255);
    keys.extend(["x".repeat(256), "y".repeat(1024), "ü".repeat(512), "/".repeat(1024)]);
    keys.extend(["%2F".repeat(341), format!("{}z", "z/".repeat(511))]);
    keys.extend([format!("{fits}/{fits}/{fits}/{fits}"), fits]);
    keys
}

#[test]
fn strange_keys() {
    // Keys that no path can be come back byte for byte, one by one and all together.
    let keys = strange();
    for quirks in [0, 1, 6].map(|n| all_quirks()[n]) {
        let shop = Shop::with(Options::default(), quirks);
        for key in &keys {
            shop.put(key, key.as_bytes());
            assert_eq!(shop.body(key), key.as_bytes(), "{key:?}");
            shop.put(key, key.as_bytes());
            shop.delete(key);
            assert_eq!(shop.get(key).unwrap_err(), Code::NoSuchKey, "{key:?}");
            assert_eq!(shop.keys(), [""; 0], "{key:?}");
        }
        for key in &keys {
            shop.put(key, key.as_bytes());
        }
        let mut sorted = keys.clone();
        sorted.sort();
        assert_eq!(shop.keys(), sorted);
        for key in &keys {
            assert_eq!(shop.body(key), key.as_bytes(), "{key:?}");
            shop.delete(key);
        }
        assert_eq!(shop.keys(), [""; 0]);
        assert_eq!(shop.leftovers(), [""; 0]);
    }
}

#[test]
fn plain_wins() {
    // A key that was kept aside and is put again where it can be a file is in one place only.
    let shop = Shop::new();
    shop.put("a/b", b"below");
    shop.put("a", b"aside");
    fs::remove_dir_all(shop.path("a")).unwrap();
    assert_eq!(shop.body("a"), b"aside");
    shop.put("a", b"plain");
    assert_eq!(shop.body("a"), b"plain");
    fs::remove_file(shop.path("a")).unwrap();
    assert_eq!(shop.get("a").unwrap_err(), Code::NoSuchKey, "the old one does not come back");

    // Whoever puts a file there by hand hides the one aside; DELETE removes both.
    shop.put("a/b", b"below");
    shop.put("a", b"aside");
    fs::remove_dir_all(shop.path("a")).unwrap();
    fs::write(shop.path("a"), b"by hand").unwrap();
    assert_eq!(shop.body("a"), b"by hand");
    assert_eq!(shop.keys(), ["a"]);
    shop.delete("a");
    assert_eq!(shop.get("a").unwrap_err(), Code::NoSuchKey);
}

#[test]
fn folders_are_no_objects() {
    // A folder is an object only if it was put; DELETE of its name without a slash leaves it.
    let shop = Shop::new();
    fs::create_dir_all(shop.path("people/made")).unwrap();
    for key in ["people", "people/", "people/made/"] {
        assert_eq!(shop.get(key).unwrap_err(), Code::NoSuchKey);
        shop.delete(key);
    }
    assert!(shop.path("people/made").is_dir());
    shop.put("people/", b"");
    assert_eq!(shop.head("people/").unwrap().info.etag.as_str(), common::md5(b"").to_hex());
    shop.put("people/made/x", b"");
    assert_eq!(shop.keys(), ["people/", "people/made/x"]);
    shop.delete("people/made/x");
    shop.delete("people/");
    assert!(shop.path("people/made").is_dir(), "people made it");
}
