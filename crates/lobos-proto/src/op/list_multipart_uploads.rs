//! ListMultipartUploads: the uploads of a bucket that are neither completed nor dropped.

use lobos_digest::Algorithm;

use super::list_buckets::write_user;
use super::list_objects::encoded;
use super::{count, encoding};
use crate::http::encode::Answer;
use crate::http::target::Query;
use crate::s3::xml::Xml;
use crate::{BucketName, ChecksumType, Error, Limits, Timestamp};

/// Asks for a page of uploads, by key and then by the time they were begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMultipartUploads {
    /// The bucket.
    pub bucket: BucketName,
    /// Only keys that begin so; may be empty.
    pub prefix: String,
    /// Never empty.
    pub delimiter: Option<String>,
    /// 0 to 1,000.
    pub max_uploads: u32,
    /// Only keys after this one (with `upload_marker`: or this one, and uploads of it after that).
    pub key_marker: String,
    /// Only together with `key_marker`.
    pub upload_marker: String,
    /// encoding-type=url.
    pub encode: bool,
}

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadsPage {
    /// The request that it answers.
    pub request: ListMultipartUploads,
    /// By key, then by time.
    pub uploads: Vec<ListedUpload>,
    /// In byte order.
    pub prefixes: Vec<String>,
    /// If more follows: the last key or common prefix, and the last upload (empty for a prefix).
    pub next: Option<(String, String)>,
}

/// One upload that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUpload {
    /// The key that the object will have.
    pub key: String,
    /// The upload.
    pub upload: String,
    /// When it was begun.
    pub initiated: Timestamp,
    /// Of the upload.
    pub checksum: Option<Algorithm>,
    /// Of the upload.
    pub checksum_type: Option<ChecksumType>,
}

impl ListMultipartUploads {
    /// # Errors
    /// `InvalidArgument`.
    pub(crate) fn parse(bucket: BucketName, query: &Query, limits: &Limits) -> Result<Self, Error> {
        let limit = limits.max_keys;
        let max_uploads = count(query, "max-uploads")?.unwrap_or(limit).min(limit);
        let encode = encoding(query)?;
        let text = |name| query.get(name).unwrap_or_default().to_owned();
        let (prefix, key_marker) = (text("prefix"), text("key-marker"));
        let delimiter = query.filled("delimiter").map(str::to_owned);
        // Without a key marker it is ignored (API reference).
        let upload_marker = match key_marker.as_str() {
            "" => String::new(),
            _ => text("upload-id-marker"),
        };
        Ok(Self { bucket, prefix, delimiter, max_uploads, key_marker, upload_marker, encode })
    }
}

pub(crate) fn write(answer: Answer<'_>, page: &UploadsPage) {
    let request = &page.request;
    let name = |text| encoded(text, request.encode);
    // S3 names the last upload also where nothing follows.
    let last = page.uploads.last().map(|upload| (upload.key.as_str(), upload.upload.as_str()));
    let next = page.next.as_ref().map(|(key, upload)| (key.as_str(), upload.as_str()));
    let (next_key, next_upload) = next.or(last).unwrap_or_default();
    let mut xml = Xml::s3("ListMultipartUploadsResult");
    xml.text("Bucket", request.bucket.as_str());
    xml.text("KeyMarker", &name(&request.key_marker));
    xml.text("UploadIdMarker", &request.upload_marker);
    xml.text("NextKeyMarker", &name(next_key));
    xml.text("NextUploadIdMarker", next_upload);
    if let Some(delimiter) = &request.delimiter {
        xml.text("Delimiter", &name(delimiter));
    }
    xml.text("Prefix", &name(&request.prefix));
    xml.display("MaxUploads", request.max_uploads);
    if request.encode {
        xml.text("EncodingType", "url");
    }
    xml.display("IsTruncated", page.next.is_some());
    for upload in &page.uploads {
        xml.open("Upload");
        xml.text("Key", &name(&upload.key));
        xml.text("UploadId", &upload.upload);
        write_user(&mut xml, "Initiator", answer.owner());
        write_user(&mut xml, "Owner", answer.owner());
        xml.text("StorageClass", "STANDARD");
        xml.time("Initiated", upload.initiated);
        if let Some(algorithm) = upload.checksum {
            xml.text("ChecksumAlgorithm", algorithm.name());
        }
        if let Some(kind) = upload.checksum_type {
            xml.text("ChecksumType", kind.as_str());
        }
        xml.close("Upload");
    }
    for prefix in &page.prefixes {
        xml.open("CommonPrefixes");
        xml.text("Prefix", &name(prefix));
        xml.close("CommonPrefixes");
    }
    xml.close("ListMultipartUploadsResult");
    answer.document(xml);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    fn parse(query: &str) -> Result<ListMultipartUploads, Code> {
        let bucket = BucketName::new("b").unwrap();
        let query = Query::parse(query).unwrap();
        ListMultipartUploads::parse(bucket, &query, &Limits::default()).map_err(|e| e.code())
    }

    #[test]
    fn queries() {
        // Every parameter is read; an upload marker means something only with a key marker.
        let all = "uploads&prefix=p&delimiter=%2F&max-uploads=5000&key-marker=k\
                   &upload-id-marker=u&encoding-type=url";
        let read = parse(all).unwrap();
        assert_eq!((read.prefix.as_str(), read.delimiter.as_deref()), ("p", Some("/")));
        assert_eq!((read.max_uploads, read.encode), (1000, true));
        assert_eq!((read.key_marker.as_str(), read.upload_marker.as_str()), ("k", "u"));
        let none = parse("uploads&delimiter=&max-uploads=0&upload-id-marker=u").unwrap();
        assert_eq!((none.delimiter, none.max_uploads), (None, 0));
        assert_eq!((none.key_marker.as_str(), none.upload_marker.as_str()), ("", ""));
        for bad in ["max-uploads=-1", "max-uploads=x", "encoding-type=base64"] {
            assert_eq!(parse(bad), Err(Code::InvalidArgument), "{bad}");
        }
    }
}
