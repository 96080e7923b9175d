//! DeleteObject: removes one object.

use crate::http::head::Head;
use crate::{BucketName, Code, Error, Key};

/// Removes the object; a success also if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
}

impl DeleteObject {
    /// Conditions are not there yet, and to delete without them would be a wrong success.
    ///
    /// # Errors
    /// `NotImplemented`.
    pub(crate) fn check(head: &Head<'_>) -> Result<(), Error> {
        const CONDITIONS: [&str; 3] =
            ["if-match", "x-amz-if-match-size", "x-amz-if-match-last-modified-time"];
        match CONDITIONS.iter().find(|name| head.has(name)) {
            Some(name) => Err(Error::new(Code::NotImplemented)
                .message(format!("The header {name} of a DELETE is not implemented."))),
            None => Ok(()),
        }
    }
}
