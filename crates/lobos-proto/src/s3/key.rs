//! The key of an object: made by one constructor, wherever it came from.

use std::fmt;

use super::error::{Code, Error};

/// A valid key: 1 to 1,024 bytes of UTF-8, no NUL, no `.` or `..` segment.
///
/// S3 itself allows those segments; a store of files cannot tell them from the path they name,
/// and a second way into the store is how servers fell. URL, copy source, XML and form fields all
/// come through [`Key::new`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Box<str>);

impl Key {
    /// The longest key, in bytes.
    pub const MAX: usize = 1024;

    /// Takes a key that has been decoded exactly once.
    ///
    /// # Errors
    /// `KeyTooLongError`, or `InvalidArgument` for a key that is empty, holds a NUL or has a
    /// segment `.` or `..`.
    pub fn new(key: impl Into<Box<str>>) -> Result<Self, Error> {
        let key = key.into();
        let refused = |why: &'static str| Err(Error::new(Code::InvalidArgument).message(why));
        if key.len() > Self::MAX {
            return Err(Error::new(Code::KeyTooLongError)
                .element("Size", key.len().to_string())
                .element("MaxSizeAllowed", Self::MAX.to_string()));
        }
        if key.is_empty() {
            return refused("A key cannot be empty.");
        }
        if key.contains('\0') {
            return refused("A key cannot hold a NUL byte.");
        }
        if key.split('/').any(|segment| segment == "." || segment == "..") {
            return refused("A key cannot have a segment '.' or '..'.");
        }
        Ok(Self(key))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it ends with a slash, as the keys that stand for folders do.
    pub fn is_folder(&self) -> bool {
        self.0.ends_with('/')
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        // Every key that S3 allows is a key, except those with dot segments or NUL.
        for good in ["a", "a/", "/a", "a//b", "...", "a/.b", "..a/b..", "ü", ".lobos/x", "\\..\\"]
        {
            assert_eq!(Key::new(good).map(|k| k.to_string()), Ok(good.into()));
        }
        for bad in ["", ".", "..", "a/..", "../a", "a/./b", "a\0b", "./", "a/../"] {
            assert_eq!(Key::new(bad).unwrap_err().code(), Code::InvalidArgument, "{bad:?}");
        }
        assert!(Key::new("x".repeat(1024)).is_ok());
        let long = Key::new("x".repeat(1025)).unwrap_err();
        assert_eq!(long.code(), Code::KeyTooLongError);
    }
}
