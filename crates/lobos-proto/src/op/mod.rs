//! One file per S3 operation: what it takes, how a request becomes it, how its answer is written.

mod create_bucket;
mod delete_bucket;
mod delete_object;
mod delete_objects;
mod get_bucket_location;
mod get_bucket_versioning;
mod get_object;
mod get_object_lock_configuration;
mod head_bucket;
mod head_object;
mod list_buckets;
mod list_objects;
mod put_object;

pub use create_bucket::CreateBucket;
pub use delete_bucket::DeleteBucket;
pub use delete_object::DeleteObject;
pub use delete_objects::{DeleteKey, DeleteObjects, Deleted, Deletions};
pub use get_bucket_location::GetBucketLocation;
pub use get_bucket_versioning::GetBucketVersioning;
pub use get_object::{GetObject, ObjectResponse, Overrides, Part};
pub use get_object_lock_configuration::GetObjectLockConfiguration;
pub use head_bucket::HeadBucket;
pub use head_object::HeadObject;
pub use list_buckets::{BucketInfo, Buckets, ListBuckets};
pub use list_objects::{ListObjects, ListedObject, ListingVersion, Page};
pub use put_object::PutObject;

mod answer;
mod route;

pub(crate) use answer::write;
pub(crate) use route::{Document, Route, route};

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
