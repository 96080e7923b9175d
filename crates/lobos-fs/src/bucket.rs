//! One bucket for the time of one request: its folder, opened, and every way to open something
//! beneath it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use lobos_digest::{Algorithm, Hasher, Together};
use lobos_proto::{BucketName, Code, Error};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::error;
use crate::limit::Limit;
use crate::locks::Locks;
use crate::options::{Durability, EtagMode, Options, Quirks};
use crate::ours::{Has, Ours};
use crate::scratch::{Scratch, Scratches};
use crate::seen::Seen;

/// The folder that is ours, at the root of a bucket.
pub(crate) const OURS: &str = ".lobos";

/// Renames elsewhere in the tree can make a lookup with `..` in a link uncertain; the kernel then
/// asks for another try.
const TRIES: usize = 128;

thread_local! {
    /// The uploads that began on this thread
    static TOGETHER: Together = Together::new();
}

/// What all buckets of a store share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) quirks: Quirks,
    pub(crate) locks: Locks,
    pub(crate) seen: Seen,
    pub(crate) ours: Ours,
    pub(crate) scratches: Scratches,
    /// If objects are counted.
    pub(crate) limit: Option<Arc<Limit>>,
}

/// A bucket and its open folder; cheap to clone.
#[derive(Clone)]
pub(crate) struct Bucket {
    name: BucketName,
    dir: Arc<OwnedFd>,
    /// Device and inode of the folder, if they are known.
    known: Option<(u64, u64)>,
    shared: Arc<Shared>,
}

impl Bucket {
    pub(crate) fn new(name: BucketName, dir: Arc<OwnedFd>, shared: Arc<Shared>) -> Self {
        Self { name, dir, known: None, shared }
    }

    /// With the device and the inode of its folder.
    pub(crate) fn known_as(self, id: Option<(u64, u64)>) -> Self {
        Self { known: id, ..self }
    }

    /// Whether it is the very folder that `other` is.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.dir, &other.dir) || self.id().is_ok_and(|id| other.id() == Ok(id))
    }

    /// Device and inode of its folder.
    pub(crate) fn id(&self) -> Result<(u64, u64), Errno> {
        match self.known {
            Some(id) => Ok(id),
            None => rustix::fs::fstat(self.dir()).map(|stat| (stat.st_dev, stat.st_ino)),
        }
    }

    /// Whether its folder was removed since it was opened.
    pub(crate) fn is_gone(&self) -> bool {
        rustix::fs::fstat(self.dir()).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// A change in it that failed.
    pub(crate) fn failed(&self, errno: Errno) -> Error {
        if matches!(errno, Errno::NOENT | Errno::PERM) && self.is_gone() {
            return Error::new(Code::NoSuchBucket).bucket(self.name.as_str());
        }
        error::write(errno)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &BucketName {
        &self.name
    }

    /// Its folder, open for reading.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// What it shares with the other buckets of the store.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Whether entity tags come from MD5.
    pub(crate) fn has_md5(&self) -> bool {
        self.shared.options.etag == EtagMode::Md5
    }

    /// Whether writes reach the disk before they are acknowledged.
    pub(crate) fn is_durable(&self) -> bool {
        self.shared.options.durability == Durability::Disk
    }

    /// Digests of bytes that come from a client. Where nobody waits for a disk, the event loop
    /// brings them and other uploads in turns: their MD5s go together.
    pub(crate) fn hasher(&self, wanted: impl IntoIterator<Item = Algorithm>) -> Hasher {
        if self.is_durable() {
            return Hasher::new(wanted);
        }
        TOGETHER.with(|others| Hasher::with_others(wanted, others))
    }

    /// Opens what `path` names beneath the bucket, which links cannot leave unless that was asked
    /// for. New files are made with the rights that the umask leaves.
    pub(crate) fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        open_beneath(self.dir(), path, flags, &self.shared.options)
    }

    /// Opens a folder: no slash at either end, and "" is the bucket itself. Every call gives a
    /// description of its own, with its own place in the listing.
    pub(crate) fn folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        self.open(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Opens something in `.lobos`; `path` begins with that. No link is followed there, so that
    /// a tree made by somebody else cannot point our own files elsewhere.
    pub(crate) fn open_ours(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        debug_assert!(path.starts_with(OURS));
        open_with(self.dir(), path, flags, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
    }

    /// What there is in `.lobos` now.
    pub(crate) fn has(&self) -> Has {
        self.shared.ours.of(self.dir())
    }

    /// Opens a folder in `.lobos` and makes it, with its parents, if need be.
    pub(crate) fn make_ours(&self, path: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match self.open_ours(path, flags) {
            Err(Errno::NOENT) => {}
            done => return done,
        }
        let parent = match path.rsplit_once('/') {
            Some((parent, _)) => Some(self.make_ours(parent)?),
            None => None,
        };
        let parent = parent.as_ref().map_or(self.dir(), AsFd::as_fd);
        let name = path.rsplit('/').next().unwrap_or(path);
        match rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
        if self.is_durable() {
            error::sync(parent)?;
        }
        self.open_ours(path, flags)
    }

    /// The folder for uploads that replace something, on the mount of the bucket.
    pub(crate) fn scratch(&self) -> Result<Arc<Scratch>, Errno> {
        self.shared.scratches.of(self)
    }
}

/// Opens `path` beneath `dir`, which links can leave only if the options say so.
pub(crate) fn open_beneath(
    dir: BorrowedFd<'_>,
    path: &str,
    flags: OFlags,
    options: &Options,
) -> Result<OwnedFd, Errno> {
    let mut resolve = ResolveFlags::NO_MAGICLINKS;
    if !options.follow_symlinks {
        resolve |= ResolveFlags::BENEATH;
    }
    open_with(dir, path, flags, resolve)
}

/// Opens `path` beneath `dir`, however often the kernel asks for another try.
pub(crate) fn open_with(
    dir: BorrowedFd<'_>,
    path: impl Arg + Copy,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let mut flags = flags | OFlags::CLOEXEC;
    // openat2 refuses what O_PATH would ignore.
    if !flags.contains(OFlags::PATH) {
        flags |= OFlags::NOCTTY;
    }
    let makes = flags.contains(OFlags::TMPFILE) || flags.contains(OFlags::CREATE);
    let mode = Mode::from_raw_mode(if makes { 0o666 } else { 0 });
    let mut last = Errno::AGAIN;
    for _ in 0..TRIES {
        match openat2(dir, path, flags, mode, resolve) {
            Err(e @ (Errno::AGAIN | Errno::INTR)) => last = e,
            done => return done,
        }
    }
    Err(last)
}
