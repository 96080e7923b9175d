//! Keys that cannot be paths: one file each in `.lobos/aside`, whose name is the key itself.
//!
//! The key is escaped (`/` as `%2F`, `%` as `%25`) and cut into pieces that fit into a name: all
//! but the last are folders `d<piece>`, the last is the file `k<piece>`. So the tree alone tells
//! every key, nothing beside it can disagree, and no name is ever `.` or `..`.

use std::fmt::Write as _;
use std::io;
use std::os::fd::AsFd;

use lobos_proto::{ETag, Error, Timestamp};
use rustix::fs::{AtFlags, Dir, FileType, OFlags, statat, unlinkat};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::meta::Stamp;
use crate::{error, key, object, sidecar};

/// The folder of all of them.
pub(crate) const FOLDER: &str = ".lobos/aside";

/// The longest piece: eCryptfs takes names of 143 bytes, all others more.
const PIECE: usize = 120;

/// An object that is kept aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AsideKey {
    /// Its key.
    pub(crate) key: String,
    /// Bytes.
    pub(crate) size: u64,
    /// Last-Modified.
    pub(crate) modified: Timestamp,
    /// As HeadObject has it.
    pub(crate) etag: ETag,
}

/// The path of `key` aside, beneath the bucket.
pub(crate) fn path(key: &str) -> String {
    let mut escaped = String::with_capacity(key.len() + 8);
    for c in key.chars() {
        match c {
            '/' => escaped.push_str("%2F"),
            '%' => escaped.push_str("%25"),
            c => escaped.push(c),
        }
    }
    let mut path = String::from(FOLDER);
    let mut rest = escaped.as_str();
    while rest.len() > PIECE {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        let _ = write!(path, "/d{piece}");
        rest = after;
    }
    let _ = write!(path, "/k{rest}");
    path
}

/// The keys that begin with `prefix` and come after `after`, in byte order. Empty, for the price
/// of one call, if the bucket keeps nothing aside.
pub(crate) fn keys(
    bucket: &Bucket,
    prefix: &str,
    after: Option<&str>,
) -> io::Result<Vec<AsideKey>> {
    let mut found = Vec::new();
    let mut visit = |key: String, folder: &Dir, name: &std::ffi::CStr| {
        if !key.starts_with(prefix) || after.is_some_and(|a| key.as_str() <= a) {
            return Ok(());
        }
        let fd = folder.fd()?;
        let stat = match statat(fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => return Err(e),
        };
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            let stamp = Stamp::of(&stat);
            let last = key::split(&key).1;
            let etag = object::etag_by_name(bucket, (fd, None), name, last, &stamp);
            found.push(AsideKey { key, size: stamp.size, modified: stamp.modified(), etag });
        }
        Ok(())
    };
    walk(bucket, FOLDER, "", &mut visit)?;
    found.sort_unstable_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
    Ok(found)
}

/// Removes what is kept aside of `key`, if anything is. The lock of the key is held.
pub(crate) fn remove(bucket: &Bucket, key: &str) -> Result<(), Error> {
    let path = path(key);
    let (folder, name) = key::split(&path);
    let opened = match bucket.open_ours(folder, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(opened) => opened,
        Err(e) if error::is_missing(e) => return Ok(()),
        Err(e) => return Err(error::write(e)),
    };
    let old = sidecar::Old::hold(bucket, opened.as_fd(), name, key::split(key).1);
    match unlinkat(&opened, name, AtFlags::empty()) {
        Ok(()) => {}
        Err(e) if error::is_missing(e) => return Ok(()),
        Err(e) => return Err(error::write(e)),
    }
    old.forget();
    if bucket.is_durable() {
        error::sync(opened.as_fd()).map_err(error::write)?;
    }
    prune(bucket, folder);
    Ok(())
}

/// Removes the folders of a long key if nothing is left in them; a PUT that loses this race makes
/// them again.
pub(crate) fn prune(bucket: &Bucket, mut folder: &str) {
    while folder != FOLDER {
        let (parent, name) = key::split(folder);
        let holder = bucket.open_ours(parent, OFlags::PATH | OFlags::DIRECTORY);
        if holder.and_then(|fd| unlinkat(fd, name, AtFlags::REMOVEDIR)).is_err() {
            break;
        }
        folder = parent;
    }
}

/// Calls `visit` with each file in `folder` and what its key would be, in no order.
fn walk(
    bucket: &Bucket,
    folder: &str,
    before: &str,
    visit: &mut dyn FnMut(String, &Dir, &std::ffi::CStr) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut dir = match bucket.open_ours(folder, flags) {
        Ok(fd) => Dir::new(fd)?,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e),
    };
    while let Some(entry) = dir.read() {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let escaped = |piece: &str| format!("{before}{piece}");
        if let Some(piece) = name.strip_prefix('k') {
            if let Some(key) = unescape(&escaped(piece)) {
                visit(key, &dir, entry.file_name())?;
            }
        } else if let Some(piece) = name.strip_prefix('d') {
            walk(bucket, &format!("{folder}/{name}"), &escaped(piece), visit)?;
        }
    }
    Ok(())
}

/// `None` for a name that [`path`] never makes.
fn unescape(escaped: &str) -> Option<String> {
    let mut key = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('%') {
        key.push_str(rest.get(..at)?);
        key.push(match rest.get(at + 1..at + 3)? {
            "2F" => '/',
            "25" => '%',
            _ => return None,
        });
        rest = rest.get(at + 3..)?;
    }
    key.push_str(rest);
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        // A path tells its key, no name in it is too long or special, and no two keys share one.
        let mut paths = std::collections::HashSet::new();
        let units = ["/", "%", "a", "ü", "/.", "%2F", "k", "d/"];
        let mut keys: Vec<String> = units.iter().map(|unit| (*unit).into()).collect();
        keys.extend(units.iter().flat_map(|unit| (1..=60).map(|n| unit.repeat(n * 5))));
        keys.extend((110..130).map(|n| format!("{}.", "x".repeat(n))));
        keys.extend((110..130).map(|n| format!("{}/..", "x".repeat(n))));
        for key in &keys {
            let path = path(key);
            let names: Vec<&str> = path.strip_prefix(".lobos/aside/").unwrap().split('/').collect();
            assert!(names.iter().all(|name| (2..=PIECE + 1).contains(&name.len())), "{path}");
            let (last, folders) = names.split_last().unwrap();
            assert!(last.starts_with('k') && folders.iter().all(|name| name.starts_with('d')));
            let pieces: String = names.iter().map(|name| &name[1..]).collect();
            assert_eq!(unescape(&pieces).as_deref(), Some(key.as_str()));
            paths.insert(path);
        }
        assert_eq!(paths.len(), keys.len());
        for bad in ["%", "%2", "%2f", "a%41", "%ü"] {
            assert_eq!(unescape(bad), None);
        }
    }
}
