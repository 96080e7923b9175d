//! Who may change a key now: one thread of this process, and for conditional writes one process
//! of this machine.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::key;

/// How many keys can be changed at once. Writes that wait for the disk hold their lock meanwhile:
/// of hundreds of them hardly two may have the same.
const STRIPES: usize = 4096;

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
        self.stripe(stripe(bucket, key))
    }

    /// Those of two keys, in the same order whoever asks: nobody waits for one who waits for him.
    pub(crate) fn lock_both(
        &self,
        bucket: &Bucket,
        keys: [&str; 2],
    ) -> (MutexGuard<'_, ()>, Option<MutexGuard<'_, ()>>) {
        let mut stripes = keys.map(|key| stripe(bucket, key));
        stripes.sort_unstable();
        let [first, second] = stripes;
        (self.stripe(first), (first != second).then(|| self.stripe(second)))
    }

    fn stripe(&self, number: usize) -> MutexGuard<'_, ()> {
        // Nothing is behind the lock that a panic could have left half done.
        self.keys[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while a folder gets its mark, or is seen to have none and removed: an empty folder is
    /// removed only if nobody is about to make it an object. Taken after the lock of a key.
    pub(crate) fn folders(&self) -> MutexGuard<'_, ()> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stripe(bucket: &Bucket, key: &str) -> usize {
    let hash = key::hash(key.as_bytes()) ^ key::hash(bucket.name().as_str().as_bytes());
    usize::try_from((hash ^ (hash >> 32)) % STRIPES as u64).unwrap_or(0)
}

/// Held by a write with If-Match besides the lock of the process, so that it cannot be lost
/// against one of another process. Writes without a condition do not take it.
pub(crate) fn between_processes(bucket: &Bucket, key: &str) -> Result<OwnedFd, Errno> {
    lock_file(bucket, file_number(key))
}

/// Those of two keys, in the same order whoever asks.
pub(crate) fn both_between_processes(
    bucket: &Bucket,
    keys: [&str; 2],
) -> Result<(OwnedFd, Option<OwnedFd>), Errno> {
    let mut numbers = keys.map(file_number);
    numbers.sort_unstable();
    let [first, second] = numbers;
    let held = lock_file(bucket, first)?;
    let other = (first != second).then(|| lock_file(bucket, second)).transpose()?;
    Ok((held, other))
}

fn file_number(key: &str) -> u64 {
    key::hash(key.as_bytes()) % FILES
}

fn lock_file(bucket: &Bucket, number: u64) -> Result<OwnedFd, Errno> {
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
