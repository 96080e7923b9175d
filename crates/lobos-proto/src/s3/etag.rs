//! Entity tags: MD5, multipart and opaque ones, kept inline.

use std::fmt;

/// An entity tag without its quotes: 1 to 40 visible ASCII characters. Always strong.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl ETag {
    /// The longest tag, in bytes: 32 of an MD5 and `-10000` fit.
    pub const MAX: usize = 40;

    /// Takes a tag without quotes; `None` if it is empty, too long or holds other characters than
    /// visible ASCII without the quote.
    pub fn new(tag: &str) -> Option<Self> {
        let visible = |b: u8| b.is_ascii_graphic() && b != b'"';
        if tag.is_empty() || tag.len() > Self::MAX || !tag.bytes().all(visible) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes[..tag.len()].copy_from_slice(tag.as_bytes());
        let len = u8::try_from(tag.len()).ok()?;
        Some(Self { bytes, len })
    }

    /// The hex of an MD5, as S3 gives an object of one PUT.
    pub fn from_md5(md5: [u8; 16]) -> Self {
        let mut tag = Self { bytes: [0; Self::MAX], len: 32 };
        for (at, byte) in md5.iter().enumerate() {
            hex(&mut tag.bytes[at * 2..], u64::from(*byte), 2);
        }
        tag
    }

    /// The tag of a file whose content nobody has hashed: 16 hex digits of its modification time
    /// in nanoseconds, 16 of a hash, and `-1`. It looks like no MD5, so no client checks it as
    /// one, and the AWS CRT reads the number after the dash as the count of parts.
    pub fn opaque(mtime_nanos: u64, hash: u64) -> Self {
        let mut tag = Self { bytes: [0; Self::MAX], len: 34 };
        hex(&mut tag.bytes, mtime_nanos, 16);
        hex(&mut tag.bytes[16..], hash, 16);
        tag.bytes[32..34].copy_from_slice(b"-1");
        tag
    }

    /// The tag without quotes.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

fn hex(out: &mut [u8], value: u64, digits: usize) {
    for (at, slot) in out[..digits].iter_mut().enumerate() {
        let nibble = (value >> (4 * (digits - 1 - at))) & 0xf;
        *slot = b"0123456789abcdef"[nibble as usize];
    }
}

impl fmt::Debug for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// With its quotes, as in headers and XML.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        // Tags have the shapes that clients rely on, and nothing else becomes one.
        let md5 =
            ETag::from_md5(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        assert_eq!(md5.to_string(), "\"00112233445566778899aabbccddeeff\"");
        let opaque = ETag::opaque(0x1234, u64::MAX);
        assert_eq!(opaque.as_str(), "0000000000001234ffffffffffffffff-1");
        assert_eq!(ETag::new(opaque.as_str()), Some(opaque));
        for bad in ["", "a\"b", "a b", "ü", &"x".repeat(41)] {
            assert_eq!(ETag::new(bad), None, "{bad}");
        }
    }
}
