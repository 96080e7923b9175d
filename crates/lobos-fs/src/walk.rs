//! Where is the next key? A cursor over the files of a bucket in the byte order of their keys.
//!
//! It goes depth-first through sorted snapshots, can be moved to any key at the cost of one binary
//! search per folder on the way, and never looks into a folder unless told to.

mod open;

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lobos_proto::op::ListedObject;
use lobos_proto::{ETag, Key, Timestamp};
use rustix::fs::{AtFlags, FileType, OFlags, SeekFrom, Statx, StatxFlags, seek, statx};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::folder;
use crate::key;
use crate::object::listed_etag;
use crate::snapshot::{At, Attr, Buffer, Id, Kind, Known, Seen, Snapshots, View};
pub(crate) use open::see;
use open::{file_type, glance, ids_above, kept, open_again, open_base, open_child, present};

/// Room for one getdents call; more makes no difference.
const BUFFER: usize = 64 * 1024;

/// How many bytes of a folder are looked at for a file before it is read in order.
const GLANCE: usize = 512;

/// So many folders of the path are kept open; those above are opened again when it comes to them.
const OPEN_MAX: usize = 16;

/// So many entries of a folder that need not be read are looked at for a file before it is entered.
const PEEK: usize = 8;

/// With so many changes in a folder all of them are looked at.
const LOOK: usize = 512;

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
    /// What it stands at, unless that is the mark of a folder, and what is known of it.
    now: (Kind, Attr),
    /// The folders above the first frame, if a link made us ask.
    above: Option<Vec<Id>>,
    buffer: Box<Buffer>,
}

/// One folder on the way.
struct Frame {
    /// Absent while too many others are open.
    folder: Option<OwnedFd>,
    id: Id,
    view: View,
    /// What is seen of its files is remembered.
    full: bool,
    /// How many bytes of the key name this folder, with the slash.
    path_len: usize,
    /// The folder as an object of its own, until the cursor has passed it.
    mark: Option<(Timestamp, ETag)>,
    /// The entry at the cursor, or the one after it in frames below.
    at: At,
    /// The first entry that does not begin with the prefix.
    end: At,
}

/// A folder on the way down.
enum Folder {
    Open(OwnedFd),
    /// Watched, and not opened.
    Known(Known),
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
        let (entry, now, above) = (None, (Kind::File, Attr::UNKNOWN), None);
        let mut walk = Self { bucket, snapshots, frames, key, entry, now, above, buffer };
        let (path, rest) = prefix.split_at(prefix.rfind('/').map_or(0, |slash| slash + 1));
        if let Some(fd) = open_base(bucket, path)? {
            walk.key.push_str(path);
            walk.push(Folder::Open(fd), rest.is_empty())?;
            if let Some(base) = walk.frames.last_mut() {
                let rest = rest.as_bytes();
                base.at = base.view.partition(|name| name < rest);
                base.end = base.view.partition(|name| name < rest || name.starts_with(rest));
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
            top.at = top.view.behind(top.at);
        }
        self.settle();
    }

    /// Enters the folder at the cursor and stands at the first that it holds, or at what follows
    /// if that is nothing.
    ///
    /// # Errors
    /// Whatever the disk says; a folder that is gone or not for us to read holds nothing.
    pub(crate) fn enter(&mut self) -> Result<(), Errno> {
        if let Some(folder) = self.take_folder()? {
            self.push(folder, true)?;
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
                _ if is_in_folder => top.view.partition(|n| n < name),
                Seek::After(_) => top.view.partition(|n| n <= name),
                Seek::Past(_) => top.view.partition(|n| n < name || n.starts_with(name)),
            };
            let found = top.view.entry(&mut top.at, top.end);
            if !is_in_folder || found.is_none_or(|entry| entry.name.as_bytes() != name) {
                break;
            }
            let depth = self.frames.len();
            self.settle();
            // It may be one of those that are never listed.
            if self.entry != Some(Entry::Folder) || !text.starts_with(&self.key) {
                return Ok(());
            }
            if let Some(folder) = self.take_folder()? {
                self.push(folder, false)?;
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
        if let Some((size, modified, etag)) = self.known_file() {
            return Ok(Some(ListedObject { key, size, modified, etag }));
        }
        let Some((stat, is_link)) = self.stat()? else { return Ok(None) };
        let (bucket, Some(id)) = (self.bucket, self.frames.last().map(|top| top.id)) else {
            return Ok(None);
        };
        let Some((folder, name)) = self.place()? else { return Ok(None) };
        let etag = listed_etag(bucket, folder, id, name, &stat)?;
        let modified = Timestamp::from_unix(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec);
        if !is_link && let Some(top) = self.frames.last() {
            let attr = if top.full { kept(&stat, &etag) } else { Attr::UNKNOWN };
            top.view.saw(top.at, Seen::File(attr));
        }
        Ok(Some(ListedObject { key, size: stat.stx_size, modified, etag }))
    }

    /// What is known of the file at the cursor without looking.
    fn known_file(&self) -> Option<(u64, Timestamp, ETag)> {
        let (kind, attr) = self.now;
        attr.as_file().filter(|_| kind == Kind::File)
    }

    /// Whether there is an object at the cursor.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn is_there(&mut self) -> Result<bool, Errno> {
        let marked = self.frames.last().is_some_and(|top| top.mark.is_some());
        Ok(marked || self.known_file().is_some() || self.stat()?.is_some())
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
            let Some(found) = top.view.entry(&mut top.at, top.end) else {
                self.frames.pop();
                continue;
            };
            let bare = found.name.strip_suffix('/').unwrap_or(found.name);
            if top.path_len + found.name.len() > Key::MAX
                || key::is_ours(bare.as_bytes(), top.path_len == 0)
            {
                top.at = top.view.behind(top.at);
                continue;
            }
            self.key.push_str(found.name);
            self.now = (found.kind, found.attr);
            self.entry = Some(match found.kind {
                Kind::File | Kind::FileLink => Entry::Object,
                Kind::Folder | Kind::FolderLink => Entry::Folder,
            });
            return;
        }
    }

    /// Makes the folder, whose path is the key, the top frame. The cursor must be settled then.
    fn push(&mut self, folder: Folder, with_mark: bool) -> Result<(), Errno> {
        let (folder, known) = match folder {
            Folder::Known(known) => (None, known),
            Folder::Open(fd) => {
                let read = self.snapshots.read(fd.as_fd(), &mut self.buffer);
                let Some(known) = present(read)? else { return Ok(()) };
                if !known.full {
                    self.snapshots.live().wanted.add(self.bucket, &self.key);
                }
                (Some(fd), known)
            }
        };
        let Known { id, view, full, mark, altered } = known;
        let (path_len, at, end) = (self.key.len(), At::default(), view.end());
        self.frames.push(Frame { folder, id, view, full, path_len, mark: None, at, end });
        if let Some(above) = self.frames.len().checked_sub(OPEN_MAX + 1) {
            self.frames[above].folder = None;
        }
        self.look()?;
        if with_mark && let Some(path) = self.key.strip_suffix('/') {
            let bucket = self.bucket;
            let mark = match (mark, self.frames.last_mut()) {
                (Some(mark), _) => mark,
                (None, Some(top)) => {
                    let opened = open_again(bucket, path, &mut top.folder)?;
                    let mark = opened.map(|fd| folder::is_marked(bucket, fd, path));
                    let mark = mark.transpose()?.flatten();
                    if full && !bucket.shared().quirks.no_xattrs {
                        self.snapshots.live().set_mark(id, mark, altered);
                    }
                    mark
                }
                (None, None) => None,
            };
            if let Some(top) = self.frames.last_mut() {
                top.mark = mark;
            }
        }
        Ok(())
    }

    /// Looks at what was heard of in the top frame if that is much: those that no page comes by
    /// would never be merged with the others.
    fn look(&mut self) -> Result<(), Errno> {
        let Some(top) = self.frames.last_mut().filter(|top| top.view.changed() > LOOK) else {
            return Ok(());
        };
        let path = self.key[..top.path_len].trim_end_matches('/');
        if let Some(folder) = open_again(self.bucket, path, &mut top.folder)? {
            top.view.look(|name| see(self.bucket, (folder, top.id), name, top.full));
        }
        Ok(())
    }

    /// Opens the folder at the cursor, whose path stays the key, unless it is watched; moves its
    /// frame on.
    fn take_folder(&mut self) -> Result<Option<Folder>, Errno> {
        let (kind, attr) = self.now;
        let known = attr.as_folder().filter(|_| kind == Kind::Folder);
        let known = known.and_then(|id| self.snapshots.watched(id));
        let folder = match (known, kind) {
            (Some(known), _) => Some(Folder::Known(known)),
            (None, Kind::FolderLink) => self.open_link()?.map(Folder::Open),
            (None, _) => match self.place()? {
                Some((folder, name)) => present(open_child(folder, name))?.map(Folder::Open),
                None => None,
            },
        };
        let Some(top) = self.frames.last_mut() else { return Ok(folder) };
        if let (true, Kind::Folder, Some(Folder::Open(fd))) = (top.full, kind, &folder) {
            top.view.saw(top.at, Seen::Folder(Attr::folder(Id::of(fd.as_fd())?)));
        }
        top.at = top.view.behind(top.at);
        Ok(folder)
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

    /// Goes into the folder at the cursor, or past it, and tells whether a file is among the first
    /// names that the kernel gives, or that are known: most folders that hold any object are found
    /// so, however many they hold.
    fn glance_and_enter(&mut self) -> Result<bool, Errno> {
        let room = Key::MAX - self.key.len();
        let folder = self.take_folder()?;
        let found = match &folder {
            None => false,
            Some(Folder::Known(known)) => has_file(&known.view, room),
            Some(Folder::Open(fd)) => {
                let found = glance(fd.as_fd(), &mut self.buffer[..GLANCE], room)?;
                if !found {
                    seek(fd, SeekFrom::Start(0))?;
                }
                found
            }
        };
        if let Some(folder) = folder.filter(|_| !found) {
            self.push(folder, true)?;
        }
        self.settle();
        Ok(found)
    }

    /// The folder that holds the entry at the cursor, and the name of the entry in it.
    fn place(&mut self) -> Result<Option<(BorrowedFd<'_>, &CStr)>, Errno> {
        let Some(top) = self.frames.last_mut() else { return Ok(None) };
        let path = self.key[..top.path_len].trim_end_matches('/');
        if open_again(self.bucket, path, &mut top.folder)?.is_none() {
            top.at = top.end;
        }
        Ok(top.folder.as_ref().map(|fd| (fd.as_fd(), top.view.c_name(top.at))))
    }

    /// The file at the cursor, and whether a link led to it; `None` if it is no regular file.
    fn stat(&mut self) -> Result<Option<(Statx, bool)>, Errno> {
        let mask = StatxFlags::BASIC_STATS;
        let Some((folder, name)) = self.place()? else { return Ok(None) };
        let found = statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, mask);
        let seen = match &found {
            Err(Errno::NOENT) => Some(Seen::Gone),
            Err(_) => None,
            Ok(stat) => match file_type(stat) {
                FileType::RegularFile => None,
                FileType::Symlink => Some(Seen::Link),
                _ => Some(Seen::Gone),
            },
        };
        if let (Some(seen), Some(top)) = (seen, self.frames.last()) {
            top.view.saw(top.at, seen);
        }
        let Some(mut stat) = present(found)? else { return Ok(None) };
        let is_link = file_type(&stat) == FileType::Symlink;
        if is_link {
            let opened = self.bucket.open(&self.key, OFlags::PATH);
            let Some(fd) = present(opened)? else { return Ok(None) };
            stat = statx(&fd, c"", AtFlags::EMPTY_PATH, mask)?;
        }
        let is_file = file_type(&stat) == FileType::RegularFile;
        Ok(is_file.then_some((stat, is_link)))
    }
}

/// Whether a file is known to be among the first entries; only names of up to `room` bytes count.
fn has_file(view: &View, room: usize) -> bool {
    let (mut at, end) = (At::default(), view.end());
    for _ in 0..PEEK {
        let Some(entry) = view.entry(&mut at, end) else { return false };
        let counts = entry.name.len() <= room && !key::is_ours(entry.name.as_bytes(), false);
        if counts && entry.kind == Kind::File && entry.attr.is_known() {
            return true;
        }
        at = view.behind(at);
    }
    false
}
