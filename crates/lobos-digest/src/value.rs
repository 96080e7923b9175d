//! The value of a digest: its bytes inline, with base64 (headers, XML) and hex (ETag,
//! `x-amz-content-sha256`) in both directions.

use std::fmt;

use data_encoding::{BASE64, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::Algorithm;

/// The longest value, that of SHA-512, in bytes
const MAX: usize = 64;

/// Bytes to decode the longest text into: hex and base64 of [`MAX`] bytes both fit
const SCRATCH: usize = MAX + 2;

/// The value of a digest together with its algorithm; `Copy`, no heap
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    algorithm: Algorithm,
    /// The first `algorithm.length()` bytes count, the rest is zero.
    bytes: [u8; MAX],
}

impl Digest {
    /// A value from its bytes (big-endian for CRC and XXH, as S3 sends them); `None` if their
    /// number is not the algorithm's [`length`](Algorithm::length)
    #[must_use]
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algorithm.length()).then(|| Self::of(algorithm, bytes))
    }

    /// [`new`](Self::new) for bytes that are known to be of the right length
    pub(crate) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut inline = [0; MAX];
        inline[..algorithm.length()].copy_from_slice(bytes);
        Self { algorithm, bytes: inline }
    }

    /// Which algorithm it is a value of
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes, as many as the algorithm's [`length`](Algorithm::length)
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.length()]
    }

    /// A value from canonical base64 (RFC 4648 section 4: the standard alphabet, all padding, no
    /// white space, unused bits zero); `None` for anything else and for a wrong length
    #[must_use]
    pub fn from_base64(algorithm: Algorithm, text: &str) -> Option<Self> {
        decode(&BASE64, algorithm, text)
    }

    /// The value in base64 with padding, as headers and XML carry it
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(self.bytes())
    }

    /// A value from hex digits of either case; `None` for anything else and for a wrong length
    #[must_use]
    pub fn from_hex(algorithm: Algorithm, text: &str) -> Option<Self> {
        decode(&HEXLOWER_PERMISSIVE, algorithm, text)
    }

    /// The value in hex digits, lower case
    #[must_use]
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(self.bytes())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.to_hex())
    }
}

/// Decode without the heap; the text comes from the network and may have any length.
fn decode(encoding: &Encoding, algorithm: Algorithm, text: &str) -> Option<Digest> {
    if text.len() != encoding.encode_len(algorithm.length()) {
        return None;
    }
    let mut scratch = [0; SCRATCH];
    let room = encoding.decode_len(text.len()).ok()?;
    let bytes = scratch.get_mut(..room)?;
    let length = encoding.decode_mut(text.as_bytes(), bytes).ok()?;
    Digest::new(algorithm, bytes.get(..length)?)
}
