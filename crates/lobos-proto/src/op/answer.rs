//! Writes the answer of any operation: the head with its XML, or the head before a body.

use std::ops::Range;

use super::Configuration;
use super::{
    acl, bucket_configuration, complete_multipart_upload, copy_object, create_bucket,
    create_multipart_upload, delete_objects, get_bucket_location, get_object_attributes,
    head_bucket, list_buckets, list_multipart_uploads, list_objects, list_parts, object_tagging,
    put_object, upload_part, upload_part_copy,
};
use crate::Response;
use crate::http::encode::{Answer, Context};

/// Writes `response` and gives the range of the source that follows it.
pub(crate) fn write(out: &mut Vec<u8>, context: &Context<'_>, response: &Response) -> Range<u64> {
    let status = match response {
        Response::HeadObject(object) | Response::GetObject(object) => object.status(),
        Response::DeleteBucket
        | Response::DeleteObject
        | Response::DeleteObjectTagging
        | Response::AbortMultipartUpload
        | Response::DeleteBucketConfiguration
        | Response::PutBucketConfiguration(Configuration::Tagging) => 204,
        _ => 200,
    };
    let answer = Answer::new(out, context, status);
    match response {
        Response::ListBuckets(page) => list_buckets::write(answer, page),
        Response::CreateBucket { bucket } => create_bucket::write(answer, bucket),
        Response::HeadBucket => head_bucket::write(answer),
        Response::DeleteBucket
        | Response::DeleteObject
        | Response::DeleteObjectTagging
        | Response::AbortMultipartUpload
        | Response::DeleteBucketConfiguration
        | Response::PutBucketConfiguration(Configuration::Tagging) => answer.end(),
        Response::RenameObject
        | Response::PutObjectTagging
        | Response::PutBucketConfiguration(_)
        | Response::PutAcl => answer.empty(),
        Response::GetBucketLocation => get_bucket_location::write(answer),
        Response::ListObjects(page) => list_objects::write(answer, page),
        Response::HeadObject(object) => object.write(answer),
        Response::GetObject(object) => {
            object.write(answer);
            return object.range.clone();
        }
        Response::PutObject(stored) => put_object::write(answer, stored),
        Response::AppendObject(stored) => put_object::write_appended(answer, stored),
        Response::DeleteObjects(deletions) => delete_objects::write(answer, deletions),
        Response::CopyObject(copied) => copy_object::write(answer, copied),
        Response::GetObjectAttributes(attributes) => {
            get_object_attributes::write(answer, attributes);
        }
        Response::GetObjectTagging(tags) => object_tagging::write(answer, tags),
        Response::CreateMultipartUpload(created) => create_multipart_upload::write(answer, created),
        Response::UploadPart(part) => upload_part::write(answer, part),
        Response::UploadPartCopy(part) => upload_part_copy::write(answer, part),
        Response::CompleteMultipartUpload(completed) => {
            complete_multipart_upload::write(answer, completed);
        }
        Response::ListParts(page) => list_parts::write(answer, page),
        Response::ListMultipartUploads(page) => list_multipart_uploads::write(answer, page),
        Response::GetBucketConfiguration(document) => {
            bucket_configuration::write(answer, document);
        }
        Response::GetAcl => acl::write(answer),
    }
    0..0
}
