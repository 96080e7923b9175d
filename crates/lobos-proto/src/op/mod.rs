//! One file per S3 operation: what it takes, how a request becomes it, how its answer is written.

mod abort_multipart_upload;
mod acl;
mod bucket_configuration;
mod complete_multipart_upload;
mod copy_object;
pub(crate) mod cors;
mod create_bucket;
mod create_multipart_upload;
mod delete_bucket;
mod delete_object;
mod delete_objects;
mod document;
mod get_bucket_location;
mod get_object;
mod get_object_attributes;
mod head_bucket;
mod head_object;
mod health;
mod hoisted;
mod list_buckets;
mod list_multipart_uploads;
mod list_objects;
mod list_parts;
mod methods;
mod object_tagging;
mod operation;
mod page;
mod post_object;
mod put_object;
mod rename_object;
mod supported;
mod upload_part;
mod upload_part_copy;
mod visitor;

pub use abort_multipart_upload::AbortMultipartUpload;
pub use acl::Acl;
pub use bucket_configuration::{Configuration, GetBucketConfiguration, PutBucketConfiguration};
pub use complete_multipart_upload::{CompleteMultipartUpload, CompletedPart, CompletedUpload};
pub use copy_object::{CopiedObject, CopyObject};
pub use create_bucket::CreateBucket;
pub use create_multipart_upload::{CreateMultipartUpload, CreatedUpload};
pub use delete_bucket::DeleteBucket;
pub use delete_object::DeleteObject;
pub use delete_objects::{DeleteKey, DeleteObjects, Deleted, Deletions};
pub use get_bucket_location::GetBucketLocation;
pub use get_object::{GetObject, ObjectResponse, Overrides, Part, Validator};
pub use get_object_attributes::{Attribute, GetObjectAttributes, ObjectAttributes};
pub use head_bucket::HeadBucket;
pub use head_object::HeadObject;
pub use list_buckets::{BucketInfo, Buckets, ListBuckets};
pub use list_multipart_uploads::{ListMultipartUploads, ListedUpload, UploadsPage};
pub use list_objects::{ListObjects, ListedObject, ListingVersion, Page};
pub use list_parts::{ListParts, ListedPart, PartsPage};
pub use object_tagging::{GetObjectTagging, PutObjectTagging};
pub use operation::Operation;
pub use put_object::PutObject;
pub use rename_object::RenameObject;
pub use upload_part::{StoredPart, UploadPart};
pub use upload_part_copy::{CopiedPart, UploadPartCopy};

mod answer;
mod route;

pub(crate) use answer::write;
pub(crate) use document::Document;
pub(crate) use health::is_well;
pub(crate) use post_object::{PostObject, Posted, unfinished};
pub(crate) use route::{Route, Routed, route, split};
pub(crate) use visitor::{EMBEDDING, Headers, Visitor};

/// The only version of an object is the one called `null`.
///
/// # Errors
/// `NoSuchVersion` if the query asks for another.
fn check_version(query: &crate::http::target::Query) -> Result<(), crate::Error> {
    match query.filled("versionId") {
        None | Some("null") => Ok(()),
        Some(_) => Err(crate::Error::new(crate::Code::NoSuchVersion)),
    }
}

/// A count in a query; empty counts as absent.
///
/// # Errors
/// `InvalidArgument` if it is none.
fn count(query: &crate::http::target::Query, name: &str) -> Result<Option<u32>, crate::Error> {
    let Some(text) = query.filled(name) else { return Ok(None) };
    let message = match text.parse::<i64>() {
        Ok(count @ 0..=0x7fff_ffff) => return Ok(u32::try_from(count).ok()),
        Ok(_) => format!("Argument {name} must be an integer between 0 and 2147483647"),
        Err(_) => format!("Provided {name} not an integer or within integer range"),
    };
    Err(crate::Error::new(crate::Code::InvalidArgument).message(message).argument(name, text))
}

/// Whether encoding-type=url is asked for.
///
/// # Errors
/// `InvalidArgument` for any other encoding.
fn encoding(query: &crate::http::target::Query) -> Result<bool, crate::Error> {
    match query.filled("encoding-type") {
        None => Ok(false),
        Some(url) if url.eq_ignore_ascii_case("url") => Ok(true),
        Some(other) => Err(crate::Error::new(crate::Code::InvalidArgument)
            .message("Invalid Encoding Method specified in Request")
            .argument("encoding-type", other)),
    }
}

/// partNumber of a query, if it is there.
///
/// # Errors
/// `InvalidArgument` unless it is 1 to 10,000.
fn part_number(query: &crate::http::target::Query) -> Result<Option<u32>, crate::Error> {
    let Some(text) = query.filled("partNumber") else { return Ok(None) };
    match text.parse() {
        Ok(number @ 1..=10_000_u32) => Ok(Some(number)),
        _ => Err(crate::Error::new(crate::Code::InvalidArgument)
            .message("Part number must be an integer between 1 and 10000, inclusive.")
            .argument("partNumber", text)),
    }
}
