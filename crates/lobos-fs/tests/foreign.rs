//! What other programs do in the tree: files put there, changed and removed, links, FIFOs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::sync::mpsc;
use std::time::Duration;

use common::{Shop, all_quirks, put_request, send};
use lobos_digest::Algorithm;
use lobos_fs::{EtagMode, Options, Quirks};
use lobos_proto::Code;
use rustix::fs::{CWD, FileType, Mode, mknodat};

#[test]
fn untouched() {
    // Serving changes nothing in the tree: no file is added, no time and no attribute changes.
    let shop = Shop::new();
    fs::create_dir(shop.path("d")).unwrap();
    fs::write(shop.path("d/a.html"), b"<p>").unwrap();
    fs::write(shop.path("b"), b"b").unwrap();
    let look = |path: &str| {
        let meta = fs::metadata(shop.path(path)).unwrap();
        (meta.ctime(), meta.ctime_nsec(), meta.mtime_nsec(), meta.ino())
    };
    let before = [look(""), look("d"), look("d/a.html"), look("b")];
    let info = shop.get("d/a.html").unwrap().0.info;
    assert_eq!(info.content_type, "text/html");
    assert!(info.etag.as_str().ends_with("-1") && info.etag.as_str().len() == 34);
    assert_eq!(shop.get("b").unwrap().0.info.content_type, "binary/octet-stream");
    assert_eq!(shop.head("b").unwrap().info.size, 1);
    assert_eq!(shop.get("none").unwrap_err(), Code::NoSuchKey);
    assert_eq!(shop.get("d/").unwrap_err(), Code::NoSuchKey);
    shop.delete("none");
    shop.delete("d");
    shop.delete("d/");
    assert_eq!(shop.keys(), ["b", "d/a.html"]);
    assert_eq!(before, [look(""), look("d"), look("d/a.html"), look("b")]);
    assert_eq!(shop.tree(), ["b", "d/", "d/a.html"]);
}

type Change = fn(&std::path::Path);

#[test]
fn changed_behind_our_back() {
    // A file that anybody changed has another tag and no checksum at once, and keeps the rest.
    for quirks in all_quirks() {
        let shop = Shop::with(Options::default(), quirks);
        let changes: [(&str, Change); 4] = [
            ("same size", |path| fs::write(path, b"other").unwrap()),
            ("longer", |path| {
                File::options().append(true).open(path).unwrap().write_all(b"more").unwrap();
            }),
            ("shorter", |path| {
                File::options().write(true).open(path).unwrap().set_len(1).unwrap();
            }),
            ("touched", |path| {
                let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(7);
                File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
            }),
        ];
        for (what, change) in changes {
            let mut put = put_request("a");
            put.metadata.user = vec![("k".into(), "v".into())];
            put.checksum = Some(Algorithm::Crc32);
            send(&shop.store, put, b"hello").unwrap();
            let before = shop.head("a").unwrap().info;
            assert_eq!(before.checksums.len(), 1);
            change(&shop.path("a"));
            let (response, body) = shop.get("a").unwrap();
            assert_eq!(body, fs::read(shop.path("a")).unwrap());
            assert_ne!(response.info.etag, before.etag, "{what} {quirks:?}");
            assert!(response.info.etag.as_str().ends_with("-1"));
            assert_eq!(response.info.checksums, []);
            assert_eq!(response.info.metadata, before.metadata, "{what} {quirks:?}");
            assert_eq!(shop.page().objects[0].etag, response.info.etag);
        }
    }
}

#[test]
fn replaced_behind_our_back() {
    // A file renamed over an object is another object, and a copy with all attributes is too.
    let shop = Shop::new();
    let mut put = put_request("a");
    put.checksum = Some(Algorithm::Crc32);
    send(&shop.store, put, b"hello").unwrap();
    let before = shop.head("a").unwrap().info;
    fs::write(shop.path("new"), b"HELLO").unwrap();
    fs::rename(shop.path("new"), shop.path("a")).unwrap();
    let after = shop.head("a").unwrap().info;
    assert_ne!(after.etag, before.etag);
    assert_eq!(after.checksums, []);

    shop.put("b", b"hello");
    let before = shop.head("b").unwrap().info;
    let (from, to) = (shop.path("b"), shop.path("copy"));
    let done = std::process::Command::new("cp").arg("-a").args([&from, &to]).status().unwrap();
    assert!(done.success());
    fs::rename(&to, &from).unwrap();
    let after = shop.head("b").unwrap().info;
    assert_ne!(after.etag, before.etag);
    assert_eq!(after.modified, before.modified);
}

#[test]
fn foreign_attribute() {
    // An attribute of ours with nonsense in it is as good as none.
    let shop = Shop::new();
    fs::write(shop.path("a"), b"a").unwrap();
    let plain = shop.head("a").unwrap().info;
    for bytes in [&b""[..], b"\x01\x02", b"\xff", b"\x01\x05\xff\xffabc", &[1; 3000]] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(shop.path("a"), "user.lobos", bytes, flags).unwrap();
        assert_eq!(shop.head("a").unwrap().info, plain);
    }
}

#[test]
fn links() {
    // Links that stay in the bucket are followed; others are not there, and nothing is written
    // or removed through one.
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), b"secret").unwrap();
    let shop = Shop::new();
    fs::create_dir(shop.path("in")).unwrap();
    fs::write(shop.path("in/file"), b"file").unwrap();
    symlink("in/file", shop.path("link")).unwrap();
    symlink("in", shop.path("folder")).unwrap();
    symlink("../in/file", shop.path("in/up")).unwrap();
    symlink(outside.path(), shop.path("out")).unwrap();
    symlink(outside.path().join("secret"), shop.path("secret")).unwrap();
    symlink("nowhere", shop.path("dangling")).unwrap();
    symlink("loop", shop.path("loop")).unwrap();
    for key in ["link", "folder/file", "in/up"] {
        assert_eq!(shop.body(key), b"file", "{key}");
    }
    for key in ["out/secret", "secret", "dangling", "loop", "out/", "out", "loop/x"] {
        assert_eq!(shop.get(key).unwrap_err(), Code::NoSuchKey, "{key}");
        shop.delete(key);
    }
    for link in ["out", "secret", "dangling", "loop"] {
        assert!(shop.path(link).is_symlink(), "{link} is no object and stays");
    }
    let refused = common::put(&shop.store, "out/new", b"x").unwrap_err();
    assert_eq!(refused.code(), Code::AccessDenied);
    let refused = common::put(&shop.store, "out/deep/new", b"x").unwrap_err();
    assert_eq!(refused.code(), Code::AccessDenied);
    for key in ["secret", "link", "dangling", "loop"] {
        shop.put(key, b"mine");
        assert_eq!(shop.body(key), b"mine");
        assert!(!shop.path(key).is_symlink(), "the link was replaced");
    }
    symlink(outside.path().join("secret"), shop.path("absent")).unwrap();
    common::put_if_absent(&shop.store, "absent", b"mine").unwrap();
    assert_eq!(fs::read(shop.path("in/file")).unwrap(), b"file");
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);

    symlink(outside.path(), shop.path("out2")).unwrap();
    let follow = shop.another(Options { follow_symlinks: true, ..Options::default() });
    assert_eq!(common::get(&follow, "out2/secret").unwrap().1, b"secret");
}

#[test]
fn our_folder_is_a_link() {
    // A `.lobos` that leads elsewhere is never followed.
    let outside = tempfile::tempdir().unwrap();
    let shop = Shop::new();
    symlink(outside.path(), shop.path(".lobos")).unwrap();
    shop.put("a", b"1");
    assert!(common::put(&shop.store, "a//b", b"1").is_err());
    assert!(common::put(&shop.store, "a", b"2").is_err());
    assert_eq!(shop.body("a"), b"1");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn special_files() {
    // FIFOs are not opened (a writer at the other side goes on waiting), not listed, not removed;
    // a key with such a name is kept aside.
    let shop = Shop::new();
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, shop.path("fifo"), FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(shop.path("socket")).unwrap();
    let (done, waits) = mpsc::channel();
    let path = shop.path("fifo");
    let writer = std::thread::spawn(move || {
        let opened = File::options().write(true).open(path);
        done.send(()).unwrap();
        opened.map(drop)
    });
    for key in ["fifo", "socket"] {
        assert_eq!(shop.get(key).unwrap_err(), Code::NoSuchKey);
        assert_eq!(shop.head(key).unwrap_err(), Code::NoSuchKey);
        shop.delete(key);
    }
    assert_eq!(shop.keys(), [""; 0]);
    shop.put("fifo", b"aside");
    shop.put("fifo", b"again");
    assert_eq!(shop.body("fifo"), b"again");
    assert_eq!(shop.keys(), ["fifo"]);
    shop.delete("fifo");
    assert!(waits.recv_timeout(Duration::from_millis(100)).is_err(), "the FIFO was opened");
    assert_eq!(shop.tree().iter().filter(|p| !p.starts_with(".lobos")).count(), 2);

    // Let the writer go, and see what a FIFO does that takes the place of an object.
    drop(File::open(shop.path("fifo")).unwrap());
    writer.join().unwrap().unwrap();
    shop.put("x", b"x");
    assert_eq!(shop.body("x"), b"x");
    fs::remove_file(shop.path("x")).unwrap();
    mknodat(CWD, shop.path("x"), FileType::Fifo, mode, 0).unwrap();
    assert_eq!(shop.get("x").unwrap_err(), Code::NoSuchKey);
}

#[test]
fn prune() {
    // DELETE removes the folders that it emptied and that we made, and no other.
    let shop = Shop::new();
    fs::create_dir(shop.path("theirs")).unwrap();
    shop.put("theirs/ours/deep/x", b"");
    shop.put("theirs/ours/y", b"");
    shop.delete("theirs/ours/deep/x");
    assert!(!shop.path("theirs/ours/deep").exists());
    assert!(shop.path("theirs/ours").exists());
    shop.delete("theirs/ours/y");
    assert!(!shop.path("theirs/ours").exists());
    assert!(shop.path("theirs").exists());
    shop.put("ours/x", b"");
    fs::write(shop.path("ours/by-hand"), b"").unwrap();
    shop.delete("ours/x");
    assert!(shop.path("ours/by-hand").exists());
}

#[test]
fn our_folder_removed() {
    // Somebody removes `.lobos` in the middle of it all: the next write makes it again.
    for no_tmpfile in [false, true] {
        let quirks = Quirks { no_tmpfile, ..Quirks::default() };
        let shop = Shop::with(Options::default(), quirks);
        for _ in 0..3 {
            shop.put("a", b"1");
            shop.put("a", b"2");
            shop.put("a//b", b"3");
            assert_eq!(shop.body("a//b"), b"3");
            fs::remove_dir_all(shop.path(".lobos")).unwrap();
            assert_eq!(shop.body("a"), b"2");
            assert_eq!(shop.get("a//b").unwrap_err(), Code::NoSuchKey);
        }
    }
}

#[test]
fn dead_process() {
    // What a killed process left half done is removed by the next that writes; a living one's is
    // not.
    let shop = Shop::new();
    shop.put("a", b"1");
    shop.put("a", b"2");
    fs::create_dir(shop.path(".lobos/tmp/dead")).unwrap();
    fs::write(shop.path(".lobos/tmp/dead/.lobos-tmp-1"), b"half").unwrap();
    let living = fs::read_dir(shop.path(".lobos/tmp")).unwrap().count() - 1;
    assert_eq!(living, 1);
    let other = shop.another(Options::default());
    common::put(&other, "a", b"3").unwrap();
    assert!(!shop.path(".lobos/tmp/dead").exists());
    assert_eq!(fs::read_dir(shop.path(".lobos/tmp")).unwrap().count(), 2);
    shop.put("a", b"4");
    drop(other);
    assert_eq!(fs::read_dir(shop.path(".lobos/tmp")).unwrap().count(), 1);
}

#[test]
fn two_modes() {
    // A store of opaque tags and one of MD5 tags each see the other's objects in their own way.
    let shop = Shop::new();
    shop.put("a", b"hello");
    let fast = shop.another(Options { etag: EtagMode::Fast, ..Options::default() });
    let tag = common::get(&fast, "a").unwrap().0.info.etag;
    assert!(tag.as_str().ends_with("-1"));
    assert_eq!(common::page(&fast).objects[0].etag, tag);
    common::put(&fast, "a", b"hello").unwrap();
    assert!(shop.head("a").unwrap().info.etag.as_str().ends_with("-1"));
}

#[test]
fn no_temporary_names() {
    // Where nothing can have a temporary name, since others have put a file there, a PUT over an
    // object is refused: it is not kept where the old one hides it.
    let shop = Shop::new();
    shop.put("k", b"old");
    fs::create_dir_all(shop.path(".lobos")).unwrap();
    fs::write(shop.path(".lobos/tmp"), "mine").unwrap();
    let refused = common::put(&shop.store, "k", b"new").unwrap_err();
    assert_eq!(refused.code(), Code::OperationAborted);
    assert_eq!(shop.body("k"), b"old");
    assert!(!shop.path(".lobos/aside").exists());
    shop.put("other", b"new");
    fs::remove_file(shop.path(".lobos/tmp")).unwrap();
    shop.put("k", b"new");
    assert_eq!(shop.body("k"), b"new");
}
