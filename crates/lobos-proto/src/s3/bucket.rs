//! The name of a bucket: any name that a folder can have, and the stricter rules for new ones.

use std::fmt;
use std::sync::Arc;

use super::error::{Code, Error};

/// A name that a bucket can have: one path segment, cheap to clone.
///
/// Folders that already exist are served under their own name even where S3 would not allow it
/// (`My Photos`); [`BucketName::is_valid_for_new`] has S3's rules for names to be created.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

impl BucketName {
    /// Takes a decoded name.
    ///
    /// # Errors
    /// `InvalidBucketName` if no folder served here can be called so: empty, over 255 bytes, with
    /// a slash or NUL, or beginning with a dot.
    pub fn new(name: &str) -> Result<Self, Error> {
        let bad = name.is_empty()
            || name.len() > 255
            || name.starts_with('.')
            || name.bytes().any(|b| b == b'/' || b == 0);
        if bad {
            return Err(Error::new(Code::InvalidBucketName).bucket(name));
        }
        Ok(Self(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// S3's rules for general purpose buckets: 3 to 63 of lower-case letters, digits, dots and
    /// hyphens, beginning and ending with a letter or digit, no two dots in a row, not an IP
    /// address, none of the reserved prefixes and suffixes.
    pub fn is_valid_for_new(&self) -> bool {
        const PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
        const SUFFIXES: [&str; 5] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
        let name = self.as_str();
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let bytes = name.as_bytes();
        let inner =
            |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'.' || *b == b'-';
        (3..=63).contains(&name.len())
            && bytes.iter().all(inner)
            && edge(bytes.first())
            && edge(bytes.last())
            && !name.contains("..")
            && name.parse::<std::net::Ipv4Addr>().is_err()
            && !PREFIXES.iter().any(|p| name.starts_with(p))
            && !SUFFIXES.iter().any(|s| name.ends_with(s))
    }
}

impl fmt::Debug for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_names() {
        // Any name of one visible folder is a bucket name, and nothing else is.
        for good in ["photos", "My Photos", "ü", "a", "UPPER", "a..b"] {
            assert!(BucketName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".lobos", "a/b", "a\0b", &"x".repeat(256)] {
            assert!(BucketName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn new_names() {
        // A name to be created follows S3's naming rules.
        let ok = |name: &str| BucketName::new(name).is_ok_and(|b| b.is_valid_for_new());
        for good in ["abc", "my-bucket.2026", &"x".repeat(63), "1.2.3", "0ab"] {
            assert!(ok(good), "{good}");
        }
        for bad in [
            "ab",
            &"x".repeat(64),
            "Abc",
            "a_b",
            "-abc",
            "abc-",
            "abc.",
            "a..b",
            "192.168.5.4",
            "xn--abc",
            "abc-s3alias",
            "abc--x-s3",
            "sthree-abc",
        ] {
            assert!(!ok(bad), "{bad}");
        }
    }
}
