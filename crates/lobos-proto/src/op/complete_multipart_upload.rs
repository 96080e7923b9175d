//! CompleteMultipartUpload: makes an object of the parts.

use lobos_digest::{Algorithm, Digest};

use super::create_multipart_upload::checksum_type;
use super::document::Document;
use super::put_object::conditions;
use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::http::target::Query;
use crate::s3::condition::WriteConditions;
use crate::s3::xml::{Element, Xml};
use crate::{BucketName, Checksum, ChecksumType, Code, Error, Key, Request, Stored};

/// Makes the object visible, whole, in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteMultipartUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The upload, as it was sent.
    pub upload: String,
    /// In the order of the request, which must be ascending: else `InvalidPartOrder`, which the
    /// store answers after `NoSuchUpload`.
    pub parts: Vec<CompletedPart>,
    /// If-None-Match: * and If-Match.
    pub conditions: WriteConditions,
    /// An x-amz-checksum-* header: what the checksum of the object must be.
    pub checksum: Option<Checksum>,
    /// x-amz-checksum-type: must be that of the upload.
    pub checksum_type: Option<ChecksumType>,
    /// x-amz-mp-object-size: what the size must be.
    pub size: Option<u64>,
}

/// One part as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// 1 to 10,000.
    pub number: u32,
    /// Its tag without quotes; what is no tag matches no part.
    pub etag: String,
    /// Its checksum, if one was sent.
    pub checksum: Option<Digest>,
}

/// The object that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedUpload {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: Key,
    /// The object.
    pub stored: Stored,
}

impl CompleteMultipartUpload {
    /// Reads the head; the document follows.
    ///
    /// # Errors
    /// The 4xx of S3 for each header.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Key,
        head: &Head<'_>,
        query: &Query,
    ) -> Result<Document, Error> {
        let upload = query.get("uploadId").unwrap_or_default().to_owned();
        let conditions = conditions(head)?;
        let checksum = checksum(head)?;
        let checksum_type = checksum_type(head)?;
        let size = size(head)?;
        Ok(Document::new(super::Operation::CompleteMultipartUpload, move |document, _| {
            let parts = parts(document)?;
            Ok(Request::CompleteMultipartUpload(Box::new(Self {
                bucket,
                key,
                upload,
                parts,
                conditions,
                checksum,
                checksum_type,
                size,
            })))
        }))
    }
}

/// The one x-amz-checksum-* header: it is about the object, not about the document.
fn checksum(head: &Head<'_>) -> Result<Option<Checksum>, Error> {
    let invalid = |why: String| Error::new(Code::InvalidRequest).message(why);
    let mut found = None;
    for algorithm in Algorithm::ALL {
        let name = algorithm.header();
        let Some(value) = head.get(name) else { continue };
        if found.is_some() {
            let why = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not \
                       allowed.";
            return Err(invalid(why.to_owned()));
        }
        found = Some(
            Checksum::parse(algorithm, value)
                .ok_or_else(|| invalid(format!("Value for {name} header is invalid.")))?,
        );
    }
    Ok(found)
}

/// x-amz-mp-object-size.
fn size(head: &Head<'_>) -> Result<Option<u64>, Error> {
    let name = "x-amz-mp-object-size";
    let Some(text) = head.filled(name) else { return Ok(None) };
    let why = match text.parse::<i64>().map(u64::try_from) {
        Ok(Ok(size)) => return Ok(Some(size)),
        Ok(Err(_)) => "less than zero",
        Err(_) => "invalid",
    };
    Err(Error::new(Code::InvalidRequest)
        .message(format!("Value for {name} header is {why}: '{text}'")))
}

/// The most parts that an object can have.
const PARTS_MAX: usize = 10_000;

/// Reads a CompleteMultipartUpload document: its parts as they stand there, what is unknown
/// passed over.
fn parts(document: &[u8]) -> Result<Vec<CompletedPart>, Error> {
    let root = Element::parse(document)?;
    let parts = || root.children.iter().filter(|child| child.name == "Part");
    match (root.name.as_str(), parts().count()) {
        ("CompleteMultipartUpload", 1..=PARTS_MAX) => parts().map(part).collect(),
        ("CompleteMultipartUpload", 1..) => Err(Error::new(Code::InvalidArgument)
            .message("An object cannot have more than 10000 parts.")),
        _ => Err(Error::new(Code::MalformedXML)),
    }
}

fn part(part: &Element) -> Result<CompletedPart, Error> {
    let malformed = || Error::new(Code::MalformedXML);
    let text = part.child("PartNumber").ok_or_else(malformed)?.trim();
    let etag = part.child("ETag").ok_or_else(malformed)?.trim().trim_matches('"').to_owned();
    let number = match text.parse::<i64>() {
        Ok(number @ 1..=10_000) => u32::try_from(number).map_err(|_| malformed())?,
        Ok(..1) => {
            return Err(Error::new(Code::InvalidArgument)
                .message("PartNumber must be >= 1")
                .argument("PartNumber", text));
        }
        Ok(_) => return Err(Error::new(Code::InvalidPart).element("PartNumber", text)),
        Err(_) => return Err(malformed()),
    };
    Ok(CompletedPart { number, etag, checksum: part_checksum(part)? })
}

/// The one Checksum element of a part.
fn part_checksum(part: &Element) -> Result<Option<Digest>, Error> {
    let sent = |algorithm: Algorithm| {
        let value = part.child(algorithm.element())?.trim();
        (!value.is_empty()).then_some((algorithm, value))
    };
    let sent: Vec<_> = Algorithm::ALL.into_iter().filter_map(sent).collect();
    let digest = match sent[..] {
        [] => return Ok(None),
        [(algorithm, value)] => Digest::from_base64(algorithm, value),
        _ => None,
    };
    digest.map(Some).ok_or_else(|| {
        let all = sent.iter().map(|(algorithm, value)| format!("{}:{value};", algorithm.name()));
        Error::new(Code::InvalidArgument)
            .message("Invalid Base64 or multiple checksums present in request")
            .argument("Checksum", &all.collect::<String>())
    })
}

pub(crate) fn write(answer: Answer<'_>, completed: &CompletedUpload) {
    let stored = &completed.stored;
    let mut xml = Xml::s3("CompleteMultipartUploadResult");
    xml.text("Location", &answer.location());
    xml.text("Bucket", completed.bucket.as_str());
    xml.text("Key", completed.key.as_str());
    xml.text("ETag", &stored.etag.to_string());
    for checksum in &stored.checksums {
        xml.display(checksum.algorithm().element(), checksum);
    }
    if let Some(checksum) = stored.checksums.first() {
        xml.text("ChecksumType", checksum.kind().as_str());
    }
    xml.close("CompleteMultipartUploadResult");
    answer.document(xml);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Result<Vec<CompletedPart>, Code> {
        let document = format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>");
        parts(document.as_bytes()).map_err(|e| e.code())
    }

    fn part(number: u32, etag: &str) -> CompletedPart {
        CompletedPart { number, etag: etag.to_owned(), checksum: None }
    }

    #[test]
    fn documents() {
        // Any order of elements, any quotes, any name space, and nothing lost or sorted.
        for etag in ["&quot;a-1&quot;", "&#34;a-1&#34;", "\"a-1\"", "a-1", "\n &#x22;a-1&quot; "] {
            let inner = format!("<Part><ETag>{etag}</ETag><PartNumber> 7\n</PartNumber></Part>");
            assert_eq!(read(&inner), Ok(vec![part(7, "a-1")]), "{etag}");
        }
        let document = b"<?xml version=\"1.0\"?>\n<s:CompleteMultipartUpload xmlns:s=\"x\">\
            <Extra/><s:Part><s:PartNumber>10000</s:PartNumber><s:ETag>b</s:ETag><s:X/></s:Part>\
            <s:Part><s:ETag></s:ETag><s:PartNumber>1</s:PartNumber></s:Part>\
            </s:CompleteMultipartUpload>\n";
        assert_eq!(parts(document).unwrap(), [part(10_000, "b"), part(1, "")]);
    }

    #[test]
    fn checksums() {
        // A part may bring one checksum, of any algorithm; several, and what is none, are refused.
        let element = |algorithm: Algorithm| {
            let value = lobos_digest::digest(algorithm, b"x").to_base64();
            format!("<{0}> {value}</{0}>", algorithm.element())
        };
        let one = |more: &str| {
            let part = format!("<Part>{more}<PartNumber>1</PartNumber><ETag>a</ETag></Part>");
            let root = "CompleteMultipartUpload";
            parts(format!("<{root}>{part}</{root}>").as_bytes())
        };
        for algorithm in Algorithm::ALL {
            let sent = lobos_digest::digest(algorithm, b"x");
            let part = CompletedPart { checksum: Some(sent), ..part(1, "a") };
            assert_eq!(one(&element(algorithm)).unwrap(), [part]);
        }
        assert_eq!(one("<ChecksumCRC32></ChecksumCRC32>").unwrap(), [part(1, "a")]);
        let refused = |more: &str, said: &str| {
            let error = Error::new(Code::InvalidArgument)
                .message("Invalid Base64 or multiple checksums present in request")
                .argument("Checksum", said);
            assert_eq!(one(more), Err(error));
        };
        for bad in ["x", "AAAA", "AAAAAA==-1", "AAAAAAA="] {
            let element = format!("<ChecksumCRC32>{bad}</ChecksumCRC32>");
            refused(&element, &format!("CRC32:{bad};"));
        }
        let two = element(Algorithm::Sha1) + &element(Algorithm::Crc32);
        refused(&two, "CRC32:jNwWgw==;SHA1:EfatjsUqKYSrqv18O1FlA3hcIHI=;");
    }

    #[test]
    fn refusals() {
        // No parts, another document, half a part or a number that no part has are refused.
        let etag = "<ETag>a</ETag>";
        for bad in [
            String::new(),
            "<Part/>".to_owned(),
            format!("<Part>{etag}</Part>"),
            "<Part><PartNumber>1</PartNumber></Part>".to_owned(),
            format!("<Part>{etag}<PartNumber></PartNumber></Part>"),
            format!("<Part>{etag}<PartNumber>1x</PartNumber></Part>"),
            format!("<Part>{etag}<PartNumber>1</PartNumber>"),
            format!("<Parts><Part>{etag}<PartNumber>1</PartNumber></Part></Parts>"),
        ] {
            assert_eq!(read(&bad), Err(Code::MalformedXML), "{bad}");
        }
        let number = |n: &str| read(&format!("<Part>{etag}<PartNumber>{n}</PartNumber></Part>"));
        assert_eq!(number("0"), Err(Code::InvalidArgument));
        assert_eq!(number("-1"), Err(Code::InvalidArgument));
        assert_eq!(number("10001"), Err(Code::InvalidPart));
        let other =
            parts(b"<Complete><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></Complete>");
        assert_eq!(other.unwrap_err().code(), Code::MalformedXML);
        assert_eq!(parts(b"").unwrap_err().code(), Code::MalformedXML);
    }

    #[test]
    fn largest() {
        // 10,000 parts with the longest checksum fit the limit of a document; one more is refused.
        let sum = lobos_digest::digest(Algorithm::Sha512, b"").to_base64();
        let many = |count: u32| {
            (1..=count).fold(String::new(), |all, _| {
                all + &format!(
                    "  <s3:Part>\r\n    <s3:PartNumber>10000</s3:PartNumber>\r\n    \
                     <s3:ETag>&quot;00112233445566778899aabbccddeeff&quot;</s3:ETag>\r\n    \
                     <s3:ChecksumSHA512>{sum}</s3:ChecksumSHA512>\r\n  </s3:Part>\r\n"
                )
            })
        };
        let all = many(10_000);
        assert!(all.len() < crate::Limits::default().document, "{}", all.len());
        assert_eq!(read(&all).map(|parts| parts.len()), Ok(10_000));
        assert_eq!(read(&many(10_001)), Err(Code::InvalidArgument));
    }

    #[test]
    fn damaged() {
        // Whatever stands in a document, it is read or refused in the words of S3.
        const PIECES: [&str; 12] = [
            "<",
            ">",
            "/",
            "&",
            ";",
            "&quot;",
            "&#0;",
            "]]>",
            "<![CDATA[",
            "<!--",
            "\"",
            "99999999999",
        ];
        let good = "<?xml version=\"1.0\"?><CompleteMultipartUpload xmlns=\"x\"><Part><ETag>&quot;a\
                    &quot;</ETag><PartNumber>1</PartNumber><ChecksumCRC32>AAAAAA==</ChecksumCRC32>\
                    </Part></CompleteMultipartUpload>";
        let mut seed = 1_u64;
        let mut below = |most: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % most
        };
        let mut read = 0;
        for _ in 0..50_000 {
            let mut document = good.as_bytes().to_vec();
            for _ in 0..=below(3) {
                let at = below(document.len());
                let end = (at + below(9)).min(document.len());
                match below(4) {
                    0 => document[at] = u8::try_from(below(256)).unwrap(),
                    1 => drop(document.drain(at..end)),
                    2 => drop(document.splice(at..end, PIECES[below(PIECES.len())].bytes())),
                    _ => document.extend_from_within(at..end),
                }
            }
            match parts(&document).map_err(|e| e.code()) {
                Ok(parts) => read += parts.len(),
                Err(Code::MalformedXML | Code::InvalidArgument | Code::InvalidPart) => {}
                Err(other) => panic!("{other:?}: {}", String::from_utf8_lossy(&document)),
            }
        }
        assert!(read > 1000, "{read}");
    }
}
