//! An upload under way: bytes go into a file that nobody sees, hashed as they come.

use lobos_digest::{Algorithm, Digests, Hasher};
use lobos_proto::op::PutObject;
use lobos_proto::{Checksum, Code, Error, Expected, Key, Response, Sink, Stored};

use std::os::fd::AsFd;

use crate::bucket::Bucket;
use crate::key::{self, Place};
use crate::meta::{Meta, Stamp};
use crate::ours::Has;
use crate::publish::Terms;
use crate::room::Room;
use crate::temp::Temp;
use crate::{aside, error, folder, mime, publish};

/// The sink of a PutObject.
pub(crate) struct Upload {
    pub(crate) bucket: Bucket,
    pub(crate) put: Box<PutObject>,
    /// `None` for `a/` as long as it has no bytes: that is a folder.
    pub(crate) temp: Option<Temp>,
    pub(crate) hasher: Hasher,
    room: Room,
    /// Bytes that came.
    pub(crate) size: u64,
    failed: bool,
}

impl Upload {
    /// Accepts the upload, or not: what can be known beforehand is known before the client sends
    /// its bytes.
    pub(crate) fn begin(bucket: Bucket, mut put: Box<PutObject>) -> Result<Self, Error> {
        publish::check(&bucket, &put.key, &put.conditions)?;
        let temp = temp(&bucket, &put.key, put.size)?;
        let md5 = bucket.has_md5().then_some(Algorithm::Md5);
        // S3 keeps this one where the client sends none.
        put.checksum = put.checksum.or(md5.map(|_| Algorithm::Crc64Nvme));
        let wanted = put.verify.iter().copied().chain(put.checksum).chain(md5);
        let hasher = bucket.hasher(wanted);
        // Of an append it is not known here where its bytes go.
        let room = Room::new(0, put.size.filter(|_| put.append.is_none()));
        Ok(Self { bucket, put, temp, hasher, room, size: 0, failed: false })
    }

    /// What is kept of an object that came like this.
    pub(crate) fn meta(&self, digests: &Digests) -> Meta {
        let said = mime::unless_guessed(&self.put.metadata, self.put.key.as_str());
        let md5 = if self.bucket.has_md5() { digests.get(Algorithm::Md5) } else { None };
        let checksum = self.put.checksum.and_then(|a| digests.get(a));
        let checksums = checksum.into_iter().map(Checksum::full).collect();
        let tags = self.put.tags.pairs().to_vec();
        Meta { md5, checksums, tags, said, ..Meta::default() }
    }

    /// The digests of what came, held against what was promised.
    pub(crate) fn verify(&mut self, expected: &Expected) -> Result<Digests, Error> {
        if self.failed {
            return Err(Error::new(Code::InternalError).cause("commit after a failed write"));
        }
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new([]));
        let digests = hasher.finish();
        expected.check(&digests)?;
        Ok(digests)
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
        self.room.ahead(temp.file().as_fd(), self.size, data.len() as u64);
        self.size = self.size.saturating_add(data.len() as u64);
        error::write_all(temp.file().as_fd(), data).map_err(|e| {
            self.failed = true;
            error::write(e)
        })
    }

    fn commit(mut self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        let digests = self.verify(expected)?;
        let meta = self.meta(&digests);
        let (md5, checksums) = (meta.md5_etag(), meta.checksums.clone());
        let temp = self.temp.take();
        let (bucket, key, conditions) = (&self.bucket, &self.put.key, &self.put.conditions);
        let terms = Terms {
            absent: conditions.absent,
            alone: conditions.matches.is_some(),
            check: &|| publish::check(bucket, key, conditions),
        };
        let stamp = land(bucket, key, &terms, temp, meta)?;
        let etag = md5.unwrap_or_else(|| stamp.etag());
        Ok(Response::PutObject(Stored { etag, size: self.size, checksums }))
    }

    fn is_heavy(&self) -> bool {
        self.bucket.is_durable()
    }

    fn goes_with_others(&self) -> bool {
        self.hasher.is_shared()
    }
}

/// Makes an object visible, whole, in one step. `temp` has its bytes; `None` is `a/` without any.
pub(crate) fn land(
    bucket: &Bucket,
    key: &Key,
    terms: &Terms<'_>,
    temp: Option<Temp>,
    mut meta: Meta,
) -> Result<Stamp, Error> {
    let seal = |temp, meta| publish::seal(bucket, key, temp, meta);
    // Before the lock, since it may wait for the disk.
    let sealed = temp.map(|temp| seal(temp, std::mem::take(&mut meta))).transpose()?;
    let turn = publish::turn(bucket, key, terms).inspect_err(|_| {
        sealed.iter().for_each(|sealed| publish::forget(bucket, key, sealed));
    })?;
    let sealed = match sealed {
        Some(sealed) => sealed,
        None => match put_folder(bucket, key.as_str(), &mut meta, turn.has())? {
            Some(stamp) => return Ok(stamp),
            // A file has the name of the folder.
            None => seal(Temp::near(bucket, "").map_err(|e| bucket.failed(e))?, meta)?,
        },
    };
    publish::publish(bucket, key, (terms.absent, turn.has()), sealed)
}

/// A file for the bytes of a new object; `None` for `a/` if it has none, as far as is known.
pub(crate) fn temp(bucket: &Bucket, key: &Key, size: Option<u64>) -> Result<Option<Temp>, Error> {
    let name = key.as_str();
    if matches!(key::place(name), Place::Folder(_)) && size.unwrap_or(0) == 0 {
        return Ok(None);
    }
    Temp::near(bucket, key::folder(name)).map(Some).map_err(|e| bucket.failed(e))
}

/// `a/` without bytes.
fn put_folder(
    bucket: &Bucket,
    key: &str,
    meta: &mut Meta,
    has: Has,
) -> Result<Option<Stamp>, Error> {
    let Place::Folder(path) = key::place(key) else { return Ok(None) };
    let stamp = folder::put(bucket, path, meta)?;
    if stamp.is_some() && has.aside {
        aside::remove(bucket, key)?;
    }
    Ok(stamp)
}
