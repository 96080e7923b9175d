//! Room that large uploads take ahead of their bytes, on an image of ext4.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod uploads;

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use common::{begin, mounted, put_request};
use lobos_fs::{FsStore, Layout, Options};
use rustix::fs::statvfs;
use uploads::{complete, create, part_request};

const MIB: u64 = 1 << 20;

/// Metadata of the file system, folders and the like.
const SLACK: u64 = 256 << 10;

/// Runs a test on a new file system.
fn on_ext4(name: &str, test: impl Fn(&FsStore, &Path)) {
    let image = tempfile::NamedTempFile::new().unwrap();
    let mount = format!("-o loop {}", image.path().display());
    if std::env::var_os(common::MOUNTED).is_none() {
        File::options().write(true).open(image.path()).unwrap().set_len(96 * MIB).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(image.path()).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    mounted(name, &mount, |dir| {
        let layout = Layout::Dirs(vec![(common::BUCKET.into(), dir.into())]);
        test(&FsStore::open(layout, Options::default()).unwrap(), dir);
    });
}

/// Bytes in use, those that are only promised among them.
fn used(dir: &Path) -> u64 {
    let stat = statvfs(dir).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}

#[test]
fn ahead() {
    // A large upload has some room before its bytes come, never all of it, a small one none; what
    // an upload that is given up had is free again.
    on_ext4("ahead", |store, dir| {
        let bytes = vec![b'x'; MIB as usize];
        for (size, least, most) in [(20 * MIB, 8 * MIB, 8 * MIB), (2 * MIB, 2 * MIB, 2 * MIB)] {
            let before = used(dir);
            let mut put = put_request("large");
            put.size = Some(size);
            let mut sink = begin(store, put).unwrap();
            sink.append(&bytes).unwrap();
            let taken = used(dir) - before;
            assert!((least..most + SLACK).contains(&taken), "{taken} of {size}");
            drop(sink);
            assert!(used(dir) < before + SLACK, "{} more of {size}", used(dir) - before);
        }
        let upload = create(store, "parts");
        let before = used(dir);
        let part = part_request("parts", &upload, 2, &vec![b'x'; 20 << 20]);
        let mut sink = uploads::begin(store, part).unwrap();
        sink.append(&bytes).unwrap();
        assert!((8 * MIB..8 * MIB + SLACK).contains(&(used(dir) - before)));
        drop(sink);
        uploads::abort(store, "parts", &upload).unwrap();
        assert!(used(dir) < before + SLACK, "{} more", used(dir) - before);
        let before = used(dir);
        let mut put = put_request("small");
        put.size = Some(400 << 10);
        let mut sink = begin(store, put).unwrap();
        sink.append(&bytes[..64 << 10]).unwrap();
        assert!(used(dir) - before < (64 << 10) + SLACK);
    });
}

#[test]
fn whole() {
    // An object that is put whole, in one piece or in parts of which one came twice, takes no more
    // room than its bytes.
    on_ext4("whole", |store, dir| {
        let bytes = vec![b'x'; 9 * MIB as usize];
        let mut put = put_request("one");
        put.size = Some(9 * MIB);
        common::send(store, put, &bytes).unwrap();
        let upload = create(store, "parts");
        let mut cut = uploads::begin(store, part_request("parts", &upload, 2, &bytes)).unwrap();
        cut.append(&bytes[..MIB as usize]).unwrap();
        drop(cut);
        let parts = [1, 2].map(|n| uploads::part(store, "parts", &upload, n, &bytes).unwrap());
        let mut cut = uploads::begin(store, part_request("parts", &upload, 3, &bytes)).unwrap();
        cut.append(&bytes[..MIB as usize]).unwrap();
        drop(cut);
        complete(store, "parts", &upload, &parts).unwrap();
        for (key, size) in [("one", 9 * MIB), ("parts", 18 * MIB)] {
            let meta = dir.join(key).metadata().unwrap();
            assert_eq!(meta.len(), size);
            assert!(meta.blocks() * 512 <= size + SLACK, "{key}: {}", meta.blocks() * 512);
        }
    });
}
