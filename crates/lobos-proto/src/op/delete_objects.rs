//! DeleteObjects: removes up to 1,000 objects.

use crate::http::body::Promise;
use crate::http::encode::Answer;
use crate::s3::condition::{DeleteConditions, Tags};
use crate::s3::xml::{Element, Xml};
use crate::{BucketName, Code, Error, Key, Limits, Timestamp};

/// Removes each of the keys on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObjects {
    /// The bucket.
    pub bucket: BucketName,
    /// What to remove, in the order of the request.
    pub keys: Vec<DeleteKey>,
    /// Only errors are answered.
    pub quiet: bool,
}

/// One key of a DeleteObjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteKey {
    /// The key as it was sent, for the answer.
    pub name: String,
    /// The version as it was sent, for the answer.
    pub version: Option<String>,
    /// The key, or why it cannot be one: that is its answer.
    pub key: Result<Key, Error>,
    /// What the object must be (`<ETag>`, `<Size>`, `<LastModifiedTime>`).
    pub conditions: DeleteConditions,
}

/// What became of each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletions {
    /// In the order of the request.
    pub results: Vec<Deleted>,
    /// From the request.
    pub quiet: bool,
}

/// What became of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The key as it was sent.
    pub name: String,
    /// The version as it was sent.
    pub version: Option<String>,
    /// Removed, or never there; or why not.
    pub result: Result<(), Error>,
}

impl DeleteObjects {
    /// Removes each key that can be one by `remove`, and says what became of all.
    pub fn each(
        self,
        mut remove: impl FnMut(&Key, &DeleteConditions) -> Result<(), Error>,
    ) -> Deletions {
        let one = |DeleteKey { name, version, key, conditions }| {
            let result = key.and_then(|key| remove(&key, &conditions));
            Deleted { name, version, result }
        };
        Deletions { results: self.keys.into_iter().map(one).collect(), quiet: self.quiet }
    }

    /// Whether the document comes with a digest. S3 takes none without, and so do its copies: no
    /// client leaves it out. What arrived changed must not remove what nobody named.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub(crate) fn check(promise: &Promise) -> Result<(), Error> {
        let expected = &promise.expected;
        if expected.md5.is_none() && expected.checksum.is_none() && promise.trailer.is_none() {
            return Err(Error::new(Code::InvalidRequest).message(
                "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
            ));
        }
        Ok(())
    }

    /// Reads a Delete document.
    ///
    /// # Errors
    /// `MalformedXML`: no document, another root, no key, too many keys, a size or time that is
    /// none. A key that cannot be one is answered on its own.
    pub(crate) fn parse(
        bucket: BucketName,
        document: &[u8],
        limits: &Limits,
    ) -> Result<Self, Error> {
        let malformed = || Error::new(Code::MalformedXML);
        let root = Element::parse(document)?;
        if root.name != "Delete" {
            return Err(malformed());
        }
        let objects = || root.children.iter().filter(|child| child.name == "Object");
        let count = objects().count();
        if count == 0 || count > limits.delete_keys {
            return Err(malformed());
        }
        let keys = objects().map(|object| DeleteKey::parse(object).ok_or_else(malformed));
        let keys = keys.collect::<Result<_, Error>>()?;
        let quiet = root.child("Quiet").is_some_and(|q| q.trim().eq_ignore_ascii_case("true"));
        Ok(Self { bucket, keys, quiet })
    }
}

impl DeleteKey {
    /// `None` if the element is not what the schema says.
    fn parse(object: &Element) -> Option<Self> {
        let filled = |name| object.child(name).filter(|text| !text.is_empty());
        let name = object.child("Key")?;
        let version = filled("VersionId").map(str::to_owned);
        let key = match version.as_deref() {
            None | Some("null") => Key::new(name),
            // The only version of an object is the one called `null`.
            Some(_) => Err(Error::new(Code::NoSuchVersion)),
        };
        let size = match object.child("Size") {
            None => None,
            Some(text) => Some(text.trim().parse().ok()?),
        };
        let modified = match object.child("LastModifiedTime") {
            None => None,
            Some(text) => Some(Timestamp::from_text(text)?),
        };
        let conditions =
            DeleteConditions { matches: filled("ETag").map(Tags::parse), size, modified };
        Some(Self { name: name.to_owned(), version, key, conditions })
    }
}

pub(crate) fn write(answer: Answer<'_>, deletions: &Deletions) {
    let mut xml = Xml::s3("DeleteResult");
    for Deleted { name, version, result } in &deletions.results {
        let (element, error) = match result {
            Ok(()) if deletions.quiet => continue,
            Ok(()) => ("Deleted", None),
            Err(error) => ("Error", Some(error)),
        };
        xml.open(element);
        xml.text("Key", name);
        if let Some(version) = version {
            xml.text("VersionId", version);
        }
        if let Some(error) = error {
            xml.text("Code", error.code().as_str());
            xml.sentence("Message", error.sentence());
        }
        xml.close(element);
    }
    xml.close("DeleteResult");
    answer.document(xml);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(document: &str) -> Result<DeleteObjects, Code> {
        let limits = Limits { delete_keys: 3, ..Limits::default() };
        let bucket = BucketName::new("b").unwrap();
        DeleteObjects::parse(bucket, document.as_bytes(), &limits).map_err(|e| e.code())
    }

    #[test]
    fn documents() {
        // Each key of a document is read as it is; a bad key is an answer of its own.
        let read = parse(
            "<Delete xmlns='x'><Object><Key> a&amp;b </Key></Object><Quiet>true</Quiet>\
             <Object><VersionId>null</VersionId><Key>c</Key></Object>\
             <Object><Key>../d</Key></Object></Delete>",
        )
        .unwrap();
        assert!(read.quiet);
        let keys: Vec<_> = read.keys.iter().map(|k| (k.name.as_str(), k.key.is_ok())).collect();
        assert_eq!(keys, [(" a&b ", true), ("c", true), ("../d", false)]);
        let one = |inner| parse(&format!("<Delete><Object><Key>a</Key>{inner}</Object></Delete>"));
        let code = |inner| one(inner).unwrap().keys[0].key.clone().map_err(|e| e.code());
        assert_eq!(code("<VersionId>v</VersionId>"), Err(Code::NoSuchVersion));
        assert_eq!(code("<VersionId/>"), Ok(Key::new("a").unwrap()));
    }

    #[test]
    fn conditions() {
        // What each object must be is read from its elements, in any order and either date format.
        let read = parse(
            "<Delete><Object><Size>5</Size><ETag>&quot;abc&quot;</ETag><Key>a</Key>\
             <LastModifiedTime>Sun, 06 Nov 1994 08:49:37 GMT</LastModifiedTime></Object>\
             <Object><Key>b</Key><LastModifiedTime>1994-11-06T08:49:37.000Z</LastModifiedTime>\
             </Object><Object><Key>c</Key><ETag/></Object></Delete>",
        );
        let conditions: Vec<_> = read.unwrap().keys.into_iter().map(|k| k.conditions).collect();
        let modified = Some(Timestamp::from_unix(784_111_777, 0));
        let matches = Some(Tags::parse("abc"));
        assert_eq!(conditions[0], DeleteConditions { matches, size: Some(5), modified });
        assert_eq!(conditions[1], DeleteConditions { modified, ..DeleteConditions::default() });
        assert!(conditions[2].is_empty());
        for bad in ["<Size/>", "<Size>x</Size>", "<LastModifiedTime>x</LastModifiedTime>"] {
            let document = format!("<Delete><Object><Key>a</Key>{bad}</Object></Delete>");
            assert_eq!(parse(&document), Err(Code::MalformedXML), "{bad}");
        }
    }

    #[test]
    fn digests() {
        // A document needs a digest of one kind or the other, in a header or in the trailer.
        let digest = lobos_digest::digest(lobos_digest::Algorithm::Md5, b"");
        let none = Promise::default;
        assert_eq!(DeleteObjects::check(&none()).map_err(|e| e.code()), Err(Code::InvalidRequest));
        let expected = |md5, checksum| crate::Expected { md5, checksum, sha256: None };
        for promise in [
            Promise { expected: expected(Some(digest), None), ..none() },
            Promise { expected: expected(None, Some(digest)), ..none() },
            Promise { trailer: Some(lobos_digest::Algorithm::Crc32), ..none() },
        ] {
            assert_eq!(DeleteObjects::check(&promise), Ok(()));
        }
    }

    #[test]
    fn malformed() {
        // No keys, too many keys, or another document is MalformedXML.
        let four = format!("<Delete>{}</Delete>", "<Object><Key>a</Key></Object>".repeat(4));
        for bad in ["", "<Delete/>", "<Other/>", "<Delete><Object/></Delete>", &four] {
            assert_eq!(parse(bad), Err(Code::MalformedXML), "{bad}");
        }
    }
}
