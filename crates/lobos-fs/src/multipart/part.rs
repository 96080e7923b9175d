//! A part that is under way: where its bytes go, and how it takes its slot when it is whole.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lobos_digest::{Algorithm, Digests, Hasher};
use lobos_proto::op::{StoredPart, UploadPart};
use lobos_proto::{ChecksumType, Code, ETag, Error, Expected, Key, Response, Sink};
use rustix::fs::{AtFlags, OFlags, unlinkat};
use rustix::io::Errno;

use super::head::{Control, Head};
use super::slot::{Claim, Place, Record};
use super::{FOLDER_FLAGS, Opened, UploadId, no_such_upload};
use crate::bucket::Bucket;
use crate::room::Room;
use crate::{bytes, clock, error, key};

/// No part is put in place beyond this, since file systems have their limits (ext4: 16 TiB).
const FARTHEST: u64 = 8 << 40;

/// A part under way. Dropped without [`Part::finish`] it leaves no trace.
pub(crate) struct Part {
    bucket: Bucket,
    id: UploadId,
    head: Head,
    control: Control,
    number: u32,
    /// `None`: no byte has come yet.
    target: Option<Target>,
    room: Room,
    hasher: Hasher,
    /// The checksum to keep and answer.
    checksum: Option<Algorithm>,
    size: u64,
    failed: bool,
}

/// Where the bytes go.
enum Target {
    /// Their place in the file of all parts of this size.
    Shared {
        file: OwnedFd,
        claim: Claim,
        offset: u64,
    },
    Own {
        file: OwnedFd,
        mark: u64,
    },
}

/// Which part it is to be.
pub(crate) struct Wanted<'w> {
    pub(crate) upload: &'w str,
    pub(crate) key: &'w Key,
    pub(crate) number: u32,
    /// Bytes, if that is known beforehand.
    pub(crate) size: Option<u64>,
    /// The checksum that the client sends.
    pub(crate) checksum: Option<Algorithm>,
    /// What else the client promises.
    pub(crate) verify: &'w [Algorithm],
    /// Its bytes come from another object, and so nobody sends a checksum.
    pub(crate) copied: bool,
}

/// The sink of an UploadPart.
pub(crate) fn upload(bucket: Bucket, request: &UploadPart) -> Result<Box<dyn Sink>, Error> {
    let wanted = Wanted {
        upload: &request.upload,
        key: &request.key,
        number: request.number,
        size: request.size,
        checksum: request.checksum,
        verify: &request.verify,
        copied: false,
    };
    Ok(Box::new(Part::begin(bucket, &wanted)?))
}

impl Sink for Part {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        self.hasher.update(data);
        self.write(data).inspect_err(|_| self.failed = true)
    }

    fn commit(self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        let part = self.finish(expected)?;
        Ok(Response::UploadPart(StoredPart { etag: part.etag, checksum: part.checksum }))
    }

    fn is_heavy(&self) -> bool {
        self.bucket.is_durable()
    }

    fn goes_with_others(&self) -> bool {
        self.hasher.is_shared()
    }
}

impl Part {
    /// Accepts the part, or not.
    pub(crate) fn begin(bucket: Bucket, wanted: &Wanted<'_>) -> Result<Self, Error> {
        let opened = Opened::new(&bucket, wanted.upload, wanted.key, OFlags::RDWR)?;
        let Opened { id, head, mut control, .. } = opened;
        let named = control.checksum.map(|(algorithm, _)| algorithm);
        match (control.checksum, wanted.checksum) {
            (Some((named, _)), Some(sent)) if named != sent => {
                return Err(mismatch(Some(named), Some(sent)));
            }
            // A checksum of checksums is nothing without them.
            (Some((named, ChecksumType::Composite)), None) if !wanted.copied => {
                return Err(mismatch(Some(named), None));
            }
            _ => {}
        }
        let mark = key::hash(bucket.shared().scratches.unique().as_bytes()).max(1);
        let claim = claim(&head, &mut control, wanted, mark).map_err(error::write)?;
        head.unlock();

        let checksum = named.or(wanted.checksum);
        let own = [Algorithm::Md5, Algorithm::Crc64Nvme].into_iter();
        // Without a name S3 keeps a CRC64NVME of the object; not worth it where nothing is hashed.
        let own = own.filter(|a| bucket.has_md5() && (*a == Algorithm::Md5 || named.is_none()));
        let digests = wanted.verify.iter().copied().chain(checksum).chain(own);
        let hasher = if wanted.copied { Hasher::new(digests) } else { bucket.hasher(digests) };
        let number = wanted.number;
        let room = Room::new(claim.map_or(0, |claim| claim.offset(number)), wanted.size);
        let (target, size, failed) = (None, 0, false);
        let mut part = Self {
            bucket,
            id,
            head,
            control,
            number,
            target,
            room,
            hasher,
            checksum,
            size,
            failed,
        };
        if let Some(claim) = claim {
            part.open_shared(claim)?;
        }
        Ok(part)
    }

    fn open_shared(&mut self, claim: Claim) -> Result<(), Error> {
        let offset = claim.offset(self.number);
        let file = self.open(&shared_name(claim.stride)).map_err(|e| {
            self.release(claim);
            self.broken(e)
        })?;
        self.target = Some(Target::Shared { file, claim, offset });
        Ok(())
    }

    fn open(&self, name: &str) -> Result<OwnedFd, Errno> {
        self.bucket.open_ours(&self.id.path(name), OFlags::RDWR | OFlags::CREATE)
    }

    /// Where the next bytes go, if there is room for so many.
    fn place(&mut self, count: u64) -> Result<(BorrowedFd<'_>, u64), Error> {
        if self.target.is_none() {
            let unique = self.bucket.shared().scratches.unique();
            let mark = key::hash(unique.as_bytes());
            let file = self.open(&own_name(self.number, mark)).map_err(|e| self.broken(e))?;
            self.target = Some(Target::Own { file, mark });
        }
        match &self.target {
            Some(Target::Shared { file, claim, offset }) => {
                // More than was announced must not reach the next part.
                if self.size.saturating_add(count) > claim.stride {
                    return Err(Error::new(Code::IncompleteBody));
                }
                Ok((file.as_fd(), offset + self.size))
            }
            Some(Target::Own { file, .. }) => Ok((file.as_fd(), self.size)),
            None => Err(Error::new(Code::InternalError)),
        }
    }

    /// A file of the upload that could not be made.
    fn broken(&self, errno: Errno) -> Error {
        if errno == Errno::NOENT { no_such_upload(&self.id.0) } else { error::write(errno) }
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        if data.is_empty() {
            return Ok(());
        }
        let count = data.len() as u64;
        let mut room = std::mem::take(&mut self.room);
        let written = self.place(count).and_then(|(file, offset)| {
            room.ahead(file, offset, count);
            bytes::write_at(file, data, offset).map_err(error::write)
        });
        self.room = room;
        written?;
        self.size = self.size.saturating_add(count);
        Ok(())
    }

    /// Takes `count` bytes of a file, which has them.
    pub(crate) fn copy(
        &mut self,
        source: BorrowedFd<'_>,
        from: u64,
        count: u64,
    ) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        // The digests are those of the copy, whatever becomes of the source; and the bytes are
        // shared where the file system can do that.
        let mut hasher = std::mem::replace(&mut self.hasher, Hasher::new([]));
        let (target, to) = self.place(count)?;
        let mut whole = bytes::copy((source, from), (target, to), count).map_err(error::write)?;
        if whole && !hasher.is_empty() {
            whole = bytes::each(target, to, count, |data| {
                hasher.update(data);
                Ok(())
            })
            .map_err(error::read)?;
        }
        self.hasher = hasher;
        self.size = self.size.saturating_add(count);
        if whole { Ok(()) } else { Err(Error::new(Code::OperationAborted).cause("it was cut")) }
    }

    /// The part is whole: verifies it and makes it the one with its number.
    pub(crate) fn finish(mut self, expected: &Expected) -> Result<Record, Error> {
        if self.failed {
            return Err(Error::new(Code::InternalError).cause("commit after a failed write"));
        }
        let digests = std::mem::replace(&mut self.hasher, Hasher::new([])).finish();
        expected.check(&digests)?;
        self.settle().map_err(|e| self.broken(e))?;
        let record = self.record(&digests);
        let old = self.take_slot(record)?;
        self.target = None;
        if self.bucket.is_durable() {
            self.head.sync().map_err(error::write)?;
        }
        if let Some(Place::Own { mark }) = old {
            self.unlink(mark);
        }
        Ok(record)
    }

    fn record(&self, digests: &Digests) -> Record {
        let place = match &self.target {
            None => Place::Nowhere,
            Some(Target::Shared { claim, .. }) => Place::Shared { stride: claim.stride },
            Some(Target::Own { mark, .. }) => Place::Own { mark: *mark },
        };
        let time = clock::next();
        let md5 = digests.get(Algorithm::Md5).filter(|_| self.bucket.has_md5());
        let md5 = md5.and_then(|md5| md5.bytes().try_into().ok()).map(ETag::from_md5);
        let etag = md5.unwrap_or_else(|| ETag::opaque(time, self.size));
        let checksum = self.checksum.and_then(|algorithm| digests.get(algorithm));
        let crc64 = digests.get(Algorithm::Crc64Nvme);
        Record { place, size: self.size, time, etag, checksum, crc64 }
    }

    /// Gives the place of the part that was there.
    fn take_slot(&self, record: Record) -> Result<Option<Place>, Error> {
        self.head.lock().map_err(error::write)?;
        if self.head.is_gone().map_err(error::write)? {
            return Err(no_such_upload(&self.id.0));
        }
        let mut slot = self.head.slot(&self.control, self.number).map_err(error::write)?;
        let old = slot.part.replace(record).map(|part| part.place);
        if let Some(Target::Shared { claim, .. }) = &self.target
            && slot.claim == Some(*claim)
        {
            slot.claim = None;
        }
        self.head.write_slot(&self.control, self.number, &slot).map_err(error::write)?;
        self.head.unlock();
        Ok(old)
    }

    /// Has the file system say what became of the bytes.
    fn settle(&self) -> Result<(), Errno> {
        if let Some(Target::Shared { file, .. } | Target::Own { file, .. }) = &self.target {
            if !self.bucket.is_durable() {
                return error::flush(file.as_fd());
            }
            error::sync(file.as_fd())?;
            error::sync(self.bucket.open_ours(&self.id.path(""), FOLDER_FLAGS)?.as_fd())?;
        }
        Ok(())
    }

    /// Gives a claim back, so that the next one who brings the part writes it in place.
    fn release(&self, claim: Claim) {
        let release = || {
            self.head.lock()?;
            let mut slot = self.head.slot(&self.control, self.number)?;
            if slot.claim == Some(claim) {
                slot.claim = None;
                self.head.write_slot(&self.control, self.number, &slot)?;
            }
            Ok::<_, Errno>(())
        };
        // One that is not given back costs a copy.
        let _ = release();
        self.head.unlock();
    }

    fn unlink(&self, mark: u64) {
        let folder = self.bucket.open_ours(&self.id.path(""), OFlags::PATH | OFlags::DIRECTORY);
        if let Ok(folder) = folder {
            let _ = unlinkat(folder, own_name(self.number, mark), AtFlags::empty());
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        match self.target.take() {
            Some(Target::Shared { claim, .. }) => self.release(claim),
            Some(Target::Own { mark, .. }) => self.unlink(mark),
            None => {}
        }
    }
}

/// The file of all parts of this size.
pub(super) fn shared_name(stride: u64) -> String {
    format!("d{stride}")
}

/// The file of one part.
pub(super) fn own_name(number: u32, mark: u64) -> String {
    format!("p{number}-{mark:016x}")
}

/// Takes the place of the part among parts of equal size, if it fits and nobody has it. Parts
/// come in any order and the last one is mostly smaller: the first that comes decides on the
/// size, and a larger one with a lower number decides again. The head is locked.
fn claim(
    head: &Head,
    control: &mut Control,
    wanted: &Wanted<'_>,
    mark: u64,
) -> Result<Option<Claim>, Errno> {
    let Some(size) = wanted.size.filter(|size| *size > 0 && !control.sealed) else {
        return Ok(None);
    };
    let decides = control.stride == 0 || (size > control.stride && wanted.number < control.decider);
    let stride = if decides { size } else { control.stride };
    if size > stride || stride.saturating_mul(u64::from(wanted.number)) > FARTHEST {
        return Ok(None);
    }
    let mut slot = head.slot(control, wanted.number)?;
    let taken = slot.part.is_some_and(|part| part.place == Place::Shared { stride });
    if taken || slot.claim.is_some() {
        return Ok(None);
    }
    let claim = Claim { mark, stride };
    slot.claim = Some(claim);
    head.write_slot(control, wanted.number, &slot)?;
    if decides {
        (control.stride, control.decider) = (stride, wanted.number);
        head.write_control(control)?;
    }
    Ok(Some(claim))
}

/// A checksum of another algorithm than the one that Create named.
pub(super) fn mismatch(named: Option<Algorithm>, sent: Option<Algorithm>) -> Error {
    let name = |algorithm: Option<Algorithm>| {
        algorithm.map_or_else(|| "null".to_owned(), |a| a.name().to_ascii_lowercase())
    };
    Error::new(Code::InvalidRequest).message(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
        name(named),
        name(sent)
    ))
}
