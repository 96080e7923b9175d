//! DeleteObjects: removes up to 1,000 objects.

use crate::http::encode::Answer;
use crate::s3::condition::DeleteConditions;
use crate::s3::xml::{Element, Xml};
use crate::{BucketName, Code, Error, Key, Limits};

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
    /// Removed, or never there; or why not.
    pub result: Result<(), Error>,
}

impl DeleteObjects {
    /// Reads a Delete document.
    ///
    /// # Errors
    /// `MalformedXML`: no document, another root, no key, too many keys. A key that cannot be one
    /// is answered on its own.
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
        let keys = objects()
            .map(|object| {
                let name = object.child("Key").ok_or_else(malformed)?;
                let key = check(object).and_then(|()| Key::new(name));
                let conditions = DeleteConditions::default();
                Ok(DeleteKey { name: name.to_owned(), key, conditions })
            })
            .collect::<Result<_, Error>>()?;
        let quiet = root.child("Quiet").is_some_and(|q| q.trim().eq_ignore_ascii_case("true"));
        Ok(Self { bucket, keys, quiet })
    }
}

/// What one object may ask for: the only version there is, and no conditions yet.
fn check(object: &Element) -> Result<(), Error> {
    if object.child("VersionId").is_some_and(|v| !v.is_empty() && v != "null") {
        return Err(Error::new(Code::NoSuchVersion));
    }
    if ["ETag", "Size", "LastModifiedTime"].iter().any(|name| object.child(name).is_some()) {
        return Err(Error::new(Code::NotImplemented));
    }
    Ok(())
}

pub(crate) fn write(answer: Answer<'_>, deletions: &Deletions) {
    let mut xml = Xml::s3("DeleteResult");
    for deleted in &deletions.results {
        match &deleted.result {
            Ok(()) if deletions.quiet => {}
            Ok(()) => {
                xml.open("Deleted");
                xml.text("Key", &deleted.name);
                xml.close("Deleted");
            }
            Err(error) => {
                xml.open("Error");
                xml.text("Key", &deleted.name);
                xml.text("Code", error.code().as_str());
                xml.text("Message", error.sentence());
                xml.close("Error");
            }
        }
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
        assert_eq!(code("<ETag>x</ETag>"), Err(Code::NotImplemented));
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
