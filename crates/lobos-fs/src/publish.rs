//! Making an upload visible: as a new file, in the place of an old one, or aside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::MutexGuard;

use lobos_proto::s3::condition::WriteConditions;
use lobos_proto::{Code, Error, Key};
use rustix::fs::{AtFlags, FileType, OFlags, Stat, Timespec, Timestamps, fstat, futimens, statat};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::key::{self, Place};
use crate::locks::Write;
use crate::meta::{Meta, Stamp};
use crate::ours::Has;
use crate::sidecar::{self, Owner};
use crate::temp::Temp;
use crate::{aside, clock, error, folder, locks, object};

/// How often others may change the folders on the way in the middle of it.
pub(crate) const TRIES: usize = 32;

/// An upload that is whole and verified, with its metadata, and that nobody sees.
pub(crate) struct Sealed {
    temp: Temp,
    meta: Meta,
    pub(crate) stamp: Stamp,
    /// Its file was made for it; it is not that of an object which gets another name.
    fresh: bool,
}

impl Sealed {
    /// An object that gets another name. `meta` is kept if its bytes must be copied for that.
    pub(crate) fn of_object(temp: Temp, meta: Meta, stamp: Stamp) -> Self {
        Self { temp, meta, stamp, fresh: false }
    }

    /// Somebody may have removed an object of this name and this inode and left its metadata.
    fn settle(&self, bucket: &Bucket, key: &Key, has: Has) -> Result<(), Error> {
        if !(has.meta && self.fresh && self.meta.is_empty()) {
            return Ok(());
        }
        let owner = Owner { inode: self.stamp.inode, name: key::split(key.as_str()).1 };
        sidecar::forget(bucket, owner).map_err(error::write)
    }
}

/// Where an upload goes.
struct Target {
    folder: String,
    name: String,
    aside: bool,
}

/// What stands in the way.
enum Obstacle {
    /// The folder is not there.
    NoFolder,
    /// What has the name, or is on the way, must stay: the key is kept aside.
    Displaced,
    /// It, or a name on the way, is longer than the file system takes: the same.
    TooLong,
    /// The folder is on another mount than the file.
    OtherMount(OwnedFd),
    Failed(Error),
}

impl From<Errno> for Obstacle {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::NoFolder,
            Errno::NOTDIR | Errno::ISDIR => Self::Displaced,
            Errno::NAMETOOLONG => Self::TooLong,
            e => Self::Failed(error::write(e)),
        }
    }
}

/// The right to change a key, alone.
pub(crate) struct Turn<'b> {
    _threads: MutexGuard<'b, ()>,
    processes: locks::Held,
}

impl Turn<'_> {
    /// What the bucket has, in this turn.
    pub(crate) fn has(&self) -> Has {
        self.processes.has
    }
}

/// Under which terms an object becomes visible.
pub(crate) struct Terms<'t> {
    /// Nothing may have the key.
    pub(crate) absent: bool,
    /// No other process may change the key meanwhile.
    pub(crate) alone: bool,
    /// Called while nobody else changes the key.
    pub(crate) check: &'t dyn Fn() -> Result<(), Error>,
}

/// Waits for the turn to change a key, and then holds the terms against what is there.
pub(crate) fn turn<'b>(
    bucket: &'b Bucket,
    key: &Key,
    terms: &Terms<'_>,
) -> Result<Turn<'b>, Error> {
    let _threads = bucket.shared().locks.lock(bucket, key.as_str());
    let write = if terms.alone { Write::Conditional } else { Write::Plain };
    let held = locks::between_processes(bucket, key.as_str(), write);
    let processes = held.map_err(|e| bucket.failed(e))?;
    (terms.check)()?;
    Ok(Turn { _threads, processes })
}

/// Holds the conditions against what is there now.
pub(crate) fn check(bucket: &Bucket, key: &Key, conditions: &WriteConditions) -> Result<(), Error> {
    if conditions.is_empty() {
        return Ok(());
    }
    let current = object::find_kept(bucket, key)?.map(|found| found.etag);
    conditions.check(current.as_ref()).map_err(|e| e.key(key.as_str()))
}

/// Gives the file its time and its metadata, and the disk if that is wanted.
pub(crate) fn seal(
    bucket: &Bucket,
    key: &Key,
    temp: Temp,
    mut meta: Meta,
) -> Result<Sealed, Error> {
    let now = clock::next();
    let secs = i64::try_from(now / 1_000_000_000).unwrap_or(i64::MAX);
    let modified = Timespec { tv_sec: secs, tv_nsec: (now % 1_000_000_000) as _ };
    // Both, since what is built on libfuse 2 takes one alone for nothing to do.
    let times = Timestamps { last_access: modified, last_modification: modified };
    futimens(temp.file(), &times).map_err(error::write)?;
    // The file system may keep the time less exactly.
    let stamp = Stamp::of(&fstat(temp.file()).map_err(error::write)?);
    let owner = Owner { inode: stamp.inode, name: key::split(key.as_str()).1 };
    if !meta.is_empty() {
        meta.stamp = Some(stamp);
        sidecar::write(bucket, temp.file().as_fd(), owner, key.as_str(), &meta)?;
    }
    if bucket.is_durable() {
        error::sync(temp.file().as_fd()).map_err(error::write)?;
    } else if temp.is_named() {
        // The file systems that keep errors to themselves have no files without a name.
        error::flush(temp.file().as_fd()).map_err(error::write)?;
    }
    Ok(Sealed { temp, meta, stamp, fresh: true })
}

/// Makes it visible in one step, if `absent` only if nothing is there; and what the bucket has. The
/// lock of the key is held.
pub(crate) fn publish(
    bucket: &Bucket,
    key: &Key,
    terms: (bool, Has),
    mut sealed: Sealed,
) -> Result<Stamp, Error> {
    let done = try_publish(bucket, key, terms, &mut sealed);
    if done.is_err() && !sealed.temp.has_landed() {
        forget(bucket, key, &sealed);
    }
    if let (Some(limit), Ok(stamp)) = (&bucket.shared().limit, &done) {
        limit.stored(bucket.name(), key.as_str(), stamp);
    }
    done
}

/// Nothing comes of it: neither does of its metadata.
pub(crate) fn forget(bucket: &Bucket, key: &Key, sealed: &Sealed) {
    let owner = Owner { inode: sealed.stamp.inode, name: key::split(key.as_str()).1 };
    // What cannot be removed is waste that stays.
    let _ = sidecar::forget(bucket, owner);
}

fn try_publish(
    bucket: &Bucket,
    key: &Key,
    (absent, has): (bool, Has),
    sealed: &mut Sealed,
) -> Result<Stamp, Error> {
    let mut target = Target::of(key.as_str());
    sealed.settle(bucket, key, has)?;
    for _ in 0..TRIES {
        match target.try_land(bucket, key, (absent, has), &mut sealed.temp) {
            Ok(()) => {
                target.tidy(bucket, key.as_str(), has)?;
                return Ok(sealed.stamp);
            }
            Err(Obstacle::NoFolder) if bucket.is_gone() => return Err(bucket.failed(Errno::NOENT)),
            Err(Obstacle::NoFolder) => match target.make_folder(bucket) {
                // Gone again, by a DELETE that pruned it.
                Ok(()) | Err(folder::Obstacle::Failed(Errno::NOENT)) => {}
                Err(folder::Obstacle::NotFolder) => target = target.displaced(key.as_str())?,
                Err(folder::Obstacle::Failed(e)) => return Err(error::write(e)),
            },
            Err(Obstacle::TooLong) if target.aside => {
                return Err(error::write(Errno::NAMETOOLONG));
            }
            // A file that has the name by now would hide what is kept aside.
            Err(Obstacle::Displaced | Obstacle::TooLong) if target.is_file(bucket) => {}
            Err(Obstacle::Displaced | Obstacle::TooLong) => {
                target = target.displaced(key.as_str())?;
            }
            Err(Obstacle::OtherMount(folder)) => {
                let place = (folder.as_fd(), target.folder.as_str());
                let copy = sealed.temp.copy_to(bucket, place).map_err(from_io)?;
                let copy = seal(bucket, key, copy, sealed.meta.clone())?;
                forget(bucket, key, sealed);
                *sealed = copy;
                sealed.settle(bucket, key, has)?;
            }
            Err(Obstacle::Failed(error)) => return Err(error),
        }
    }
    Err(Error::new(Code::SlowDown).cause("the folders of the key change all the time"))
}

impl Target {
    fn of(key: &str) -> Self {
        match key::place(key) {
            Place::File(path) => {
                let (folder, name) = key::split(path);
                Self { folder: folder.into(), name: name.into(), aside: false }
            }
            Place::Folder(_) | Place::Aside => Self::aside(key),
        }
    }

    fn aside(key: &str) -> Self {
        let path = aside::path(key);
        let (folder, name) = key::split(&path);
        Self { folder: folder.into(), name: name.into(), aside: true }
    }

    fn displaced(self, key: &str) -> Result<Self, Error> {
        if self.aside {
            return Err(Error::new(Code::InternalError).cause("a foreign entry in .lobos/aside"));
        }
        Ok(Self::aside(key))
    }

    /// Whether a file has the name.
    fn is_file(&self, bucket: &Bucket) -> bool {
        let slash = if self.folder.is_empty() { "" } else { "/" };
        let path = format!("{}{slash}{}", self.folder, self.name);
        let found = (!self.aside).then(|| bucket.open(&path, OFlags::PATH).and_then(fstat));
        found.is_some_and(|stat| stat.is_ok_and(|stat| object::is_regular(stat.st_mode)))
    }

    fn make_folder(&self, bucket: &Bucket) -> Result<(), folder::Obstacle> {
        if self.aside {
            return match bucket.make_ours(&self.folder) {
                Ok(_) => Ok(()),
                Err(e) => Err(folder::Obstacle::Failed(e)),
            };
        }
        folder::make(bucket, &self.folder)
    }

    fn try_land(
        &self,
        bucket: &Bucket,
        key: &Key,
        terms: (bool, Has),
        temp: &mut Temp,
    ) -> Result<(), Obstacle> {
        let opened = match (self.aside, self.folder.as_str()) {
            (true, path) => Some(bucket.open_ours(path, FOLDER_FLAGS)?),
            (false, "") => None,
            (false, path) => Some(bucket.folder(path)?),
        };
        let folder = opened.as_ref().map_or(bucket.dir(), AsFd::as_fd);
        // What was a file the last time is mostly one still, and no new name is to be had.
        let (seen, path) = (&bucket.shared().seen, key.as_str());
        let mark = (!self.aside).then(|| seen.mark(bucket.name().as_str(), path));
        let look = || statat(folder, self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW);
        let old = mark.filter(|mark| seen.has(*mark)).and_then(|_| look().ok());
        let landed = match old.map_or_else(|| temp.land(folder, &self.name), |_| Err(Errno::EXIST))
        {
            Err(Errno::EXIST) => {
                let old = old.map_or_else(look, Ok)?;
                self.replace(bucket, key, terms, temp, (folder, old))
            }
            done => done.map(|()| None).map_err(|e| Obstacle::of_landing(e, folder)),
        };
        if let (Ok(_), Some(mark)) = (&landed, mark) {
            seen.add(mark);
        }
        let old = landed?;
        if bucket.is_durable() {
            error::sync(folder)?;
        }
        // Not before: a power cut can bring back the old object, and then with all that it had.
        old.into_iter().for_each(sidecar::Old::forget);
        Ok(())
    }

    /// Something has the name. A link is replaced and never written through; what is no file
    /// stays where it is. Gives back what is kept of the old object, to be forgotten.
    fn replace(
        &self,
        bucket: &Bucket,
        key: &Key,
        (absent, has): (bool, Has),
        temp: &mut Temp,
        (folder, old): (BorrowedFd<'_>, Stat),
    ) -> Result<Option<sidecar::Old>, Obstacle> {
        let taken = match FileType::from_raw_mode(old.st_mode) {
            FileType::RegularFile => true,
            // A link to nowhere is no object.
            FileType::Symlink => {
                absent && object::find(bucket, key).map_err(Obstacle::Failed)?.is_some()
            }
            _ => return Err(Obstacle::Displaced),
        };
        if absent && taken {
            let failed = Error::new(Code::PreconditionFailed).condition("If-None-Match");
            return Err(Obstacle::Failed(failed.key(key.as_str())));
        }
        let last = key::split(key.as_str()).1;
        let old = has.meta.then(|| sidecar::Old::hold(bucket, folder, &self.name, last));
        let place = (folder, self.folder.as_str());
        temp.replace(bucket, place, &self.name).map_err(|e| match e {
            // This name is taken, so it is a name of ours that cannot be.
            Errno::NOTDIR | Errno::NAMETOOLONG => Obstacle::Failed(error::write(e)),
            e => Obstacle::of_landing(e, folder),
        })?;
        Ok(old)
    }

    /// The key is in one place only.
    fn tidy(&self, bucket: &Bucket, key: &str, has: Has) -> Result<(), Error> {
        if !self.aside {
            return if has.aside { aside::remove(bucket, key).map(drop) } else { Ok(()) };
        }
        match key::place(key) {
            Place::Folder(path) => folder::unmark(bucket, path).map(drop),
            Place::File(_) | Place::Aside => Ok(()),
        }
    }
}

const FOLDER_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

impl Obstacle {
    /// For the errors of a link or rename, where EXDEV means the mount and not a link.
    fn of_landing(errno: Errno, folder: BorrowedFd<'_>) -> Self {
        if errno != Errno::XDEV {
            return errno.into();
        }
        match rustix::io::fcntl_dupfd_cloexec(folder, 0) {
            Ok(folder) => Self::OtherMount(folder),
            Err(e) => Self::Failed(error::write(e)),
        }
    }
}

/// An error of `std`, which holds that of the kernel.
pub(crate) fn from_io(e: std::io::Error) -> Error {
    match Errno::from_io_error(&e) {
        Some(errno) => error::write(errno),
        None => Error::new(Code::InternalError).cause(e),
    }
}
