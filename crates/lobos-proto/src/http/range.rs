//! The Range header: one range of bytes (RFC 9110, section 14.1).

use std::fmt;
use std::ops::Range;

/// One range; several at once are not served by S3 and the whole object is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=FIRST-` or `bytes=FIRST-LAST`, both inclusive.
    From {
        /// The first byte.
        first: u64,
        /// The last byte, if given.
        last: Option<u64>,
    },
    /// `bytes=-N`: the last N bytes.
    Last(u64),
}

impl ByteRange {
    /// Reads a Range header. `None` is what must be ignored: another unit, several ranges, a last
    /// byte before the first, white space, or nonsense. A position beyond 64 bits is the largest
    /// one.
    pub fn parse(value: &str) -> Option<Self> {
        let (unit, spec) = value.trim().split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = spec.split_once('-')?;
        match (number(first), number(last)) {
            (Some(first), None) if last.is_empty() => Some(Self::From { first, last: None }),
            (Some(first), Some(last)) if first <= last => {
                Some(Self::From { first, last: Some(last) })
            }
            (None, Some(count)) if first.is_empty() => Some(Self::Last(count)),
            _ => None,
        }
    }

    /// The bytes of an object of `size`; `None` is 416. The last bytes of an empty object are its
    /// none (RFC 9110, section 14.1.2), which no Content-Range can say: the answer is a 200.
    pub fn resolve(self, size: u64) -> Option<Range<u64>> {
        match self {
            Self::From { first, .. } if first >= size => None,
            Self::From { first, last } => {
                let end = last.map_or(size, |last| last.saturating_add(1).min(size));
                Some(first..end)
            }
            Self::Last(0) => None,
            Self::Last(count) => Some(size.saturating_sub(count)..size),
        }
    }
}

fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From { first, last: Some(last) } => write!(f, "bytes={first}-{last}"),
            Self::From { first, last: None } => write!(f, "bytes={first}-"),
            Self::Last(count) => write!(f, "bytes=-{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        // Every form of a range of ten bytes gives the bytes that RFC 9110 says.
        let of_ten = |value| ByteRange::parse(value).map(|r| r.resolve(10));
        assert_eq!(of_ten("bytes=0-0"), Some(Some(0..1)));
        assert_eq!(of_ten("bytes=2-"), Some(Some(2..10)));
        assert_eq!(of_ten("bytes=2-99"), Some(Some(2..10)));
        assert_eq!(of_ten("Bytes=2-4"), Some(Some(2..5)));
        assert_eq!(of_ten("bytes=-3"), Some(Some(7..10)));
        assert_eq!(of_ten("bytes=-30"), Some(Some(0..10)));
        assert_eq!(of_ten("bytes=9-99999999999999999999"), Some(Some(9..10)));
        for beyond in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(of_ten(beyond), Some(None), "{beyond}");
        }
        for ignored in [
            "bytes=3-2",
            "bytes=a-b",
            "lines=1-2",
            "bytes=1-2,4-5",
            "bytes=-",
            "bytes=",
            "1-2",
            "bytes=+1-2",
            "bytes= -1",
            "bytes=0 -1",
            "bytes =0-1",
            "bytes=--1",
        ] {
            assert_eq!(of_ten(ignored), None, "{ignored}");
        }
        assert_eq!(ByteRange::parse("bytes=-1").unwrap().resolve(0), Some(0..0));
        assert_eq!(ByteRange::parse("bytes=0-").unwrap().resolve(0), None);
    }
}
