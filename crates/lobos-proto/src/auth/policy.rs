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
            pair.check_write()
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
        pair.check_write()
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
        .element("ArgumentName", name)
        .element("ArgumentValue", "")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::Credentials;

    /// The policy of S3's published example of version 4.
    const POLICY: &str = "\
        eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6\
        IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRo\
        IiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAg\
        IHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5h\
        bWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwg\
        IiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUx\
        MjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0s\
        DQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16\
        LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3\
        czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwN\
        CiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9";

    const V4: [(&str, &str); 5] = [
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
        ("x-amz-date", "20151229T000000Z"),
        ("x-amz-signature", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
        ("policy", POLICY),
    ];

    /// The same policy in version 2.
    const V2: [(&str, &str); 3] = [
        ("awsaccesskeyid", "AKIAIOSFODNN7EXAMPLE"),
        ("signature", "QyigO3Da7gYxPW1IXllc6C7gI74="),
        ("policy", POLICY),
    ];

    #[allow(clippy::disallowed_methods, reason = "an Instant cannot be made in another way")]
    fn check(fields: &[(&str, &str)], keys: bool) -> Result<(), Code> {
        let pair = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            read_only: false,
        };
        let credentials = if keys { vec![pair] } else { Vec::new() };
        let config = Config { credentials, ..Config::default() };
        let now = Now { instant: Instant::now(), wall: std::time::UNIX_EPOCH };
        let form = |name: &str| {
            let found = fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, value)| (*value).to_owned())
        };
        policy(&form, &config, now).map_err(|error| error.code())
    }

    #[test]
    fn both_versions() {
        // A form is let in if all its fields are there and none is another than was signed.
        for form in [&V4[..], &V2] {
            assert_eq!(check(form, true), Ok(()));
            for (at, (name, value)) in form.iter().enumerate() {
                let mut less = form.to_vec();
                less.remove(at);
                let code = check(&less, true).unwrap_err();
                assert_eq!(code, Code::InvalidArgument, "without {name}");
                let changed = value.replacen(['1', 'w', 'A'], "2", 1);
                let mut other = form.to_vec();
                other[at].1 = &changed;
                assert!(&changed != value && check(&other, true).is_err(), "another {name}");
                assert_eq!(check(&less, false), Ok(()));
            }
        }
        assert_eq!(check(&[], true), Err(Code::AccessDenied));
        assert_eq!(check(&[("policy", POLICY)], true), Err(Code::AccessDenied));
        assert_eq!(check(&[], false), Ok(()));
    }
}
