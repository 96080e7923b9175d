//! Requests that no operation answers: a method that a resource does not have (405 with Allow), a
//! parameter that names an operation which is not here (501).

use crate::http::head::Head;
use crate::{Code, Error};

/// What S3 calls it in MethodNotAllowed, and the methods that it has.
type Resource = (&'static str, &'static str);

/// What there is to do with the server itself, as S3 calls it in MethodNotAllowed.
pub(super) const SERVICE: Resource = ("SERVICE", "GET");
/// With a bucket.
pub(super) const BUCKET: Resource = ("BUCKET", "GET, HEAD, PUT, POST, DELETE");
/// With an object.
pub(super) const OBJECT: Resource = ("OBJECT", "GET, HEAD, PUT, DELETE");
/// With a multipart upload, except that its parts are PUT by number.
pub(super) const UPLOAD: Resource = ("UPLOAD", "GET, POST, DELETE");

/// The method is none of those that the resource has.
pub(super) fn not_allowed(head: &Head<'_>, resource: Resource) -> Error {
    Error::new(Code::MethodNotAllowed)
        .element("Method", head.method)
        .element("ResourceType", resource.0)
        .allow(resource.1)
}

/// A subresource of a bucket, or of an object, that is here but not with this method.
pub(super) fn wrong_method(head: &Head<'_>, name: &str, object: bool) -> Error {
    let resource = match (name, object) {
        ("acl", _) => ("ACL", "GET, PUT"),
        ("attributes", true) => ("OBJECT_ATTRIBUTES", "GET"),
        ("delete", false) => ("MULTI_OBJECT_DELETE", "POST"),
        ("location", false) => ("LOCATION", "GET"),
        ("renameObject", true) => ("OBJECT", "PUT"),
        ("tagging", true) => ("TAGGING", "GET, PUT, DELETE"),
        ("uploads", true) => ("UPLOADS", "POST"),
        ("uploads", false) => ("UPLOADS", "GET"),
        _ => return not_implemented(name),
    };
    not_allowed(head, resource)
}

pub(super) fn not_implemented(name: &str) -> Error {
    Error::new(Code::NotImplemented).message(format!("The parameter '{name}' is not implemented."))
}
