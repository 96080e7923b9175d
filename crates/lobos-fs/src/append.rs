//! Appending to an object (x-amz-write-offset-bytes): a new object of the old bytes and those that
//! come, which takes the place of the old one in one step.
//!
//! So a reader sees the old object or the new one. The old bytes are copied by the kernel: for
//! nothing where the file system shares blocks, else for the price of a copy. The tag of the new
//! object is opaque, as in S3 Express: the MD5 of the whole would need every byte again.

use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;

use lobos_digest::{Algorithm, Digests, Hasher, combine};
use lobos_proto::op::PutObject;
use lobos_proto::{Checksum, Code, Error, Expected, Response, Sink, Stored};

use crate::bucket::Bucket;
use crate::meta::{Meta, Stamp};
use crate::object::{self, Found};
use crate::publish::{self, Terms, from_io};
use crate::temp::Temp;
use crate::upload::{self, Upload};
use crate::{bytes, error};

/// The sink of a PutObject that appends.
pub(crate) struct Append {
    upload: Upload,
    /// What is appended to; `None` if there was no object.
    base: Option<Base>,
}

/// An object as it was when the append began.
struct Base {
    stamp: Stamp,
    meta: Meta,
}

impl Append {
    /// Accepts the bytes if the object has the size `offset` now.
    pub(crate) fn begin(bucket: Bucket, put: Box<PutObject>, offset: u64) -> Result<Self, Error> {
        let found = object::find_kept(&bucket, &put.key)?;
        if found.as_ref().map_or(0, |found| found.stamp.size) != offset {
            return Err(wrong_offset(&put));
        }
        let base = found.as_ref().map(|f| Base { stamp: f.stamp, meta: f.meta.clone() });
        if let Some(base) = &base {
            base.check(&put)?;
        }
        let mut upload = Upload::begin(bucket, put)?;
        if let (Some(base), Some(found)) = (&base, &found) {
            upload.hasher = Hasher::new(base.algorithms(&upload.put));
            take_over(&mut upload, found)?;
        }
        Ok(Self { upload, base })
    }
}

/// Copies the old bytes to where the new ones will come behind them.
fn take_over(upload: &mut Upload, found: &Found) -> Result<(), Error> {
    let (bucket, size) = (&upload.bucket, found.stamp.size);
    let Some(file) = found.file.as_ref().filter(|_| size > 0) else { return Ok(()) };
    let temp = match upload.temp.take() {
        Some(temp) => temp,
        None => Temp::near(bucket, "").map_err(|e| bucket.failed(e))?,
    };
    let target = temp.file();
    let copied = bytes::copy((file.as_fd(), 0), (target.as_fd(), 0), size);
    if !copied.map_err(error::write)? {
        return Err(conflict(&upload.put));
    }
    let mut cursor = target;
    cursor.seek(SeekFrom::Start(size)).map_err(from_io)?;
    upload.temp = Some(temp);
    Ok(())
}

fn wrong_offset(put: &PutObject) -> Error {
    Error::new(Code::InvalidWriteOffset).key(put.key.as_str())
}

fn conflict(put: &PutObject) -> Error {
    Error::new(Code::ConditionalRequestConflict).key(put.key.as_str())
}

impl Base {
    /// Whether such an upload may be appended: what is known of the object stays as it is.
    fn check(&self, put: &PutObject) -> Result<(), Error> {
        let invalid = |why: String| Err(Error::new(Code::InvalidRequest).message(why));
        if !put.metadata.user.is_empty() || !put.tags.pairs().is_empty() {
            return invalid(
                "Cannot specify both a write offset value and user-defined object metadata for \
                 existing objects."
                    .into(),
            );
        }
        match (self.checksum(), put.checksum) {
            (Some(old), Some(new)) if old.algorithm() != new => invalid(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                 Type: {}.",
                old.algorithm().name().to_ascii_lowercase(),
                new.name().to_ascii_lowercase()
            )),
            _ => Ok(()),
        }
    }

    /// The checksum that is known to fit the old bytes.
    fn checksum(&self) -> Option<&Checksum> {
        self.meta.checksums.first().filter(|_| self.meta.stamp == Some(self.stamp))
    }

    /// What to compute of the bytes that come.
    fn algorithms(&self, put: &PutObject) -> Vec<Algorithm> {
        let known = self.checksum().map(Checksum::algorithm);
        put.verify.iter().copied().chain(put.checksum).chain(known).collect()
    }

    /// What is kept of the new object: all that does not depend on its bytes, and the checksum of
    /// the whole if that can be had of the two pieces; `length` bytes were appended.
    fn meta(&self, appended: &Digests, length: u64) -> Meta {
        let whole = self.checksum().filter(|old| old.parts.is_none()).and_then(|old| {
            let new = appended.get(old.algorithm())?;
            combine(&old.digest, &new, length)
        });
        let checksums = whole.into_iter().map(Checksum::full).collect();
        let (tags, said) = (self.meta.tags.clone(), self.meta.said.clone());
        Meta { checksums, tags, said, ..Meta::default() }
    }
}

impl Sink for Append {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        self.upload.append(data)
    }

    fn commit(mut self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        let digests = self.upload.verify(expected)?;
        let temp = self.upload.temp.take();
        let Upload { bucket, put, size, .. } = &self.upload;
        if *size == 0 {
            return Err(Error::new(Code::InvalidRequest)
                .message("Request body cannot be empty when 'write offset' is specified."));
        }
        let (meta, before) = match &self.base {
            Some(base) => (base.meta(&digests, *size), base.stamp.size),
            None => (self.upload.meta(&digests), 0),
        };
        let sent = put.checksum.and_then(|a| digests.get(a)).map(Checksum::full);
        let checksums = match meta.checksums.as_slice() {
            [] => sent.into_iter().collect(),
            whole => whole.to_vec(),
        };
        let md5 = meta.md5_etag();
        let check = || {
            publish::check(bucket, &put.key, &put.conditions)?;
            let now = object::find_kept(bucket, &put.key)?;
            match (&self.base, &now) {
                (None, None) => Ok(()),
                (Some(base), Some(now)) if base.stamp == now.stamp && base.meta == now.meta => {
                    Ok(())
                }
                // Another object of this size.
                (Some(base), Some(now)) if base.stamp.size == now.stamp.size => Err(conflict(put)),
                _ => Err(wrong_offset(put)),
            }
        };
        let terms = Terms { absent: self.base.is_none(), alone: true, check: &check };
        let stamp = upload::land(bucket, &put.key, &terms, temp, meta)?;
        let etag = md5.unwrap_or_else(|| stamp.etag());
        Ok(Response::AppendObject(Stored { etag, size: before + size, checksums }))
    }

    fn is_heavy(&self) -> bool {
        self.upload.is_heavy()
    }
}
