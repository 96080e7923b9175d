//! The tags of an object or a bucket.

use crate::Error;
use crate::s3::xml::{Element, Xml};

/// Keys and values, in the order in which they were given; no key twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSet(Vec<(String, String)>);

impl TagSet {
    /// Tags that were kept, as they are.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Keys and values.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// Reads x-amz-tagging: `a=1&b=2`, percent-encoded.
    ///
    /// # Errors
    /// `InvalidArgument`, `InvalidTag`, `BadRequest` beyond 10 tags.
    pub(crate) fn parse_header(value: &str) -> Result<Self, Error> {
        let _ = value;
        Err(Error::new(crate::Code::NotImplemented))
    }

    /// Reads a Tagging document of at most `max` tags.
    ///
    /// # Errors
    /// `MalformedXML`, `InvalidTag`, `BadRequest`.
    pub(crate) fn parse_document(document: &[u8], max: usize) -> Result<Self, Error> {
        let _ = (Element::parse(document)?, max);
        Err(Error::new(crate::Code::NotImplemented))
    }

    /// As a Tagging document.
    pub(crate) fn document(&self) -> Xml {
        let mut xml = Xml::s3("Tagging");
        xml.close("Tagging");
        xml
    }
}
