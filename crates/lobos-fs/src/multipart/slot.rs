//! What is known of one part: 256 bytes in the head of its upload, written in one call.

use lobos_digest::{Algorithm, Digest, digest};
use lobos_proto::ETag;

use crate::meta;

/// Bytes of a slot. One never crosses a page, nor a sector of the disk.
pub(crate) const SIZE: usize = 256;

/// A part that is there, and who is about to write a new one in place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) part: Option<Record>,
    pub(crate) claim: Option<Claim>,
}

/// A part that is whole and verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) place: Place,
    /// Bytes.
    pub(crate) size: u64,
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    pub(crate) etag: ETag,
    /// The checksum of the upload, or the one that the client sent.
    pub(crate) checksum: Option<Digest>,
    /// For the checksum that S3 gives objects for which none was named.
    pub(crate) crc64: Option<Digest>,
}

/// Where the bytes of a part are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has none.
    Nowhere,
    /// Where they belong if all parts have this size, in the file of this size.
    Shared { stride: u64 },
    /// In a file of their own with this mark in its name.
    Own { mark: u64 },
}

/// The right to write a part in place. One that its process died with is never given back: the
/// part then goes to a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Never 0.
    pub(crate) mark: u64,
    pub(crate) stride: u64,
}

impl Claim {
    /// Where the part with this number begins.
    pub(crate) fn offset(&self, number: u32) -> u64 {
        u64::from(number.saturating_sub(1)).saturating_mul(self.stride)
    }
}

/// Where each field is; a CRC over all that follows it comes first.
const KIND: usize = 4;
const ETAG_LENGTH: usize = 5;
const ALGORITHM: usize = 6;
const HAS_CRC64: usize = 7;
const WHERE: usize = 8;
const BYTES: usize = 16;
const TIME: usize = 24;
const CLAIM: usize = 32;
const CLAIM_STRIDE: usize = 40;
const ETAG: usize = 48;
const DIGEST: usize = ETAG + ETag::MAX;
const CRC64: usize = DIGEST + 64;

impl Record {
    /// Its checksum of this algorithm.
    pub(crate) fn known(&self, algorithm: Algorithm) -> Option<Digest> {
        [self.checksum, self.crc64].into_iter().flatten().find(|d| d.algorithm() == algorithm)
    }
}

impl Slot {
    pub(crate) fn pack(&self) -> [u8; SIZE] {
        let mut out = [0; SIZE];
        if let Some(part) = &self.part {
            let (kind, place) = match part.place {
                Place::Nowhere => (1, 0),
                Place::Shared { stride } => (2, stride),
                Place::Own { mark } => (3, mark),
            };
            let etag = part.etag.as_str().as_bytes();
            out[KIND] = kind;
            out[ETAG_LENGTH] = etag.len().to_le_bytes()[0];
            put(&mut out, WHERE, &place.to_le_bytes());
            put(&mut out, BYTES, &part.size.to_le_bytes());
            put(&mut out, TIME, &part.time.to_le_bytes());
            put(&mut out, ETAG, etag);
            if let Some(checksum) = &part.checksum {
                out[ALGORITHM] = meta::number(checksum.algorithm());
                put(&mut out, DIGEST, checksum.bytes());
            }
            if let Some(crc64) = &part.crc64 {
                out[HAS_CRC64] = 1;
                put(&mut out, CRC64, crc64.bytes());
            }
        }
        if let Some(claim) = &self.claim {
            put(&mut out, CLAIM, &claim.mark.to_le_bytes());
            put(&mut out, CLAIM_STRIDE, &claim.stride.to_le_bytes());
        }
        let crc = digest(Algorithm::Crc32, &out[KIND..]);
        put(&mut out, 0, crc.bytes());
        out
    }

    /// A slot that was never written, or makes no sense, is empty.
    pub(crate) fn unpack(bytes: &[u8]) -> Self {
        Self::try_unpack(bytes).unwrap_or_default()
    }

    fn try_unpack(bytes: &[u8]) -> Option<Self> {
        let (crc, rest) = bytes.first_chunk::<SIZE>()?.split_first_chunk::<KIND>()?;
        if *crc == [0; KIND] || digest(Algorithm::Crc32, rest).bytes() != crc {
            return None;
        }
        let claim = match number(bytes, CLAIM)? {
            0 => None,
            mark => Some(Claim { mark, stride: number(bytes, CLAIM_STRIDE)? }),
        };
        let value = number(bytes, WHERE)?;
        let place = match bytes.get(KIND)? {
            1 => Place::Nowhere,
            2 => Place::Shared { stride: value },
            3 => Place::Own { mark: value },
            _ => return Some(Self { part: None, claim }),
        };
        let etag = bytes.get(ETAG..)?.get(..usize::from(*bytes.get(ETAG_LENGTH)?))?;
        let checksum = meta::algorithm_of(*bytes.get(ALGORITHM)?).and_then(|algorithm| {
            Digest::new(algorithm, bytes.get(DIGEST..)?.get(..algorithm.length())?)
        });
        let crc64 = match bytes.get(HAS_CRC64)? {
            0 => None,
            _ => Digest::new(Algorithm::Crc64Nvme, bytes.get(CRC64..)?.get(..8)?),
        };
        let part = Record {
            place,
            size: number(bytes, BYTES)?,
            time: number(bytes, TIME)?,
            etag: ETag::new(std::str::from_utf8(etag).ok()?)?,
            checksum,
            crc64,
        };
        Some(Self { part: Some(part), claim })
    }
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    out[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The eight bytes at `at`, little-endian.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(place: Place, checksum: Option<Digest>) -> Record {
        let crc64 = checksum.map(|_| digest(Algorithm::Crc64Nvme, b"b"));
        let etag = ETag::new(&"x".repeat(ETag::MAX)).unwrap();
        Record { place, size: u64::MAX, time: 7, etag, checksum, crc64 }
    }

    #[test]
    fn round_trip() {
        // Every part and claim comes back, with every checksum there is.
        let claim = Some(Claim { mark: 9, stride: 1 << 40 });
        let mut slots = vec![Slot { part: None, claim }];
        for place in [Place::Nowhere, Place::Shared { stride: 5 }, Place::Own { mark: u64::MAX }] {
            slots.push(Slot { part: Some(record(place, None)), claim: None });
            for algorithm in Algorithm::ALL {
                let part = Some(record(place, Some(digest(algorithm, b"a"))));
                slots.push(Slot { part, claim });
            }
        }
        for slot in slots {
            assert_eq!(Slot::unpack(&slot.pack()), slot);
        }
    }

    #[test]
    fn nonsense() {
        // A hole in the file is an empty slot, and so is one of which a bit has changed.
        assert_eq!(Slot::unpack(&[0; SIZE]), Slot::default());
        assert_eq!(Slot::unpack(&[]), Slot::default());
        let checksum = Some(digest(Algorithm::Sha512, b"a"));
        let bytes = Slot { part: Some(record(Place::Nowhere, checksum)), claim: None }.pack();
        for at in 0..SIZE {
            let mut changed = bytes;
            changed[at] ^= 0x10;
            assert_eq!(Slot::unpack(&changed), Slot::default(), "byte {at}");
            assert_eq!(Slot::unpack(&bytes[..at]), Slot::default());
        }
    }
}
