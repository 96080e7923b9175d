//! PutObject: stores an object.

use lobos_digest::{Algorithm, Digest, Digests};

use super::supported::{check_supported, not_implemented};
use crate::http::body::{Promise, checksum};
use crate::http::encode::Answer;
use crate::http::head::{Framing, Head};
use crate::s3::condition::{Tags, WriteConditions};
use crate::{
    BucketName, Checksum, Code, ETag, Error, Expected, Key, Limits, Metadata, ObjectInfo, Stored,
    TagSet, Timestamp,
};

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

impl PutObject {
    /// All digests that a store computes for this object: those that the client promises, the one
    /// that is kept with it, and the MD5 that is its entity tag.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + use<'_> {
        self.verify.iter().copied().chain(self.checksum).chain([Algorithm::Md5])
    }

    /// What is known of the object when all of it has arrived: `size` bytes with these
    /// [digests](Self::algorithms).
    ///
    /// # Errors
    /// `InternalError` if no MD5 was computed.
    pub fn info(
        &self,
        size: u64,
        digests: &Digests,
        modified: Timestamp,
    ) -> Result<ObjectInfo, Error> {
        let md5 = digests.get(Algorithm::Md5).and_then(|md5| ETag::new(&md5.to_hex()));
        let checksum = self.checksum.and_then(|algorithm| digests.get(algorithm));
        let kind = self.metadata.content_type.clone();
        Ok(ObjectInfo {
            size,
            modified,
            etag: md5.ok_or(Code::InternalError)?,
            content_type: kind.map_or("binary/octet-stream".into(), Into::into),
            metadata: self.metadata.clone(),
            checksums: checksum.map(Checksum::full).into_iter().collect(),
            parts: None,
            tags: self.tags.pairs().len(),
        })
    }

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
        let size = size(head, &promise, framing, limits)?;
        let conditions = conditions(head)?;
        let metadata = metadata(head, limits)?;
        let sent = promise.expected.checksum.map(|digest| digest.algorithm());
        let checksum = sent.or(promise.trailer).or(named_algorithm(head)?);
        let verify = [promise.expected.md5, promise.expected.sha256];
        let verify = verify.iter().flatten().map(Digest::algorithm).collect();
        let tags = head.filled("x-amz-tagging").map(TagSet::parse_header).transpose()?;
        let (tags, append) = (tags.unwrap_or_default(), append(head, size)?);
        let put = Self { bucket, key, metadata, tags, append, conditions, size, checksum, verify };
        Ok((put, promise))
    }
}

/// x-amz-write-offset-bytes. There must be something to append, as far as that is known.
fn append(head: &Head<'_>, size: Option<u64>) -> Result<Option<u64>, Error> {
    const OFFSET: &str = "x-amz-write-offset-bytes";
    let Some(text) = head.filled(OFFSET) else { return Ok(None) };
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

/// Whether the body is aws-chunked by x-amz-content-sha256.
fn is_streaming(head: &Head<'_>) -> bool {
    head.get("x-amz-content-sha256").is_some_and(|value| value.starts_with("STREAMING-"))
}

/// Bytes of the body, if the head says so.
///
/// # Errors
/// `MissingContentLength`, `EntityTooLarge`.
pub(super) fn size(
    head: &Head<'_>,
    promise: &Promise,
    framing: Framing,
    limits: &Limits,
) -> Result<Option<u64>, Error> {
    let size = match framing {
        Framing::None => return Err(Error::new(Code::MissingContentLength)),
        Framing::Length(0) => Some(0),
        // What it is called says that a length comes with it.
        _ if is_streaming(head) && promise.decoded.is_none() => {
            return Err(Error::new(Code::MissingContentLength));
        }
        _ if promise.aws => promise.decoded,
        Framing::Length(length) => Some(length),
        Framing::Chunked => None,
    };
    match size {
        Some(size) if size > limits.object => Err(Error::new(Code::EntityTooLarge)
            .element("ProposedSize", size.to_string())
            .element("MaxSizeAllowed", limits.object.to_string())),
        size => Ok(size),
    }
}

/// What any request with a body says of it.
///
/// # Errors
/// `InvalidDigest`, `InvalidRequest`, `InvalidArgument`, `MissingContentLength`.
pub(crate) fn promise(head: &Head<'_>) -> Result<Promise, Error> {
    let mut promise = plain_promise(head)?;
    promise.trailer = checksums(head, &mut promise.expected)?;
    Ok(promise)
}

/// As [`promise`], where x-amz-checksum-* is about something else than the body.
///
/// # Errors
/// `InvalidDigest`, `InvalidArgument`.
pub(crate) fn plain_promise(head: &Head<'_>) -> Result<Promise, Error> {
    let mut expected = Expected::default();
    if let Some(md5) = head.get("content-md5") {
        let digest = Digest::from_base64(Algorithm::Md5, md5);
        let invalid = || Error::new(Code::InvalidDigest).element("Content-MD5", md5);
        expected.md5 = Some(digest.ok_or_else(invalid)?);
    }
    let mut aws = head.has_word("content-encoding", "aws-chunked");
    match head.get("x-amz-content-sha256").filter(|value| !value.is_empty()) {
        None | Some("UNSIGNED-PAYLOAD") => {}
        Some(streaming) if streaming.starts_with("STREAMING-") => aws = true,
        Some(hex) => {
            expected.sha256 = Some(Digest::from_hex(Algorithm::Sha256, hex).ok_or_else(|| {
                Error::new(Code::InvalidArgument)
                    .message(
                        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, \
                         STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
                         STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, \
                         STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, \
                         STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.",
                    )
                    .argument("x-amz-content-sha256", hex)
            })?);
        }
    }
    let decoded = match head.get("x-amz-decoded-content-length") {
        None => None,
        Some(text) => {
            aws = true;
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let length = text.parse().ok().filter(|_| digits);
            Some(length.ok_or_else(|| Error::new(Code::MissingContentLength))?)
        }
    };
    Ok(Promise { aws, decoded, expected, trailer: None, chain: None })
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
    let may_be_there = head.may_begin("x-amz-checksum-");
    let all = if may_be_there { &Algorithm::ALL[..] } else { &[] };
    if all.iter().filter(|algorithm| head.has(algorithm.header())).count() > 1 {
        return Err(one());
    }
    for &algorithm in all {
        if let Some(value) = head.get(algorithm.header()) {
            if expected.checksum.is_some() {
                return Err(one());
            }
            expected.checksum = Some(checksum(algorithm, value, "header")?);
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
    let sent = expected.checksum.map(|digest| digest.algorithm()).or(trailer);
    for name in ["x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"] {
        if let Some(named) = algorithm(head, name)? {
            if sent.is_some_and(|sent| sent != named) {
                return Err(invalid(format!("Value for {name} header is invalid.")));
            }
            if sent.is_none() && expected.md5.is_none() && name.contains("sdk") {
                return Err(invalid(
                    "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* \
                     or x-amz-trailer headers were found."
                        .to_owned(),
                ));
            }
        }
    }
    Ok(trailer)
}

/// The algorithm that a header names.
pub(super) fn algorithm(head: &Head<'_>, header: &str) -> Result<Option<Algorithm>, Error> {
    let Some(name) = head.filled(header) else { return Ok(None) };
    match Algorithm::from_name(name) {
        Some(algorithm) => Ok(Some(algorithm)),
        None => Err(Error::new(Code::InvalidRequest).message(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid \
             types: [CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, \
             XXHASH64]",
        )),
    }
}

/// The checksum to compute though no value of it comes.
fn named_algorithm(head: &Head<'_>) -> Result<Option<Algorithm>, Error> {
    algorithm(head, "x-amz-checksum-algorithm")
}

pub(super) fn conditions(head: &Head<'_>) -> Result<WriteConditions, Error> {
    const NAME: &str = "If-None-Match";
    let (none_match, matches) = (head.get("if-none-match"), head.get("if-match"));
    let absent = match (none_match, matches) {
        (None, _) => false,
        (Some(_), Some(_)) => {
            let why = "Multiple conditional request headers present in the request";
            return Err(not_implemented("If-Match,If-None-Match", why));
        }
        (Some("*"), None) => true,
        (Some(_), None) => {
            let why = "We don't accept the provided value of If-None-Match header for this API";
            return Err(not_implemented(NAME, why));
        }
    };
    Ok(WriteConditions { absent, matches: matches.map(Tags::parse) })
}

pub(super) fn metadata(head: &Head<'_>, limits: &Limits) -> Result<Metadata, Error> {
    let mut user: Vec<(String, String)> = Vec::new();
    for (name, value) in head.with_prefix("x-amz-meta-") {
        // S3 joins values of the same name.
        match user.iter_mut().find(|(n, _)| *n == name) {
            Some((_, joined)) => {
                joined.push(',');
                joined.push_str(&value);
            }
            None => user.push((name, value.into_owned())),
        }
    }
    let bytes: usize = user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits.user_metadata {
        return Err(Error::new(Code::MetadataTooLarge)
            .element("Size", bytes.to_string())
            .element("MaxSizeAllowed", limits.user_metadata.to_string()));
    }
    let redirect = head.text("x-amz-website-redirect-location");
    if redirect
        .as_ref()
        .is_some_and(|to| !["/", "http://", "https://"].iter().any(|p| to.starts_with(p)))
    {
        return Err(Error::new(Code::InvalidRedirectLocation));
    }
    let encoding = head.text("content-encoding").map(|coding| {
        let words = coding.split(',').map(str::trim);
        let kept = words.filter(|w| !w.is_empty() && !w.eq_ignore_ascii_case("aws-chunked"));
        kept.collect::<Vec<_>>().join(",")
    });
    Ok(Metadata {
        content_type: head.text("content-type"),
        cache_control: head.text("cache-control"),
        content_disposition: head.text("content-disposition"),
        content_encoding: encoding.filter(|coding| !coding.is_empty()),
        content_language: head.text("content-language"),
        expires: head.text("expires"),
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
