//! ListMultipartUploads: the uploads of a bucket that are neither completed nor dropped.

use lobos_digest::Algorithm;

use crate::http::encode::Answer;
use crate::http::target::Query;
use crate::{BucketName, ChecksumType, Code, Error, Limits, Timestamp};

/// Asks for a page of uploads, by key and then by the time they were begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMultipartUploads {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin so; may be empty.
    pub prefix: String,
    /// Never empty.
    pub delimiter: Option<String>,
    /// 0 to 1,000.
    pub max_uploads: u32,
    /// Only keys after this one (with `upload_marker`: or this one, and uploads of it after that).
    pub key_marker: String,
    /// Only together with `key_marker`.
    pub upload_marker: String,
    /// encoding-type=url.
    pub encode: bool,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadsPage {
    /// The request that it answers.
    pub request: ListMultipartUploads,
    /// By key, then by time.
    pub uploads: Vec<ListedUpload>,
    /// In byte order.
    pub prefixes: Vec<String>,
    /// If more follows: the last key or common prefix, and the last upload (empty for a prefix).
    pub next: Option<(String, String)>,
}

/// One upload that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUpload {
    /// The key that the object will have.
    pub key: String,
    /// The upload.
    pub upload: String,
    /// When it was begun.
    pub initiated: Timestamp,
    /// Of the upload.
    pub checksum: Option<Algorithm>,
    /// Of the upload.
    pub checksum_type: Option<ChecksumType>,
}

impl ListMultipartUploads {
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn parse(bucket: BucketName, query: &Query, limits: &Limits) -> Result<Self, Error> {
        let _ = (bucket, query, limits);
        Err(Error::new(Code::NotImplemented))
    }
}

pub(crate) fn write(answer: Answer<'_>, page: &UploadsPage) {
    let _ = page;
    answer.empty();
}
