//! What the store in memory does for copies, renames, appends and conditional deletes.

use std::sync::Arc;

use lobos_proto::digest::{Algorithm, Hasher};
use lobos_proto::op::{
    CopiedObject, CopyObject, DeleteObject, DeleteObjects, Deletions, PutObject, RenameObject,
};
use lobos_proto::s3::condition::DeleteConditions;
use lobos_proto::{Checksum, Code, ETag, Error, Key, Stored};

use super::memory::{All, Object, Objects, midnight, no_bucket, no_key};

pub(crate) fn copy(all: &mut All, copy: CopyObject) -> Result<CopiedObject, Error> {
    let from = &copy.source;
    let source = all.get(from.bucket.as_str()).ok_or_else(|| no_bucket(&from.bucket))?;
    let mut object = source.get(from.key.as_str()).ok_or_else(|| no_key(&from.key))?.clone();
    copy.check_source(&object.info)?;
    let target = all.get_mut(copy.bucket.as_str()).ok_or_else(|| no_bucket(&copy.bucket))?;
    copy.conditions.check(target.get(copy.key.as_str()).map(|object| &object.info.etag))?;
    if let Some(metadata) = copy.metadata {
        let kind = metadata.content_type.clone();
        object.info.content_type = kind.map_or("binary/octet-stream".into(), Into::into);
        object.info.metadata = metadata;
    }
    object.info.metadata.website_redirect = copy.redirect;
    if let Some(algorithm) = copy.checksum {
        let mut hasher = Hasher::new([algorithm]);
        hasher.update(&object.bytes);
        let digest = hasher.finish().get(algorithm).expect("it ran");
        object.info.checksums = vec![Checksum::full(digest)];
    }
    let stored = Stored::from(&object.info);
    target.insert(copy.key.to_string(), object);
    Ok(CopiedObject { stored, modified: midnight() })
}

pub(crate) fn rename(all: &mut All, rename: &RenameObject) -> Result<(), Error> {
    let objects = all.get_mut(rename.bucket.as_str()).ok_or_else(|| no_bucket(&rename.bucket))?;
    let sources = [Some(&rename.source), rename.or_source.as_ref()];
    let source = sources.into_iter().flatten().find(|key| objects.contains_key(key.as_str()));
    let source = source.ok_or_else(|| no_key(&rename.source))?;
    let target = objects.get(rename.key.as_str()).map(|object| &object.info);
    rename.check(&objects[source.as_str()].info, target)?;
    if let Some(object) = objects.remove(source.as_str()) {
        objects.insert(rename.key.to_string(), object);
    }
    Ok(())
}

/// What `put` appends to, if it appends.
pub(crate) fn base(objects: &Objects, put: &PutObject) -> Result<Option<Object>, Error> {
    let Some(offset) = put.append else { return Ok(None) };
    let current = objects.get(put.key.as_str());
    if current.map_or(0, |object| object.info.size) != offset {
        return Err(Error::new(Code::InvalidWriteOffset).key(put.key.as_str()));
    }
    Ok(current.cloned())
}

/// The object of `base` and the bytes behind it.
pub(crate) fn extended(base: Object, appended: &[u8]) -> Object {
    let bytes: Arc<[u8]> = [&base.bytes, appended].concat().into();
    let mut hasher = Hasher::new([Algorithm::Crc32]);
    hasher.update(&bytes);
    let whole = hasher.finish().iter().map(Checksum::full).collect();
    let mut info = base.info;
    info.size = bytes.len() as u64;
    info.checksums = whole;
    info.etag = ETag::opaque(info.modified.nanos, info.size);
    Object { info, tags: base.tags, bytes }
}

pub(crate) fn delete(objects: &mut Objects, request: &DeleteObject) -> Result<(), Error> {
    remove(objects, &request.key, &request.conditions)
}

pub(crate) fn delete_many(objects: &mut Objects, request: DeleteObjects) -> Deletions {
    request.each(|key, conditions| remove(objects, key, conditions))
}

fn remove(objects: &mut Objects, key: &Key, conditions: &DeleteConditions) -> Result<(), Error> {
    let current = objects.get(key.as_str()).map(|object| &object.info);
    conditions
        .check(current.map(|info| (&info.etag, info.size, info.modified)))
        .map_err(|e| e.key(key.as_str()))?;
    objects.remove(key.as_str());
    Ok(())
}
