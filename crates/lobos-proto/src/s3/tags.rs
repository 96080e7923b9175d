//! The tags of an object or a bucket.

use crate::http::target::decode;
use crate::s3::xml::{Element, Xml};
use crate::{Code, Error};

/// How many tags an object can have.
pub const OBJECT_TAGS: usize = 10;

/// How many tags a bucket can have.
pub const BUCKET_TAGS: usize = 50;

/// In UTF-16 units, as S3 counts them.
const KEY_MAX: usize = 128;
const VALUE_MAX: usize = 256;

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

    /// Reads x-amz-tagging: `a=1&b=2`, percent-encoded; `a` is `a=`.
    ///
    /// # Errors
    /// `InvalidArgument`, `InvalidTag`, `BadRequest` beyond 10 tags.
    pub(crate) fn parse_header(value: &str) -> Result<Self, Error> {
        let invalid = || {
            let error = Error::new(Code::InvalidArgument).message(
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
                 parameters without tag name duplicates.",
            );
            error.argument("x-amz-tagging", value)
        };
        let mut tags = Self::default();
        for pair in value.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |text: &str| decode(&text.replace('+', " ")).map(String::from);
            let (key, value) = (text(key).ok(), text(value).ok().filter(|_| !value.contains('=')));
            let (Some(key), Some(value)) = (key, value) else { return Err(invalid()) };
            if key.is_empty() || tags.has(&key) {
                return Err(invalid());
            }
            tags.add(key, value, OBJECT_TAGS)?;
        }
        Ok(tags)
    }

    /// Reads a Tagging document of at most `max` tags.
    ///
    /// # Errors
    /// `MalformedXML`, `InvalidTag`, `BadRequest`.
    pub(crate) fn parse_document(document: &[u8], max: usize) -> Result<Self, Error> {
        if document.trim_ascii().is_empty() {
            return Err(Error::new(Code::MissingRequestBodyError));
        }
        let root = Element::parse(document)?;
        match root.children.as_slice() {
            [set] if root.name == "Tagging" && set.name == "TagSet" => {
                Self::parse_list(&set.children, max)
            }
            _ => Err(Error::new(Code::MalformedXML)),
        }
    }

    /// Reads the `Tag` elements of a document.
    ///
    /// # Errors
    /// As [`TagSet::parse_document`].
    pub(crate) fn parse_list(list: &[Element], max: usize) -> Result<Self, Error> {
        let mut tags = Self::default();
        for tag in list {
            let (Some(key), Some(value), "Tag") =
                (tag.child("Key"), tag.child("Value"), tag.name.as_str())
            else {
                return Err(Error::new(Code::MalformedXML));
            };
            if tags.has(key) {
                return Err(invalid("Cannot provide multiple Tags with the same key", key));
            }
            tags.add(key.to_owned(), value.to_owned(), max)?;
        }
        Ok(tags)
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(other, _)| other == key)
    }

    fn add(&mut self, key: String, value: String, max: usize) -> Result<(), Error> {
        if self.0.len() >= max {
            let message = match max {
                OBJECT_TAGS => "Object tags cannot be greater than 10",
                _ => "Bucket tag count cannot be greater than 50",
            };
            return Err(Error::new(Code::BadRequest).message(message));
        }
        if key.is_empty() || !fits(&key, KEY_MAX) {
            return Err(invalid("The TagKey you have provided is invalid", &key));
        }
        if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
            return Err(invalid("System tags cannot be added/updated by requester", &key));
        }
        if !fits(&value, VALUE_MAX) {
            let error = invalid("The TagValue you have provided is invalid", &key);
            return Err(error.element("TagValue", value));
        }
        self.0.push((key, value));
        Ok(())
    }

    /// As a Tagging document.
    pub(crate) fn document(&self) -> Xml {
        let mut xml = Xml::s3("Tagging");
        xml.open("TagSet");
        for (key, value) in &self.0 {
            xml.open("Tag");
            xml.text("Key", key);
            xml.text("Value", value);
            xml.close("Tag");
        }
        xml.close("TagSet");
        xml.close("Tagging");
        xml
    }
}

fn invalid(why: &'static str, key: &str) -> Error {
    Error::new(Code::InvalidTag).message(why).element("TagKey", key)
}

/// S3 takes letters, digits, white space and `+ - = . _ : / @`.
fn fits(text: &str, max: usize) -> bool {
    let good = |c: char| {
        c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "+-=._:/@".contains(c)
    };
    text.encode_utf16().count() <= max && text.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parsed = Result<Vec<(String, String)>, Code>;

    fn pairs(list: &[(&str, &str)]) -> Parsed {
        Ok(list.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect())
    }

    fn header(value: &str) -> Parsed {
        TagSet::parse_header(value).map(|tags| tags.0).map_err(|e| e.code())
    }

    fn document(inner: &str) -> Parsed {
        let document = format!("<Tagging>{inner}</Tagging>");
        let tags = TagSet::parse_document(document.as_bytes(), OBJECT_TAGS);
        tags.map(|tags| tags.0).map_err(|e| e.code())
    }

    fn tag(key: &str, value: &str) -> String {
        format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
    }

    #[test]
    fn headers() {
        // A header is a query: decoded once, `+` a space, a key alone has the empty value.
        assert_eq!(header("a=1&b=2"), pairs(&[("a", "1"), ("b", "2")]));
        assert_eq!(header("b&a=&"), pairs(&[("b", ""), ("a", "")]));
        assert_eq!(header("a%20b=c%2Bd&e+f=g%3D"), pairs(&[("a b", "c+d"), ("e f", "g=")]));
        assert_eq!(header("%C3%BC=%E6%96%87"), pairs(&[("ü", "文")]));
        assert_eq!((header(""), header("&&")), (pairs(&[]), pairs(&[])));
        for bad in ["=", "=1", "a=1&a=2", "a=%FF", "a=%", "a=b=c", "a%=1"] {
            assert_eq!(header(bad), Err(Code::InvalidArgument), "{bad}");
        }
        for bad in ["a,b=1", "a=b,c", "aws:x=1", "AWS:x=1", "a%09=1", "a=%28"] {
            assert_eq!(header(bad), Err(Code::InvalidTag), "{bad}");
        }
        let many = |count| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join("&");
        assert_eq!(header(&many(10)).unwrap().len(), 10);
        assert_eq!(header(&many(11)), Err(Code::BadRequest));
    }

    #[test]
    fn documents() {
        // A document is read in its order; another shape, or a tag that S3 refuses, is an error.
        let good = format!("<TagSet>{}{}</TagSet>", tag("b c", ""), tag("a+-=._:/@ü", "v&#x20;"));
        assert_eq!(document(&good), pairs(&[("b c", ""), ("a+-=._:/@ü", "v ")]));
        assert_eq!(document("<TagSet/>"), pairs(&[]));
        let set = |inner: &str| document(&format!("<TagSet>{inner}</TagSet>"));
        for bad in ["<Tag><Key>a</Key></Tag>", "<Tag><Value>a</Value></Tag>", "<Other/>"] {
            assert_eq!(set(bad), Err(Code::MalformedXML), "{bad}");
        }
        for bad in ["", "<Other/>", "<TagSet/><TagSet/>"] {
            assert_eq!(document(bad), Err(Code::MalformedXML), "{bad}");
        }
        assert!(TagSet::parse_document(b"<Tags><TagSet/></Tags>", 10).is_err());
        for bad in [
            tag("", "v"),
            tag("a!", ""),
            tag("a", "b?"),
            tag("aws:a", ""),
            format!("{}{}", tag("a", "1"), tag("a", "2")),
        ] {
            assert_eq!(set(&bad), Err(Code::InvalidTag), "{bad}");
        }
        let many: String = (0..11).map(|n| tag(&n.to_string(), "")).collect();
        assert_eq!(set(&many), Err(Code::BadRequest));
    }

    #[test]
    fn lengths() {
        // Lengths are counted in UTF-16 units: 128 for a key, 256 for a value.
        for unit in ["a", "ü", "文"] {
            let (key, value) = (unit.repeat(128), unit.repeat(256));
            let kept = format!("<TagSet>{}</TagSet>", tag(&key, &value));
            assert_eq!(document(&kept), pairs(&[(&key, &value)]));
            for bad in [tag(&format!("{key}a"), ""), tag("a", &format!("{value}a"))] {
                let bad = format!("<TagSet>{bad}</TagSet>");
                assert_eq!(document(&bad), Err(Code::InvalidTag));
            }
        }
        assert!(fits(&"𝒜".repeat(64), 128) && !fits(&"𝒜".repeat(65), 128));
    }

    #[test]
    fn round_trip() {
        // What is written reads back the same.
        let tags = TagSet::from_pairs(vec![("b".into(), " x ".into()), ("a".into(), "".into())]);
        let document = tags.document().finish();
        assert_eq!(TagSet::parse_document(document.as_bytes(), 10).unwrap(), tags);
    }
}
