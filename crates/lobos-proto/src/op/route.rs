//! From a request head to the operation that it asks for.

use super::put_object::promise;
use super::{
    CreateBucket, DeleteBucket, DeleteObject, DeleteObjects, GetBucketLocation,
    GetBucketVersioning, GetObject, GetObjectLockConfiguration, HeadBucket, HeadObject,
    ListBuckets, ListObjects, PutObject,
};
use crate::http::body::Promise;
use crate::http::head::{Framing, Head};
use crate::http::host::origin_allowed;
use crate::http::target::{Query, Target, decode};
use crate::{BucketName, Code, Config, Error, Key, Limits, Request};

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Route {
    /// Ask the store; a body, if there is one, means nothing.
    Call(Request),
    /// Ask the store, then stream the body to it.
    Upload(Box<PutObject>, Promise),
    /// Read the body, an XML document, then ask the store.
    Document(Document, Promise),
    /// A CORS preflight for an allowed origin.
    Preflight,
}

/// An operation whose input is an XML document.
#[derive(Debug)]
pub(crate) enum Document {
    CreateBucket(BucketName),
    DeleteObjects(BucketName),
}

impl Document {
    /// Reads the document.
    ///
    /// # Errors
    /// `MalformedXML`.
    pub(crate) fn parse(self, document: &[u8], limits: &Limits) -> Result<Request, Error> {
        Ok(match self {
            Self::CreateBucket(bucket) => {
                Request::CreateBucket(CreateBucket::parse(bucket, document)?)
            }
            Self::DeleteObjects(bucket) => {
                Request::DeleteObjects(DeleteObjects::parse(bucket, document, limits)?)
            }
        })
    }
}

/// Parameters that choose an operation (S3 API reference). One that is not implemented must never
/// be taken for the operation without it.
const SUBRESOURCES: [&str; 41] = [
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "annotation",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "session",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versioning",
    "versions",
    "website",
];

/// Finds the operation.
///
/// # Errors
/// The S3 answer: nothing was asked of the store then.
pub(crate) fn route(head: &Head<'_>, framing: Framing, config: &Config) -> Result<Route, Error> {
    let target = match (head.method, head.target) {
        ("CONNECT" | "TRACE", _) => return Err(Error::new(Code::MethodNotAllowed)),
        ("OPTIONS", "*") => return Err(Error::new(Code::MethodNotAllowed)),
        (_, target) => Target::parse(target)?,
    };
    let host = head.host()?;
    let host = target.host.or(host);
    let named = match host {
        Some(host) => config.hosts.parse(host)?.bucket,
        None => None,
    };
    if let Some(origin) = head.get("origin") {
        if !origin_allowed(origin, host, &config.origins) {
            return Err(Error::new(Code::AccessDenied)
                .message("Web pages of this origin may not use this server."));
        }
        if head.method == "OPTIONS" {
            return Ok(Route::Preflight);
        }
    }
    let (bucket, key) = split(target.path, named)?;
    let query = Query::parse(target.query)?;
    let write = !matches!(head.method, "GET" | "HEAD");
    if write && config.read_only {
        return Err(Error::new(Code::AccessDenied).message("This server is read-only."));
    }
    let request = Incoming { head, framing, query, limits: &config.limits };
    let operation = subresource(&request.query, write)?;
    match (bucket, key) {
        (None, _) => request.service(operation),
        (Some(bucket), None) => request.bucket(BucketName::new(&bucket)?, operation),
        (Some(bucket), Some(key)) => {
            request.object(BucketName::new(&bucket)?, Key::new(key)?, operation)
        }
    }
}

/// Bucket and key of a path, decoded once each. `None` is not there; a key is never empty.
fn split(path: &str, host_bucket: Option<&str>) -> Result<(Option<String>, Option<String>), Error> {
    let path = &path[1..];
    let (bucket, key) = match host_bucket {
        Some(bucket) => (Some(bucket), path),
        None => match path.split_once('/') {
            Some((bucket, key)) => (Some(bucket), key),
            None => (Some(path).filter(|bucket| !bucket.is_empty()), ""),
        },
    };
    let text = |part: Option<&str>| part.map(|p| decode(p).map(String::from)).transpose();
    Ok((text(bucket)?, text(Some(key).filter(|key| !key.is_empty()))?))
}

/// The one subresource of a query. In a write a parameter without a value that nobody knows counts
/// as one too: it may be an operation of tomorrow.
fn subresource(query: &Query, write: bool) -> Result<Option<&str>, Error> {
    let known = query.iter().find(|(name, _)| SUBRESOURCES.contains(name));
    if let Some((name, _)) = known {
        return Ok(Some(name));
    }
    let ignored = ["versionId", "partNumber", "x-id"];
    let unknown = query.iter().find(|(name, value)| value.is_empty() && !ignored.contains(name));
    match unknown {
        Some((name, _)) if write => Err(not_implemented(name)),
        _ => Ok(None),
    }
}

fn not_implemented(name: &str) -> Error {
    Error::new(Code::NotImplemented).message(format!("The parameter '{name}' is not implemented."))
}

struct Incoming<'r> {
    head: &'r Head<'r>,
    framing: Framing,
    query: Query,
    limits: &'r Limits,
}

impl Incoming<'_> {
    fn service(&self, operation: Option<&str>) -> Result<Route, Error> {
        match (self.head.method, operation) {
            ("GET", None) => {
                Ok(Route::Call(Request::ListBuckets(ListBuckets::parse(&self.query)?)))
            }
            (_, Some(name)) => Err(not_implemented(name)),
            _ => Err(Error::new(Code::MethodNotAllowed)),
        }
    }

    fn bucket(&self, bucket: BucketName, operation: Option<&str>) -> Result<Route, Error> {
        let call = |request| Ok(Route::Call(request));
        match (self.head.method, operation) {
            ("GET", None) => {
                call(Request::ListObjects(ListObjects::parse(bucket, &self.query, self.limits)?))
            }
            ("GET", Some("location")) => {
                call(Request::GetBucketLocation(GetBucketLocation { bucket }))
            }
            ("GET", Some("versioning")) => {
                call(Request::GetBucketVersioning(GetBucketVersioning { bucket }))
            }
            ("GET", Some("object-lock")) => {
                call(Request::GetObjectLockConfiguration(GetObjectLockConfiguration { bucket }))
            }
            ("HEAD", None) => call(Request::HeadBucket(HeadBucket { bucket })),
            ("PUT", None) => {
                CreateBucket::check(self.head)?;
                Ok(Route::Document(Document::CreateBucket(bucket), promise(self.head)?))
            }
            ("DELETE", None) => call(Request::DeleteBucket(DeleteBucket { bucket })),
            ("POST", Some("delete")) => {
                Ok(Route::Document(Document::DeleteObjects(bucket), promise(self.head)?))
            }
            (_, Some(name)) => Err(not_implemented(name)),
            ("POST", None) => Err(Error::new(Code::NotImplemented)
                .message("Uploads by POST forms are not implemented.")),
            _ => Err(Error::new(Code::MethodNotAllowed)),
        }
    }

    fn object(
        &self,
        bucket: BucketName,
        key: Key,
        operation: Option<&str>,
    ) -> Result<Route, Error> {
        let (head, query) = (self.head, &self.query);
        match (head.method, operation) {
            (_, Some(name)) => Err(not_implemented(name)),
            ("GET", None) => {
                let get = GetObject::parse(bucket, key, head, query)?;
                Ok(Route::Call(Request::GetObject(get)))
            }
            ("HEAD", None) => {
                let get = GetObject::parse(bucket, key, head, query)?;
                Ok(Route::Call(Request::HeadObject(HeadObject(get))))
            }
            ("PUT", None) if query.has("partNumber") => Err(not_implemented("partNumber")),
            ("PUT", None) => {
                let parsed = PutObject::parse(bucket, key, head, self.framing, self.limits);
                parsed.map(|(put, promise)| Route::Upload(Box::new(put), promise))
            }
            ("DELETE", None) => {
                super::check_version(query)?;
                DeleteObject::check(head)?;
                Ok(Route::Call(Request::DeleteObject(DeleteObject { bucket, key })))
            }
            _ => Err(Error::new(Code::MethodNotAllowed)),
        }
    }
}
