//! What is heard of real folders is held against what is in them.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;

use fastrand::Rng;

use super::super::{At, Attr, Kind, Seen};
use super::*;

/// Watches and reads a folder.
fn watch(live: &Live, path: &Path, full: bool) -> Id {
    let folder = fs::File::open(path).unwrap();
    let id = Id::of(folder.as_fd()).unwrap();
    let ticket = live.begin(folder.as_fd(), id, full).unwrap();
    let mut buffer = Box::new_uninit_slice(4096);
    let names = Snapshot::read(folder.as_fd(), &mut buffer).unwrap();
    live.finish(&ticket, Arc::new(names), Some(None), 1).unwrap();
    id
}

/// The files and folders in a view; those that are not known are looked at.
fn listed(live: &Live, id: Id, path: &Path) -> Vec<String> {
    live.drain();
    let view = live.find(id).unwrap().view;
    let (mut at, mut all) = (At::default(), Vec::new());
    while let Some(entry) = view.entry(&mut at, view.end()) {
        let is_folder = entry.name.ends_with('/');
        let found = path.join(entry.name.trim_end_matches('/')).symlink_metadata();
        let seen = match found.as_ref().map(fs::Metadata::file_type) {
            Err(_) => Seen::Gone,
            Ok(kind) if kind.is_symlink() => Seen::Link,
            Ok(kind) if kind.is_dir() && is_folder => Seen::Folder(Attr::UNKNOWN),
            Ok(kind) if kind.is_file() && !is_folder => Seen::File(Attr::UNKNOWN),
            Ok(_) => Seen::Gone,
        };
        if entry.kind != Kind::FolderLink {
            view.saw(at, seen);
        }
        if seen != Seen::Gone && !(is_folder && matches!(seen, Seen::File(_))) {
            all.push(entry.name.to_owned());
        }
        at = view.behind(at);
    }
    all
}

fn truth(path: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let (name, kind) = (entry.file_name().into_string().unwrap(), entry.file_type().unwrap());
        if kind.is_dir() || kind.is_symlink() {
            all.push(format!("{name}/"));
        }
        if !kind.is_dir() {
            all.push(name);
        }
    }
    all.sort_unstable();
    all
}

fn change(dice: &mut Rng, path: &Path) {
    let name = |dice: &mut Rng| path.join(format!("n{}", dice.u64(..60)));
    let (a, b) = (name(dice), name(dice));
    // Most of it may fail: there is something or nothing of that name.
    let _ = match dice.u64(..8) {
        0 | 1 => fs::write(&a, "x"),
        2 => fs::remove_file(&a),
        3 => fs::create_dir(&a),
        4 => fs::remove_dir(&a),
        5 => fs::rename(&a, &b),
        6 => symlink("nowhere", &a),
        _ => fs::hard_link(&a, &b),
    };
}

#[test]
fn histories() {
    // After each change a view is what the folder is, at once, whether files or names are watched.
    for seed in 1..=40 {
        let (live, dir) = (Live::new(true), tempfile::tempdir().unwrap());
        let mut dice = Rng::with_seed(seed * 0x9e37_79b9);
        for _ in 0..dice.u64(..50) {
            change(&mut dice, dir.path());
        }
        let id = watch(&live, dir.path(), seed % 2 == 0);
        for turn in 0..60 {
            for _ in 0..=dice.u64(..4) {
                change(&mut dice, dir.path());
            }
            assert_eq!(listed(&live, id, dir.path()), truth(dir.path()), "seed {seed}, {turn}");
            if dice.u64(..20) == 0 {
                assert_eq!(watch(&live, dir.path(), false), id);
            }
        }
    }
}

#[test]
fn while_it_is_read() {
    // What happens between the watching and the end of the reading is not lost.
    let (live, dir) = (Live::new(true), tempfile::tempdir().unwrap());
    fs::write(dir.path().join("a"), "").unwrap();
    let folder = fs::File::open(dir.path()).unwrap();
    let id = Id::of(folder.as_fd()).unwrap();
    let ticket = live.begin(folder.as_fd(), id, true).unwrap();
    assert!(live.begin(folder.as_fd(), id, true).is_none() && live.find(id).is_none());
    let mut buffer = Box::new_uninit_slice(4096);
    let names = Snapshot::read(folder.as_fd(), &mut buffer).unwrap();
    fs::write(dir.path().join("b"), "").unwrap();
    fs::remove_file(dir.path().join("a")).unwrap();
    live.drain();
    live.finish(&ticket, Arc::new(names), None, 1).unwrap();
    assert_eq!(listed(&live, id, dir.path()), ["b"]);
}

#[test]
fn gone_folders() {
    // Nothing is known of a folder that was removed, and its watch is gone with it.
    let (live, dir) = (Live::new(true), tempfile::tempdir().unwrap());
    let path = dir.path().join("d");
    fs::create_dir(&path).unwrap();
    let id = watch(&live, &path, true);
    fs::remove_dir(&path).unwrap();
    live.drain();
    assert!(live.find(id).is_none());
    let state = lock(&live.state);
    assert!(state.folders.is_empty() && state.watches.is_empty());
}

#[test]
fn overflow() {
    // When more happens than the kernel queues nothing is known any more, and watching goes on.
    let (live, dir) = (Live::new(true), tempfile::tempdir().unwrap());
    let id = watch(&live, dir.path(), true);
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let most: usize = most.trim().parse().unwrap();
    for turn in 0..=most / 2 {
        let name = dir.path().join(format!("{}", turn % 10));
        fs::write(&name, "").unwrap();
        fs::remove_file(&name).unwrap();
    }
    live.drain();
    assert!(live.find(id).is_none() && live.losses() == 1);
    let id = watch(&live, dir.path(), true);
    fs::write(dir.path().join("new"), "").unwrap();
    assert_eq!(listed(&live, id, dir.path()), ["new"]);
}

#[test]
fn marks() {
    // What is said of the folder itself holds until its attributes change.
    let (live, dir) = (Live::new(true), tempfile::tempdir().unwrap());
    let id = watch(&live, dir.path(), true);
    let known = live.find(id).unwrap();
    assert_eq!(known.mark, Some(None));
    fs::set_permissions(dir.path(), fs::metadata(dir.path()).unwrap().permissions()).unwrap();
    live.drain();
    assert_eq!(live.find(id).unwrap().mark, None);
    live.set_mark(id, None, known.altered);
    assert_eq!(live.find(id).unwrap().mark, None);
    live.set_mark(id, None, live.find(id).unwrap().altered);
    assert_eq!(live.find(id).unwrap().mark, Some(None));
}

#[test]
fn nobody_lists() {
    // A folder in which much goes on while nobody lists it does not fill the memory.
    let (live, dir) = (Live::new(true), tempfile::tempdir().unwrap());
    let id = watch(&live, dir.path(), true);
    for turn in 0..40_000 {
        fs::write(dir.path().join(turn.to_string()), "").unwrap();
        if turn % 2000 == 0 {
            live.drain();
        }
    }
    live.drain();
    assert!(live.find(id).is_none());
    assert_eq!(live.losses(), 0);
}

#[test]
fn drained_in_the_middle() {
    // However others go on while events are taken, none is lost.
    let (live, dir) = (Live::new(true), tempfile::tempdir().unwrap());
    let id = watch(&live, dir.path(), true);
    std::thread::scope(|scope| {
        let live = &live;
        let writer = scope.spawn(|| {
            for turn in 0..3000 {
                fs::write(dir.path().join(format!("{turn}")), "").unwrap();
            }
        });
        while !writer.is_finished() {
            live.drain();
        }
    });
    assert_eq!(listed(&live, id, dir.path()).len(), 3000);
}
