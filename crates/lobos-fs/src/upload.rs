//! An upload under way: bytes go into a file that nobody sees, hashed as they come.

use lobos_digest::{Algorithm, Digests, Hasher};
use lobos_proto::op::PutObject;
use lobos_proto::{Checksum, Code, Error, Expected, Response, Sink, Stored};

use std::os::fd::AsFd;

use crate::bucket::Bucket;
use crate::key::{self, Place};
use crate::meta::{Meta, Stamp};
use crate::temp::Temp;
use crate::{aside, error, folder, locks, mime, object, publish};

/// The sink of a PutObject.
pub(crate) struct Upload {
    bucket: Bucket,
    put: Box<PutObject>,
    /// `None` for `a/` as long as it has no bytes: that is a folder.
    temp: Option<Temp>,
    hasher: Hasher,
    size: u64,
    failed: bool,
}

impl Upload {
    /// Accepts the upload, or not: what can be known beforehand is known before the client sends
    /// its bytes.
    pub(crate) fn begin(bucket: Bucket, mut put: Box<PutObject>) -> Result<Self, Error> {
        if !put.conditions.is_empty() {
            check(&bucket, &put)?;
        }
        let temp = match key::place(put.key.as_str()) {
            Place::File(path) => Some(key::split(path).0),
            Place::Folder(_) if put.size.unwrap_or(0) == 0 => None,
            Place::Folder(_) | Place::Aside => Some(""),
        };
        let temp = temp.map(|folder| Temp::near(&bucket, folder)).transpose();
        let temp = temp.map_err(|e| bucket.failed(e))?;
        let md5 = bucket.has_md5().then_some(Algorithm::Md5);
        // S3 keeps this one where the client sends none.
        put.checksum = put.checksum.or(md5.map(|_| Algorithm::Crc64Nvme));
        let wanted = put.verify.iter().copied().chain(put.checksum).chain(md5);
        let hasher = Hasher::new(wanted);
        Ok(Self { bucket, put, temp, hasher, size: 0, failed: false })
    }

    fn meta(&self, digests: &Digests) -> Meta {
        let mut said = self.put.metadata.clone();
        if said.content_type.as_deref() == Some(mime::guess(self.put.key.as_str())) {
            said.content_type = None;
        }
        let md5 = if self.bucket.has_md5() { digests.get(Algorithm::Md5) } else { None };
        let checksum = self.put.checksum.and_then(|a| digests.get(a));
        let checksums = checksum.into_iter().map(Checksum::full).collect();
        let tags = self.put.tags.pairs().to_vec();
        Meta { md5, checksums, tags, said, ..Meta::default() }
    }
}

impl Sink for Upload {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        if self.temp.is_none() {
            self.temp = Some(Temp::near(&self.bucket, "").map_err(|e| self.bucket.failed(e))?);
        }
        let Some(temp) = &self.temp else { return Err(Error::new(Code::InternalError)) };
        self.hasher.update(data);
        self.size = self.size.saturating_add(data.len() as u64);
        error::write_all(temp.file().as_fd(), data).map_err(|e| {
            self.failed = true;
            error::write(e)
        })
    }

    fn commit(mut self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        if self.failed {
            return Err(Error::new(Code::InternalError).cause("commit after a failed write"));
        }
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new([]));
        let digests = hasher.finish();
        expected.check(&digests)?;
        let mut meta = self.meta(&digests);
        let (md5, checksums) = (meta.md5_etag(), meta.checksums.clone());
        let key = self.put.key.clone();
        let (bucket, put, size) = (&self.bucket, &self.put, self.size);
        let seal = |temp, meta| publish::seal(bucket, &key, temp, meta);
        // Before the lock, since it may wait for the disk.
        let sealed = self.temp.take().map(|temp| seal(temp, meta.clone())).transpose()?;

        let _locked = bucket.shared().locks.lock(bucket, key.as_str());
        let _alone = match put.conditions.matches {
            Some(_) => {
                Some(locks::between_processes(bucket, key.as_str()).map_err(|e| bucket.failed(e))?)
            }
            None => None,
        };
        if !put.conditions.is_empty() {
            check(bucket, put)?;
        }
        let stamp = match sealed {
            Some(sealed) => publish::publish(bucket, &key, put.conditions.absent, sealed)?,
            None => match put_folder(bucket, key.as_str(), &mut meta)? {
                Some(stamp) => stamp,
                // A file has the name of the folder.
                None => {
                    let sealed = seal(Temp::near(bucket, "").map_err(|e| bucket.failed(e))?, meta)?;
                    publish::publish(bucket, &key, put.conditions.absent, sealed)?
                }
            },
        };
        let etag = md5.unwrap_or_else(|| stamp.etag());
        Ok(Response::PutObject(Stored { etag, size, checksums }))
    }

    fn is_heavy(&self) -> bool {
        self.bucket.is_durable()
    }
}

/// `a/` without bytes.
fn put_folder(bucket: &Bucket, key: &str, meta: &mut Meta) -> Result<Option<Stamp>, Error> {
    let Place::Folder(path) = key::place(key) else { return Ok(None) };
    let stamp = folder::put(bucket, path, meta)?;
    if stamp.is_some() {
        aside::remove(bucket, key)?;
    }
    Ok(stamp)
}

/// Holds the conditions against what is there now.
fn check(bucket: &Bucket, put: &PutObject) -> Result<(), Error> {
    let current = object::find(bucket, &put.key)?.map(|object| object.info.etag);
    put.conditions.check(current.as_ref()).map_err(|e| e.key(put.key.as_str()))
}
