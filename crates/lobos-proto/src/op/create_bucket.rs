//! CreateBucket: makes a bucket.

use super::bucket_configuration::{Configuration, OWNERSHIPS};
use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::op::Document;
use crate::s3::tags::{BUCKET_TAGS, TagSet};
use crate::s3::xml::{Element, Xml};
use crate::{BucketName, Code, Error, Request};

/// Makes the bucket, if the store can: `InvalidBucketName` for a name that S3 does not allow,
/// `BucketAlreadyOwnedByYou` if it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateBucket {
    /// The bucket.
    pub bucket: BucketName,
    /// What to keep of its configuration: documents that were found good.
    pub configurations: Vec<(Configuration, String)>,
}

impl CreateBucket {
    /// A document may follow.
    ///
    /// # Errors
    /// `NotImplemented` for object lock and for rights of others than the owner,
    /// `InvalidArgument`.
    pub(crate) fn parse(bucket: BucketName, head: &Head<'_>) -> Result<Document, Error> {
        let lock = head.get("x-amz-bucket-object-lock-enabled");
        if lock.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(Error::new(Code::NotImplemented)
                .message("Buckets with Object Lock are not implemented."));
        }
        super::acl::check(head)?;
        let mut configurations = Vec::new();
        if let Some(value) = head.get("x-amz-object-ownership") {
            if !OWNERSHIPS.contains(&value) {
                return Err(Error::new(Code::InvalidArgument)
                    .message("Invalid x-amz-object-ownership header")
                    .argument("x-amz-object-ownership", value));
            }
            configurations.push((Configuration::OwnershipControls, ownership(value)));
        }
        Ok(Document::new(super::Operation::CreateBucket, move |document, _| {
            configurations.extend(tagging(document)?);
            Ok(Request::CreateBucket(Self { bucket, configurations }))
        }))
    }
}

fn ownership(value: &str) -> String {
    let mut xml = Xml::s3("OwnershipControls");
    xml.open("Rule");
    xml.text("ObjectOwnership", value);
    xml.close("Rule");
    xml.close("OwnershipControls");
    xml.finish()
}

/// The body, a CreateBucketConfiguration, may be missing; any region is taken.
///
/// # Errors
/// `MalformedXML`, those of [`TagSet`].
fn tagging(document: &[u8]) -> Result<Option<(Configuration, String)>, Error> {
    if document.trim_ascii().is_empty() {
        return Ok(None);
    }
    let root = Element::parse(document)?;
    if root.name != "CreateBucketConfiguration" {
        return Err(Error::new(Code::MalformedXML));
    }
    let list = root.children.iter().find(|child| child.name == "Tags");
    let tags = TagSet::parse_list(list.map_or(&[], |list| &list.children), BUCKET_TAGS)?;
    Ok(match tags.pairs() {
        [] => None,
        _ => Some((Configuration::Tagging, tags.document().finish())),
    })
}

pub(crate) fn write(mut answer: Answer<'_>, bucket: &BucketName) {
    answer.header("Location", format_args!("/{bucket}"));
    answer.header("x-amz-bucket-arn", format_args!("arn:aws:s3:::{bucket}"));
    answer.empty();
}
