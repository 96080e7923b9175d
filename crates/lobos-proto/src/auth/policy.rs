//! The signature of a POST form: of its policy document, in version 4 or 2.

use super::keys::{self, SigningKey};
use super::scope::{Credential, Place};
use super::sigv4::{ALGORITHM, mismatch};
use crate::{Code, Config, Error, Now};

/// Holds the signature of a form against the key pairs of the server; `form` gives the value of
/// the field of that name, whatever its case. What the policy says is not looked at. Without key
/// pairs every form will do.
///
/// # Errors
/// `AccessDenied` without a signature, `InvalidArgument` for a field that lacks or is malformed,
/// `InvalidAccessKeyId`, `SignatureDoesNotMatch`.
pub(crate) fn policy(
    form: &dyn Fn(&str) -> Option<String>,
    config: &Config,
    now: Now,
) -> Result<(), Error> {
    let _ = now;
    if config.credentials.is_empty() {
        return Ok(());
    }
    let field = |name: &'static str| form(name).ok_or_else(|| missing(name));
    let names_v4 = ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"];
    let v4 = names_v4.iter().any(|name| form(name).is_some());
    if !v4 && form("awsaccesskeyid").is_none() && form("signature").is_none() {
        return Err(Error::new(Code::AccessDenied));
    }
    let policy = field("policy")?;
    if !v4 {
        let access_key = field("AWSAccessKeyId")?;
        let signature = field("Signature")?;
        let pair = keys::find(config, &access_key)?;
        let right = keys::verify_v2(&pair.secret_key, policy.as_bytes(), &signature);
        return if right {
            Ok(())
        } else {
            Err(mismatch(&access_key, policy.as_bytes(), &signature))
        };
    }
    let algorithm = field("X-Amz-Algorithm")?;
    if algorithm != ALGORITHM {
        return Err(Error::new(Code::InvalidRequest)
            .message("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
    }
    let signature = field("X-Amz-Signature")?;
    let date = field("X-Amz-Date")?;
    let credential = field("X-Amz-Credential")?;
    let credential = Credential::parse(&credential, Place::Form)?;
    credential.check(&date, config, Place::Form)?;
    let pair = keys::find(config, credential.access_key)?;
    let key =
        SigningKey::new(&pair.secret_key, credential.date, credential.region, credential.service);
    if key.verify(policy.as_bytes(), &signature) {
        Ok(())
    } else {
        Err(mismatch(credential.access_key, policy.as_bytes(), &signature))
    }
}

fn missing(name: &'static str) -> Error {
    let message = format!(
        "Bucket POST must contain a field named '{name}'.  If it is specified, please check the \
         order of the fields."
    );
    Error::new(Code::InvalidArgument)
        .message(message)
        .detail("ArgumentName", name)
        .detail("ArgumentValue", "")
}
