//! Whether a bucket holds nothing, and removing what is only ours.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat, unlinkat};
use rustix::io::Errno;

use crate::bucket::{Bucket, OURS};
use crate::{folder, key};

/// Removes all that is in the bucket if that is only ours: `.lobos` without objects aside, and
/// folders that we made with nothing in them. `Ok(false)`: there is something else; it stays, and
/// so does everything that is not an empty folder of ours.
pub(crate) fn clear(bucket: &Bucket) -> Result<bool, Errno> {
    if !clear_folder(bucket, "")? {
        return Ok(false);
    }
    let ours = match bucket.open_ours(OURS, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(ours) => ours,
        Err(Errno::NOENT) => return Ok(true),
        Err(e) => return Err(e),
    };
    // Objects first: nothing is lost if one is found.
    if !remove_folders(ours.as_fd(), "aside")? {
        return Ok(false);
    }
    remove_all(ours.as_fd())?;
    match unlinkat(bucket.dir(), OURS, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Removes the folders of ours in `path` that are empty; whether nothing else is left.
fn clear_folder(bucket: &Bucket, path: &str) -> Result<bool, Errno> {
    let fd = bucket.folder(path)?;
    if !path.is_empty() && !folder::may_go(bucket, fd.as_fd(), path) {
        return Ok(false);
    }
    for entry in Dir::read_from(&fd)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if key::is_ours(name.to_bytes(), path.is_empty()) {
            if name.to_bytes().starts_with(key::TEMP.as_bytes()) {
                ignore_missing(unlinkat(&fd, name, AtFlags::empty()))?;
            }
            continue;
        }
        let Ok(name) = name.to_str() else { return Ok(false) };
        if !is_folder(fd.as_fd(), name)? {
            return Ok(false);
        }
        let child = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        if !clear_folder(bucket, &child)? {
            return Ok(false);
        }
        match unlinkat(&fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) => return Ok(false),
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}

/// Removes a tree of folders; `Ok(false)` if a file is in it.
fn remove_folders(parent: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    let fd = match open_folder(parent, name) {
        Ok(fd) => fd,
        Err(Errno::NOENT) => return Ok(true),
        Err(e) => return Err(e),
    };
    for entry in Dir::read_from(&fd)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { return Ok(false) };
        if name == "." || name == ".." {
            continue;
        }
        if !is_folder(fd.as_fd(), name)? || !remove_folders(fd.as_fd(), name)? {
            return Ok(false);
        }
    }
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Removes everything in a folder of ours, without following a link.
fn remove_all(folder: BorrowedFd<'_>) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        match unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => continue,
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(e) => return Err(e),
        }
        let Ok(name) = name.to_str() else { return Err(Errno::NOTEMPTY) };
        remove_all(open_folder(folder, name)?.as_fd())?;
        ignore_missing(unlinkat(folder, name, AtFlags::REMOVEDIR))?;
    }
    Ok(())
}

fn is_folder(folder: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
        // A PUT or DELETE is at work here.
        Err(Errno::NOENT) => Ok(false),
        Err(e) => Err(e),
    }
}

fn open_folder(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn ignore_missing(done: Result<(), Errno>) -> Result<(), Errno> {
    if done == Err(Errno::NOENT) { Ok(()) } else { done }
}
