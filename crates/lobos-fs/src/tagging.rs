//! The tags of an object: a part of its metadata that changes in place, while its bytes, its time
//! and its entity tag stay.

use std::os::fd::{AsFd, OwnedFd};

use lobos_proto::op::{GetObjectTagging, PutObjectTagging};
use lobos_proto::{Code, Error, Key, Response, TagSet};
use rustix::fs::fstat;

use crate::bucket::Bucket;
use crate::key::{self, Place};
use crate::locks::{self, Write};
use crate::meta::Meta;
use crate::sidecar::{self, Owner, Unread};
use crate::{error, folder, object};

/// An object, opened, with what is kept of it.
struct Found<'k> {
    fd: OwnedFd,
    owner: Owner<'k>,
    meta: Meta,
    is_folder: bool,
}

/// How often an object may be replaced while it is looked at.
const TRIES: usize = 64;

/// The tags of the object, in the order in which they were put.
pub(crate) fn get(bucket: &Bucket, get: &GetObjectTagging) -> Result<Response, Error> {
    let tags = find(bucket, &get.key)?.meta.tags;
    Ok(Response::GetObjectTagging(TagSet::from_pairs(tags)))
}

/// Replaces or removes them.
pub(crate) fn put(bucket: &Bucket, put: PutObjectTagging) -> Result<Response, Error> {
    let response = match put.tags {
        Some(_) => Response::PutObjectTagging,
        None => Response::DeleteObjectTagging,
    };
    write(bucket, &put.key, &put.tags.unwrap_or_default()).map(|()| response)
}

fn write(bucket: &Bucket, key: &Key, tags: &TagSet) -> Result<(), Error> {
    let _locked = bucket.shared().locks.lock(bucket, key.as_str());
    // Nothing is written where there is no object.
    if find(bucket, key)?.meta.tags == tags.pairs() {
        return Ok(());
    }
    // What another process makes of the object meanwhile would lose the tags, or be lost to them.
    let held = locks::between_processes(bucket, key.as_str(), Write::Conditional);
    let _held = held.map_err(|e| bucket.failed(e))?;
    let Found { fd, owner, mut meta, is_folder } = find(bucket, key)?;
    // Where it is kept is decided anew.
    meta = Meta { tags: tags.pairs().to_vec(), key: None, elsewhere: false, ..meta };
    // The metadata of a folder is its mark: it stays even if it says nothing.
    if meta.is_empty() && !is_folder {
        sidecar::remove(bucket, fd.as_fd(), owner).map_err(error::write)?;
    } else {
        sidecar::write(bucket, fd.as_fd(), owner, key.as_str(), &meta)?;
    }
    if bucket.is_durable() {
        error::sync(fd.as_fd()).map_err(error::write)?;
    }
    Ok(())
}

fn find<'k>(bucket: &Bucket, key: &'k Key) -> Result<Found<'k>, Error> {
    for _ in 0..TRIES {
        match try_find(bucket, key.as_str())? {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => return Err(Error::new(Code::NoSuchKey).key(key.as_str())),
            Err(Unread::Failed(e)) => return Err(error::read(e)),
            Err(Unread::Gone) => {}
        }
    }
    Err(Error::new(Code::SlowDown).cause("the object is replaced all the time"))
}

fn try_find<'k>(bucket: &Bucket, key: &'k str) -> Result<Result<Option<Found<'k>>, Unread>, Error> {
    if let Place::Folder(path) = key::place(key)
        && let Some((fd, meta)) = folder::marked(bucket, path)?
    {
        let inode = fstat(&fd).map_err(error::read)?.st_ino;
        let owner = Owner { inode, name: "" };
        return Ok(Ok(Some(Found { fd, owner, meta, is_folder: true })));
    }
    let Some(opened) = object::open(bucket, key)? else { return Ok(Ok(None)) };
    Ok(opened.read_meta(bucket, key, |_| ()).map(|meta| {
        // None, or what is left of another object.
        let meta = meta.filter(|meta| object::is_of(meta, key)).unwrap_or_default();
        let owner = opened.owner(key);
        Some(Found { fd: opened.file.into(), owner, meta, is_folder: false })
    }))
}
