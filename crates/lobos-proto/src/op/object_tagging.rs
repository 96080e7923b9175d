//! GetObjectTagging, PutObjectTagging and DeleteObjectTagging.

use crate::http::encode::Answer;
use crate::op::route::Document;
use crate::s3::tags::OBJECT_TAGS;
use crate::{BucketName, Error, Key, Request, TagSet};

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
        Ok(Document::new(move |document, _| {
            let tags = TagSet::parse_document(document, OBJECT_TAGS)?;
            Ok(Request::PutObjectTagging(Self { bucket, key, tags }))
        }))
    }
}

pub(crate) fn write(answer: Answer<'_>, tags: &TagSet) {
    answer.document(tags.document());
}
