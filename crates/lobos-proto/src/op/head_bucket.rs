//! HeadBucket: whether a bucket is there.

use crate::BucketName;
use crate::http::encode::Answer;

/// Answers `NoSuchBucket` or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadBucket {
    /// The bucket.
    pub bucket: BucketName,
}

pub(crate) fn write(mut answer: Answer<'_>) {
    answer.header("x-amz-bucket-region", answer.region());
    answer.empty();
}
