//! Two stores over one folder, as two processes are: what one changes of an object in place is
//! not lost to what the other does with it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::{BUCKET, Shop, append, bucket, put_request, rename, rename_request, send};
use lobos_fs::{FsStore, Layout, Options, Quirks};
use lobos_proto::op::{GetObjectTagging, HeadObject, PutObjectTagging};
use lobos_proto::{Code, Key, Outcome, Request, Response, Store, TagSet};

/// How often each looks for what it has just done.
const ROUNDS: usize = 400;

fn other(shop: &Shop, quirks: Quirks) -> FsStore {
    let layout = Layout::Dirs(vec![(BUCKET.into(), shop.dir.path().into())]);
    FsStore::open_with(layout, Options::default(), quirks).unwrap()
}

fn tag(store: &FsStore, key: &str, value: usize) -> Result<(), Code> {
    let tags = Some(TagSet::from_pairs(vec![("n".into(), value.to_string())]));
    let request = PutObjectTagging { bucket: bucket(), key: Key::new(key).unwrap(), tags };
    store.call(Request::PutObjectTagging(request)).map(drop).map_err(|e| e.code())
}

/// The number it was tagged with last.
fn tagged(store: &FsStore, key: &str) -> Result<Option<usize>, Code> {
    let request = GetObjectTagging { bucket: bucket(), key: Key::new(key).unwrap() };
    match store.call(Request::GetObjectTagging(request)).map_err(|e| e.code())? {
        Outcome::Done(Response::GetObjectTagging(tags)) => {
            Ok(tags.pairs().first().map(|(_, value)| value.parse().unwrap()))
        }
        _ => panic!("not tags"),
    }
}

/// Its size, and the one thing that its metadata say.
fn seen(store: &FsStore, key: &str) -> (u64, String) {
    let head = Request::HeadObject(HeadObject(common::get_request(key)));
    match store.call(head).unwrap() {
        Outcome::Done(Response::HeadObject(response)) => {
            let info = response.info;
            (info.size, info.metadata.user.first().map(|(_, v)| v.clone()).unwrap_or_default())
        }
        _ => panic!("not an answer to HEAD"),
    }
}

fn put(store: &FsStore, key: &str, body: &[u8], said: &str) {
    let mut put = put_request(key);
    put.metadata.user = vec![("said".into(), said.into())];
    send(store, put, body).unwrap();
}

/// Tags are put by one store, and looked for after each, while the other works.
fn tags_beside(quirks: Quirks, keys: &[&str], work: impl Fn(&FsStore, &AtomicBool) + Sync) {
    let shop = Shop::with(Options::default(), quirks);
    put(&shop.store, keys[0], b"", "first");
    // The very first lock of a bucket is one that others may miss.
    tag(&shop.store, keys[0], 0).unwrap();
    let (second, done) = (other(&shop, quirks), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| work(&second, &done));
        for round in 1..=ROUNDS {
            let put = |key: &&&str| tag(&shop.store, key, round) == Ok(());
            while !keys.iter().any(|key| put(&key)) {}
            let found = loop {
                if let Some(found) = keys.iter().find_map(|k| tagged(&shop.store, k).ok()) {
                    break found;
                }
            };
            if found != Some(round) {
                done.store(true, Ordering::Relaxed);
            }
            assert_eq!(found, Some(round), "{quirks:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn appends_keep_tags() {
    // An append takes the tags along that were acknowledged before it became visible.
    for no_xattrs in [false, true] {
        let quirks = Quirks { no_xattrs, ..Quirks::default() };
        tags_beside(quirks, &["k"], |store, done| {
            let mut size = 0;
            while !done.load(Ordering::Relaxed) {
                match append(store, "k", size, b"x") {
                    Ok(_) => size += 1,
                    Err(e) => assert_eq!(e.code(), Code::ConditionalRequestConflict),
                }
            }
            assert_eq!(seen(store, "k"), (size, "first".into()));
        });
    }
}

#[test]
fn renames_keep_tags() {
    // An object that gets another name takes along the tags that were acknowledged before.
    for no_xattrs in [false, true] {
        let quirks = Quirks { no_xattrs, ..Quirks::default() };
        tags_beside(quirks, &["k", "l"], |store, done| {
            while !done.load(Ordering::Relaxed) {
                rename(store, rename_request("k", "l")).unwrap();
                rename(store, rename_request("l", "k")).unwrap();
            }
            assert_eq!(seen(store, "k"), (0, "first".into()));
        });
    }
}

#[test]
fn folders_keep_what_was_put() {
    // Tags of one store bring back nothing that a PUT of the other has replaced, also where that
    // changes a folder in place.
    for no_xattrs in [false, true] {
        let quirks = Quirks { no_xattrs, ..Quirks::default() };
        for key in ["d/", "k"] {
            let shop = Shop::with(Options::default(), quirks);
            put(&shop.store, key, b"", "first");
            tag(&shop.store, key, 0).unwrap();
            let (second, done) = (other(&shop, quirks), AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    for round in 0.. {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        tag(&second, key, round).unwrap();
                    }
                });
                for round in 0..ROUNDS {
                    put(&shop.store, key, b"", &round.to_string());
                    let found = seen(&shop.store, key).1;
                    if found != round.to_string() {
                        done.store(true, Ordering::Relaxed);
                    }
                    assert_eq!(found, round.to_string(), "{key} {quirks:?}");
                }
                done.store(true, Ordering::Relaxed);
            });
        }
    }
}
