//! RenameObject (S3 Express): gives an object another key, in one step.

use crate::http::head::Head;
use crate::http::target::decode;
use crate::s3::condition::ReadConditions;
use crate::{BucketName, Code, ETag, Error, Key, ObjectInfo, Timestamp};

/// Renames an object of the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The new key.
    pub key: Key,
    /// x-amz-rename-source: the old key.
    pub source: Key,
    /// The old key if there is no object `source`: AWS's own examples also write `bucket/key`.
    pub or_source: Option<Key>,
    /// x-amz-rename-source-if-*.
    pub source_conditions: ReadConditions,
    /// If-Match and its relatives, about what has the new key now; `if_none_match` of
    /// [`Tags::Any`](crate::s3::condition::Tags::Any): nothing may have it.
    pub conditions: ReadConditions,
    /// x-amz-client-token: the same request with the same token is done once.
    pub token: Option<String>,
}

const SOURCE: &str = "x-amz-rename-source";
const TOKEN: &str = "x-amz-client-token";

/// The longest x-amz-client-token, in bytes.
const TOKEN_MAX: usize = 64;

impl RenameObject {
    /// # Errors
    /// `InvalidArgument`, `InvalidRequest`, `KeyTooLongError`; `NotImplemented` for a key that
    /// ends with a slash, which S3 does not rename either.
    pub(crate) fn parse(bucket: BucketName, key: Key, head: &Head<'_>) -> Result<Self, Error> {
        let value = head.get(SOURCE).unwrap_or_default();
        if value.is_empty() {
            return Err(Error::new(Code::InvalidRequest)
                .message(format!("Missing required header for this request: {SOURCE}")));
        }
        let source = decode(value).map_err(|_| {
            Error::new(Code::InvalidArgument)
                .message("The rename source is not URL-encoded.")
                .argument(SOURCE, value)
        })?;
        let own = source.strip_prefix('/').unwrap_or(&source);
        let own = own.strip_prefix(bucket.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let or_source = own.filter(|key| !key.is_empty()).map(Key::new).transpose()?;
        let source = Key::new(source)?;
        if key.is_folder() || source.is_folder() {
            return Err(Error::new(Code::NotImplemented)
                .message("A key that ends with a slash cannot be renamed, nor a key to it."));
        }
        let token = head.get(TOKEN).map(str::to_owned);
        if let Some(token) = &token {
            let fits = (1..=TOKEN_MAX).contains(&token.len());
            if !fits || !token.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(Error::new(Code::InvalidArgument)
                    .message("A client token has 1 to 64 visible ASCII characters.")
                    .argument(TOKEN, token));
            }
        }
        let source_conditions = ReadConditions::with_prefix(head, SOURCE);
        let conditions = ReadConditions::with_prefix(head, "");
        Ok(Self { bucket, key, source, or_source, source_conditions, conditions, token })
    }

    /// Holds the conditions against the source and what has the new key.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub fn check(&self, source: &ObjectInfo, target: Option<&ObjectInfo>) -> Result<(), Error> {
        let names = [
            "x-amz-rename-source-If-Match",
            "x-amz-rename-source-If-None-Match",
            "x-amz-rename-source-If-Modified-Since",
            "x-amz-rename-source-If-Unmodified-Since",
        ];
        self.source_conditions.check_for_write(&source.etag, source.modified, names)?;
        let ReadConditions { if_match, if_modified_since, .. } = &self.conditions;
        let failed = |name| Err(Error::new(Code::PreconditionFailed).condition(name));
        match target {
            Some(target) => check_target(&self.conditions, &target.etag, target.modified),
            None if if_match.is_some() => failed("If-Match"),
            None if if_modified_since.is_some() => failed("If-Modified-Since"),
            None => Ok(()),
        }
    }
}

fn check_target(
    conditions: &ReadConditions,
    etag: &ETag,
    modified: Timestamp,
) -> Result<(), Error> {
    let names = ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"];
    conditions.check_for_write(etag, modified, names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::s3::condition::Tags;

    fn parse(key: &str, headers: &str) -> Result<RenameObject, Code> {
        let text = format!("PUT /b/k?renameObject HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
        let (bucket, key) = (BucketName::new("photos").unwrap(), Key::new(key).unwrap());
        let parse = |head: &Head<'_>| RenameObject::parse(bucket, key, head);
        Head::parse(text.as_bytes(), &Limits::default(), parse).unwrap().map_err(|e| e.code())
    }

    fn source(value: &str) -> Result<(String, Option<String>), Code> {
        let rename = parse("k", &format!("{SOURCE}: {value}\r\n"))?;
        Ok((rename.source.to_string(), rename.or_source.map(|key| key.to_string())))
    }

    #[test]
    fn sources() {
        // The source is a key, encoded in any way; a value that begins with the bucket may also be
        // the key without it.
        for (value, key, or) in [
            ("a/b", "a/b", None),
            ("a%2Fb%20c+", "a/b c+", None),
            ("photos/a", "photos/a", Some("a")),
            ("/photos/a", "/photos/a", Some("a")),
            ("photos%2Fa", "photos/a", Some("a")),
            ("photosa/b", "photosa/b", None),
        ] {
            assert_eq!(source(value), Ok((key.into(), or.map(str::to_owned))), "{value}");
        }
        for (value, code) in [
            ("", Code::InvalidRequest),
            ("a/", Code::NotImplemented),
            ("%", Code::InvalidArgument),
            ("../a", Code::InvalidArgument),
            ("photos/../a", Code::InvalidArgument),
        ] {
            assert_eq!(source(value), Err(code), "{value}");
        }
        assert_eq!(parse("k/", "x-amz-rename-source: a\r\n"), Err(Code::NotImplemented));
    }

    #[test]
    fn tokens() {
        // A token is 1 to 64 visible characters.
        let parse = |token: &str| {
            parse("k", &format!("{SOURCE}: a\r\n{TOKEN}: {token}\r\n")).map(|r| r.token)
        };
        let longest = "t".repeat(64);
        assert_eq!(parse(&longest), Ok(Some(longest.clone())));
        for bad in ["", "a b", "ü", &format!("{longest}t")] {
            assert_eq!(parse(bad), Err(Code::InvalidArgument), "{bad}");
        }
    }

    #[test]
    fn conditions() {
        // Each condition is about the old key or about the new one, and each failure is 412.
        let info = |tag: &str, secs| ObjectInfo {
            size: 1,
            modified: Timestamp::from_unix(secs, 0),
            etag: ETag::new(tag).unwrap(),
            content_type: "a/b".into(),
            metadata: crate::Metadata::default(),
            checksums: Vec::new(),
            parts: None,
            tags: 0,
        };
        let (old, new) = (info("old", 784_111_777), info("new", 784_111_777));
        let date = "Sun, 06 Nov 1994 08:49:3";
        let failed = Err(Code::PreconditionFailed);
        for (header, there, missing) in [
            (format!("{SOURCE}-if-match: old"), Ok(()), Ok(())),
            (format!("{SOURCE}-if-match: new"), failed, failed),
            (format!("{SOURCE}-if-none-match: *"), failed, failed),
            (format!("{SOURCE}-if-modified-since: {date}6 GMT"), Ok(()), Ok(())),
            (format!("{SOURCE}-if-modified-since: {date}8 GMT"), failed, failed),
            (format!("{SOURCE}-if-unmodified-since: {date}6 GMT"), failed, failed),
            ("If-None-Match: *".into(), failed, Ok(())),
            ("If-Match: \"new\"".into(), Ok(()), failed),
            ("If-Match: \"old\"".into(), failed, failed),
            (format!("If-Modified-Since: {date}6 GMT"), Ok(()), failed),
            (format!("If-Modified-Since: {date}8 GMT"), failed, failed),
            (format!("If-Unmodified-Since: {date}8 GMT"), Ok(()), Ok(())),
            (format!("If-Unmodified-Since: {date}6 GMT"), failed, Ok(())),
        ] {
            let rename = parse("k", &format!("{SOURCE}: a\r\n{header}\r\n")).unwrap();
            let check = |target| rename.check(&old, target).map_err(|e: Error| e.code());
            assert_eq!((check(Some(&new)), check(None)), (there, missing), "{header}");
        }
        let rename = parse("k", &format!("{SOURCE}: a\r\nIf-None-Match: *\r\n")).unwrap();
        assert_eq!(rename.conditions.if_none_match, Some(Tags::Any));
    }
}
