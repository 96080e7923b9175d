//! GetBucketAcl, GetObjectAcl and their writes: the owner has every right, and nobody else any.

use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::{BucketName, Code, Error, Key};

/// Asks who may do what: `NoSuchBucket`, `NoSuchKey`, or the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// The bucket.
    pub bucket: BucketName,
    /// The object, if it is about one.
    pub key: Option<Key>,
}

impl Acl {
    /// Whether an ACL that is sent says what is so anyhow.
    ///
    /// # Errors
    /// `NotImplemented` for rights of others, `InvalidArgument`.
    pub(crate) fn check(head: &Head<'_>) -> Result<(), Error> {
        let _ = head;
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>) {
    answer.empty();
}
