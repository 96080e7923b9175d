//! Key pairs, and what is computed with their secrets.

use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use crate::{Code, Config, Credentials, Error};

/// The key pair of that name.
///
/// # Errors
/// `InvalidAccessKeyId`.
pub(super) fn find<'c>(config: &'c Config, access_key: &str) -> Result<&'c Credentials, Error> {
    let found = config.credentials.iter().find(|pair| pair.access_key == access_key);
    found.ok_or_else(|| Error::new(Code::InvalidAccessKeyId).element("AWSAccessKeyId", access_key))
}

impl Credentials {
    /// Whether what they sign may change something.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub(super) fn check_write(&self) -> Result<(), Error> {
        if self.read_only { Err(super::reads_only()) } else { Ok(()) }
    }
}

/// A key for one day, region and service (SigV4, "Calculate signature").
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SigningKey([u8; 32]);

impl SigningKey {
    /// `date` is `yyyyMMdd`.
    pub(super) fn new(secret: &str, date: &str, region: &str, service: &str) -> Self {
        let start = [b"AWS4", secret.as_bytes()].concat();
        let mut key = Self(finish(sha256(&start, date.as_bytes())));
        for part in [region, service, "aws4_request"] {
            key = Self(key.sign(part.as_bytes()));
        }
        key
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; 32] {
        finish(sha256(&self.0, text))
    }

    /// Whether `signature`, in hex, is that of `text`; takes the same time wherever they differ.
    pub(super) fn verify(&self, text: &[u8], signature: &str) -> bool {
        // S3's own are in lower case, and a signature is compared as text.
        let hex = !signature.bytes().any(|b| b.is_ascii_uppercase());
        let bytes = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok();
        bytes.filter(|_| hex).is_some_and(|b| sha256(&self.0, text).verify_slice(&b).is_ok())
    }
}

/// Without the key.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// Whether `signature`, in base64, is that of `text` in version 2 (HMAC-SHA1).
pub(super) fn verify_v2(secret: &str, text: &[u8], signature: &str) -> bool {
    let bytes = data_encoding::BASE64.decode(signature.as_bytes()).ok();
    let mut mac = <Hmac<Sha1> as KeyInit>::new_from_slice(secret.as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(text);
    bytes.is_some_and(|bytes| mac.verify_slice(&bytes).is_ok())
}

fn sha256(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac
}

fn finish(mac: Hmac<Sha256>) -> [u8; 32] {
    mac.finalize().into_bytes().into()
}
