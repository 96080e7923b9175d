//! What the store in memory knows of uploads in parts: nothing that is kept, but two uploads and a
//! few objects that always are as they are here.

use lobos_proto::digest::{Algorithm, Digest, Hasher, digest};
use lobos_proto::op::{
    AbortMultipartUpload, CompleteMultipartUpload, CompletedUpload, CopiedPart, CreatedUpload,
    ListMultipartUploads, ListParts, ListedPart, ListedUpload, PartsPage, StoredPart, UploadPart,
    UploadPartCopy, UploadsPage,
};
use lobos_proto::{
    Checksum, ChecksumType, Code, ETag, Error, Expected, Metadata, ObjectInfo, ObjectPart, Outcome,
    Parts, Request, Response, Sink, Stored,
};

use super::memory::{Object, midnight};

/// Uploads under way: key, name, and whether each part has a SHA256.
const UPLOADS: [(&str, &str, bool); 4] = [
    ("a.txt", "plain", false),
    ("a.txt", "sums", true),
    ("b/1 ü.txt", "third", false),
    ("b/2.txt", "fourth", false),
];

/// The parts of each upload, of five bytes each.
const NUMBERS: [u8; 3] = [1, 2, 5];

/// Answers what is about parts; `object` finds what is to be copied.
pub(crate) fn call(
    request: Request,
    object: impl FnOnce(&UploadPartCopy) -> Result<Object, Error>,
) -> Result<Outcome, Error> {
    Ok(Outcome::Done(match request {
        Request::CreateMultipartUpload(request) => {
            let created = CreatedUpload { request: *request, upload: "plain".to_owned() };
            Response::CreateMultipartUpload(Box::new(created))
        }
        Request::UploadPart(part) => {
            find(&part.upload)?;
            let wanted = part.verify.iter().copied().chain(part.checksum).chain([Algorithm::Md5]);
            let hasher = Hasher::new(wanted);
            return Ok(Outcome::Receive(Box::new(Receiver { part: *part, hasher })));
        }
        Request::UploadPartCopy(copy) => {
            find(&copy.upload)?;
            let object = object(&copy)?;
            let range = copy.resolve(object.info.size)?;
            let bytes = &object.bytes[range.start as usize..range.end as usize];
            let etag = ETag::new(&digest(Algorithm::Md5, bytes).to_hex()).expect("a tag");
            let checksum = find(&copy.upload)?.then(|| digest(Algorithm::Sha256, bytes));
            Response::UploadPartCopy(CopiedPart { etag, modified: midnight(), checksum })
        }
        Request::CompleteMultipartUpload(request) => complete(*request)?,
        Request::AbortMultipartUpload(AbortMultipartUpload { upload, initiated, .. }) => {
            find(&upload)?;
            if initiated.is_some_and(|time| time.secs() != midnight().secs()) {
                return Err(Error::new(Code::PreconditionFailed));
            }
            Response::AbortMultipartUpload
        }
        Request::ListParts(request) => Response::ListParts(Box::new(list_parts(request)?)),
        Request::ListMultipartUploads(request) => {
            Response::ListMultipartUploads(Box::new(list_uploads(request)))
        }
        _ => return Err(Error::new(Code::NotImplemented)),
    }))
}

/// Whether the parts of this upload have checksums.
fn find(upload: &str) -> Result<bool, Error> {
    let found = UPLOADS.iter().find(|(_, name, _)| *name == upload);
    let none = || Error::new(Code::NoSuchUpload).element("UploadId", upload);
    found.map(|(_, _, sums)| *sums).ok_or_else(none)
}

fn tag(number: u8) -> ETag {
    ETag::from_md5([number; 16])
}

fn sum(number: u8) -> Digest {
    digest(Algorithm::Sha256, &[number; 5])
}

fn complete(request: CompleteMultipartUpload) -> Result<Response, Error> {
    let sums = find(&request.upload)?;
    if !request.parts.is_sorted_by(|a, b| a.number < b.number) {
        return Err(Error::new(Code::InvalidPartOrder));
    }
    for part in &request.parts {
        let number = NUMBERS.into_iter().find(|number| u32::from(*number) == part.number);
        if number.map(tag).map(|tag| tag.to_string()) != Some(format!("\"{}\"", part.etag)) {
            return Err(Error::new(Code::InvalidPart)
                .element("UploadId", request.upload)
                .element("PartNumber", part.number.to_string())
                .element("ETag", part.etag.clone()));
        }
    }
    let parts = u32::try_from(request.parts.len()).ok();
    let size = 5 * request.parts.len() as u64;
    let checksum = Checksum { digest: digest(Algorithm::Sha256, b"all of them"), parts };
    let checksums: Vec<_> = sums.then_some(checksum).into_iter().collect();
    if request.checksum.is_some_and(|sent| !checksums.contains(&sent)) {
        return Err(Error::new(Code::BadDigest));
    }
    let etag = ETag::new(&format!("{:032x}-{}", 0, request.parts.len())).expect("a tag");
    let stored = Stored { etag, size, checksums };
    let (bucket, key) = (request.bucket, request.key);
    let completed = CompletedUpload { bucket, key, stored };
    Ok(Response::CompleteMultipartUpload(Box::new(completed)))
}

fn list_parts(request: ListParts) -> Result<PartsPage, Error> {
    let sums = find(&request.upload)?;
    let mut numbers = NUMBERS.into_iter().filter(|number| u32::from(*number) > request.marker);
    let listed = |number| ListedPart {
        number: u32::from(number),
        size: 5,
        etag: tag(number),
        modified: midnight(),
        checksum: sums.then(|| sum(number)),
    };
    let parts = numbers.by_ref().take(request.max_parts as usize).map(listed).collect();
    let truncated = request.max_parts > 0 && numbers.next().is_some();
    let checksum = sums.then_some(Algorithm::Sha256);
    let checksum_type = sums.then_some(ChecksumType::Composite);
    Ok(PartsPage { request, parts, truncated, checksum, checksum_type })
}

fn list_uploads(request: ListMultipartUploads) -> UploadsPage {
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::<String>::new());
    let (mut last, mut next) = (None, None);
    let marker = (request.key_marker.as_str(), request.upload_marker.as_str());
    let mut passed = false;
    for (key, upload, sums) in UPLOADS.iter().filter(|(key, ..)| key.starts_with(&request.prefix)) {
        let rest = &key[request.prefix.len()..];
        let cut = request.delimiter.as_ref().and_then(|d| rest.find(d).map(|at| at + d.len()));
        let common = cut.map(|cut| key[..request.prefix.len() + cut].to_owned());
        let same = *key == marker.0;
        let behind = *key > marker.0 || (same && passed && !marker.1.is_empty());
        passed |= same && *upload == marker.1;
        if !behind || common.as_ref().is_some_and(|c| prefixes.contains(c) || *c == marker.0) {
            continue;
        }
        if uploads.len() + prefixes.len() >= request.max_uploads as usize {
            next = last;
            break;
        }
        match common {
            Some(common) => {
                last = Some((common.clone(), String::new()));
                prefixes.push(common);
            }
            None => {
                last = Some(((*key).to_owned(), (*upload).to_owned()));
                uploads.push(ListedUpload {
                    key: (*key).to_owned(),
                    upload: (*upload).to_owned(),
                    initiated: midnight(),
                    checksum: sums.then_some(Algorithm::Sha256),
                    checksum_type: sums.then_some(ChecksumType::Composite),
                });
            }
        }
    }
    UploadsPage { request, uploads, prefixes, next }
}

/// A part under way.
struct Receiver {
    part: UploadPart,
    hasher: Hasher,
}

impl Sink for Receiver {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        self.hasher.update(data);
        Ok(())
    }

    fn commit(self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        let digests = self.hasher.finish();
        for wanted in expected.algorithms() {
            assert!(digests.get(wanted).is_some(), "{wanted:?} was not announced");
        }
        expected.check(&digests)?;
        let md5 = digests.get(Algorithm::Md5).expect("it runs always");
        let etag = ETag::new(&md5.to_hex()).expect("hex is a tag");
        let checksum = self.part.checksum.and_then(|algorithm| digests.get(algorithm));
        Ok(Response::UploadPart(StoredPart { etag, checksum }))
    }
}

/// Objects that came in parts, in every bucket but in no listing: `composite` and `single` with
/// the SHA256 of their parts, `full` with CRC32s, `uniform` without, and `tagged` in one piece.
pub(crate) fn object(key: &str) -> Option<Object> {
    let (pieces, algorithm): (&[(u32, &str)], _) = match key {
        "composite" => (&[(1, "hello"), (2, " wor"), (5, "ld!")], Some(Algorithm::Sha256)),
        "single" => (&[(1, "hello")], Some(Algorithm::Sha256)),
        "full" => (&[(1, "hello"), (2, " wor"), (3, "ld!")], Some(Algorithm::Crc32)),
        "full-single" => (&[(1, "hello")], Some(Algorithm::Crc32)),
        "uniform" => (&[(1, "hello"), (2, " worl"), (3, "d!")], None),
        "tagged" => (&[], None),
        _ => return None,
    };
    let part = |(number, text): &(u32, &str)| ObjectPart {
        number: *number,
        size: text.len() as u64,
        checksum: algorithm.map(|a| digest(a, text.as_bytes())),
    };
    let parts: Vec<_> = pieces.iter().map(part).collect();
    let bytes: String = pieces.iter().map(|(_, text)| *text).collect();
    let checksum = match algorithm {
        Some(Algorithm::Sha256) => {
            let sums = parts.iter().filter_map(|part| part.checksum.map(|c| c.bytes().to_vec()));
            let digest = digest(Algorithm::Sha256, &sums.collect::<Vec<_>>().concat());
            Some(Checksum { digest, parts: u32::try_from(parts.len()).ok() })
        }
        other => other.map(|a| Checksum::full(digest(a, bytes.as_bytes()))),
    };
    let info = ObjectInfo {
        size: bytes.len() as u64,
        modified: midnight(),
        etag: ETag::new(&format!("{:032x}-{}", 7, parts.len())).expect("a tag"),
        content_type: "text/plain".into(),
        metadata: Metadata::default(),
        checksums: checksum.into_iter().collect(),
        parts: (!parts.is_empty()).then(|| Parts::new(parts)),
        tags: if key == "tagged" { 2 } else { 0 },
    };
    Some(Object { info, tags: Default::default(), bytes: bytes.into_bytes().into() })
}
