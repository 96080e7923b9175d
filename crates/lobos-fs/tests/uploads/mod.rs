//! Short words for what clients do with multipart uploads.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "no test uses all of it")]

use lobos_digest::{Algorithm, digest};
use lobos_fs::FsStore;
use lobos_proto::op::{
    AbortMultipartUpload, CompleteMultipartUpload, CompletedPart, CompletedUpload, CopiedPart,
    CreateMultipartUpload, ListMultipartUploads, ListParts, ListedPart, PartsPage, StoredPart,
    UploadPart, UploadPartCopy, UploadsPage,
};
use lobos_proto::s3::condition::{ReadConditions, WriteConditions};
use lobos_proto::{
    CopySource, Error, Expected, Key, Metadata, Outcome, Request, Response, Sink, Store, TagSet,
};

use crate::common::bucket;

pub(crate) fn key(key: &str) -> Key {
    Key::new(key).unwrap()
}

fn done(store: &FsStore, request: Request) -> Result<Response, Error> {
    match store.call(request)? {
        Outcome::Done(response) => Ok(response),
        _ => panic!("not an answer"),
    }
}

pub(crate) fn create_request(name: &str) -> CreateMultipartUpload {
    CreateMultipartUpload {
        bucket: bucket(),
        key: key(name),
        metadata: Metadata::default(),
        tags: TagSet::default(),
        checksum: None,
        checksum_type: None,
    }
}

pub(crate) fn create_with(
    store: &FsStore,
    request: CreateMultipartUpload,
) -> Result<String, Error> {
    match done(store, Request::CreateMultipartUpload(Box::new(request)))? {
        Response::CreateMultipartUpload(created) => Ok(created.upload),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn create(store: &FsStore, name: &str) -> String {
    create_with(store, create_request(name)).unwrap()
}

pub(crate) fn part_request(name: &str, upload: &str, number: u32, body: &[u8]) -> UploadPart {
    UploadPart {
        bucket: bucket(),
        key: key(name),
        upload: upload.into(),
        number,
        size: Some(body.len() as u64),
        checksum: None,
        verify: Vec::new(),
    }
}

pub(crate) fn begin(store: &FsStore, request: UploadPart) -> Result<Box<dyn Sink>, Error> {
    match store.call(Request::UploadPart(Box::new(request)))? {
        Outcome::Receive(sink) => Ok(sink),
        _ => panic!("no sink"),
    }
}

pub(crate) fn send(
    store: &FsStore,
    request: UploadPart,
    body: &[u8],
    expected: &Expected,
) -> Result<StoredPart, Error> {
    let mut sink = begin(store, request)?;
    for piece in body.chunks(100_000) {
        sink.append(piece)?;
    }
    match sink.commit(expected)? {
        Response::UploadPart(part) => Ok(part),
        other => panic!("{other:?}"),
    }
}

/// Uploads a part and gives it as Complete lists it.
pub(crate) fn part(
    store: &FsStore,
    name: &str,
    upload: &str,
    number: u32,
    body: &[u8],
) -> Result<CompletedPart, Error> {
    let request = part_request(name, upload, number, body);
    let stored = send(store, request, body, &Expected::default())?;
    Ok(completed(number, &stored))
}

pub(crate) fn completed(number: u32, stored: &StoredPart) -> CompletedPart {
    CompletedPart { number, etag: stored.etag.as_str().into(), checksum: stored.checksum }
}

pub(crate) fn complete_request(
    name: &str,
    upload: &str,
    parts: &[CompletedPart],
) -> CompleteMultipartUpload {
    CompleteMultipartUpload {
        bucket: bucket(),
        key: key(name),
        upload: upload.into(),
        parts: parts.to_vec(),
        conditions: WriteConditions::default(),
        checksum: None,
        checksum_type: None,
        size: None,
    }
}

pub(crate) fn complete_with(
    store: &FsStore,
    request: CompleteMultipartUpload,
) -> Result<CompletedUpload, Error> {
    match done(store, Request::CompleteMultipartUpload(Box::new(request)))? {
        Response::CompleteMultipartUpload(completed) => Ok(*completed),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn complete(
    store: &FsStore,
    name: &str,
    upload: &str,
    parts: &[CompletedPart],
) -> Result<CompletedUpload, Error> {
    complete_with(store, complete_request(name, upload, parts))
}

pub(crate) fn abort(store: &FsStore, name: &str, upload: &str) -> Result<(), Error> {
    let request = AbortMultipartUpload {
        bucket: bucket(),
        key: key(name),
        upload: upload.into(),
        initiated: None,
    };
    done(store, Request::AbortMultipartUpload(request)).map(drop)
}

pub(crate) fn copy_request(
    name: &str,
    upload: &str,
    number: u32,
    source: &str,
    range: Option<(u64, u64)>,
) -> UploadPartCopy {
    let conditions = ReadConditions::default();
    let source = CopySource { bucket: bucket(), key: key(source), conditions };
    let upload = upload.into();
    UploadPartCopy { bucket: bucket(), key: key(name), upload, number, source, range }
}

pub(crate) fn copy_part(store: &FsStore, request: UploadPartCopy) -> Result<CopiedPart, Error> {
    match done(store, Request::UploadPartCopy(Box::new(request)))? {
        Response::UploadPartCopy(part) => Ok(part),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn parts_page(
    store: &FsStore,
    name: &str,
    upload: &str,
    marker: u32,
    max_parts: u32,
) -> Result<PartsPage, Error> {
    let (bucket, key, upload) = (bucket(), key(name), upload.into());
    let request = ListParts { bucket, key, upload, marker, max_parts, encode: false };
    match done(store, Request::ListParts(request))? {
        Response::ListParts(page) => Ok(*page),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn list_parts(
    store: &FsStore,
    name: &str,
    upload: &str,
) -> Result<Vec<ListedPart>, Error> {
    parts_page(store, name, upload, 0, 1000).map(|page| page.parts)
}

pub(crate) fn uploads_request() -> ListMultipartUploads {
    ListMultipartUploads {
        bucket: bucket(),
        prefix: String::new(),
        delimiter: None,
        max_uploads: 1000,
        key_marker: String::new(),
        upload_marker: String::new(),
        encode: false,
    }
}

pub(crate) fn uploads(store: &FsStore, request: ListMultipartUploads) -> UploadsPage {
    match done(store, Request::ListMultipartUploads(request)).unwrap() {
        Response::ListMultipartUploads(page) => *page,
        other => panic!("{other:?}"),
    }
}

/// A body that no other part has.
pub(crate) fn body(seed: u32, size: usize) -> Vec<u8> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..size).map(next).collect()
}

/// The tag that S3 gives an object of these parts.
pub(crate) fn etag_of(bodies: &[&[u8]]) -> String {
    let md5s: Vec<u8> =
        bodies.iter().flat_map(|body| digest(Algorithm::Md5, body).bytes().to_vec()).collect();
    format!("{}-{}", digest(Algorithm::Md5, &md5s).to_hex(), bodies.len())
}
