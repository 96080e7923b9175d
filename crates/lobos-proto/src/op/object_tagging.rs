//! GetObjectTagging, PutObjectTagging and DeleteObjectTagging.

use crate::http::encode::Answer;
use crate::op::Document;
use crate::s3::tags::OBJECT_TAGS;
use crate::{BucketName, Key, Request, TagSet};

/// Asks for the tags of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObjectTagging {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
}

/// Replaces the tags of an object. Neither its ETag nor its time changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutObjectTagging {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The new tags; `None` removes them (DeleteObjectTagging).
    pub tags: Option<TagSet>,
}

impl PutObjectTagging {
    /// The document follows.
    pub(crate) fn parse(bucket: BucketName, key: Key) -> Document {
        Document::new(super::Operation::PutObjectTagging, move |document, _| {
            let tags = Some(TagSet::parse_document(document, OBJECT_TAGS)?);
            Ok(Request::PutObjectTagging(Self { bucket, key, tags }))
        })
    }
}

pub(crate) fn write(answer: Answer<'_>, tags: &TagSet) {
    answer.document(tags.document());
}
