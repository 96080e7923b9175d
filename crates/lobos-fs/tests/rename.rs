//! RenameObject: one object, one file, another name; what it has stays.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{Shop, all_quirks, get, put_request, rename, rename_request, send};
use lobos_digest::Algorithm;
use lobos_fs::{Durability, EtagMode, Options, Quirks};
use lobos_proto::op::RenameObject;
use lobos_proto::s3::condition::Tags;
use lobos_proto::{Code, Key, Metadata, TagSet};

fn code(shop: &Shop, request: RenameObject) -> Result<(), Code> {
    rename(&shop.store, request).map_err(|e| e.code())
}

fn put_full(shop: &Shop, key: &str, body: &[u8]) {
    let mut put = put_request(key);
    put.metadata.content_type = Some("text/x-own".into());
    put.metadata.user = vec![("a".into(), "1".into())];
    put.tags = TagSet::from_pairs(vec![("t".into(), "1".into())]);
    put.checksum = Some(Algorithm::Sha256);
    send(&shop.store, put, body).unwrap();
}

#[test]
fn every_place() {
    // To and from files, new folders and what is kept aside: bytes, metadata, tags, checksum, tag
    // and time stay, the old key is gone, and so are the folders that only it needed.
    let durable = Options { durability: Durability::Disk, ..Options::default() };
    let cached = all_quirks().into_iter().map(|quirks| (Options::default(), quirks));
    for (options, quirks) in cached.chain([(durable, Quirks::default())]) {
        let shop = Shop::with(options, quirks);
        for from in ["a", "d/e/a", "a//b", ".lobos/x", &"k".repeat(300)] {
            for to in ["b", "d/e/b", "f/a", "x//y", &"l".repeat(300), "a/b", "d"] {
                put_full(&shop, from, b"bytes");
                let before = shop.head(from).unwrap().info;
                rename(&shop.store, rename_request(from, to))
                    .unwrap_or_else(|e| panic!("{from} {to}: {e}"));
                let (response, bytes) = shop.get(to).unwrap();
                assert_eq!(bytes, b"bytes");
                assert_eq!(response.info, before, "{from} {to} {quirks:?}");
                assert_eq!(shop.get(from).unwrap_err(), Code::NoSuchKey);
                assert_eq!(shop.keys(), [to]);
                shop.delete(to);
            }
        }
        assert_eq!(shop.leftovers(), [""; 0]);
        let left = shop.tree().into_iter().filter(|p| !p.starts_with(".lobos/"));
        if !quirks.no_xattrs {
            assert_eq!(left.collect::<Vec<_>>(), [""; 0], "folders that were made go");
        }
        let metas = shop.tree().into_iter().filter(|p| p.starts_with(".lobos/meta/"));
        assert!(metas.into_iter().all(|p| p == ".lobos/meta/"));
    }
}

#[test]
fn same_file() {
    // The file is the very one, whoever made it; nothing is copied and nothing is written.
    let shop = Shop::new();
    fs::create_dir(shop.path("mine")).unwrap();
    fs::write(shop.path("mine/a"), "bytes").unwrap();
    let inode = fs::metadata(shop.path("mine/a")).unwrap().ino();
    let etag = shop.head("mine/a").unwrap().info.etag;
    rename(&shop.store, rename_request("mine/a", "b")).unwrap();
    assert_eq!(fs::metadata(shop.path("b")).unwrap().ino(), inode);
    assert_eq!(shop.head("b").unwrap().info.etag, etag);
    assert_eq!(shop.tree(), ["b", "mine/"], "a folder that a person made stays");
}

#[test]
fn replacing() {
    // What has the new key is replaced, also a link; nothing of it is left.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        put_full(&shop, "old//aside", b"1");
        put_full(&shop, "old", b"2");
        shop.put("a", b"new");
        shop.put("kept", b"kept");
        symlink("kept", shop.path("link")).unwrap();
        for to in ["old", "old//aside", "link"] {
            rename(&shop.store, rename_request("a", to)).unwrap();
            assert_eq!(shop.body(to), b"new");
            assert_eq!(shop.head(to).unwrap().info.metadata, Metadata::default());
            rename(&shop.store, rename_request(to, "a")).unwrap();
        }
        assert_eq!(shop.keys(), ["a", "kept"]);
        assert_eq!(shop.body("kept"), b"kept");
    }
}

#[test]
fn folder_in_the_way() {
    // A key that is the name of a folder is kept aside, and the folder stays as it is.
    let shop = Shop::new();
    shop.put("d/x", b"1");
    shop.put("a", b"2");
    rename(&shop.store, rename_request("a", "d")).unwrap();
    assert_eq!((shop.body("d"), shop.body("d/x")), (b"2".to_vec(), b"1".to_vec()));
    // And where the folder is only there for the object itself it goes.
    rename(&shop.store, rename_request("d/x", "d")).unwrap();
    assert_eq!(shop.body("d"), b"1");
    assert_eq!(shop.keys(), ["d"]);
}

#[test]
fn shadowed() {
    // An object aside that a foreign file hides does not show when that file is renamed.
    let shop = Shop::new();
    fs::create_dir(shop.path("a")).unwrap();
    shop.put("a", b"aside");
    fs::remove_dir(shop.path("a")).unwrap();
    fs::write(shop.path("a"), "file").unwrap();
    rename(&shop.store, rename_request("a", "b")).unwrap();
    assert_eq!(shop.body("b"), b"file");
    assert_eq!(shop.get("a").unwrap_err(), Code::NoSuchKey);
}

#[test]
fn links() {
    // A link goes to another name in its folder; elsewhere it would be another file.
    let shop = Shop::new();
    shop.put("d/a", b"bytes");
    symlink("a", shop.path("d/link")).unwrap();
    assert_eq!(code(&shop, rename_request("d/link", "link")), Err(Code::NotImplemented));
    rename(&shop.store, rename_request("d/link", "d/other")).unwrap();
    assert_eq!(shop.body("d/other"), b"bytes");
    assert_eq!(shop.keys(), ["d/a", "d/other"]);
    // Two names of one file: the kernel would leave both.
    fs::hard_link(shop.path("d/a"), shop.path("d/twin")).unwrap();
    rename(&shop.store, rename_request("d/twin", "d/a")).unwrap();
    assert_eq!(shop.keys(), ["d/a", "d/other"]);
}

#[test]
fn missing() {
    // Without a source nothing happens; a source may come with its bucket, but a key that is
    // really called so comes first.
    let shop = Shop::new();
    shop.put("a", b"1");
    shop.put("photos/a", b"2");
    assert_eq!(code(&shop, rename_request("none", "b")), Err(Code::NoSuchKey));
    let request =
        RenameObject { or_source: Some(Key::new("a").unwrap()), ..rename_request("photos/a", "b") };
    rename(&shop.store, request.clone()).unwrap();
    assert_eq!(shop.body("b"), b"2");
    rename(&shop.store, request.clone()).unwrap();
    assert_eq!(shop.body("b"), b"1");
    assert_eq!(code(&shop, request), Err(Code::NoSuchKey));
    rename(&shop.store, rename_request("b", "b")).unwrap();
    assert_eq!(shop.keys(), ["b"]);
}

#[test]
fn conditions() {
    // A condition that fails, about either key, leaves both as they are.
    let shop = Shop::new();
    let old = shop.put("a", b"1").etag;
    let new = shop.put("b", b"2").etag;
    let request = |set: &dyn Fn(&mut RenameObject)| {
        let mut request = rename_request("a", "b");
        set(&mut request);
        code(&shop, request)
    };
    let tags = |tag: &str| Some(Tags::parse(tag));
    let failed = Err(Code::PreconditionFailed);
    assert_eq!(request(&|r| r.conditions.if_none_match = tags("*")), failed);
    assert_eq!(request(&|r| r.conditions.if_match = tags(old.as_str())), failed);
    assert_eq!(request(&|r| r.source_conditions.if_match = tags(new.as_str())), failed);
    assert_eq!((shop.body("a"), shop.body("b")), (b"1".to_vec(), b"2".to_vec()));
    let both = |r: &mut RenameObject| {
        r.source_conditions.if_match = tags(old.as_str());
        r.conditions.if_match = tags(new.as_str());
    };
    assert_eq!(request(&both), Ok(()));
    assert_eq!(shop.keys(), ["b"]);
    let mut back = rename_request("b", "a");
    back.conditions.if_none_match = tags("*");
    assert_eq!(code(&shop, back), Ok(()));
}

#[test]
fn tokens() {
    // A request with the token of one that was done is not done again; another request with it is
    // refused.
    let shop = Shop::new();
    let token = |name: &str, request| RenameObject { token: Some(name.into()), ..request };
    let first = token("one", rename_request("a", "b"));
    assert_eq!(code(&shop, first.clone()), Err(Code::NoSuchKey));
    shop.put("a", b"1");
    assert_eq!(code(&shop, first.clone()), Ok(()));
    assert_eq!(code(&shop, first.clone()), Ok(()));
    shop.put("a", b"2");
    assert_eq!(code(&shop, first), Ok(()));
    assert_eq!((shop.body("a"), shop.body("b")), (b"2".to_vec(), b"1".to_vec()));
    let other = token("one", rename_request("a", "c"));
    assert_eq!(code(&shop, other), Err(Code::IdempotencyParameterMismatch));
    // The oldest are forgotten.
    for n in 0..256 {
        let (from, to) = if n % 2 == 0 { ("a", "c") } else { ("c", "a") };
        assert_eq!(code(&shop, token(&format!("t{n}"), rename_request(from, to))), Ok(()));
    }
    assert_eq!(code(&shop, token("one", rename_request("a", "d"))), Ok(()));
}

#[test]
fn crossing() {
    // Renames in both directions at once never wait for each other, and no object is lost; in
    // every instant each object has one of the two keys, whole.
    for quirks in [Quirks::default(), Quirks { no_xattrs: true, ..Quirks::default() }] {
        let options = Options { etag: EtagMode::Md5, ..Options::default() };
        let shop = Shop::with(options, quirks);
        let keys = ["a", "d/b", "e//c", "f/a"];
        shop.put("a", &[7; 9000]);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let movers: Vec<_> = (0..4_usize)
                .map(|n| {
                    let store = &shop.store;
                    scope.spawn(move || {
                        for round in 0..400 {
                            let (from, to) = (keys[(n + round) % 4], keys[(n + 1 + round / 3) % 4]);
                            match rename(store, rename_request(from, to)) {
                                Ok(()) => {}
                                Err(e) => assert_eq!(e.code(), Code::NoSuchKey, "{e}"),
                            }
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for key in keys {
                        if let Ok((response, bytes)) = get(&shop.store, key) {
                            assert_eq!(bytes, [7; 9000]);
                            assert_eq!(response.info.size, 9000);
                        }
                    }
                }
            });
            for mover in movers {
                mover.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        let left = shop.keys();
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(shop.body(&left[0]), [7; 9000]);
    }
}
