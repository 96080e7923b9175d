//! The head of an upload: what Create said, how the parts lie, and a slot for each of them.
//!
//! Whoever needs it opens it for himself: its lock is that of the open file, so it keeps the
//! threads of a process apart as well as processes, and it ends with whoever held it.

use std::os::fd::{AsFd, OwnedFd};

use lobos_digest::Algorithm;
use lobos_proto::ChecksumType;
use rustix::fs::{FlockOperation, OFlags, flock, fstat};
use rustix::io::Errno;

use super::UploadId;
use super::slot::{self, Slot};
use crate::bucket::Bucket;
use crate::meta::{self, Meta};
use crate::{bytes, locks};

/// The name in the folder of the upload.
pub(crate) const NAME: &str = "head";

/// The file begins with this, and with it ends one that is half-made.
const MAGIC: &[u8; 8] = b"lobos-u1";

/// Bytes before the metadata.
const CONTROL: usize = 64;

/// Read at once: the metadata is mostly in it.
const USUAL: usize = 4096;

/// As for the metadata of an object.
const LARGEST_META: usize = 64 * 1024;

/// Read at once of the slots.
const CHUNK: usize = 64 * 1024;

const STRIDE: usize = 8;
const META: usize = 16;
const DECIDER: usize = 20;
const ALGORITHM: usize = 24;
const KIND: usize = 25;
const SEALED: usize = 26;

/// What is the same for all parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    /// Part n lies at (n - 1) times this; 0 as long as nobody knows.
    pub(crate) stride: u64,
    /// The part that decided so.
    pub(crate) decider: u32,
    /// An object is being made of the parts: nobody may begin to write in place.
    pub(crate) sealed: bool,
    /// What Create asked for.
    pub(crate) checksum: Option<(Algorithm, ChecksumType)>,
    /// Bytes of the metadata.
    meta: u32,
}

/// The open head of an upload.
pub(crate) struct Head(OwnedFd);

impl Control {
    /// For a new upload, and the bytes that its head begins with.
    pub(crate) fn begin(
        meta: &Meta,
        checksum: Option<(Algorithm, ChecksumType)>,
    ) -> Result<Vec<u8>, lobos_proto::Error> {
        let packed = meta.pack()?;
        let too_large = |_| lobos_proto::Error::new(lobos_proto::Code::MetadataTooLarge);
        let length = u32::try_from(packed.len()).map_err(too_large)?;
        let control = Self { checksum, meta: length, ..Self::default() };
        Ok([&control.pack()[..], &packed].concat())
    }

    fn pack(&self) -> [u8; CONTROL] {
        let mut out = [0; CONTROL];
        out[..STRIDE].copy_from_slice(MAGIC);
        out[STRIDE..META].copy_from_slice(&self.stride.to_le_bytes());
        out[META..DECIDER].copy_from_slice(&self.meta.to_le_bytes());
        out[DECIDER..ALGORITHM].copy_from_slice(&self.decider.to_le_bytes());
        if let Some((algorithm, kind)) = self.checksum {
            out[ALGORITHM] = meta::number(algorithm);
            out[KIND] = u8::from(kind == ChecksumType::Composite);
        }
        out[SEALED] = u8::from(self.sealed);
        out
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<CONTROL>()?;
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let small = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let kind = match bytes[KIND] {
            0 => ChecksumType::FullObject,
            _ => ChecksumType::Composite,
        };
        Some(Self {
            stride: slot::number(bytes, STRIDE)?,
            decider: small(DECIDER)?,
            sealed: bytes[SEALED] != 0,
            checksum: meta::algorithm_of(bytes[ALGORITHM]).map(|algorithm| (algorithm, kind)),
            meta: small(META)?,
        })
    }

    /// Where the slot of a part is in the file.
    fn offset(&self, number: u32) -> u64 {
        let slot = slot::SIZE as u64;
        let first = (CONTROL as u64 + u64::from(self.meta)).next_multiple_of(slot);
        first + u64::from(number.saturating_sub(1)) * slot
    }
}

impl Head {
    /// `None` if there is no such upload.
    pub(crate) fn open(
        bucket: &Bucket,
        id: &UploadId,
        flags: OFlags,
    ) -> Result<Option<Self>, Errno> {
        match bucket.open_ours(&id.path(NAME), flags | OFlags::NONBLOCK) {
            Ok(file) => Ok(Some(Self(file))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Keeps others away until [`Head::unlock`] or until it is closed. Nobody does so for more
    /// than a few system calls.
    pub(crate) fn lock(&self) -> Result<(), Errno> {
        locks::exclusively(&self.0)
    }

    pub(crate) fn unlock(&self) {
        // What fails here is a file system without locks.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }

    /// What it begins with; `None` if it is half-made or not ours.
    pub(crate) fn read(&self) -> Result<Option<(Control, Meta)>, Errno> {
        let mut start = vec![0; USUAL];
        let filled = bytes::read_at(self.0.as_fd(), &mut start, 0)?;
        let Some(control) = Control::unpack(&start[..filled]) else { return Ok(None) };
        let end = CONTROL + usize::try_from(control.meta).unwrap_or(usize::MAX).min(LARGEST_META);
        if end > filled {
            start.resize(end, 0);
            bytes::read_at(self.0.as_fd(), &mut start[filled..], filled as u64)?;
        }
        let meta = start.get(CONTROL..end).and_then(Meta::unpack);
        Ok(meta.map(|meta| (control, meta)))
    }

    pub(crate) fn write_control(&self, control: &Control) -> Result<(), Errno> {
        bytes::write_at(self.0.as_fd(), &control.pack(), 0)
    }

    pub(crate) fn slot(&self, control: &Control, number: u32) -> Result<Slot, Errno> {
        let mut slot = [0; slot::SIZE];
        let filled = bytes::read_at(self.0.as_fd(), &mut slot, control.offset(number))?;
        Ok(Slot::unpack(&slot[..filled]))
    }

    pub(crate) fn write_slot(
        &self,
        control: &Control,
        number: u32,
        slot: &Slot,
    ) -> Result<(), Errno> {
        bytes::write_at(self.0.as_fd(), &slot.pack(), control.offset(number))
    }

    /// Calls `visit` with each part after this one and its slot, empty ones too, in order, until
    /// it is told that it was enough.
    pub(crate) fn slots(
        &self,
        control: &Control,
        after: u32,
        mut visit: impl FnMut(u32, Slot) -> bool,
    ) -> Result<(), Errno> {
        let mut chunk = vec![0; CHUNK];
        let mut number = after.saturating_add(1);
        loop {
            let filled = bytes::read_at(self.0.as_fd(), &mut chunk, control.offset(number))?;
            for slot in chunk[..filled].chunks_exact(slot::SIZE) {
                if !visit(number, Slot::unpack(slot)) {
                    return Ok(());
                }
                number = number.saturating_add(1);
            }
            if filled < chunk.len() {
                return Ok(());
            }
        }
    }

    /// Whether the upload is completed or dropped.
    pub(crate) fn is_gone(&self) -> Result<bool, Errno> {
        Ok(fstat(&self.0)?.st_nlink == 0)
    }

    pub(crate) fn sync(&self) -> Result<(), Errno> {
        crate::error::sync(self.0.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        // All that is kept of an upload comes back, and a file that is cut is none.
        let composite = Some((Algorithm::Sha256, ChecksumType::Composite));
        let full = Some((Algorithm::Crc32, ChecksumType::FullObject));
        for checksum in [None, composite, full] {
            let control =
                Control { stride: 5 << 20, decider: 10_000, sealed: true, checksum, meta: 3 };
            let bytes = control.pack();
            assert_eq!(Control::unpack(&bytes), Some(control));
            assert_eq!(Control::unpack(&bytes[..63]), None);
        }
        assert_eq!(Control::unpack(&[0; 64]), None);
    }

    #[test]
    fn offsets() {
        // Slots begin after the metadata, each at a multiple of its size.
        for meta in [0, 1, 191, 192, 193, 5000] {
            let control = Control { meta, ..Control::default() };
            assert!(control.offset(1) >= CONTROL as u64 + u64::from(meta));
            assert_eq!(control.offset(1) % slot::SIZE as u64, 0);
            assert_eq!(control.offset(10_000) - control.offset(1), 9_999 * slot::SIZE as u64);
        }
    }
}
