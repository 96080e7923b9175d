//! Headers that a presigned URL carries in its query: the AWS SDKs for JavaScript and Go, and boto3
//! in version 2, put there what the upload is to have, and whoever uses the URL sends none of it.

use crate::http::is_token;
use crate::http::target::Query;
use crate::{Code, Error};

/// Those that count, besides x-amz-meta-*. A checksum does not: the SDK for JavaScript signs that
/// of the empty body that it sees.
const NAMES: [&str; 8] = [
    "x-amz-acl",
    "x-amz-expected-bucket-owner",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-mode",
    "x-amz-server-side-encryption",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
];

/// The headers that a query stands for, if it is that of a presigned URL.
///
/// # Errors
/// `InvalidArgument` for a name or a value that no header can have.
pub(super) fn headers(query: &Query) -> Result<Vec<(&str, &str)>, Error> {
    let version_2 = query.has("Signature") && query.has("AWSAccessKeyId");
    if !version_2 && !query.has("X-Amz-Signature") {
        return Ok(Vec::new());
    }
    let counts = |name: &str| {
        let starts =
            |start: &str| name.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start));
        NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)) || starts("x-amz-meta-")
    };
    let found: Vec<_> = query.iter().filter(|(name, _)| counts(name)).collect();
    let is_header = |name, value: &str| is_token(name) && !value.contains(char::is_control);
    match found.iter().find(|(name, value)| !is_header(name, value)) {
        Some((name, value)) => Err(Error::new(Code::InvalidArgument).argument(name, value)),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        // Only what is known counts, only in a presigned URL, and only if it could be a header.
        let of = |query: &str| {
            let query = Query::parse(query).unwrap();
            let found = headers(&query).map_err(|e| e.code());
            found.map(|found| found.iter().map(|(n, v)| format!("{n}:{v}")).collect::<Vec<_>>())
        };
        let query = "X-Amz-Meta-A=b&x-amz-tagging=a%3Db&x-amz-checksum-crc32=AAAAAA%3D%3D";
        assert_eq!(of(query), Ok(vec![]));
        let presigned = format!("{query}&X-Amz-Signature=0");
        assert_eq!(of(&presigned), Ok(vec!["X-Amz-Meta-A:b".into(), "x-amz-tagging:a=b".into()]));
        let version_2 = "AWSAccessKeyId=a&Signature=b&x-amz-acl=private";
        assert_eq!(of(version_2), Ok(vec!["x-amz-acl:private".into()]));
        for bad in [
            "x-amz-meta-a=b%0D%0Ac",
            "x-amz-meta-a%0A=b",
            "x-amz-meta-a%20b=c",
            "x-amz-meta-a:b=c",
            "x-amz-meta-%C3%A9=c",
        ] {
            assert_eq!(of(&format!("X-Amz-Signature=0&{bad}")), Err(Code::InvalidArgument));
        }
    }
}
