//! UploadPart: stores one part of an upload.

use lobos_digest::{Algorithm, Digest};

use super::methods::{UPLOAD, not_allowed};
use super::put_object::{promise, size};
use super::supported::check_customer_key;
use crate::http::body::Promise;
use crate::http::encode::Answer;
use crate::http::head::{Framing, Head};
use crate::http::target::Query;
use crate::{BucketName, ETag, Error, Key, Limits};

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
        let (upload, number) = part(head, query)?;
        check_customer_key(head)?;
        let promise = promise(head)?;
        let size = size(head, &promise, framing, limits)?;
        let sent = promise.expected.checksum.map(|digest| digest.algorithm());
        let checksum = sent.or(promise.trailer);
        let verify = [promise.expected.md5, promise.expected.sha256];
        let verify = verify.iter().flatten().map(Digest::algorithm).collect();
        Ok((Self { bucket, key, upload, number, size, checksum, verify }, promise))
    }
}

/// The upload and the number of the part that a PUT is about.
///
/// # Errors
/// `MethodNotAllowed` without a number, `InvalidArgument`.
pub(super) fn part(head: &Head<'_>, query: &Query) -> Result<(String, u32), Error> {
    let upload = query.get("uploadId").unwrap_or_default().to_owned();
    let number = super::part_number(query)?.ok_or_else(|| not_allowed(head, UPLOAD))?;
    Ok((upload, number))
}

pub(crate) fn write(mut answer: Answer<'_>, part: &StoredPart) {
    answer.header("ETag", part.etag);
    if let Some(checksum) = part.checksum {
        answer.header(checksum.algorithm().header(), checksum.to_base64());
    }
    answer.empty();
}
