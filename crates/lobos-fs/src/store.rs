//! The store: one arm per operation.

use std::sync::Arc;

use lobos_proto::op::{
    Acl, Configuration, DeleteObjects, GetObject, ObjectAttributes, PutObject, UploadPart,
    UploadPartCopy,
};
use lobos_proto::{BucketName, Code, Error, Key, ObjectInfo, Outcome, Request, Response, Store};

use crate::append::Append;
use crate::bucket::{Bucket, Shared};
use crate::index::{Index, IndexProgress};
use crate::limit::{CacheUse, Evictor, Limit};
use crate::list::Lister;
use crate::locks::Locks;
use crate::multipart;
use crate::object::{self, Object};
use crate::options::{Durability, Layout, OpenError, Options, Quirks};
use crate::ours::Ours;
use crate::roots::{Roots, Sure};
use crate::scratch::{self, Scratches};
use crate::seen::Seen;
use crate::snapshot::Live;
use crate::upload::Upload;
use crate::{configuration, copy, delete, rename, tagging, warn};

/// Buckets that are directories, objects that are plain files.
pub struct FsStore {
    roots: Arc<Roots>,
    lister: Lister,
    index: Option<Index>,
    limit: Option<Arc<Limit>>,
    evictor: Option<Evictor>,
    sweeps: multipart::Sweeps,
    renamed: rename::Done,
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
        let ours = Ours::default();
        let limit = options.cache_limit.map(|bytes| Arc::new(Limit::new(bytes)));
        let shared = Shared { options, quirks, locks, seen, ours, scratches, limit: limit.clone() };
        let durable = options.durability == Durability::Disk;
        let roots = Arc::new(Roots::open(layout, shared)?);
        let live = Arc::new(Live::new(options.refresh.is_some()));
        let lister = Lister::new(options.list_cache, Arc::clone(&live));
        let start = || Index::start(Arc::clone(&roots), live, options.refresh);
        let index = options.index.then(start).transpose();
        let index = index.map_err(|e| OpenError(format!("the index cannot be read: {e}")))?;
        let hold = |limit| Evictor::start(Arc::clone(&roots), limit);
        let evictor = limit.clone().map(hold).transpose();
        let evictor = evictor.map_err(|e| OpenError(format!("the cache cannot be held: {e}")))?;
        let (sweeps, renamed) = (multipart::Sweeps::default(), rename::Done::default());
        Ok(Self { roots, lister, index, limit, evictor, sweeps, renamed, durable })
    }

    /// Removes what processes that died have left in the buckets: nothing that is an object or an
    /// upload in parts. To be called before requests come.
    pub fn sweep(&self) {
        for name in self.roots.names().unwrap_or_default() {
            let Ok(bucket) = self.roots.bucket(&name, Sure::Now) else { continue };
            if let Err(e) = scratch::clean(&bucket) {
                warn::warn(&format!("what a crash left in {:?} stays: {e}", name.as_str()));
            }
        }
    }

    /// The folders of the layout in which this process may make nothing: every upload is refused.
    pub fn locked(&self) -> Vec<std::path::PathBuf> {
        self.roots.locked()
    }

    /// How far the index is, if there is one.
    pub fn index_progress(&self) -> Option<IndexProgress> {
        self.index.as_ref().map(Index::progress)
    }

    /// What the cache holds, if there is a limit.
    pub fn cache_use(&self) -> Option<CacheUse> {
        self.evictor.as_ref().map(Evictor::used)
    }

    /// Uploads in parts that are begun and neither completed nor dropped, in all buckets. Reads a
    /// folder for each bucket.
    pub fn open_uploads(&self) -> u64 {
        let names = self.roots.names().unwrap_or_default();
        let buckets = names.iter().filter_map(|name| self.roots.bucket(name, Sure::Now).ok());
        buckets.map(|bucket| multipart::count(&bucket)).sum()
    }

    /// The object, and the bucket that it is in. A bucket whose folder was replaced a moment ago
    /// must not answer that there is nothing.
    fn find(&self, name: &BucketName, key: &Key) -> Result<Object, Error> {
        self.look_for(name, key, object::find)
    }

    /// What HEAD says of it.
    fn info(&self, name: &BucketName, key: &Key) -> Result<ObjectInfo, Error> {
        self.look_for(name, key, object::head)
    }

    /// As [`FsStore::info`], for whoever may want the object next.
    fn looked_at(&self, name: &BucketName, key: &Key) -> Result<ObjectInfo, Error> {
        let info = self.info(name, key)?;
        if let Some(limit) = &self.limit {
            let bucket = self.roots.bucket(name, Sure::Recently)?;
            limit.asked(&bucket, key, (info.size, info.modified.nanos));
        }
        Ok(info)
    }

    fn look_for<T>(
        &self,
        name: &BucketName,
        key: &Key,
        find: impl Fn(&Bucket, &Key) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        let bucket = self.roots.bucket(name, Sure::Recently)?;
        if let Some(found) = find(&bucket, key)? {
            return Ok(found);
        }
        let found = match self.roots.bucket(name, Sure::Now)? {
            now if now.is_same(&bucket) => None,
            now => find(&now, key)?,
        };
        found.ok_or_else(|| Error::new(Code::NoSuchKey).key(key.as_str()))
    }

    fn get(&self, get: GetObject) -> Result<Outcome, Error> {
        let Object { info, mut source, .. } = self.find(&get.bucket, &get.key)?;
        if let Some(limit) = &self.limit {
            let bucket = self.roots.bucket(&get.bucket, Sure::Recently)?;
            let found = (info.size, info.modified.nanos);
            source = limit.reading(&bucket, &get.key, found, source);
        }
        let response = get.respond(info)?;
        Ok(Outcome::Send(Response::GetObject(Box::new(response)), source))
    }

    fn put(&self, put: Box<PutObject>) -> Result<Outcome, Error> {
        let bucket = self.roots.bucket(&put.bucket, Sure::Now)?;
        Ok(Outcome::Receive(match put.append {
            None => Box::new(Upload::begin(bucket, put)?),
            Some(offset) => Box::new(Append::begin(bucket, put, offset)?),
        }))
    }

    fn delete_objects(&self, request: DeleteObjects) -> Result<Response, Error> {
        let bucket = self.roots.bucket(&request.bucket, Sure::Now)?;
        let deletions = request.each(|key, conditions| delete::delete(&bucket, key, conditions));
        Ok(Response::DeleteObjects(deletions))
    }

    /// Whether what an ACL is about is there.
    fn check(&self, acl: &Acl) -> Result<(), Error> {
        match &acl.key {
            Some(key) => self.info(&acl.bucket, key).map(drop),
            None => self.now(&acl.bucket).map(drop),
        }
    }

    fn upload_part(&self, request: &UploadPart) -> Result<Outcome, Error> {
        let bucket = self.roots.bucket(&request.bucket, Sure::Now)?;
        Ok(Outcome::Receive(multipart::upload(bucket, request)?))
    }

    fn upload_part_copy(&self, request: &UploadPartCopy) -> Result<Response, Error> {
        let bucket = self.now(&request.bucket)?;
        let source = self.find(&request.source.bucket, &request.source.key)?;
        Ok(Response::UploadPartCopy(multipart::copy(bucket, request, &source)?))
    }

    /// What is asked of multipart uploads, besides their parts.
    fn multipart(&self, request: Request) -> Result<Response, Error> {
        Ok(match request {
            Request::CreateMultipartUpload(request) => {
                let bucket = self.swept(&request.bucket)?;
                let created = multipart::create(&bucket, *request)?;
                Response::CreateMultipartUpload(Box::new(created))
            }
            Request::UploadPartCopy(request) => self.upload_part_copy(&request)?,
            Request::CompleteMultipartUpload(request) => {
                let bucket = self.now(&request.bucket)?;
                let completed = multipart::complete(&bucket, *request)?;
                Response::CompleteMultipartUpload(Box::new(completed))
            }
            Request::AbortMultipartUpload(request) => {
                multipart::abort(&self.now(&request.bucket)?, &request)?;
                Response::AbortMultipartUpload
            }
            Request::ListParts(request) => {
                let bucket = self.now(&request.bucket)?;
                Response::ListParts(Box::new(multipart::parts(&bucket, request)?))
            }
            Request::ListMultipartUploads(request) => {
                let bucket = self.swept(&request.bucket)?;
                let page = multipart::uploads(&bucket, request)?;
                Response::ListMultipartUploads(Box::new(page))
            }
            _ => return Err(Error::new(Code::NotImplemented)),
        })
    }

    /// The bucket for work on multipart uploads, without those that are stale.
    fn swept(&self, name: &BucketName) -> Result<Bucket, Error> {
        let bucket = self.now(name)?;
        self.sweeps.run(&bucket);
        Ok(bucket)
    }

    fn now(&self, name: &BucketName) -> Result<Bucket, Error> {
        self.roots.bucket(name, Sure::Now)
    }

    fn answer(&self, request: Request) -> Result<Outcome, Error> {
        let response = match request {
            Request::GetObject(get) => return self.get(get),
            Request::PutObject(put) => return self.put(put),
            Request::UploadPart(request) => return self.upload_part(&request),
            Request::HeadObject(head) => {
                let info = self.looked_at(&head.0.bucket, &head.0.key)?;
                Response::HeadObject(Box::new(head.respond(info)?))
            }
            Request::DeleteObject(request) => {
                let bucket = self.now(&request.bucket)?;
                delete::delete(&bucket, &request.key, &request.conditions)?;
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
            Request::GetBucketConfiguration(get) => {
                configuration::get(&self.now(&get.bucket)?, &get)?
            }
            Request::PutBucketConfiguration(put) => {
                configuration::put(&self.now(&put.bucket)?, &put)?
            }
            Request::GetAcl(acl) => self.check(&acl).map(|()| Response::GetAcl)?,
            Request::PutAcl(acl) => self.check(&acl).map(|()| Response::PutAcl)?,
            Request::GetObjectTagging(get) => tagging::get(&self.now(&get.bucket)?, &get)?,
            Request::PutObjectTagging(put) => tagging::put(&self.now(&put.bucket)?, put)?,
            Request::GetObjectAttributes(request) => {
                let info = self.info(&request.bucket, &request.key)?;
                Response::GetObjectAttributes(Box::new(ObjectAttributes { request, info }))
            }
            Request::CopyObject(request) => {
                let (from, to) = (self.now(&request.source.bucket)?, self.now(&request.bucket)?);
                Response::CopyObject(copy::copy(&from, &to, &request)?)
            }
            Request::RenameObject(request) => {
                rename::rename(&self.now(&request.bucket)?, &request, &self.renamed)?;
                Response::RenameObject
            }
            Request::CreateMultipartUpload(_)
            | Request::UploadPartCopy(_)
            | Request::CompleteMultipartUpload(_)
            | Request::AbortMultipartUpload(_)
            | Request::ListParts(_)
            | Request::ListMultipartUploads(_) => self.multipart(request)?,
        };
        Ok(Outcome::Done(response))
    }
}

/// Whether a client may read which buckets there are, if there is not this one: HEAD has no body,
/// and for the CORS rules also strangers ask.
fn may_learn(request: &Request) -> bool {
    match request {
        Request::HeadBucket(_) | Request::HeadObject(_) => false,
        Request::GetBucketConfiguration(get) => get.kind != Configuration::Cors,
        _ => true,
    }
}

impl Store for FsStore {
    fn call(&self, request: Request) -> Result<Outcome, Error> {
        let may_learn = may_learn(&request);
        self.answer(request).map_err(|error| match error.code() {
            Code::NoSuchBucket if may_learn => self.roots.name_others(error),
            _ => error,
        })
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
            Request::DeleteObject(_) | Request::RenameObject(_) | Request::PutObjectTagging(_) => {
                self.durable
            }
            Request::CreateMultipartUpload(request) => {
                self.durable || self.sweeps.is_due(&request.bucket)
            }
            Request::HeadBucket(_)
            | Request::GetBucketLocation(_)
            | Request::HeadObject(_)
            | Request::GetObject(_)
            | Request::GetObjectAttributes(_)
            | Request::GetObjectTagging(_)
            | Request::UploadPart(_)
            | Request::GetBucketConfiguration(_)
            | Request::GetAcl(_)
            | Request::PutAcl(_) => false,
            // What is appended to may have to be copied.
            Request::PutObject(put) => put.append.is_some_and(|offset| offset > 0),
        }
    }
}
