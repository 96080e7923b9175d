//! AbortMultipartUpload: drops an upload with all its parts.

use crate::http::head::Head;
use crate::http::target::Query;
use crate::{BucketName, Code, Error, Key, Timestamp};

/// Drops the upload; `NoSuchUpload` if there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AbortMultipartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The upload, as it was sent.
    pub upload: String,
    /// x-amz-if-match-initiated-time: only if it was begun in this second.
    pub initiated: Option<Timestamp>,
}

impl AbortMultipartUpload {
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        query: &Query,
    ) -> Result<Self, Error> {
        let upload = query.get("uploadId").unwrap_or_default().to_owned();
        let name = "x-amz-if-match-initiated-time";
        let initiated = match head.filled(name) {
            None => None,
            Some(text) => Some(Timestamp::from_http(text).ok_or_else(|| {
                Error::new(Code::InvalidArgument)
                    .message("The initiated time is not an HTTP date.")
                    .argument(name, text)
            })?),
        };
        Ok(Self { bucket, key, upload, initiated })
    }
}
