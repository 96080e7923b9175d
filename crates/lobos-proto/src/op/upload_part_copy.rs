//! UploadPartCopy: makes a part of an upload from bytes of another object.

use std::ops::Range;

use lobos_digest::Digest;

use super::upload_part::part;
use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::http::range::ByteRange;
use crate::http::target::Query;
use crate::s3::xml::Xml;
use crate::{BucketName, Code, CopySource, ETag, Error, Key, Timestamp};

/// Copies bytes of an object into a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPartCopy {
    /// Where to.
    pub bucket: BucketName,
    /// Where to.
    pub key: Key,
    /// The upload, as it was sent.
    pub upload: String,
    /// 1 to 10,000.
    pub number: u32,
    /// Where from.
    pub source: CopySource,
    /// x-amz-copy-source-range: the first and the last byte; beyond the end of the source it is
    /// `InvalidArgument`, never clamped.
    pub range: Option<(u64, u64)>,
}

/// The most bytes that one part can be copied from: 5 GiB.
const SOURCE_MAX: u64 = 5 << 30;

/// The part that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedPart {
    /// Its tag.
    pub etag: ETag,
    /// When it was made.
    pub modified: Timestamp,
    /// Its checksum, if the upload has an algorithm.
    pub checksum: Option<Digest>,
}

impl UploadPartCopy {
    /// # Errors
    /// `InvalidArgument`, and those of [`CopySource`].
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        query: &Query,
    ) -> Result<Self, Error> {
        let (upload, number) = part(head, query)?;
        let source = CopySource::parse(head)?;
        let range = match head.get("x-amz-copy-source-range") {
            None => None,
            Some(text) => Some(range(text).ok_or_else(|| {
                Error::new(Code::InvalidArgument)
                    .message(
                        "The x-amz-copy-source-range value must be of the form bytes=first-last \
                         where first and last are the zero-based offsets of the first and last \
                         bytes to copy",
                    )
                    .argument("x-amz-copy-source-range", text)
            })?),
        };
        Ok(Self { bucket, key, upload, number, source, range })
    }

    /// Which bytes of a source of this size are copied.
    ///
    /// # Errors
    /// `InvalidArgument` beyond its end, `InvalidRequest` over 5 GiB.
    pub fn resolve(&self, size: u64) -> Result<Range<u64>, Error> {
        let range = match self.range {
            None => 0..size,
            Some((first, last)) if last < size => first..last + 1,
            Some((first, last)) => {
                let message =
                    format!("Range specified is not valid for source object of size: {size}");
                return Err(Error::new(Code::InvalidArgument)
                    .message(message)
                    .argument("x-amz-copy-source-range", &format!("bytes={first}-{last}")));
            }
        };
        if range.end - range.start > SOURCE_MAX {
            return Err(Error::new(Code::InvalidRequest).message(format!(
                "The specified copy source is larger than the maximum allowable size for a copy \
                 source: {SOURCE_MAX}"
            )));
        }
        Ok(range)
    }
}

/// `bytes=FIRST-LAST` and nothing else. A position beyond 64 bits is the largest one.
fn range(text: &str) -> Option<(u64, u64)> {
    match ByteRange::parse(text)? {
        ByteRange::From { first, last: Some(last) } => Some((first, last)),
        _ => None,
    }
}

pub(crate) fn write(answer: Answer<'_>, part: &CopiedPart) {
    let mut xml = Xml::s3("CopyPartResult");
    xml.time("LastModified", part.modified);
    xml.text("ETag", &part.etag.to_string());
    if let Some(checksum) = part.checksum {
        xml.text(checksum.algorithm().element(), &checksum.to_base64());
    }
    xml.close("CopyPartResult");
    answer.document(xml);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::condition::ReadConditions;

    #[test]
    fn ranges() {
        // Only a first and a last byte make a range.
        assert_eq!(range("bytes=0-0"), Some((0, 0)));
        assert_eq!(range("bytes=5-99999999999999999999"), Some((5, u64::MAX)));
        for bad in ["", "0-1", "bytes=0-", "bytes=-1", "bytes=2-1", "bytes=0-1,3-4", "bytes=a-b"] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }

    #[test]
    fn resolving() {
        // A range is inside its source and at most 5 GiB long, or refused.
        let bucket = BucketName::new("b").unwrap();
        let key = Key::new("k").unwrap();
        let conditions = ReadConditions::default();
        let source = CopySource { bucket: bucket.clone(), key: key.clone(), conditions };
        let resolve = |range, size| {
            let (bucket, key, source) = (bucket.clone(), key.clone(), source.clone());
            let upload = String::new();
            let copy = UploadPartCopy { bucket, key, upload, number: 1, source, range };
            copy.resolve(size).map_err(|e| e.code())
        };
        assert_eq!(resolve(None, 0), Ok(0..0));
        assert_eq!(resolve(Some((2, 4)), 5), Ok(2..5));
        assert_eq!(resolve(Some((2, 5)), 5), Err(Code::InvalidArgument));
        assert_eq!(resolve(Some((0, u64::MAX)), u64::MAX), Err(Code::InvalidArgument));
        assert_eq!(resolve(None, SOURCE_MAX), Ok(0..SOURCE_MAX));
        assert_eq!(resolve(None, SOURCE_MAX + 1), Err(Code::InvalidRequest));
        assert_eq!(resolve(Some((1, SOURCE_MAX)), 2 * SOURCE_MAX), Ok(1..SOURCE_MAX + 1));
    }
}
