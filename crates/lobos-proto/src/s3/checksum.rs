//! A checksum that is kept with an object: of all its bytes, or of the checksums of its parts.

use std::fmt;

use lobos_digest::{Algorithm, Digest};

/// What a checksum of a multipart upload is computed over (x-amz-checksum-type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumType {
    /// All bytes.
    FullObject,
    /// The checksums of the parts, one after the other.
    Composite,
}

impl ChecksumType {
    /// Whether an upload in parts can have it with this algorithm: a checksum of all bytes must
    /// follow from those of the parts, and S3 gives CRC64NVME no other.
    pub fn fits(self, algorithm: Algorithm) -> bool {
        use Algorithm::{Crc32, Crc32c, Crc64Nvme};
        match self {
            Self::FullObject => matches!(algorithm, Crc32 | Crc32c | Crc64Nvme),
            Self::Composite => algorithm != Crc64Nvme,
        }
    }

    /// What an upload in parts has that names only its algorithm.
    pub fn default_for(algorithm: Algorithm) -> Self {
        if Self::Composite.fits(algorithm) { Self::Composite } else { Self::FullObject }
    }

    /// As headers and XML have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }

    /// Reads [`ChecksumType::as_str`], ASCII case ignored.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::FullObject, Self::Composite]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }
}

/// A checksum that is kept with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Its value.
    pub digest: Digest,
    /// `None`: of all bytes. Else it is a composite of the checksums of so many parts.
    pub parts: Option<u32>,
}

impl Checksum {
    /// One over all bytes of an object.
    pub fn full(digest: Digest) -> Self {
        Self { digest, parts: None }
    }

    /// Reads what [`Checksum`] writes. `None` for what is no value of `algorithm`, and for a
    /// composite of one that has none.
    pub fn parse(algorithm: Algorithm, text: &str) -> Option<Self> {
        let (digest, parts) = match text.split_once('-') {
            Some((digest, parts)) => (digest, Some(parts)),
            None => (text, None),
        };
        let digest = Digest::from_base64(algorithm, digest)?;
        let count = |text: &str| match text.parse() {
            Ok(count @ 1..=10_000) if !text.starts_with('+') => Some(count),
            _ => None,
        };
        let parts = match parts {
            Some(text) => Some(count(text).filter(|_| ChecksumType::Composite.fits(algorithm))?),
            None => None,
        };
        Some(Self { digest, parts })
    }

    /// Its algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.digest.algorithm()
    }

    /// What it is computed over.
    pub fn kind(&self) -> ChecksumType {
        if self.parts.is_some() { ChecksumType::Composite } else { ChecksumType::FullObject }
    }
}

/// Base64, and `-` and the number of parts if it is a composite.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digest.to_base64())?;
        match self.parts {
            Some(parts) => write!(f, "-{parts}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        // A composite names its parts, as S3 writes it.
        let digest = lobos_digest::digest(Algorithm::Crc32, b"");
        assert_eq!(Checksum::full(digest).to_string(), "AAAAAA==");
        let composite = Checksum { digest, parts: Some(3) };
        assert_eq!(composite.to_string(), "AAAAAA==-3");
        for kind in [ChecksumType::FullObject, ChecksumType::Composite] {
            assert_eq!(ChecksumType::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(composite.kind(), ChecksumType::Composite);
    }

    #[test]
    fn reading() {
        // What is written reads back the same, and nothing else is read.
        let sha1 = lobos_digest::digest(Algorithm::Sha1, b"x");
        let crc64 = lobos_digest::digest(Algorithm::Crc64Nvme, b"x");
        for (digest, parts) in [(sha1, None), (sha1, Some(1)), (sha1, Some(10_000)), (crc64, None)]
        {
            let checksum = Checksum { digest, parts };
            let read = Checksum::parse(digest.algorithm(), &checksum.to_string());
            assert_eq!(read, Some(checksum));
        }
        let parse = |digest: Digest, end: &str| {
            Checksum::parse(digest.algorithm(), &format!("{}{end}", digest.to_base64()))
        };
        for bad in ["-", "-0", "-10001", "-+1", "-1-1", "-x", " ", "="] {
            assert_eq!(parse(sha1, bad), None, "{bad}");
        }
        assert_eq!(parse(crc64, "-1"), None);
        assert_eq!(Checksum::parse(Algorithm::Sha1, ""), None);
    }

    #[test]
    fn types() {
        // Only a CRC of all bytes follows from those of the parts; CRC64NVME is nothing else.
        for algorithm in Algorithm::ALL {
            let crc = algorithm.name().starts_with("CRC");
            assert_eq!(ChecksumType::FullObject.fits(algorithm), crc, "{algorithm:?}");
            let composite = algorithm != Algorithm::Crc64Nvme;
            assert_eq!(ChecksumType::Composite.fits(algorithm), composite, "{algorithm:?}");
            assert!(ChecksumType::default_for(algorithm).fits(algorithm));
        }
    }
}
