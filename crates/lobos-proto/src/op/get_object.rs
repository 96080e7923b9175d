//! GetObject: the bytes of an object, or a range of them.

use std::ops::Range;

use super::EMBEDDING;
use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::http::is_token;
use crate::http::range::ByteRange;
use crate::http::target::Query;
use crate::s3::condition::{ReadConditions, Tags};
use crate::{BucketName, Checksum, ChecksumType, Code, Error, Key, ObjectInfo, Parts, Timestamp};

/// Asks for an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// If-Match and its relatives.
    pub conditions: ReadConditions,
    /// Which bytes.
    pub part: Part,
    /// response-* parameters.
    pub overrides: Overrides,
    /// x-amz-checksum-mode: ENABLED.
    pub checksums: bool,
}

/// Which bytes of an object are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// All.
    Whole,
    /// A Range that could be read; one that could not is ignored (RFC 9110, section 14.2).
    Range(ByteRange),
    /// As [`Part::Range`] if the object is still this one, else as [`Part::Whole`] (If-Range).
    IfUnchanged(ByteRange, Box<Validator>),
    /// partNumber; an object that came in one piece has the part 1.
    Number(u32),
}

/// What an If-Range says of the object that the client has a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validator {
    /// Its tag, without quotes; a weak one keeps its `W/` and so is no object's.
    Tag(String),
    /// Its Last-Modified.
    Modified(Timestamp),
}

impl Validator {
    /// Reads an If-Range: a date, or else a tag with or without quotes.
    fn parse(value: &str) -> Self {
        match Timestamp::from_http(value) {
            Some(time) => Self::Modified(time),
            None => Self::Tag(value.trim_matches('"').to_owned()),
        }
    }

    /// Strong comparison, and dates that are the same (RFC 9110, section 13.1.5).
    fn matches(&self, info: &ObjectInfo) -> bool {
        match self {
            Self::Tag(tag) => tag == info.etag.as_str(),
            Self::Modified(time) => time.secs() == info.modified.secs(),
        }
    }
}

/// Headers that replace those of the object (response-content-type and so on).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// response-content-type
    pub content_type: Option<String>,
    /// response-content-language
    pub content_language: Option<String>,
    /// response-expires
    pub expires: Option<String>,
    /// response-cache-control
    pub cache_control: Option<String>,
    /// response-content-disposition
    pub content_disposition: Option<String>,
    /// response-content-encoding
    pub content_encoding: Option<String>,
}

/// The answer: the object and which of its bytes go out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectResponse {
    /// The object.
    pub info: ObjectInfo,
    /// Bytes to send, `0..size` for all.
    pub range: Range<u64>,
    /// Whether it is a 206 with Content-Range.
    pub partial: bool,
    /// From the request: partNumber.
    pub part: Option<u32>,
    /// From the request.
    pub overrides: Overrides,
    /// From the request.
    pub checksums: bool,
}

impl GetObject {
    /// The answer for this object: conditions first, then the range.
    ///
    /// # Errors
    /// `PreconditionFailed`, `NotModified`, `InvalidRange`, `InvalidPartNumber`.
    pub fn respond(self, info: ObjectInfo) -> Result<ObjectResponse, Error> {
        self.conditions.check(&info.etag, info.modified)?;
        let size = info.size;
        let (range, partial) = match &self.part {
            Part::IfUnchanged(_, validator) if !validator.matches(&info) => (0..size, false),
            Part::Whole => (0..size, false),
            Part::Number(number) => {
                let range = part(&info, *number)?;
                (range.clone(), !range.is_empty())
            }
            Part::Range(wanted) | Part::IfUnchanged(wanted, _) => match wanted.resolve(size) {
                Some(range) => (range.clone(), !range.is_empty()),
                None => {
                    return Err(Error::new(Code::InvalidRange).size(size, &wanted.to_string()));
                }
            },
        };
        let part = match self.part {
            Part::Number(number) => Some(number),
            _ => None,
        };
        let (overrides, checksums) = (self.overrides, self.checksums);
        Ok(ObjectResponse { info, range, partial, part, overrides, checksums })
    }
}

/// Where the part with this number is, counted from 1 however the client numbered them; an object
/// that came in one piece is its part 1.
fn part(info: &ObjectInfo, number: u32) -> Result<Range<u64>, Error> {
    let found = match &info.parts {
        Some(parts) => parts.nth(number, info.size).map(|(range, _)| range),
        None => (number == 1).then_some(0..info.size),
    };
    found.ok_or_else(|| {
        let count = info.parts.as_ref().map_or(1, Parts::count);
        Error::new(Code::InvalidPartNumber)
            .element("ActualPartCount", count.to_string())
            .element("PartNumberRequested", number.to_string())
    })
}

impl GetObject {
    /// # Errors
    /// `InvalidRequest`, `InvalidArgument`, `NoSuchVersion`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        query: &Query,
    ) -> Result<Self, Error> {
        super::check_version(query)?;
        let number = super::part_number(query)?;
        let range = head.get("range").and_then(ByteRange::parse);
        let part = match (number, range) {
            (Some(_), Some(_)) => {
                return Err(Error::new(Code::InvalidRequest)
                    .message("Cannot specify both Range header and partNumber query parameter"));
            }
            (Some(number), None) => Part::Number(number),
            (None, Some(range)) => match head.get("if-range").map(Validator::parse) {
                Some(validator) => Part::IfUnchanged(range, Box::new(validator)),
                None => Part::Range(range),
            },
            (None, None) => Part::Whole,
        };
        let tags = |name| head.get(name).map(Tags::parse);
        let date = |name| head.get(name).and_then(Timestamp::from_http);
        let conditions = ReadConditions {
            if_match: tags("if-match"),
            if_none_match: tags("if-none-match"),
            if_modified_since: date("if-modified-since"),
            if_unmodified_since: date("if-unmodified-since"),
        };
        let mode = head.get("x-amz-checksum-mode");
        let checksums = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
        let overrides = Overrides::parse(query)?;
        Ok(Self { bucket, key, conditions, part, overrides, checksums })
    }
}

impl Overrides {
    fn parse(query: &Query) -> Result<Self, Error> {
        let value = |name: &str| match query.filled(name) {
            Some(value) if value.chars().any(char::is_control) => {
                Err(Error::new(Code::InvalidArgument)
                    .message(format!("The value of {name} cannot be a header.")))
            }
            value => Ok(value.map(str::to_owned)),
        };
        Ok(Self {
            content_type: value("response-content-type")?,
            content_language: value("response-content-language")?,
            expires: value("response-expires")?,
            cache_control: value("response-cache-control")?,
            content_disposition: value("response-content-disposition")?,
            content_encoding: value("response-content-encoding")?,
        })
    }
}

/// Whether a browser would run what is in a body of this type. Of several with commas between them
/// it takes the last that it knows.
fn is_active(content_type: &str) -> bool {
    const NAMES: [&str; 5] =
        ["application/xml", "multipart/x-mixed-replace", "text/html", "text/xml", "text/xsl"];
    content_type.split(',').any(|one| {
        // Signs that no header has become spaces in the answer.
        let space = |c: char| c.is_whitespace() || c.is_control();
        let kind = one.split(';').next().unwrap_or_default().trim_matches(space);
        let last = kind.len().checked_sub("+xml".len()).and_then(|at| kind.get(at..));
        NAMES.iter().any(|name| kind.eq_ignore_ascii_case(name))
            || last.is_some_and(|last| last.eq_ignore_ascii_case("+xml"))
    })
}

impl ObjectResponse {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        if self.partial { 206 } else { 200 }
    }

    /// Writes the head; the body is `range` of the source.
    pub(crate) fn write(&self, mut answer: Answer<'_>) {
        let (info, own, over) = (&self.info, &self.info.metadata, &self.overrides);
        let content_type = over.content_type.as_deref().unwrap_or(&info.content_type);
        answer.header("Content-Length", self.range.end - self.range.start);
        answer.header("Content-Type", content_type);
        answer.header("ETag", info.etag);
        answer.header("Last-Modified", info.modified);
        answer.lines("Accept-Ranges: bytes\r\n");
        if self.partial {
            let (first, last) = (self.range.start, self.range.end - 1);
            answer.header("Content-Range", format_args!("bytes {first}-{last}/{}", info.size));
        }
        if let (Some(parts), Some(_)) = (&info.parts, self.part) {
            answer.header("x-amz-mp-parts-count", parts.count());
        }
        if info.tags > 0 {
            answer.header("x-amz-tagging-count", info.tags);
        }
        let kept = [
            ("Cache-Control", over.cache_control.as_ref().or(own.cache_control.as_ref())),
            (
                "Content-Disposition",
                over.content_disposition.as_ref().or(own.content_disposition.as_ref()),
            ),
            ("Content-Encoding", over.content_encoding.as_ref().or(own.content_encoding.as_ref())),
            ("Content-Language", over.content_language.as_ref().or(own.content_language.as_ref())),
            ("Expires", over.expires.as_ref().or(own.expires.as_ref())),
            ("x-amz-website-redirect-location", own.website_redirect.as_ref()),
        ];
        for (name, value) in kept {
            if let Some(value) = value {
                answer.header(name, value);
            }
        }
        // A store may have kept what never came by a request.
        for (name, value) in own.user.iter().filter(|(name, _)| is_token(name)) {
            answer.header(&format!("x-amz-meta-{name}"), value);
        }
        if self.checksums {
            self.write_checksums(&mut answer);
        }
        answer.lines("X-Content-Type-Options: nosniff\r\n");
        if !answer.has_cors(EMBEDDING) {
            answer.lines("Cross-Origin-Resource-Policy: same-origin\r\n");
        }
        if is_active(content_type) {
            answer.header("Content-Security-Policy", "sandbox");
        }
        answer.end();
    }

    /// The checksums of what is sent: of a part that brought one, or of the whole object; none for
    /// a range. minio-go reads the parts of objects with a full checksum so, too.
    fn write_checksums(&self, answer: &mut Answer<'_>) {
        let info = &self.info;
        let whole = self.range == (0..info.size) && (!self.partial || self.part.is_some());
        let kind = info.checksums.first().map(Checksum::kind);
        let part = match (&info.parts, self.part) {
            (Some(parts), Some(number)) => parts.nth(number, info.size),
            _ => None,
        };
        let digest = part.and_then(|(_, part)| part.checksum);
        if let (Some(digest), Some(kind)) = (digest, kind) {
            answer.header(digest.algorithm().header(), digest.to_base64());
            answer.header("x-amz-checksum-type", kind.as_str());
        } else if whole && (self.part.is_none() || kind == Some(ChecksumType::FullObject)) {
            for checksum in &info.checksums {
                answer.header(checksum.algorithm().header(), checksum);
            }
            if let Some(kind) = kind {
                answer.header("x-amz-checksum-type", kind.as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn active() {
        // What a browser would run is known in whatever a header makes of it.
        let same =
            ["text/html", " text/HTML ;a=b", "a/b,text/xml", "image/svg+xml", "text/html\u{1}"];
        for kind in same.into_iter().chain(["\0text/html\u{7f};x", "a/b\u{1},\ttext/xsl"]) {
            assert!(is_active(kind), "{kind:?}");
        }
        for kind in ["", "text/plain", "text/htm l", "text/html2", "a/xml", "text/plain;text/html"]
        {
            assert!(!is_active(kind), "{kind:?}");
        }
    }
}
