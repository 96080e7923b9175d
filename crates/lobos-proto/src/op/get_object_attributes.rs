//! GetObjectAttributes: what is known of an object, as XML.

use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::http::target::Query;
use crate::{BucketName, Code, Error, Key, Limits, ObjectInfo};

/// Asks for some attributes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObjectAttributes {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// x-amz-object-attributes: which are wanted.
    pub wanted: Vec<Attribute>,
    /// x-amz-part-number-marker: only parts with greater numbers.
    pub marker: u32,
    /// x-amz-max-parts, 0 to 1,000.
    pub max_parts: u32,
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of S3")]
pub enum Attribute {
    ETag,
    Checksum,
    ObjectParts,
    StorageClass,
    ObjectSize,
}

/// The answer: the request and the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// The request.
    pub request: GetObjectAttributes,
    /// The object.
    pub info: ObjectInfo,
}

impl GetObjectAttributes {
    /// # Errors
    /// `InvalidArgument`, `NoSuchVersion`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        query: &Query,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let _ = (bucket, key, head, query, limits);
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>, attributes: &ObjectAttributes) {
    let _ = attributes;
    answer.empty();
}
