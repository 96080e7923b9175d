//! Every S3 error that Lobos answers: one row each with its status and sentence.

use std::borrow::Cow;

use super::etag::ETag;
use super::time::Timestamp;

macro_rules! codes {
    ($($code:ident $status:literal $sentence:literal,)*) => {
        /// The error codes of S3 (API reference, "List of error codes").
        #[allow(missing_docs, reason = "each has its sentence in the table")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($code,)* }

        impl Code {
            /// All of them.
            pub const ALL: &[Code] = &[$(Code::$code,)*];

            /// The code as the XML has it.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$code => stringify!($code),)* }
            }

            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Code::$code => $status,)* }
            }

            /// The sentence, unless the error brings its own.
            pub fn sentence(self) -> &'static str {
                match self { $(Code::$code => $sentence,)* }
            }
        }
    };
}

codes! {
    AccessDenied 403 "Access Denied",
    AccessForbidden 403 "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid.",
    AuthorizationQueryParametersError 400 "The authorization query parameters that you provided are not valid.",
    BadDigest 400 "The Content-MD5 you specified did not match what we received.",
    BadRequest 400 "Bad Request",
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it.",
    BucketNotEmpty 409 "The bucket you tried to delete is not empty.",
    ConditionalRequestConflict 409 "The conditional request cannot succeed due to a conflicting operation against this resource.",
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed object size.",
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size",
    ExpectationFailed 417 "The only expectation that can be met is 100-continue.",
    IdempotencyParameterMismatch 400 "Parameters on this idempotent request are inconsistent with parameters used in previous request(s).",
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header",
    InternalError 500 "We encountered an internal error. Please try again.",
    InvalidAccessKeyId 403 "The AWS Access Key Id you provided does not exist in our records.",
    InvalidArgument 400 "Invalid Argument",
    InvalidBucketName 400 "The specified bucket is not valid.",
    InvalidBucketState 409 "The request is not valid for the current state of the bucket.",
    InvalidDigest 400 "The Content-Md5 you specified is not valid.",
    InvalidEncryptionAlgorithmError 400 "The encryption request that you specified is not valid. The valid value is AES256.",
    InvalidHTTPVersion 505 "The HTTP version of the request is not supported.",
    InvalidLocationConstraint 400 "The specified location-constraint is not valid",
    InvalidObjectState 403 "The operation is not valid for the current state of the object.",
    InvalidPart 400 "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    InvalidPartNumber 416 "The requested partnumber is not satisfiable",
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number.",
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document.",
    InvalidRange 416 "The requested range is not satisfiable",
    InvalidRedirectLocation 400 "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    InvalidRequest 400 "Invalid Request",
    InvalidStorageClass 400 "The storage class you specified is not valid",
    InvalidTag 400 "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.",
    InvalidURI 400 "The specified URI couldn't be parsed.",
    InvalidWriteOffset 400 "The write offset value that you specified does not match the current object size.",
    KeyTooLongError 400 "Your key is too long.",
    MalformedACLError 400 "The ACL that you provided was not well formed or did not validate against our published schema.",
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data.",
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema.",
    MaxMessageLengthExceeded 400 "Your request was too large.",
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large.",
    MetadataConfigurationNotFound 404 "The metadata configuration does not exist.",
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size",
    MethodNotAllowed 405 "The specified method is not allowed against this resource.",
    MissingContentLength 411 "You must provide the Content-Length HTTP header.",
    MissingRequestBodyError 400 "Request body is empty.",
    MissingSecurityHeader 400 "Your request was missing a required header.",
    NoSuchBucket 404 "The specified bucket does not exist.",
    NoSuchBucketPolicy 404 "The bucket policy does not exist",
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist",
    NoSuchConfiguration 404 "The specified configuration does not exist.",
    NoSuchKey 404 "The specified key does not exist.",
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist",
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found",
    NoSuchTagSet 404 "The TagSet does not exist",
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    NoSuchVersion 404 "The specified version does not exist.",
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration",
    NotImplemented 501 "A header you provided implies functionality that is not implemented.",
    NotModified 304 "Not Modified",
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket.",
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found",
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold.",
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found",
    RequestHeaderSectionTooLarge 400 "Your request header and query parameters exceed the maximum allowed size.",
    RequestTimeTooSkewed 403 "The difference between the request time and the current time is too large.",
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.",
    ServiceUnavailable 503 "Service is unable to handle request.",
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    SlowDown 503 "Please reduce your request rate.",
    StorageFull 507 "The disk that holds this bucket is full.",
    UnexpectedContent 400 "This request does not support content",
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.",
}

/// An answer that is not a success: a code, and what makes it useful to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    code: Code,
    extra: Option<Box<Extra>>,
}

/// What some errors say beside their code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) message: Option<Cow<'static, str>>,
    /// Elements of the XML besides code and message, in their order.
    pub(crate) elements: Vec<(&'static str, String)>,
    /// Of the object that a range does not fit.
    pub(crate) size: Option<u64>,
    pub(crate) etag: Option<ETag>,
    pub(crate) modified: Option<Timestamp>,
    /// The methods that are allowed (`Allow`).
    pub(crate) allow: Option<&'static str>,
    /// For the log only: what the disk said.
    pub(crate) cause: Option<String>,
}

impl Error {
    /// With the sentence of the table.
    pub fn new(code: Code) -> Self {
        Self { code, extra: None }
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Another sentence than the table's.
    #[must_use]
    pub fn message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.with(|e| e.message = Some(message.into()))
    }

    /// An element of the XML besides code and message, such as `ArgumentName`. One of that name
    /// that is there already is replaced.
    #[must_use]
    pub fn element(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(|e| match e.elements.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value.into(),
            None => e.elements.push((name, value.into())),
        })
    }

    /// The bucket it is about (`<BucketName>`).
    #[must_use]
    pub fn bucket(self, bucket: &str) -> Self {
        self.element("BucketName", bucket)
    }

    /// The key it is about (`<Key>`).
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.element("Key", key)
    }

    /// The name and value of the header or parameter that is wrong (`<ArgumentName>`,
    /// `<ArgumentValue>`).
    #[must_use]
    pub fn argument(self, name: &str, value: &str) -> Self {
        self.element("ArgumentName", name).element("ArgumentValue", value)
    }

    /// The size of the object that a range did not fit, and that range.
    #[must_use]
    pub fn size(self, size: u64, range: &str) -> Self {
        let this = self.element("RangeRequested", range);
        this.element("ActualObjectSize", size.to_string()).with(|e| e.size = Some(size))
    }

    /// The methods that the resource has, separated by commas (`Allow`).
    #[must_use]
    pub fn allow(self, methods: &'static str) -> Self {
        self.with(|e| e.allow = Some(methods))
    }

    /// The object as it is: a 304 carries these.
    #[must_use]
    pub fn current(self, etag: ETag, modified: Timestamp) -> Self {
        self.with(|e| {
            e.etag = Some(etag);
            e.modified = Some(modified);
        })
    }

    /// The name of the header whose condition failed.
    #[must_use]
    pub fn condition(self, header: &'static str) -> Self {
        self.element("Condition", header)
    }

    /// What the disk said: goes to the log, never to the client.
    #[must_use]
    pub fn cause(self, cause: impl std::fmt::Display) -> Self {
        self.with(|e| e.cause = Some(cause.to_string()))
    }

    /// What [`Error::cause`] was told.
    pub fn reason(&self) -> Option<&str> {
        self.extra.as_ref().and_then(|e| e.cause.as_deref())
    }

    /// The sentence that the client reads.
    pub fn sentence(&self) -> &str {
        let own = self.extra.as_ref().and_then(|e| e.message.as_deref());
        own.unwrap_or_else(|| self.code.sentence())
    }

    pub(crate) fn extra(&self) -> Option<&Extra> {
        self.extra.as_deref()
    }

    fn with(mut self, set: impl FnOnce(&mut Extra)) -> Self {
        set(self.extra.get_or_insert_default());
        self
    }
}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

/// For the log: code, sentence and cause.
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.sentence())?;
        match self.reason() {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        // Every code has an error status and a sentence, and no code stands twice.
        let mut names: Vec<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!((300..600).contains(&code.status()), "{code:?}");
            assert!(!code.sentence().is_empty());
        }
    }
}
