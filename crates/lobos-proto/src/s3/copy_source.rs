//! What is to be copied: x-amz-copy-source and its conditions.

use super::condition::ReadConditions;
use crate::http::head::Head;
use crate::http::target::decode;
use crate::{BucketName, Code, ETag, Error, Key, Timestamp};

/// An object to copy from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// x-amz-copy-source-if-*: whichever fails, the answer is `PreconditionFailed`, never 304.
    pub conditions: ReadConditions,
}

const HEADER: &str = "x-amz-copy-source";

/// Comes after the key and is never part of it: a question mark of the key is encoded.
const VERSION: &str = "?versionId=";

impl CopySource {
    /// Reads the headers. The source is `bucket/key` or `/bucket/key`, and any of its characters
    /// may be percent-encoded, also the slash between the two (the Ruby SDK does that). `+` is a
    /// space, as S3 reads it: gocloud.dev sends one so, and rclone encodes it for that reason.
    ///
    /// # Errors
    /// `InvalidArgument`, `InvalidBucketName`, `NoSuchVersion`, `KeyTooLongError`;
    /// `NotImplemented` for access points.
    pub(crate) fn parse(head: &Head<'_>) -> Result<Self, Error> {
        let value = head.get(HEADER).unwrap_or_default();
        let invalid = |why: &'static str| {
            Error::new(Code::InvalidArgument).message(why).argument(HEADER, value)
        };
        let (path, version) = match value.rsplit_once(VERSION) {
            Some((path, version)) => (path, Some(version)),
            None => (value, None),
        };
        let spaced = path.replace('+', " ");
        let path = decode(&spaced).map_err(|_| invalid("Invalid copy source encoding."))?;
        if path.starts_with("arn:") {
            return Err(Error::new(Code::NotImplemented)
                .message("Copying from an access point is not implemented."));
        }
        let (bucket, key) = path
            .strip_prefix('/')
            .unwrap_or(&path)
            .split_once('/')
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
            .ok_or_else(|| {
                invalid(
                    "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
                )
            })?;
        let (bucket, key) = (BucketName::new(bucket)?, Key::new(key)?);
        if version.is_some_and(|version| !version.is_empty() && version != "null") {
            return Err(Error::new(Code::NoSuchVersion).key(key.as_str()));
        }
        Ok(Self { bucket, key, conditions: ReadConditions::with_prefix(head, HEADER) })
    }

    /// Holds the conditions against the source as it is.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub fn check(&self, etag: &ETag, modified: Timestamp) -> Result<(), Error> {
        let names = [
            "x-amz-copy-source-If-Match",
            "x-amz-copy-source-If-None-Match",
            "x-amz-copy-source-If-Modified-Since",
            "x-amz-copy-source-If-Unmodified-Since",
        ];
        self.conditions.check_for_write(etag, modified, names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn parse(headers: &str) -> Result<CopySource, Code> {
        let text = format!("PUT /b/k HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n");
        let parsed = Head::parse(text.as_bytes(), &Limits::default(), CopySource::parse).unwrap();
        parsed.map_err(|e| e.code())
    }

    #[test]
    fn encodings() {
        // However the source is encoded, it names the same bucket and key.
        for (value, bucket, key) in [
            ("photos/a/b", "photos", "a/b"),
            ("/photos/a/b", "photos", "a/b"),
            ("photos%2Fa%2fb", "photos", "a/b"),
            ("%2Fphotos%2Fa%2Fb", "photos", "a/b"),
            ("%70hotos/%61", "photos", "a"),
            ("photos/a+b%2Bc%20d e", "photos", "a b+c d e"),
            ("photos/ü%C3%BC", "photos", "üü"),
            ("photos/%252F%25", "photos", "%2F%"),
            ("photos//a", "photos", "/a"),
            ("/photos//", "photos", "/"),
            ("photos/a/", "photos", "a/"),
            ("photos/a?b&c=d", "photos", "a?b&c=d"),
            ("photos/a%3FversionId=x", "photos", "a?versionId=x"),
            ("photos/a?versionId=null", "photos", "a"),
            ("photos/a?versionId=", "photos", "a"),
        ] {
            let source = parse(&format!("x-amz-copy-source: {value}")).unwrap();
            assert_eq!((source.bucket.as_str(), source.key.as_str()), (bucket, key), "{value}");
        }
    }

    #[test]
    fn refusals() {
        // What names no object that there can be is refused with its own code.
        let long = "k".repeat(1025);
        for (value, code) in [
            ("", Code::InvalidArgument),
            ("/", Code::InvalidArgument),
            ("photos", Code::InvalidArgument),
            ("/photos", Code::InvalidArgument),
            ("photos/", Code::InvalidArgument),
            ("//photos/a", Code::InvalidArgument),
            ("photos/%", Code::InvalidArgument),
            ("photos/%ff", Code::InvalidArgument),
            ("photos/a%00", Code::InvalidArgument),
            ("photos/../b", Code::InvalidArgument),
            ("photos/%2e%2E/b", Code::InvalidArgument),
            ("../photos/b", Code::InvalidBucketName),
            ("photos/a?versionId=3", Code::NoSuchVersion),
            (&format!("photos/{long}"), Code::KeyTooLongError),
            ("arn:aws:s3:us-west-2:1:accesspoint/p/object/k", Code::NotImplemented),
            ("arn%3Aaws%3As3:::p/k", Code::NotImplemented),
        ] {
            assert_eq!(parse(&format!("x-amz-copy-source: {value}")), Err(code), "{value}");
        }
    }

    #[test]
    fn conditions() {
        // Each condition that fails is 412; a tag makes the date of its pair irrelevant.
        let (etag, at) = (ETag::new("abc").unwrap(), Timestamp::from_unix(784_111_777, 5));
        let (before, after) = ("Sun, 06 Nov 1994 08:49:36 GMT", "Sun, 06 Nov 1994 08:49:38 GMT");
        let is = |name: &str, value: &str| format!("\r\nx-amz-copy-source-if-{name}: {value}");
        for (headers, failed) in [
            (String::new(), None),
            (is("match", "abc"), None),
            (is("match", "\"x\""), Some("x-amz-copy-source-If-Match")),
            (is("none-match", "\"x\""), None),
            (is("none-match", "\"abc\""), Some("x-amz-copy-source-If-None-Match")),
            (is("none-match", "*"), Some("x-amz-copy-source-If-None-Match")),
            (is("modified-since", before), None),
            (is("modified-since", after), Some("x-amz-copy-source-If-Modified-Since")),
            (is("unmodified-since", after), None),
            (is("unmodified-since", before), Some("x-amz-copy-source-If-Unmodified-Since")),
            (is("match", "abc") + &is("unmodified-since", before), None),
            (
                is("none-match", "abc") + &is("modified-since", before),
                Some("x-amz-copy-source-If-None-Match"),
            ),
        ] {
            let source = parse(&format!("x-amz-copy-source: photos/a{headers}")).unwrap();
            let expected = failed
                .map_or(Ok(()), |name| Err(Error::new(Code::PreconditionFailed).condition(name)));
            assert_eq!(source.check(&etag, at), expected, "{headers}");
        }
    }
}
