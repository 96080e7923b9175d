//! RenameObject (S3 Express): gives an object another key, in one step.

use crate::http::head::Head;
use crate::s3::condition::ReadConditions;
use crate::{BucketName, Code, Error, Key};

/// Renames an object of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The new key.
    pub key: Key,
    /// x-amz-rename-source: the old key.
    pub source: Key,
    /// x-amz-rename-source-if-*.
    pub source_conditions: ReadConditions,
    /// If-Match and its relatives, about what has the new key now; `if_none_match` of
    /// [`Tags::Any`](crate::s3::condition::Tags::Any): nothing may have it.
    pub conditions: ReadConditions,
}

impl RenameObject {
    /// # Errors
    /// `InvalidArgument`, `KeyTooLongError`.
    pub(crate) fn parse(bucket: BucketName, key: Key, head: &Head<'_>) -> Result<Self, Error> {
        let _ = (bucket, key, head);
        Err(Error::new(Code::NotImplemented))
    }
}
