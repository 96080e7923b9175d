//! Tags of objects: put with the object or later, without touching anything else of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::time::{Duration, SystemTime};

use common::{Shop, all_quirks, bucket, put_request, send};
use lobos_fs::{Durability, EtagMode, Options, Quirks};
use lobos_proto::op::{GetObjectTagging, PutObjectTagging};
use lobos_proto::{Code, Key, Outcome, Request, Response, Store, TagSet};

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn set(pairs: Pairs<'_>) -> TagSet {
    TagSet::from_pairs(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect())
}

fn tags(shop: &Shop, key: &str) -> Result<TagSet, Code> {
    let request = GetObjectTagging { bucket: bucket(), key: Key::new(key).unwrap() };
    match shop.store.call(Request::GetObjectTagging(request)).map_err(|e| e.code())? {
        Outcome::Done(Response::GetObjectTagging(tags)) => Ok(tags),
        _ => panic!("not tags"),
    }
}

fn tag(shop: &Shop, key: &str, tags: Option<TagSet>) -> Result<(), Code> {
    let removes = tags.is_none();
    let request = PutObjectTagging { bucket: bucket(), key: Key::new(key).unwrap(), tags };
    match shop.store.call(Request::PutObjectTagging(request)).map_err(|e| e.code())? {
        Outcome::Done(Response::DeleteObjectTagging) if removes => Ok(()),
        Outcome::Done(Response::PutObjectTagging) if !removes => Ok(()),
        _ => panic!("not the answer"),
    }
}

/// Ten tags as long as they can be: more than ext4 has room for.
fn largest() -> TagSet {
    let pair = |n| (format!("{n}{}", "ü".repeat(127)), "文".repeat(256));
    TagSet::from_pairs((0..10).map(pair).collect())
}

#[test]
fn in_place() {
    // Tags change, whatever the file system lacks, and the bytes, the time, the entity tag, the
    // checksums and the metadata of the object do not.
    for quirks in all_quirks() {
        for etag in [EtagMode::Md5, EtagMode::Fast] {
            let shop = Shop::with(Options { etag, ..Options::default() }, quirks);
            for key in ["a", "d/b", "a//b", ".lobos/x", "folder/"] {
                let mut put = put_request(key);
                put.metadata.user = vec![("colour".into(), "blue".into())];
                put.checksum = Some(lobos_digest::Algorithm::Crc32);
                put.tags = set(&[("with", "the put")]);
                let body: &[u8] = if key == "folder/" { b"" } else { b"hello" };
                send(&shop.store, put, body).unwrap();
                let mut before = shop.head(key).unwrap().info;
                assert_eq!((before.tags, tags(&shop, key)), (1, Ok(set(&[("with", "the put")]))));
                for new in [set(&[("b", "2"), ("a", "")]), largest(), set(&[("c", "3")])] {
                    tag(&shop, key, Some(new.clone())).unwrap();
                    assert_eq!(tags(&shop, key).unwrap(), new, "{key} {quirks:?}");
                    before.tags = new.pairs().len();
                    assert_eq!(shop.head(key).unwrap().info, before, "{key} {quirks:?}");
                }
                tag(&shop, key, Some(TagSet::default())).unwrap();
                tag(&shop, key, Some(set(&[("again", "")]))).unwrap();
                tag(&shop, key, None).unwrap();
                before.tags = 0;
                assert_eq!(shop.head(key).unwrap().info, before);
                assert_eq!((tags(&shop, key).unwrap(), shop.body(key)), (set(&[]), body.to_vec()));
            }
            assert_eq!(shop.keys(), [".lobos/x", "a", "a//b", "d/b", "folder/"]);
            assert_eq!(shop.leftovers(), Vec::<String>::new());
        }
    }
}

#[test]
fn foreign() {
    // A file that nobody put gets tags and keeps its entity tag, and its tags when its bytes are
    // changed behind our back; without tags nothing is left at it.
    for no_xattrs in [false, true] {
        let shop = Shop::with(Options::default(), Quirks { no_xattrs, ..Quirks::default() });
        let path = shop.path("f");
        fs::write(&path, "one").unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let before = shop.head("f").unwrap().info;
        tag(&shop, "f", Some(set(&[("a", "b")]))).unwrap();
        let after = shop.head("f").unwrap().info;
        assert_eq!((after.etag, after.modified), (before.etag, before.modified));
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
        assert_eq!(shop.page().objects[0].etag, before.etag);
        fs::write(&path, "changed").unwrap();
        assert_eq!(tags(&shop, "f").unwrap(), set(&[("a", "b")]));
        assert_eq!(shop.body("f"), b"changed");
        tag(&shop, "f", None).unwrap();
        if !no_xattrs {
            let left = rustix::fs::getxattr(&path, "user.lobos", &mut [0; 9][..]);
            assert_eq!(left, Err(rustix::io::Errno::NODATA));
        }
        assert_eq!(shop.head("f").unwrap().info.tags, 0);
    }
}

#[test]
fn replaced() {
    // A new object under the key has the tags that came with it, and no others.
    let shop = Shop::new();
    for key in ["k", "d/"] {
        shop.put(key, b"");
        tag(&shop, key, Some(set(&[("a", "b")]))).unwrap();
        shop.put(key, b"");
        assert_eq!(tags(&shop, key), Ok(set(&[])));
        tag(&shop, key, Some(largest())).unwrap();
        shop.delete(key);
        assert_eq!(tags(&shop, key), Err(Code::NoSuchKey));
        shop.put(key, b"");
        assert_eq!(tags(&shop, key), Ok(set(&[])));
    }
}

#[test]
fn nothing_there() {
    // What is no object has no tags, and gets none.
    let shop = Shop::with(
        Options { durability: Durability::Disk, ..Options::default() },
        Quirks::default(),
    );
    fs::create_dir(shop.path("folder")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", shop.path("out")).unwrap();
    for key in ["none", "d/none", "folder", "folder/", "a//b", "out"] {
        assert_eq!(tags(&shop, key), Err(Code::NoSuchKey), "{key}");
        let new = Some(set(&[("a", "b")]));
        assert_eq!(tag(&shop, key, new), Err(Code::NoSuchKey), "{key}");
        assert_eq!(tag(&shop, key, None), Err(Code::NoSuchKey), "{key}");
    }
    assert_eq!(shop.tree(), ["folder/", "out"]);
}

#[test]
fn readers_meanwhile() {
    // Who reads while tags grow and shrink finds the object as it was put each time.
    for no_xattrs in [false, true] {
        let shop = Shop::with(Options::default(), Quirks { no_xattrs, ..Quirks::default() });
        for key in (0..50).map(|n| format!("k{n}")) {
            let etag = shop.put(&key, b"hello").etag;
            std::thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    for new in [largest(), set(&[("a", "b")]), largest(), set(&[])] {
                        tag(&shop, &key, Some(new)).unwrap();
                    }
                });
                while !writer.is_finished() {
                    assert_eq!(shop.head(&key).unwrap().info.etag, etag);
                }
            });
        }
    }
}

#[test]
fn a_folder_stays_one() {
    // The mark of a folder that is an object stays when its last tag goes.
    let shop =
        Shop::with(Options { etag: EtagMode::Fast, ..Options::default() }, Quirks::default());
    shop.put("d/", b"");
    tag(&shop, "d/", Some(set(&[("a", "b")]))).unwrap();
    tag(&shop, "d/", None).unwrap();
    assert_eq!(shop.keys(), ["d/"]);
    assert_eq!(tags(&shop, "d/"), Ok(set(&[])));
}
