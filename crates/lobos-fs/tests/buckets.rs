//! Buckets: opened, listed, made, removed, and folders that come and go.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;

use common::Shop;
use lobos_fs::{FsStore, Layout, OpenError, Options};
use lobos_proto::op::{CreateBucket, DeleteBucket, HeadBucket, ListBuckets};
use lobos_proto::{BucketName, Code, Error, Outcome, Request, Response, Store};

fn root(path: &Path) -> FsStore {
    FsStore::open(Layout::Root(path.into()), Options::default()).unwrap()
}

fn code(done: Result<Outcome, Error>) -> Result<(), Code> {
    done.map(drop).map_err(|e| e.code())
}

fn create(store: &FsStore, name: &str) -> Result<(), Code> {
    let bucket = BucketName::new(name).unwrap();
    code(store.call(Request::CreateBucket(CreateBucket { bucket, configurations: Vec::new() })))
}

fn delete(store: &FsStore, name: &str) -> Result<(), Code> {
    let bucket = BucketName::new(name).unwrap();
    code(store.call(Request::DeleteBucket(DeleteBucket { bucket })))
}

fn head(store: &FsStore, name: &str) -> Result<(), Code> {
    let bucket = BucketName::new(name).unwrap();
    code(store.call(Request::HeadBucket(HeadBucket { bucket })))
}

fn list(store: &FsStore, request: ListBuckets) -> (Vec<String>, bool) {
    match store.call(Request::ListBuckets(request)).unwrap() {
        Outcome::Done(Response::ListBuckets(list)) => {
            (list.buckets.into_iter().map(|bucket| bucket.name).collect(), list.truncated)
        }
        _ => panic!("not a list"),
    }
}

#[test]
fn open_errors() {
    // Whatever cannot be served is said at the start, in one line.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), b"").unwrap();
    let open = |dirs: &[(&str, &str)]| -> Option<OpenError> {
        let named = |&(name, path): &(&str, &str)| (name.to_owned(), dir.path().join(path));
        let layout = Layout::Dirs(dirs.iter().map(named).collect());
        FsStore::open(layout, Options::default()).err()
    };
    assert_eq!(open(&[("a", ""), ("b", "")]), None);
    for (dirs, words) in [
        (&[("a", "none")][..], "there is no folder"),
        (&[("a", "file")], "is not a folder"),
        (&[("a", ""), ("a", "")], "two buckets"),
        (&[("a/b", "")], "cannot be the name"),
        (&[(".a", "")], "cannot be the name"),
        (&[("", "")], "cannot be the name"),
    ] {
        let line = open(dirs).unwrap().to_string();
        assert!(line.contains(words) && !line.contains('\n'), "{line}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn fixed_buckets() {
    // The folders of --dir can neither be made nor removed.
    let shop = Shop::new();
    assert_eq!(create(&shop.store, common::BUCKET), Err(Code::BucketAlreadyOwnedByYou));
    assert_eq!(create(&shop.store, "another"), Err(Code::AccessDenied));
    assert_eq!(delete(&shop.store, common::BUCKET), Err(Code::AccessDenied));
    assert_eq!(delete(&shop.store, "another"), Err(Code::NoSuchBucket));
    assert_eq!(head(&shop.store, common::BUCKET), Ok(()));
    assert_eq!(list(&shop.store, ListBuckets::default()).0, [common::BUCKET]);
}

#[test]
fn root_buckets() {
    // Under --root every visible folder is a bucket, as it is now.
    let dir = tempfile::tempdir().unwrap();
    let store = root(dir.path());
    let folder = |name: &str| dir.path().join(name);
    fs::create_dir(folder("My Photos")).unwrap();
    fs::create_dir(folder(".hidden")).unwrap();
    fs::write(folder("file"), b"").unwrap();
    std::os::unix::fs::symlink("/tmp", folder("out")).unwrap();
    assert_eq!(list(&store, ListBuckets::default()).0, ["My Photos"]);
    assert_eq!(head(&store, "out"), Err(Code::NoSuchBucket));
    assert_eq!(head(&store, "file"), Err(Code::NoSuchBucket));
    assert_eq!(create(&store, "photos"), Ok(()));
    assert_eq!(create(&store, "photos"), Err(Code::BucketAlreadyOwnedByYou));
    assert_eq!(create(&store, "My Photos"), Err(Code::BucketAlreadyOwnedByYou));
    assert_eq!(create(&store, "file"), Err(Code::BucketAlreadyExists));
    assert_eq!(create(&store, "No Such"), Err(Code::InvalidBucketName));
    assert_eq!(create(&store, "abc"), Ok(()));
    let request = |after: Option<&str>, max| ListBuckets {
        prefix: String::new(),
        after: after.map(str::to_owned),
        max,
        is_paged: true,
    };
    assert_eq!(
        list(&store, request(None, Some(2))),
        (vec!["My Photos".into(), "abc".into()], true)
    );
    assert_eq!(list(&store, request(Some("abc"), Some(2))), (vec!["photos".into()], false));
    let prefixed = ListBuckets { prefix: "ph".into(), ..ListBuckets::default() };
    assert_eq!(list(&store, prefixed).0, ["photos"]);

    fs::remove_dir(folder("abc")).unwrap();
    assert_eq!(head(&store, "abc"), Err(Code::NoSuchBucket));
    assert_eq!(delete(&store, "abc"), Err(Code::NoSuchBucket));
}

#[test]
fn delete_bucket() {
    // A bucket is removed with what is ours in it, and never with an object or anything else.
    let dir = tempfile::tempdir().unwrap();
    let store = root(dir.path());
    let path = |path: &str| dir.path().join("photos").join(path);
    let refused = |what: &str| {
        assert_eq!(delete(&store, "photos"), Err(Code::BucketNotEmpty), "{what}");
    };
    create(&store, "photos").unwrap();
    for key in ["a", "d/e/f", "a//b", "folder/"] {
        common::put(&store, key, b"").unwrap();
        common::put(&store, key, b"").unwrap();
        refused(key);
        assert!(common::get(&store, key).is_ok(), "{key} is still there");
        common::delete(&store, key).unwrap();
    }
    fs::create_dir(path("by-hand")).unwrap();
    refused("a folder of people");
    fs::remove_dir(path("by-hand")).unwrap();
    fs::write(path(".hidden"), b"").unwrap();
    refused("a hidden file");
    fs::remove_file(path(".hidden")).unwrap();
    fs::write(path(".lobos-tmp-of-a-dead-process"), b"").unwrap();
    common::put(&store, "x/y/z", b"").unwrap();
    fs::remove_file(path("x/y/z")).unwrap();
    assert!(path(".lobos/tmp").exists());
    assert_eq!(delete(&store, "photos"), Ok(()));
    assert!(!dir.path().join("photos").exists());

    create(&store, "photos").unwrap();
    common::put(&store, "a", b"1").unwrap();
    common::put(&store, "a", b"2").unwrap();
    assert_eq!(common::get(&store, "a").unwrap().1, b"2");
}

#[test]
fn replaced_folder() {
    // A folder that is removed, or renamed away, and made again is served again.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("photos");
    fs::create_dir(&path).unwrap();
    let layout = Layout::Dirs(vec![(common::BUCKET.into(), path.clone())]);
    let store = FsStore::open(layout, Options::default()).unwrap();
    common::put(&store, "a", b"1").unwrap();
    for _ in 0..3 {
        fs::remove_dir_all(&path).unwrap();
        let gone = common::get(&store, "a").unwrap_err();
        assert_eq!(gone.code(), Code::NoSuchBucket);
        assert_eq!(common::put(&store, "a", b"1").unwrap_err().code(), Code::NoSuchBucket);
        assert_eq!(list(&store, ListBuckets::default()).0, [""; 0]);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a"), b"by hand").unwrap();
        assert_eq!(common::get(&store, "a").unwrap().1, b"by hand");
        common::put(&store, "a", b"2").unwrap();
        assert_eq!(common::page(&store).objects.len(), 1);

        fs::rename(&path, dir.path().join("old")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("b"), b"new").unwrap();
        assert_eq!(common::get(&store, "b").unwrap().1, b"new");
        assert_eq!(common::get(&store, "a").unwrap_err().code(), Code::NoSuchKey);
        fs::remove_dir_all(dir.path().join("old")).unwrap();
    }
}
