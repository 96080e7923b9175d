//! The folder for temporary names: `.lobos/tmp/<id>`, one per process and bucket, locked while
//! the process lives. What a dead process left there is removed when another one starts, or needs
//! such a folder.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, mkdirat, openat};
use rustix::io::Errno;

use crate::bucket::Bucket;
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
        let _ = rustix::fs::unlinkat(&self.parent, &self.name, AtFlags::REMOVEDIR);
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
        let stat = fstat(bucket.dir())?;
        let id = (stat.st_dev, stat.st_ino);
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
        sweep(&parent)?;
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
    sweep(&parent)?;
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
fn sweep(parent: &OwnedFd) -> Result<(), Errno> {
    let mut done = Ok(());
    for_each(parent, |name, folder| {
        if lock(folder.as_fd()) == Lock::Ours {
            done = done.and(empty(&folder));
            let _ = rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
    })?;
    done
}

fn empty(folder: &OwnedFd) -> Result<(), Errno> {
    for entry in Dir::read_from(folder)? {
        // Folders, among them "." and "..", are refused by the kernel.
        let _ = rustix::fs::unlinkat(folder, entry?.file_name(), AtFlags::empty());
    }
    Ok(())
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
