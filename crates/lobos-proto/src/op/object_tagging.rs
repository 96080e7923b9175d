//! GetObjectTagging, PutObjectTagging and DeleteObjectTagging.

use crate::http::encode::Answer;
use crate::op::route::Document;
use crate::{BucketName, Code, Error, Key, TagSet};

/// Asks for the tags of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObjectTagging {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
}

/// Replaces the tags of an object; none removes them. Neither its ETag nor its time changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutObjectTagging {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The new tags.
    pub tags: TagSet,
}

impl PutObjectTagging {
    /// The document follows.
    ///
    /// # Errors
    /// Those of [`TagSet`], when the document is read.
    pub(crate) fn parse(bucket: BucketName, key: Key) -> Result<Document, Error> {
        let _ = (bucket, key);
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>, tags: &TagSet) {
    answer.document(tags.document());
}
