//! DeleteObject: removes one object.

use crate::http::head::Head;
use crate::s3::condition::DeleteConditions;
use crate::{BucketName, Code, Error, Key};

/// Removes the object; a success also if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// What the object must be; without an object they hold.
    pub conditions: DeleteConditions,
}

impl DeleteObject {
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn parse(bucket: BucketName, key: Key, head: &Head<'_>) -> Result<Self, Error> {
        const CONDITIONS: [&str; 3] =
            ["if-match", "x-amz-if-match-size", "x-amz-if-match-last-modified-time"];
        if let Some(name) = CONDITIONS.iter().find(|name| head.has(name)) {
            return Err(Error::new(Code::NotImplemented)
                .message(format!("The header {name} of a DELETE is not implemented.")));
        }
        Ok(Self { bucket, key, conditions: DeleteConditions::default() })
    }
}
