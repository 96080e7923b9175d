//! CreateMultipartUpload: begins an object that comes in parts.

use lobos_digest::Algorithm;

use super::put_object::{algorithm, metadata};
use super::supported::check_supported;
use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::s3::xml::Xml;
use crate::{BucketName, ChecksumType, Code, Error, Key, Limits, Metadata, TagSet};

/// Begins an upload in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateMultipartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key that the object will have.
    pub key: Key,
    /// What to keep with the object.
    pub metadata: Metadata,
    /// Its tags.
    pub tags: TagSet,
    /// x-amz-checksum-algorithm: the checksum that every part brings.
    pub checksum: Option<Algorithm>,
    /// x-amz-checksum-type, or what S3 takes for this algorithm; `None` without an algorithm.
    pub checksum_type: Option<ChecksumType>,
}

/// The upload that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedUpload {
    /// The request.
    pub request: CreateMultipartUpload,
    /// Its name: letters, digits, `-` and `_`.
    pub upload: String,
}

impl CreateMultipartUpload {
    /// # Errors
    /// The 4xx of S3 for each header.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        check_supported(head)?;
        let checksum = algorithm(head, "x-amz-checksum-algorithm")?;
        let checksum_type = match (checksum, checksum_type(head)?) {
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Error::new(Code::InvalidRequest).message(
                    "The x-amz-checksum-type header can only be used with the \
                     x-amz-checksum-algorithm header.",
                ));
            }
            (Some(algorithm), None) => Some(ChecksumType::default_for(algorithm)),
            (Some(algorithm), Some(kind)) if kind.fits(algorithm) => Some(kind),
            (Some(algorithm), Some(kind)) => {
                let (kind, name) = (kind.as_str(), algorithm.name().to_ascii_lowercase());
                return Err(Error::new(Code::InvalidRequest).message(format!(
                    "The {kind} checksum type cannot be used with the {name} checksum algorithm."
                )));
            }
        };
        let metadata = metadata(head, limits)?;
        let tags = TagSet::parse_header(head.get("x-amz-tagging").unwrap_or_default())?;
        Ok(Self { bucket, key, metadata, tags, checksum, checksum_type })
    }
}

/// x-amz-checksum-type, in any case.
///
/// # Errors
/// `InvalidRequest` if it is none.
pub(super) fn checksum_type(head: &Head<'_>) -> Result<Option<ChecksumType>, Error> {
    match head.filled("x-amz-checksum-type") {
        None => Ok(None),
        Some(name) => ChecksumType::from_name(name).map(Some).ok_or_else(|| {
            Error::new(Code::InvalidRequest)
                .message("Value for x-amz-checksum-type header is invalid.")
        }),
    }
}

pub(crate) fn write(mut answer: Answer<'_>, created: &CreatedUpload) {
    let request = &created.request;
    if let Some(algorithm) = request.checksum {
        answer.header("x-amz-checksum-algorithm", algorithm.name());
    }
    if let Some(kind) = request.checksum_type {
        answer.header("x-amz-checksum-type", kind.as_str());
    }
    let mut xml = Xml::s3("InitiateMultipartUploadResult");
    xml.text("Bucket", request.bucket.as_str());
    xml.text("Key", request.key.as_str());
    xml.text("UploadId", &created.upload);
    xml.close("InitiateMultipartUploadResult");
    answer.document(xml);
}
