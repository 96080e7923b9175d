//! Many at once: no torn object, one winner, nothing lost between a DELETE and a PUT.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::{Shop, all_quirks, delete, get, put, put_if_absent, put_if_match};
use lobos_fs::{FsStore, Options};
use lobos_proto::Code;

/// A body that shows if it is not one whole body.
fn body(writer: u8, round: u32) -> Vec<u8> {
    let size = 1000 + usize::from(writer) * 777 + (round as usize * 131) % 5000;
    vec![writer.wrapping_mul(31) ^ round.to_le_bytes()[0]; size]
}

#[test]
fn never_torn() {
    // Readers during overwrites see one old or new object whole, and its tag is its own.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        put(&shop.store, "d/a", &body(0, 0)).unwrap();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..2_u8)
                .map(|writer| {
                    let store = &shop.store;
                    scope.spawn(move || {
                        for round in 0..60 {
                            put(store, "d/a", &body(writer, round)).unwrap();
                        }
                    })
                })
                .collect();
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        let (response, bytes) = get(&shop.store, "d/a").unwrap();
                        assert!(bytes.iter().all(|b| *b == bytes[0]));
                        let tag = response.info.etag;
                        assert_eq!(tag.as_str(), common::md5(&bytes).to_hex(), "{quirks:?}");
                    }
                });
            }
            for writer in writers {
                writer.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(shop.leftovers(), [""; 0]);
    }
}

fn winners(run: impl Fn(u8) -> bool + Sync) -> usize {
    let (start, won) = (Barrier::new(16), AtomicUsize::new(0));
    thread::scope(|scope| {
        for number in 0..16_u8 {
            let (start, won, run) = (&start, &won, &run);
            scope.spawn(move || {
                start.wait();
                if run(number) {
                    won.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    won.into_inner()
}

fn succeeded(result: Result<lobos_proto::Stored, lobos_proto::Error>) -> bool {
    match result {
        Ok(_) => true,
        Err(e) if matches!(e.code(), Code::PreconditionFailed) => false,
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn one_creates() {
    // Of 16 PUTs with If-None-Match: * one wins, in one process and in several.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        let others: Vec<FsStore> = (0..3).map(|_| shop.another(Options::default())).collect();
        for key in ["a", "new/folder/a", "a//b", "f/"] {
            let won = winners(|n| {
                let store = others.get(usize::from(n)).unwrap_or(&shop.store);
                let bytes = if key == "f/" { Vec::new() } else { vec![n] };
                succeeded(put_if_absent(store, key, &bytes))
            });
            // A folder's mark is not made by one call; between processes more than one can win.
            if key == "f/" {
                assert!(won >= 1);
            } else {
                assert_eq!(won, 1, "{key} {quirks:?}");
            }
        }
    }
}

#[test]
fn one_matches() {
    // Of 16 PUTs with the same If-Match one wins, in one process and in several.
    for quirks in all_quirks().into_iter().take(4) {
        let shop = Shop::with(Options::default(), quirks);
        let others: Vec<FsStore> = (0..3)
            .map(|_| {
                let layout = vec![(common::BUCKET.into(), shop.dir.path().into())];
                let layout = lobos_fs::Layout::Dirs(layout);
                FsStore::open_with(layout, Options::default(), quirks).unwrap()
            })
            .collect();
        for key in ["a", "d/a", "a//b"] {
            for _ in 0..5 {
                let tag = shop.put(key, b"first").etag;
                let won = winners(|n| {
                    let store = others.get(usize::from(n)).unwrap_or(&shop.store);
                    succeeded(put_if_match(store, key, tag.as_str(), &[n]))
                });
                assert_eq!(won, 1, "{key} {quirks:?}");
            }
        }
    }
}

#[test]
fn counter() {
    // Read, add one, If-Match: no increment is lost, also with plain writers of other keys.
    let shop = Shop::new();
    shop.put("n", b"0");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    loop {
                        let (response, bytes) = get(&shop.store, "n").unwrap();
                        let count: u32 = std::str::from_utf8(&bytes).unwrap().parse().unwrap();
                        let next = (count + 1).to_string();
                        let tag = response.info.etag;
                        let put = put_if_match(&shop.store, "n", tag.as_str(), next.as_bytes());
                        if succeeded(put) {
                            break;
                        }
                    }
                }
            });
        }
    });
    assert_eq!(shop.body("n"), b"100");
}

#[test]
fn put_against_prune() {
    // A PUT into a folder that a DELETE is just removing always succeeds and is there.
    for quirks in all_quirks().into_iter().step_by(2) {
        let shop = Shop::with(Options::default(), quirks);
        thread::scope(|scope| {
            for number in 0..4_u8 {
                let store = &shop.store;
                scope.spawn(move || {
                    let key = if number == 0 { "a/b/c/".into() } else { format!("a/b/c/{number}") };
                    for round in 0..100 {
                        put(store, &key, b"").unwrap_or_else(|e| panic!("{round}: {e}"));
                        assert!(get(store, &key).is_ok(), "{key} {round} {quirks:?}");
                        delete(store, &key).unwrap();
                    }
                });
            }
        });
        assert!(!shop.path("a").exists(), "{quirks:?}");
    }
}

#[test]
fn file_against_folder() {
    // `a` and `a/b` put and deleted at once: each is what its own writer left.
    for quirks in all_quirks().into_iter().step_by(2) {
        let shop = Shop::with(Options::default(), quirks);
        thread::scope(|scope| {
            for key in ["a", "a/b", "a/"] {
                let store = &shop.store;
                scope.spawn(move || {
                    for round in 0..400_u32 {
                        let bytes = if key == "a/" { vec![] } else { round.to_le_bytes().to_vec() };
                        put(store, key, &bytes).unwrap_or_else(|e| panic!("{key} {round}: {e}"));
                        let (_, got) = get(store, key)
                            .unwrap_or_else(|e| panic!("{key} {round} {quirks:?}: {e}"));
                        assert_eq!(got, bytes, "{key}");
                        delete(store, key).unwrap();
                        assert!(get(store, key).is_err(), "{key}");
                    }
                });
            }
        });
        assert_eq!(shop.keys(), [""; 0]);
    }
}
