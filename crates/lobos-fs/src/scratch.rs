//! The folder for temporary names: `.lobos/tmp/<id>`, one per process and bucket, locked while
//! the process lives. What a dead process left there is removed when another one starts, or needs
//! such a folder; and so are temporary files that are elsewhere, on mounts inside the bucket, of
//! which a link of the same name tells here: it leads to the folder that such a file is in.

use std::collections::HashMap;
use std::ffi::CStr;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat, readlinkat,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::bucket::{Bucket, OURS};
use crate::key::TEMP;
use crate::sidecar;

const FOLDER: &str = ".lobos/tmp";

/// How often another process may take our new folder for that of a dead one.
const TRIES: usize = 16;

/// One such folder; removed when the store is dropped.
pub(crate) struct Scratch {
    folder: OwnedFd,
    parent: OwnedFd,
    name: String,
}

impl AsFd for Scratch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // If it is not empty or gone: the next process cleans up.
        let _ = unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR);
    }
}

/// Tells of a temporary file elsewhere, from before it is made until after it is gone.
pub(crate) struct Note {
    scratch: Arc<Scratch>,
    name: String,
}

impl Note {
    /// Of the file `name` in the folder `path` beneath the bucket. `None` where it cannot be kept:
    /// if this process dies then that file is waste that stays.
    pub(crate) fn leave(bucket: &Bucket, path: &str, name: &str) -> Option<Self> {
        let path = if path.is_empty() { "." } else { path };
        let leave = || {
            let scratch = bucket.scratch()?;
            symlinkat(path, &scratch, name)?;
            Ok(Self { scratch, name: name.to_owned() })
        };
        let left = match leave() {
            // Somebody has removed `.lobos`.
            Err(Errno::NOENT) => {
                bucket.shared().scratches.forget_dead();
                leave()
            }
            left => left,
        };
        left.ok()
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = unlinkat(&self.scratch, &self.name, AtFlags::empty());
    }
}

/// Those of all buckets, by device and inode of the bucket.
pub(crate) struct Scratches {
    id: String,
    count: AtomicU64,
    known: Mutex<HashMap<(u64, u64), Arc<Scratch>>>,
}

impl Scratches {
    pub(crate) fn new() -> Self {
        let mut random = RandomState::new().build_hasher();
        random.write_u32(std::process::id());
        let id = format!("{:016x}", random.finish());
        Self { id, count: AtomicU64::new(0), known: Mutex::default() }
    }

    /// A name that nobody else uses, in any process.
    pub(crate) fn unique(&self) -> String {
        format!("{}-{:x}", self.id, self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// That of this bucket, made if need be.
    pub(crate) fn of(&self, bucket: &Bucket) -> Result<Arc<Scratch>, Errno> {
        let id = bucket.id()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scratch) = known.get(&id) {
            return Ok(Arc::clone(scratch));
        }
        known.retain(|_, scratch| is_alive(scratch.as_fd()));
        let scratch = Arc::new(self.make(bucket)?);
        known.insert(id, Arc::clone(&scratch));
        Ok(scratch)
    }

    /// Forgets those whose folder somebody has removed.
    pub(crate) fn forget_dead(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, scratch| is_alive(scratch.as_fd()));
    }

    fn make(&self, bucket: &Bucket) -> Result<Scratch, Errno> {
        let parent = bucket.make_ours(FOLDER)?;
        sweep(bucket, &parent)?;
        for _ in 0..TRIES {
            let name = self.unique();
            mkdirat(&parent, &name, Mode::from_raw_mode(0o777))?;
            let folder = match open_folder(parent.as_fd(), &name) {
                Ok(folder) => folder,
                Err(Errno::NOENT) => continue,
                Err(e) => return Err(e),
            };
            if lock(folder.as_fd()) != Lock::Other && is_alive(folder.as_fd()) {
                return Ok(Scratch { folder, parent, name });
            }
        }
        Err(Errno::AGAIN)
    }
}

/// Removes what processes that died have left in the bucket. One look if there is nothing.
pub(crate) fn clean(bucket: &Bucket) -> Result<(), Errno> {
    let parent = match bucket.open_ours(FOLDER, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(parent) => parent,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e),
    };
    sweep(bucket, &parent)?;
    let is_alone = || {
        let mut alone = true;
        for_each(&parent, |_, folder| alone &= lock(folder.as_fd()) == Lock::Ours)?;
        Ok(alone)
    };
    if is_alone()? { sidecar::remove_orphans(bucket, is_alone) } else { Ok(()) }
}

/// Whether the folder still has a name.
fn is_alive(folder: BorrowedFd<'_>) -> bool {
    fstat(folder).is_ok_and(|stat| stat.st_nlink > 0)
}

fn open_folder(parent: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

#[derive(PartialEq, Eq)]
enum Lock {
    Ours,
    Other,
    /// The file system has no locks: nobody can tell whose it is.
    None,
}

fn lock(folder: BorrowedFd<'_>) -> Lock {
    match flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Lock::Ours,
        Err(Errno::WOULDBLOCK) => Lock::Other,
        Err(_) => Lock::None,
    }
}

/// Removes the folders of dead processes, whose locks ended with them.
fn sweep(bucket: &Bucket, parent: &OwnedFd) -> Result<(), Errno> {
    let mut done = Ok(());
    for_each(parent, |name, folder| {
        if lock(folder.as_fd()) == Lock::Ours {
            done = done.and(empty(bucket, &folder));
            let _ = unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    })?;
    done
}

fn empty(bucket: &Bucket, folder: &OwnedFd) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes().starts_with(TEMP.as_bytes()) {
            // First what it tells of, since this may be killed, too.
            let _ = remove_noted(bucket, folder, name);
        }
        // Folders, among them "." and "..", are refused by the kernel.
        let _ = unlinkat(folder, name, AtFlags::empty());
    }
    Ok(())
}

/// Whatever a link here says, only a temporary file beneath the bucket is removed.
fn remove_noted(bucket: &Bucket, folder: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let path = readlinkat(folder, name, Vec::new())?;
    let path = path.to_str().map_err(|_| Errno::ILSEQ)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let holder = match path.starts_with(OURS) {
        true => bucket.open_ours(path, flags)?,
        false => bucket.open(path, flags)?,
    };
    unlinkat(holder, name, AtFlags::empty())
}

/// Opens each folder in `.lobos/tmp`.
fn for_each(parent: &OwnedFd, mut visit: impl FnMut(&str, OwnedFd)) -> Result<(), Errno> {
    for entry in Dir::read_from(parent)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name != "."
            && name != ".."
            && let Ok(folder) = open_folder(parent.as_fd(), name)
        {
            visit(name, folder);
        }
    }
    Ok(())
}
