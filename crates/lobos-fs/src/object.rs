//! Finding an object: open it, see that it is a file, read what is known of it.

use std::borrow::Cow;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use lobos_proto::{Code, ETag, Error, Key, ObjectInfo, Source};
use rustix::fs::{AtFlags, FileType, OFlags, Statx, StatxFlags, fstat, statat, statx};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::key::{self, Place};
use crate::meta::{Meta, Stamp};
use crate::seen::{Known, Look};
use crate::sidecar::{self, Before, Owner, Unread};
use crate::snapshot::Id;
use crate::{aside, bytes, clock, error, folder, mime, readers, warn};

/// An object, opened: what is known of it and its bytes belong together whatever happens to the
/// key afterwards.
pub(crate) struct Object {
    pub(crate) info: ObjectInfo,
    pub(crate) source: Box<dyn Source>,
    /// The multipart upload that its bytes came by.
    pub(crate) upload: Option<String>,
}

/// An object as it is kept.
pub(crate) struct Found {
    /// Open for reading; `None` for the folder that a key `a/` without bytes is.
    pub(crate) file: Option<File>,
    pub(crate) stamp: Stamp,
    pub(crate) meta: Meta,
    pub(crate) etag: ETag,
    /// Its place is aside.
    pub(crate) aside: bool,
}

impl Found {
    /// What HEAD says of it.
    pub(crate) fn info(&self, key: &Key) -> ObjectInfo {
        info(self.meta.clone(), &self.stamp, self.etag, key.as_str())
    }

    fn into_object(mut self, key: &Key) -> Object {
        let upload = self.meta.upload.take().filter(|_| self.meta.stamp == Some(self.stamp));
        let info = info(self.meta, &self.stamp, self.etag, key.as_str());
        let source: Box<dyn Source> = match self.file {
            Some(file) => Box::new(FileSource(file)),
            None => Box::new(Empty),
        };
        Object { info, source, upload }
    }
}

struct FileSource(File);

impl Source for FileSource {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.0)
    }

    fn is_cold(&self, range: Range<u64>) -> bool {
        bytes::is_cold(self.0.as_fd(), range)
    }

    fn warm(&self, range: Range<u64>) {
        bytes::warm(self.0.as_fd(), range);
    }
}

/// A folder that is an object has no bytes.
struct Empty;

impl Source for Empty {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        Ok(0)
    }
}

/// How often an object may be replaced while it is looked at.
const TRIES: usize = 64;

/// Opens the object with this key; `None` if there is none.
pub(crate) fn find(bucket: &Bucket, key: &Key) -> Result<Option<Object>, Error> {
    Ok(find_kept(bucket, key)?.map(|found| found.into_object(key)))
}

/// As [`find`], with all that is kept of it.
pub(crate) fn find_kept(bucket: &Bucket, key: &Key) -> Result<Option<Found>, Error> {
    for _ in 0..TRIES {
        match try_find(bucket, key.as_str())? {
            Ok(found) => return Ok(found),
            Err(Unread::Failed(e)) => return Err(error::read(e)),
            Err(Unread::Gone) => {}
        }
    }
    Err(Error::new(Code::SlowDown).cause("the object is replaced all the time"))
}

fn try_find(bucket: &Bucket, key: &str) -> Result<Result<Option<Found>, Unread>, Error> {
    if let Place::Folder(path) = key::place(key)
        && let Some(found) = folder::object(bucket, path)?
    {
        return Ok(Ok(Some(found)));
    }
    match open(bucket, key)? {
        Some(opened) => Ok(with_meta(bucket, opened, key).map(Some)),
        None => Ok(Ok(None)),
    }
}

/// What HEAD says of the object with this key; `None` if there is none. One look is enough where
/// its metadata is known and it did not change since.
pub(crate) fn head(bucket: &Bucket, key: &Key) -> Result<Option<ObjectInfo>, Error> {
    let Some((stamp, meta)) = look(bucket, key.as_str()) else {
        return Ok(find(bucket, key)?.map(|object| object.info));
    };
    let etag = etag(bucket, meta.as_deref(), &stamp);
    let meta = meta.filter(|meta| is_of(meta, key.as_str())).map(Arc::unwrap_or_clone);
    Ok(Some(info(meta.unwrap_or_default(), &stamp, etag, key.as_str())))
}

/// The stamp of a file that is known to be the object, and its metadata.
///
/// The path is followed wherever it leads, since the result is used only if that is the very file,
/// unchanged, that was opened within the bucket under this key before.
fn look(bucket: &Bucket, key: &str) -> Option<(Stamp, Option<Arc<Meta>>)> {
    let Place::File(path) = key::place(key) else { return None };
    let seen = &bucket.shared().seen;
    let mark = seen.mark(bucket.name().as_str(), path);
    if !seen.was_known(mark) {
        return None;
    }
    // As opening does, this asks the server of a network file system.
    let flags = AtFlags::STATX_FORCE_SYNC;
    let stat = statx(bucket.dir(), path, flags, StatxFlags::BASIC_STATS).ok()?;
    let meta = match seen.known(mark, Look::of_statx(&stat))? {
        Known::Bare => None,
        Known::Kept(meta) => Some(meta),
    };
    Some((Stamp::of_statx(&stat), meta))
}

/// A file, opened, and what it looked like then.
pub(crate) struct Opened {
    pub(crate) file: File,
    stamp: Stamp,
    look: Look,
    /// What stands for its key in the table of those seen; `None` for one aside.
    mark: Option<u64>,
}

impl Opened {
    /// Whose metadata to look for.
    pub(crate) fn owner<'k>(&self, key: &'k str) -> Owner<'k> {
        Owner { inode: self.stamp.inode, name: key::split(key).1 }
    }

    /// Reads its metadata, which may be left of another file; see [`is_of`] and
    /// [`sidecar::read_noting`].
    pub(crate) fn read_meta(
        &self,
        bucket: &Bucket,
        key: &str,
        note: impl FnOnce(Option<&Meta>),
    ) -> Result<Option<Meta>, Unread> {
        let aside = self.mark.is_none().then(|| aside::path(key));
        let path = aside.as_deref().unwrap_or(key);
        let before = Before { path, stamp: self.stamp, look: self.look };
        sidecar::read_noting(bucket, self.file.as_fd(), self.owner(key), Some(before), note)
    }
}

/// Opens the file that is the object with this key, in the tree or aside.
pub(crate) fn open(bucket: &Bucket, key: &str) -> Result<Option<Opened>, Error> {
    if let Place::File(path) = key::place(key)
        && let Some(opened) = open_file(bucket, path)?
    {
        return Ok(Some(opened));
    }
    // In our own folder nobody puts links or FIFOs.
    let path = aside::path(key);
    let file = match bucket.open_ours(&path, OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(fd) => fd,
        Err(e) if error::is_missing(e) => return Ok(None),
        Err(e) => return Err(error::read(e)),
    };
    opened(file, None)
}

/// Opens what `path` names if it is a regular file.
///
/// FIFOs and devices are not opened, since even that is felt: it lets go a writer who waits at
/// the other side, it rewinds a tape. The kernel has no way to open regular files only, so the
/// type is asked for first, except where the same key was a regular file the last time; the
/// usual request is then one openat2 and one fstat.
fn open_file(bucket: &Bucket, path: &str) -> Result<Option<Opened>, Error> {
    let seen = &bucket.shared().seen;
    let mark = seen.mark(bucket.name().as_str(), path);
    if !seen.has(mark) {
        match statat(bucket.dir(), path, AtFlags::empty()) {
            Ok(stat) if !is_regular(stat.st_mode) => return Ok(None),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            // This only decides whether to open; what is refused is refused by the opening.
            _ => {}
        }
    }
    let fd = match bucket.open(path, OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(fd) => fd,
        Err(e) => {
            if e == Errno::XDEV {
                warn::warn(&format!("not served, a link leads out of the bucket: {path:?}"));
            }
            return if error::is_missing(e) { Ok(None) } else { Err(error::read(e)) };
        }
    };
    let opened = opened(fd, Some(mark))?;
    match opened {
        Some(_) => seen.add(mark),
        None => seen.forget(mark),
    }
    Ok(opened)
}

/// Looks at what was opened; `None` if it is no regular file.
fn opened(fd: OwnedFd, mark: Option<u64>) -> Result<Option<Opened>, Error> {
    let stat = fstat(&fd).map_err(error::read)?;
    let opened =
        || Opened { file: File::from(fd), stamp: Stamp::of(&stat), look: Look::of(&stat), mark };
    Ok(is_regular(stat.st_mode).then(opened))
}

pub(crate) fn is_regular(mode: rustix::fs::RawMode) -> bool {
    FileType::from_raw_mode(mode) == FileType::RegularFile
}

fn with_meta(bucket: &Bucket, opened: Opened, key: &str) -> Result<Found, Unread> {
    let meta = meta_of(bucket, &opened, key)?;
    let Opened { file, stamp, mark, .. } = opened;
    // The stamp alone tells of which bytes a tag is, as in a listing.
    let etag = etag(bucket, meta.as_ref(), &stamp);
    let meta = meta.filter(|m| is_of(m, key));
    let aside = mark.is_none();
    Ok(Found { file: Some(file), stamp, meta: meta.unwrap_or_default(), etag, aside })
}

/// The metadata of an open file, which need not be asked for where it is known.
fn meta_of(bucket: &Bucket, opened: &Opened, key: &str) -> Result<Option<Meta>, Unread> {
    let &Opened { look, mark, .. } = opened;
    let seen = &bucket.shared().seen;
    match mark.and_then(|mark| seen.known(mark, look)) {
        Some(Known::Bare) => return Ok(None),
        Some(Known::Kept(meta)) => return Ok(Some(Arc::unwrap_or_clone(meta))),
        None => {}
    }
    let began = SystemTime::now();
    let note = |meta: Option<&Meta>| {
        if let Some(mark) = mark.filter(|_| clock::is_settled(look.changed, began)) {
            seen.add_known(mark, look, meta);
        }
    };
    opened.read_meta(bucket, key, note)
}

/// Metadata that does not hang on the file may be left from another one with the same inode.
pub(crate) fn is_of(meta: &Meta, key: &str) -> bool {
    meta.key.is_none() || sidecar::keys(meta).any(|other| other == key)
}

fn etag(bucket: &Bucket, meta: Option<&Meta>, stamp: &Stamp) -> ETag {
    let kept = meta.filter(|_| may_have_tag(bucket, stamp)).and_then(|m| m.etag_of(stamp));
    kept.unwrap_or_else(|| stamp.etag())
}

/// Whether a tag may be kept for a file with this stamp: only if it is as we left it. HeadObject
/// goes by this too, so that it never disagrees with a listing, which does not look for others.
fn may_have_tag(bucket: &Bucket, stamp: &Stamp) -> bool {
    bucket.has_md5() && clock::may_be_ours(stamp.mtime)
}

fn info(meta: Meta, stamp: &Stamp, etag: ETag, key: &str) -> ObjectInfo {
    let (checksums, parts) = (meta.checksums_of(stamp), meta.parts_of(stamp));
    let tags = meta.tags.len();
    let mut said = meta.said;
    let content_type = match said.content_type.take() {
        Some(own) => Cow::Owned(own),
        None => Cow::Borrowed(mime::guess(key)),
    };
    let (size, modified) = (stamp.size, stamp.modified());
    ObjectInfo { size, modified, etag, content_type, metadata: said, checksums, parts, tags }
}

/// The tag of the regular file `name` in `folder`, which is `id`, as HeadObject would give it.
/// `stat` needs the size, the mtime and the inode.
pub(crate) fn listed_etag(
    bucket: &Bucket,
    folder: BorrowedFd<'_>,
    id: Id,
    name: &CStr,
    stat: &Statx,
) -> Result<ETag, Errno> {
    let stamp = Stamp::of_statx(stat);
    if !may_have_tag(bucket, &stamp) {
        return Ok(stamp.etag());
    }
    let last = name.to_str().unwrap_or_default();
    etag_by_name(bucket, (folder, Some(id)), name, last, &stamp)
}

/// As [`listed_etag`], for a file whose name need not be the `last` segment of its key.
pub(crate) fn etag_by_name(
    bucket: &Bucket,
    (folder, id): (BorrowedFd<'_>, Option<Id>),
    name: &CStr,
    last: &str,
    stamp: &Stamp,
) -> Result<ETag, Errno> {
    if !may_have_tag(bucket, stamp) {
        return Ok(stamp.etag());
    }
    let owner = Owner { inode: stamp.inode, name: last };
    if readers::enter(folder, id) {
        let meta = sidecar::read_by_path(bucket, name.to_bytes(), owner)?;
        return Ok(etag(bucket, meta.as_ref(), stamp));
    }
    // One call and no opening: there is no getxattrat before Linux 6.13.
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    let mut meta = sidecar::read_by_path(bucket, &path, owner)?;
    // Perhaps /proc is not mounted.
    if meta.is_none() && !HAS_PROC.get_or_init(has_proc) {
        meta = read_opened(bucket, folder, name, owner)?;
    }
    Ok(etag(bucket, meta.as_ref(), stamp))
}

/// The metadata of a file in `folder`, which is opened for it.
fn read_opened(
    bucket: &Bucket,
    folder: BorrowedFd<'_>,
    name: &CStr,
    owner: Owner<'_>,
) -> Result<Option<Meta>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(folder, name, flags, rustix::fs::Mode::empty()) {
        Ok(fd) => fd,
        Err(e) if error::is_missing(e) || e == Errno::ACCESS => return Ok(None),
        Err(e) => return Err(e),
    };
    match sidecar::read(bucket, fd.as_fd(), owner) {
        Ok(meta) => Ok(meta),
        Err(Unread::Gone) => Ok(None),
        Err(Unread::Failed(e)) => Err(e),
    }
}

static HAS_PROC: std::sync::OnceLock<bool> = std::sync::OnceLock::new();

fn has_proc() -> bool {
    statat(rustix::fs::CWD, "/proc/self/fd", AtFlags::empty()).is_ok()
}

/// Whether `path`, which is in `folder`, is a file that is an object, also through a link.
pub(crate) fn is_object(bucket: &Bucket, folder: &OwnedFd, path: &str) -> Result<bool, Errno> {
    let stat = match statat(folder, key::split(path).1, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(e) if error::is_missing(e) => return Ok(false),
        Err(e) => return Err(e),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(is_regular(stat.st_mode));
    }
    match bucket.open(path, OFlags::PATH) {
        Ok(fd) => Ok(is_regular(fstat(&fd)?.st_mode)),
        Err(e) if error::is_missing(e) => Ok(false),
        Err(e) => Err(e),
    }
}
