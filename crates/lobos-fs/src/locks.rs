//! Who may change a key now: one thread of this process, and while one writes under a condition, or
//! changes what is kept of an object, one process of this machine.

use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::ours::Has;
use crate::{error, key};

/// How many keys can be changed at once. Writes that wait for the disk hold their lock meanwhile:
/// of hundreds of them hardly two may have the same.
const STRIPES: usize = 4096;

/// How many lock files a bucket has at most.
const FILES: u64 = 64;

/// The folder of the files that are locked.
pub(crate) const FOLDER: &str = ".lobos/lock";

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

/// Held besides the lock of the process, where anybody has ever written under a condition.
pub(crate) struct Held {
    _files: [Option<OwnedFd>; 2],
    /// What the bucket has since then.
    pub(crate) has: Has,
}

/// Whether what is written depends on what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// With If-Match, say, or of tags, which are a part of what is there: no other process may
    /// change the key between the look and the write.
    Conditional,
    /// As it comes: it need only wait for those. Where there has never been one it costs nothing,
    /// and may miss the very first one of a bucket.
    Plain,
}

/// The lock between processes.
pub(crate) fn between_processes(bucket: &Bucket, key: &str, write: Write) -> Result<Held, Errno> {
    hold(bucket, &[file_number(key)], write)
}

/// Those of two keys, in the same order whoever asks.
pub(crate) fn both_between_processes(
    bucket: &Bucket,
    keys: [&str; 2],
    write: Write,
) -> Result<Held, Errno> {
    let mut numbers = keys.map(file_number);
    numbers.sort_unstable();
    let [first, second] = numbers;
    hold(bucket, if first == second { &numbers[..1] } else { &numbers }, write)
}

fn hold(bucket: &Bucket, numbers: &[u64], write: Write) -> Result<Held, Errno> {
    let has = bucket.has();
    let mut files = [None, None];
    if write == Write::Plain && !has.locks {
        return Ok(Held { _files: files, has });
    }
    for (file, number) in files.iter_mut().zip(numbers) {
        *file = lock_file(bucket, *number, write)?;
    }
    // That may have taken its time.
    let has = if files[0].is_some() { bucket.has() } else { has };
    Ok(Held { _files: files, has })
}

fn file_number(key: &str) -> u64 {
    key::hash(key.as_bytes()) % FILES
}

fn lock_file(bucket: &Bucket, number: u64, write: Write) -> Result<Option<OwnedFd>, Errno> {
    let path = format!("{FOLDER}/{number:02}");
    let (file, operation) = match write {
        Write::Conditional => {
            bucket.make_ours(FOLDER)?;
            let file = bucket.open_ours(&path, OFlags::RDWR | OFlags::CREATE)?;
            (file, FlockOperation::LockExclusive)
        }
        Write::Plain => match open_for_plain(bucket, &path)? {
            Some(file) => (file, FlockOperation::LockShared),
            None => return Ok(None),
        },
    };
    wait(&file, operation)?;
    Ok(Some(file))
}

/// Also a plain write makes the file where there is the folder: else it could miss who writes under
/// a condition as the first one in that file. `None` if the folder is gone, or nothing can be made
/// there; then there is still room for who removes something.
fn open_for_plain(bucket: &Bucket, path: &str) -> Result<Option<OwnedFd>, Errno> {
    let refused = |e| {
        let errnos = [Errno::ACCESS, Errno::PERM, Errno::ROFS, Errno::NOSPC, Errno::DQUOT];
        errnos.contains(&e) || error::is_missing(e)
    };
    match bucket.open_ours(path, OFlags::RDONLY) {
        Err(Errno::NOENT) => match bucket.open_ours(path, OFlags::RDONLY | OFlags::CREATE) {
            Err(e) if refused(e) => Ok(None),
            made => made.map(Some),
        },
        Err(e) if error::is_missing(e) => Ok(None),
        opened => opened.map(Some),
    }
}

/// Waits for the lock of an open file. It ends when the file is closed, also by a process that
/// dies. A file system without locks is taken as it is.
pub(crate) fn exclusively(file: &OwnedFd) -> Result<(), Errno> {
    wait(file, FlockOperation::LockExclusive)
}

fn wait(file: &OwnedFd, operation: FlockOperation) -> Result<(), Errno> {
    loop {
        match flock(file, operation) {
            Err(Errno::INTR) => {}
            Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
}
