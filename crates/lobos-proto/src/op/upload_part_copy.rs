//! UploadPartCopy: makes a part of an upload from bytes of another object.

use lobos_digest::Digest;

use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::http::target::Query;
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
        let _ = (bucket, key, head, query);
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>, part: &CopiedPart) {
    let _ = part;
    answer.empty();
}
