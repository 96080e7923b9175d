//! Removing an object: its file, what was kept of it, and the folders that it was the last of.

use std::os::fd::AsFd;

use lobos_proto::s3::condition::DeleteConditions;
use lobos_proto::{Error, Key};
use rustix::fs::{AtFlags, unlinkat};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::key::{self, Place};
use crate::locks::Write;
use crate::meta::Stamp;
use crate::ours::Has;
use crate::{aside, error, folder, locks, object, sidecar};

/// Removes the object, if there is one and it is what the conditions say.
pub(crate) fn delete(
    bucket: &Bucket,
    key: &Key,
    conditions: &DeleteConditions,
) -> Result<(), Error> {
    let _locked = bucket.shared().locks.lock(bucket, key.as_str());
    let write = match conditions.is_empty() {
        true => Write::Plain,
        // Nothing is written for a delete that fails anyway.
        false if !check(bucket, key, conditions)? => return Ok(()),
        false => Write::Conditional,
    };
    let held = locks::between_processes(bucket, key.as_str(), write);
    let held = held.map_err(|e| bucket.failed(e))?;
    if write == Write::Conditional {
        check(bucket, key, conditions)?;
    }
    _ = remove(bucket, key.as_str(), held.has)?;
    if let Some(limit) = &bucket.shared().limit {
        limit.removed(bucket.name(), key.as_str());
    }
    Ok(())
}

/// What became of an object that was to go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Evicted {
    /// It is gone by this.
    Removed,
    /// Others were faster.
    Missing,
    /// Others have changed it, so it stays.
    Changed(Stamp),
}

/// Removes an object that has this size and mtime still. The lock of the key is held.
pub(crate) fn evict(
    bucket: &Bucket,
    key: &Key,
    (size, modified): (u64, u64),
) -> Result<Evicted, Error> {
    let held = locks::between_processes(bucket, key.as_str(), Write::Plain);
    let held = held.map_err(|e| bucket.failed(e))?;
    match object::find_kept(bucket, key)? {
        Some(found) if (found.stamp.size, found.stamp.mtime) != (size, modified) => {
            Ok(Evicted::Changed(found.stamp))
        }
        Some(_) if remove(bucket, key.as_str(), held.has)? => Ok(Evicted::Removed),
        _ => Ok(Evicted::Missing),
    }
}

/// Holds the conditions against the object as it is now; whether there is one.
fn check(bucket: &Bucket, key: &Key, conditions: &DeleteConditions) -> Result<bool, Error> {
    let found = object::find_kept(bucket, key)?;
    let current = found.as_ref().map(|f| (&f.etag, f.stamp.size, f.stamp.modified()));
    conditions.check(current).map_err(|e| e.key(key.as_str()))?;
    Ok(found.is_some())
}

/// Removes the object; whether there was one. The lock of the key is held.
fn remove(bucket: &Bucket, key: &str, has: Has) -> Result<bool, Error> {
    // First, so that it does not show where the file is gone.
    let was_aside = has.aside && aside::remove(bucket, key)?;
    let was_there = match key::place(key) {
        Place::File(path) => delete_file(bucket, path, has).map_err(|e| bucket.failed(e))?,
        Place::Folder(path) => match folder::unmark(bucket, path)? {
            Some((folder, was_marked)) => {
                folder::prune(bucket, folder, path);
                was_marked
            }
            None => false,
        },
        Place::Aside => false,
    };
    Ok(was_aside || was_there)
}

/// What is no object stays: folders, FIFOs, links that lead nowhere or out.
fn delete_file(bucket: &Bucket, path: &str, has: Has) -> Result<bool, Errno> {
    let (parent, name) = key::split(path);
    let folder = match bucket.folder(parent) {
        Ok(folder) => folder,
        Err(e) if error::is_missing(e) => return Ok(false),
        Err(e) => return Err(e),
    };
    if !object::is_object(bucket, &folder, path)? {
        return Ok(false);
    }
    let old = has.meta.then(|| sidecar::Old::hold(bucket, folder.as_fd(), name, name));
    let was_there = match unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) => true,
        Err(Errno::NOENT | Errno::ISDIR) => false,
        Err(e) => return Err(e),
    };
    if bucket.is_durable() {
        error::sync(folder.as_fd())?;
    }
    old.into_iter().for_each(sidecar::Old::forget);
    folder::prune(bucket, folder, parent);
    Ok(was_there)
}
