//! ListParts: the parts of an upload.

use lobos_digest::{Algorithm, Digest};

use super::list_buckets::write_user;
use super::list_objects::encoded;
use super::{count, encoding};
use crate::http::encode::Answer;
use crate::http::target::Query;
use crate::s3::xml::Xml;
use crate::{BucketName, ChecksumType, ETag, Error, Key, Limits, Timestamp};

/// Asks for a page of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListParts {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The upload, as it was sent.
    pub upload: String,
    /// Only parts with greater numbers.
    pub marker: u32,
    /// 0 to 1,000.
    pub max_parts: u32,
    /// encoding-type=url.
    pub encode: bool,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartsPage {
    /// The request that it answers.
    pub request: ListParts,
    /// By number.
    pub parts: Vec<ListedPart>,
    /// More parts follow.
    pub truncated: bool,
    /// Of the upload.
    pub checksum: Option<Algorithm>,
    /// Of the upload.
    pub checksum_type: Option<ChecksumType>,
}

/// One part that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPart {
    /// 1 to 10,000.
    pub number: u32,
    /// Bytes.
    pub size: u64,
    /// Its tag.
    pub etag: ETag,
    /// When it was stored.
    pub modified: Timestamp,
    /// Its checksum.
    pub checksum: Option<Digest>,
}

impl ListParts {
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        query: &Query,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let upload = query.get("uploadId").unwrap_or_default().to_owned();
        let marker = count(query, "part-number-marker")?.unwrap_or(0);
        let max_parts = count(query, "max-parts")?.unwrap_or(limits.max_keys).min(limits.max_keys);
        let encode = encoding(query)?;
        Ok(Self { bucket, key, upload, marker, max_parts, encode })
    }
}

pub(crate) fn write(answer: Answer<'_>, page: &PartsPage) {
    let request = &page.request;
    let mut xml = Xml::s3("ListPartsResult");
    xml.text("Bucket", request.bucket.as_str());
    xml.text("Key", &encoded(request.key.as_str(), request.encode));
    xml.text("UploadId", &request.upload);
    write_user(&mut xml, "Initiator", answer.owner());
    write_user(&mut xml, "Owner", answer.owner());
    xml.text("StorageClass", "STANDARD");
    xml.display("PartNumberMarker", request.marker);
    xml.display("NextPartNumberMarker", page.parts.last().map_or(0, |part| part.number));
    xml.display("MaxParts", request.max_parts);
    if request.encode {
        xml.text("EncodingType", "url");
    }
    xml.display("IsTruncated", page.truncated);
    if let Some(algorithm) = page.checksum {
        xml.text("ChecksumAlgorithm", algorithm.name());
    }
    if let Some(kind) = page.checksum_type {
        xml.text("ChecksumType", kind.as_str());
    }
    for part in &page.parts {
        xml.open("Part");
        xml.display("PartNumber", part.number);
        xml.time("LastModified", part.modified);
        xml.text("ETag", &part.etag.to_string());
        xml.display("Size", part.size);
        if let Some(checksum) = part.checksum {
            xml.text(checksum.algorithm().element(), &checksum.to_base64());
        }
        xml.close("Part");
    }
    xml.close("ListPartsResult");
    answer.document(xml);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn queries() {
        // Markers and limits are counts; empty ones are absent, and no page is larger than 1,000.
        let parse = |query: &str| {
            let (bucket, key) = (BucketName::new("b").unwrap(), Key::new("k").unwrap());
            let query = Query::parse(query).unwrap();
            let list = ListParts::parse(bucket, key, &query, &Limits::default());
            list.map(|l| (l.marker, l.max_parts, l.encode)).map_err(|e| e.code())
        };
        assert_eq!(parse("uploadId=u"), Ok((0, 1000, false)));
        assert_eq!(parse("uploadId=u&max-parts=&part-number-marker="), Ok((0, 1000, false)));
        let all = "uploadId=u&max-parts=7&part-number-marker=3&encoding-type=URL";
        assert_eq!(parse(all), Ok((3, 7, true)));
        assert_eq!(parse("uploadId=u&max-parts=0"), Ok((0, 0, false)));
        assert_eq!(parse("uploadId=u&max-parts=2147483647"), Ok((0, 1000, false)));
        for bad in [
            "max-parts=-1",
            "max-parts=2147483648",
            "max-parts=x",
            "max-parts=99999999999999999999",
            "part-number-marker=-1",
            "part-number-marker=1.5",
            "encoding-type=xml",
        ] {
            assert_eq!(parse(bad), Err(Code::InvalidArgument), "{bad}");
        }
    }
}
