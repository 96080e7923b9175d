//! Version 2, for old tools: `Authorization: AWS KEY:SIGNATURE`, and its presigned URLs (S3 API
//! reference, "Signing and authenticating REST requests").

use super::presigned::check_expires_v2;
use super::sigv4::{check_skew, mismatch};
use super::{Asked, Verified, date, keys};
use crate::{Code, Config, Credentials, Error, Now};

/// The parameters that are part of the resource.
const RESOURCE: [&str; 40] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "defaultObjectAcl",
    "delete",
    "encryption",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
];

/// Verifies the header, of which `header` is what follows `AWS`.
///
/// # Errors
/// `InvalidArgument`, `AccessDenied`, `InvalidAccessKeyId`, `RequestTimeTooSkewed`,
/// `SignatureDoesNotMatch`.
pub(super) fn check_header(
    asked: &Asked<'_>,
    header: &str,
    config: &Config,
    now: Now,
) -> Result<Verified, Error> {
    let Some((access_key, signature)) = header.trim().rsplit_once(':') else {
        return Err(Error::new(Code::InvalidArgument)
            .message("AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
            .element("ArgumentName", "Authorization")
            .element("ArgumentValue", format!("AWS {header}")));
    };
    let amz = asked.head.get("x-amz-date");
    let sent = amz.or_else(|| asked.head.get("date"));
    let Some((sent, time)) = sent.and_then(|text| Some((text, date::any(text)?))) else {
        return Err(Error::new(Code::AccessDenied)
            .message("AWS authentication requires a valid Date or x-amz-date header"));
    };
    let pair = keys::find(config, access_key)?;
    check_skew(sent, time, now)?;
    // An x-amz-date stands among the headers, then.
    let when = if amz.is_some() { "" } else { sent };
    verify(asked, when, pair, signature)
}

/// Verifies a presigned URL.
///
/// # Errors
/// As [`check_header`], without the skew but with the expiry.
pub(super) fn check_query(asked: &Asked<'_>, config: &Config, now: Now) -> Result<Verified, Error> {
    let value = |name| asked.query.filled(name);
    let (Some(access_key), Some(expires), Some(signature)) =
        (value("AWSAccessKeyId"), value("Expires"), value("Signature"))
    else {
        return Err(Error::new(Code::AccessDenied).message(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId \
             parameters",
        ));
    };
    check_expires_v2(expires, now)?;
    let pair = keys::find(config, access_key)?;
    verify(asked, expires, pair, signature)
}

fn verify(
    asked: &Asked<'_>,
    when: &str,
    pair: &Credentials,
    signature: &str,
) -> Result<Verified, Error> {
    // S3 and boto3 sign `/bucket` with a slash behind it, rclone without.
    let rest = asked.path.strip_prefix('/').unwrap_or_default();
    let bare = asked.bucket.is_none() && !rest.is_empty() && !rest.contains('/');
    let text = string_to_sign(asked, when, bare);
    let right = |text: &[u8]| keys::verify_v2(&pair.secret_key, text, signature);
    if right(&text) || (bare && right(&string_to_sign(asked, when, false))) {
        Ok(Verified { chain: None, read_only: pair.read_only })
    } else {
        Err(mismatch(&pair.access_key, &text, signature))
    }
}

/// `when` is the Date, or Expires; `slash` adds one to the path.
fn string_to_sign(asked: &Asked<'_>, when: &str, slash: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let header = |name| asked.head.get(name).unwrap_or_default();
    for line in [asked.head.method, header("content-md5"), header("content-type"), when] {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    amz_headers(asked, &mut out);
    if let Some(bucket) = asked.bucket {
        out.push(b'/');
        out.extend_from_slice(bucket.as_bytes());
    }
    out.extend_from_slice(asked.path.as_bytes());
    if slash {
        out.push(b'/');
    }
    let mut pairs: Vec<_> =
        asked.query.iter().filter(|(name, _)| RESOURCE.contains(name)).collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        out.push(if at == 0 { b'?' } else { b'&' });
        out.extend_from_slice(name.as_bytes());
        if !value.is_empty() {
            out.push(b'=');
            out.extend_from_slice(value.as_bytes());
        }
    }
    out
}

/// `name:value` of each x-amz-* header, sorted, those of one name joined.
fn amz_headers(asked: &Asked<'_>, out: &mut Vec<u8>) {
    let lines = asked.head.lines().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let mut lines: Vec<_> = lines.filter(|(name, _)| name.starts_with("x-amz-")).collect();
    // Stable: values of one name stay in their order.
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    for (at, (name, value)) in lines.iter().enumerate() {
        let again = at > 0 && lines[at - 1].0 == *name;
        if again {
            out.pop();
            out.push(b',');
        } else {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
        }
        out.extend_from_slice(value.trim_ascii());
        out.push(b'\n');
    }
}
