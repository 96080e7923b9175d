//! CompleteMultipartUpload: makes an object of the parts.

use lobos_digest::Digest;

use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::http::target::Query;
use crate::op::route::Document;
use crate::s3::condition::WriteConditions;
use crate::{BucketName, Checksum, ChecksumType, Code, Error, Key, Stored};

/// Makes the object visible, whole, in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteMultipartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The upload, as it was sent.
    pub upload: String,
    /// In the order of the request, which must be ascending: else `InvalidPartOrder`, which the
    /// store answers after `NoSuchUpload`.
    pub parts: Vec<CompletedPart>,
    /// If-None-Match: * and If-Match.
    pub conditions: WriteConditions,
    /// An x-amz-checksum-* header: what the checksum of the object must be.
    pub checksum: Option<Checksum>,
    /// x-amz-checksum-type: must be that of the upload.
    pub checksum_type: Option<ChecksumType>,
    /// x-amz-mp-object-size: what the size must be.
    pub size: Option<u64>,
}

/// One part as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// 1 to 10,000.
    pub number: u32,
    /// Its tag without quotes; what is no tag matches no part.
    pub etag: String,
    /// Its checksums.
    pub checksums: Vec<Digest>,
}

/// The object that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The object.
    pub stored: Stored,
}

impl CompleteMultipartUpload {
    /// Reads the head; the document follows.
    ///
    /// # Errors
    /// The 4xx of S3 for each header.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        query: &Query,
    ) -> Result<Document, Error> {
        let _ = (bucket, key, head, query);
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>, completed: &CompletedUpload) {
    let _ = completed;
    answer.empty();
}
