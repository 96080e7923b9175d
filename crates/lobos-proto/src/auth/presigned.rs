//! Presigned URLs: version 4 (X-Amz-*), and the expiry of both versions.

use std::time::Duration;

use super::scope::{Credential, Place};
use super::sigv4::{self, Claim};
use super::{Asked, Verified, date};
use crate::http::target::Query;
use crate::{Code, Config, Error, Now, Timestamp};

/// A week, the longest that a URL of version 4 can be good for, in seconds.
const LONGEST: u64 = 604_800;

/// The parameters that a URL of version 4 must have, all of them.
const REQUIRED: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
];

/// Whether it is a URL of version 4.
pub(super) fn is_v4(query: &Query) -> bool {
    REQUIRED[..3].iter().any(|name| query.has(name))
}

/// Until when a URL of version 4 is good, and since when.
pub(super) struct Term<'q> {
    time: &'q str,
    from: Timestamp,
    until: Timestamp,
    expires: &'q str,
}

impl<'q> Term<'q> {
    /// What the query of a presigned URL says.
    ///
    /// # Errors
    /// `AuthorizationQueryParametersError`.
    pub(super) fn parse(query: &'q Query) -> Result<Self, Error> {
        if REQUIRED.iter().any(|name| query.filled(name).is_none()) {
            return Err(refused(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, \
                 X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and \
                 X-Amz-Expires parameters.",
            ));
        }
        let value = |name| query.get(name).unwrap_or_default();
        let (time, expires) = (value("X-Amz-Date"), value("X-Amz-Expires"));
        let from = date::parse(time).ok_or_else(|| {
            refused("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        })?;
        let digits = expires.strip_prefix('-').unwrap_or(expires);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refused("X-Amz-Expires should be a number"));
        }
        if expires.starts_with('-') && digits.bytes().any(|b| b != b'0') {
            return Err(refused("X-Amz-Expires must be non-negative"));
        }
        // A number with more digits than fit is too long, too.
        let secs = digits.parse().ok().filter(|secs| *secs <= LONGEST).ok_or_else(|| {
            refused(
                "X-Amz-Expires must be less than a week (in seconds); that is, the given \
                 X-Amz-Expires must be less than 604800 seconds",
            )
        })?;
        let until = date::later(from, Duration::from_secs(secs));
        Ok(Self { time, from, until, expires })
    }

    /// # Errors
    /// `AccessDenied` if the URL has expired or is not yet valid.
    pub(super) fn check(&self, now: Now) -> Result<(), Error> {
        let until = date::seconds(self.until);
        let server = date::seconds(Timestamp::from(now.wall));
        if sigv4::is_future(self.from, now) {
            return Err(Error::new(Code::AccessDenied)
                .message("Request is not yet valid")
                .element("X-Amz-Date", (self.from.nanos / 1_000_000).to_string())
                .element("Expires", until)
                .element("ServerTime", server));
        }
        if Timestamp::from(now.wall) > self.until {
            return Err(Error::new(Code::AccessDenied)
                .message("Request has expired")
                .element("X-Amz-Expires", self.expires)
                .element("Expires", until)
                .element("ServerTime", server));
        }
        Ok(())
    }
}

/// Verifies a presigned URL of version 4.
///
/// # Errors
/// As [`Term`], and as the Authorization header.
pub(super) fn check(asked: &Asked<'_>, config: &Config, now: Now) -> Result<Verified, Error> {
    let value = |name| asked.query.get(name).unwrap_or_default();
    let term = Term::parse(asked.query)?;
    if value("X-Amz-Algorithm") == "AWS4-ECDSA-P256-SHA256" {
        return Err(Error::new(Code::NotImplemented)
            .message("Signatures with AWS4-ECDSA-P256-SHA256 are not implemented."));
    }
    if value("X-Amz-Algorithm") != sigv4::ALGORITHM {
        return Err(refused(
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"",
        ));
    }
    let credential = Credential::parse(value("X-Amz-Credential"), Place::Query)?;
    credential.check(term.time, config, Place::Query)?;
    term.check(now)?;
    let signed = value("X-Amz-SignedHeaders");
    // The hash of a body is signed only if its header is; the URL was made without the body.
    let hashed = signed.split(';').any(|name| name.eq_ignore_ascii_case("x-amz-content-sha256"));
    let sent = asked.head.get("x-amz-content-sha256").filter(|_| hashed);
    let payload = sent.unwrap_or("UNSIGNED-PAYLOAD");
    sigv4::check_payload(payload)?;
    let (time, signature) = (term.time.to_owned(), value("X-Amz-Signature"));
    Claim { credential, time, signed, signature, payload }.check(asked, config, || Ok(()))
}

/// # Errors
/// `AccessDenied` if a URL of version 2 has expired or its Expires is no time.
pub(super) fn check_expires_v2(expires: &str, now: Now) -> Result<(), Error> {
    let secs = expires.parse().ok().filter(|secs| *secs >= 0);
    let Some(until) = secs.map(|secs| Timestamp::from_unix(secs, 0)) else {
        return Err(Error::new(Code::AccessDenied)
            .message(format!("Invalid date (should be seconds since epoch): {expires}")));
    };
    if Timestamp::from(now.wall) > until {
        return Err(Error::new(Code::AccessDenied)
            .message("Request has expired")
            .element("Expires", date::seconds(until))
            .element("ServerTime", date::seconds(Timestamp::from(now.wall))));
    }
    Ok(())
}

fn refused(why: &'static str) -> Error {
    Error::new(Code::AuthorizationQueryParametersError).message(why)
}
