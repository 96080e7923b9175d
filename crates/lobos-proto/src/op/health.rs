//! The URLs at which MinIO says whether it is well, for whoever comes from there.

use crate::http::head::Head;
use crate::{Code, Error};

/// Whether the server is asked how it is. Whoever signs or has a query asks for an object.
pub(super) fn is_health(head: &Head<'_>, path: &str, query: &str) -> bool {
    let Some(what) = path.strip_prefix("/minio/health/") else { return false };
    matches!(what, "live" | "ready" | "cluster")
        && matches!(head.method, "GET" | "HEAD")
        && query.is_empty()
        && !head.has("authorization")
}

/// Whether the store is well although it says this: it looked for an object of that name.
pub(crate) fn is_well(error: &Error) -> bool {
    matches!(error.code(), Code::NoSuchBucket | Code::NoSuchKey)
}
