//! CreateMultipartUpload: begins an object that comes in parts.

use lobos_digest::Algorithm;

use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::{BucketName, ChecksumType, Code, Error, Key, Limits, Metadata, TagSet};

/// Begins an upload in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateMultipartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key that the object will have.
    pub key: Key,
    /// What to keep with the object.
    pub metadata: Metadata,
    /// Its tags.
    pub tags: TagSet,
    /// x-amz-checksum-algorithm: the checksum that every part brings.
    pub checksum: Option<Algorithm>,
    /// x-amz-checksum-type, or what S3 takes for this algorithm; `None` without an algorithm.
    pub checksum_type: Option<ChecksumType>,
}

/// The upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedUpload {
    /// The request.
    pub request: CreateMultipartUpload,
    /// Its name: letters, digits, `-` and `_`.
    pub upload: String,
}

impl CreateMultipartUpload {
    /// # Errors
    /// The 4xx of S3 for each header.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let _ = (bucket, key, head, limits);
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>, created: &CreatedUpload) {
    let _ = created;
    answer.empty();
}
