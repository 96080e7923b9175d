//! What is to be copied: x-amz-copy-source and its conditions.

use super::condition::ReadConditions;
use crate::http::head::Head;
use crate::{BucketName, Error, Key};

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

impl CopySource {
    /// Reads the headers.
    ///
    /// # Errors
    /// `InvalidArgument`, `InvalidBucketName`, `NoSuchVersion`, `KeyTooLongError`.
    pub(crate) fn parse(head: &Head<'_>) -> Result<Self, Error> {
        let _ = head;
        Err(Error::new(crate::Code::NotImplemented))
    }
}
