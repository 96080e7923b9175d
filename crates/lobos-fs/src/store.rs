//! The store: one arm per operation.

use lobos_proto::op::{
    Acl, DeleteObjects, Deleted, Deletions, GetObject, ObjectAttributes, PutObject,
};
use lobos_proto::{BucketName, Code, Error, Key, Outcome, Request, Response, Store};

use crate::bucket::{Bucket, Shared};
use crate::list::Lister;
use crate::locks::Locks;
use crate::object::{self, Object};
use crate::options::{Durability, Layout, OpenError, Options, Quirks};
use crate::roots::{Roots, Sure};
use crate::scratch::Scratches;
use crate::seen::Seen;
use crate::upload::Upload;
use crate::{configuration, delete, tagging};

/// Buckets that are directories, objects that are plain files.
pub struct FsStore {
    roots: Roots,
    lister: Lister,
    durable: bool,
}

impl FsStore {
    /// Opens the directories of `layout`. Nothing is written into them.
    ///
    /// # Errors
    /// A directory that is missing, is none or cannot be read; a name that no bucket can have or
    /// that two have.
    pub fn open(layout: Layout, options: Options) -> Result<Self, OpenError> {
        Self::open_with(layout, options, Quirks::default())
    }

    /// For tests: as on a file system that lacks something.
    ///
    /// # Errors
    /// As [`FsStore::open`].
    #[doc(hidden)]
    pub fn open_with(layout: Layout, options: Options, quirks: Quirks) -> Result<Self, OpenError> {
        let (locks, seen, scratches) = (Locks::new(), Seen::new(), Scratches::new());
        let shared = Shared { options, quirks, locks, seen, scratches };
        let durable = options.durability == Durability::Disk;
        Ok(Self { roots: Roots::open(layout, shared)?, lister: Lister::default(), durable })
    }

    /// The object, and the bucket that it is in. A bucket whose folder was replaced a moment ago
    /// must not answer that there is nothing.
    fn find(&self, name: &BucketName, key: &Key) -> Result<Object, Error> {
        let bucket = self.roots.bucket(name, Sure::Recently)?;
        if let Some(object) = object::find(&bucket, key)? {
            return Ok(object);
        }
        let found = match self.roots.bucket(name, Sure::Now)? {
            now if now.is_same(&bucket) => None,
            now => object::find(&now, key)?,
        };
        found.ok_or_else(|| Error::new(Code::NoSuchKey).key(key.as_str()))
    }

    fn get(&self, get: GetObject) -> Result<Outcome, Error> {
        let object = self.find(&get.bucket, &get.key)?;
        let response = get.respond(object.info)?;
        Ok(Outcome::Send(Response::GetObject(Box::new(response)), object.source))
    }

    fn put(&self, put: Box<PutObject>) -> Result<Outcome, Error> {
        let bucket = self.roots.bucket(&put.bucket, Sure::Now)?;
        Ok(Outcome::Receive(Box::new(Upload::begin(bucket, put)?)))
    }

    fn delete_objects(&self, request: DeleteObjects) -> Result<Response, Error> {
        let bucket = self.roots.bucket(&request.bucket, Sure::Now)?;
        let delete = |key: Result<Key, Error>| delete::delete(&bucket, &key?);
        let one = |k: lobos_proto::op::DeleteKey| Deleted { name: k.name, result: delete(k.key) };
        let results = request.keys.into_iter().map(one).collect();
        Ok(Response::DeleteObjects(Deletions { results, quiet: request.quiet }))
    }

    /// Whether what an ACL is about is there.
    fn check(&self, acl: &Acl) -> Result<(), Error> {
        match &acl.key {
            Some(key) => self.find(&acl.bucket, key).map(drop),
            None => self.now(&acl.bucket).map(drop),
        }
    }

    fn now(&self, name: &BucketName) -> Result<Bucket, Error> {
        self.roots.bucket(name, Sure::Now)
    }
}

impl Store for FsStore {
    fn call(&self, request: Request) -> Result<Outcome, Error> {
        let response = match request {
            Request::GetObject(get) => return self.get(get),
            Request::PutObject(put) => return self.put(put),
            Request::HeadObject(head) => {
                let object = self.find(&head.0.bucket, &head.0.key)?;
                Response::HeadObject(Box::new(head.respond(object.info)?))
            }
            Request::DeleteObject(request) => {
                delete::delete(&self.now(&request.bucket)?, &request.key)?;
                Response::DeleteObject
            }
            Request::DeleteObjects(request) => self.delete_objects(request)?,
            Request::ListObjects(request) => {
                let bucket = self.now(&request.bucket)?;
                Response::ListObjects(Box::new(self.lister.page(&bucket, request)?))
            }
            Request::ListBuckets(request) => Response::ListBuckets(self.roots.list(request)?),
            Request::CreateBucket(request) => {
                self.roots.create(&request)?;
                Response::CreateBucket { bucket: request.bucket }
            }
            Request::DeleteBucket(request) => {
                self.roots.delete(&request.bucket)?;
                Response::DeleteBucket
            }
            Request::HeadBucket(request) => {
                self.now(&request.bucket)?;
                Response::HeadBucket
            }
            Request::GetBucketLocation(request) => {
                self.now(&request.bucket)?;
                Response::GetBucketLocation
            }
            Request::GetBucketConfiguration(request) => {
                let kept = configuration::read(&self.now(&request.bucket)?, request.kind)?;
                request.respond(kept)?
            }
            Request::PutBucketConfiguration(request) => {
                let bucket = self.now(&request.bucket)?;
                match request.document {
                    Some(document) => {
                        configuration::write(&bucket, request.kind, &document)?;
                        Response::PutBucketConfiguration
                    }
                    None => {
                        configuration::remove(&bucket, request.kind)?;
                        Response::DeleteBucketConfiguration
                    }
                }
            }
            Request::GetAcl(request) => {
                self.check(&request)?;
                Response::GetAcl
            }
            Request::PutAcl(request) => {
                self.check(&request)?;
                Response::PutAcl
            }
            Request::GetObjectTagging(request) => {
                let bucket = self.now(&request.bucket)?;
                Response::GetObjectTagging(tagging::read(&bucket, &request.key)?)
            }
            Request::PutObjectTagging(request) => {
                let bucket = self.now(&request.bucket)?;
                let response = match request.tags {
                    Some(_) => Response::PutObjectTagging,
                    None => Response::DeleteObjectTagging,
                };
                tagging::write(&bucket, &request.key, &request.tags.unwrap_or_default())?;
                response
            }
            Request::GetObjectAttributes(request) => {
                let info = self.find(&request.bucket, &request.key)?.info;
                Response::GetObjectAttributes(Box::new(ObjectAttributes { request, info }))
            }
            Request::CopyObject(_)
            | Request::RenameObject(_)
            | Request::CreateMultipartUpload(_)
            | Request::UploadPart(_)
            | Request::UploadPartCopy(_)
            | Request::CompleteMultipartUpload(_)
            | Request::AbortMultipartUpload(_)
            | Request::ListParts(_)
            | Request::ListMultipartUploads(_) => return Err(Error::new(Code::NotImplemented)),
        };
        Ok(Outcome::Done(response))
    }

    fn is_heavy(&self, request: &Request) -> bool {
        match request {
            Request::ListObjects(_)
            | Request::ListBuckets(_)
            | Request::DeleteObjects(_)
            | Request::CreateBucket(_)
            | Request::DeleteBucket(_)
            | Request::CopyObject(_)
            | Request::UploadPartCopy(_)
            | Request::CompleteMultipartUpload(_)
            | Request::AbortMultipartUpload(_)
            | Request::ListParts(_)
            | Request::ListMultipartUploads(_)
            | Request::PutBucketConfiguration(_) => true,
            Request::DeleteObject(_)
            | Request::RenameObject(_)
            | Request::PutObjectTagging(_)
            | Request::CreateMultipartUpload(_) => self.durable,
            Request::HeadBucket(_)
            | Request::GetBucketLocation(_)
            | Request::HeadObject(_)
            | Request::GetObject(_)
            | Request::GetObjectAttributes(_)
            | Request::GetObjectTagging(_)
            | Request::UploadPart(_)
            | Request::GetBucketConfiguration(_)
            | Request::GetAcl(_)
            | Request::PutAcl(_)
            | Request::PutObject(_) => false,
        }
    }
}
