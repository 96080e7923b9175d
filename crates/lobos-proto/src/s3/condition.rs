//! Conditions: If-Match and its relatives, with the precedence of RFC 9110, section 13.2.2.

use super::error::{Code, Error};
use super::etag::ETag;
use super::time::Timestamp;

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

    /// Holds them against the object that is there now.
    ///
    /// # Errors
    /// `PreconditionFailed`.
    pub fn check(&self, etag: &ETag, size: u64, modified: Timestamp) -> Result<(), Error> {
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
}
