//! GetObjectAttributes: what is known of an object, as XML.

use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::http::target::Query;
use crate::s3::xml::Xml;
use crate::{BucketName, ChecksumType, Code, Error, Key, Limits, ObjectInfo, Parts};

/// Asks for some attributes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObjectAttributes {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// x-amz-object-attributes: which are wanted.
    pub wanted: Vec<Attribute>,
    /// x-amz-part-number-marker: only parts with greater numbers.
    pub marker: u32,
    /// x-amz-max-parts, 1 to 1,000.
    pub max_parts: u32,
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of S3")]
pub enum Attribute {
    ETag,
    Checksum,
    ObjectParts,
    StorageClass,
    ObjectSize,
}

/// The answer: the request and the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectAttributes {
    /// The request.
    pub request: GetObjectAttributes,
    /// The object.
    pub info: ObjectInfo,
}

impl GetObjectAttributes {
    /// # Errors
    /// `InvalidArgument`, `NoSuchVersion`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        query: &Query,
        limits: &Limits,
    ) -> Result<Self, Error> {
        super::check_version(query)?;
        let mut wanted = Vec::new();
        let lines = head.with_prefix(NAME);
        for (_, line) in lines.iter().filter(|(rest, _)| rest.is_empty()) {
            for name in line.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                wanted.push(Attribute::from_name(name).ok_or_else(|| {
                    Error::new(Code::InvalidArgument)
                        .message("Invalid attribute name specified.")
                        .argument(NAME, line)
                })?);
            }
        }
        if wanted.is_empty() {
            return Err(Error::new(Code::InvalidRequest).message(
                "The x-amz-object-attributes header specifying the attributes to be retrieved is \
                 either missing or empty",
            ));
        }
        // S3 ignores values that are no count.
        let count = |name| head.get(name).and_then(|text| text.parse::<u32>().ok());
        let marker = count("x-amz-part-number-marker").unwrap_or(0);
        let max_parts = count("x-amz-max-parts").filter(|max| *max > 0);
        let max_parts = max_parts.unwrap_or(limits.max_keys).min(limits.max_keys);
        Ok(Self { bucket, key, wanted, marker, max_parts })
    }
}

/// The header that names the attributes; it may stand more than once.
const NAME: &str = "x-amz-object-attributes";

impl Attribute {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "ETag" => Some(Self::ETag),
            "Checksum" => Some(Self::Checksum),
            "ObjectParts" => Some(Self::ObjectParts),
            "StorageClass" => Some(Self::StorageClass),
            "ObjectSize" => Some(Self::ObjectSize),
            _ => None,
        }
    }
}

pub(crate) fn write(mut answer: Answer<'_>, attributes: &ObjectAttributes) {
    let ObjectAttributes { request, info } = attributes;
    answer.header("Last-Modified", info.modified);
    let wants = |attribute| request.wanted.contains(&attribute);
    let mut xml = Xml::s3("GetObjectAttributesResponse");
    if wants(Attribute::ETag) {
        // Without quotes, here only.
        xml.text("ETag", info.etag.as_str());
    }
    if let (true, Some(first)) = (wants(Attribute::Checksum), info.checksums.first()) {
        xml.open("Checksum");
        for checksum in &info.checksums {
            // Without the number of parts, here only.
            xml.text(checksum.algorithm().element(), &checksum.digest.to_base64());
        }
        xml.text("ChecksumType", first.kind().as_str());
        xml.close("Checksum");
    }
    if let (true, Some(parts)) = (wants(Attribute::ObjectParts), &info.parts) {
        write_parts(&mut xml, attributes, parts);
    }
    if wants(Attribute::StorageClass) {
        xml.text("StorageClass", "STANDARD");
    }
    if wants(Attribute::ObjectSize) {
        xml.display("ObjectSize", info.size);
    }
    xml.close("GetObjectAttributesResponse");
    answer.document(xml);
}

/// The count always; the parts themselves only where their checksums make that of the object.
fn write_parts(xml: &mut Xml, attributes: &ObjectAttributes, parts: &Parts) {
    let ObjectAttributes { request, info } = attributes;
    xml.open("ObjectParts");
    if info.checksums.iter().any(|checksum| checksum.kind() == ChecksumType::Composite) {
        let max = usize::try_from(request.max_parts).unwrap_or(usize::MAX);
        let mut after = parts.iter(info.size).filter(|part| part.number > request.marker);
        let page: Vec<_> = after.by_ref().take(max).collect();
        xml.display("PartNumberMarker", request.marker);
        xml.display("NextPartNumberMarker", page.last().map_or(0, |part| part.number));
        xml.display("MaxParts", request.max_parts);
        xml.display("IsTruncated", after.next().is_some());
        for part in &page {
            xml.open("Part");
            if let Some(checksum) = part.checksum {
                xml.text(checksum.algorithm().element(), &checksum.to_base64());
            }
            xml.display("PartNumber", part.number);
            xml.display("Size", part.size);
            xml.close("Part");
        }
    }
    xml.display("PartsCount", parts.count());
    xml.close("ObjectParts");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(headers: &str) -> Result<GetObjectAttributes, Code> {
        let text = format!("GET /b/k?attributes HTTP/1.1\r\n{headers}\r\n");
        let limits = Limits::default();
        let parsed = Head::parse(text.as_bytes(), &limits, |head| {
            let (bucket, key) = (BucketName::new("b").unwrap(), Key::new("k").unwrap());
            GetObjectAttributes::parse(bucket, key, head, &Query::default(), &limits)
        });
        parsed.and_then(|parsed| parsed).map_err(|e| e.code())
    }

    #[test]
    fn headers() {
        // Attributes come in one line or in many; a wrong name is refused, as is none at all.
        let both =
            "X-Amz-Object-Attributes: ETag, ObjectSize,\r\nx-amz-object-attributes: Checksum\r\n";
        let wanted = [Attribute::ETag, Attribute::ObjectSize, Attribute::Checksum];
        assert_eq!(parse(both).unwrap().wanted, wanted);
        let all = "x-amz-object-attributes: ObjectParts,StorageClass\r\n";
        assert_eq!(parse(all).unwrap().wanted, [Attribute::ObjectParts, Attribute::StorageClass]);
        for bad in ["etag", "ETag,Size", "ETag ObjectSize", "*"] {
            let bad = format!("x-amz-object-attributes: {bad}\r\n");
            assert_eq!(parse(&bad), Err(Code::InvalidArgument), "{bad}");
        }
        for none in ["", "x-amz-object-attributes: ,\r\n", "x-amz-object-attributes-x: ETag\r\n"] {
            assert_eq!(parse(none), Err(Code::InvalidRequest), "{none}");
        }
    }

    #[test]
    fn counts() {
        // Where the page begins and ends; what is no count is ignored, as S3 does.
        let page = |max: &str, marker: &str| {
            let read = parse(&format!(
                "x-amz-object-attributes: ETag\r\nx-amz-max-parts: {max}\r\n\
                 x-amz-part-number-marker: {marker}\r\n"
            ));
            read.map(|get| (get.max_parts, get.marker))
        };
        assert_eq!(page("2", "1"), Ok((2, 1)));
        assert_eq!(page("5000", "10000"), Ok((1000, 10_000)));
        for bad in ["", "0", "-1", "x", "99999999999999999999"] {
            assert_eq!(page(bad, bad), Ok((1000, 0)), "{bad}");
        }
    }
}
