//! Who asks: signatures in headers, queries and forms.

mod canonical;
mod chain;
pub(crate) mod date;
mod keys;
mod policy;
mod presigned;
mod scope;
mod sigv2;
mod sigv4;

use crate::http::head::Head;
use crate::http::target::Query;
use crate::{Code, Config, Error, Now};
pub(crate) use chain::Chain;
pub(crate) use policy::policy;
use scope::{Credential, Place};

/// A request as signatures see it.
pub(crate) struct Asked<'r> {
    pub(crate) head: &'r Head<'r>,
    /// As it was sent.
    pub(crate) path: &'r str,
    pub(crate) query: &'r Query,
    /// The bucket that the host names.
    pub(crate) bucket: Option<&'r str>,
    /// It is the upload of a POST form and nothing else: its signature is in the body.
    pub(crate) form: bool,
}

/// A request that may be answered.
#[derive(Debug)]
pub(crate) struct Verified {
    /// What the chunks of its body are to be verified with.
    pub(crate) chain: Option<Box<Chain>>,
    /// The key pair that signed it may change nothing.
    pub(crate) read_only: bool,
}

/// Whoever signs with a key that may only read, and wants more.
pub(crate) fn reads_only() -> Error {
    Error::new(Code::AccessDenied).message("This access key may only read.")
}

/// Who need not sign, or signs the fields of a form.
const ANYBODY: Verified = Verified { chain: None, read_only: false };

/// Holds the signature of a request against the key pairs of the server. Without key pairs any
/// signature will do, but a presigned URL must not have expired.
///
/// # Errors
/// The 403 or 400 of S3.
pub(crate) fn check(asked: &Asked<'_>, config: &Config, now: Now) -> Result<Verified, Error> {
    let query = asked.query;
    let v4 = presigned::is_v4(query);
    let v2 = query.has("Signature") || query.has("AWSAccessKeyId");
    if config.credentials.is_empty() {
        if v4 {
            presigned::Term::parse(query)?.check(now)?;
        }
        if let Some(expires) = query.filled("Expires").filter(|_| v2) {
            presigned::check_expires_v2(expires, now)?;
        }
        return Ok(ANYBODY);
    }
    match (asked.head.get("authorization"), v4, v2) {
        (None, true, false) => presigned::check(asked, config, now),
        (None, false, true) => sigv2::check_query(asked, config, now),
        (None, false, false) if asked.form => Ok(ANYBODY),
        (None, false, false) => Err(Error::new(Code::AccessDenied)),
        (Some(header), false, false) => check_header(asked, header, config, now),
        (header, _, _) => Err(Error::new(Code::InvalidArgument)
            .message(
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, \
                 Signature query string parameter or the Authorization header should be specified",
            )
            .element("ArgumentName", "Authorization")
            .element("ArgumentValue", header.unwrap_or_default())),
    }
}

fn check_header(
    asked: &Asked<'_>,
    header: &str,
    config: &Config,
    now: Now,
) -> Result<Verified, Error> {
    match header.split_once(' ').unwrap_or((header, "")) {
        (sigv4::ALGORITHM, rest) => sigv4::check(asked, rest, config, now),
        ("AWS", rest) => sigv2::check_header(asked, rest, config, now),
        ("AWS4-ECDSA-P256-SHA256", _) => Err(Error::new(Code::NotImplemented)
            .message("Signatures with AWS4-ECDSA-P256-SHA256 are not implemented.")),
        _ => Err(Error::new(Code::InvalidArgument)
            .message("Unsupported Authorization Type")
            .element("ArgumentName", "Authorization")
            .element("ArgumentValue", header)),
    }
}

/// Who owns everything if a request names nobody.
pub(crate) const OWNER: &str = "lobos";

/// The access key that a request names, whether or not its signature is right: in the header or in
/// the query, in version 4 or 2.
pub(crate) fn access_key(head: &Head<'_>, query: &Query) -> Option<String> {
    let named = |credential: &str| {
        let credential = Credential::parse(credential, Place::Header).ok()?;
        Some(credential.access_key.to_owned())
    };
    if let Some(header) = head.get("authorization") {
        if let Some(v2) = header.strip_prefix("AWS ") {
            return v2.trim().rsplit_once(':').map(|(key, _)| key.to_owned());
        }
        let start = header.find("Credential=")? + "Credential=".len();
        let credential = header[start..].split([',', ' ']).next()?;
        return named(credential);
    }
    let v2 = || query.filled("AWSAccessKeyId").map(str::to_owned);
    query.get("X-Amz-Credential").and_then(named).or_else(v2)
}

#[cfg(test)]
mod examples;
