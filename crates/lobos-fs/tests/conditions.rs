//! Conditional deletes and copies: what must be so is so in the very moment, and one wins.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::{
    Shop, all_quirks, bucket, copy, copy_request, get, md5, put, put_if_absent, put_if_match,
};
use lobos_fs::{FsStore, Layout, Options, Quirks};
use lobos_proto::op::{CopyObject, DeleteKey, DeleteObject, DeleteObjects};
use lobos_proto::s3::condition::{DeleteConditions, Tags};
use lobos_proto::{Code, Error, Key, Metadata, Outcome, Request, Response, Store, Timestamp};

fn matches(tag: &str) -> DeleteConditions {
    DeleteConditions { matches: Some(Tags::parse(tag)), ..DeleteConditions::default() }
}

fn delete(store: &FsStore, key: &str, conditions: DeleteConditions) -> Result<(), Code> {
    let request = DeleteObject { bucket: bucket(), key: Key::new(key).unwrap(), conditions };
    store.call(Request::DeleteObject(request)).map(drop).map_err(|e| e.code())
}

fn delete_many(
    store: &FsStore,
    keys: Vec<(&str, DeleteConditions)>,
) -> Vec<(String, Option<Code>)> {
    let one = |(name, conditions): (&str, DeleteConditions)| DeleteKey {
        name: name.into(),
        version: None,
        key: Key::new(name),
        conditions,
    };
    let keys = keys.into_iter().map(one).collect();
    let request = Request::DeleteObjects(DeleteObjects { bucket: bucket(), keys, quiet: false });
    match store.call(request).unwrap() {
        Outcome::Done(Response::DeleteObjects(deletions)) => deletions
            .results
            .into_iter()
            .map(|deleted| (deleted.name, deleted.result.err().map(|e: Error| e.code())))
            .collect(),
        _ => panic!("not an answer to a multi-delete"),
    }
}

#[test]
fn deletes() {
    // Only the object that is meant is removed, wherever it is kept; where there is none only
    // If-Match fails, and nothing is written for that.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        for key in ["a", "d/a", "a//b", "f/"] {
            assert_eq!(delete(&shop.store, key, matches("*")), Err(Code::NoSuchKey));
            let size = |size| DeleteConditions { size: Some(size), ..DeleteConditions::default() };
            assert_eq!(delete(&shop.store, key, size(3)), Ok(()));
        }
        assert_eq!(shop.tree(), [""; 0]);
        for key in ["a", "d/a", "a//b", "f/"] {
            let body: &[u8] = if key == "f/" { b"" } else { b"bytes" };
            let tag = shop.put(key, body).etag;
            let modified = shop.head(key).unwrap().info.modified;
            let none = DeleteConditions::default;
            let second = Timestamp { nanos: modified.nanos / 1_000_000_000 * 1_000_000_000 };
            let later = Timestamp { nanos: second.nanos + 1_000_000_000 };
            for wrong in [
                matches("other"),
                DeleteConditions { size: Some(6), ..matches("*") },
                DeleteConditions { modified: Some(later), ..none() },
            ] {
                assert_eq!(delete(&shop.store, key, wrong), Err(Code::PreconditionFailed));
            }
            let size = Some(body.len() as u64);
            let right = DeleteConditions { size, modified: Some(second), ..matches(tag.as_str()) };
            assert_eq!(delete(&shop.store, key, right), Ok(()), "{key} {quirks:?}");
            assert_eq!(shop.get(key).unwrap_err(), Code::NoSuchKey);
        }
        assert_eq!(shop.keys(), [""; 0]);
    }
}

#[test]
fn many() {
    // Each key of a multi-delete has conditions of its own, and one that fails keeps no other.
    let shop = Shop::new();
    let tag = shop.put("a", b"1").etag;
    shop.put("b", b"2");
    let none = DeleteConditions::default;
    let results = delete_many(
        &shop.store,
        vec![
            ("b", matches(tag.as_str())),
            ("a", matches(tag.as_str())),
            ("a", matches("*")),
            ("a", none()),
            ("b", DeleteConditions { size: Some(2), ..none() }),
            ("c", DeleteConditions { size: Some(2), ..none() }),
        ],
    );
    let (failed, missing) = (Some(Code::PreconditionFailed), Some(Code::NoSuchKey));
    let codes: Vec<_> = results.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [failed, None, missing, None, failed, None]);
    assert_eq!(shop.keys(), ["b"]);
}

fn winners(run: impl Fn(u8) -> Result<(), Code> + Sync, lost: &[Code]) -> usize {
    let (start, won) = (Barrier::new(12), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..12_u8 {
            let (start, won, run) = (&start, &won, &run);
            scope.spawn(move || {
                start.wait();
                match run(number) {
                    Ok(()) => drop(won.fetch_add(1, Ordering::Relaxed)),
                    Err(code) => assert!(lost.contains(&code), "{code:?}"),
                }
            });
        }
    });
    won.into_inner()
}

#[test]
fn one_wins() {
    // Of many conditional deletes, or of deletes against writes, of one object one wins, in one
    // process and in several; of many copies to a free key too.
    for quirks in all_quirks().into_iter().take(4) {
        let shop = Shop::with(Options::default(), quirks);
        let layout = Layout::Dirs(vec![(common::BUCKET.into(), shop.dir.path().into())]);
        let other = FsStore::open_with(layout, Options::default(), quirks).unwrap();
        let store = |n: u8| if n.is_multiple_of(3) { &other } else { &shop.store };
        let lost = [Code::NoSuchKey, Code::PreconditionFailed];
        for key in ["a", "d/a", "a//b"] {
            for _ in 0..5 {
                let tag = shop.put(key, b"first").etag;
                let won = winners(|n| delete(store(n), key, matches(tag.as_str())), &lost);
                assert_eq!(won, 1, "{key} {quirks:?}");
                let tag = shop.put(key, b"first").etag;
                let run = |n: u8| match n % 2 {
                    0 => delete(store(n), key, matches(tag.as_str())),
                    _ => put_if_match(store(n), key, tag.as_str(), &[n])
                        .map(drop)
                        .map_err(|e| e.code()),
                };
                assert_eq!(winners(run, &lost), 1, "{key} {quirks:?}");
                shop.delete(key);
                shop.put("source", b"copied");
                let run = |n: u8| {
                    let mut request = copy_request("source", key);
                    request.conditions.absent = true;
                    match n % 2 {
                        0 => copy(store(n), request).map(drop).map_err(|e| e.code()),
                        _ => put_if_absent(store(n), key, b"put").map(drop).map_err(|e| e.code()),
                    }
                };
                assert_eq!(winners(run, &lost), 1, "{key} {quirks:?}");
            }
        }
    }
}

/// A body that shows if it is not one whole body.
fn body(round: u32) -> Vec<u8> {
    vec![round.to_le_bytes()[0]; 100_000 + (round as usize * 977) % 200_000]
}

#[test]
fn copies_are_never_torn() {
    // Copies of a source that is replaced all the time, and onto itself, are whole objects with
    // their own tags; so is every read of either meanwhile.
    for quirks in [Quirks::default(), Quirks { no_xattrs: true, ..Quirks::default() }] {
        let shop = Shop::with(Options::default(), quirks);
        put(&shop.store, "a", &body(0)).unwrap();
        put(&shop.store, "b", &body(0)).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let store = &shop.store;
            let mut workers = vec![scope.spawn(move || {
                for round in 1..60 {
                    put(store, "a", &body(round)).unwrap();
                }
            })];
            for (from, to) in [("a", "b"), ("a", "a")] {
                workers.push(scope.spawn(move || {
                    for _ in 0..60 {
                        let metadata = Some(Metadata::default());
                        let request = CopyObject { metadata, ..copy_request(from, to) };
                        copy(store, request).unwrap();
                    }
                }));
            }
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    for key in ["a", "b"] {
                        let (response, bytes) = get(store, key).unwrap();
                        assert!(bytes.iter().all(|b| *b == bytes[0]));
                        assert_eq!(response.info.etag.as_str(), md5(&bytes).to_hex());
                    }
                }
            });
            for worker in workers {
                worker.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(shop.leftovers(), [""; 0]);
    }
}

#[test]
fn plain_writes_make_their_lock() {
    // Once anybody has written under a condition, a plain write holds the lock file of its key even
    // if nobody did before: who writes under a condition next has to wait for it.
    let shop = Shop::new();
    let locks = || std::fs::read_dir(shop.path(".lobos/lock")).map_or(0, Iterator::count);
    shop.put("a", b"");
    assert_eq!(locks(), 0);
    let tag = shop.head("a").unwrap().info.etag;
    put_if_match(&shop.store, "a", tag.as_str(), b"").unwrap();
    assert_eq!(locks(), 1);
    for key in ["c", "d", "e"] {
        shop.put(key, b"");
        shop.delete(key);
    }
    assert_eq!(locks(), 4);
}
