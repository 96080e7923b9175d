//! The CRC of two pieces, one behind the other, from the CRCs of the pieces.

use crc_fast::{CrcAlgorithm, checksum_combine};

use crate::{Algorithm, Digest};

impl Digest {
    /// The value for the bytes of this one and then those of `next`, which are `length` many.
    /// `None` if the algorithms differ or cannot do that: only the CRCs can.
    #[must_use]
    pub fn followed_by(&self, next: &Digest, length: u64) -> Option<Self> {
        let algorithm = self.algorithm();
        let crc = match algorithm {
            Algorithm::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
            Algorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
            Algorithm::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
            _ => return None,
        };
        if next.algorithm() != algorithm {
            return None;
        }
        let combined = checksum_combine(crc, self.number(), next.number(), length).to_be_bytes();
        let unused = combined.len() - algorithm.length();
        Some(Self::of(algorithm, &combined[unused..]))
    }

    /// The value as a number, for those of at most 8 bytes.
    fn number(&self) -> u64 {
        self.bytes().iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    #[test]
    fn pieces() {
        // Wherever a body is cut, the CRCs of its pieces make that of the whole; nothing else does.
        let body: Vec<u8> = (0..3000_u32).map(|n| (n * n % 251) as u8).collect();
        for algorithm in Algorithm::ALL {
            for cut in [0, 1, 7, 1024, 2999, 3000] {
                let (first, next) = body.split_at(cut);
                let combined = digest(algorithm, first)
                    .followed_by(&digest(algorithm, next), next.len() as u64);
                let whole = matches!(
                    algorithm,
                    Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme
                );
                assert_eq!(combined, whole.then(|| digest(algorithm, &body)), "{algorithm:?}");
            }
        }
        let crc32 = digest(Algorithm::Crc32, b"a");
        assert_eq!(crc32.followed_by(&digest(Algorithm::Crc32c, b"b"), 1), None);
    }
}
