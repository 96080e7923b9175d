//! What a store knows of an object besides its bytes.

use std::borrow::Cow;

use super::checksum::Checksum;
use super::etag::ETag;
use super::parts::Parts;
use super::time::Timestamp;

/// What the client said of an object when it put it, kept and given back word for word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Content-Type, if the client sent one.
    pub content_type: Option<String>,
    /// Cache-Control.
    pub cache_control: Option<String>,
    /// Content-Disposition.
    pub content_disposition: Option<String>,
    /// Content-Encoding, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// Content-Language.
    pub content_language: Option<String>,
    /// Expires, as it was sent.
    pub expires: Option<String>,
    /// x-amz-website-redirect-location.
    pub website_redirect: Option<String>,
    /// x-amz-meta-*: lower-case names without that prefix, and values.
    pub user: Vec<(String, String)>,
}

impl Metadata {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One object, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Bytes.
    pub size: u64,
    /// Last-Modified.
    pub modified: Timestamp,
    /// Its entity tag.
    pub etag: ETag,
    /// What the answer says as Content-Type: the client's, or a guess from the name.
    pub content_type: Cow<'static, str>,
    /// What the client said of it; its `content_type` is not read here.
    pub metadata: Metadata,
    /// Checksums that are known to fit its bytes.
    pub checksums: Vec<Checksum>,
    /// The parts that it was uploaded in, if its bytes are still those.
    pub parts: Option<Parts>,
    /// How many tags it has.
    pub tags: usize,
}
