//! Appending: the old bytes and the new ones, in one step, at the right place or not at all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::{Shop, all_quirks, append, begin, get, md5, put_request, send, send_expecting};
use lobos_digest::{Algorithm, combine, digest};
use lobos_fs::{EtagMode, FsStore, Options, Quirks};
use lobos_proto::s3::condition::Tags;
use lobos_proto::{Checksum, Code, Expected, Metadata, Stored, TagSet};

fn code(result: Result<Stored, lobos_proto::Error>) -> Result<u64, Code> {
    result.map(|stored| stored.size).map_err(|e| e.code())
}

#[test]
fn growing() {
    // An object that is not there begins at 0, and each append makes one of all bytes so far, with
    // the metadata of the first; what is not at the end is refused.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        for key in ["a", "d/e/a.txt", "a//b", "f/"] {
            let mut put = put_request(key);
            put.append = Some(0);
            put.metadata.cache_control = Some("no-store".into());
            put.metadata.user = vec![("a".into(), "1".into())];
            let first = vec![1; 30_000];
            assert_eq!(code(send(&shop.store, put, &first)), Ok(30_000));
            let before = shop.head(key).unwrap().info;
            assert_eq!(code(append(&shop.store, key, 0, b"x")), Err(Code::InvalidWriteOffset));
            let stored = append(&shop.store, key, 30_000, &[2; 25_000]).unwrap();
            assert_eq!(stored.size, 55_000);
            let (response, bytes) = shop.get(key).unwrap();
            assert_eq!(bytes, [first, vec![2; 25_000]].concat(), "{key} {quirks:?}");
            let info = response.info;
            assert_eq!((info.etag, info.metadata), (stored.etag, before.metadata));
            assert!(info.modified > before.modified && info.etag != before.etag);
            assert!(info.etag.as_str().ends_with("-1"), "no MD5 is told that is none");
            assert_eq!(code(append(&shop.store, key, 55_000, b"!")), Ok(55_001));
            assert_eq!(shop.body(key).len(), 55_001);
        }
        assert_eq!(code(append(&shop.store, "none", 1, b"x")), Err(Code::InvalidWriteOffset));
        assert_eq!(shop.keys(), ["a", "a//b", "d/e/a.txt", "f/"]);
        assert_eq!(shop.leftovers(), [""; 0]);
    }
}

#[test]
fn foreign_files() {
    // A file that nobody put grows as well, and a folder that is an object becomes one of bytes.
    let shop =
        Shop::with(Options { etag: EtagMode::Fast, ..Options::default() }, Quirks::default());
    fs::write(shop.path("a.css"), "one").unwrap();
    append(&shop.store, "a.css", 3, b" two").unwrap();
    assert_eq!(fs::read(shop.path("a.css")).unwrap(), b"one two");
    assert_eq!(shop.head("a.css").unwrap().info.content_type, "text/css");
    shop.put("f/", b"");
    append(&shop.store, "f/", 0, b"bytes").unwrap();
    assert_eq!(shop.body("f/"), b"bytes");
    assert_eq!(shop.keys(), ["a.css", "f/"]);
}

#[test]
fn checksums() {
    // A CRC of the whole is made of those of the pieces; of another digest only that of the piece
    // is answered. The algorithm of an object stays, and nothing stale is kept.
    for algorithm in Algorithm::ALL {
        let shop = Shop::new();
        let request = |offset, checksum| {
            let mut put = put_request("a");
            (put.append, put.checksum) = (Some(offset), checksum);
            put
        };
        let whole = |body: &[u8]| [Checksum::full(digest(algorithm, body))];
        let stored = send(&shop.store, request(0, Some(algorithm)), b"hello ").unwrap();
        assert_eq!(stored.checksums, whole(b"hello "));
        let other = if algorithm == Algorithm::Sha1 { Algorithm::Crc32 } else { Algorithm::Sha1 };
        let refused = send(&shop.store, request(6, Some(other)), b"x").unwrap_err();
        assert_eq!(refused.code(), Code::InvalidRequest);
        let (name, other) = (algorithm.name(), other.name());
        let (name, other) = (name.to_ascii_lowercase(), other.to_ascii_lowercase());
        let said = format!("expected checksum Type: {name}, actual checksum Type: {other}.");
        assert!(refused.sentence().ends_with(&said), "{refused}");
        let empty = digest(algorithm, b"");
        let crc = combine(&empty, &empty, 0).is_some();
        let stored = send(&shop.store, request(6, Some(algorithm)), b"world").unwrap();
        let kept = shop.head("a").unwrap().info.checksums;
        if crc {
            assert_eq!((&stored.checksums[..], &kept[..]), (&whole(b"hello world")[..], &kept[..]));
            assert_eq!(kept, whole(b"hello world"));
            // Also where the client sends none.
            send(&shop.store, request(11, None), b"!").unwrap();
            assert_eq!(shop.head("a").unwrap().info.checksums, whole(b"hello world!"));
        } else {
            assert_eq!(stored.checksums, whole(b"world"));
            assert!(kept.is_empty());
        }
    }
}

#[test]
fn refusals() {
    // What would change the object otherwise, or nothing, is refused, and it stays as it is.
    let shop = Shop::new();
    let etag = shop.put("a", b"old").etag;
    let request = || {
        let mut put = put_request("a");
        put.append = Some(3);
        put
    };
    let mut user = request();
    user.metadata = Metadata { user: vec![("a".into(), "1".into())], ..Metadata::default() };
    let mut tags = request();
    tags.tags = TagSet::from_pairs(vec![("a".into(), "1".into())]);
    for put in [user, tags] {
        assert_eq!(code(send(&shop.store, put, b"new")), Err(Code::InvalidRequest));
    }
    assert_eq!(code(send(&shop.store, request(), b"")), Err(Code::InvalidRequest));
    let mut wrong = request();
    wrong.verify = vec![Algorithm::Md5];
    let expected = Expected { md5: Some(md5(b"other")), ..Expected::default() };
    let result = send_expecting(&shop.store, wrong, b"new", &expected);
    assert_eq!(code(result), Err(Code::BadDigest));
    let mut absent = request();
    absent.conditions.absent = true;
    assert_eq!(code(send(&shop.store, absent, b"new")), Err(Code::PreconditionFailed));
    assert_eq!((shop.body("a"), shop.head("a").unwrap().info.etag), (b"old".to_vec(), etag));
    let mut matching = request();
    matching.conditions.matches = Some(Tags::parse(etag.as_str()));
    assert_eq!(code(send(&shop.store, matching, b" new")), Ok(7));
    assert_eq!(shop.leftovers(), [""; 0]);
}

#[test]
fn changed_meanwhile() {
    // An object that changes between the first byte and the last is never overwritten.
    let shop = Shop::new();
    let start = |offset| {
        let mut put = put_request("a");
        put.append = Some(offset);
        let mut sink = begin(&shop.store, put).unwrap();
        sink.append(b"late").unwrap();
        sink
    };
    let finish = |sink: Box<dyn lobos_proto::Sink>| {
        sink.commit(&Expected::default()).map(drop).map_err(|e| e.code())
    };
    let (first, second) = (start(0), start(0));
    assert_eq!(finish(first), Ok(()));
    assert_eq!(finish(second), Err(Code::InvalidWriteOffset));
    let (longer, same, gone) = (start(4), start(4), start(4));
    append(&shop.store, "a", 4, b"x").unwrap();
    assert_eq!(finish(longer), Err(Code::InvalidWriteOffset));
    shop.put("a", b"four");
    assert_eq!(finish(same), Err(Code::ConditionalRequestConflict));
    assert_eq!(shop.body("a"), b"four");
    shop.delete("a");
    assert_eq!(finish(gone), Err(Code::InvalidWriteOffset));
    assert_eq!(shop.keys(), [""; 0]);
}

#[test]
fn one_at_each_offset() {
    // Of many appends at one offset one wins, in one process and in several, and readers see whole
    // objects of the appends so far.
    for quirks in all_quirks().into_iter().take(4) {
        let shop = Shop::with(Options::default(), quirks);
        let layout = || vec![(common::BUCKET.into(), shop.dir.path().into())];
        let other = lobos_fs::Layout::Dirs(layout());
        let other = FsStore::open_with(other, Options::default(), quirks).unwrap();
        let (won, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let writers: Vec<_> = (0..4_usize)
                .map(|n| {
                    let store = if n == 3 { &other } else { &shop.store };
                    let won = &won;
                    scope.spawn(move || {
                        for round in 0..25_u64 {
                            // All reach for the same place until somebody has it.
                            match append(store, "d/a", round * 1000, &[n as u8; 1000]) {
                                Ok(stored) => {
                                    assert_eq!(stored.size, (round + 1) * 1000);
                                    won.fetch_add(1, Ordering::Relaxed);
                                }
                                Err(e) => assert_eq!(e.code(), Code::InvalidWriteOffset, "{e}"),
                            }
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    if let Ok((_, bytes)) = get(&shop.store, "d/a") {
                        assert_eq!(bytes.len() % 1000, 0);
                        let (pieces, _) = bytes.as_chunks::<1000>();
                        assert!(pieces.iter().all(|piece| piece.iter().all(|b| *b == piece[0])));
                    }
                }
            });
            for writer in writers {
                writer.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(shop.body("d/a").len(), won.into_inner() * 1000, "{quirks:?}");
        assert_eq!(shop.leftovers(), [""; 0]);
    }
}
