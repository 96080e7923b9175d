//! What is kept, what is true, and who reads.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::time::Duration;

use super::*;

fn id(inode: u64) -> Id {
    Id { dev: (0, 0), inode }
}

fn stamp(nanos: u64) -> Times {
    let time = Timestamp { nanos };
    Times { modified: time, changed: time }
}

fn empty() -> Arc<Snapshot> {
    Arc::new(Names::default().sort())
}

const START: SystemTime = SystemTime::UNIX_EPOCH;

#[test]
fn least_recently_used() {
    // The budget holds, and what goes first is what was not asked for the longest.
    let one = cost(&empty());
    let mut kept = Kept::new(3 * one);
    for inode in 1..=3 {
        kept.put(id(inode), stamp(1), START + Duration::from_secs(1), &empty());
    }
    assert!(kept.find(id(1), stamp(1)).is_some());
    kept.put(id(4), stamp(1), START + Duration::from_secs(1), &empty());
    let there = |kept: &mut Kept, inode| kept.find(id(inode), stamp(1)).is_some();
    assert_eq!([1, 2, 3, 4].map(|at| there(&mut kept, at)), [true, false, true, true]);
    assert_eq!((kept.used, kept.entries.len(), kept.order.len()), (3 * one, 3, 3));
    kept.budget = one - 1;
    kept.put(id(5), stamp(1), START + Duration::from_secs(1), &empty());
    assert!(!there(&mut kept, 5));
}

#[test]
fn truth() {
    // A snapshot holds only while the times of the folder are the same, and is not kept at
    // all if the next change might leave the same times.
    let mut kept = Kept::new(1 << 20);
    let changed = stamp(1_000_000_000);
    let after = |millis: u64| START + Duration::from_millis(1000 + millis);
    for (millis, keeps) in [(0, false), (20, false), (21, true), (5000, true)] {
        kept.put(id(1), changed, after(millis), &empty());
        assert_eq!(kept.find(id(1), changed).is_some(), keeps, "{millis} ms");
    }
    assert!(kept.find(id(1), stamp(1_000_000_001)).is_none());
    assert!(kept.find(id(1), changed).is_none());
    // Clocks may be wrong: a change in the future settles nothing.
    kept.put(id(1), stamp(u64::MAX), after(0), &empty());
    assert!(kept.entries.is_empty() && kept.order.is_empty() && kept.used == 0);
}

#[test]
fn sharing() {
    // Who waits for a reading that began after the question takes it; who asks later reads.
    let (gate, reads) = (Gate::default(), Cell::new(0));
    let pass = |asked| {
        let read = || {
            reads.set(reads.get() + 1);
            Ok(View::new(empty()))
        };
        Snapshots::pass(&gate, asked, read).unwrap();
        reads.get()
    };
    let asked = Instant::now();
    assert_eq!([pass(asked), pass(asked)], [1, 1]);
    std::thread::sleep(Duration::from_millis(1));
    assert_eq!(pass(Instant::now()), 2);
}

/// The names of a folder as a new listing has them.
fn names(snapshots: &Snapshots, folder: &std::path::Path) -> Vec<String> {
    let mut buffer = Box::new_uninit_slice(4096);
    snapshots.live().drain();
    let fd = std::fs::File::open(folder).unwrap();
    let view = snapshots.read(fd.as_fd(), &mut buffer).unwrap().view;
    let (mut at, mut names) = (Default::default(), Vec::new());
    while let Some(entry) = view.entry(&mut at, view.end()) {
        let there = folder.join(entry.name).symlink_metadata().is_ok();
        names.extend(there.then(|| entry.name.to_owned()));
        at = view.behind(at);
    }
    names
}

#[test]
fn folders() {
    // Whatever the size of a folder and however often it is read, what is read is true; a
    // large one that is changed is watched from its second reading on.
    for count in [3, 100, 1000] {
        let snapshots = Snapshots::new(1 << 20, Arc::default());
        let dir = tempfile::tempdir().unwrap();
        for at in 0..count {
            std::fs::write(dir.path().join(at.to_string()), "").unwrap();
        }
        let id = Id::of(std::fs::File::open(dir.path()).unwrap().as_fd()).unwrap();
        for turn in 0..6 {
            std::thread::sleep(2 * clock::TICK);
            assert_eq!(names(&snapshots, dir.path()).len(), count + turn);
            assert_eq!(names(&snapshots, dir.path()).len(), count + turn);
            assert_eq!(snapshots.watched(id).is_some(), count == 1000 && turn > 0);
            std::fs::write(dir.path().join(format!("new-{turn}")), "").unwrap();
            std::fs::write(dir.path().join(format!("gone-{turn}")), "").unwrap();
            std::fs::remove_file(dir.path().join(format!("gone-{turn}"))).unwrap();
        }
        assert!(lock(&snapshots.gates).is_empty());
    }
}

#[test]
fn budget_of_watched_folders() {
    // Folders that are watched count against the budget as well.
    let budget = 400_000;
    let (snapshots, mut most) = (Snapshots::new(budget, Arc::default()), 0);
    let dirs: Vec<_> = (0..8).map(|_| tempfile::tempdir().unwrap()).collect();
    for turn in 0..4 {
        for dir in &dirs {
            for at in 0..400 {
                let name = format!("{turn}-{at}-{}", "x".repeat(60));
                std::fs::write(dir.path().join(name), "").unwrap();
            }
            assert_eq!(names(&snapshots, dir.path()).len(), 400 * (turn + 1));
            // Of a folder that is watched already names only come on top.
            snapshots.fit();
            let used = snapshots.live().trim(budget);
            assert!(used + lock(&snapshots.kept).used <= budget, "{used}");
            most = most.max(used);
        }
    }
    assert!(most > 0);
}

#[test]
fn watched_folders_are_not_kept_twice() {
    // The snapshot of a folder goes when the folder is watched with its files.
    let snapshots = Snapshots::new(1 << 20, Arc::default());
    let dir = tempfile::tempdir().unwrap();
    for at in 0..100 {
        std::fs::write(dir.path().join(at.to_string()), "").unwrap();
    }
    std::thread::sleep(2 * clock::TICK);
    assert_eq!(names(&snapshots, dir.path()).len(), 100);
    assert!(lock(&snapshots.kept).used > 0);
    let fd = std::fs::File::open(dir.path()).unwrap();
    let id = Id::of(fd.as_fd()).unwrap();
    let ticket = snapshots.live.begin(fd.as_fd(), id, true).unwrap();
    let mut buffer = Box::new_uninit_slice(4096);
    let read = Snapshot::read(fd.as_fd(), &mut buffer).unwrap();
    snapshots.live.finish(&ticket, Arc::new(read), None, 0).unwrap();
    assert_eq!(names(&snapshots, dir.path()).len(), 100);
    assert_eq!(lock(&snapshots.kept).used, 0);
}
