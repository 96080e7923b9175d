//! The limit of a cache: what goes, what stays, and that the count is right.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use common::{Shop, get_request, put_request, send};
use lobos_fs::{CacheUse, FsStore, Layout, Options};
use lobos_proto::{Code, Outcome, Request, Store as _};

const KIB: u64 = 1 << 10;

/// A store over `dir` that holds so many bytes.
fn open(dir: &Path, limit: u64) -> FsStore {
    let layout = Layout::Dirs(vec![("photos".into(), dir.into())]);
    FsStore::open(layout, Options { cache_limit: Some(limit), ..Options::default() }).unwrap()
}

fn put(store: &FsStore, key: &str, size: u64) {
    send(store, put_request(key), &vec![b'x'; size as usize]).unwrap();
}

/// Bytes of the files in a folder.
fn on_disk(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
    files.filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// Waits until the cache is as it shall be.
#[track_caller]
fn wait(store: &FsStore, what: impl Fn(CacheUse) -> bool) {
    let start = Instant::now();
    while !what(store.cache_use().unwrap()) {
        let now = store.cache_use();
        assert!(start.elapsed() < Duration::from_secs(20), "{now:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn head(store: &FsStore, key: &str) -> bool {
    store.call(Request::HeadObject(lobos_proto::op::HeadObject(get_request(key)))).is_ok()
}

fn is_there(store: &FsStore, key: &str) -> bool {
    match common::get(store, key) {
        Ok(_) => true,
        Err(error) if error.code() == Code::NoSuchKey => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn least_recently_used() {
    // Over the limit go those that nobody has asked for or stored for longest, no more than needed.
    let shop = Shop::new();
    let store = open(shop.dir.path(), 1000 * KIB);
    (0..100).for_each(|at| put(&store, &format!("k{at:02}"), 10 * KIB));
    wait(&store, |now| now.bytes == 1000 * KIB && now.evicted_objects == 0);
    (0..10).for_each(|at| assert!(is_there(&store, &format!("k{at:02}"))));
    assert!(head(&store, "k10"));
    (0..20).for_each(|at| put(&store, &format!("new{at:02}"), 10 * KIB));
    wait(&store, |now| now.evicted_objects == 20 && now.evicted_bytes == 200 * KIB);
    assert_eq!(on_disk(shop.dir.path()), 1000 * KIB);
    for at in 0..100 {
        let key = format!("k{at:02}");
        assert_eq!(shop.path(&key).exists(), !(11..31).contains(&at), "{key}");
    }
    assert!((0..20).all(|at| shop.path(&format!("new{at:02}")).exists()));
}

#[test]
fn exact() {
    // Whatever is put, put over, copied, renamed and removed: the count is what is on the disk.
    let shop = Shop::new();
    let store = open(shop.dir.path(), 150 * KIB);
    for round in 0..400_u64 {
        let key = format!("k{}", round * 7 % 60);
        match round % 9 {
            0 => common::delete(&store, &key).unwrap(),
            1 => _ = common::copy(&store, common::copy_request(&key, "copy")),
            2 => _ = common::rename(&store, common::rename_request(&key, "renamed")),
            _ => put(&store, &key, (round * 37 % 10) * KIB),
        }
    }
    wait(&store, |now| now.bytes <= 150 * KIB);
    let now = store.cache_use().unwrap();
    assert_eq!(now.bytes, on_disk(shop.dir.path()));
    assert!(now.bytes > 140 * KIB && now.evicted_objects > 0, "{now:?}");
}

#[test]
fn being_read() {
    // An object stays for as long as somebody reads it, and may go after that.
    let shop = Shop::new();
    let store = open(shop.dir.path(), 100 * KIB);
    put(&store, "old", 50 * KIB);
    let read = store.call(Request::GetObject(get_request("old"))).unwrap();
    let Outcome::Send(_, source) = read else { panic!("no bytes") };
    (0..10).for_each(|at| put(&store, &format!("k{at}"), 20 * KIB));
    wait(&store, |now| now.bytes <= 100 * KIB);
    assert!(shop.path("old").exists());
    let mut byte = [0];
    assert_eq!((source.read_at(&mut byte, 50 * KIB - 1).unwrap(), byte), (1, *b"x"));
    drop(source);
    put(&store, "last", 60 * KIB);
    wait(&store, |now| now.bytes <= 100 * KIB);
    assert!(!shop.path("old").exists() && shop.path("last").exists());
}

#[test]
fn found_at_the_start() {
    // What is there already counts, and the oldest of it goes first.
    let shop = Shop::new();
    for at in 0..20_u64 {
        let path = shop.path(&format!("f{at:02}"));
        fs::write(&path, vec![b'x'; 10 * KIB as usize]).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + at * 7 % 20);
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
    let store = open(shop.dir.path(), 150 * KIB);
    wait(&store, |now| now.evicted_objects == 5 && now.bytes == 150 * KIB);
    for at in 0..20_u64 {
        assert_eq!(shop.path(&format!("f{at:02}")).exists(), at * 7 % 20 >= 5, "{at}");
    }
}

#[test]
fn removed_by_others() {
    // What somebody else removed just before its turn came is forgotten, and not counted as
    // evicted; nothing else goes in its place.
    let shop = Shop::new();
    fs::write(shop.path("k0"), vec![b'x'; 10 * KIB as usize]).unwrap();
    let store = open(shop.dir.path(), 50 * KIB);
    // All was gone through, which would find it, too.
    wait(&store, |now| now.objects == 1);
    (1..5).for_each(|at| put(&store, &format!("k{at}"), 10 * KIB));
    fs::remove_file(shop.path("k0")).unwrap();
    fs::remove_file(shop.path("k1")).unwrap();
    (5..8).for_each(|at| put(&store, &format!("k{at}"), 10 * KIB));
    wait(&store, |now| now.bytes == 50 * KIB && now.objects == 5);
    let now = store.cache_use().unwrap();
    assert_eq!((now.evicted_objects, now.evicted_bytes), (1, 10 * KIB));
    (0..8).for_each(|at| assert_eq!(shop.path(&format!("k{at}")).exists(), at > 2, "k{at}"));
}

#[test]
fn removed_while_it_is_counted() {
    // What clients remove while all objects are gone through does not come back into the count.
    let shop = Shop::new();
    for at in 0..3000 {
        fs::write(shop.path(&format!("k{at}")), "x").unwrap();
    }
    let store = open(shop.dir.path(), 150 * KIB);
    (0..3000).for_each(|at| common::delete(&store, &format!("k{at}")).unwrap());
    put(&store, "last", 10);
    wait(&store, |now| (now.objects, now.bytes) == (1, 10));
    assert_eq!(store.cache_use().unwrap().evicted_objects, 0);
}

#[test]
fn while_it_is_written() {
    // An object that was just put over goes for its own age, not for that of the old one: who
    // reads finds what was put last, or nothing, and never half of it.
    let shop = Shop::new();
    let store = open(shop.dir.path(), 60 * KIB);
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let store = &store;
            scope.spawn(move || {
                let key = format!("k{thread}");
                for round in 0..200_u8 {
                    let body = vec![round; 20 << 10];
                    send(store, put_request(&key), &body).unwrap();
                    match common::get(store, &key) {
                        Ok((_, found)) => assert!(found == body),
                        Err(error) => assert_eq!(error.code(), Code::NoSuchKey),
                    }
                }
            });
        }
    });
    wait(&store, |now| now.bytes <= 60 * KIB && now.bytes == on_disk(shop.dir.path()));
}

#[test]
fn exact_with_many_at_once() {
    // The count is what is on the disk once all is quiet, however clients that put, read, ask for
    // and remove the same few keys came between the evictions, and with other sizes each time.
    let shop = Shop::new();
    let store = open(shop.dir.path(), 20 * KIB);
    for _ in 0..300 {
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..20_u64 {
                        let key = format!("k{}", (round * 5 + thread) % 6);
                        match (round + thread) % 5 {
                            0 | 1 => put(store, &key, (round * 7 + thread) % 9 * KIB),
                            2 => _ = is_there(store, &key),
                            3 => _ = head(store, &key),
                            _ => common::delete(store, &key).unwrap(),
                        }
                    }
                });
            }
        });
        wait(&store, |now| now.bytes <= 20 * KIB && now.bytes == on_disk(shop.dir.path()));
    }
}
