//! The algorithms and their names in headers and XML. The source of every name is the S3 model
//! of botocore 1.43.11 (`ChecksumAlgorithm`, `Checksum`, `PutObjectRequest`), which has the five
//! algorithms that S3 added in April 2026.

/// one of S3's digest algorithms
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// CRC-32 of ISO-HDLC: that of zlib, PNG and Ethernet
    Crc32,
    /// CRC-32 of Castagnoli: that of iSCSI and ext4
    Crc32c,
    /// CRC-64 of NVMe: what S3 and its SDKs use when nothing is asked for
    Crc64Nvme,
    /// SHA-1
    Sha1,
    /// SHA-256: also that of `x-amz-content-sha256`
    Sha256,
    /// MD5: also that of `Content-MD5` and of plain ETags
    Md5,
    /// SHA-512
    Sha512,
    /// XXH3 of 64 bits, seed 0, big-endian; S3 calls it XXHASH3
    Xxh3,
    /// XXH64, seed 0, big-endian; S3 calls it XXHASH64
    Xxh64,
    /// XXH3 of 128 bits, seed 0, big-endian; S3 calls it XXHASH128
    Xxh128,
}

/// What all header names of digests begin with
const PREFIX: &str = "x-amz-checksum-";

impl Algorithm {
    /// All algorithms, in the order of the enum
    pub const ALL: [Algorithm; 10] = [
        Algorithm::Crc32,
        Algorithm::Crc32c,
        Algorithm::Crc64Nvme,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Md5,
        Algorithm::Sha512,
        Algorithm::Xxh3,
        Algorithm::Xxh64,
        Algorithm::Xxh128,
    ];

    /// The name in `x-amz-checksum-algorithm` and `<ChecksumAlgorithm>`, such as `CRC64NVME`
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "CRC32",
            Algorithm::Crc32c => "CRC32C",
            Algorithm::Crc64Nvme => "CRC64NVME",
            Algorithm::Sha1 => "SHA1",
            Algorithm::Sha256 => "SHA256",
            Algorithm::Md5 => "MD5",
            Algorithm::Sha512 => "SHA512",
            Algorithm::Xxh3 => "XXHASH3",
            Algorithm::Xxh64 => "XXHASH64",
            Algorithm::Xxh128 => "XXHASH128",
        }
    }

    /// The header or trailer that carries the value, in lower case, such as
    /// `x-amz-checksum-crc64nvme`
    #[must_use]
    pub fn header(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "x-amz-checksum-crc32",
            Algorithm::Crc32c => "x-amz-checksum-crc32c",
            Algorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Algorithm::Sha1 => "x-amz-checksum-sha1",
            Algorithm::Sha256 => "x-amz-checksum-sha256",
            Algorithm::Md5 => "x-amz-checksum-md5",
            Algorithm::Sha512 => "x-amz-checksum-sha512",
            Algorithm::Xxh3 => "x-amz-checksum-xxhash3",
            Algorithm::Xxh64 => "x-amz-checksum-xxhash64",
            Algorithm::Xxh128 => "x-amz-checksum-xxhash128",
        }
    }

    /// The XML element that carries the value, such as `ChecksumCRC64NVME`
    #[must_use]
    pub fn element(self) -> &'static str {
        match self {
            Algorithm::Crc32 => "ChecksumCRC32",
            Algorithm::Crc32c => "ChecksumCRC32C",
            Algorithm::Crc64Nvme => "ChecksumCRC64NVME",
            Algorithm::Sha1 => "ChecksumSHA1",
            Algorithm::Sha256 => "ChecksumSHA256",
            Algorithm::Md5 => "ChecksumMD5",
            Algorithm::Sha512 => "ChecksumSHA512",
            Algorithm::Xxh3 => "ChecksumXXHASH3",
            Algorithm::Xxh64 => "ChecksumXXHASH64",
            Algorithm::Xxh128 => "ChecksumXXHASH128",
        }
    }

    /// The length of a value in bytes, before base64 or hex
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Algorithm::Crc32 | Algorithm::Crc32c => 4,
            Algorithm::Crc64Nvme | Algorithm::Xxh3 | Algorithm::Xxh64 => 8,
            Algorithm::Md5 | Algorithm::Xxh128 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }

    /// The algorithm with this [`name`](Self::name), ASCII case ignored
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm with this [`header`](Self::header), ASCII case ignored. Its neighbours such
    /// as `x-amz-checksum-type` and `x-amz-checksum-mode` carry no digest and give `None`.
    #[must_use]
    pub fn from_header(header: &str) -> Option<Self> {
        let (prefix, name) = header.split_at_checked(PREFIX.len())?;
        if prefix.eq_ignore_ascii_case(PREFIX) { Self::from_name(name) } else { None }
    }
}
