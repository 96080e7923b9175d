//! UploadPart: stores one part of an upload.

use lobos_digest::{Algorithm, Digest};

use crate::http::body::Promise;
use crate::http::encode::Answer;
use crate::http::head::{Framing, Head};
use crate::http::target::Query;
use crate::{BucketName, Code, ETag, Error, Key, Limits};

/// Announces a part; its bytes follow through a [`Sink`](crate::Sink). A part with the same
/// number is replaced when this one is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPart {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The upload, as it was sent.
    pub upload: String,
    /// 1 to 10,000.
    pub number: u32,
    /// Bytes, if the client said so beforehand. Never trust it for more than sizing.
    pub size: Option<u64>,
    /// Compute this checksum, keep it with the part and answer it.
    pub checksum: Option<Algorithm>,
    /// As in [`PutObject`](super::PutObject).
    pub verify: Vec<Algorithm>,
}

/// The part that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its tag, for CompleteMultipartUpload.
    pub etag: ETag,
    /// Its checksum.
    pub checksum: Option<Digest>,
}

impl UploadPart {
    /// # Errors
    /// The 4xx of S3 for each header, `MissingContentLength`, `InvalidArgument`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        query: &Query,
        framing: Framing,
        limits: &Limits,
    ) -> Result<(Self, Promise), Error> {
        let _ = (bucket, key, head, query, framing, limits);
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>, part: &StoredPart) {
    let _ = part;
    answer.empty();
}
