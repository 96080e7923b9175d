//! Signs by the book of S3, and not with the code that is tried.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// The key pair and the region of the servers here, and their time.
pub(crate) const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const SCOPE: &str = "20260101/us-east-1/s3/aws4_request";
pub(crate) const TIME: &str = "20260101T000000Z";

pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// The signature of this text with the key of [`SCOPE`].
pub(crate) fn signature(text: &str) -> String {
    let start = format!("AWS4{SECRET_KEY}").into_bytes();
    let key = SCOPE.split('/').fold(start, |key, part| hmac(&key, part.as_bytes()));
    HEXLOWER.encode(&hmac(&key, text.as_bytes()))
}

/// What is signed of a request: method, path, query, headers (sorted, with a line end each), their
/// names, and the hash of the body or a word for it.
pub(crate) fn request(parts: [&str; 4], names: &str, payload: &str) -> String {
    let [method, path, query, lines] = parts;
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let hash = sha256(canonical.as_bytes());
    signature(&format!("AWS4-HMAC-SHA256\n{TIME}\n{SCOPE}\n{hash}"))
}

/// The value of the Authorization header.
pub(crate) fn authorization(names: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SCOPE}, SignedHeaders={names}, \
         Signature={signature}"
    )
}

/// The signature of a chunk after the one before it.
pub(crate) fn chunk(previous: &str, data: &[u8]) -> String {
    let (empty, hash) = (sha256(b""), sha256(data));
    let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{TIME}\n{SCOPE}\n{previous}\n{empty}\n{hash}");
    signature(&text)
}

/// The signature of the trailers after the last chunk; `lines` has a line end after each.
pub(crate) fn trailers(previous: &str, lines: &str) -> String {
    let hash = sha256(lines.as_bytes());
    signature(&format!("AWS4-HMAC-SHA256-TRAILER\n{TIME}\n{SCOPE}\n{previous}\n{hash}"))
}
