//! From a request head to the operation that it asks for.

use super::document::Document;
use super::health::is_health;
use super::methods::{BUCKET, OBJECT, SERVICE, UPLOAD, not_allowed, not_implemented, wrong_method};
use super::page::is_browser;
use super::put_object::{plain_promise, promise};
use super::supported::{check_customer_key, check_secret_key};
use super::{
    AbortMultipartUpload, Acl, CompleteMultipartUpload, Configuration, CopyObject, CreateBucket,
    CreateMultipartUpload, DeleteBucket, DeleteObject, DeleteObjects, GetBucketConfiguration,
    GetBucketLocation, GetObject, GetObjectAttributes, GetObjectTagging, HeadBucket, HeadObject,
    ListBuckets, ListMultipartUploads, ListObjects, ListParts, Operation, PutBucketConfiguration,
    PutObject, PutObjectTagging, RenameObject, UploadPart, UploadPartCopy,
};
use super::{PostObject, Visitor};
use crate::auth::{self, Asked, OWNER, access_key};
use crate::http::body::Promise;
use crate::http::form::Form;
use crate::http::head::{Framing, Head};
use crate::http::target::{Query, Target, cut, decode};
use crate::{BucketName, Code, Config, Error, Key, Limits, Now, Request};

/// What to do with a request.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "made once and moved once")]
pub(crate) enum Route {
    /// Ask the store; a body, if there is one, means nothing.
    Call(Box<Request>),
    /// Ask the store, then stream the body to the sink that it gives.
    Upload(Box<Request>, Promise),
    /// Read the body, an XML document, then ask the store.
    Document(Document, Promise),
    /// Read the fields of a form, then ask the store and stream its file to the sink.
    Form(Box<(PostObject, Form)>),
    /// Answer a CORS preflight.
    Preflight,
    /// Show a person what is there.
    Page,
    /// Say that the server is well, after a look for an object of that name if anyone may look.
    Health(Option<Box<Request>>),
}

/// A route, and for whom.
#[derive(Debug)]
pub(crate) struct Routed {
    /// The web page of another origin that asks: it has to be let in before.
    pub(crate) visitor: Option<Box<Visitor>>,
    /// # Errors
    /// The S3 answer: nothing is asked of the store then.
    pub(crate) route: Result<Route, Error>,
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
pub(crate) fn route(head: &Head<'_>, framing: Framing, config: &Config, now: Now) -> Routed {
    let visited = Place::of(head, config).and_then(|place| {
        let bucket = place.bucket.as_deref().and_then(|name| BucketName::new(name).ok());
        let visitor = Visitor::of(head, place.host, (bucket, place.key.is_some()), config)?;
        Ok((visitor.map(Box::new), place))
    });
    match visited {
        Ok((visitor, place)) => Routed { visitor, route: place.route(head, framing, config, now) },
        Err(error) => Routed { visitor: None, route: Err(error) },
    }
}

/// What a request is about.
struct Place<'h> {
    host: Option<&'h str>,
    /// The bucket that the host names.
    host_bucket: Option<&'h str>,
    path: &'h str,
    bucket: Option<String>,
    /// Never empty.
    key: Option<String>,
    query: &'h str,
}

impl<'h> Place<'h> {
    fn of(head: &Head<'h>, config: &Config) -> Result<Self, Error> {
        let target = match (head.method, head.target) {
            ("CONNECT" | "TRACE", _) | ("OPTIONS", "*") => return Err(not_allowed(head, SERVICE)),
            (_, target) => Target::parse(target)?,
        };
        head.check_single()?;
        let host = target.host.or(head.host()?);
        let host_bucket = match host {
            Some(host) => config.hosts.parse(host)?.bucket,
            None => None,
        };
        let (bucket, key) = split(target.path, host_bucket)?;
        let (path, query) = (target.path, target.query);
        Ok(Self { host, host_bucket, path, bucket, key, query })
    }

    fn route(
        self,
        head: &Head<'_>,
        framing: Framing,
        config: &Config,
        now: Now,
    ) -> Result<Route, Error> {
        if head.method == "OPTIONS" {
            return Ok(Route::Preflight);
        }
        let folder = self.key.as_deref().is_none_or(|key| key.ends_with('/'));
        let asks = self.query.is_empty() && self.host_bucket.is_none();
        if config.page.is_some() && folder && asks && is_browser(head) {
            return Ok(Route::Page);
        }
        let health = self.host_bucket.is_none() && is_health(head, self.path, self.query);
        if health && !config.credentials.is_empty() {
            return Ok(Route::Health(None));
        }
        let query = Query::parse(self.query)?;
        let write = !matches!(head.method, "GET" | "HEAD");
        let operation = subresource(&query, write);
        // Only where nothing else than the form can be meant may its signature be in the body.
        let place = (head.method, &self.bucket, &self.key, &operation);
        let form = matches!(place, ("POST", Some(_), None, Ok(None)))
            && head.get("content-type").is_some_and(is_form);
        let (path, bucket) = (self.path, self.host_bucket);
        let verified =
            auth::check(&Asked { head, path, query: &query, bucket, form }, config, now)?;
        if write && config.read_only {
            return Err(Error::new(Code::AccessDenied).message("This server is read-only."));
        }
        if write && verified.read_only {
            return Err(auth::reads_only());
        }
        let operation = operation?;
        let hoisted = super::hoisted::headers(&query)?;
        let mut headers = Vec::new();
        let head = &head.with(&hoisted, &mut headers);
        let (limits, region) = (&config.limits, config.region.as_deref());
        let host = (self.host, bucket.is_some());
        let query = &query;
        let request = Incoming { head, framing, query, config, limits, region, host };
        request.check_owner(config)?;
        request.check_copy_source()?;
        let mut route = match (self.bucket, self.key) {
            (None, _) => request.service(operation)?,
            (Some(bucket), None) => request.bucket(BucketName::new(&bucket)?, operation)?,
            (Some(bucket), Some(key)) => {
                request.object(BucketName::new(&bucket)?, Key::new(key)?, operation)?
            }
        };
        if let Route::Upload(_, promise) | Route::Document(_, promise) = &mut route {
            promise.chain = verified.chain;
        }
        Ok(match route {
            Route::Call(request) if health => Route::Health(Some(request)),
            route => route,
        })
    }
}

/// Whether it is the Content-Type of a form with a file.
fn is_form(content_type: &str) -> bool {
    let start = content_type.get(..19).unwrap_or_default();
    start.eq_ignore_ascii_case("multipart/form-data")
}

/// Bucket and key of a path, decoded once each. `None` is not there; a key is never empty.
pub(crate) fn split(
    path: &str,
    host_bucket: Option<&str>,
) -> Result<(Option<String>, Option<String>), Error> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = match host_bucket {
        Some(bucket) => (Some(bucket), path),
        None => match cut(path, b'/') {
            Some((bucket, key)) => (Some(bucket), key),
            None => (Some(path).filter(|bucket| !bucket.is_empty()), ""),
        },
    };
    let text = |part: Option<&str>| part.map(|p| decode(p).map(String::from)).transpose();
    Ok((text(bucket)?, text(Some(key).filter(|key| !key.is_empty()))?))
}

/// The one subresource of a query. In a write a parameter without a value that nobody knows counts
/// as one too: it may be an operation of tomorrow.
fn subresource(query: &Query, write: bool) -> Result<Option<&'static str>, Error> {
    let known = |name| SUBRESOURCES.into_iter().find(|known| *known == name);
    if let Some(name) = query.iter().find_map(|(name, _)| known(name)) {
        return Ok(Some(name));
    }
    let ignored = ["versionId", "partNumber", "x-id"];
    let unknown = query.iter().find(|(name, value)| value.is_empty() && !ignored.contains(name));
    match unknown {
        Some((name, _)) if write => Err(not_implemented(name)),
        _ => Ok(None),
    }
}

struct Incoming<'r> {
    head: &'r Head<'r>,
    framing: Framing,
    query: &'r Query,
    config: &'r Config,
    limits: &'r Limits,
    region: Option<&'r str>,
    /// As the client calls the server, and whether that names the bucket.
    host: (Option<&'r str>, bool),
}

impl Incoming<'_> {
    fn service(&self, operation: Option<&str>) -> Result<Route, Error> {
        match (self.head.method, operation) {
            ("GET", None) => {
                let list = ListBuckets::parse(self.query, self.region)?;
                Ok(Route::Call(Request::ListBuckets(list).into()))
            }
            (_, Some(name)) => Err(not_implemented(name)),
            _ => Err(not_allowed(self.head, SERVICE)),
        }
    }

    /// x-amz-expected-bucket-owner: a client that is sure whose bucket it is. Without key pairs
    /// nobody can tell that an account is not the owner's.
    fn check_owner(&self, config: &Config) -> Result<(), Error> {
        let headers = ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"];
        for expected in headers.iter().filter_map(|name| self.head.filled(name)) {
            let named = access_key(self.head, self.query);
            let account = expected.len() == 12 && expected.bytes().all(|b| b.is_ascii_digit());
            let unknown = account && config.credentials.is_empty();
            if !unknown && expected != named.as_deref().unwrap_or(OWNER) {
                return Err(Error::new(Code::AccessDenied));
            }
        }
        Ok(())
    }

    /// What was meant as a copy is not to be taken for something else.
    fn check_copy_source(&self) -> Result<(), Error> {
        const NAME: &str = "x-amz-copy-source";
        let copies = match self.head.method {
            "PUT" => true,
            "POST" => !self.query.has("uploadId"),
            _ => false,
        };
        match self.head.get(NAME) {
            Some(source) if !copies => Err(Error::new(Code::InvalidArgument)
                .message("You can only specify a copy source header for copy requests.")
                .argument(NAME, source)),
            _ => Ok(()),
        }
    }

    fn bucket(&self, bucket: BucketName, operation: Option<&str>) -> Result<Route, Error> {
        let call = |request| Ok(Route::Call(Box::new(request)));
        let (query, limits) = (&self.query, self.limits);
        match (self.head.method, operation) {
            ("GET", None | Some("versions")) => {
                call(Request::ListObjects(ListObjects::parse(bucket, query, limits)?))
            }
            ("GET", Some("location")) => {
                call(Request::GetBucketLocation(GetBucketLocation { bucket }))
            }
            ("GET", Some("uploads")) => {
                let list = ListMultipartUploads::parse(bucket, query, limits)?;
                call(Request::ListMultipartUploads(list))
            }
            ("GET", Some("acl")) => call(Request::GetAcl(Acl { bucket, key: None })),
            ("PUT", Some("acl")) => self.put_acl(bucket, None),
            ("HEAD", None) => call(Request::HeadBucket(HeadBucket { bucket })),
            ("PUT", None) => self.document(CreateBucket::parse(bucket, self.head)?),
            ("DELETE", None) => call(Request::DeleteBucket(DeleteBucket { bucket })),
            ("POST", Some("delete")) => {
                DeleteObjects::check(&promise(self.head)?)?;
                self.document(Document::new(Operation::DeleteObjects, move |document, limits| {
                    Ok(Request::DeleteObjects(DeleteObjects::parse(bucket, document, limits)?))
                }))
            }
            (method, Some(name)) => match Configuration::of(name, query) {
                Some(kind) => self.configuration(method, bucket, kind),
                None => Err(wrong_method(self.head, name, false)),
            },
            ("POST", None) => {
                let form =
                    PostObject::parse(bucket, self.head, self.framing, self.host, self.config)?;
                Ok(Route::Form(Box::new(form)))
            }
            _ => Err(not_allowed(self.head, BUCKET)),
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
                Ok(Route::Call(Request::GetBucketConfiguration(get).into()))
            }
            "PUT" => self.document(PutBucketConfiguration::parse(bucket, kind)),
            "DELETE" => match PutBucketConfiguration::remove(bucket, kind) {
                Err(e) if e.code() == Code::MethodNotAllowed => {
                    Err(not_allowed(self.head, ("BUCKET", "GET, PUT")))
                }
                removed => Ok(Route::Call(removed?.into())),
            },
            _ => Err(not_allowed(self.head, ("BUCKET", "GET, PUT, DELETE"))),
        }
    }

    fn object(
        &self,
        bucket: BucketName,
        key: Key,
        operation: Option<&str>,
    ) -> Result<Route, Error> {
        let (head, query) = (self.head, &self.query);
        let call = |request| Ok(Route::Call(Box::new(request)));
        if self.config.secure {
            check_secret_key(head)?;
        }
        if matches!(head.method, "GET" | "HEAD") {
            check_customer_key(head)?;
        }
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
                .message("This operation does not accept partNumber without uploadId")
                .argument("partNumber", query.get("partNumber").unwrap_or_default())),
            ("PUT", None) => {
                let parsed = PutObject::parse(bucket, key, head, self.framing, self.limits);
                let (put, promise) = parsed?;
                Ok(Route::Upload(Request::PutObject(Box::new(put)).into(), promise))
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
            ("GET", Some("acl")) => {
                super::check_version(query)?;
                call(Request::GetAcl(Acl { bucket, key: Some(key) }))
            }
            ("PUT", Some("acl")) => self.put_acl(bucket, Some(key)),
            ("GET" | "PUT", Some("retention" | "legal-hold")) => {
                Err(Error::new(Code::InvalidRequest)
                    .message("Bucket is missing Object Lock Configuration"))
            }
            ("POST", Some("restore")) => Err(Error::new(Code::InvalidObjectState)
                .message("Restore is not allowed for the object's current storage class")),
            ("GET", Some("versions")) => Err(Error::new(Code::InvalidRequest)
                .message("There is no such thing as the ?versions sub-resource for a key")),
            (_, Some(name)) => Err(wrong_method(head, name, true)),
            _ => Err(not_allowed(head, OBJECT)),
        }
    }

    fn multipart(&self, bucket: BucketName, key: Key) -> Result<Route, Error> {
        let (head, query, limits) = (self.head, &self.query, self.limits);
        let call = |request| Ok(Route::Call(Box::new(request)));
        match (head.method, query.has("uploadId")) {
            ("POST", false) => {
                let create = CreateMultipartUpload::parse(bucket, key, head, limits)?;
                call(Request::CreateMultipartUpload(Box::new(create)))
            }
            ("POST", true) => {
                let complete = CompleteMultipartUpload::parse(bucket, key, head, query)?;
                Ok(Route::Document(complete, plain_promise(head)?))
            }
            ("PUT", true) if !query.has("partNumber") => Err(not_allowed(head, UPLOAD)),
            ("PUT", true) if head.has("x-amz-copy-source") => {
                let copy = UploadPartCopy::parse(bucket, key, head, query)?;
                call(Request::UploadPartCopy(Box::new(copy)))
            }
            ("PUT", true) => {
                let parsed = UploadPart::parse(bucket, key, head, query, self.framing, limits);
                let (part, promise) = parsed?;
                Ok(Route::Upload(Request::UploadPart(Box::new(part)).into(), promise))
            }
            ("GET", true) => {
                call(Request::ListParts(ListParts::parse(bucket, key, query, limits)?))
            }
            ("DELETE", true) => {
                let abort = AbortMultipartUpload::parse(bucket, key, head, query)?;
                call(Request::AbortMultipartUpload(abort))
            }
            ("GET", false) => Err(Error::new(Code::InvalidRequest)
                .message("Key is not expected for the GET method ?uploads subresource")),
            (_, false) => Err(wrong_method(head, "uploads", true)),
            _ => Err(not_allowed(head, UPLOAD)),
        }
    }

    fn tagging(&self, bucket: BucketName, key: Key) -> Result<Route, Error> {
        super::check_version(self.query)?;
        match self.head.method {
            "GET" => {
                let get = GetObjectTagging { bucket, key };
                Ok(Route::Call(Request::GetObjectTagging(get).into()))
            }
            "PUT" => self.document(PutObjectTagging::parse(bucket, key)),
            _ => {
                let none = PutObjectTagging { bucket, key, tags: None };
                Ok(Route::Call(Request::PutObjectTagging(none).into()))
            }
        }
    }

    fn put_acl(&self, bucket: BucketName, key: Option<Key>) -> Result<Route, Error> {
        super::check_version(self.query)?;
        self.document(Acl::parse(bucket, key, self.head)?)
    }

    fn document(&self, document: Document) -> Result<Route, Error> {
        Ok(Route::Document(document, promise(self.head)?))
    }
}
