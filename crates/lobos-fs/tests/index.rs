//! The index: what it lists is what is on the disk, whoever changes it and however.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;

use common::{
    Shop, copy, copy_request, delete, page, put, put_request, rename, rename_request, send,
};
use lobos_fs::{FsStore, Layout, Options, Quirks};
use lobos_proto::op::{CreateBucket, ListObjects, ListingVersion, Page};
use lobos_proto::{BucketName, Outcome, Request, Response, Store, TagSet};

fn wait_until_whole(store: &FsStore) {
    let (progress, began) = (store.index_progress().unwrap(), Instant::now());
    while !progress.is_whole() {
        assert!(began.elapsed() < Duration::from_secs(20), "the index is never whole");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// How many trials: 10,000 were run by hand.
fn trials() -> u64 {
    std::env::var("LOBOS_TRIALS").map_or(1500, |trials| trials.parse().unwrap())
}

/// A folder in memory, if there is a file system for that, and one on the disk.
fn shops() -> Vec<Shop> {
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let disk = tempfile::tempdir_in(".").unwrap();
    let shop = |dir| Shop::over(dir, Options::default(), Quirks::default());
    vec![shop(memory), shop(disk)]
}

/// What others do to the files of a bucket; most of it may fail, since there is nothing or
/// something of that name.
fn change(dice: &mut Rng, root: &Path, turn: u64) {
    let path = |dice: &mut Rng| -> PathBuf {
        let depth = dice.u64(..3);
        let names = (0..=depth).map(|_| format!("n{}", dice.u64(..8)));
        root.join(names.collect::<Vec<_>>().join("/"))
    };
    let (a, b) = (path(dice), path(dice));
    let _ = match dice.u64(..16) {
        0..4 => fs::create_dir_all(a.parent().unwrap()).and(fs::write(&a, turn.to_string())),
        4 | 5 => fs::remove_file(&a),
        6 => fs::remove_dir_all(&a),
        7 | 8 => fs::rename(&a, &b),
        9 => fs::create_dir_all(&a),
        10 => symlink("n1", &a),
        // Not both: what is written through one of two names is told of that name alone.
        11 => fs::hard_link(&a, &b).and_then(|()| fs::remove_file(&a)),
        12 => OpenOptions::new().append(true).open(&a).and_then(|mut f| f.write_all(b"more")),
        13 => File::open(&a).and_then(|f| f.set_modified(SystemTime::UNIX_EPOCH)),
        14 => fs::set_permissions(&a, fs::Permissions::from_mode(0o700)),
        _ => File::options().write(true).open(&a).and_then(|f| f.set_len(turn)),
    };
}

#[test]
fn others_at_work() {
    // Whatever others make, remove, rename or write to is in the very next listing of the index
    // as it is in one that looks at the disk: names, sizes, times and tags.
    for shop in shops() {
        let mut dice = Rng::with_seed(0x9e37_79b9);
        for turn in 0..trials() {
            change(&mut dice, shop.dir.path(), turn);
            if dice.u64(..8) == 0 {
                change(&mut dice, shop.dir.path(), turn);
            }
            shop.page();
            if dice.u64(..300) == 0 {
                wait_until_whole(&shop.indexed);
            }
        }
    }
}

#[test]
fn own_work() {
    // What is put, replaced, tagged, copied, renamed and deleted through the store is in the next
    // listing, with the tag that HeadObject has.
    let shop = Shop::new();
    wait_until_whole(&shop.indexed);
    let (mut dice, keys) =
        (Rng::with_seed(7), ["a", "b/c", "b/d", "b", "a//x", "f/", "f/g/h", "a/b"]);
    let mut key = move || keys[usize::try_from(dice.u64(..keys.len() as u64)).unwrap()];
    for turn in 0..400_u64 {
        let (from, to, store) = (key(), key(), &shop.indexed);
        // There may be nothing to copy, rename or delete.
        match turn % 7 {
            0..3 => drop(put(store, from, turn.to_string().as_bytes())),
            3 => {
                let mut request = put_request(from);
                request.tags = TagSet::from_pairs(vec![("t".into(), turn.to_string())]);
                request.metadata.user = vec![("a".into(), turn.to_string())];
                send(store, request, b"").unwrap();
            }
            4 => drop(copy(store, copy_request(from, to))),
            5 => drop(rename(store, rename_request(from, to))),
            _ => delete(store, from).unwrap(),
        }
        for object in shop.page().objects {
            let head = shop.head(&object.key).unwrap().info;
            assert_eq!((object.etag, object.size), (head.etag, head.size), "{}", object.key);
        }
    }
}

/// A name of a file that is outside of the bucket: whoever writes to it tells nobody.
fn secret_link(shop: &Shop, key: &str) -> (tempfile::TempDir, PathBuf) {
    let outside = tempfile::tempdir_in(shop.dir.path().parent().unwrap()).unwrap();
    let link = outside.path().join("link");
    fs::hard_link(shop.path(key), &link).unwrap();
    (outside, link)
}

fn sizes(page: &Page) -> Vec<u64> {
    page.objects.iter().map(|object| object.size).collect()
}

#[test]
fn the_disk_is_not_asked() {
    // A listing of an index that is whole looks at no file: it does not even see what is written
    // through a name that is not in the bucket; GetObject and HeadObject do.
    let shop = Shop::new();
    for key in ["a", "d/b", "d/e/c"] {
        shop.put(key, b"1");
    }
    let indexed = shop.another(Options { index: true, ..Options::default() });
    wait_until_whole(&indexed);
    let progress = indexed.index_progress().unwrap();
    assert_eq!((progress.folders(), progress.names()), (3, 5));
    let links = ["a", "d/b", "d/e/c"].map(|key| secret_link(&shop, key));
    for (_, link) in &links {
        fs::write(link, "22").unwrap();
    }
    assert_eq!(sizes(&page(&indexed)), [1, 1, 1]);
    assert_eq!(sizes(&page(&shop.store)), [2, 2, 2]);
    assert_eq!(common::get(&indexed, "a").unwrap().1, b"22");
}

#[test]
fn other_names() {
    // A file that has another name when it is read is looked at for each listing.
    let shop = Shop::new();
    shop.put("a", b"1");
    let (_outside, link) = secret_link(&shop, "a");
    let indexed = shop.another(Options { index: true, ..Options::default() });
    wait_until_whole(&indexed);
    fs::write(link, "22").unwrap();
    assert_eq!(sizes(&page(&indexed)), [2]);
}

#[test]
fn refreshed() {
    // What inotify does not tell is in the index after it was read again, and while that goes on
    // nothing is missing.
    let shop = Shop::new();
    for at in 0..300 {
        shop.put(&format!("{}/{at}", at % 10), b"1");
    }
    let refresh = Some(Duration::from_millis(10));
    let indexed = shop.another(Options { index: true, refresh, ..Options::default() });
    wait_until_whole(&indexed);
    let (_outside, link) = secret_link(&shop, "0/0");
    fs::write(link, "22").unwrap();
    let began = Instant::now();
    loop {
        let sizes = sizes(&page(&indexed));
        assert_eq!(sizes.len(), 300);
        if sizes[0] == 2 && began.elapsed() > Duration::from_millis(200) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "never read again");
    }
}

#[test]
fn trees_that_move() {
    // A whole tree that is moved in, about and out is listed where it is.
    let shop = Shop::new();
    let outside = tempfile::tempdir_in(shop.dir.path().parent().unwrap()).unwrap();
    for at in 0..50 {
        let folder = outside.path().join(format!("tree/{}", at % 5));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(at.to_string()), "x").unwrap();
    }
    wait_until_whole(&shop.indexed);
    for _ in 0..20 {
        fs::rename(outside.path().join("tree"), shop.path("a")).unwrap();
        assert_eq!(shop.keys().len(), 50);
        fs::create_dir(shop.path("z")).unwrap();
        fs::rename(shop.path("a"), shop.path("z/b")).unwrap();
        assert!(shop.keys().iter().all(|key| key.starts_with("z/b/")));
        fs::write(shop.path("z/b/3/new"), "").unwrap();
        assert_eq!(shop.keys().len(), 51);
        fs::remove_file(shop.path("z/b/3/new")).unwrap();
        fs::rename(shop.path("z/b"), outside.path().join("tree")).unwrap();
        fs::remove_dir(shop.path("z")).unwrap();
        assert_eq!(shop.keys(), [""; 0]);
    }
}

fn create(store: &FsStore, name: &str) {
    let bucket = BucketName::new(name).unwrap();
    let request = CreateBucket { bucket, configurations: Vec::new() };
    assert!(store.call(Request::CreateBucket(request)).is_ok());
}

fn names(store: &FsStore, bucket: &str) -> Option<usize> {
    let request = ListObjects {
        bucket: BucketName::new(bucket).unwrap(),
        prefix: String::new(),
        delimiter: None,
        max_keys: 1000,
        after: None,
        encode: false,
        version: ListingVersion::V2 { start_after: None, token: None, fetch_owner: false },
    };
    match store.call(Request::ListObjects(request)) {
        Ok(Outcome::Done(Response::ListObjects(page))) => Some(page.objects.len()),
        _ => None,
    }
}

#[test]
fn buckets_that_come_and_go() {
    // Buckets that are made, removed, replaced or moved are listed as they are.
    let dir = tempfile::tempdir().unwrap();
    let options = Options { index: true, ..Options::default() };
    let store = FsStore::open(Layout::Root(dir.path().into()), options).unwrap();
    wait_until_whole(&store);
    for _ in 0..20 {
        create(&store, "one-bucket");
        assert_eq!(names(&store, "one-bucket"), Some(0));
        fs::write(dir.path().join("one-bucket/a"), "").unwrap();
        assert_eq!(names(&store, "one-bucket"), Some(1));
        fs::rename(dir.path().join("one-bucket"), dir.path().join("two-bucket")).unwrap();
        assert_eq!((names(&store, "one-bucket"), names(&store, "two-bucket")), (None, Some(1)));
        fs::remove_dir_all(dir.path().join("two-bucket")).unwrap();
        assert_eq!(names(&store, "two-bucket"), None);
    }
}
