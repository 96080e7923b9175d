//! CopyObject: a new object with the bytes of another.

use lobos_digest::Algorithm;

use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::s3::condition::WriteConditions;
use crate::{
    BucketName, Code, CopySource, Error, Key, Limits, Metadata, Stored, TagSet, Timestamp,
};

/// Copies an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyObject {
    /// Where to.
    pub bucket: BucketName,
    /// Where to.
    pub key: Key,
    /// Where from.
    pub source: CopySource,
    /// x-amz-metadata-directive: REPLACE - keep these instead of the source's.
    pub metadata: Option<Metadata>,
    /// x-amz-tagging-directive: REPLACE - these instead of the source's.
    pub tags: Option<TagSet>,
    /// If-None-Match: * and If-Match, about the target.
    pub conditions: WriteConditions,
    /// x-amz-checksum-algorithm: compute and keep this one instead of the source's.
    pub checksum: Option<Algorithm>,
}

/// The object that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedObject {
    /// The object.
    pub stored: Stored,
    /// Its Last-Modified.
    pub modified: Timestamp,
}

impl CopyObject {
    /// # Errors
    /// The 4xx of S3 for each header, those of [`CopySource`]; `InvalidRequest` for a copy onto
    /// itself that changes nothing.
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

pub(crate) fn write(answer: Answer<'_>, copied: &CopiedObject) {
    let _ = copied;
    answer.empty();
}
