//! Version 4 in the Authorization header.

use std::time::Duration;

use super::canonical::{self, hex_sha256};
use super::chain::Chain;
use super::keys::{self, SigningKey};
use super::scope::{Credential, Place};
use super::{Asked, Verified, date};
use crate::{Code, Config, Error, Now, Timestamp};

/// The algorithm, and how the header begins.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How far the clocks may be apart.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// A body that comes in signed chunks.
const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// A request with a signature of version 4, wherever it stands.
pub(super) struct Claim<'r> {
    pub(super) credential: Credential<'r>,
    /// `yyyyMMddTHHmmssZ`
    pub(super) time: String,
    /// SignedHeaders as it was sent.
    pub(super) signed: &'r str,
    /// Hex.
    pub(super) signature: &'r str,
    /// The hash of the body or a word in its place.
    pub(super) payload: &'r str,
}

/// Verifies the header `Authorization: AWS4-HMAC-SHA256 ...`, of which `header` is what follows.
///
/// # Errors
/// `AuthorizationHeaderMalformed`, `AccessDenied`, `InvalidRequest`, `InvalidAccessKeyId`,
/// `RequestTimeTooSkewed`, `SignatureDoesNotMatch`, `NotImplemented`.
pub(super) fn check(
    asked: &Asked<'_>,
    header: &str,
    config: &Config,
    now: Now,
) -> Result<Verified, Error> {
    let [credential, signed, signature] = components(header)?;
    let credential = Credential::parse(credential, Place::Header)?;
    let (sent, time) = time(asked)?;
    let basic = date::basic(time);
    credential.check(&basic, config, Place::Header)?;
    let payload = payload(asked)?;
    let claim = Claim { credential, time: basic, signed, signature, payload };
    claim.check(asked, config, || check_skew(sent, time, now))
}

impl Claim<'_> {
    /// Finds the key, then asks `timely` about the time, then verifies.
    ///
    /// # Errors
    /// As [`check`].
    pub(super) fn check(
        &self,
        asked: &Asked<'_>,
        config: &Config,
        timely: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Verified, Error> {
        let pair = keys::find(config, self.credential.access_key)?;
        timely()?;
        check_signed(asked, self.signed)?;
        let Credential { date, region, service, .. } = self.credential;
        let key = SigningKey::new(&pair.secret_key, date, region, service);
        let scope = self.credential.scope();
        let path = canonical::path(asked);
        let canonical = canonical::request(asked, &path, self.signed, self.payload);
        let text = |canonical: &[u8]| {
            format!("{ALGORITHM}\n{}\n{scope}\n{}", self.time, hex_sha256(canonical))
        };
        let right = |canonical: &[u8]| key.verify(text(canonical).as_bytes(), self.signature);
        // curl signs the path as it sends it, whatever of it should have been encoded.
        let sent = || canonical::request(asked, asked.path, self.signed, self.payload);
        if !right(&canonical) && (path == asked.path || !right(&sent())) {
            let text = text(&canonical);
            let mismatch = mismatch(&pair.access_key, text.as_bytes(), self.signature);
            return Err(mismatch
                .element("CanonicalRequest", String::from_utf8_lossy(&canonical))
                .element("CanonicalRequestBytes", spaced(&canonical)));
        }
        let chunks = [SIGNED_CHUNKS, SIGNED_TRAILER].contains(&self.payload);
        let chain = chunks.then(|| {
            let trailer = self.payload == SIGNED_TRAILER;
            let lines = format!("{}\n{scope}\n", self.time);
            Box::new(Chain::new(&pair.access_key, key, lines, self.signature, trailer))
        });
        Ok(Verified { chain, read_only: pair.read_only })
    }
}

/// The error for a wrong signature, with what it should have been made of.
pub(super) fn mismatch(access_key: &str, text: &[u8], signature: &str) -> Error {
    Error::new(Code::SignatureDoesNotMatch)
        .element("AWSAccessKeyId", access_key)
        .element("StringToSign", String::from_utf8_lossy(text))
        .element("SignatureProvided", signature)
        .element("StringToSignBytes", spaced(text))
}

/// `AccessDenied` unless Host and all x-amz-* headers are signed. x-amz-content-sha256 is part of
/// the canonical request anyway, and some clients leave it out; S3 lets them.
fn check_signed(asked: &Asked<'_>, signed: &str) -> Result<(), Error> {
    let must = |name: &str| {
        let amz = name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"));
        (amz && !name.eq_ignore_ascii_case("x-amz-content-sha256"))
            || name.eq_ignore_ascii_case("host")
    };
    let is_signed = |name: &str| signed.split(';').any(|s| s.eq_ignore_ascii_case(name));
    let names = asked.head.lines().map(|(name, _)| name);
    let unsigned: Vec<_> = names.filter(|name| must(name) && !is_signed(name)).collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::AccessDenied)
        .message("There were headers present in the request which were not signed")
        .element("HeadersNotSigned", unsigned.join(", ").to_ascii_lowercase()))
}

/// Credential, SignedHeaders and Signature in any order.
fn components(header: &str) -> Result<[&str; 3], Error> {
    let malformed = |why: &str| Place::Header.malformed(why);
    let mut found = [None; 3];
    for component in header.split(',').map(str::trim).filter(|c| !c.is_empty()) {
        let Some((name, value)) = component.split_once('=') else {
            let why = format!("the authorization component \"{component}\" is malformed.");
            return Err(malformed(&why));
        };
        let at = ["Credential", "SignedHeaders", "Signature"].iter().position(|n| *n == name);
        if let Some(slot) = at.and_then(|at| found.get_mut(at)) {
            *slot = Some(value);
        }
    }
    let [Some(credential), Some(signed), Some(signature)] = found else {
        return Err(malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and \
             Signature.",
        ));
    };
    Ok([credential, signed, signature])
}

/// The time of the request, as it was sent and what it means.
fn time<'r>(asked: &Asked<'r>) -> Result<(&'r str, Timestamp), Error> {
    let sent = asked.head.get("x-amz-date").or_else(|| asked.head.get("date"));
    let time = sent.and_then(|text| Some((text, date::any(text)?)));
    time.ok_or_else(|| {
        Error::new(Code::AccessDenied)
            .message("AWS authentication requires a valid Date or x-amz-date header")
    })
}

/// `RequestTimeTooSkewed` if the clocks of client and server differ too much.
pub(super) fn check_skew(sent: &str, time: Timestamp, now: Now) -> Result<(), Error> {
    let now = Timestamp::from(now.wall);
    if u128::from(now.nanos.abs_diff(time.nanos)) <= SKEW.as_nanos() {
        return Ok(());
    }
    Err(Error::new(Code::RequestTimeTooSkewed)
        .element("RequestTime", sent)
        .element("ServerTime", date::seconds(now))
        .element("MaxAllowedSkewMilliseconds", SKEW.as_millis().to_string()))
}

/// Whether `time` is so far ahead that no clock can be that wrong.
pub(super) fn is_future(time: Timestamp, now: Now) -> bool {
    time > date::later(Timestamp::from(now.wall), SKEW)
}

/// What the header x-amz-content-sha256 puts into the canonical request.
fn payload<'r>(asked: &Asked<'r>) -> Result<&'r str, Error> {
    let sent = asked.head.get("x-amz-content-sha256").filter(|value| !value.is_empty());
    let payload = sent.ok_or_else(|| {
        Error::new(Code::InvalidRequest)
            .message("Missing required header for this request: x-amz-content-sha256")
    })?;
    check_payload(payload)?;
    Ok(payload)
}

/// Refuses chunks that nobody can verify here. A hash that is malformed is refused where the body
/// is.
pub(super) fn check_payload(payload: &str) -> Result<(), Error> {
    if payload.starts_with("STREAMING-AWS4-ECDSA-") {
        return Err(Error::new(Code::NotImplemented)
            .message("Chunks signed with AWS4-ECDSA-P256-SHA256 are not implemented."));
    }
    let known = [SIGNED_CHUNKS, SIGNED_TRAILER, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"];
    if payload.starts_with("STREAMING-") && !known.contains(&payload) {
        return Err(Error::new(Code::InvalidArgument)
            .message("The x-amz-content-sha256 names chunks that S3 does not know."));
    }
    Ok(())
}

/// Bytes in hex with spaces between them, as S3 shows them.
fn spaced(bytes: &[u8]) -> String {
    let hex: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    hex.join(" ")
}
