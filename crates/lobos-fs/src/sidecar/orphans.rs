//! Metadata of objects that never became visible, or are no more, since their process died just
//! then.

use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Dir, OFlags, fstat, unlinkat};
use rustix::io::Errno;

use super::{FOLDER, keys, read_beside};
use crate::aside;
use crate::bucket::Bucket;
use crate::key::{self, Place};

/// A start must not wait longer for it: what is not found is a little waste.
const LONGEST: Duration = Duration::from_millis(100);

/// Removes them, if nobody else was at work meanwhile: who keeps metadata first takes a folder in
/// `.lobos/tmp`, so `is_alone` cannot overlook one whose metadata was seen here.
pub(crate) fn remove(
    bucket: &Bucket,
    is_alone: impl Fn() -> Result<bool, Errno>,
) -> Result<(), Errno> {
    let folder = match bucket.open_ours(FOLDER, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e),
    };
    let began = Instant::now();
    let mut orphans = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if is_orphan(bucket, name) {
            orphans.push(name.to_owned());
        }
        if began.elapsed() > LONGEST {
            break;
        }
    }
    if !orphans.is_empty() && is_alone()? {
        for name in orphans {
            let _ = unlinkat(&folder, name, AtFlags::empty());
        }
    }
    Ok(())
}

/// Whether no key that it is for leads to the file or folder that it is for.
fn is_orphan(bucket: &Bucket, name: &str) -> bool {
    let inode = name.split_once('-').and_then(|(inode, _)| u64::from_str_radix(inode, 16).ok());
    let (Some(inode), Ok(Some(meta))) = (inode, read_beside(bucket, name)) else { return false };
    let leads_there = |path: &str| match bucket.open(path, OFlags::PATH) {
        Ok(found) => fstat(found).is_ok_and(|stat| stat.st_ino == inode),
        // What cannot be told stays.
        Err(e) => !matches!(e, Errno::NOENT | Errno::NOTDIR),
    };
    meta.key.is_some()
        && !keys(&meta).any(|key| {
            let plain = match key::place(key) {
                Place::File(path) | Place::Folder(path) => leads_there(path),
                Place::Aside => false,
            };
            plain || leads_there(&aside::path(key))
        })
}
