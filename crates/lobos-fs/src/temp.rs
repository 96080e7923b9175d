//! The file of an upload before it is an object: without a name where the kernel can do that,
//! else with a temporary one. Dropped, it is gone.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::key::{self, TEMP};
use crate::scratch::{Note, Scratch};

/// Such a file, open for writing and reading.
pub(crate) struct Temp {
    file: File,
    name: Option<Name>,
    landed: bool,
}

/// Where a temporary name is.
struct Name {
    folder: Holder,
    name: String,
    kept: Option<Kept>,
    /// What tells a later process of it, if it is elsewhere than in `.lobos`.
    _note: Option<Note>,
}

/// It stays where it is until it gets its name.
#[derive(Clone, Copy)]
struct Kept {
    /// It is taken to be on a mount of its own.
    elsewhere: bool,
}

impl Name {
    fn check_mount(&self) -> Result<(), Errno> {
        if self.kept.is_some_and(|kept| kept.elsewhere) { Err(Errno::XDEV) } else { Ok(()) }
    }
}

enum Holder {
    Scratch(Arc<Scratch>),
    Beside(OwnedFd),
}

impl AsFd for Holder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Scratch(scratch) => scratch.as_fd(),
            Self::Beside(folder) => folder.as_fd(),
        }
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if let Some(name) = self.name.as_ref().filter(|name| name.kept.is_none()) {
            let _ = unlinkat(&name.folder, &name.name, AtFlags::empty());
        }
    }
}

impl Temp {
    /// In the folder at `path`, or in the nearest one above that exists: so it is most likely on
    /// the mount where it will get its name.
    pub(crate) fn near(bucket: &Bucket, path: &str) -> Result<Self, Errno> {
        let mut folder = path;
        while !bucket.shared().quirks.no_tmpfile {
            let here = if folder.is_empty() { "." } else { folder };
            match bucket.open(here, OFlags::TMPFILE | OFlags::RDWR) {
                Ok(fd) => return Ok(Self { file: File::from(fd), name: None, landed: false }),
                // ENOTDIR: the key will be kept aside. EPERM: ext4's word for a folder that is
                // removed in this moment.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::PERM) if !folder.is_empty() => {
                    folder = key::split(folder).0;
                }
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => break,
                Err(e) => return Err(e),
            }
        }
        let mut scratch = bucket.scratch()?;
        let named = |scratch| Self::named(Holder::Scratch(scratch), unique(bucket), None);
        let mut made = named(Arc::clone(&scratch));
        if made.as_ref().err() == Some(&Errno::NOENT) {
            bucket.shared().scratches.forget_dead();
            scratch = bucket.scratch()?;
            made = named(scratch);
        }
        made
    }

    /// In exactly this folder, which is at `path` beneath the bucket, for the mount that it is on.
    pub(crate) fn within(
        bucket: &Bucket,
        (folder, path): (BorrowedFd<'_>, &str),
    ) -> Result<Self, Errno> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        if !bucket.shared().quirks.no_tmpfile
            && let Ok(fd) = openat(folder, ".", flags, Mode::from_raw_mode(0o666))
        {
            return Ok(Self { file: File::from(fd), name: None, landed: false });
        }
        let (folder, name) = (rustix::io::fcntl_dupfd_cloexec(folder, 0)?, unique(bucket));
        let note = Note::leave(bucket, path, &name);
        Self::named(Holder::Beside(folder), name, note)
    }

    fn named(folder: Holder, name: String, _note: Option<Note>) -> Result<Self, Errno> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let fd = openat(&folder, &name, flags, Mode::from_raw_mode(0o666))?;
        Ok(Self {
            file: File::from(fd),
            name: Some(Name { folder, name, kept: None, _note }),
            landed: false,
        })
    }

    /// The file `name` in `folder`, which stays there until it gets its name.
    pub(crate) fn kept(bucket: &Bucket, file: OwnedFd, folder: OwnedFd, name: String) -> Self {
        let elsewhere = bucket.shared().quirks.no_scratch;
        Self::named_already(File::from(file), folder, name, Kept { elsewhere })
    }

    /// The object `name` in `folder`, opened as `file`: what lands then is the object itself, and
    /// it loses its old name in the same step.
    pub(crate) fn of_object(file: File, folder: OwnedFd, name: &str) -> Self {
        Self::named_already(file, folder, name.to_owned(), Kept { elsewhere: false })
    }

    fn named_already(file: File, folder: OwnedFd, name: String, kept: Kept) -> Self {
        let folder = Holder::Beside(folder);
        let name = Name { folder, name, kept: Some(kept), _note: None };
        Self { file, name: Some(name), landed: false }
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The same bytes in a new file on the mount of a folder, which is at a path.
    pub(crate) fn copy_to(
        &mut self,
        bucket: &Bucket,
        folder: (BorrowedFd<'_>, &str),
    ) -> std::io::Result<Self> {
        let mut copy = Self::within(bucket, folder)?;
        self.file.seek(SeekFrom::Start(0))?;
        std::io::copy(&mut self.file, &mut copy.file)?;
        Ok(copy)
    }

    /// Whether it has a temporary name.
    pub(crate) fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Whether it has its name.
    pub(crate) fn has_landed(&self) -> bool {
        self.landed
    }

    /// Gives it the name `name` in `folder`, in one step.
    ///
    /// # Errors
    /// EEXIST if anything has that name already, ENOENT if the folder is removed, EXDEV if it is
    /// on another mount.
    pub(crate) fn land(&mut self, folder: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        self.try_land(folder, name)?;
        self.landed = true;
        Ok(())
    }

    fn try_land(&mut self, folder: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        let Some(old) = &self.name else { return link(&self.file, folder, name) };
        old.check_mount()?;
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&old.folder, &old.name, folder, name, flags) {
            // A file system, or a kernel, that cannot.
            Err(Errno::INVAL | Errno::NOSYS) => {
                match linkat(&old.folder, &old.name, folder, name, AtFlags::empty()) {
                    // It has no hard links either. The lock of the key is all there is then.
                    Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS) => {
                        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                            Ok(_) => return Err(Errno::EXIST),
                            Err(Errno::NOENT) => {}
                            Err(e) => return Err(e),
                        }
                        renameat(&old.folder, &old.name, folder, name)?;
                        self.name = None;
                    }
                    done => {
                        done?;
                        // Any other name goes when this is dropped.
                        if old.kept.is_some() {
                            unlinkat(&old.folder, &old.name, AtFlags::empty())?;
                        }
                    }
                }
            }
            Err(e) => return Err(e),
            Ok(()) => self.name = None,
        }
        Ok(())
    }

    /// As [`Temp::land`], in the place of the file that has the name now. The folder is at `path`
    /// beneath the bucket.
    pub(crate) fn replace(
        &mut self,
        bucket: &Bucket,
        (folder, path): (BorrowedFd<'_>, &str),
        name: &str,
    ) -> Result<(), Errno> {
        if self.name.is_none() {
            self.name = Some(self.name_for_rename(bucket, (folder, path))?);
        }
        let Some(old) = &self.name else { return Err(Errno::NOENT) };
        old.check_mount()?;
        renameat(&old.folder, &old.name, folder, name)?;
        (self.name, self.landed) = (None, true);
        Ok(())
    }

    /// A temporary name in `.lobos`, or beside the target if that is on another mount.
    fn name_for_rename(
        &self,
        bucket: &Bucket,
        (folder, path): (BorrowedFd<'_>, &str),
    ) -> Result<Name, Errno> {
        let name = unique(bucket);
        for _ in 0..2 {
            if bucket.shared().quirks.no_scratch {
                break;
            }
            let scratch = bucket.scratch()?;
            match link(&self.file, scratch.as_fd(), &name) {
                Ok(()) => {
                    let folder = Holder::Scratch(scratch);
                    return Ok(Name { folder, name, kept: None, _note: None });
                }
                // Somebody has removed `.lobos`.
                Err(Errno::NOENT) => bucket.shared().scratches.forget_dead(),
                Err(Errno::XDEV) => break,
                Err(e) => return Err(e),
            }
        }
        let _note = Note::leave(bucket, path, &name);
        link(&self.file, folder, &name)?;
        let folder = Holder::Beside(rustix::io::fcntl_dupfd_cloexec(folder, 0)?);
        Ok(Name { folder, name, kept: None, _note })
    }
}

/// A temporary name that nobody else uses.
fn unique(bucket: &Bucket) -> String {
    format!("{TEMP}{}", bucket.shared().scratches.unique())
}

/// Whether the way through /proc is the one that works here: before Linux 6.10 the other one
/// needs CAP_DAC_READ_SEARCH and says ENOENT without.
static THROUGH_PROC: AtomicBool = AtomicBool::new(false);

/// Gives a file without a name its first one.
fn link(file: &File, folder: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let proc_first = THROUGH_PROC.load(Ordering::Relaxed);
    let by = |through_proc: bool| {
        if through_proc {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            linkat(CWD, path, folder, name, AtFlags::SYMLINK_FOLLOW)
        } else {
            linkat(file, "", folder, name, AtFlags::EMPTY_PATH)
        }
    };
    match by(proc_first) {
        Err(Errno::NOENT) => {
            // If the folder itself is gone the other way says so too.
            by(!proc_first)?;
            THROUGH_PROC.store(!proc_first, Ordering::Relaxed);
            Ok(())
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        // A file without a name gets one by either way, nothing is replaced, and a folder that is
        // gone is ENOENT.
        let dir = tempfile::tempdir().unwrap();
        let folder = File::open(dir.path()).unwrap();
        let open = || {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            File::from(openat(&folder, ".", flags, Mode::from_raw_mode(0o600)).unwrap())
        };
        for through_proc in [true, false] {
            THROUGH_PROC.store(through_proc, Ordering::Relaxed);
            let name = format!("{through_proc}");
            link(&open(), folder.as_fd(), &name).unwrap();
            assert_eq!(std::fs::read(dir.path().join(&name)).unwrap(), b"");
            assert_eq!(link(&open(), folder.as_fd(), &name), Err(Errno::EXIST));
        }
        let last = open();
        drop(dir);
        assert_eq!(link(&last, folder.as_fd(), "a"), Err(Errno::NOENT));
    }
}
