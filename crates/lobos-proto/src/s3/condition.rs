//! Conditions: If-Match and its relatives, with the precedence of RFC 9110, section 13.2.2.

use super::error::{Code, Error};
use super::etag::ETag;
use super::time::Timestamp;
use crate::http::head::Head;

/// The entity tags of one If-Match or If-None-Match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// `*`: any object at all.
    Any,
    /// These, without quotes; a weak one keeps its `W/` and so matches nothing strong.
    List(Vec<String>),
}

impl Tags {
    /// Reads a header value: `*`, or tags separated by commas, each with or without quotes.
    pub fn parse(value: &str) -> Self {
        let value = value.trim();
        if value == "*" {
            return Self::Any;
        }
        let strip = |tag: &str| tag.trim().trim_matches('"').to_owned();
        Self::List(value.split(',').map(strip).filter(|tag| !tag.is_empty()).collect())
    }

    /// Whether an object with this tag is meant.
    pub fn matches(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::List(tags) => tags.iter().any(|tag| tag == etag.as_str()),
        }
    }

    /// The weak comparison of If-None-Match: `W/` is ignored.
    fn matches_weakly(&self, etag: &ETag) -> bool {
        let bare =
            |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == etag.as_str();
        match self {
            Self::Any => true,
            Self::List(tags) => tags.iter().any(|tag| bare(tag)),
        }
    }
}

/// The conditions of a GetObject or HeadObject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// If-Match.
    pub if_match: Option<Tags>,
    /// If-None-Match.
    pub if_none_match: Option<Tags>,
    /// If-Modified-Since; a value that is no date is ignored.
    pub if_modified_since: Option<Timestamp>,
    /// If-Unmodified-Since; a value that is no date is ignored.
    pub if_unmodified_since: Option<Timestamp>,
}

impl ReadConditions {
    /// Those of the four headers `PREFIX-if-*`; with "" as prefix `If-*`. A date that is none is
    /// ignored (RFC 9110, section 13.1.3).
    pub(crate) fn with_prefix(head: &Head<'_>, prefix: &str) -> Self {
        let value = |name: &str| match prefix {
            "" => head.get(name),
            prefix => head.get(&format!("{prefix}-{name}")),
        };
        let date = |name| value(name).and_then(Timestamp::from_http);
        Self {
            if_match: value("if-match").map(Tags::parse),
            if_none_match: value("if-none-match").map(Tags::parse),
            if_modified_since: date("if-modified-since"),
            if_unmodified_since: date("if-unmodified-since"),
        }
    }

    /// Holds them against an object for an operation that changes something: there is no 304, and
    /// `names` are what the four headers are called, in the order of the fields.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub fn check_for_write(
        &self,
        etag: &ETag,
        modified: Timestamp,
        names: [&'static str; 4],
    ) -> Result<(), Error> {
        let Err(error) = self.check(etag, modified) else { return Ok(()) };
        let none_match = self.if_none_match.is_some();
        let name = match (error.code(), self.if_match.is_some(), none_match) {
            (Code::NotModified, _, true) => names[1],
            (Code::NotModified, _, false) => names[2],
            (_, true, _) => names[0],
            (_, false, _) => names[3],
        };
        Err(Error::new(Code::PreconditionFailed).condition(name))
    }

    /// Holds them against an object.
    ///
    /// # Errors
    /// `PreconditionFailed`, or `NotModified` with the tag and time of the object.
    pub fn check(&self, etag: &ETag, modified: Timestamp) -> Result<(), Error> {
        let failed = |header| Err(Error::new(Code::PreconditionFailed).condition(header));
        let unchanged = || Err(Error::new(Code::NotModified).current(*etag, modified));
        match (&self.if_match, self.if_unmodified_since) {
            (Some(tags), _) if !tags.matches(etag) => return failed("If-Match"),
            (None, Some(since)) if modified.secs() > since.secs() => {
                return failed("If-Unmodified-Since");
            }
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(tags), _) if tags.matches_weakly(etag) => unchanged(),
            (None, Some(since)) if modified.secs() <= since.secs() => unchanged(),
            _ => Ok(()),
        }
    }
}

/// The conditions of a write: what must be there, or must not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteConditions {
    /// If-None-Match: * - there must be no object yet.
    pub absent: bool,
    /// If-Match - there must be an object, and it must have this tag.
    pub matches: Option<Tags>,
}

impl WriteConditions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        !self.absent && self.matches.is_none()
    }

    /// Holds them against what is there now.
    ///
    /// # Errors
    /// `PreconditionFailed`; `NoSuchKey` if If-Match finds no object.
    pub fn check(&self, current: Option<&ETag>) -> Result<(), Error> {
        let failed = |header| Err(Error::new(Code::PreconditionFailed).condition(header));
        match (current, &self.matches) {
            (Some(_), _) if self.absent => failed("If-None-Match"),
            (Some(etag), Some(tags)) if !tags.matches(etag) => failed("If-Match"),
            (None, Some(_)) => Err(Error::new(Code::NoSuchKey)),
            _ => Ok(()),
        }
    }
}

/// The conditions of a delete: what is removed must be what the client knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteConditions {
    /// If-Match.
    pub matches: Option<Tags>,
    /// x-amz-if-match-size.
    pub size: Option<u64>,
    /// x-amz-if-match-last-modified-time; only its second counts.
    pub modified: Option<Timestamp>,
}

impl DeleteConditions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Holds them against the object that is there now: its tag, size in bytes and time.
    ///
    /// # Errors
    /// `PreconditionFailed`; `NoSuchKey` if If-Match finds no object. The size and the time of one
    /// that is not there hold.
    pub fn check(&self, current: Option<(&ETag, u64, Timestamp)>) -> Result<(), Error> {
        let Some((etag, size, modified)) = current else {
            return match self.matches {
                Some(_) => Err(Error::new(Code::NoSuchKey)),
                None => Ok(()),
            };
        };
        let failed = |header| Err(Error::new(Code::PreconditionFailed).condition(header));
        if self.matches.as_ref().is_some_and(|tags| !tags.matches(etag)) {
            return failed("If-Match");
        }
        if self.size.is_some_and(|wanted| wanted != size) {
            return failed("x-amz-if-match-size");
        }
        if self.modified.is_some_and(|wanted| wanted.secs() != modified.secs()) {
            return failed("x-amz-if-match-last-modified-time");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(conditions: ReadConditions) -> u16 {
        let etag = ETag::new("abc").unwrap();
        conditions
            .check(&etag, Timestamp::from_unix(1000, 5))
            .map_or_else(|e| e.code().status(), |()| 200)
    }

    fn tags(value: &str) -> Option<Tags> {
        Some(Tags::parse(value))
    }

    fn at(secs: i64) -> Option<Timestamp> {
        Some(Timestamp::from_unix(secs, 0))
    }

    #[test]
    fn single() {
        // Each condition alone passes and fails where RFC 9110 says; the very second is unchanged.
        let none = ReadConditions::default;
        assert_eq!(check(none()), 200);
        for (value, status) in [
            ("\"abc\"", 200),
            ("abc", 200),
            ("*", 200),
            ("\"x\", \"abc\"", 200),
            ("\"x\"", 412),
            ("W/\"abc\"", 412),
        ] {
            assert_eq!(
                check(ReadConditions { if_match: tags(value), ..none() }),
                status,
                "{value}"
            );
        }
        for (value, status) in [("\"abc\"", 304), ("*", 304), ("W/\"abc\"", 304), ("\"x\"", 200)] {
            assert_eq!(
                check(ReadConditions { if_none_match: tags(value), ..none() }),
                status,
                "{value}"
            );
        }
        for (secs, status) in [(999, 200), (1000, 304), (1001, 304)] {
            assert_eq!(check(ReadConditions { if_modified_since: at(secs), ..none() }), status);
        }
        for (secs, status) in [(999, 412), (1000, 200), (1001, 200)] {
            assert_eq!(check(ReadConditions { if_unmodified_since: at(secs), ..none() }), status);
        }
    }

    #[test]
    fn precedence() {
        // A tag makes the date of its pair irrelevant; If-Match fails before If-None-Match.
        let none = ReadConditions::default;
        assert_eq!(
            check(ReadConditions { if_match: tags("abc"), if_unmodified_since: at(1), ..none() }),
            200
        );
        assert_eq!(
            check(ReadConditions {
                if_none_match: tags("x"),
                if_modified_since: at(2000),
                ..none()
            }),
            200
        );
        assert_eq!(
            check(ReadConditions {
                if_none_match: tags("abc"),
                if_modified_since: at(1),
                ..none()
            }),
            304
        );
        assert_eq!(
            check(ReadConditions { if_match: tags("x"), if_none_match: tags("abc"), ..none() }),
            412
        );
    }

    #[test]
    fn writes() {
        // A write goes ahead only on what its conditions allow.
        let etag = ETag::new("abc").unwrap();
        let code = |c: WriteConditions, now: Option<&ETag>| c.check(now).map_err(|e| e.code());
        let absent = || WriteConditions { absent: true, matches: None };
        let matches = |v| WriteConditions { absent: false, matches: tags(v) };
        assert_eq!(code(absent(), None), Ok(()));
        assert_eq!(code(absent(), Some(&etag)), Err(Code::PreconditionFailed));
        assert_eq!(code(matches("\"abc\""), Some(&etag)), Ok(()));
        assert_eq!(code(matches("x"), Some(&etag)), Err(Code::PreconditionFailed));
        assert_eq!(code(matches("*"), None), Err(Code::NoSuchKey));
    }

    #[test]
    fn deletes() {
        // A delete goes ahead only on the object that its conditions name; where there is none,
        // only If-Match fails.
        let etag = ETag::new("abc").unwrap();
        let now = Some((&etag, 5, Timestamp::from_unix(1000, 999_999_999)));
        let none = DeleteConditions::default;
        let matches = |value| DeleteConditions { matches: tags(value), ..none() };
        let size = |size| DeleteConditions { size: Some(size), ..none() };
        let modified = |secs| DeleteConditions { modified: at(secs), ..none() };
        let failed = Err(Code::PreconditionFailed);
        for (conditions, there, missing) in [
            (none(), Ok(()), Ok(())),
            (matches("\"abc\""), Ok(()), Err(Code::NoSuchKey)),
            (matches("*"), Ok(()), Err(Code::NoSuchKey)),
            (matches("x"), failed, Err(Code::NoSuchKey)),
            (size(5), Ok(()), Ok(())),
            (size(6), failed, Ok(())),
            (modified(1000), Ok(()), Ok(())),
            (modified(1001), failed, Ok(())),
            (DeleteConditions { size: Some(6), ..matches("abc") }, failed, Err(Code::NoSuchKey)),
        ] {
            let code = |now| conditions.check(now).map_err(|e: Error| e.code());
            assert_eq!((code(now), code(None)), (there, missing), "{conditions:?}");
        }
    }
}
