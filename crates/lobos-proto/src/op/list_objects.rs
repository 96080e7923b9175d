//! ListObjects, ListObjectsV2 and ListObjectVersions: one page of the keys of a bucket.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::list_buckets::write_owner;
use crate::http::encode::Answer;
use crate::http::target::Query;
use crate::s3::digits::Decimal;
use crate::s3::xml::Xml;
use crate::{BucketName, Code, ETag, Error, Limits, ObjectInfo, Timestamp};

/// Asks for the next page after `after`, in the byte order of keys.
///
/// A key with the delimiter after the prefix counts as its common prefix (up to and with that
/// delimiter). Keys and common prefixes each count once toward `max_keys`. A page starts at the
/// first key, or common prefix, greater than `after`; and if `after` is itself a common prefix
/// (it begins with `prefix`, and its first delimiter after the prefix is its end), all keys that
/// begin with it are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjects {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin so; may be empty.
    pub prefix: String,
    /// Never empty.
    pub delimiter: Option<String>,
    /// 0 to 1,000; 0 is an empty page that is not truncated.
    pub max_keys: u32,
    /// The last key or common prefix of the page before (marker, start-after or token).
    pub after: Option<String>,
    /// Names in the answer are percent-encoded (encoding-type=url).
    pub encode: bool,
    /// Which of the two operations it is.
    pub version: ListingVersion,
}

/// What the list operations have each for itself; goes back into the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListingVersion {
    /// ListObjects.
    V1 {
        /// As it was sent.
        marker: String,
    },
    /// ListObjectsV2.
    V2 {
        /// As it was sent.
        start_after: Option<String>,
        /// As it was sent.
        token: Option<String>,
        /// Owners are wanted.
        fetch_owner: bool,
    },
    /// ListObjectVersions: each object has one version, `null`.
    Versions {
        /// As it was sent.
        key_marker: String,
        /// As it was sent.
        version_marker: String,
    },
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The request that it answers.
    pub request: ListObjects,
    /// In byte order of their keys.
    pub objects: Vec<ListedObject>,
    /// In byte order; each ends with the delimiter.
    pub prefixes: Vec<String>,
    /// If more follows: the last key or common prefix of this page.
    pub next: Option<String>,
}

impl Page {
    /// The page of a store that can go through its objects: they come in byte order of their keys,
    /// and what of them is on the page is seen to here.
    pub fn of(request: ListObjects, objects: impl IntoIterator<Item = ListedObject>) -> Self {
        let mut page = Self { request, objects: Vec::new(), prefixes: Vec::new(), next: None };
        let after = page.request.after.clone().unwrap_or_default();
        // A common prefix ended the page before: all that it stands for was on that.
        let is_prefix = after.starts_with(&page.request.prefix)
            && page.request.common_prefix(&after) == Some(&after);
        let mut last = None;
        for object in objects {
            let key = object.key.as_str();
            if !key.starts_with(&page.request.prefix) || (is_prefix && key.starts_with(&after)) {
                continue;
            }
            let common = page.request.common_prefix(key).map(str::to_owned);
            let name = common.as_deref().unwrap_or(key);
            let is_known =
                name <= after.as_str() || page.prefixes.last().is_some_and(|l| l == name);
            if is_known || !page.request.can_show(name) {
                continue;
            }
            if page.objects.len() + page.prefixes.len() >= page.request.max_keys as usize {
                page.next = last;
                break;
            }
            last = Some(name.to_owned());
            match common {
                Some(common) => page.prefixes.push(common),
                None => page.objects.push(object),
            }
        }
        page
    }
}

/// One object of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// Last-Modified.
    pub modified: Timestamp,
    /// As HeadObject has it.
    pub etag: ETag,
}

impl ListedObject {
    /// What a page tells of this object.
    pub fn of(key: impl Into<String>, info: &ObjectInfo) -> Self {
        Self { key: key.into(), size: info.size, modified: info.modified, etag: info.etag }
    }
}

/// encoding-type=url leaves these and the slash as they are.
const KEEP: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// A continuation token is this and the hex of the last key.
const TOKEN: char = '1';

impl ListObjects {
    /// list-type=2 is V2, and `versions` asks for versions.
    ///
    /// # Errors
    /// `InvalidArgument` for max-keys, encoding-type, list-type or a token that are none.
    pub(crate) fn parse(bucket: BucketName, query: &Query, limits: &Limits) -> Result<Self, Error> {
        let invalid = |why: &'static str| Error::new(Code::InvalidArgument).message(why);
        let max_keys = match query.filled("max-keys") {
            None => limits.max_keys,
            Some(text) => max_keys(text)?.min(limits.max_keys),
        };
        let encode = match query.filled("encoding-type") {
            None => false,
            Some(url) if url.eq_ignore_ascii_case("url") => true,
            Some(other) => {
                let error = invalid("Invalid Encoding Method specified in Request");
                return Err(error.argument("encoding-type", other));
            }
        };
        let (version, after) = version(query)?;
        let prefix = query.get("prefix").unwrap_or_default().to_owned();
        let delimiter = query.filled("delimiter").map(str::to_owned);
        Ok(Self { bucket, prefix, delimiter, max_keys, after, encode, version })
    }

    /// The part of a key up to the first delimiter after the prefix, which it begins with.
    pub fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref()?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }

    /// Whether a key or common prefix can stand in the answer: XML 1.0 has no way to write most
    /// control characters, and one of them would make the page unreadable.
    pub fn can_show(&self, name: &str) -> bool {
        let is_text = |c: char| {
            matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'))
        };
        self.encode || is_plain(name) || name.chars().all(is_text)
    }
}

/// Which operation it is, and what its page comes after.
fn version(query: &Query) -> Result<(ListingVersion, Option<String>), Error> {
    let invalid = |why: &'static str| Error::new(Code::InvalidArgument).message(why);
    let text = |name| query.filled(name).map(str::to_owned);
    if query.has("versions") {
        let (after, version_marker) = (text("key-marker"), text("version-id-marker"));
        if after.is_none() && version_marker.is_some() {
            return Err(invalid("A version-id marker cannot be specified without a key marker."));
        }
        let key_marker = after.clone().unwrap_or_default();
        let version_marker = version_marker.unwrap_or_default();
        return Ok((ListingVersion::Versions { key_marker, version_marker }, after));
    }
    match query.filled("list-type") {
        None | Some("1") => {
            let marker = text("marker");
            Ok((ListingVersion::V1 { marker: marker.clone().unwrap_or_default() }, marker))
        }
        Some("2") => {
            let (start_after, token) = (text("start-after"), text("continuation-token"));
            let after = match query.get("continuation-token") {
                Some(token) => Some(read_token(token)?),
                None => start_after.clone(),
            };
            let fetch_owner = query.get("fetch-owner") == Some("true");
            Ok((ListingVersion::V2 { start_after, token, fetch_owner }, after))
        }
        Some(_) => Err(invalid("Invalid list-type")),
    }
}

/// At most 2,147,483,647.
fn max_keys(text: &str) -> Result<u32, Error> {
    let (name, why) = match text.parse::<i32>().map(u32::try_from) {
        Ok(Ok(max)) => return Ok(max),
        Ok(Err(_)) => ("maxKeys", "Argument maxKeys must be an integer between 0 and 2147483647"),
        Err(_) => ("max-keys", "Provided max-keys not an integer or within integer range"),
    };
    Err(Error::new(Code::InvalidArgument).message(why).argument(name, text))
}

/// Where the next page begins, in a form that clients do not read.
pub(super) fn write_token(last: &str) -> String {
    let mut token = String::with_capacity(1 + last.len() * 2);
    token.push(TOKEN);
    for byte in last.bytes() {
        for nibble in [byte >> 4, byte & 0xf] {
            token.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
    token
}

/// What [`write_token`] wrote.
///
/// # Errors
/// `InvalidArgument`.
pub(super) fn read_token(token: &str) -> Result<String, Error> {
    last_of(token).ok_or_else(|| {
        Error::new(Code::InvalidArgument)
            .message("The continuation token provided is incorrect")
            .argument("continuation-token", token)
    })
}

fn last_of(token: &str) -> Option<String> {
    let hex = token.strip_prefix(TOKEN)?.as_bytes();
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes = hex.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok().filter(|key| !key.is_empty())
}

/// A name as it stands in an answer, percent-encoded if that is asked for.
pub(super) fn encoded(text: &str, encode: bool) -> Cow<'_, str> {
    if encode { utf8_percent_encode(text, KEEP).into() } else { Cow::Borrowed(text) }
}

/// Whether a name looks the same in every answer, as most do.
fn is_plain(name: &str) -> bool {
    const PLAIN: [bool; 256] = {
        let (mut table, mut at) = ([false; 256], 0);
        while at < 256 {
            let byte = at as u8;
            let kept = matches!(byte, b'-'..=b'/' | b'_' | b'~');
            table[at] = byte.is_ascii_alphanumeric() || kept;
            at += 1;
        }
        table
    };
    name.bytes().all(|b| PLAIN[usize::from(b)])
}

pub(crate) fn write(answer: Answer<'_>, page: &Page) {
    let request = &page.request;
    let name = |text| encoded(text, request.encode);
    let root = match request.version {
        ListingVersion::Versions { .. } => "ListVersionsResult",
        _ => "ListBucketResult",
    };
    let mut xml = Xml::s3(root);
    xml.text("Name", request.bucket.as_str());
    xml.text("Prefix", &name(&request.prefix));
    write_markers(&mut xml, page);
    xml.display("MaxKeys", request.max_keys);
    if let Some(delimiter) = &request.delimiter {
        xml.text("Delimiter", &name(delimiter));
    }
    if request.encode {
        xml.text("EncodingType", "url");
    }
    xml.display("IsTruncated", page.next.is_some());
    write_objects(&mut xml, page, answer.owner());
    for prefix in &page.prefixes {
        xml.open("CommonPrefixes");
        xml.text("Prefix", &name(prefix));
        xml.close("CommonPrefixes");
    }
    xml.close(root);
    answer.document(xml);
}

/// The entry of each object. A page of 1,000 is nearly all of this, so that what stands between two
/// values is one piece.
fn write_objects(xml: &mut Xml, page: &Page, owner: &str) {
    let request = &page.request;
    let (open, key_end, close) = match request.version {
        ListingVersion::Versions { .. } => (
            "<Version><Key>",
            "</Key><VersionId>null</VersionId><IsLatest>true</IsLatest><LastModified>",
            "<StorageClass>STANDARD</StorageClass></Version>",
        ),
        _ => (
            "<Contents><Key>",
            "</Key><LastModified>",
            "<StorageClass>STANDARD</StorageClass></Contents>",
        ),
    };
    let with_owner = !matches!(request.version, ListingVersion::V2 { fetch_owner: false, .. });
    let mut size_end = Xml::empty();
    if with_owner {
        write_owner(&mut size_end, owner);
    }
    size_end.raw(close);
    let size_end = size_end.finish();
    let around = 160 + key_end.len() + size_end.len();
    xml.reserve(page.objects.iter().map(|object| around + object.key.len()).sum());
    for object in &page.objects {
        xml.raw(open);
        if is_plain(&object.key) {
            xml.raw(&object.key);
        } else {
            xml.content(&encoded(&object.key, request.encode));
        }
        xml.raw(key_end);
        xml.part(&object.modified.iso8601(), "</LastModified><ETag>&quot;");
        xml.part(object.etag.as_bytes(), "&quot;</ETag><Size>");
        xml.part(Decimal::from(object.size).as_bytes(), "</Size>");
        xml.raw(&size_end);
    }
}

/// Where the page begins, and where the next one does.
fn write_markers(xml: &mut Xml, page: &Page) {
    let request = &page.request;
    let name = |text| encoded(text, request.encode);
    let next = page.next.as_deref();
    match &request.version {
        ListingVersion::V1 { marker } => {
            xml.text("Marker", &name(marker));
            // Without a delimiter clients go on after the last key.
            if let Some(next) = next.filter(|_| request.delimiter.is_some()) {
                xml.text("NextMarker", &name(next));
            }
        }
        ListingVersion::V2 { start_after, token, .. } => {
            xml.display("KeyCount", page.objects.len() + page.prefixes.len());
            if let Some(start_after) = start_after {
                xml.text("StartAfter", &name(start_after));
            }
            if let Some(token) = token {
                xml.text("ContinuationToken", token);
            }
            if let Some(next) = next {
                xml.text("NextContinuationToken", &write_token(next));
            }
        }
        ListingVersion::Versions { key_marker, version_marker } => {
            xml.text("KeyMarker", &name(key_marker));
            xml.text("VersionIdMarker", version_marker);
            if let Some(next) = next {
                xml.text("NextKeyMarker", &name(next));
                // A common prefix has no version.
                if page.objects.last().is_some_and(|object| object.key == next) {
                    xml.text("NextVersionIdMarker", "null");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<ListObjects, u16> {
        let query = Query::parse(query).unwrap();
        let bucket = BucketName::new("b").unwrap();
        ListObjects::parse(bucket, &query, &Limits::default()).map_err(|e| e.code().status())
    }

    #[test]
    fn queries() {
        // Both versions read their parameters; an empty one is absent, a wrong one is refused.
        let v1 = parse("prefix=p&delimiter=&marker=m&max-keys=5000").unwrap();
        assert_eq!((v1.delimiter, v1.after, v1.max_keys), (None, Some("m".into()), 1000));
        let v2 =
            parse("list-type=2&start-after=s&delimiter=/&encoding-type=url&max-keys=0").unwrap();
        assert_eq!((v2.after, v2.max_keys, v2.encode), (Some("s".into()), 0, true));
        let token = write_token("ü/");
        let next = parse(&format!("list-type=2&start-after=s&continuation-token={token}")).unwrap();
        assert_eq!(next.after, Some("ü/".into()));
        let versions = parse("versions&key-marker=k&version-id-marker=null&list-type=2").unwrap();
        assert_eq!(versions.after, Some("k".into()));
        for bad in [
            "max-keys=-1",
            "max-keys=x",
            "max-keys=2147483648",
            "encoding-type=x",
            "list-type=3",
            "versions&version-id-marker=null",
            "list-type=2&continuation-token=",
            "list-type=2&continuation-token=1",
            "list-type=2&continuation-token=1abc",
            "list-type=2&continuation-token=1ff",
            "list-type=2&continuation-token=2aa",
        ] {
            assert_eq!(parse(bad), Err(400), "{bad}");
        }
    }
}
