//! File systems that lack something, for real: no extended attributes, no space, read-only. Each
//! test runs itself again in a mount namespace of its own, where it may mount; it fails where the
//! system allows that to nobody.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{MOUNTED, Shop, begin, mounted, put, put_request, send};
use lobos_digest::Algorithm;
use lobos_fs::{FsStore, Layout, Options, Quirks};
use lobos_proto::{Code, Error, Store};

fn open(dir: &Path) -> FsStore {
    let layout = Layout::Dirs(vec![(common::BUCKET.into(), dir.into())]);
    FsStore::open(layout, Options::default()).unwrap()
}

#[test]
fn no_attributes() {
    // Where there are no extended attributes (ramfs) metadata and tags come back all the same.
    mounted("no_attributes", "-t ramfs none", |dir| {
        let store = open(dir);
        for key in ["d/a", "a//b", "folder/"] {
            for round in 0..2 {
                let mut request = put_request(key);
                request.metadata.user = vec![("round".into(), round.to_string())];
                request.checksum = Some(Algorithm::Crc32);
                let said = request.metadata.clone();
                let bytes = if key == "folder/" { &b""[..] } else { b"hello" };
                let stored = send(&store, request, bytes).unwrap();
                let (response, body) = common::get(&store, key).unwrap();
                assert_eq!(body, bytes);
                assert_eq!(response.info.metadata, said);
                assert_eq!(response.info.etag, stored.etag);
            }
        }
        assert_eq!(fs::read_dir(dir.join(".lobos/meta")).unwrap().count(), 3);
        let keys: Vec<_> = common::page(&store).objects.into_iter().map(|o| o.key).collect();
        assert_eq!(keys, ["a//b", "d/a", "folder/"]);
        for key in keys {
            common::delete(&store, &key).unwrap();
        }
        assert_eq!(fs::read_dir(dir.join(".lobos/meta")).unwrap().count(), 0);
    });
}

fn code<T>(result: Result<T, Error>) -> Option<Code> {
    result.err().map(|e| e.code())
}

#[test]
fn full() {
    // A full disk is StorageFull: nothing of the upload stays, the old object does, and after
    // something was removed the next upload succeeds.
    mounted("full", "-t tmpfs -o size=1m none", |dir| {
        let store = open(dir);
        put(&store, "old", b"old").unwrap();
        let large = vec![1; 2 << 20];
        for key in ["old", "new", "deep/new", "a//b"] {
            for _ in 0..3 {
                assert_eq!(code(put(&store, key, &large)), Some(Code::StorageFull), "{key}");
            }
        }
        put(&store, "most", &vec![1; 900 << 10]).unwrap();
        assert_eq!(code(put(&store, "more", &vec![1; 200 << 10])), Some(Code::StorageFull));
        assert_eq!(common::get(&store, "old").unwrap().1, b"old");
        common::delete(&store, "most").unwrap();
        put(&store, "more", &vec![1; 200 << 10]).unwrap();
        let keys: Vec<_> = common::page(&store).objects.into_iter().map(|o| o.key).collect();
        assert_eq!(keys, ["more", "old"]);
    });
}

#[test]
fn read_only() {
    // A read-only file system serves what it has and refuses every change with AccessDenied.
    let script = "-t tmpfs none \"$LOBOS_TEST_MOUNTED\" && mkdir \"$LOBOS_TEST_MOUNTED/d\" \
                  && echo hello > \"$LOBOS_TEST_MOUNTED/d/a\" && mount -o remount,ro";
    mounted("read_only", script, |dir| {
        let store = open(dir);
        assert_eq!(common::get(&store, "d/a").unwrap().1, b"hello\n");
        for key in ["d/a", "new", "x/new", "a//b", "f/"] {
            assert_eq!(code(put(&store, key, b"")), Some(Code::AccessDenied), "{key}");
        }
        assert_eq!(code(common::delete(&store, "d/a")), Some(Code::AccessDenied));
        common::delete(&store, "none").unwrap();
        assert_eq!(common::page(&store).objects.len(), 1);
    });
}

#[test]
fn mount_inside() {
    // A mount inside the bucket takes new objects, replaced ones, and those of folders aside.
    let script = "-t tmpfs none \"$LOBOS_TEST_MOUNTED\" && mkdir \"$LOBOS_TEST_MOUNTED/m\" \
                  && LOBOS_M=\"$LOBOS_TEST_MOUNTED/m\" && mount -t tmpfs none \"$LOBOS_M\" && true";
    // The last word of the script is given the mounted folder as its argument.
    mounted("mount_inside", script, |dir| {
        for no_tmpfile in [false, true] {
            let layout = Layout::Dirs(vec![(common::BUCKET.into(), dir.into())]);
            let quirks = Quirks { no_tmpfile, ..Quirks::default() };
            let store = FsStore::open_with(layout, Options::default(), quirks).unwrap();
            for key in ["m/a", "m/d/a", "m/d"] {
                for body in [b"first", b"again"] {
                    let stored = put(&store, key, body).unwrap_or_else(|e| panic!("{key}: {e}"));
                    let (response, bytes) = common::get(&store, key).unwrap();
                    assert_eq!(bytes, body);
                    assert_eq!(response.info.etag, stored.etag);
                }
            }
            for key in ["m/a", "m/d/a", "m/d"] {
                common::delete(&store, key).unwrap();
            }
            assert_eq!(fs::read_dir(dir.join("m")).unwrap().count(), 0);
        }
    });
}

#[test]
fn no_descriptors() {
    // Without a free descriptor the answer is SlowDown, and all is well when there is one again.
    if std::env::var(MOUNTED).is_err() {
        let out = Command::new("sh")
            .args(["-c", "ulimit -n 64; exec \"$0\" --exact no_descriptors --nocapture"])
            .arg(std::env::current_exe().unwrap())
            .env(MOUNTED, "")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{text}");
        return;
    }
    let shop = Shop::new();
    shop.put("a", b"a");
    let mut sinks = Vec::new();
    let refused = loop {
        match begin(&shop.store, put_request("b")) {
            Ok(sink) => sinks.push(sink),
            Err(e) => break e,
        }
        assert!(sinks.len() < 100);
    };
    assert_eq!(refused.code(), Code::SlowDown);
    let get = shop.store.call(lobos_proto::Request::GetObject(common::get_request("a")));
    assert_eq!(code(get), Some(Code::SlowDown));
    drop(sinks);
    assert_eq!(shop.body("a"), b"a");
}
