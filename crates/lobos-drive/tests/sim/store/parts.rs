//! Uploads in parts in the model store.

use std::collections::BTreeMap;
use std::sync::Arc;

use lobos_proto::digest::{Algorithm, Digest, digest};
use lobos_proto::op::{
    CompleteMultipartUpload, CompletedUpload, CopiedPart, CreateMultipartUpload, CreatedUpload,
    ListParts, ListedPart, PartsPage, StoredPart, UploadPartCopy,
};
use lobos_proto::{Code, ETag, Error, Key, Request, Response, Stored, Timestamp};

use super::{State, What};

/// One part as it was committed.
pub(crate) struct Part {
    pub(crate) etag: ETag,
    pub(crate) data: Arc<[u8]>,
    modified: Timestamp,
    checksum: Option<Digest>,
}

impl Part {
    pub(super) fn stored(&self) -> StoredPart {
        StoredPart { etag: self.etag, checksum: self.checksum }
    }
}

/// An upload that is under way.
pub(crate) struct Pending {
    pub(crate) key: String,
    pub(crate) parts: BTreeMap<u32, Arc<Part>>,
}

/// The name without what the client has put behind it.
fn name_of(sent: &str) -> &str {
    sent.split_once('/').map_or(sent, |(name, _)| name)
}

fn tag_of(data: &[u8]) -> ETag {
    let md5 = digest(Algorithm::Md5, data);
    ETag::new(&md5.to_hex()).expect("an MD5 is a tag")
}

impl State {
    /// Whatever is asked of an upload in parts, but for the bytes of a part.
    pub(super) fn multipart(&mut self, asked: Request, id: Option<u32>) -> Result<Response, Error> {
        match asked {
            Request::CreateMultipartUpload(create) => {
                let upload = self.begin(create.key.as_str(), id, Some(self.owner));
                let request: CreateMultipartUpload = *create;
                Ok(Response::CreateMultipartUpload(Box::new(CreatedUpload { request, upload })))
            }
            Request::UploadPartCopy(copy) => self.copy_part(&copy, id),
            Request::CompleteMultipartUpload(complete) => self.complete(*complete, id),
            Request::AbortMultipartUpload(abort) => {
                self.find(&abort.upload, &abort.key)?;
                let name = name_of(&abort.upload);
                self.pending.remove(name);
                let what = What::Aborted(name.to_owned());
                self.log(abort.key.as_str(), what, id, Some(self.owner));
                Ok(Response::AbortMultipartUpload)
            }
            Request::ListParts(list) => {
                self.parts(list).map(|page| Response::ListParts(Box::new(page)))
            }
            _ => Err(Error::new(Code::NotImplemented)),
        }
    }

    /// Begins an upload; gives its name.
    pub(crate) fn begin(&mut self, key: &str, id: Option<u32>, owner: Option<usize>) -> String {
        let name = format!("{:x}-{}", self.rng.next(), self.last() + 1);
        let pending = Pending { key: key.to_owned(), parts: BTreeMap::new() };
        self.pending.insert(name.clone(), pending);
        self.log(key, What::Begun(name.clone()), id, owner);
        name
    }

    /// The upload, if it is of this key.
    pub(super) fn find(&self, sent: &str, key: &Key) -> Result<&Pending, Error> {
        let pending = self.pending.get(name_of(sent)).filter(|p| p.key == key.as_str());
        pending.ok_or_else(|| Error::new(Code::NoSuchUpload))
    }

    /// Makes a part visible to who lists them, or completes.
    pub(super) fn put_part(
        &mut self,
        (sent, key, number): (&str, &Key, u32),
        data: Arc<[u8]>,
        checksum: Option<Digest>,
        id: Option<u32>,
    ) -> Result<Arc<Part>, Error> {
        self.find(sent, key)?;
        Ok(self.add_part((name_of(sent), number), data, checksum, (id, Some(self.owner))))
    }

    /// The same for an upload that is there.
    pub(crate) fn add_part(
        &mut self,
        (name, number): (&str, u32),
        data: Arc<[u8]>,
        checksum: Option<Digest>,
        (id, owner): (Option<u32>, Option<usize>),
    ) -> Arc<Part> {
        let (etag, modified) = (tag_of(&data), self.moment());
        let part = Arc::new(Part { etag, data, modified, checksum });
        let pending = self.pending.get_mut(name).expect("an upload that is there");
        pending.parts.insert(number, Arc::clone(&part));
        let key = pending.key.clone();
        self.log(&key, What::Part(name.to_owned(), number, Arc::clone(&part)), id, owner);
        part
    }

    fn copy_part(&mut self, copy: &UploadPartCopy, id: Option<u32>) -> Result<Response, Error> {
        self.find(&copy.upload, &copy.key)?;
        let source = self.current(copy.source.key.as_str());
        let source = source.ok_or_else(|| Error::new(Code::NoSuchKey))?;
        let range = copy.resolve(source.data.len() as u64)?;
        let data = source.data[range.start as usize..range.end as usize].into();
        let percent = self.rates.commit;
        self.fails(percent, id)?;
        let at = (copy.upload.as_str(), &copy.key, copy.number);
        let part = self.put_part(at, data, None, id)?;
        let (etag, modified) = (part.etag, part.modified);
        Ok(Response::UploadPartCopy(CopiedPart { etag, modified, checksum: None }))
    }

    fn complete(
        &mut self,
        request: CompleteMultipartUpload,
        id: Option<u32>,
    ) -> Result<Response, Error> {
        let pending = self.find(&request.upload, &request.key)?;
        let key = request.key.as_str();
        request.conditions.check(self.current(key).map(|v| &v.etag))?;
        if !request.parts.is_sorted_by(|a, b| a.number < b.number) {
            return Err(Error::new(Code::InvalidPartOrder));
        }
        let mut data = Vec::new();
        for listed in &request.parts {
            let part = pending.parts.get(&listed.number);
            let part = part.filter(|part| part.etag.as_str() == listed.etag);
            data.extend_from_slice(&part.ok_or_else(|| Error::new(Code::InvalidPart))?.data);
        }
        let percent = self.rates.commit;
        self.fails(percent, id)?;
        let name = name_of(&request.upload).to_owned();
        self.pending.remove(&name);
        let (etag, size) = {
            let version = self.version(data.into());
            let kept = (version.etag, version.data.len() as u64);
            self.log(key, What::Completed(name, version), id, Some(self.owner));
            kept
        };
        let stored = Stored { etag, size, checksums: Vec::new() };
        let (bucket, key) = (request.bucket, request.key);
        let completed = CompletedUpload { bucket, key, stored };
        Ok(Response::CompleteMultipartUpload(Box::new(completed)))
    }

    fn parts(&self, request: ListParts) -> Result<PartsPage, Error> {
        let pending = self.find(&request.upload, &request.key)?;
        let all = pending.parts.iter().filter(|(number, _)| **number > request.marker);
        let mut parts: Vec<_> = all
            .map(|(number, part)| ListedPart {
                number: *number,
                size: part.data.len() as u64,
                etag: part.etag,
                modified: part.modified,
                checksum: part.checksum,
            })
            .collect();
        let most = request.max_parts as usize;
        let truncated = parts.len() > most;
        parts.truncate(most);
        Ok(PartsPage { request, parts, truncated, checksum: None, checksum_type: None })
    }
}
