//! Where metadata is kept: in the extended attribute of the file, or in `.lobos/meta` where the
//! file system has none or it does not fit.
//!
//! A file in `.lobos/meta` is named by the inode and the name of its object, so it is complete
//! before the object becomes visible and is never about the object that is replaced.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use lobos_proto::Error;
use rustix::fs::{
    AtFlags, Mode, OFlags, XattrFlags, fgetxattr, fsetxattr, fstat, getxattr, openat, statat,
};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::error;
use crate::key;
use crate::meta::{Meta, Stamp, XATTR};
use crate::metas;
use crate::scratch::Scratch;
use crate::seen::Look;

mod orphans;

pub(crate) use orphans::remove as remove_orphans;

/// The folder of all that is beside.
pub(crate) const FOLDER: &str = ".lobos/meta";

/// Most attributes are much smaller, and ext4 has no room for more.
const USUAL: usize = 4096;

/// Linux' limit of an attribute.
const LARGEST: usize = 64 * 1024;

/// The limit of a file in `.lobos/meta`: 10,000 parts with the longest checksum fit.
const LARGEST_BESIDE: usize = 1 << 20;

/// Whose metadata it is.
#[derive(Clone, Copy)]
pub(crate) struct Owner<'o> {
    pub(crate) inode: u64,
    /// The last segment of the key; "" for a folder.
    pub(crate) name: &'o str,
}

/// Why there is no metadata to be had.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The object was replaced, removed or renamed since it was opened, and its metadata with it.
    Gone,
    /// There may be some: who goes on without would lose it.
    Failed(Errno),
}

/// Where a file was opened, and what it looked like then.
pub(crate) struct Before<'p> {
    /// Beneath the bucket.
    pub(crate) path: &'p str,
    pub(crate) stamp: Stamp,
    pub(crate) look: Look,
}

impl Before<'_> {
    /// Whether the file may have got another name, and its metadata with it. That changes its ctime
    /// and nothing else; what others write all the time looks otherwise. The path is followed
    /// wherever it leads, since only that very file counts.
    fn is_over(&self, bucket: &Bucket) -> Result<bool, Errno> {
        match statat(bucket.dir(), self.path, AtFlags::empty()) {
            Ok(now) if Look::of(&now) == self.look => Ok(false),
            Ok(now) => {
                Ok(!self.look.is_same_file(&Look::of(&now)) || Stamp::of(&now) == self.stamp)
            }
            Err(e) if error::is_missing(e) => Ok(true),
            Err(e) => Err(e),
        }
    }
}

/// Reads the metadata of an open file or folder; `None` if there is none that makes sense.
pub(crate) fn read(
    bucket: &Bucket,
    fd: BorrowedFd<'_>,
    owner: Owner<'_>,
) -> Result<Option<Meta>, Unread> {
    read_noting(bucket, fd, owner, None, |_| ())
}

/// As [`read`], and tells `note` of what cannot change without the ctime: that there is none, or
/// what there is, if all of it is in the attribute and that is short.
pub(crate) fn read_noting(
    bucket: &Bucket,
    fd: BorrowedFd<'_>,
    owner: Owner<'_>,
    before: Option<Before<'_>>,
    note: impl FnOnce(Option<&Meta>),
) -> Result<Option<Meta>, Unread> {
    let mut length = 0;
    let attribute = attribute(bucket, |buf| {
        let read = fgetxattr(fd, XATTR, buf);
        length = read.as_ref().map_or(0, |(bytes, _)| bytes.len());
        read
    });
    match &attribute {
        Err(Errno::NODATA) => {
            note(None);
            return Ok(None);
        }
        Ok(Some(meta)) if !meta.elsewhere && length <= metas::LONGEST => note(Some(meta)),
        _ => {}
    }
    match settle(bucket, owner, attribute) {
        Ok(Err(NotBeside)) => {
            let is_gone = match before {
                Some(before) => before.is_over(bucket),
                None => fstat(fd).map(|stat| stat.st_nlink == 0),
            };
            match is_gone {
                Ok(true) => Err(Unread::Gone),
                Ok(false) => Ok(None),
                Err(e) => Err(Unread::Failed(e)),
            }
        }
        Ok(Ok(meta)) => Ok(meta),
        Err(e) => Err(Unread::Failed(e)),
    }
}

/// Reads the metadata of what `path` names, through a link if it is one: so was the stamp that it
/// is held against.
pub(crate) fn read_by_path(
    bucket: &Bucket,
    path: &[u8],
    owner: Owner<'_>,
) -> Result<Option<Meta>, Errno> {
    let attribute = attribute(bucket, |buf| getxattr(path, XATTR, buf));
    Ok(settle(bucket, owner, attribute)?.unwrap_or_default())
}

/// Keeps `meta` with an open file or folder in the place of what was kept: who reads meanwhile
/// finds the one or the other.
pub(crate) fn write(
    bucket: &Bucket,
    fd: BorrowedFd<'_>,
    owner: Owner<'_>,
    key: &str,
    meta: &Meta,
) -> Result<(), Error> {
    let mut has_attributes = !bucket.shared().quirks.no_xattrs;
    if has_attributes && !needs_two_steps(bucket, fd) {
        match fsetxattr(fd, XATTR, &meta.pack()?, XattrFlags::empty()) {
            Ok(()) => return Ok(()),
            Err(Errno::OPNOTSUPP) => has_attributes = false,
            // ext4 says ENOSPC where the attribute does not fit, with all the disk free.
            Err(Errno::NOSPC | Errno::RANGE | Errno::TOOBIG) => {}
            Err(e) => return Err(error::write(e)),
        }
    }
    let meta = Meta { key: Some(key.into()), ..meta.clone() };
    write_beside(bucket, owner, &meta.pack()?).map_err(error::write)?;
    if has_attributes {
        let stub = Meta { elsewhere: true, ..Meta::default() }.pack()?;
        fsetxattr(fd, XATTR, &stub, XattrFlags::empty()).map_err(error::write)?;
    }
    Ok(())
}

/// XFS may replace an attribute by a larger one in two steps of its journal, and a power cut
/// between them takes the old one as well. A stub that points to `.lobos/meta` is never larger.
fn needs_two_steps(bucket: &Bucket, fd: BorrowedFd<'_>) -> bool {
    let is_there = || matches!(fgetxattr(fd, XATTR, &mut [0; 1][..]), Ok(_) | Err(Errno::RANGE));
    bucket.is_durable() && is_there()
}

/// Removes the metadata of a folder that is an object no more.
pub(crate) fn remove(bucket: &Bucket, fd: BorrowedFd<'_>, owner: Owner<'_>) -> Result<(), Errno> {
    if !bucket.shared().quirks.no_xattrs {
        match rustix::fs::fremovexattr(fd, XATTR) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(e) => return Err(e),
        }
    }
    match unlink(bucket, owner)? {
        Some(folder) if bucket.is_durable() => error::sync(folder.as_fd()),
        _ => Ok(()),
    }
}

/// Removes what `.lobos/meta` has under the name of an open file or folder.
pub(crate) fn forget(bucket: &Bucket, owner: Owner<'_>) -> Result<(), Errno> {
    unlink(bucket, owner).map(drop)
}

/// The folder, if there was something to remove.
fn unlink(bucket: &Bucket, owner: Owner<'_>) -> Result<Option<OwnedFd>, Errno> {
    let folder = match bucket.open_ours(FOLDER, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(None),
        Err(e) => return Err(e),
    };
    match rustix::fs::unlinkat(&folder, file_name(owner), AtFlags::empty()) {
        Ok(()) => Ok(Some(folder)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The metadata in `.lobos/meta` of an object that is about to go. The file is held open until it
/// is removed: its inode number cannot be given to a new object before.
pub(crate) struct Old(Option<(OwnedFd, OwnedFd, String)>);

impl Old {
    /// Of the file `name` in `folder`, whose key ends with `last`; one call if there is no
    /// `.lobos/meta`.
    pub(crate) fn hold(bucket: &Bucket, folder: BorrowedFd<'_>, name: &str, last: &str) -> Self {
        let hold = || {
            let metas = bucket.open_ours(FOLDER, OFlags::PATH | OFlags::DIRECTORY)?;
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(folder, name, flags, Mode::empty())?;
            let inode = fstat(&file)?.st_ino;
            Ok::<_, Errno>((metas, file, file_name(Owner { inode, name: last })))
        };
        // What cannot be held is waste that stays.
        Self(hold().ok())
    }

    /// The object is gone.
    pub(crate) fn forget(self) {
        if let Some((metas, _file, name)) = self.0 {
            let _ = rustix::fs::unlinkat(metas, name, AtFlags::empty());
        }
    }
}

/// The metadata in `.lobos/meta` of an object that gets another key.
pub(crate) struct Moved(Option<(Meta, u64)>);

impl Moved {
    /// Keeps it also for the new key, before the object has that. Where both keys end with the
    /// same segment there is only one place for the two, which names both until
    /// [`Moved::finish`].
    pub(crate) fn begin(
        bucket: &Bucket,
        owner: Owner<'_>,
        (old, key): (&str, &str),
    ) -> Result<Self, Errno> {
        let new = Owner { name: key::split(key).1, ..owner };
        let Some(meta) = read_beside(bucket, &file_name(owner))? else { return Ok(Self(None)) };
        let meta = Meta { key: Some(key.into()), ..meta };
        if new.name == owner.name {
            let both = Some(format!("{old}\0{key}"));
            keep_beside(bucket, new, &Meta { key: both, ..meta.clone() })?;
        } else {
            keep_beside(bucket, new, &meta)?;
        }
        Ok(Self(Some((meta, owner.inode))))
    }

    /// The object has its new key: nothing is kept for the old one, which ended with `old`, and
    /// nothing at all for its old file if it is not the `same` any more.
    pub(crate) fn finish(
        self,
        bucket: &Bucket,
        old: &str,
        key: &str,
        same: bool,
    ) -> Result<(), Errno> {
        let Some((meta, inode)) = self.0 else { return Ok(()) };
        let (old, new) = (Owner { inode, name: old }, Owner { inode, name: key::split(key).1 });
        if old.name != new.name || !same {
            forget(bucket, old)?;
        }
        match (same, old.name == new.name) {
            (true, true) => keep_beside(bucket, new, &meta),
            (true, false) => Ok(()),
            (false, _) => forget(bucket, new),
        }
    }
}

fn keep_beside(bucket: &Bucket, owner: Owner<'_>, meta: &Meta) -> Result<(), Errno> {
    let bytes = meta.pack().map_err(|_| Errno::TOOBIG)?;
    write_beside(bucket, owner, &bytes)
}

/// What was read, and the room that is left.
type Read<'b> = Result<(&'b mut [u8], &'b mut [MaybeUninit<u8>]), Errno>;

/// The attribute, read by `call` into a buffer.
fn attribute(
    bucket: &Bucket,
    mut call: impl FnMut(&mut [MaybeUninit<u8>]) -> Read<'_>,
) -> Result<Option<Meta>, Errno> {
    if bucket.shared().quirks.no_xattrs {
        return Err(Errno::OPNOTSUPP);
    }
    let mut usual = [MaybeUninit::uninit(); USUAL];
    match call(&mut usual) {
        Ok((bytes, _)) => return Ok(Meta::unpack(bytes)),
        Err(Errno::RANGE) => {}
        Err(e) => return Err(e),
    }
    let mut large = vec![MaybeUninit::uninit(); LARGEST];
    let (bytes, _) = call(&mut large)?;
    Ok(Meta::unpack(bytes))
}

/// It should be in `.lobos/meta`, and is not.
struct NotBeside;

/// Goes to `.lobos/meta` if the attribute says so or cannot be.
fn settle(
    bucket: &Bucket,
    owner: Owner<'_>,
    attribute: Result<Option<Meta>, Errno>,
) -> Result<Result<Option<Meta>, NotBeside>, Errno> {
    match attribute {
        Ok(Some(meta)) if meta.elsewhere => {}
        Ok(meta) => return Ok(Ok(meta)),
        Err(Errno::OPNOTSUPP) => {}
        // There is none, it is not for us, or the file system does not know what that is: the
        // bytes are served all the same.
        Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::NOSYS | Errno::INVAL) => {
            return Ok(Ok(None));
        }
        Err(e) if error::is_missing(e) => return Ok(Ok(None)),
        Err(e) => return Err(e),
    }
    Ok(read_beside(bucket, &file_name(owner))?.map(Some).ok_or(NotBeside))
}

fn file_name(owner: Owner<'_>) -> String {
    format!("{:x}-{:016x}", owner.inode, key::hash(owner.name.as_bytes()))
}

/// The keys that a file in `.lobos/meta` is for: two while an object gets another one.
pub(crate) fn keys(meta: &Meta) -> impl Iterator<Item = &str> {
    meta.key.iter().flat_map(|key| key.split('\0'))
}

/// `None` if nothing is there that makes sense.
fn read_beside(bucket: &Bucket, name: &str) -> Result<Option<Meta>, Errno> {
    let path = format!("{FOLDER}/{name}");
    let fd = match bucket.open_ours(&path, OFlags::RDONLY | OFlags::NONBLOCK) {
        Ok(fd) => fd,
        // No name of ours is too long.
        Err(e) if error::is_missing(e) && e != Errno::NAMETOOLONG => return Ok(None),
        Err(e) => return Err(e),
    };
    let size = usize::try_from(fstat(&fd)?.st_size).unwrap_or(0);
    let mut bytes = vec![0; size.min(LARGEST_BESIDE)];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::io::read(&fd, rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(bytes.get(..filled).and_then(Meta::unpack))
}

fn write_beside(bucket: &Bucket, owner: Owner<'_>, bytes: &[u8]) -> Result<(), Errno> {
    if bytes.len() > LARGEST_BESIDE {
        return Err(Errno::TOOBIG);
    }
    let folder = bucket.make_ours(FOLDER)?;
    let (file, scratch, unfinished) = unfinished(bucket)?;
    let whole = error::write_all(file.as_fd(), bytes)
        .and_then(|()| if bucket.is_durable() { error::sync(file.as_fd()) } else { Ok(()) })
        .and_then(|()| rustix::fs::renameat(&scratch, &unfinished, &folder, file_name(owner)));
    if whole.is_err() {
        let _ = rustix::fs::unlinkat(&scratch, &unfinished, AtFlags::empty());
    } else if bucket.is_durable() {
        error::sync(folder.as_fd())?;
    }
    whole
}

/// A new file where the next process removes it if this one dies, the folder that it is in, and its
/// name there.
fn unfinished(bucket: &Bucket) -> Result<(OwnedFd, Arc<Scratch>, String), Errno> {
    let name = bucket.shared().scratches.unique();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let make = || {
        let scratch = bucket.scratch()?;
        let file = openat(&scratch, &name, flags, Mode::from_raw_mode(0o666))?;
        Ok((file, scratch, name.clone()))
    };
    match make() {
        // Somebody has removed `.lobos`.
        Err(Errno::NOENT) => {
            bucket.shared().scratches.forget_dead();
            make()
        }
        made => made,
    }
}
