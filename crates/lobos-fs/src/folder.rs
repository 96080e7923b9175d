//! Folders: made where a key needs them, removed when they are ours and empty, and marked when
//! one is itself the object `a/`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lobos_proto::{Code, ETag, Error, Timestamp};
use rustix::fs::{
    AtFlags, Mode, OFlags, Stat, XattrFlags, fgetxattr, fsetxattr, fstat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::meta::{Meta, Stamp};
use crate::object::Found;
use crate::sidecar::{self, Owner, Unread};
use crate::{clock, error, key, warn};

/// On folders that we made; they may be removed when they are empty.
const MADE: &str = "user.lobos.made";

/// Whether the folder is itself the object `path/` (`path` without slashes at its ends), and when
/// it was put.
pub(crate) fn is_marked(
    bucket: &Bucket,
    folder: BorrowedFd<'_>,
    path: &str,
) -> Result<Option<(Timestamp, ETag)>, Errno> {
    let mark = mark(bucket, folder, path)?;
    Ok(mark.map(|(_, stamp, etag)| (stamp.modified(), etag)))
}

/// The object `path/`, if the folder is there and marked.
pub(crate) fn object(bucket: &Bucket, path: &str) -> Result<Option<Found>, Error> {
    let Some(fd) = open(bucket, path)? else { return Ok(None) };
    let mark = mark(bucket, fd.as_fd(), path).map_err(error::read)?;
    let Some((meta, stamp, etag)) = mark else { return Ok(None) };
    Ok(Some(Found { file: None, stamp, meta, etag, aside: false }))
}

/// The folder that is the object `path/`, opened, and what is kept of it.
pub(crate) fn marked(bucket: &Bucket, path: &str) -> Result<Option<(OwnedFd, Meta)>, Error> {
    let Some(fd) = open(bucket, path)? else { return Ok(None) };
    let mark = mark(bucket, fd.as_fd(), path).map_err(error::read)?;
    Ok(mark.map(|(meta, ..)| (fd, meta)))
}

fn open(bucket: &Bucket, path: &str) -> Result<Option<OwnedFd>, Error> {
    match bucket.folder(path) {
        Ok(fd) => Ok(Some(fd)),
        Err(e) => {
            if e == Errno::XDEV {
                warn::warn(&format!("not served, a link leads out of the bucket: {path:?}"));
            }
            if error::is_missing(e) { Ok(None) } else { Err(error::read(e)) }
        }
    }
}

/// The content of `path/` never changes: its tag holds whatever happens in the folder, and its
/// time is that of the PUT and not that of the last change inside.
fn mark(
    bucket: &Bucket,
    fd: BorrowedFd<'_>,
    path: &str,
) -> Result<Option<(Meta, Stamp, ETag)>, Errno> {
    let Some(owner) = owner(bucket, fd)? else { return Ok(None) };
    let meta = match sidecar::read(bucket, fd, owner) {
        Ok(meta) => meta,
        Err(Unread::Gone) => None,
        Err(Unread::Failed(e)) => return Err(e),
    };
    let is_of = |meta: &Meta| meta.key.as_deref().is_none_or(|k| k.strip_suffix('/') == Some(path));
    Ok(meta.filter(is_of).and_then(|meta| {
        let stamp = meta.stamp?;
        let kept = if bucket.has_md5() { meta.md5_etag() } else { None };
        Some((meta, stamp, kept.unwrap_or_else(|| stamp.etag())))
    }))
}

/// The inode is only asked for where metadata is kept by it; elsewhere that would be a call too
/// many per folder of a listing.
fn owner(bucket: &Bucket, fd: BorrowedFd<'_>) -> Result<Option<Owner<'static>>, Errno> {
    let mut one = [0; 1];
    let here = !bucket.shared().quirks.no_xattrs;
    let inode = match fgetxattr(fd, crate::meta::XATTR, &mut one[..]) {
        Err(Errno::NODATA) if here => return Ok(None),
        _ => fstat(fd)?.st_ino,
    };
    Ok(Some(Owner { inode, name: "" }))
}

/// Makes the folder `path` with its parents where they are missing, and marks it as the object
/// `path/`. `None` if that cannot be, since something else has such a name.
pub(crate) fn put(bucket: &Bucket, path: &str, meta: &mut Meta) -> Result<Option<Stamp>, Error> {
    for _ in 0..crate::publish::TRIES {
        match make(bucket, path) {
            Ok(()) => {}
            // Removed again by a DELETE that pruned it.
            Err(Obstacle::Failed(Errno::NOENT)) if !bucket.is_gone() => continue,
            Err(Obstacle::NotFolder) => return Ok(None),
            Err(Obstacle::Failed(e)) => return Err(bucket.failed(e)),
        }
        let locked = bucket.shared().locks.folders();
        let fd = match bucket.folder(path) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => continue,
            Err(Errno::NOTDIR) => return Ok(None),
            Err(e) => return Err(error::write(e)),
        };
        let inode = fstat(&fd).map_err(error::write)?.st_ino;
        let stamp = Stamp { mtime: clock::next(), size: 0, inode };
        meta.stamp = Some(stamp);
        let owner = Owner { inode, name: "" };
        sidecar::write(bucket, fd.as_fd(), owner, &format!("{path}/"), meta)?;
        // Another process may have removed the folder since it was opened.
        if fstat(&fd).map_err(error::write)?.st_nlink > 0 {
            // With its mark nobody removes it. Others need not wait for the disk.
            drop(locked);
            if bucket.is_durable() {
                error::sync(fd.as_fd()).map_err(error::write)?;
            }
            return Ok(Some(stamp));
        }
    }
    Err(Error::new(Code::SlowDown))
}

/// Takes the mark off the folder `path`, if it is there; the folder stays, and is given back with
/// whether it had a mark.
pub(crate) fn unmark(bucket: &Bucket, path: &str) -> Result<Option<(OwnedFd, bool)>, Error> {
    let fd = match bucket.folder(path) {
        Ok(fd) => fd,
        Err(e) if error::is_missing(e) => return Ok(None),
        Err(e) => return Err(error::write(e)),
    };
    if mark(bucket, fd.as_fd(), path).map_err(error::write)?.is_none() {
        return Ok(Some((fd, false)));
    }
    let inode = fstat(&fd).map_err(error::write)?.st_ino;
    sidecar::remove(bucket, fd.as_fd(), Owner { inode, name: "" }).map_err(error::write)?;
    if bucket.is_durable() {
        error::sync(fd.as_fd()).map_err(error::write)?;
    }
    Ok(Some((fd, true)))
}

/// Why a folder could not be made.
#[derive(Debug)]
pub(crate) enum Obstacle {
    /// On the way is something that is no folder.
    NotFolder,
    Failed(Errno),
}

/// Makes the folder `path` and its parents where they are missing, and marks those as ours.
pub(crate) fn make(bucket: &Bucket, path: &str) -> Result<(), Obstacle> {
    match bucket.open(path, OFlags::PATH | OFlags::DIRECTORY) {
        Ok(_) => return Ok(()),
        Err(Errno::NOENT) => {}
        Err(e) => return Err(obstacle(e)),
    }
    let (parent, name) = key::split(path);
    if !parent.is_empty() {
        make(bucket, parent)?;
    }
    let holder = bucket.folder(if parent.is_empty() { "." } else { parent }).map_err(obstacle)?;
    let made = match rustix::fs::mkdirat(&holder, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(e) => return Err(obstacle(e)),
    };
    if bucket.is_durable() {
        error::sync(holder.as_fd()).map_err(Obstacle::Failed)?;
    }
    match bucket.folder(path) {
        Ok(folder) if made => mark_made(bucket, &folder).map_err(Obstacle::Failed),
        Ok(_) => Ok(()),
        Err(e) => Err(obstacle(e)),
    }
}

/// Where there are no attributes the folder stays for ever.
fn mark_made(bucket: &Bucket, folder: &OwnedFd) -> Result<(), Errno> {
    if bucket.shared().quirks.no_xattrs {
        return Ok(());
    }
    match fsetxattr(folder, MADE, &[], XattrFlags::empty()) {
        // It can also be gone again, or somebody else's who came between.
        Err(Errno::OPNOTSUPP | Errno::NOENT | Errno::PERM | Errno::ACCESS) => Ok(()),
        done => done,
    }
}

fn obstacle(errno: Errno) -> Obstacle {
    match errno {
        Errno::NOTDIR => Obstacle::NotFolder,
        e => Obstacle::Failed(e),
    }
}

/// Whether an open folder is the one that has this name.
fn is_at(folder: BorrowedFd<'_>, holder: BorrowedFd<'_>, name: &str) -> bool {
    let named = statat(holder, name, AtFlags::SYMLINK_NOFOLLOW);
    let same = |named: Stat, own: Stat| (named.st_dev, named.st_ino) == (own.st_dev, own.st_ino);
    named.is_ok_and(|named| fstat(folder).is_ok_and(|own| same(named, own)))
}

/// Whether we made the folder and it is not an object itself.
pub(crate) fn may_go(bucket: &Bucket, folder: BorrowedFd<'_>, path: &str) -> bool {
    is_made(bucket, folder) && mark(bucket, folder, path).is_ok_and(|mark| mark.is_none())
}

fn is_made(bucket: &Bucket, folder: BorrowedFd<'_>) -> bool {
    !bucket.shared().quirks.no_xattrs && fgetxattr(folder, MADE, &mut [0; 1][..]).is_ok()
}

/// Removes the folder `path`, opened as `folder`, and its parents, as far as they are ours and
/// empty. Never fails: a folder that stays is no harm.
pub(crate) fn prune(bucket: &Bucket, folder: OwnedFd, path: &str) {
    let (mut path, mut folder) = (path, folder);
    while !path.is_empty() {
        // Asked for first without the lock: most folders are not ours.
        if !is_made(bucket, folder.as_fd()) {
            return;
        }
        let (parent, name) = key::split(path);
        let Ok(holder) = bucket.folder(parent) else { return };
        let locked = bucket.shared().locks.folders();
        // Somebody may have removed it and made another one of this name, with a mark.
        let goes = is_at(folder.as_fd(), holder.as_fd(), name)
            && may_go(bucket, folder.as_fd(), path)
            && unlinkat(&holder, name, AtFlags::REMOVEDIR).is_ok();
        drop(locked);
        if !goes {
            return;
        }
        if bucket.is_durable() && error::sync(holder.as_fd()).is_err() {
            return;
        }
        (path, folder) = (parent, holder);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lobos_proto::BucketName;

    use super::*;
    use crate::bucket::Shared;
    use crate::locks::Locks;
    use crate::options::{Options, Quirks};
    use crate::ours::Ours;
    use crate::scratch::Scratches;
    use crate::seen::Seen;

    #[test]
    fn another_folder_of_the_name_stays() {
        // A DELETE that has an empty folder open removes that one and no other: one that was
        // made anew under its name meanwhile, and is an object itself, stays.
        let dir = tempfile::tempdir().unwrap();
        let (options, quirks) = (Options::default(), Quirks::default());
        let (locks, seen, scratches) = (Locks::new(), Seen::new(), Scratches::new());
        let ours = Ours::default();
        let shared =
            Arc::new(Shared { options, quirks, locks, seen, ours, scratches, limit: None });
        let opened = Arc::new(OwnedFd::from(std::fs::File::open(dir.path()).unwrap()));
        let bucket = Bucket::new(BucketName::new("bucket").unwrap(), opened, shared);
        make(&bucket, "a").unwrap();
        let old = bucket.folder("a").unwrap();
        std::fs::remove_dir(dir.path().join("a")).unwrap();
        assert!(put(&bucket, "a", &mut Meta::default()).unwrap().is_some());
        prune(&bucket, old, "a");
        assert!(object(&bucket, "a").unwrap().is_some());
        make(&bucket, "b").unwrap();
        prune(&bucket, bucket.folder("b").unwrap(), "b");
        assert!(!dir.path().join("b").exists());
    }
}
