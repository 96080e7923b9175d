//! Who may change a key now: one thread of this process, and for conditional writes one process
//! of this machine.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::key;

/// How many keys can be changed at once; where writes wait for the disk they hold a lock for it.
const STRIPES: usize = 512;

/// How many lock files a bucket has at most.
const FILES: u64 = 64;

const FOLDER: &str = ".lobos/lock";

/// One lock for all keys with the same hash, and one for what becomes of folders.
pub(crate) struct Locks {
    keys: [Mutex<()>; STRIPES],
    folders: Mutex<()>,
}

impl Locks {
    pub(crate) fn new() -> Self {
        Self { keys: [const { Mutex::new(()) }; STRIPES], folders: Mutex::new(()) }
    }

    /// Held while a key is looked at and changed. The work is a few system calls.
    pub(crate) fn lock(&self, bucket: &Bucket, key: &str) -> MutexGuard<'_, ()> {
        let hash = key::hash(key.as_bytes()) ^ key::hash(bucket.name().as_str().as_bytes());
        let stripe = usize::try_from((hash ^ (hash >> 32)) % STRIPES as u64).unwrap_or(0);
        // Nothing is behind the lock that a panic could have left half done.
        self.keys[stripe].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while a folder gets its mark, or is seen to have none and removed: an empty folder is
    /// removed only if nobody is about to make it an object. Taken after the lock of a key.
    pub(crate) fn folders(&self) -> MutexGuard<'_, ()> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by a write with If-Match besides the lock of the process, so that it cannot be lost
/// against one of another process. Writes without a condition do not take it.
pub(crate) fn between_processes(bucket: &Bucket, key: &str) -> Result<OwnedFd, Errno> {
    let number = key::hash(key.as_bytes()) % FILES;
    bucket.make_ours(FOLDER)?;
    let file = bucket.open_ours(&format!("{FOLDER}/{number:02}"), OFlags::RDWR | OFlags::CREATE)?;
    exclusively(&file)?;
    Ok(file)
}

/// Waits for the lock of an open file. It ends when the file is closed, also by a process that
/// dies. A file system without locks is taken as it is.
pub(crate) fn exclusively(file: &OwnedFd) -> Result<(), Errno> {
    loop {
        match flock(file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}
