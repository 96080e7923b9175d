//! A store in memory that does what the contract of `lobos_proto::Store` says, with a fixed clock.

#![allow(clippy::disallowed_types, reason = "a store is called from any thread")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use lobos_proto::digest::{Algorithm, Hasher};
use lobos_proto::op::{
    Acl, BucketInfo, Buckets, Configuration, GetBucketConfiguration, GetObject,
    GetObjectAttributes, ListBuckets, ListObjects, ListedObject, ObjectAttributes, Page,
    PutBucketConfiguration, PutObject,
};
use lobos_proto::{
    BucketName, Code, Error, Expected, Key, Metadata, ObjectInfo, Outcome, Request, Response, Sink,
    Store, Stored, TagSet, Timestamp,
};

use super::{MIDNIGHT, copies, multipart};

pub(super) type Objects = BTreeMap<String, Object>;
pub(super) type All = BTreeMap<String, Objects>;

/// The bucket that has CORS rules, and they.
const RULED: &str = "bench";
const RULES: &str = "<CORSConfiguration><CORSRule>\
    <AllowedOrigin>https://*.app.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
    <AllowedMethod>POST</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader>\
    <AllowedHeader>content-type</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <ExposeHeader>x-amz-meta-a</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>\
    </CORSConfiguration>";

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(super) info: ObjectInfo,
    pub(super) tags: TagSet,
    pub(super) bytes: Arc<[u8]>,
}

/// Buckets of objects.
#[derive(Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<All>>);

impl Memory {
    /// The empty bucket `bench`, and `photos` with a few objects.
    pub(crate) fn sample() -> Arc<Self> {
        static SAMPLE: LazyLock<All> = LazyLock::new(|| Memory::build().lock().clone());
        Arc::new(Self(Arc::new(Mutex::new(SAMPLE.clone()))))
    }

    fn build() -> Self {
        let memory = Self::default();
        memory.lock().extend([("bench".into(), Objects::new()), ("photos".into(), Objects::new())]);
        for (key, kind, text) in [
            ("a.txt", Some("text/plain"), "hello world"),
            ("albums/2025/1.jpg", Some("image/jpeg"), "one"),
            ("albums/2025/2.jpg", Some("image/jpeg"), "two"),
            ("albums/2026/3.jpg", Some("image/jpeg"), "three"),
            ("b c+d%&ü.txt", None, "odd"),
            ("empty", None, ""),
            ("page.html", Some("text/html; charset=utf-8"), "<p>hi</p>"),
        ] {
            memory.put("photos", key, kind, text.as_bytes());
        }
        memory
    }

    /// Stores one object.
    pub(crate) fn put(&self, bucket: &str, key: &str, kind: Option<&str>, bytes: &[u8]) {
        let put = PutObject {
            bucket: BucketName::new(bucket).expect("a bucket"),
            key: Key::new(key).expect("a key"),
            metadata: Metadata { content_type: kind.map(str::to_owned), ..Metadata::default() },
            tags: Default::default(),
            append: None,
            conditions: Default::default(),
            size: Some(bytes.len() as u64),
            checksum: Some(Algorithm::Crc32),
            verify: Vec::new(),
        };
        let mut sink = Upload::new(self, put);
        sink.append(bytes).and_then(|()| Box::new(sink).commit(&Expected::default())).expect("it");
    }

    /// Everything in it, to compare.
    pub(crate) fn dump(&self) -> String {
        format!("{:?}", self.lock())
    }

    /// The bytes of an object.
    pub(crate) fn bytes(&self, bucket: &str, key: &str) -> Option<Arc<[u8]>> {
        Some(Arc::clone(&self.lock().get(bucket)?.get(key)?.bytes))
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request in a few words.
pub(crate) fn summary(request: &Request) -> String {
    let (name, bucket, key) = match request {
        Request::ListBuckets(_) => ("ListBuckets", "", ""),
        Request::CreateBucket(r) => ("CreateBucket", r.bucket.as_str(), ""),
        Request::HeadBucket(r) => ("HeadBucket", r.bucket.as_str(), ""),
        Request::DeleteBucket(r) => ("DeleteBucket", r.bucket.as_str(), ""),
        Request::GetBucketLocation(r) => ("GetBucketLocation", r.bucket.as_str(), ""),
        Request::ListObjects(r) => ("ListObjects", r.bucket.as_str(), ""),
        Request::HeadObject(r) => ("HeadObject", r.0.bucket.as_str(), r.0.key.as_str()),
        Request::GetObject(r) => ("GetObject", r.bucket.as_str(), r.key.as_str()),
        Request::PutObject(r) => ("PutObject", r.bucket.as_str(), r.key.as_str()),
        Request::DeleteObject(r) => ("DeleteObject", r.bucket.as_str(), r.key.as_str()),
        Request::DeleteObjects(r) => ("DeleteObjects", r.bucket.as_str(), ""),
        Request::GetBucketConfiguration(r) => {
            return format!("GetBucketConfiguration {} {}", r.bucket, r.kind.name());
        }
        Request::CopyObject(r) => ("CopyObject", r.bucket.as_str(), r.key.as_str()),
        Request::RenameObject(r) => ("RenameObject", r.bucket.as_str(), r.key.as_str()),
        other => return format!("{other:?}"),
    };
    let slash = if key.is_empty() { "" } else { "/" };
    format!("{name} {bucket}{slash}{key}").trim_end().to_owned()
}

pub(super) fn midnight() -> Timestamp {
    Timestamp::from_unix(MIDNIGHT as i64, 123_456_789)
}

pub(super) fn no_bucket(bucket: &BucketName) -> Error {
    Error::new(Code::NoSuchBucket).bucket(bucket.as_str())
}

pub(super) fn no_key(key: &Key) -> Error {
    Error::new(Code::NoSuchKey).key(key.as_str())
}

impl Store for Memory {
    fn call(&self, request: Request) -> Result<Outcome, Error> {
        let mut all = self.lock();
        let has = |bucket: &BucketName| match all.contains_key(bucket.as_str()) {
            true => Ok(()),
            false => Err(no_bucket(bucket)),
        };
        Ok(Outcome::Done(match request {
            Request::ListBuckets(list) => Response::ListBuckets(list_buckets(&all, list)),
            Request::CreateBucket(r) => create(&mut all, r.bucket)?,
            Request::HeadBucket(r) => has(&r.bucket).map(|()| Response::HeadBucket)?,
            Request::DeleteBucket(r) => delete_bucket(&mut all, &r.bucket)?,
            Request::GetBucketLocation(r) => {
                has(&r.bucket).map(|()| Response::GetBucketLocation)?
            }
            Request::GetAcl(r) => has_all(&all, &r).map(|()| Response::GetAcl)?,
            Request::PutAcl(r) => has_all(&all, &r).map(|()| Response::PutAcl)?,
            Request::GetObjectTagging(r) => {
                Response::GetObjectTagging(object(&mut all, &r.bucket, &r.key)?.tags.clone())
            }
            Request::PutObjectTagging(r) => tag(object(&mut all, &r.bucket, &r.key)?, r.tags),
            // Nothing is kept here.
            Request::GetBucketConfiguration(r) => {
                has(&r.bucket).and_then(|()| configuration(&r))?
            }
            Request::PutBucketConfiguration(r) => has(&r.bucket).map(|()| configured(&r))?,
            Request::ListObjects(r) => {
                let objects = all.get(r.bucket.as_str()).ok_or_else(|| no_bucket(&r.bucket))?;
                Response::ListObjects(Box::new(page(objects, r)))
            }
            Request::HeadObject(r) => {
                let object = find(&all, &r.0)?;
                Response::HeadObject(Box::new(r.respond(object.info)?))
            }
            Request::GetObject(r) => {
                let object = find(&all, &r)?;
                let response = Response::GetObject(Box::new(r.respond(object.info)?));
                return Ok(Outcome::Send(response, Box::new(object.bytes)));
            }
            Request::PutObject(put) => {
                has(&put.bucket)?;
                let current = all[put.bucket.as_str()].get(put.key.as_str());
                put.conditions.check(current.map(|object| &object.info.etag))?;
                copies::base(&all[put.bucket.as_str()], &put)?;
                return Ok(Outcome::Receive(Box::new(Upload::new(self, *put))));
            }
            Request::DeleteObject(r) => {
                let objects = all.get_mut(r.bucket.as_str()).ok_or_else(|| no_bucket(&r.bucket))?;
                copies::delete(objects, &r).map(|()| Response::DeleteObject)?
            }
            Request::DeleteObjects(r) => {
                let objects = all.get_mut(r.bucket.as_str()).ok_or_else(|| no_bucket(&r.bucket))?;
                Response::DeleteObjects(copies::delete_many(objects, r))
            }
            Request::CopyObject(r) => Response::CopyObject(copies::copy(&mut all, *r)?),
            Request::RenameObject(r) => {
                copies::rename(&mut all, &r).map(|()| Response::RenameObject)?
            }
            Request::GetObjectAttributes(r) => attributes(&all, r)?,
            other => {
                return multipart::call(other, |copy| {
                    let bucket = &copy.source.bucket;
                    let objects = all.get(bucket.as_str()).ok_or_else(|| no_bucket(bucket))?;
                    let object = get_object(objects, &copy.source.key)?;
                    let info = &object.info;
                    copy.source.check(&info.etag, info.modified).map(|()| object)
                });
            }
        }))
    }
}

fn attributes(all: &All, request: GetObjectAttributes) -> Result<Response, Error> {
    let bucket = &request.bucket;
    let objects = all.get(bucket.as_str()).ok_or_else(|| no_bucket(bucket))?;
    let info = get_object(objects, &request.key)?.info;
    Ok(Response::GetObjectAttributes(Box::new(ObjectAttributes { request, info })))
}

fn create(all: &mut All, bucket: BucketName) -> Result<Response, Error> {
    if !bucket.is_valid_for_new() {
        return Err(Error::new(Code::InvalidBucketName).bucket(bucket.as_str()));
    }
    if all.contains_key(bucket.as_str()) {
        return Err(Error::new(Code::BucketAlreadyOwnedByYou).bucket(bucket.as_str()));
    }
    all.insert(bucket.to_string(), Objects::new());
    Ok(Response::CreateBucket { bucket })
}

fn configuration(get: &GetBucketConfiguration) -> Result<Response, Error> {
    let ruled = (get.bucket.as_str(), get.kind) == (RULED, Configuration::Cors);
    get.respond(ruled.then(|| RULES.to_owned()))
}

fn configured(put: &PutBucketConfiguration) -> Response {
    match put.document {
        Some(_) => Response::PutBucketConfiguration(put.kind),
        None => Response::DeleteBucketConfiguration,
    }
}

fn delete_bucket(all: &mut All, bucket: &BucketName) -> Result<Response, Error> {
    match all.get(bucket.as_str()) {
        None => Err(no_bucket(bucket)),
        Some(objects) if !objects.is_empty() => {
            Err(Error::new(Code::BucketNotEmpty).bucket(bucket.as_str()))
        }
        Some(_) => {
            all.remove(bucket.as_str());
            Ok(Response::DeleteBucket)
        }
    }
}

fn find(all: &All, get: &GetObject) -> Result<Object, Error> {
    let objects = all.get(get.bucket.as_str()).ok_or_else(|| no_bucket(&get.bucket))?;
    get_object(objects, &get.key)
}

fn get_object(objects: &Objects, key: &Key) -> Result<Object, Error> {
    let found = objects.get(key.as_str()).cloned().or_else(|| multipart::object(key.as_str()));
    found.ok_or_else(|| no_key(key))
}

fn object<'a>(all: &'a mut All, bucket: &BucketName, key: &Key) -> Result<&'a mut Object, Error> {
    let objects = all.get_mut(bucket.as_str()).ok_or_else(|| no_bucket(bucket))?;
    objects.get_mut(key.as_str()).ok_or_else(|| no_key(key))
}

fn tag(object: &mut Object, tags: Option<TagSet>) -> Response {
    let response = match tags {
        Some(_) => Response::PutObjectTagging,
        None => Response::DeleteObjectTagging,
    };
    object.tags = tags.unwrap_or_default();
    object.info.tags = object.tags.pairs().len();
    response
}

/// The bucket, and the object if it is about one.
fn has_all(all: &All, acl: &Acl) -> Result<(), Error> {
    let objects = all.get(acl.bucket.as_str()).ok_or_else(|| no_bucket(&acl.bucket))?;
    match &acl.key {
        Some(key) if !objects.contains_key(key.as_str()) => Err(no_key(key)),
        _ => Ok(()),
    }
}

fn list_buckets(all: &All, list: ListBuckets) -> Buckets {
    let info = |name: &String| BucketInfo { name: name.clone(), created: midnight() };
    Buckets::of(list, all.keys().map(info))
}

fn page(objects: &Objects, request: ListObjects) -> Page {
    let listed = |(key, object): (&String, &Object)| ListedObject::of(key, &object.info);
    Page::of(request, objects.iter().map(listed))
}

/// An upload under way.
struct Upload {
    all: Arc<Mutex<All>>,
    put: PutObject,
    hasher: Hasher,
    bytes: Vec<u8>,
}

impl Upload {
    fn new(memory: &Memory, put: PutObject) -> Self {
        let hasher = Hasher::new(put.algorithms());
        Self { all: Arc::clone(&memory.0), put, hasher, bytes: Vec::new() }
    }
}

impl Sink for Upload {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        self.hasher.update(data);
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    fn commit(self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        let digests = self.hasher.finish();
        for wanted in expected.algorithms() {
            assert!(digests.get(wanted).is_some(), "{wanted:?} was not announced");
        }
        expected.check(&digests)?;
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let objects =
            all.get_mut(self.put.bucket.as_str()).ok_or_else(|| no_bucket(&self.put.bucket))?;
        let current = objects.get(self.put.key.as_str());
        self.put.conditions.check(current.map(|object| &object.info.etag))?;
        if let Some(base) = copies::base(objects, &self.put)? {
            let object = copies::extended(base, &self.bytes);
            let stored = Stored::from(&object.info);
            objects.insert(self.put.key.to_string(), object);
            return Ok(Response::AppendObject(stored));
        }
        let info = self.put.info(self.bytes.len() as u64, &digests, midnight())?;
        let stored = Stored::from(&info);
        let object = Object { info, tags: self.put.tags, bytes: self.bytes.into() };
        objects.insert(self.put.key.to_string(), object);
        Ok(match self.put.append {
            Some(_) => Response::AppendObject(stored),
            None => Response::PutObject(stored),
        })
    }
}
