//! Entity tags: MD5, multipart and opaque ones, kept inline.

use std::fmt;

/// An entity tag without its quotes: 1 to 40 visible ASCII characters, none of which XML has to
/// escape. Always strong.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ETag {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl ETag {
    /// The longest tag, in bytes: 32 of an MD5 and `-10000` fit.
    pub const MAX: usize = 40;

    /// Takes a tag without quotes; `None` if it is empty, too long or holds other characters than
    /// visible ASCII without `"`, `<`, `>` and `&`.
    pub fn new(tag: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'&');
        if tag.is_empty() || tag.len() > Self::MAX || !tag.bytes().all(plain) {
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

    /// Sixteen bytes as hex and, unless it is 0, the count of parts behind a dash.
    pub fn from_packed(bytes: [u8; 16], parts: u16) -> Self {
        let mut tag = Self::from_md5(bytes);
        if parts > 0 {
            tag.push(b'-');
            let mut unit = 10_000;
            while unit > parts {
                unit /= 10;
            }
            while unit > 0 {
                let digit = u8::try_from(parts / unit % 10).unwrap_or(0);
                tag.push(b'0' + digit);
                unit /= 10;
            }
        }
        tag
    }

    /// What [`ETag::from_packed`] takes; `None` for a tag of another form.
    pub fn packed(&self) -> Option<([u8; 16], u16)> {
        let text = self.as_str();
        let (hex, rest) = text.split_at_checked(32)?;
        let mut bytes = [0; 16];
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().as_chunks::<2>().0) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let parts = match rest.strip_prefix('-') {
            Some(count) => count.parse().ok()?,
            None => 0,
        };
        (Self::from_packed(bytes, parts) == *self).then_some((bytes, parts))
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(usize::from(self.len)) {
            *slot = byte;
            self.len += 1;
        }
    }

    /// The tag without quotes.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
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
    fn packed() {
        // A tag of 32 lower-case hex digits, with a count of parts or not, packs and comes back;
        // no other does.
        let md5 = "900150983cd24fb0d6963f7d28e17f72";
        for end in ["", "-1", "-2", "-10", "-999", "-1000", "-10000", "-65535"] {
            let tag = ETag::new(&format!("{md5}{end}")).unwrap();
            let (bytes, parts) = tag.packed().unwrap();
            assert_eq!(ETag::from_packed(bytes, parts), tag);
        }
        assert!(ETag::opaque(u64::MAX, 7).packed().is_some());
        for end in ["-", "-0", "-01", "-65536", "-x", "-+1", "0", "--1"] {
            assert_eq!(ETag::new(&format!("{md5}{end}")).unwrap().packed(), None, "{end}");
        }
        for bad in [&md5[1..], &md5.to_uppercase(), "x", "+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0+0"] {
            assert_eq!(ETag::new(bad).unwrap().packed(), None, "{bad}");
        }
    }

    #[test]
    fn shapes() {
        // Tags have the shapes that clients rely on, and nothing else becomes one.
        let md5 =
            ETag::from_md5(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");
        assert_eq!(md5.to_string(), "\"00112233445566778899aabbccddeeff\"");
        let opaque = ETag::opaque(0x1234, u64::MAX);
        assert_eq!(opaque.as_str(), "0000000000001234ffffffffffffffff-1");
        assert_eq!(ETag::new(opaque.as_str()), Some(opaque));
        for bad in ["", "a\"b", "a b", "a<b", "a>b", "a&b", "ü", &"x".repeat(41)] {
            assert_eq!(ETag::new(bad), None, "{bad}");
        }
    }
}
