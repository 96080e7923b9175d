//! The configurations of a bucket that are kept as they were put: GetBucketCors, PutBucketTagging,
//! DeleteBucketOwnershipControls and so on.

use crate::http::encode::Answer;
use crate::op::route::Document;
use crate::{BucketName, Code, Error};

/// Which configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of S3")]
pub enum Configuration {
    Cors,
    Tagging,
    OwnershipControls,
    PublicAccessBlock,
    Encryption,
}

impl Configuration {
    const ALL: [Self; 5] = [
        Self::Cors,
        Self::Tagging,
        Self::OwnershipControls,
        Self::PublicAccessBlock,
        Self::Encryption,
    ];

    /// The one with this [`Configuration::name`].
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in the query, and that of the file in which a store may keep it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cors => "cors",
            Self::Tagging => "tagging",
            Self::OwnershipControls => "ownershipControls",
            Self::PublicAccessBlock => "publicAccessBlock",
            Self::Encryption => "encryption",
        }
    }
}

/// Asks for a configuration; the answer is `None` if the bucket has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBucketConfiguration {
    /// The bucket.
    pub bucket: BucketName,
    /// Which one.
    pub kind: Configuration,
}

/// Replaces or removes a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutBucketConfiguration {
    /// The bucket.
    pub bucket: BucketName,
    /// Which one.
    pub kind: Configuration,
    /// A document that was read and found good; `None` removes it.
    pub document: Option<String>,
}

impl PutBucketConfiguration {
    /// The document follows.
    ///
    /// # Errors
    /// `NotImplemented` for what cannot be honoured.
    pub(crate) fn parse(bucket: BucketName, kind: Configuration) -> Result<Document, Error> {
        let _ = (bucket, kind);
        Err(Error::new(Code::NotImplemented))
    }
}

/// The document, or the error that S3 has for a bucket without one.
pub(crate) fn write(answer: Answer<'_>, kind: Configuration, document: Option<&str>) {
    let _ = (kind, document);
    answer.empty();
}
