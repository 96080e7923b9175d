//! From a request head to the operation that it asks for.

use super::put_object::promise;
use super::{
    AbortMultipartUpload, Acl, CompleteMultipartUpload, Configuration, CopyObject, CreateBucket,
    CreateMultipartUpload, DeleteBucket, DeleteObject, DeleteObjects, GetBucketConfiguration,
    GetBucketLocation, GetBucketVersioning, GetObject, GetObjectAttributes,
    GetObjectLockConfiguration, GetObjectTagging, HeadBucket, HeadObject, ListBuckets,
    ListMultipartUploads, ListObjects, ListParts, PutBucketConfiguration, PutObject,
    PutObjectTagging, RenameObject, UploadPart, UploadPartCopy,
};
use crate::http::body::Promise;
use crate::http::head::{Framing, Head};
use crate::http::host::origin_allowed;
use crate::http::target::{Query, Target, decode};
use crate::{BucketName, Code, Config, Error, Key, Limits, Now, Request, TagSet};

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Route {
    /// Ask the store; a body, if there is one, means nothing.
    Call(Request),
    /// Ask the store, then stream the body to the sink that it gives.
    Upload(Request, Promise),
    /// Read the body, an XML document, then ask the store.
    Document(Document, Promise),
    /// A CORS preflight for an allowed origin.
    Preflight,
}

/// An operation whose input is an XML document, with what its head said.
pub(crate) struct Document(Box<Parse>);

type Parse = dyn FnOnce(&[u8], &Limits) -> Result<Request, Error> + Send;

impl Document {
    /// `parse` makes the request of the whole document.
    pub(crate) fn new(
        parse: impl FnOnce(&[u8], &Limits) -> Result<Request, Error> + Send + 'static,
    ) -> Self {
        Self(Box::new(parse))
    }

    /// Reads the document.
    ///
    /// # Errors
    /// `MalformedXML`, and what else the operation finds wrong.
    pub(crate) fn parse(self, document: &[u8], limits: &Limits) -> Result<Request, Error> {
        (self.0)(document, limits)
    }
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Document")
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
pub(crate) fn route(
    head: &Head<'_>,
    framing: Framing,
    config: &Config,
    now: Now,
) -> Result<Route, Error> {
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
    crate::auth::check(head, &query, config, now)?;
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
        let (query, limits) = (&self.query, self.limits);
        match (self.head.method, operation) {
            ("GET", None) => call(Request::ListObjects(ListObjects::parse(bucket, query, limits)?)),
            ("GET", Some("location")) => {
                call(Request::GetBucketLocation(GetBucketLocation { bucket }))
            }
            ("GET", Some("versioning")) => {
                call(Request::GetBucketVersioning(GetBucketVersioning { bucket }))
            }
            ("GET", Some("object-lock")) => {
                call(Request::GetObjectLockConfiguration(GetObjectLockConfiguration { bucket }))
            }
            ("GET", Some("uploads")) => {
                let list = ListMultipartUploads::parse(bucket, query, limits)?;
                call(Request::ListMultipartUploads(list))
            }
            ("GET", Some("acl")) => call(Request::GetAcl(Acl { bucket, key: None })),
            ("PUT", Some("acl")) => self.put_acl(bucket, None),
            ("HEAD", None) => call(Request::HeadBucket(HeadBucket { bucket })),
            ("PUT", None) => {
                CreateBucket::check(self.head)?;
                self.document(Document::new(move |document, _| {
                    Ok(Request::CreateBucket(CreateBucket::parse(bucket, document)?))
                }))
            }
            ("DELETE", None) => call(Request::DeleteBucket(DeleteBucket { bucket })),
            ("POST", Some("delete")) => {
                DeleteObjects::check(&promise(self.head)?)?;
                self.document(Document::new(move |document, limits| {
                    Ok(Request::DeleteObjects(DeleteObjects::parse(bucket, document, limits)?))
                }))
            }
            (method, Some(name)) => match Configuration::from_name(name) {
                Some(kind) => self.configuration(method, bucket, kind),
                None => Err(not_implemented(name)),
            },
            ("POST", None) => Err(Error::new(Code::NotImplemented)
                .message("Uploads by POST forms are not implemented.")),
            _ => Err(Error::new(Code::MethodNotAllowed)),
        }
    }

    fn configuration(
        &self,
        method: &str,
        bucket: BucketName,
        kind: Configuration,
    ) -> Result<Route, Error> {
        match method {
            "GET" => {
                let get = GetBucketConfiguration { bucket, kind };
                Ok(Route::Call(Request::GetBucketConfiguration(get)))
            }
            "PUT" => self.document(PutBucketConfiguration::parse(bucket, kind)?),
            "DELETE" => {
                let put = PutBucketConfiguration { bucket, kind, document: None };
                Ok(Route::Call(Request::PutBucketConfiguration(put)))
            }
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
        let call = |request| Ok(Route::Call(request));
        match (head.method, operation) {
            ("GET", None) => call(Request::GetObject(GetObject::parse(bucket, key, head, query)?)),
            ("HEAD", None) => {
                let get = GetObject::parse(bucket, key, head, query)?;
                call(Request::HeadObject(HeadObject(get)))
            }
            ("PUT", None) if head.has("x-amz-copy-source") => {
                let copy = CopyObject::parse(bucket, key, head, self.limits)?;
                call(Request::CopyObject(Box::new(copy)))
            }
            ("PUT", None) if query.has("partNumber") => Err(Error::new(Code::InvalidArgument)
                .message("This operation does not accept a part number without an upload id.")),
            ("PUT", None) => {
                let parsed = PutObject::parse(bucket, key, head, self.framing, self.limits);
                let (put, promise) = parsed?;
                Ok(Route::Upload(Request::PutObject(Box::new(put)), promise))
            }
            ("PUT", Some("renameObject")) => {
                let rename = RenameObject::parse(bucket, key, head)?;
                call(Request::RenameObject(Box::new(rename)))
            }
            ("DELETE", None) => {
                super::check_version(query)?;
                let delete = DeleteObject::parse(bucket, key, head)?;
                call(Request::DeleteObject(delete))
            }
            ("POST" | "PUT" | "GET" | "DELETE", Some("uploads" | "uploadId")) => {
                self.multipart(bucket, key)
            }
            ("GET", Some("attributes")) => {
                let get = GetObjectAttributes::parse(bucket, key, head, query, self.limits)?;
                call(Request::GetObjectAttributes(get))
            }
            ("GET" | "PUT" | "DELETE", Some("tagging")) => self.tagging(bucket, key),
            ("GET", Some("acl")) => call(Request::GetAcl(Acl { bucket, key: Some(key) })),
            ("PUT", Some("acl")) => self.put_acl(bucket, Some(key)),
            (_, Some(name)) => Err(not_implemented(name)),
            _ => Err(Error::new(Code::MethodNotAllowed)),
        }
    }

    fn multipart(&self, bucket: BucketName, key: Key) -> Result<Route, Error> {
        let (head, query, limits) = (self.head, &self.query, self.limits);
        let call = |request| Ok(Route::Call(request));
        match (head.method, query.has("uploadId")) {
            ("POST", false) => {
                let create = CreateMultipartUpload::parse(bucket, key, head, limits)?;
                call(Request::CreateMultipartUpload(Box::new(create)))
            }
            ("POST", true) => {
                self.document(CompleteMultipartUpload::parse(bucket, key, head, query)?)
            }
            ("PUT", true) if head.has("x-amz-copy-source") => {
                let copy = UploadPartCopy::parse(bucket, key, head, query)?;
                call(Request::UploadPartCopy(Box::new(copy)))
            }
            ("PUT", true) => {
                let parsed = UploadPart::parse(bucket, key, head, query, self.framing, limits);
                let (part, promise) = parsed?;
                Ok(Route::Upload(Request::UploadPart(Box::new(part)), promise))
            }
            ("GET", true) => {
                call(Request::ListParts(ListParts::parse(bucket, key, query, limits)?))
            }
            ("DELETE", true) => {
                let abort = AbortMultipartUpload::parse(bucket, key, head, query)?;
                call(Request::AbortMultipartUpload(abort))
            }
            _ => Err(Error::new(Code::MethodNotAllowed)),
        }
    }

    fn tagging(&self, bucket: BucketName, key: Key) -> Result<Route, Error> {
        super::check_version(&self.query)?;
        match self.head.method {
            "GET" => Ok(Route::Call(Request::GetObjectTagging(GetObjectTagging { bucket, key }))),
            "PUT" => self.document(PutObjectTagging::parse(bucket, key)?),
            _ => {
                let none = PutObjectTagging { bucket, key, tags: TagSet::default() };
                Ok(Route::Call(Request::PutObjectTagging(none)))
            }
        }
    }

    fn put_acl(&self, bucket: BucketName, key: Option<Key>) -> Result<Route, Error> {
        Acl::check(self.head)?;
        Ok(Route::Call(Request::PutAcl(Acl { bucket, key })))
    }

    fn document(&self, document: Document) -> Result<Route, Error> {
        Ok(Route::Document(document, promise(self.head)?))
    }
}
