//! CreateBucket: makes a bucket.

use crate::BucketName;
use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::s3::xml::Element;
use crate::{Code, Error};

/// Makes the bucket, if the store can: `InvalidBucketName` for a name that S3 does not allow,
/// `BucketAlreadyOwnedByYou` if it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateBucket {
    /// The bucket.
    pub bucket: BucketName,
}

impl CreateBucket {
    /// Refuses what a bucket here cannot have.
    ///
    /// # Errors
    /// `NotImplemented` for object lock and for owners other than the bucket's.
    pub(crate) fn check(head: &Head<'_>) -> Result<(), Error> {
        let lock = head.get("x-amz-bucket-object-lock-enabled");
        if lock.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(Error::new(Code::NotImplemented)
                .message("Buckets with Object Lock are not implemented."));
        }
        match head.get("x-amz-object-ownership") {
            None | Some("BucketOwnerEnforced") => Ok(()),
            Some("BucketOwnerPreferred" | "ObjectWriter") => Err(Error::new(Code::NotImplemented)),
            Some(_) => {
                Err(Error::new(Code::InvalidArgument)
                    .message("Invalid x-amz-object-ownership header"))
            }
        }
    }

    /// The body, a CreateBucketConfiguration, may be missing; any region is taken.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn parse(bucket: BucketName, document: &[u8]) -> Result<Self, Error> {
        if !document.trim_ascii().is_empty() {
            let root = Element::parse(document)?;
            if root.name != "CreateBucketConfiguration" {
                return Err(Error::new(Code::MalformedXML));
            }
            let tags = root.children.iter().find(|child| child.name == "Tags");
            if tags.is_some_and(|tags| !tags.children.is_empty()) {
                return Err(Error::new(Code::NotImplemented)
                    .message("Tags of buckets are not implemented."));
            }
        }
        Ok(Self { bucket })
    }
}

pub(crate) fn write(mut answer: Answer<'_>, bucket: &BucketName) {
    answer.header("Location", format_args!("/{bucket}"));
    answer.header("x-amz-bucket-arn", format_args!("arn:aws:s3:::{bucket}"));
    answer.empty();
}
