//! The canonical request of version 4: what both sides hash (S3 API reference, "Create a canonical
//! request"). Paths are encoded once and never normalised.

use data_encoding::HEXLOWER;
use lobos_digest::{Algorithm, digest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::Asked;

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const ENCODED_PATH: &AsciiSet = &ENCODED.remove(b'/');

/// The path of a canonical request, encoded once however it was sent.
pub(super) fn path(asked: &Asked<'_>) -> String {
    let path: Vec<u8> = percent_decode_str(asked.path).collect();
    percent_encode(&path, ENCODED_PATH).to_string()
}

/// The canonical request for that path. `signed` is SignedHeaders as it was sent, `payload` the hash of the body
/// or one of the words in its place.
pub(super) fn request(asked: &Asked<'_>, path: &str, signed: &str, payload: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let line = |out: &mut Vec<u8>, text: &[u8]| {
        out.extend_from_slice(text);
        out.push(b'\n');
    };
    line(&mut out, asked.head.method.as_bytes());
    line(&mut out, path.as_bytes());
    line(&mut out, query(asked).as_bytes());
    for name in signed.split(';') {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        value(asked, name, &mut out);
        out.push(b'\n');
    }
    out.push(b'\n');
    line(&mut out, signed.as_bytes());
    out.extend_from_slice(payload.as_bytes());
    out
}

/// The lower-case hex of a SHA-256.
pub(super) fn hex_sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(Algorithm::Sha256, bytes).bytes())
}

/// Sorted by what is sent, not by what is meant; the signature itself is left out.
fn query(asked: &Asked<'_>) -> String {
    let encode = |text: &str| percent_encode(text.as_bytes(), ENCODED).to_string();
    let pairs = asked.query.iter().filter(|(name, _)| *name != "X-Amz-Signature");
    let mut pairs: Vec<_> = pairs.map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// All values of that header with commas between them; trimmed, and runs of spaces are one. One
/// that is not there is empty: libs3 signs a Transfer-Encoding that it does not send.
fn value(asked: &Asked<'_>, name: &str, out: &mut Vec<u8>) {
    let mut first = true;
    for (_, value) in asked.head.lines().filter(|(n, _)| n.eq_ignore_ascii_case(name)) {
        if !first {
            out.push(b',');
        }
        first = false;
        let mut space = false;
        for byte in value.trim_ascii() {
            if !(space && *byte == b' ') {
                out.push(*byte);
            }
            space = *byte == b' ';
        }
    }
}
