//! What a process that died has left, when the next one starts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::{get, put, put_request, send};
use lobos_fs::{FsStore, Layout, Options, Quirks};

/// Without attributes: all metadata is in `.lobos/meta`.
fn open(dir: &Path) -> FsStore {
    let layout = Layout::Dirs(vec![(common::BUCKET.into(), dir.into())]);
    let quirks = Quirks { no_xattrs: true, ..Quirks::default() };
    FsStore::open_with(layout, Options::default(), quirks).unwrap()
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn of_the_dead_only() {
    // Temporary files of a dead process go at the start of the next one, and so does metadata
    // whose object never became visible; what objects, or a process that lives, still need stays.
    let dir = tempfile::tempdir().unwrap();
    let (tmp, meta) = (dir.path().join(".lobos/tmp"), dir.path().join(".lobos/meta"));
    let store = open(dir.path());
    let keys = ["gone", "here", "folder/", "a//b", "x/y"];
    for key in keys {
        let mut request = put_request(key);
        request.metadata.user = vec![("said".into(), key.into())];
        send(&store, request, if key.ends_with('/') { b"" } else { b"1" }).unwrap();
    }
    // As if it had never got its name.
    fs::remove_file(dir.path().join("gone")).unwrap();
    fs::create_dir_all(tmp.join("dead")).unwrap();
    fs::write(tmp.join("dead/.lobos-tmp-1"), "half").unwrap();

    open(dir.path()).sweep();
    // Somebody lives who may be about to make it visible.
    assert_eq!((count(&tmp), count(&meta)), (1, keys.len()));

    drop(store);
    let store = open(dir.path());
    store.sweep();
    assert_eq!((count(&tmp), count(&meta)), (0, keys.len() - 1));
    for key in &keys[1..] {
        let said = get(&store, key).unwrap().0.info.metadata.user;
        assert_eq!(said, [("said".into(), (*key).into())], "{key}");
    }
    put(&store, "gone", b"2").unwrap();
}

#[test]
fn elsewhere() {
    // A link that a dead process left in its folder tells of a temporary file elsewhere in the
    // bucket, which goes too. Nothing else does, whatever such a link says: no other name, nothing
    // behind a link out of the bucket, no folder, nothing that a process which lives tells of.
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join("b").join(name);
    fs::create_dir_all(at("d/e/.lobos-tmp-5")).unwrap();
    fs::create_dir(dir.path().join("out")).unwrap();
    symlink("../out", at("out")).unwrap();
    let files = [".lobos-tmp-1", "d/e/.lobos-tmp-1", "d/e/.lobos-tmp-2", "d/e/k", "../out/k"];
    let far = ["../out/.lobos-tmp-3", "../out/.lobos-tmp-4", "../.lobos-tmp-6", "d/e/.lobos-tmp-9"];
    for file in files.iter().chain(&far) {
        fs::write(at(file), "x").unwrap();
    }
    let store = open(&at(""));
    put(&store, "made", b"1").unwrap();
    put(&store, "made", b"2").unwrap();
    let alive = fs::read_dir(at(".lobos/tmp")).unwrap().next().unwrap().unwrap().path();
    symlink("d/e", alive.join(".lobos-tmp-9")).unwrap();
    fs::create_dir(at(".lobos/tmp/dead")).unwrap();
    for (name, folder) in [
        (".lobos-tmp-1", "d/e"),
        (".lobos-tmp-2", "d/e/"),
        ("k", "d/e"),
        (".lobos-tmp-3", "out"),
        (".lobos-tmp-4", "/"),
        (".lobos-tmp-5", "d/e"),
        (".lobos-tmp-6", ".."),
        (".lobos-tmp-7", "none"),
        (".lobos-tmp-8", "d/e/k"),
    ] {
        symlink(folder, at(".lobos/tmp/dead").join(name)).unwrap();
    }
    open(&at("")).sweep();
    let left: Vec<_> = files.iter().chain(&far).filter(|file| at(file).exists()).collect();
    let stays = [&[".lobos-tmp-1", "d/e/k", "../out/k"], &far[..]].concat();
    assert_eq!(left, stays.iter().collect::<Vec<_>>());
    assert!(at("d/e/.lobos-tmp-5").exists() && !at(".lobos/tmp/dead").exists());
}

#[test]
fn nothing_is_made() {
    // A start in a folder without `.lobos` leaves it as it is.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "1").unwrap();
    open(dir.path()).sweep();
    assert_eq!(count(dir.path()), 1);
}
