//! PutObject: stores an object.

use lobos_digest::{Algorithm, Digest};

use crate::http::body::{Promise, checksum};
use crate::http::encode::Answer;
use crate::http::head::{Framing, Head};
use crate::s3::condition::{Tags, WriteConditions};
use crate::{BucketName, Code, Error, Expected, Key, Limits, Metadata, Stored, TagSet};

/// Announces an object; its bytes follow through a [`Sink`](crate::Sink).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// What to keep with it.
    pub metadata: Metadata,
    /// Its tags.
    pub tags: TagSet,
    /// x-amz-write-offset-bytes: append to the object, which must have this size.
    pub append: Option<u64>,
    /// If-None-Match: * and If-Match.
    pub conditions: WriteConditions,
    /// Bytes, if the client said so beforehand. Never trust it for more than sizing.
    pub size: Option<u64>,
    /// Compute this checksum, keep it with the object and answer it.
    pub checksum: Option<Algorithm>,
    /// Digests that [`Expected`](crate::Expected) may bring at the end besides: MD5 if there is
    /// a Content-MD5, SHA-256 if there is an x-amz-content-sha256.
    pub verify: Vec<Algorithm>,
}

/// Headers of a PUT that ask for what is not there yet; to store the object without would be a
/// wrong success.
const UNSUPPORTED: [&str; 5] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
];

impl PutObject {
    /// What the head says of the object and of its body.
    ///
    /// # Errors
    /// The 4xx of S3 for each header, `MissingContentLength`, `NotImplemented`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        framing: Framing,
        limits: &Limits,
    ) -> Result<(Self, Promise), Error> {
        check_supported(head)?;
        let promise = promise(head)?;
        let size = match framing {
            Framing::None => return Err(Error::new(Code::MissingContentLength)),
            Framing::Length(0) => Some(0),
            _ if promise.aws => promise.decoded,
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        };
        if size.is_some_and(|size| size > limits.object) {
            return Err(Error::new(Code::EntityTooLarge));
        }
        let conditions = conditions(head)?;
        let metadata = metadata(head, limits)?;
        let sent = promise.expected.checksum.map(|digest| digest.algorithm());
        let checksum = sent.or(promise.trailer);
        let verify = [promise.expected.md5, promise.expected.sha256];
        let verify = verify.iter().flatten().map(Digest::algorithm).collect();
        let tags = TagSet::parse_header(head.get("x-amz-tagging").unwrap_or_default())?;
        let append = append(head, size)?;
        let put = Self { bucket, key, metadata, tags, append, conditions, size, checksum, verify };
        Ok((put, promise))
    }
}

/// x-amz-write-offset-bytes. There must be something to append, as far as that is known.
fn append(head: &Head<'_>, size: Option<u64>) -> Result<Option<u64>, Error> {
    const OFFSET: &str = "x-amz-write-offset-bytes";
    let Some(text) = head.get(OFFSET) else { return Ok(None) };
    let offset = text.parse().map_err(|_| {
        Error::new(Code::InvalidArgument)
            .message("The write offset is not a number.")
            .argument(OFFSET, text)
    })?;
    if size == Some(0) {
        return Err(Error::new(Code::InvalidRequest)
            .message("Request body cannot be empty when 'write offset' is specified."));
    }
    Ok(Some(offset))
}

/// Whether a new object with these headers is what they ask for.
///
/// # Errors
/// `NotImplemented`.
pub(super) fn check_supported(head: &Head<'_>) -> Result<(), Error> {
    if let Some(name) = UNSUPPORTED.iter().find(|name| head.has(name)) {
        return Err(Error::new(Code::NotImplemented)
            .message(format!("The header {name} is not implemented.")));
    }
    if head.get("x-amz-server-side-encryption").is_some_and(|v| v != "AES256") {
        return Err(Error::new(Code::NotImplemented)
            .message("The only server-side encryption accepted is AES256."));
    }
    Ok(())
}

/// What any request with a body says of it.
///
/// # Errors
/// `InvalidDigest`, `InvalidRequest`, `InvalidArgument`.
pub(crate) fn promise(head: &Head<'_>) -> Result<Promise, Error> {
    let mut expected = Expected::default();
    if let Some(md5) = head.get("content-md5") {
        let digest = Digest::from_base64(Algorithm::Md5, md5);
        expected.md5 = Some(digest.ok_or_else(|| Error::new(Code::InvalidDigest))?);
    }
    let mut aws = head.has_word("content-encoding", "aws-chunked");
    match head.get("x-amz-content-sha256").filter(|value| !value.is_empty()) {
        None | Some("UNSIGNED-PAYLOAD") => {}
        Some(streaming) if streaming.starts_with("STREAMING-") => aws = true,
        Some(hex) => {
            expected.sha256 = Some(Digest::from_hex(Algorithm::Sha256, hex).ok_or_else(|| {
                Error::new(Code::InvalidArgument).message(
                    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, \
                     STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
                     STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
                     STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, \
                     STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
                )
            })?);
        }
    }
    let decoded = match head.get("x-amz-decoded-content-length") {
        None => None,
        Some(text) => {
            aws = true;
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            Some(text.parse().ok().filter(|_| digits).ok_or_else(|| {
                Error::new(Code::InvalidArgument)
                    .message("The x-amz-decoded-content-length is not a number.")
            })?)
        }
    };
    let trailer = checksums(head, &mut expected)?;
    Ok(Promise { aws, decoded, expected, trailer })
}

/// The x-amz-checksum-* header, or else the algorithm of the trailer that is announced.
fn checksums(head: &Head<'_>, expected: &mut Expected) -> Result<Option<Algorithm>, Error> {
    let invalid = |why: String| Error::new(Code::InvalidRequest).message(why);
    let one = || {
        invalid(
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
                .to_owned(),
        )
    };
    for algorithm in Algorithm::ALL {
        if let Some(value) = head.get(algorithm.header()) {
            if expected.checksum.is_some() {
                return Err(one());
            }
            expected.checksum = Some(checksum(algorithm, value)?);
        }
    }
    let trailer = match head.get("x-amz-trailer").filter(|value| !value.is_empty()) {
        None => None,
        Some(name) => Some(Algorithm::from_header(name.trim()).ok_or_else(|| {
            invalid("The value specified in the x-amz-trailer header is not supported".to_owned())
        })?),
    };
    if trailer.is_some() && expected.checksum.is_some() {
        return Err(one());
    }
    let named = head.get("x-amz-sdk-checksum-algorithm").filter(|value| !value.is_empty());
    if let Some(name) = named {
        let sent = expected.checksum.map(|digest| digest.algorithm()).or(trailer);
        if Algorithm::from_name(name).is_none()
            || sent.is_some_and(|s| !s.name().eq_ignore_ascii_case(name))
        {
            let why = "Value for x-amz-sdk-checksum-algorithm header is invalid.";
            return Err(invalid(why.to_owned()));
        }
        if sent.is_none() && expected.md5.is_none() {
            return Err(invalid(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                 x-amz-trailer headers were found."
                    .to_owned(),
            ));
        }
    }
    Ok(trailer)
}

pub(super) fn conditions(head: &Head<'_>) -> Result<WriteConditions, Error> {
    let absent = match head.get("if-none-match") {
        None => false,
        Some("*") => true,
        Some(_) => {
            return Err(Error::new(Code::NotImplemented));
        }
    };
    Ok(WriteConditions { absent, matches: head.get("if-match").map(Tags::parse) })
}

pub(super) fn metadata(head: &Head<'_>, limits: &Limits) -> Result<Metadata, Error> {
    let mut user: Vec<(String, String)> = Vec::new();
    for (name, value) in head.with_prefix("x-amz-meta-")? {
        // S3 joins values of the same name.
        match user.iter_mut().find(|(n, _)| *n == name) {
            Some((_, joined)) => {
                joined.push(',');
                joined.push_str(value);
            }
            None => user.push((name, value.to_owned())),
        }
    }
    let bytes: usize = user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits.user_metadata {
        return Err(Error::new(Code::MetadataTooLarge));
    }
    let redirect = head.text("x-amz-website-redirect-location")?;
    if redirect
        .as_ref()
        .is_some_and(|to| !["/", "http://", "https://"].iter().any(|p| to.starts_with(p)))
    {
        return Err(Error::new(Code::InvalidRedirectLocation));
    }
    let encoding = head.text("content-encoding")?.map(|coding| {
        let words = coding.split(',').map(str::trim);
        let kept = words.filter(|w| !w.is_empty() && !w.eq_ignore_ascii_case("aws-chunked"));
        kept.collect::<Vec<_>>().join(",")
    });
    Ok(Metadata {
        content_type: head.text("content-type")?,
        cache_control: head.text("cache-control")?,
        content_disposition: head.text("content-disposition")?,
        content_encoding: encoding.filter(|coding| !coding.is_empty()),
        content_language: head.text("content-language")?,
        expires: head.text("expires")?,
        website_redirect: redirect,
        user,
    })
}

/// As [`write`], with the new size.
pub(crate) fn write_appended(mut answer: Answer<'_>, stored: &Stored) {
    answer.header("x-amz-object-size", stored.size);
    write(answer, stored);
}

pub(crate) fn write(mut answer: Answer<'_>, stored: &Stored) {
    answer.header("ETag", stored.etag);
    for checksum in &stored.checksums {
        answer.header(checksum.algorithm().header(), checksum);
    }
    if let Some(checksum) = stored.checksums.first() {
        answer.header("x-amz-checksum-type", checksum.kind().as_str());
    }
    answer.empty();
}
