//! The request target: its path decoded once, and its query.

use std::borrow::Cow;

use memchr::memchr;
use percent_encoding::percent_decode_str;

use crate::{Code, Error};

/// A target, split but not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'h> {
    /// The host of an absolute-form target; it replaces the Host header.
    pub(crate) host: Option<&'h str>,
    /// Begins with a slash.
    pub(crate) path: &'h str,
    /// Without the question mark.
    pub(crate) query: &'h str,
}

impl<'h> Target<'h> {
    /// Splits origin-form and absolute-form (RFC 9112, section 3.2).
    ///
    /// # Errors
    /// `InvalidURI` for anything else, and for a fragment.
    pub(crate) fn parse(target: &'h str) -> Result<Self, Error> {
        let (host, rest) = match target.get(..7) {
            Some(scheme) if scheme.eq_ignore_ascii_case("http://") => {
                let rest = &target[7..];
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            _ => (None, target),
        };
        let (path, query) = match memchr(b'?', rest.as_bytes()) {
            Some(at) => (&rest[..at], &rest[at + 1..]),
            None => (rest, ""),
        };
        let path = if path.is_empty() && host.is_some() { "/" } else { path };
        if !path.starts_with('/') || host == Some("") || target.contains('#') {
            return Err(Error::new(Code::InvalidURI));
        }
        Ok(Self { host, path, query })
    }
}

/// What is before the first `at`, an ASCII character, and what is behind it; for texts in which
/// it comes soon, or which are as short as a host: what searches many bytes at once begins slowly.
pub(crate) fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let found = text.bytes().position(|byte| byte == at)?;
    Some((text.get(..found)?, text.get(found + 1..)?))
}

/// Percent-decodes once. `+` stays what it is.
///
/// # Errors
/// `InvalidURI` for a broken escape or what is not UTF-8 afterwards.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, Error> {
    if !text.as_bytes().contains(&b'%') {
        return Ok(Cow::Borrowed(text));
    }
    let broken = text.split('%').skip(1).any(|after| {
        let hex = after.as_bytes().get(..2);
        !hex.is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit))
    });
    if broken {
        return Err(Error::new(Code::InvalidURI));
    }
    percent_decode_str(text).decode_utf8().map_err(|_| Error::new(Code::InvalidURI))
}

/// The parameters of a query, decoded; `+` is a space here.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads `a=1&b&c=`: a name alone is the same as one with an empty value.
    ///
    /// # Errors
    /// As [`decode`].
    pub(crate) fn parse(query: &str) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        if query.is_empty() {
            return Ok(Self { pairs });
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = value.replace('+', " ");
            pairs.push((decode(name)?.into_owned(), decode(&value)?.into_owned()));
        }
        Ok(Self { pairs })
    }

    /// The first value of that name, as it is.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The first value of that name; empty counts as absent.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether that name is there, with a value or without.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and values in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        // Origin-form and absolute-form are split; every other form is refused.
        let parts = |t| Target::parse(t).map(|t| (t.host, t.path, t.query)).ok();
        assert_eq!(parts("/b/k?x=1?2"), Some((None, "/b/k", "x=1?2")));
        assert_eq!(parts("//k"), Some((None, "//k", "")));
        assert_eq!(parts("HTTP://h:1/b?c"), Some((Some("h:1"), "/b", "c")));
        assert_eq!(parts("http://h"), Some((Some("h"), "/", "")));
        assert_eq!(parts("http://h?c"), Some((Some("h"), "/", "c")));
        for bad in ["*", "b/k", "http:///b", "h:80", "", "/a#b", "ftp://h/b"] {
            assert_eq!(parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn decoding() {
        // Escapes are decoded exactly once, and broken ones are refused.
        assert_eq!(decode("a%2Fb%20c+%25d").unwrap(), "a/b c+%d");
        assert_eq!(decode("%C3%BC").unwrap(), "ü");
        for bad in ["%", "%2", "%zz", "a%", "%2x", "%FF", "%C3"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn queries() {
        // A query gives its values decoded, `+` as a space, and an empty value as absent.
        let q = Query::parse("list-type=2&prefix=a+b%2B&uploads=&location&&=x").unwrap();
        assert_eq!(q.get("prefix"), Some("a b+"));
        assert_eq!(q.get("uploads"), Some(""));
        assert_eq!(q.filled("uploads"), None);
        assert!(q.has("location") && !q.has("prefi"));
        assert!(Query::parse("a=%").is_err());
    }
}
