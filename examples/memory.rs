//! Another store: objects in memory, behind the same protocol and the same drivers.
//!
//! `cargo run --example memory -- 8080 photos` serves it with the bucket `photos`. All that a
//! store must do is [`Store::call`].

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lobos::proto::digest::{Algorithm, Hasher};
use lobos::proto::op::{
    self, BucketInfo, Buckets, DeleteKey, Deleted, Deletions, ListedObject, PutObject,
};
use lobos::proto::*;

type Objects = BTreeMap<String, (ObjectInfo, Arc<[u8]>)>;

/// Buckets by name, objects by key.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Objects>>>);

#[allow(clippy::print_stdout, reason = "says where it is")]
fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let port = words.next().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let setup = lobos::Setup::store(Arc::new(Memory::default()));
    let setup = setup.listen(([127, 0, 0, 1], port).into());
    let server = words.fold(setup, lobos::Setup::bucket).start()?;
    println!("listening on {}", server.url());
    server.wait()
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Objects>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        bucket: &BucketName,
        work: impl FnOnce(&mut Objects) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let missing = || Error::new(Code::NoSuchBucket).bucket(bucket.as_str());
        work(self.lock().get_mut(bucket.as_str()).ok_or_else(missing)?)
    }

    fn find(&self, bucket: &BucketName, key: &Key) -> Result<(ObjectInfo, Arc<[u8]>), Error> {
        let missing = || Error::new(Code::NoSuchKey).key(key.as_str());
        self.with(bucket, |objects| objects.get(key.as_str()).cloned().ok_or_else(missing))
    }
}

impl Store for Memory {
    fn call(&self, request: Request) -> Result<Outcome, Error> {
        Ok(Outcome::Done(match request {
            Request::ListBuckets(list) => {
                let created = Timestamp::from_unix(0, 0);
                let named = |name: &String| BucketInfo { name: name.clone(), created };
                let buckets = self.lock().keys().map(named).collect();
                Response::ListBuckets(Buckets {
                    buckets,
                    prefix: list.prefix,
                    ..Buckets::default()
                })
            }
            Request::CreateBucket(create) => {
                self.lock().entry(create.bucket.to_string()).or_default();
                Response::CreateBucket { bucket: create.bucket }
            }
            Request::HeadBucket(head) => self.with(&head.bucket, |_| Ok(Response::HeadBucket))?,
            Request::GetBucketLocation(get) => {
                self.with(&get.bucket, |_| Ok(Response::GetBucketLocation))?
            }
            Request::DeleteBucket(delete) => {
                let not_empty = || Error::new(Code::BucketNotEmpty).bucket(delete.bucket.as_str());
                self.with(&delete.bucket, |o| o.is_empty().then_some(()).ok_or_else(not_empty))?;
                self.lock().remove(delete.bucket.as_str());
                Response::DeleteBucket
            }
            Request::ListObjects(list) => {
                let bucket = list.bucket.clone();
                let listed = |(key, (info, _)): (&String, &(ObjectInfo, Arc<[u8]>))| ListedObject {
                    key: key.clone(),
                    size: info.size,
                    modified: info.modified,
                    etag: info.etag,
                };
                let page = |all: &mut Objects| Ok(op::Page::of(list, all.iter().map(listed)));
                Response::ListObjects(Box::new(self.with(&bucket, page)?))
            }
            Request::HeadObject(head) => {
                let (info, _) = self.find(&head.0.bucket, &head.0.key)?;
                Response::HeadObject(Box::new(head.respond(info)?))
            }
            Request::GetObject(get) => {
                let (info, bytes) = self.find(&get.bucket, &get.key)?;
                let response = Response::GetObject(Box::new(get.respond(info)?));
                return Ok(Outcome::Send(response, Box::new(bytes)));
            }
            Request::PutObject(put) if put.append.is_none() => {
                self.with(&put.bucket, |objects| check(&put, objects))?;
                let md5 = [Algorithm::Md5];
                let wanted = put.verify.iter().copied().chain(put.checksum).chain(md5);
                let (hasher, memory) = (Hasher::new(wanted), self.clone());
                let upload = Upload { memory, put: *put, hasher, bytes: Vec::new() };
                return Ok(Outcome::Receive(Box::new(upload)));
            }
            Request::DeleteObject(delete) => self.with(&delete.bucket, |objects| {
                remove(objects, &delete.key, &delete.conditions).map(|()| Response::DeleteObject)
            })?,
            Request::DeleteObjects(delete) => self.with(&delete.bucket, |objects| {
                let one = |DeleteKey { name, version, key, conditions }| {
                    let result = key.and_then(|key| remove(objects, &key, &conditions));
                    Deleted { name, version, result }
                };
                let results = delete.keys.into_iter().map(one).collect();
                Ok(Response::DeleteObjects(Deletions { results, quiet: delete.quiet }))
            })?,
            _ => return Err(Error::new(Code::NotImplemented)),
        }))
    }
}

/// If-Match and If-None-Match.
fn check(put: &PutObject, objects: &Objects) -> Result<(), Error> {
    put.conditions.check(objects.get(put.key.as_str()).map(|(info, _)| &info.etag))
}

fn remove(objects: &mut Objects, key: &Key, conditions: &DeleteConditions) -> Result<(), Error> {
    let current = objects.get(key.as_str()).map(|(info, _)| info);
    conditions.check(current.map(|info| (&info.etag, info.size, info.modified)))?;
    objects.remove(key.as_str());
    Ok(())
}

/// An upload under way: visible when it is whole, and forgotten if it never is.
struct Upload {
    memory: Memory,
    put: PutObject,
    hasher: Hasher,
    bytes: Vec<u8>,
}

impl Sink for Upload {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        self.hasher.update(data);
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn commit(self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        let Self { memory, put, hasher, bytes } = *self;
        let digests = hasher.finish();
        expected.check(&digests)?;
        let md5 = digests.get(Algorithm::Md5).map(|md5| md5.to_hex()).unwrap_or_default();
        let etag = ETag::new(&md5).ok_or_else(|| Error::new(Code::InternalError))?;
        let checksum = put.checksum.and_then(|algorithm| digests.get(algorithm));
        let checksums: Vec<_> = checksum.map(Checksum::full).into_iter().collect();
        let kind = put.metadata.content_type.clone();
        let size = bytes.len() as u64;
        let info = ObjectInfo {
            size,
            modified: SystemTime::now().into(),
            etag,
            content_type: kind.map_or("binary/octet-stream".into(), Into::into),
            metadata: put.metadata.clone(),
            checksums: checksums.clone(),
            parts: None,
            tags: 0,
        };
        memory.with(&put.bucket, |objects| {
            check(&put, objects)?;
            objects.insert(put.key.to_string(), (info, bytes.into()));
            Ok(Response::PutObject(Stored { etag, size, checksums }))
        })
    }
}
