//! GetBucketVersioning: whether a bucket keeps versions, which it never does.

use crate::BucketName;
use crate::http::encode::Answer;
use crate::s3::xml::Xml;

/// Answers `NoSuchBucket` or an empty versioning configuration: never enabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBucketVersioning {
    /// The bucket.
    pub bucket: BucketName,
}

/// No Status: versioning was never enabled.
pub(crate) fn write(answer: Answer<'_>) {
    let mut xml = Xml::s3("VersioningConfiguration");
    xml.close("VersioningConfiguration");
    answer.document(xml);
}
