//! CopyObject: a new object with the bytes of another.

use lobos_digest::Algorithm;

use super::put_object::{conditions, metadata};
use super::supported::check_supported;
use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::s3::condition::WriteConditions;
use crate::s3::xml::Xml;
use crate::{
    BucketName, Code, CopySource, Error, Key, Limits, Metadata, ObjectInfo, Stored, TagSet,
    Timestamp,
};

/// Copies an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyObject {
    /// Where to.
    pub bucket: BucketName,
    /// Where to.
    pub key: Key,
    /// Where from.
    pub source: CopySource,
    /// The most bytes that a source may have.
    pub max: u64,
    /// x-amz-metadata-directive: REPLACE - keep these instead of the source's.
    pub metadata: Option<Metadata>,
    /// x-amz-website-redirect-location, which is never the source's; with `metadata` it is there.
    pub redirect: Option<String>,
    /// x-amz-tagging-directive: REPLACE - these instead of the source's.
    pub tags: Option<TagSet>,
    /// If-None-Match: * and If-Match, about the target.
    pub conditions: WriteConditions,
    /// x-amz-checksum-algorithm: compute and keep this one instead of the source's.
    pub checksum: Option<Algorithm>,
}

/// The object that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedObject {
    /// The object.
    pub stored: Stored,
    /// Its Last-Modified.
    pub modified: Timestamp,
}

/// What cannot be honoured, besides that of any new object.
const UNSUPPORTED: [&str; 1] = ["x-amz-copy-source-server-side-encryption-customer-algorithm"];

/// Headers that change something, so that an object can be copied onto itself. S3 does not look
/// whether it is a change. Tags are none, they have an operation of their own.
const CHANGES: [&str; 4] = [
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    "x-amz-server-side-encryption",
    "x-amz-checksum-algorithm",
];

impl CopyObject {
    /// # Errors
    /// The 4xx of S3 for each header, those of [`CopySource`]; `InvalidRequest` for a copy onto
    /// itself that changes nothing.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let source = CopySource::parse(head)?;
        check_supported(head)?;
        if let Some(name) = UNSUPPORTED.iter().find(|name| head.has(name)) {
            return Err(Error::new(Code::NotImplemented)
                .message(format!("The header {name} is not implemented.")));
        }
        let replaces_metadata = replaces(head, "x-amz-metadata-directive", "metadata")?;
        let replaces_tags = replaces(head, "x-amz-tagging-directive", "tagging")?;
        let itself = source.bucket == bucket && source.key == key;
        if itself && !replaces_metadata && !CHANGES.iter().any(|name| head.has(name)) {
            return Err(Error::new(Code::InvalidRequest).message(
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata, storage class, website redirect location \
                 or encryption attributes.",
            ));
        }
        let mut said = metadata(head, limits)?;
        let redirect = said.website_redirect.take();
        let tags = match replaces_tags {
            true => Some(TagSet::parse_header(head.get("x-amz-tagging").unwrap_or_default())?),
            false => None,
        };
        let checksum = match head.get("x-amz-checksum-algorithm") {
            None => None,
            Some(name) => Some(Algorithm::from_name(name).ok_or_else(unknown_algorithm)?),
        };
        let metadata = replaces_metadata.then_some(said);
        let (max, conditions) = (limits.object, conditions(head)?);
        Ok(Self { bucket, key, source, max, metadata, redirect, tags, conditions, checksum })
    }

    /// Holds the source against what may be copied and what must be so.
    ///
    /// # Errors
    /// `PreconditionFailed`; `InvalidRequest` for a source that is too large.
    pub fn check_source(&self, info: &ObjectInfo) -> Result<(), Error> {
        self.source.check(&info.etag, info.modified)?;
        if info.size > self.max {
            return Err(Error::new(Code::InvalidRequest).message(format!(
                "The specified copy source is larger than the maximum allowable size for a copy \
                 source: {}",
                self.max
            )));
        }
        Ok(())
    }
}

fn unknown_algorithm() -> Error {
    let names = Algorithm::ALL.map(Algorithm::name).join(", ");
    Error::new(Code::InvalidRequest).message(format!(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid \
         types: [{names}]"
    ))
}

/// Whether a directive is REPLACE; COPY is what it is without the header.
fn replaces(head: &Head<'_>, header: &str, what: &str) -> Result<bool, Error> {
    match head.get(header) {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(Error::new(Code::InvalidArgument)
            .message(format!("Unknown {what} directive."))
            .argument(header, other)),
    }
}

pub(crate) fn write(answer: Answer<'_>, copied: &CopiedObject) {
    let mut xml = Xml::s3("CopyObjectResult");
    xml.text("ETag", &copied.stored.etag.to_string());
    xml.time("LastModified", copied.modified);
    if let Some(checksum) = copied.stored.checksums.first() {
        xml.display("ChecksumType", checksum.kind().as_str());
    }
    for checksum in &copied.stored.checksums {
        xml.display(checksum.algorithm().element(), checksum);
    }
    xml.close("CopyObjectResult");
    answer.document(xml);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str, headers: &str) -> Result<CopyObject, Code> {
        let text =
            format!("PUT /b/k HTTP/1.1\r\nHost: h\r\nx-amz-copy-source: photos/a\r\n{headers}\r\n");
        let (bucket, key) = (BucketName::new("photos").unwrap(), Key::new(key).unwrap());
        let limits = Limits { object: 10, ..Limits::default() };
        let parse = |head: &Head<'_>| CopyObject::parse(bucket, key, head, &limits);
        Head::parse(text.as_bytes(), &limits, parse).unwrap().map_err(|e| e.code())
    }

    #[test]
    fn directives() {
        // The metadata and the tags of the request count only where they replace the source's;
        // the redirect always does.
        let said = "x-amz-meta-a: 1\r\nx-amz-tagging: t=1\r\n\
                    x-amz-website-redirect-location: /x\r\n";
        let copy = parse("b", said).unwrap();
        assert_eq!((copy.metadata, copy.tags), (None, None));
        assert_eq!(copy.redirect.as_deref(), Some("/x"));
        let replace = "x-amz-metadata-directive: REPLACE\r\nx-amz-tagging-directive: REPLACE\r\n";
        let copy = parse("b", &format!("{said}{replace}")).unwrap();
        assert_eq!(copy.metadata.unwrap().user, [("a".into(), "1".into())]);
        assert_eq!(copy.tags.unwrap().pairs(), [("t".into(), "1".into())]);
        assert_eq!(copy.redirect.as_deref(), Some("/x"));
        let copy = parse("b", replace).unwrap();
        assert_eq!(copy.metadata, Some(Metadata::default()));
        assert_eq!(copy.tags, Some(TagSet::default()));
        for name in ["metadata", "tagging"] {
            let bad = format!("x-amz-{name}-directive: MOVE\r\n");
            assert_eq!(parse("b", &bad), Err(Code::InvalidArgument));
        }
    }

    #[test]
    fn onto_itself() {
        // A copy onto itself must ask for a change; whether it is one does not matter.
        for same in ["", "x-amz-metadata-directive: COPY\r\n", "x-amz-meta-a: 1\r\n"] {
            assert_eq!(parse("a", same), Err(Code::InvalidRequest), "{same}");
            assert!(parse("b", same).is_ok());
        }
        let tags = "x-amz-tagging-directive: REPLACE\r\nx-amz-tagging: a=1\r\n";
        assert_eq!(parse("a", tags), Err(Code::InvalidRequest));
        for change in [
            "x-amz-metadata-directive: REPLACE\r\n",
            "x-amz-storage-class: STANDARD\r\n",
            "x-amz-website-redirect-location: /x\r\n",
            "x-amz-server-side-encryption: AES256\r\n",
            "x-amz-checksum-algorithm: SHA256\r\n",
        ] {
            assert!(parse("a", change).is_ok(), "{change}");
        }
    }

    #[test]
    fn refusals() {
        // What cannot be done is refused, as a PUT refuses it.
        for (header, code) in [
            ("x-amz-checksum-algorithm: CRC16", Code::InvalidRequest),
            ("x-amz-server-side-encryption: aws:kms", Code::NotImplemented),
            ("x-amz-object-lock-mode: GOVERNANCE", Code::InvalidArgument),
            (
                "x-amz-copy-source-server-side-encryption-customer-algorithm: AES256",
                Code::NotImplemented,
            ),
            ("If-None-Match: \"x\"", Code::NotImplemented),
            ("x-amz-website-redirect-location: x", Code::InvalidRedirectLocation),
        ] {
            assert_eq!(parse("b", &format!("{header}\r\n")), Err(code), "{header}");
        }
    }
}
