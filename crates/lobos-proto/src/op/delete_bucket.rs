//! DeleteBucket: removes an empty bucket.

use crate::BucketName;

/// Removes the bucket; `BucketNotEmpty` while it holds an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteBucket {
    /// The bucket.
    pub bucket: BucketName,
}
