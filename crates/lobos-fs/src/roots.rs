//! Which directories are buckets, and opening one for a request.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use lobos_proto::op::{BucketInfo, Buckets, CreateBucket, ListBuckets};
use lobos_proto::{BucketName, Code, Error, Timestamp};
use rustix::fs::{
    Access, AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, StatxFlags, accessat, fstat,
    mkdirat, openat2, stat, statx, unlinkat,
};
use rustix::io::Errno;

use crate::bucket::{Bucket, Shared, open_beneath};
use crate::options::{Layout, OpenError};
use crate::{configuration, empty, error};

/// For how long a folder is taken to be the one that its path names. Only a folder that is
/// renamed away is served that much longer; a removed one has nothing to serve.
const TRUST: Duration = Duration::from_millis(20);

/// So many buckets are named to whoever asks for one that is not there.
const NAMED: usize = 10;

/// So many entries of a root are read for that.
const READ: usize = 1000;

/// The directories of a store.
pub(crate) struct Roots {
    kind: Kind,
    shared: Arc<Shared>,
}

enum Kind {
    /// By name.
    Dirs(Vec<(BucketName, Folder)>),
    Root(Folder),
}

/// How sure it must be that a bucket is the folder that its path names now.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sure {
    /// As of a few milliseconds ago: for reading what is found.
    Recently,
    Now,
}

impl Roots {
    pub(crate) fn open(layout: Layout, shared: Shared) -> Result<Self, OpenError> {
        let kind = match layout {
            Layout::Root(path) => Kind::Root(Folder::open(path)?),
            Layout::Dirs(dirs) => {
                let mut named: Vec<(BucketName, Folder)> = Vec::new();
                for (name, path) in dirs {
                    let name = BucketName::new(&name).map_err(|_| {
                        OpenError(format!("{name:?} cannot be the name of a bucket"))
                    })?;
                    if named.iter().any(|(other, _)| *other == name) {
                        let name = name.as_str();
                        return Err(OpenError(format!("two buckets have the name {name:?}")));
                    }
                    named.push((name, Folder::open(path)?));
                }
                named.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                Kind::Dirs(named)
            }
        };
        Ok(Self { kind, shared: Arc::new(shared) })
    }

    /// The bucket with this name.
    pub(crate) fn bucket(&self, name: &BucketName, sure: Sure) -> Result<Bucket, Error> {
        let dir = match &self.kind {
            Kind::Dirs(_) => match self.dir(name) {
                Some(dir) => dir.held(sure).map(|(dir, id)| (dir, Some(id))),
                None => Err(Errno::NOENT),
            },
            Kind::Root(root) => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                let dir = root.fd(sure).and_then(|root| self.beneath(&root, name, flags));
                dir.map(|dir| (Arc::new(dir), None))
            }
        };
        match dir {
            Ok((dir, id)) => {
                Ok(Bucket::new(name.clone(), dir, Arc::clone(&self.shared)).known_as(id))
            }
            Err(e) if error::is_missing(e) => {
                Err(Error::new(Code::NoSuchBucket).bucket(name.as_str()))
            }
            Err(e) => Err(error::read(e).bucket(name.as_str())),
        }
    }

    /// The folders in which this process may make nothing.
    pub(crate) fn locked(&self) -> Vec<PathBuf> {
        let folders: Vec<&Folder> = match &self.kind {
            Kind::Dirs(dirs) => dirs.iter().map(|(_, folder)| folder).collect(),
            Kind::Root(root) => vec![root],
        };
        let may = |folder: &Folder| {
            let wanted = Access::WRITE_OK | Access::EXEC_OK;
            accessat(CWD, &folder.path, wanted, AtFlags::EACCESS)
        };
        let refused = |e| matches!(e, Errno::ACCESS | Errno::ROFS);
        let locked = folders.into_iter().filter(|folder| may(folder).is_err_and(refused));
        locked.map(|folder| folder.path.clone()).collect()
    }

    /// Says more than that there is no such bucket: which there are.
    pub(crate) fn name_others(&self, error: Error) -> Error {
        let mut names = self.some().unwrap_or_default();
        let more = names.len() > NAMED;
        names.truncate(NAMED);
        let sentence = Code::NoSuchBucket.sentence();
        error.message(match (names.is_empty(), more) {
            (true, _) => format!("{sentence} There is none yet."),
            (false, false) => format!("{sentence} There are: {}", names.join(", ")),
            (false, true) => format!("{sentence} There are: {}, and others", names.join(", ")),
        })
    }

    /// The names of some buckets, sorted, one more than [`NAMED`] if there are so many. A root with
    /// very many is not read to its end.
    fn some(&self) -> Result<Vec<String>, Errno> {
        let root = match &self.kind {
            Kind::Dirs(dirs) => {
                return Ok(dirs.iter().map(|(name, _)| name.as_str().into()).collect());
            }
            Kind::Root(root) => root.fd(Sure::Now)?,
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&root)?.take(READ) {
            let entry = entry?;
            let name = entry.file_name().to_str().unwrap_or_default();
            if entry.file_type() == FileType::Directory && BucketName::new(name).is_ok() {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// All that `request` asks for.
    pub(crate) fn list(&self, request: ListBuckets) -> Result<Buckets, Error> {
        let ListBuckets { prefix, after, max, is_paged } = request;
        let mut names = self.names()?;
        names.retain(|name| {
            let name = name.as_str();
            name.starts_with(&prefix) && after.as_deref().is_none_or(|after| name > after)
        });
        let max = max.map_or(usize::MAX, |max| usize::try_from(max).unwrap_or(usize::MAX));
        let mut list = Buckets { prefix, is_paged, ..Buckets::default() };
        if max == 0 {
            return Ok(list);
        }
        for name in names {
            // A folder that cannot be opened is listed no more than one that is gone.
            let Ok(created) = self.created(&name) else { continue };
            if list.buckets.len() == max {
                list.truncated = true;
                break;
            }
            list.buckets.push(BucketInfo { name: name.as_str().into(), created });
        }
        Ok(list)
    }

    /// Makes a bucket.
    pub(crate) fn create(&self, request: &CreateBucket) -> Result<(), Error> {
        let name = &request.bucket;
        let exists = || Error::new(Code::BucketAlreadyOwnedByYou).bucket(name.as_str());
        match self.bucket(name, Sure::Now) {
            Ok(_) => return Err(exists()),
            Err(e) if e.code() == Code::NoSuchBucket => {}
            Err(e) => return Err(e),
        }
        let Kind::Root(root) = &self.kind else { return Err(fixed(name)) };
        if !name.is_valid_for_new() {
            return Err(Error::new(Code::InvalidBucketName).bucket(name.as_str()));
        }
        let root = root.fd(Sure::Now).map_err(error::write)?;
        match mkdirat(&root, name.as_str(), Mode::from_raw_mode(0o777)) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                // Made by another in this moment, or something that is no folder.
                return Err(match self.bucket(name, Sure::Now) {
                    Ok(_) => exists(),
                    Err(_) => Error::new(Code::BucketAlreadyExists).bucket(name.as_str()),
                });
            }
            Err(e) => return Err(error::write(e).bucket(name.as_str())),
        }
        for (kind, document) in &request.configurations {
            let bucket = self.bucket(name, Sure::Now)?;
            if let Err(e) = configuration::write(&bucket, *kind, document) {
                // All of it or nothing.
                let _ = self.delete(name);
                return Err(e);
            }
        }
        self.settle(&root)
    }

    /// Removes a bucket with nothing in it.
    pub(crate) fn delete(&self, name: &BucketName) -> Result<(), Error> {
        let bucket = self.bucket(name, Sure::Now)?;
        let Kind::Root(root) = &self.kind else { return Err(fixed(name)) };
        let not_empty = || Error::new(Code::BucketNotEmpty).bucket(name.as_str());
        if !empty::clear(&bucket).map_err(error::write)? {
            return Err(not_empty());
        }
        let root = root.fd(Sure::Now).map_err(error::write)?;
        match unlinkat(&root, name.as_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::NOTEMPTY | Errno::EXIST) => return Err(not_empty()),
            Err(e) => return Err(error::write(e).bucket(name.as_str())),
        }
        drop(bucket);
        self.shared.scratches.forget_dead();
        self.settle(&root)
    }

    fn settle(&self, root: &OwnedFd) -> Result<(), Error> {
        if self.shared.options.durability == crate::Durability::Disk {
            error::sync(root.as_fd()).map_err(error::write)?;
        }
        Ok(())
    }

    fn dir(&self, name: &BucketName) -> Option<&Folder> {
        let Kind::Dirs(dirs) = &self.kind else { return None };
        let at = dirs.binary_search_by(|(other, _)| other.cmp(name)).ok()?;
        dirs.get(at).map(|(_, folder)| folder)
    }

    /// Opens a bucket in the root, which it may leave through a link only if that was asked for.
    fn beneath(&self, root: &OwnedFd, name: &BucketName, flags: OFlags) -> Result<OwnedFd, Errno> {
        open_beneath(root.as_fd(), name.as_str(), flags, &self.shared.options)
    }

    /// In byte order; some may turn out not to be folders.
    pub(crate) fn names(&self) -> Result<Vec<BucketName>, Error> {
        let root = match &self.kind {
            Kind::Dirs(dirs) => return Ok(dirs.iter().map(|(name, _)| name.clone()).collect()),
            Kind::Root(root) => root.fd(Sure::Now).map_err(error::read)?,
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&root).map_err(error::read)? {
            let entry = entry.map_err(error::read)?;
            // Hidden ones and those that are not UTF-8 are no names of buckets.
            if let Some(name) =
                entry.file_name().to_str().ok().and_then(|n| BucketName::new(n).ok())
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn created(&self, name: &BucketName) -> Result<Timestamp, Errno> {
        let fd = match &self.kind {
            Kind::Dirs(_) => self.dir(name).ok_or(Errno::NOENT)?.fd(Sure::Now)?,
            Kind::Root(root) => {
                let root = root.fd(Sure::Recently)?;
                Arc::new(self.beneath(&root, name, OFlags::PATH | OFlags::DIRECTORY)?)
            }
        };
        let wanted = StatxFlags::BTIME | StatxFlags::MTIME;
        let stat = statx(&fd, "", AtFlags::EMPTY_PATH, wanted)?;
        let has_birth = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
        let time = if has_birth { stat.stx_btime } else { stat.stx_mtime };
        Ok(Timestamp::from_unix(time.tv_sec, time.tv_nsec))
    }
}

fn fixed(name: &BucketName) -> Error {
    Error::new(Code::AccessDenied)
        .bucket(name.as_str())
        .message("The buckets of this server are fixed; --root DIR makes and removes them.")
}

/// A directory of the command line: kept open, and opened again when its path names another.
struct Folder {
    path: PathBuf,
    held: RwLock<Held>,
    born: Instant,
    /// Nanoseconds after `born` at which the path was last seen to name the folder held.
    checked: AtomicU64,
}

struct Held {
    fd: Arc<OwnedFd>,
    id: Id,
}

/// Device and inode.
type Id = (u64, u64);

impl Folder {
    fn open(path: PathBuf) -> Result<Self, OpenError> {
        let shown = path.display().to_string();
        let held = Held::open(&path).map_err(|e| {
            OpenError(match e {
                Errno::NOENT => format!("there is no folder {shown:?}"),
                Errno::NOTDIR => format!("{shown:?} is not a folder"),
                Errno::ACCESS | Errno::PERM => format!("no permission to read {shown:?}"),
                Errno::NOSYS => "this kernel has no openat2: Linux 5.6 or later is needed".into(),
                e => format!("cannot open {shown:?}: {e}"),
            })
        })?;
        // The process may change its working directory later.
        let path = std::path::absolute(&path).unwrap_or(path);
        let (born, checked) = (Instant::now(), AtomicU64::new(0));
        Ok(Self { path, held: RwLock::new(held), born, checked })
    }

    fn fd(&self, sure: Sure) -> Result<Arc<OwnedFd>, Errno> {
        self.held(sure).map(|(fd, _)| fd)
    }

    fn held(&self, sure: Sure) -> Result<(Arc<OwnedFd>, Id), Errno> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let (fd, id) = (Arc::clone(&held.fd), held.id);
        drop(held);
        let now = u64::try_from(self.born.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let trust = u64::try_from(TRUST.as_nanos()).unwrap_or(0);
        let fresh = now.saturating_sub(self.checked.load(Ordering::Relaxed)) < trust;
        if fresh && sure == Sure::Recently {
            return Ok((fd, id));
        }
        let stat = stat(&self.path)?;
        if (stat.st_dev, stat.st_ino) == id {
            self.checked.store(now, Ordering::Relaxed);
            return Ok((fd, id));
        }
        let new = Held::open(&self.path)?;
        let held = (Arc::clone(&new.fd), new.id);
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(held)
    }
}

impl Held {
    fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::empty())?;
        let stat = fstat(&fd)?;
        Ok(Self { fd: Arc::new(fd), id: (stat.st_dev, stat.st_ino) })
    }
}
