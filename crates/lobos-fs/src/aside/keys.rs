//! Which keys a bucket keeps aside, in byte order: remembered for as long as the folders that tell
//! them stay as they are.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lobos_proto::Timestamp;
use lobos_proto::op::ListedObject;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, statat};
use rustix::io::Errno;

use super::{FOLDER, path, unescape};
use crate::bucket::Bucket;
use crate::meta::Stamp;
use crate::snapshot::{Id, Times, look};
use crate::{error, key, object};

/// Memory for keys between listings, in bytes.
const BUDGET: usize = 16 << 20;

/// How often the folders are read if they change while they are.
const READINGS: usize = 3;

/// What a key costs beside itself.
const OVERHEAD: usize = 32;

/// The keys of one bucket, in byte order.
pub(crate) type Keys = Arc<[String]>;

/// The keys of the buckets that were listed last.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<VecDeque<Kept>>);

struct Kept {
    /// All folders, from `.lobos/aside` down.
    folders: Vec<Folder>,
    keys: Keys,
    bytes: usize,
}

#[derive(PartialEq, Eq)]
struct Folder {
    path: String,
    id: Id,
    times: Times,
}

impl Remembered {
    /// The keys, as they are now. Empty, for the price of one call, if nothing is kept aside.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn keys(&self, bucket: &Bucket) -> Result<Keys, Errno> {
        let began = SystemTime::now();
        let Some(top) = Folder::open(bucket, FOLDER.into())? else { return Ok(Arc::new([])) };
        let (top, fd) = top;
        let mut all = self.lock();
        if let Some(at) = all.iter().position(|kept| kept.folders.first() == Some(&top)) {
            let kept = all.remove(at);
            if let Some(kept) =
                kept.filter(|kept| is_true(kept.folders.get(1..).unwrap_or_default(), bucket))
            {
                let keys = Arc::clone(&kept.keys);
                all.push_front(kept);
                return Ok(keys);
            }
        }
        drop(all);
        let (mut folders, mut keys, mut fd) = (vec![top], Vec::new(), Some(fd));
        // A key that is replaced while a folder is read can be missed; all that were seen count,
        // since each is looked at before it is listed.
        for _ in 0..READINGS {
            let Some(opened) = fd.take() else { break };
            read(bucket, (FOLDER, opened), "", &mut folders, &mut keys)?;
            if is_true(&folders, bucket) && are_settled(&folders, began) {
                break;
            }
            folders.clear();
            if let Some((top, opened)) = Folder::open(bucket, FOLDER.into())? {
                (folders, fd) = (vec![top], Some(opened));
            }
        }
        keys.sort_unstable();
        // One that is removed and made again while the folder is read may come twice.
        keys.dedup();
        let keys: Keys = keys.into();
        let bytes = keys.iter().map(|key| key.len() + OVERHEAD).sum();
        // As with snapshots: the next change must leave another time.
        if fd.is_none() && are_settled(&folders, began) && bytes <= BUDGET {
            let id = folders.first().map(|top| top.id);
            let mut all = self.lock();
            all.retain(|kept| kept.folders.first().map(|top| top.id) != id);
            all.push_front(Kept { folders, keys: Arc::clone(&keys), bytes });
            while all.iter().map(|kept| kept.bytes).sum::<usize>() > BUDGET {
                all.pop_back();
            }
        }
        Ok(keys)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the folders are as they were.
fn is_true(folders: &[Folder], bucket: &Bucket) -> bool {
    folders.iter().all(|folder| {
        let now = Folder::open(bucket, folder.path.clone());
        now.is_ok_and(|now| now.is_some_and(|(now, _)| now == *folder))
    })
}

fn are_settled(folders: &[Folder], began: SystemTime) -> bool {
    !folders.is_empty() && folders.iter().all(|folder| folder.times.are_settled(began))
}

impl Folder {
    fn open(bucket: &Bucket, path: String) -> Result<Option<(Self, OwnedFd)>, Errno> {
        let fd = match bucket.open_ours(&path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(fd) => fd,
            Err(e) if error::is_missing(e) => return Ok(None),
            Err(e) => return Err(e),
        };
        let (id, times) = look(fd.as_fd())?;
        Ok(Some((Self { path, id, times }, fd)))
    }
}

/// Reads a folder and those in it; `before` is what their names say of the keys.
fn read(
    bucket: &Bucket,
    (folder, fd): (&str, OwnedFd),
    before: &str,
    folders: &mut Vec<Folder>,
    keys: &mut Vec<String>,
) -> Result<(), Errno> {
    let mut dir = Dir::new(fd)?;
    while let Some(entry) = dir.read() {
        let entry = match entry {
            // Removed since it was opened.
            Err(Errno::NOENT) => break,
            entry => entry?,
        };
        let Ok(name) = entry.file_name().to_str() else { continue };
        if let Some(piece) = name.strip_prefix('k') {
            keys.extend(unescape(&format!("{before}{piece}")));
        } else if let Some(piece) = name.strip_prefix('d') {
            let path = format!("{folder}/{name}");
            if let Some((inner, fd)) = Folder::open(bucket, path.clone())? {
                folders.push(inner);
                read(bucket, (&path, fd), &format!("{before}{piece}"), folders, keys)?;
            }
        }
    }
    Ok(())
}

/// Looks at objects that are kept aside, one after the other.
#[derive(Default)]
pub(crate) struct Looker {
    /// Most are in the same folder.
    opened: Option<(String, OwnedFd, Id)>,
}

impl Looker {
    /// The object with this key; `None` if it is there no more.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn look(
        &mut self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Option<ListedObject>, Errno> {
        let path = path(key);
        let (folder, name) = key::split(&path);
        if self.opened.as_ref().is_none_or(|(opened, ..)| opened != folder) {
            let Some((Folder { id, path, .. }, fd)) = Folder::open(bucket, folder.into())? else {
                return Ok(None);
            };
            self.opened = Some((path, fd, id));
        }
        let Some((_, folder, id)) = &self.opened else { return Ok(None) };
        let stat = match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(e),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let stamp = Stamp::of(&stat);
        let name = [name.as_bytes(), b"\0"].concat();
        let name = CStr::from_bytes_with_nul(&name).unwrap_or(c"");
        let place = (folder.as_fd(), Some(*id));
        let etag = object::etag_by_name(bucket, place, name, key::split(key).1, &stamp)?;
        let (size, modified) = (stamp.size, Timestamp { nanos: stamp.mtime });
        Ok(Some(ListedObject { key: key.to_owned(), size, modified, etag }))
    }
}
