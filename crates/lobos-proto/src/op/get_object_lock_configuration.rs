//! GetObjectLockConfiguration: the lock of a bucket, which has none.

use crate::BucketName;

/// Answers `NoSuchBucket` or `ObjectLockConfigurationNotFoundError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObjectLockConfiguration {
    /// The bucket.
    pub bucket: BucketName,
}
