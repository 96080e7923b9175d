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
}
