//! CopyObject: a new object with the bytes of another, moved by the kernel.
//!
//! The source is opened once, so it may be replaced meanwhile, also by the copy itself. Its MD5 and
//! checksums are kept where they are known to fit; what is missing is computed from the copy.

use std::os::fd::AsFd;

use lobos_digest::{Algorithm, Hasher};
use lobos_proto::op::{CopiedObject, CopyObject};
use lobos_proto::{Checksum, Code, Error, Metadata, Stored};
use rustix::fs::fstat;
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::meta::{Meta, Stamp};
use crate::object::{self, Found};
use crate::publish::{self, Terms};
use crate::temp::Temp;
use crate::upload;
use crate::{bytes, error, mime};

/// How often another program may cut the source while it is copied.
const TRIES: usize = 4;

/// Copies an object of `from` into `bucket`.
pub(crate) fn copy(
    from: &Bucket,
    bucket: &Bucket,
    request: &CopyObject,
) -> Result<CopiedObject, Error> {
    for _ in 0..TRIES {
        if let Some(copied) = try_copy(from, bucket, request)? {
            return Ok(copied);
        }
    }
    Err(Error::new(Code::SlowDown).cause("the source of the copy is cut all the time"))
}

/// `None` if the source became shorter meanwhile.
fn try_copy(
    from: &Bucket,
    bucket: &Bucket,
    request: &CopyObject,
) -> Result<Option<CopiedObject>, Error> {
    let (key, conditions, source) = (&request.key, &request.conditions, &request.source.key);
    let Some(found) = object::find_kept(from, source)? else {
        return Err(Error::new(Code::NoSuchKey).key(source.as_str()));
    };
    request.check_source(&found.info(source))?;
    publish::check(bucket, key, conditions)?;
    let size = found.stamp.size;
    let temp = upload::temp(bucket, key, Some(size))?;
    if let Some(temp) = &temp
        && !copy_bytes(bucket, &found, temp)?
    {
        return Ok(None);
    }
    let (md5, checksums) = digests(bucket, request, &found, temp.as_ref())?;
    let tags = match &request.tags {
        Some(tags) => tags.pairs().to_vec(),
        None => found.meta.tags.clone(),
    };
    let said = mime::unless_guessed(&said(request, &found.meta), key.as_str());
    let meta = Meta { md5, checksums: checksums.clone(), tags, said, ..Meta::default() };
    let terms = Terms {
        absent: conditions.absent,
        alone: conditions.matches.is_some(),
        check: &|| publish::check(bucket, key, conditions),
    };
    let md5 = if bucket.has_md5() { meta.md5_etag() } else { None };
    let stamp = upload::land(bucket, key, &terms, temp, meta)?;
    let etag = md5.unwrap_or_else(|| stamp.etag());
    let stored = Stored { etag, size, checksums };
    Ok(Some(CopiedObject { stored, modified: stamp.modified() }))
}

/// Whether all bytes are in `temp` now.
fn copy_bytes(bucket: &Bucket, found: &Found, temp: &Temp) -> Result<bool, Error> {
    let Some(file) = &found.file else { return Ok(true) };
    let size = found.stamp.size;
    let copied = bytes::copy((file.as_fd(), 0), (temp.file().as_fd(), 0), size);
    copied.map_err(|e| bucket.failed(e))
}

/// The metadata of the new object. What a name tells of a type is kept where the new name tells
/// another.
fn said(request: &CopyObject, source: &Meta) -> Metadata {
    let mut said = match &request.metadata {
        Some(metadata) => metadata.clone(),
        None => {
            let mut said = source.said.clone();
            let guess = || mime::guess(request.source.key.as_str()).to_owned();
            said.content_type = Some(said.content_type.unwrap_or_else(guess));
            said
        }
    };
    said.website_redirect.clone_from(&request.redirect);
    said
}

/// The MD5 and the checksums of the new object.
///
/// S3 gives a copy the MD5 of all its bytes as ETag, also where the source came in parts; a copy
/// has no parts, so a checksum of checksums becomes one of all bytes too.
fn digests(
    bucket: &Bucket,
    request: &CopyObject,
    found: &Found,
    temp: Option<&Temp>,
) -> Result<(Option<lobos_digest::Digest>, Vec<Checksum>), Error> {
    let known = found.meta.stamp == Some(found.stamp);
    let listed = if known { found.meta.checksums.as_slice() } else { &[] };
    // Another program may have written into the source while it was copied.
    let same = match &found.file {
        Some(file) => Stamp::of(&fstat(file).map_err(error::read)?) == found.stamp,
        None => true,
    };
    let md5 = found.meta.md5.filter(|_| known && same);
    let kept = |algorithm| {
        let full = |c: &&Checksum| c.algorithm() == algorithm && c.parts.is_none();
        listed.iter().find(full).filter(|_| same).copied()
    };
    let algorithms: Vec<Algorithm> = match request.checksum {
        Some(algorithm) => vec![algorithm],
        None => listed.iter().map(Checksum::algorithm).collect(),
    };
    let needs_md5 = bucket.has_md5() && md5.is_none();
    let missing = algorithms.iter().copied().filter(|a| kept(*a).is_none());
    let mut hasher = Hasher::new(missing.chain(needs_md5.then_some(Algorithm::Md5)));
    if let Some(temp) = temp {
        hash(temp, found.stamp.size, &mut hasher).map_err(error::read)?;
    }
    let computed = hasher.finish();
    let checksum = |a: Algorithm| kept(a).or_else(|| computed.get(a).map(Checksum::full));
    let checksums = algorithms.into_iter().filter_map(checksum).collect();
    Ok((md5.or_else(|| computed.get(Algorithm::Md5)), checksums))
}

fn hash(temp: &Temp, size: u64, hasher: &mut Hasher) -> Result<(), Errno> {
    if hasher.is_empty() {
        return Ok(());
    }
    bytes::each(temp.file().as_fd(), 0, size, |data| {
        hasher.update(data);
        Ok(())
    })
    .map(drop)
}
