//! The signatures of the chunks of one body: each is made over the one before it (S3 API reference,
//! "Transferring payload in multiple chunks", "Signature calculations for trailing headers").

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::canonical::hex_sha256;
use super::keys::SigningKey;
use super::sigv4::mismatch;
use crate::{Code, Error};

/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What the next chunk is verified with.
#[derive(Clone)]
pub(crate) struct Chain {
    access_key: String,
    key: SigningKey,
    /// The time and the scope, with a line end after each.
    lines: String,
    /// The signature before.
    previous: String,
    /// The signature that the open chunk came with.
    claimed: String,
    /// The bytes of the open chunk.
    hasher: Sha256,
    /// A signature of the trailer must come at the end.
    trailer: bool,
}

impl Chain {
    /// `lines` are the time and the scope, with a line end after each; `seed` is the signature of
    /// the head.
    pub(super) fn new(
        access_key: &str,
        key: SigningKey,
        lines: String,
        seed: &str,
        trailer: bool,
    ) -> Self {
        Self {
            access_key: access_key.to_owned(),
            key,
            lines,
            previous: seed.to_owned(),
            claimed: String::new(),
            hasher: Sha256::new(),
            trailer,
        }
    }

    /// A chunk begins; `extensions` is what follows its size.
    ///
    /// # Errors
    /// `IncompleteBody` if there is no signature.
    pub(crate) fn begin(&mut self, extensions: &[u8]) -> Result<(), Error> {
        let extensions = std::str::from_utf8(extensions).unwrap_or_default();
        let pairs = extensions.split(';').filter_map(|pair| pair.split_once('='));
        let signature = pairs
            .map(|(name, value)| (name.trim(), value.trim()))
            .find(|(name, _)| *name == "chunk-signature");
        let (_, signature) = signature.ok_or_else(|| {
            Error::new(Code::IncompleteBody).message("A chunk of the body has no signature.")
        })?;
        self.claimed.clear();
        self.claimed.push_str(signature);
        Ok(())
    }

    /// The next bytes of the open chunk.
    pub(crate) fn update(&mut self, data: &[u8]) {
        self.hasher.update(data);
    }

    /// The chunk has ended.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        let hash = HEXLOWER.encode(&self.hasher.finalize_reset());
        let Self { lines, previous, .. } = self;
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{lines}{previous}\n{EMPTY}\n{hash}");
        self.verify(&text, &self.claimed)?;
        std::mem::swap(&mut self.previous, &mut self.claimed);
        Ok(())
    }

    /// The body has ended with these trailers.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`, also if the signature is not there.
    pub(crate) fn trailers(&self, trailers: &[(String, String)]) -> Result<(), Error> {
        if !self.trailer {
            return Ok(());
        }
        let (mut lines, mut signature) = (String::new(), "");
        for (name, value) in trailers {
            if name == "x-amz-trailer-signature" {
                signature = value;
            } else {
                lines.push_str(&format!("{name}:{value}\n"));
            }
        }
        let hash = hex_sha256(lines.as_bytes());
        let Self { lines, previous, .. } = self;
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{lines}{previous}\n{hash}");
        self.verify(&text, signature)
    }

    fn verify(&self, text: &str, signature: &str) -> Result<(), Error> {
        if self.key.verify(text.as_bytes(), signature) {
            Ok(())
        } else {
            Err(mismatch(&self.access_key, text.as_bytes(), signature))
        }
    }
}

/// Without the key.
impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Chain").field(&self.access_key).finish()
    }
}
