//! RenameObject: the file gets another name, in one step; its bytes and metadata go with it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use lobos_proto::op::RenameObject;
use lobos_proto::s3::condition::{ReadConditions, Tags};
use lobos_proto::{Code, Error, Key};
use rustix::fs::{AtFlags, FileType, OFlags, readlinkat, statat, unlinkat};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::locks::{self, Write};
use crate::meta::Meta;
use crate::object::{self, Found};
use crate::ours::Has;
use crate::publish::{self, Sealed};
use crate::sidecar::{Moved, Owner};
use crate::temp::Temp;
use crate::{aside, error, folder, key};

/// How many requests with a token are remembered.
const REMEMBERED: usize = 256;

/// The last requests with a token that were done: a client that got no answer asks again.
#[derive(Default)]
pub(crate) struct Done(Mutex<VecDeque<RenameObject>>);

impl Done {
    /// Whether this very request was done already.
    fn has(&self, request: &RenameObject) -> Result<bool, Error> {
        if request.token.is_none() {
            return Ok(false);
        }
        let done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match done.iter().find(|other| other.token == request.token) {
            Some(same) if same == request => Ok(true),
            Some(_) => Err(Error::new(Code::IdempotencyParameterMismatch)),
            None => Ok(false),
        }
    }

    fn add(&self, request: &RenameObject) {
        if request.token.is_some() {
            let mut done = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if done.len() == REMEMBERED {
                done.pop_front();
            }
            done.push_back(request.clone());
        }
    }
}

/// Renames an object of `bucket`.
pub(crate) fn rename(bucket: &Bucket, request: &RenameObject, done: &Done) -> Result<(), Error> {
    let source = match &request.or_source {
        Some(other) if object::find_kept(bucket, &request.source)?.is_none() => other,
        _ => &request.source,
    };
    let keys = [source.as_str(), request.key.as_str()];
    let _locked = bucket.shared().locks.lock_both(bucket, keys);
    if done.has(request)? {
        return Ok(());
    }
    let none = ReadConditions::default();
    let conditional = request.source_conditions != none || request.conditions != none;
    let write = if conditional { Write::Conditional } else { Write::Plain };
    let held = locks::both_between_processes(bucket, keys, write);
    let held = held.map_err(|e| bucket.failed(e))?;
    let missing = || Error::new(Code::NoSuchKey).key(source.as_str());
    let found = object::find_kept(bucket, source)?.ok_or_else(missing)?;
    let target = object::find_kept(bucket, &request.key)?;
    let info = found.info(source);
    request.check(&info, target.map(|target| target.info(&request.key)).as_ref())?;
    if *source != request.key {
        let absent = request.conditions.if_none_match == Some(Tags::Any);
        Old::find(bucket, source, found)?.rename(
            bucket,
            source,
            &request.key,
            (absent, held.has),
        )?;
    }
    if let Some(limit) = &bucket.shared().limit
        && *source != request.key
    {
        limit.removed(bucket.name(), source.as_str());
    }
    done.add(request);
    Ok(())
}

/// An object and the name that it has now.
struct Old {
    found: Found,
    /// Beneath the bucket.
    path: String,
    folder: OwnedFd,
    /// Of what has the name, which can be a link.
    inode: u64,
    link: bool,
}

impl Old {
    fn find(bucket: &Bucket, key: &Key, found: Found) -> Result<Self, Error> {
        let path = if found.aside { aside::path(key.as_str()) } else { key.as_str().to_owned() };
        let (parent, name) = key::split(&path);
        let folder = match found.aside {
            true => bucket.open_ours(parent, OFlags::RDONLY | OFlags::DIRECTORY),
            false => bucket.folder(parent),
        };
        let folder = folder.map_err(error::write)?;
        let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(error::write)?;
        let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        Ok(Self { found, path, folder, inode: stat.st_ino, link })
    }

    fn name(&self) -> &str {
        key::split(&self.path).1
    }

    fn rename(
        self,
        bucket: &Bucket,
        from: &Key,
        to: &Key,
        terms: (bool, Has),
    ) -> Result<(), Error> {
        let failed = |e| bucket.failed(e);
        self.check_link(to).map_err(failed)??;
        let Found { stamp, meta, etag, .. } = &self.found;
        let mut meta = Meta { key: None, elsewhere: false, ..meta.clone() };
        if meta.stamp != Some(*stamp) {
            meta = Meta { tags: meta.tags, said: meta.said, ..Meta::default() };
        }
        // If it must be copied to another mount it is another file, but the same object.
        meta.etag = Some(*etag).filter(|_| bucket.has_md5() && meta.md5_etag() != Some(*etag));
        let owner = Owner { inode: stamp.inode, name: key::split(from.as_str()).1 };
        let moved = Moved::begin(bucket, owner, (from.as_str(), to.as_str())).map_err(failed)?;
        if !self.found.aside && terms.1.aside {
            // First, so that it does not show where the file is gone.
            aside::remove(bucket, from.as_str())?;
        }
        let folder = rustix::io::fcntl_dupfd_cloexec(&self.folder, 0).map_err(failed)?;
        let file = self.found.file.as_ref().map(std::fs::File::try_clone).transpose();
        let file = file.map_err(publish::from_io)?.ok_or(Code::InternalError)?;
        let temp = Temp::of_object(file, folder, self.name());
        let now = publish::publish(bucket, to, terms, Sealed::of_object(temp, meta, *stamp))?;
        let same = now.inode == stamp.inode;
        moved.finish(bucket, owner.name, to.as_str(), same).map_err(failed)?;
        self.leave(bucket).map_err(failed)
    }

    /// A relative link means another file in another folder.
    fn check_link(&self, to: &Key) -> Result<Result<(), Error>, Errno> {
        if !self.link || key::split(&self.path).0 == key::split(to.as_str()).0 {
            return Ok(Ok(()));
        }
        let target = readlinkat(&self.folder, self.name(), Vec::new())?;
        if target.as_bytes().starts_with(b"/") {
            return Ok(Ok(()));
        }
        Ok(Err(Error::new(Code::NotImplemented)
            .message("A symbolic link cannot be renamed to another folder.")))
    }

    /// Removes the old name if it is still there (the object was copied to another mount, or both
    /// names were of one file), and the folders that have nothing else.
    fn leave(self, bucket: &Bucket) -> Result<(), Errno> {
        match statat(&self.folder, self.name(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if stat.st_ino == self.inode => {
                unlinkat(&self.folder, self.name(), AtFlags::empty())?;
            }
            _ => {}
        }
        if bucket.is_durable() {
            error::sync(self.folder.as_fd())?;
        }
        let parent = key::split(&self.path).0;
        match self.found.aside {
            true => aside::prune(bucket, parent),
            false => folder::prune(bucket, self.folder, parent),
        }
        Ok(())
    }
}
