//! Keys that cannot be paths: one file each in `.lobos/aside`, whose name is the key itself.
//!
//! The key is escaped (`/` as `%2F`, `%` as `%25`) and cut into pieces that fit into a name: all
//! but the last are folders `d<piece>`, the last is the file `k<piece>`. So the tree alone tells
//! every key, nothing beside it can disagree, and no name is ever `.` or `..`.

mod keys;

use std::fmt::Write as _;
use std::os::fd::AsFd;

use lobos_proto::Error;
use rustix::fs::{AtFlags, OFlags, unlinkat};

use crate::bucket::Bucket;
use crate::{error, key, sidecar};
pub(crate) use keys::{Keys, Looker, Remembered};

/// The folder of all of them.
pub(crate) const FOLDER: &str = ".lobos/aside";

/// The longest piece: eCryptfs takes names of 143 bytes, all others more.
const PIECE: usize = 120;

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

/// Removes what is kept aside of `key`, and says whether anything was. The lock of the key is held.
pub(crate) fn remove(bucket: &Bucket, key: &str) -> Result<bool, Error> {
    let path = path(key);
    let (folder, name) = key::split(&path);
    let opened = match bucket.open_ours(folder, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(opened) => opened,
        Err(e) if error::is_missing(e) => return Ok(false),
        Err(e) => return Err(error::write(e)),
    };
    let old = sidecar::Old::hold(bucket, opened.as_fd(), name, key::split(key).1);
    match unlinkat(&opened, name, AtFlags::empty()) {
        Ok(()) => {}
        Err(e) if error::is_missing(e) => return Ok(false),
        Err(e) => return Err(error::write(e)),
    }
    if bucket.is_durable() {
        error::sync(opened.as_fd()).map_err(error::write)?;
    }
    old.forget();
    prune(bucket, folder);
    Ok(true)
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
