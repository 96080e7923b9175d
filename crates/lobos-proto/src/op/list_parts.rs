//! ListParts: the parts of an upload.

use lobos_digest::{Algorithm, Digest};

use crate::http::encode::Answer;
use crate::http::target::Query;
use crate::{BucketName, ChecksumType, Code, ETag, Error, Key, Limits, Timestamp};

/// Asks for a page of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListParts {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The upload, as it was sent.
    pub upload: String,
    /// Only parts with greater numbers.
    pub marker: u32,
    /// 0 to 1,000.
    pub max_parts: u32,
    /// encoding-type=url.
    pub encode: bool,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsPage {
    /// The request that it answers.
    pub request: ListParts,
    /// By number.
    pub parts: Vec<ListedPart>,
    /// More parts follow.
    pub truncated: bool,
    /// Of the upload.
    pub checksum: Option<Algorithm>,
    /// Of the upload.
    pub checksum_type: Option<ChecksumType>,
}

/// One part that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// 1 to 10,000.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// Its tag.
    pub etag: ETag,
    /// When it was stored.
    pub modified: Timestamp,
    /// Its checksum.
    pub checksum: Option<Digest>,
}

impl ListParts {
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        query: &Query,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let _ = (bucket, key, query, limits);
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>, page: &PartsPage) {
    let _ = page;
    answer.empty();
}
