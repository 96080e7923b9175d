//! Writes the answer of any operation: the head with its XML, or the head before a body.

use std::ops::Range;

use super::{
    create_bucket, delete_objects, get_bucket_location, get_bucket_versioning, head_bucket,
    list_buckets, list_objects, put_object,
};
use crate::Response;
use crate::http::encode::{Answer, Context};

/// Writes `response` and gives the range of the source that follows it.
pub(crate) fn write(out: &mut Vec<u8>, context: &Context<'_>, response: &Response) -> Range<u64> {
    let status = match response {
        Response::HeadObject(object) | Response::GetObject(object) => object.status(),
        Response::DeleteBucket | Response::DeleteObject => 204,
        _ => 200,
    };
    let answer = Answer::new(out, context, status);
    match response {
        Response::ListBuckets(page) => list_buckets::write(answer, page),
        Response::CreateBucket { bucket } => create_bucket::write(answer, bucket),
        Response::HeadBucket => head_bucket::write(answer),
        Response::DeleteBucket | Response::DeleteObject => answer.end(),
        Response::GetBucketLocation => get_bucket_location::write(answer),
        Response::GetBucketVersioning => get_bucket_versioning::write(answer),
        Response::ListObjects(page) => list_objects::write(answer, page),
        Response::HeadObject(object) => object.write(answer),
        Response::GetObject(object) => {
            object.write(answer);
            return object.range.clone();
        }
        Response::PutObject(stored) => put_object::write(answer, stored),
        Response::DeleteObjects(deletions) => delete_objects::write(answer, deletions),
    }
    0..0
}
