//! Where is the next key? A cursor over the files of a bucket in the byte order of their keys.
//!
//! It goes depth-first through sorted snapshots, can be moved to any key at the cost of one binary
//! search per folder on the way, and never looks into a folder unless told to.

mod open;

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use lobos_proto::op::ListedObject;
use lobos_proto::{ETag, Key, Timestamp};
use rustix::fs::{AtFlags, FileType, OFlags, SeekFrom, Statx, StatxFlags, seek, statx};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::folder;
use crate::key;
use crate::object::listed_etag;
use crate::snapshot::{Buffer, Id, Kind, Snapshot, Snapshots};
use open::{file_type, glance, ids_above, open_base, open_child, present};

/// Room for one getdents call; more makes no difference.
const BUFFER: usize = 64 * 1024;

/// How many bytes of a folder are looked at for a file before it is read in order.
const GLANCE: usize = 512;

/// So many folders of the path are kept open; those above are opened again when it comes to them.
const OPEN_MAX: usize = 16;

/// What the cursor stands at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A name that was a file, or the mark of a folder; [`Walk::object`] tells what it is now.
    Object,
    /// A folder that may hold objects, not yet entered.
    Folder,
}

/// Where to move the cursor.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seek<'a> {
    /// To the first key after this one.
    After(&'a str),
    /// To the first key after all that begin so.
    Past(&'a str),
}

/// A cursor over the keys of a bucket that begin with some prefix.
pub(crate) struct Walk<'a> {
    bucket: &'a Bucket,
    snapshots: &'a Snapshots,
    /// The folders on the way to the cursor, from that of the prefix on.
    frames: Vec<Frame>,
    /// Key or path at the cursor.
    key: String,
    /// Set while the cursor stands at anything.
    entry: Option<Entry>,
    /// The folders above the first frame, if a link made us ask.
    above: Option<Vec<Id>>,
    buffer: Box<Buffer>,
}

/// One folder on the way.
struct Frame {
    /// Absent while too many others are open.
    folder: Option<OwnedFd>,
    id: Id,
    snapshot: Arc<Snapshot>,
    /// How many bytes of the key name this folder, with the slash.
    path_len: usize,
    /// The folder as an object of its own, until the cursor has passed it.
    mark: Option<(Timestamp, ETag)>,
    /// The entry at the cursor, or the one after it in frames below.
    at: usize,
    /// The first entry that does not begin with the prefix.
    end: usize,
}

impl<'a> Walk<'a> {
    /// Stands at the first key that begins with `prefix`.
    ///
    /// # Errors
    /// Whatever the disk says, except of folders that are not there, or not for us to read: they
    /// hold nothing.
    pub(crate) fn new(
        bucket: &'a Bucket,
        snapshots: &'a Snapshots,
        prefix: &str,
    ) -> Result<Self, Errno> {
        let buffer = Box::new_uninit_slice(BUFFER);
        let (frames, key) = (Vec::new(), String::with_capacity(2 * Key::MAX));
        let mut walk = Self { bucket, snapshots, frames, key, entry: None, above: None, buffer };
        let (path, rest) = prefix.split_at(prefix.rfind('/').map_or(0, |slash| slash + 1));
        if let Some(fd) = open_base(bucket, path)? {
            walk.key.push_str(path);
            walk.push(fd, rest.is_empty())?;
            if let Some(base) = walk.frames.last_mut() {
                base.at = base.snapshot.partition(|name| name < rest.as_bytes());
                base.end = base
                    .snapshot
                    .partition(|name| name < rest.as_bytes() || name.starts_with(rest.as_bytes()));
            }
            walk.settle();
        }
        Ok(walk)
    }

    /// What the cursor stands at; `None` at the end.
    pub(crate) fn entry(&self) -> Option<Entry> {
        self.entry
    }

    /// The key at the cursor; of a folder its path with a slash at the end.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Goes to what follows. A folder at the cursor is passed over.
    pub(crate) fn advance(&mut self) {
        if let Some(top) = self.frames.last_mut()
            && top.mark.take().is_none()
        {
            top.at += 1;
        }
        self.settle();
    }

    /// Enters the folder at the cursor and stands at the first that it holds, or at what follows
    /// if that is nothing.
    ///
    /// # Errors
    /// Whatever the disk says; a folder that is gone or not for us to read holds nothing.
    pub(crate) fn enter(&mut self) -> Result<(), Errno> {
        if let Some(fd) = self.take_folder()? {
            self.push(fd, true)?;
        }
        self.settle();
        Ok(())
    }

    /// Passes over the folder at the cursor, and tells whether it holds any object.
    ///
    /// # Errors
    /// As [`Walk::enter`].
    pub(crate) fn pass(&mut self) -> Result<bool, Errno> {
        let depth = self.frames.len();
        let mut found = self.glance_and_enter()?;
        while !found && self.frames.len() > depth {
            found = match self.entry {
                Some(Entry::Folder) => self.glance_and_enter()?,
                _ => {
                    let is_there = self.is_there()?;
                    self.advance();
                    is_there
                }
            };
        }
        self.frames.truncate(depth);
        self.settle();
        Ok(found)
    }

    /// Moves the cursor. `target` begins with the prefix, and for [`Seek::Past`] is longer.
    ///
    /// # Errors
    /// As [`Walk::enter`].
    pub(crate) fn seek(&mut self, target: Seek<'_>) -> Result<(), Errno> {
        let (Seek::After(text) | Seek::Past(text)) = target;
        while let [_, .., top] = &*self.frames
            && !text.starts_with(&self.key[..top.path_len])
        {
            self.frames.pop();
        }
        while let Some(top) = self.frames.last_mut() {
            // The mark of a folder is a key before all others in it.
            top.mark = None;
            let rest = &text.as_bytes()[top.path_len..];
            let slash = rest.iter().position(|b| *b == b'/');
            let name = &rest[..slash.map_or(rest.len(), |slash| slash + 1)];
            let is_in_folder = match target {
                Seek::After(_) => slash.is_some(),
                Seek::Past(_) => name.len() < rest.len(),
            };
            top.at = match target {
                _ if is_in_folder => top.snapshot.partition(|n| n < name),
                Seek::After(_) => top.snapshot.partition(|n| n <= name),
                Seek::Past(_) => top.snapshot.partition(|n| n < name || n.starts_with(name)),
            };
            if !is_in_folder || top.at >= top.end || top.snapshot.name(top.at).as_bytes() != name {
                break;
            }
            let depth = self.frames.len();
            self.settle();
            // It may be one of those that are never listed.
            if self.entry != Some(Entry::Folder) || !text.starts_with(&self.key) {
                return Ok(());
            }
            if let Some(fd) = self.take_folder()? {
                self.push(fd, false)?;
            }
            if self.frames.len() == depth {
                break;
            }
        }
        self.settle();
        Ok(())
    }

    /// The object at the cursor as it is now; `None` if it is none any more.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn object(&mut self) -> Result<Option<ListedObject>, Errno> {
        let key = self.key.clone();
        if let Some((modified, etag)) = self.frames.last().and_then(|top| top.mark) {
            return Ok(Some(ListedObject { key, size: 0, modified, etag }));
        }
        let Some(stat) = self.stat()? else { return Ok(None) };
        let bucket = self.bucket;
        let Some((folder, name)) = self.place()? else { return Ok(None) };
        let etag = listed_etag(bucket, folder, name, &stat);
        let modified = Timestamp::from_unix(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec);
        Ok(Some(ListedObject { key, size: stat.stx_size, modified, etag }))
    }

    /// Whether there is an object at the cursor.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn is_there(&mut self) -> Result<bool, Errno> {
        let marked = self.frames.last().is_some_and(|top| top.mark.is_some());
        Ok(marked || self.stat()?.is_some())
    }

    /// Puts the cursor at the first entry, from where the top frame stands, that can be a key.
    fn settle(&mut self) {
        self.entry = None;
        while let Some(top) = self.frames.last_mut() {
            self.key.truncate(top.path_len);
            if top.mark.is_some() {
                self.entry = Some(Entry::Object);
                return;
            }
            if top.at >= top.end {
                self.frames.pop();
                continue;
            }
            let name = top.snapshot.name(top.at);
            let bare = name.strip_suffix('/').unwrap_or(name);
            if top.path_len + name.len() > Key::MAX
                || key::is_ours(bare.as_bytes(), top.path_len == 0)
            {
                top.at += 1;
                continue;
            }
            self.key.push_str(name);
            self.entry = Some(match top.snapshot.kind(top.at) {
                Kind::File | Kind::FileLink => Entry::Object,
                Kind::Folder | Kind::FolderLink => Entry::Folder,
            });
            return;
        }
    }

    /// Makes `fd`, whose path is the key, the top frame. The cursor must be settled then.
    fn push(&mut self, fd: OwnedFd, with_mark: bool) -> Result<(), Errno> {
        let Some((id, snapshot)) = present(self.snapshots.read(fd.as_fd(), &mut self.buffer))?
        else {
            return Ok(());
        };
        let path_len = self.key.len();
        let path = self.key.strip_suffix('/').filter(|_| with_mark);
        let mark = path.and_then(|path| folder::is_marked(self.bucket, fd.as_fd(), path));
        let end = snapshot.len();
        self.frames.push(Frame { folder: Some(fd), id, snapshot, path_len, mark, at: 0, end });
        if let Some(above) = self.frames.len().checked_sub(OPEN_MAX + 1) {
            self.frames[above].folder = None;
        }
        Ok(())
    }

    /// Opens the folder at the cursor, whose path stays the key, and moves its frame on.
    fn take_folder(&mut self) -> Result<Option<OwnedFd>, Errno> {
        let Some(top) = self.frames.last() else { return Ok(None) };
        let opened = match top.snapshot.kind(top.at) {
            Kind::FolderLink => self.open_link()?,
            _ => match self.place()? {
                Some((folder, name)) => present(open_child(folder, name))?,
                None => None,
            },
        };
        if let Some(top) = self.frames.last_mut() {
            top.at += 1;
        }
        Ok(opened)
    }

    /// Opens the folder that the link at the cursor leads to, unless that is one that the path
    /// has come through: such a link has no end.
    fn open_link(&mut self) -> Result<Option<OwnedFd>, Errno> {
        let path = self.key.trim_end_matches('/');
        let Some(fd) = present(self.bucket.folder(path))? else { return Ok(None) };
        let id = Id::of(fd.as_fd())?;
        if self.above.is_none() {
            let base = self.frames.first().map_or(0, |base| base.path_len);
            self.above = Some(ids_above(self.bucket, &self.key[..base])?);
        }
        let mut way = self.frames.iter().map(|frame| &frame.id).chain(self.above.iter().flatten());
        Ok(if way.any(|passed| *passed == id) { None } else { Some(fd) })
    }

    /// Goes into the folder at the cursor, or past it, and tells whether the first names that the
    /// kernel gives have a file among them: most folders that hold any object are found so,
    /// however many they hold.
    fn glance_and_enter(&mut self) -> Result<bool, Errno> {
        let found = match self.take_folder()? {
            None => false,
            Some(fd) => {
                let room = Key::MAX - self.key.len();
                let found = glance(fd.as_fd(), &mut self.buffer[..GLANCE], room)?;
                if !found {
                    seek(&fd, SeekFrom::Start(0))?;
                    self.push(fd, true)?;
                }
                found
            }
        };
        self.settle();
        Ok(found)
    }

    /// The folder that holds the entry at the cursor, and the name of the entry in it.
    fn place(&mut self) -> Result<Option<(BorrowedFd<'_>, &CStr)>, Errno> {
        let Some(top) = self.frames.last_mut() else { return Ok(None) };
        if top.folder.is_none() {
            let path = self.key[..top.path_len].trim_end_matches('/');
            top.folder = present(self.bucket.folder(path))?;
            if top.folder.is_none() {
                top.at = top.end;
            }
        }
        Ok(top.folder.as_ref().map(|fd| (fd.as_fd(), top.snapshot.c_name(top.at))))
    }

    /// The file at the cursor, through a link if it is one; `None` if it is no regular file.
    fn stat(&mut self) -> Result<Option<Statx>, Errno> {
        let mask = StatxFlags::BASIC_STATS;
        let Some((folder, name)) = self.place()? else { return Ok(None) };
        let found = statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, mask);
        let Some(mut stat) = present(found)? else { return Ok(None) };
        if file_type(&stat) == FileType::Symlink {
            let opened = self.bucket.open(&self.key, OFlags::PATH);
            let Some(fd) = present(opened)? else { return Ok(None) };
            stat = statx(&fd, c"", AtFlags::EMPTY_PATH, mask)?;
        }
        Ok(Some(stat).filter(|stat| file_type(stat) == FileType::RegularFile))
    }
}
