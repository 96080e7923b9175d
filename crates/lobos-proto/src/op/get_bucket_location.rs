//! GetBucketLocation: the region of a bucket, which is always us-east-1.

use crate::BucketName;
use crate::http::encode::Answer;
use crate::s3::xml::Xml;

/// Answers `NoSuchBucket` or the empty location constraint of us-east-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBucketLocation {
    /// The bucket.
    pub bucket: BucketName,
}

/// An empty constraint is us-east-1.
pub(crate) fn write(answer: Answer<'_>) {
    let mut xml = Xml::s3("LocationConstraint");
    xml.close("LocationConstraint");
    answer.document(xml);
}
