//! Listings while others make and remove keys: what was there all the time is listed once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::dice::Dice;
use crate::support::http::{Connection, Request};
use crate::support::pages::{Operation, Page, Query, escape};
use crate::support::server::{Runtime, Server, Setup};

/// The options that each test runs with, one set after the other.
const INDEX: &[&[&str]] = &[&[], &["--enable-lobos-index"]];

/// Keys that stay, and keys that come and go.
const STAY: usize = 120;
const GO: usize = 80;

on_every_runtime![with std::convert::identity; disturbed, restarted, replaced_while_read];

/// How many seeds are tried.
fn seeds() -> u64 {
    std::env::var("LOBOS_TRIALS").map_or(1, |text| text.parse().unwrap())
}

/// A key of a few short segments: many are a folder of others, and many cannot be paths.
fn key(dice: &mut Dice) -> String {
    let long = "l".repeat(256 + dice.below(20));
    let names = ["a", "b", "a-", "a.b", "a0", "é", "\u{10000}", "%2F", "a b", "", ".lobos", &long];
    let mut names: Vec<_> = (0..1 + dice.below(4)).map(|_| *dice.pick(&names)).collect();
    if dice.once_in(6) {
        names.push("");
    }
    names.join("/")
}

/// Keys that stay, and others.
fn keys(dice: &mut Dice) -> (BTreeSet<String>, Vec<String>) {
    let mut stay = BTreeSet::new();
    let mut go = BTreeSet::new();
    while stay.len() < STAY || go.len() < GO {
        let key = key(dice);
        if key.is_empty() || key.len() > 1024 {
            continue;
        }
        if stay.len() < STAY {
            stay.insert(key);
        } else if !stay.contains(&key) {
            go.insert(key);
        }
    }
    (stay, go.into_iter().collect())
}

/// Every key that stays is there once, and none that nobody made.
fn check(query: &Query, page: &Page, stay: &BTreeSet<String>, go: &[String]) {
    let rolled = |key: &str| {
        let rest = key.strip_prefix(query.prefix.as_str())?;
        let end = rest.find('/').filter(|_| !query.delimiter.is_empty());
        Some(end.map_or(key.to_owned(), |at| key[..=query.prefix.len() + at].to_owned()))
    };
    let names = page.names();
    let expected: BTreeSet<_> = stay.iter().filter_map(|key| rolled(key)).collect();
    let found: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(found.len(), names.len(), "{query:?}: a key is a common prefix as well");
    let missing: Vec<_> = expected.difference(&found).collect();
    assert!(missing.is_empty(), "{query:?}: missing {missing:?} in {names:?}");
    let allowed: BTreeSet<_> = go.iter().filter_map(|key| rolled(key)).collect();
    for name in found.difference(&expected) {
        let ours = name.contains("~disk") || allowed.contains(name);
        assert!(ours, "{query:?}: nobody made {name:?}");
    }
}

/// Makes and removes one key through the server.
fn through_lobos(on: &mut Connection, server: &Server, key: &str, dice: &mut Dice) {
    let target = format!("/bench/{}", escape(key));
    if dice.once_in(2) {
        let body = if key.ends_with('/') && dice.once_in(2) { "" } else { "body" };
        Request::new(server.address(), "PUT", &target).body(body).on(on).expect(200);
    } else {
        Request::new(server.address(), "DELETE", &target).on(on).expect(204);
    }
}

/// Makes, renames or removes files and folders of its own, wherever there is a folder for them.
fn on_disk(bucket: &Path, dice: &mut Dice) {
    let folder = *dice.pick(&["", "a", "a/a", "b", "é", "a/b/a"]);
    if !bucket.join(folder).is_dir() {
        return;
    }
    let mut path = || bucket.join(folder).join(format!("a~disk{}", dice.below(12)));
    let (path, other) = (path(), path());
    // Another thread may be at the same name, so any of these may fail.
    match dice.below(6) {
        0 | 1 => _ = fs::write(&path, "disk"),
        2 => _ = fs::create_dir(&path).and_then(|()| fs::write(path.join("in~disk"), "disk")),
        3 => _ = fs::rename(&path, &other),
        4 => _ = fs::remove_file(&path),
        _ => _ = fs::remove_dir_all(&path),
    }
}

fn repeat(stop: &AtomicBool, changes: &AtomicUsize, mut change: impl FnMut()) {
    while !stop.load(Ordering::Relaxed) {
        change();
        changes.fetch_add(1, Ordering::Relaxed);
        // The listing shall come through as well where there are few cores.
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Runs `list` while others change things through the server and on the disk, and insists that
/// they did.
fn disturb(server: &Server, go: &[String], seed: u64, list: impl FnOnce()) {
    let (stop, changes) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (stop, changes, bucket) = (&stop, &changes, server.path(""));
    std::thread::scope(|scope| {
        for (at, keys) in go.chunks(go.len().div_ceil(2)).enumerate() {
            let mut dice = Dice::new(seed * 10 + at as u64);
            let mut connection = server.connect();
            scope.spawn(move || {
                repeat(stop, changes, || {
                    let key = dice.pick(keys).clone();
                    through_lobos(&mut connection, server, &key, &mut dice);
                });
            });
            let (bucket, mut dice) = (bucket.clone(), Dice::new(seed * 10 + 5 + at as u64));
            scope.spawn(move || repeat(stop, changes, || on_disk(&bucket, &mut dice)));
        }
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(list));
        stop.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(changes.load(Ordering::Relaxed) > 20, "nobody disturbed it");
}

/// In memory and on disk, with each set of options and each seed.
fn everywhere(runtime: Runtime, test: impl Fn(Server, &mut Dice, u64)) {
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    for place in places.iter().filter(|place| place.is_dir()) {
        for args in INDEX {
            for seed in 1..=seeds() {
                let server = Setup::within(runtime, place).args(args).start();
                test(server, &mut Dice::new(seed), seed);
            }
        }
    }
}

fn store_all(server: &Server, keys: &BTreeSet<String>, dice: &mut Dice) {
    let mut connection = server.connect();
    for key in keys {
        let body = if key.ends_with('/') && dice.once_in(2) { "" } else { "stays" };
        let target = format!("/bench/{}", escape(key));
        server.request("PUT", &target).body(body).on(&mut connection).expect(200);
    }
}

fn query(operation: Operation, delimiter: &'static str, max_keys: usize, prefix: &str) -> Query {
    Query { operation, delimiter, max_keys, prefix: prefix.into() }
}

fn disturbed(runtime: &Runtime) {
    // While others make and remove keys, each key that is there all the time is listed once, all
    // in byte order over pages that are full, however long a page is.
    everywhere(*runtime, |server, dice, seed| {
        let (stay, go) = keys(dice);
        store_all(&server, &stay, dice);
        disturb(&server, &go, seed, || {
            let mut connection = server.connect();
            for operation in Operation::ALL {
                for (delimiter, max_keys) in [("", 1), ("/", 1), ("", 2), ("/", 2)] {
                    let query = query(operation, delimiter, max_keys, "");
                    check(&query, &query.pages(&mut connection, &server), &stay, &go);
                }
                for _ in 0..6 {
                    let prefix = *dice.pick(&["", "", "a", "a/", "a/a/", "b", "/", "é/", ".l"]);
                    let (delimiter, max) = (*dice.pick(&["", "/"]), *dice.pick(&[7, 50, 1000]));
                    let query = query(operation, delimiter, max, prefix);
                    check(&query, &query.pages(&mut connection, &server), &stay, &go);
                }
            }
        });
    });
}

fn restarted(runtime: &Runtime) {
    // A listing goes on where it was when the server was killed and another took its place.
    everywhere(*runtime, |server, dice, seed| {
        let (stay, go) = keys(dice);
        store_all(&server, &stay, dice);
        let mut server = server;
        for operation in Operation::ALL {
            let delimiter = *dice.pick(&["", "/"]);
            let query = query(operation, delimiter, *dice.pick(&[2, 7]), "");
            let (mut all, mut next, mut last) = (Page::default(), Some(String::new()), None);
            for _ in 0..3 {
                disturb(&server, &go, seed, || {
                    let mut connection = server.connect();
                    for _ in 0..5 {
                        let Some(from) = next.take() else { break };
                        let page = query.page(&mut connection, &server, &from);
                        let names = page.names();
                        assert!(names.first().cloned() > last || names.is_empty(), "{names:?}");
                        last = names.last().cloned().or(last.take());
                        all.objects.extend(page.objects);
                        all.prefixes.extend(page.prefixes);
                        next = page.next;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                });
                server = server.restarted();
            }
            // What is left, without anybody who disturbs.
            let mut connection = server.connect();
            while let Some(from) = next.take() {
                let page = query.page(&mut connection, &server, &from);
                assert!(page.names().first().cloned() > last || page.names().is_empty());
                last = page.names().last().cloned().or(last.take());
                all.objects.extend(page.objects);
                all.prefixes.extend(page.prefixes);
                next = page.next;
            }
            check(&query, &all, &stay, &go);
        }
    });
}

fn replaced_while_read(runtime: &Runtime) {
    // Objects that are replaced all the time, by a rename on the disk or by PUT, are listed once,
    // also while the folder is read: the kernel may show a new file beside the one it replaced.
    everywhere(*runtime, |server, dice, seed| {
        for at in 0..10_000 {
            server.place(&format!("d/k{at:04}"), "x");
        }
        let (hot, mut aside) = (["d/k0000", "d/k0001", "d/k0002", "d/k9999"], BTreeSet::new());
        aside.extend((0..40).map(|at| format!("d//aside{at:02}")));
        store_all(&server, &aside, dice);
        let stop = AtomicBool::new(false);
        let (server, stop) = (&server, &stop);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let beside = server.home().join("beside");
                for key in hot.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                    fs::write(&beside, "y").unwrap();
                    fs::rename(&beside, server.path(key)).unwrap();
                }
            });
            let aside = &aside;
            scope.spawn(move || {
                let mut connection = server.connect();
                for key in aside.iter().cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
                    let target = format!("/bench/{}", escape(key));
                    server.request("PUT", &target).body("y").on(&mut connection).expect(200);
                }
            });
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let mut connection = server.connect();
                for _ in 0..25 * seed {
                    for (prefix, count) in [("d/k000", 10), ("d/k999", 10), ("d//", 40)] {
                        let query = query(Operation::ALL[dice.below(3)], "", 1000, prefix);
                        let page = query.page(&mut connection, server, "");
                        let keys: Vec<_> = page.objects.keys().collect();
                        let place = server.home();
                        assert_eq!(keys.len(), count, "{query:?} in {place:?}: {keys:?}");
                    }
                }
            }));
            stop.store(true, Ordering::Relaxed);
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        });
    });
}
