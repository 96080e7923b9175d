//! Which folders and files a walk may look at, and what it makes of those that it may not.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lobos_proto::{ETag, Timestamp};
use rustix::fs::{AtFlags, FileType, OFlags, RawDir, ResolveFlags, Statx, StatxFlags, statx};
use rustix::io::Errno;

use crate::bucket::{Bucket, open_with};
use crate::error;
use crate::key::{self, Place};
use crate::object::listed_etag;
use crate::snapshot::{Attr, Buffer, Id, Seen};

/// What `stat` is of.
pub(super) fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

/// Opens a folder in `folder` that is no link.
pub(super) fn open_child(folder: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    open_with(folder, name, flags, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

/// Opens the folder of a prefix: empty, or a path with a slash at its end. `None` if no key in it
/// is a path, or nothing is there.
///
/// # Errors
/// Whatever the disk says, and of the bucket itself also that we may not read it.
pub(super) fn open_base(bucket: &Bucket, path: &str) -> Result<Option<OwnedFd>, Errno> {
    let Some(path) = path.strip_suffix('/') else {
        return match bucket.folder("") {
            Err(Errno::NOENT) => Ok(None),
            opened => opened.map(Some),
        };
    };
    let has_dots = path.split('/').any(|segment| segment == "." || segment == "..");
    if has_dots || path.contains('\0') || key::place(path) != Place::File(path) {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match open_with(bucket.dir(), path, flags, resolve) {
        Err(Errno::LOOP) => {}
        other => return present(other),
    }
    // A link is on the way: as in a walk from above, it must not lead to where the path has been.
    let Some(fd) = present(bucket.folder(path))? else { return Ok(None) };
    let mut way = ids_above(bucket, path)?;
    way.push(Id::of(fd.as_fd())?);
    let circle = (1..way.len()).any(|at| way[..at].contains(&way[at]));
    Ok(if circle { None } else { Some(fd) })
}

/// The folders above `path`, from the bucket down; a slash at its end does not matter.
pub(super) fn ids_above(bucket: &Bucket, path: &str) -> Result<Vec<Id>, Errno> {
    let path = path.trim_end_matches('/');
    let mut ids = Vec::new();
    if path.is_empty() {
        return Ok(ids);
    }
    let ends = path.match_indices('/').map(|(slash, _)| slash);
    for end in std::iter::once(0).chain(ends) {
        if let Some(fd) = present(bucket.folder(&path[..end]))? {
            ids.push(Id::of(fd.as_fd())?);
        }
    }
    Ok(ids)
}

/// Whether a file is among the first names in `folder`; only names of up to `room` bytes count.
pub(super) fn glance(
    folder: BorrowedFd<'_>,
    buffer: &mut Buffer,
    room: usize,
) -> Result<bool, Errno> {
    let mut dir = RawDir::new(folder, buffer);
    loop {
        match present(dir.next().transpose())?.flatten() {
            None => return Ok(false),
            Some(entry) if entry.file_type() == FileType::RegularFile => {
                let name = entry.file_name();
                let counts = name.to_str().is_ok_and(|text| text.len() <= room);
                if counts && !key::is_ours(name.to_bytes(), false) {
                    return Ok(true);
                }
            }
            Some(_) => {}
        }
        if dir.is_buffer_empty() {
            return Ok(false);
        }
    }
}

/// What an entry of a folder turns out to be; `full`: with all that a listing says of it.
pub(crate) fn see(
    bucket: &Bucket,
    (folder, id): (BorrowedFd<'_>, Id),
    name: &CStr,
    full: bool,
) -> Option<Seen> {
    match statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) {
        Err(Errno::NOENT | Errno::NOTDIR) => Some(Seen::Gone),
        Err(_) => None,
        Ok(stat) => Some(match file_type(&stat) {
            FileType::RegularFile if full => {
                let etag = listed_etag(bucket, folder, id, name, &stat).ok()?;
                Seen::File(kept(&stat, &etag))
            }
            FileType::RegularFile => Seen::File(Attr::UNKNOWN),
            FileType::Directory => Seen::Folder(Attr::folder(Id::of_statx(&stat))),
            FileType::Symlink => Seen::Link,
            _ => Seen::Gone,
        }),
    }
}

/// What an index keeps of a file. One that has other names may be written to through those, which
/// nobody would tell us.
pub(super) fn kept(stat: &Statx, etag: &ETag) -> Attr {
    let modified = Timestamp::from_unix(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec);
    if stat.stx_nlink == 1 { Attr::file(stat.stx_size, modified, etag) } else { Attr::UNKNOWN }
}

/// A folder that may have been closed, opened again if need be; `None` if it is gone.
pub(super) fn open_again<'f>(
    bucket: &Bucket,
    path: &str,
    folder: &'f mut Option<OwnedFd>,
) -> Result<Option<BorrowedFd<'f>>, Errno> {
    if folder.is_none() {
        *folder = present(bucket.folder(path))?;
    }
    Ok(folder.as_ref().map(AsFd::as_fd))
}

/// `None` for what is not there any more, leads nowhere or out of the bucket, or is not for us to
/// read: it is left out of the listing.
pub(super) fn present<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::ACCESS | Errno::PERM | Errno::STALE) => Ok(None),
        Err(error) if error::is_missing(error) => Ok(None),
        Err(error) => Err(error),
    }
}
