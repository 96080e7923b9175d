//! GetBucketLocation: the region of a bucket, which is that of the server.

use crate::BucketName;
use crate::http::encode::{Answer, US_EAST_1};
use crate::s3::xml::Xml;

/// Answers `NoSuchBucket` or the region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBucketLocation {
    /// The bucket.
    pub bucket: BucketName,
}

/// An empty constraint is us-east-1.
pub(crate) fn write(answer: Answer<'_>) {
    let mut xml = Xml::s3("LocationConstraint");
    if answer.region() != US_EAST_1 {
        xml.content(answer.region());
    }
    xml.close("LocationConstraint");
    answer.document(xml);
}
