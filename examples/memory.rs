//! Another store: objects in memory, behind the same protocol and the same drivers.
//!
//! `cargo run --example memory -- 8080 photos` serves it with the bucket `photos`. All that a
//! store must do is [`Store::call`].

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lobos::proto::digest::Hasher;
use lobos::proto::op::{self, BucketInfo, Buckets, ListedObject, PutObject};
use lobos::proto::*;

type Result<T> = std::result::Result<T, Error>;
type Object = (ObjectInfo, Arc<[u8]>);
type Objects = BTreeMap<String, Object>;

/// Buckets by name, objects by key.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<String, Objects>>>);

#[allow(clippy::print_stdout, reason = "says where it is")]
fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let port = words.next().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let setup = lobos::Setup::store(Arc::<Memory>::default()).listen(([127, 0, 0, 1], port).into());
    let server = words.fold(setup, lobos::Setup::bucket).start()?;
    println!("listening on {}", server.url());
    server.wait()
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Objects>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, name: &BucketName, f: impl FnOnce(&mut Objects) -> Result<T>) -> Result<T> {
        f(self.lock().get_mut(name.as_str()).ok_or_else(|| no_bucket(name))?)
    }

    fn find(&self, bucket: &BucketName, key: &Key) -> Result<Object> {
        let missing = || Error::new(Code::NoSuchKey).key(key.as_str());
        self.with(bucket, |objects| objects.get(key.as_str()).cloned().ok_or_else(missing))
    }
}

impl Store for Memory {
    fn call(&self, request: Request) -> Result<Outcome> {
        Ok(Outcome::Done(match request {
            Request::ListBuckets(list) => {
                let created = Timestamp::from_unix(0, 0);
                let named = |name: &String| BucketInfo { name: name.clone(), created };
                Response::ListBuckets(Buckets::of(list, self.lock().keys().map(named)))
            }
            Request::CreateBucket(create) => {
                self.lock().entry(create.bucket.to_string()).or_default();
                Response::CreateBucket { bucket: create.bucket }
            }
            Request::HeadBucket(r) => self.with(&r.bucket, |_| Ok(Response::HeadBucket))?,
            Request::GetBucketLocation(r) => {
                self.with(&r.bucket, |_| Ok(Response::GetBucketLocation))?
            }
            Request::DeleteBucket(delete) => {
                let (mut all, name) = (self.lock(), delete.bucket.as_str());
                match all.get(name).ok_or_else(|| no_bucket(&delete.bucket))?.is_empty() {
                    true => all.remove(name),
                    false => return Err(Error::new(Code::BucketNotEmpty).bucket(name)),
                };
                Response::DeleteBucket
            }
            Request::ListObjects(list) => {
                let bucket = list.bucket.clone();
                let listed = |(key, (info, _)): (&String, &Object)| ListedObject::of(key, info);
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
                let (hasher, memory) = (Hasher::new(put.algorithms()), self.clone());
                let upload = Upload { memory, put: *put, hasher, bytes: Vec::new() };
                return Ok(Outcome::Receive(Box::new(upload)));
            }
            Request::DeleteObject(delete) => self.with(&delete.bucket, |objects| {
                remove(objects, &delete.key, &delete.conditions).map(|()| Response::DeleteObject)
            })?,
            Request::DeleteObjects(delete) => self.with(&delete.bucket.clone(), |objects| {
                let each = |key: &Key, conditions: &_| remove(objects, key, conditions);
                Ok(Response::DeleteObjects(delete.each(each)))
            })?,
            _ => return Err(Error::new(Code::NotImplemented)),
        }))
    }
}

fn no_bucket(bucket: &BucketName) -> Error {
    Error::new(Code::NoSuchBucket).bucket(bucket.as_str())
}

/// If-Match and If-None-Match.
fn check(put: &PutObject, objects: &Objects) -> Result<()> {
    put.conditions.check(objects.get(put.key.as_str()).map(|(info, _)| &info.etag))
}

fn remove(objects: &mut Objects, key: &Key, conditions: &DeleteConditions) -> Result<()> {
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
    fn append(&mut self, data: &[u8]) -> Result<()> {
        self.hasher.update(data);
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn commit(self: Box<Self>, expected: &Expected) -> Result<Response> {
        let Self { memory, put, hasher, bytes } = *self;
        let digests = hasher.finish();
        expected.check(&digests)?;
        let info = put.info(bytes.len() as u64, &digests, SystemTime::now().into())?;
        let stored = Stored::from(&info);
        memory.with(&put.bucket, |objects| {
            check(&put, objects)?;
            objects.insert(put.key.to_string(), (info, bytes.into()));
            Ok(Response::PutObject(stored))
        })
    }
}
