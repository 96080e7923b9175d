//! The model store: objects in memory, a log of every change, and disks that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lobos_proto::digest::{Digests, Hasher};
use lobos_proto::op::{
    DeleteObjects, Deleted, Deletions, ListObjects, ListedObject, ObjectResponse, Page, PutObject,
    UploadPart,
};
use lobos_proto::{
    Checksum, Code, ETag, Error, Expected, Metadata, ObjectInfo, Outcome, Request, Response, Sink,
    Source, Store, Stored, Timestamp,
};

use crate::rng::Rng;
use parts::Pending;

#[path = "store/parts.rs"]
mod parts;

pub(crate) use parts::Part;

/// The only bucket.
pub(crate) const BUCKET: &str = "sim";

/// One object as it was committed.
pub(crate) struct Version {
    pub(crate) etag: ETag,
    pub(crate) data: Arc<[u8]>,
    modified: Timestamp,
}

/// One change in the order in which they happened; the first has the number 1.
pub(crate) struct Change {
    pub(crate) number: u64,
    pub(crate) key: String,
    pub(crate) what: What,
    /// The request that it was asked by.
    pub(crate) request: Option<u32>,
    /// The connection that it came by; `None` before there were any.
    pub(crate) owner: Option<usize>,
}

/// What one change has changed. Uploads in parts have names.
pub(crate) enum What {
    Stored(Arc<Version>),
    Deleted,
    Begun(String),
    /// In the place of one with the same number.
    Part(String, u32, Arc<Part>),
    /// The object that the upload became.
    Completed(String, Arc<Version>),
    Aborted(String),
}

impl Change {
    /// What is at the key from now on, if that has changed.
    fn object(&self) -> Option<Option<&Arc<Version>>> {
        match &self.what {
            What::Stored(version) | What::Completed(_, version) => Some(Some(version)),
            What::Deleted => Some(None),
            What::Begun(_) | What::Part(..) | What::Aborted(_) => None,
        }
    }
}

/// How often what fails, in per cent.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rates {
    pub(crate) call: usize,
    pub(crate) append: usize,
    pub(crate) commit: usize,
    pub(crate) source: usize,
    pub(crate) heavy: usize,
}

/// What one connection has open, and what was done to it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Account {
    pub(crate) sinks: usize,
    pub(crate) sources: usize,
    /// Calls, appends and commits that were made to fail.
    pub(crate) failures: usize,
    /// Sources that were made to fail.
    pub(crate) cuts: usize,
}

pub(crate) struct State {
    pub(crate) changes: Vec<Change>,
    pub(crate) accounts: Vec<Account>,
    /// The uploads in parts that are under way.
    pub(crate) pending: BTreeMap<String, Pending>,
    /// Requests that were made to fail.
    pub(crate) failed: BTreeSet<u32>,
    /// What a driver must never do to a store.
    pub(crate) violations: Vec<String>,
    /// Whose job runs now.
    pub(crate) owner: usize,
    pub(crate) rates: Rates,
    rng: Rng,
}

/// The store of one world.
#[derive(Clone)]
pub(crate) struct Model(Arc<Mutex<State>>);

impl Model {
    pub(crate) fn new(seed: u64, connections: usize, rates: Rates) -> Self {
        Self(Arc::new(Mutex::new(State {
            changes: Vec::new(),
            accounts: vec![Account::default(); connections],
            pending: BTreeMap::new(),
            failed: BTreeSet::new(),
            violations: Vec::new(),
            owner: 0,
            rates,
            rng: Rng::new(!seed),
        })))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The number of the last change.
    pub(crate) fn last(&self) -> u64 {
        self.changes.len() as u64
    }

    /// Adds a change that has happened.
    fn log(&mut self, key: &str, what: What, request: Option<u32>, owner: Option<usize>) {
        let number = self.last() + 1;
        self.changes.push(Change { number, key: key.to_owned(), what, request, owner });
    }

    /// When the next change happens.
    fn moment(&self) -> Timestamp {
        Timestamp::from_unix(1_700_000_001 + self.last() as i64, 0)
    }

    fn version(&mut self, data: Arc<[u8]>) -> Arc<Version> {
        let (number, modified) = (self.last() + 1, self.moment());
        let etag = ETag::opaque(number, self.rng.next());
        Arc::new(Version { etag, data, modified })
    }

    /// Stores an object.
    pub(crate) fn put(
        &mut self,
        key: &str,
        data: Arc<[u8]>,
        request: Option<u32>,
        owner: Option<usize>,
    ) -> Arc<Version> {
        let version = self.version(data);
        self.log(key, What::Stored(Arc::clone(&version)), request, owner);
        version
    }

    /// The object at a key after change `number`.
    pub(crate) fn object(&self, key: &str, number: u64) -> Option<&Arc<Version>> {
        let changes = self.changes[..number as usize].iter().rev();
        changes.filter(|c| c.key == key).find_map(Change::object).flatten()
    }

    /// All objects after change `number`.
    pub(crate) fn objects(&self, number: u64) -> BTreeMap<&str, &Arc<Version>> {
        let mut objects = BTreeMap::new();
        for change in &self.changes[..number as usize] {
            let key = change.key.as_str();
            match change.object() {
                Some(Some(version)) => drop(objects.insert(key, version)),
                Some(None) => drop(objects.remove(key)),
                None => {}
            }
        }
        objects
    }

    fn current(&self, key: &str) -> Option<&Arc<Version>> {
        self.object(key, self.last())
    }

    fn fails(&mut self, percent: usize, request: Option<u32>) -> Result<(), Error> {
        if !self.rng.chance(percent) {
            return Ok(());
        }
        let owner = self.owner;
        self.accounts[owner].failures += 1;
        self.failed.extend(request);
        if self.rng.chance(10) {
            // A panic without a report on the terminal.
            std::panic::resume_unwind(Box::new("a store that panics"));
        }
        Err(Error::new(self.rng.pick(&[Code::StorageFull, Code::InternalError])))
    }

    fn delete(&mut self, key: &str) {
        if self.current(key).is_some() {
            let owner = self.owner;
            self.log(key, What::Deleted, None, Some(owner));
        }
    }

    fn delete_many(&mut self, request: DeleteObjects) -> Response {
        let mut results = Vec::new();
        for entry in request.keys {
            let result = entry.key.map(|key| self.delete(key.as_str()));
            results.push(Deleted { name: entry.name, version: entry.version, result });
        }
        Response::DeleteObjects(Deletions { results, quiet: request.quiet })
    }

    fn page(&self, request: ListObjects) -> Page {
        let all = self.objects(self.last());
        let after = request.after.as_deref().unwrap_or_default();
        let wanted = |key: &&str| key.starts_with(&request.prefix) && *key > after;
        let mut objects: Vec<_> = all
            .iter()
            .filter(|(key, _)| wanted(key))
            .map(|(key, version)| ListedObject {
                key: (*key).to_owned(),
                size: version.data.len() as u64,
                modified: version.modified,
                etag: version.etag,
            })
            .collect();
        let most = request.max_keys as usize;
        let more = objects.len() > most && most > 0;
        objects.truncate(most);
        let next = if more { objects.last().map(|o| o.key.clone()) } else { None };
        Page { request, objects, prefixes: Vec::new(), next }
    }
}

/// The client's own number of a request: in the metadata that an object is to have, or behind the
/// name of the upload.
pub(crate) fn id_of(request: &Request) -> Option<u32> {
    let behind = |upload: &str| upload.split_once('/').and_then(|(_, id)| id.parse().ok());
    match request {
        Request::PutObject(put) => inside(&put.metadata),
        Request::CreateMultipartUpload(create) => inside(&create.metadata),
        Request::UploadPart(part) => behind(&part.upload),
        Request::UploadPartCopy(copy) => behind(&copy.upload),
        Request::CompleteMultipartUpload(complete) => behind(&complete.upload),
        Request::AbortMultipartUpload(abort) => behind(&abort.upload),
        _ => None,
    }
}

fn inside(metadata: &Metadata) -> Option<u32> {
    metadata.user.iter().find(|(name, _)| name == "id").and_then(|(_, id)| id.parse().ok())
}

impl Store for Model {
    fn call(&self, request: Request) -> Result<Outcome, Error> {
        let mut state = self.state();
        let id = id_of(&request);
        let percent = state.rates.call;
        state.fails(percent, id)?;
        match request {
            Request::GetObject(get) => {
                let version = state.current(get.key.as_str()).cloned();
                let version = version.ok_or_else(|| Error::new(Code::NoSuchKey))?;
                let answer = Response::GetObject(Box::new(get.respond(info(&version))?));
                let source = Content::open(self, &mut state, &version);
                Ok(Outcome::Send(answer, Box::new(source)))
            }
            Request::HeadObject(head) => {
                let version = state.current(head.0.key.as_str());
                let version = version.ok_or_else(|| Error::new(Code::NoSuchKey))?;
                let answer: ObjectResponse = head.respond(info(version))?;
                Ok(Outcome::Done(Response::HeadObject(Box::new(answer))))
            }
            Request::PutObject(put) => {
                if state.rng.chance(70) {
                    let current = state.current(put.key.as_str()).map(|v| &v.etag);
                    put.conditions.check(current)?;
                }
                let digests = put.checksum.into_iter().chain(put.verify.clone());
                let hasher = Hasher::new(digests);
                Ok(Outcome::Receive(Upload::open(
                    self,
                    &mut state,
                    Announced::Object(put),
                    hasher,
                    id,
                )))
            }
            Request::UploadPart(part) => {
                if state.rng.chance(70) {
                    state.find(&part.upload, &part.key)?;
                }
                let digests = part.checksum.into_iter().chain(part.verify.clone());
                let hasher = Hasher::new(digests);
                Ok(Outcome::Receive(Upload::open(
                    self,
                    &mut state,
                    Announced::Part(part),
                    hasher,
                    id,
                )))
            }
            Request::DeleteObject(delete) => {
                state.delete(delete.key.as_str());
                Ok(Outcome::Done(Response::DeleteObject))
            }
            Request::DeleteObjects(delete) => Ok(Outcome::Done(state.delete_many(delete))),
            Request::ListObjects(list) => {
                Ok(Outcome::Done(Response::ListObjects(Box::new(state.page(list)))))
            }
            Request::HeadBucket(_) => Ok(Outcome::Done(Response::HeadBucket)),
            Request::GetBucketConfiguration(get) => get.respond(None).map(Outcome::Done),
            request => state.multipart(request, id).map(Outcome::Done),
        }
    }

    fn is_heavy(&self, _request: &Request) -> bool {
        let mut state = self.state();
        let percent = state.rates.heavy;
        state.rng.chance(percent)
    }
}

fn info(version: &Version) -> ObjectInfo {
    ObjectInfo {
        size: version.data.len() as u64,
        modified: version.modified,
        etag: version.etag,
        content_type: "application/octet-stream".into(),
        metadata: lobos_proto::Metadata::default(),
        checksums: Vec::new(),
        parts: None,
        tags: 0,
    }
}

/// A source that may end early or fail at some offset.
struct Content {
    store: Model,
    owner: usize,
    data: Arc<[u8]>,
    broken_at: Option<u64>,
    shrinks: bool,
}

impl Content {
    fn open(store: &Model, state: &mut State, version: &Version) -> Self {
        let owner = state.owner;
        state.accounts[owner].sources += 1;
        let percent = state.rates.source;
        let breaks = state.rng.chance(percent);
        let broken_at = breaks.then(|| state.rng.between(0, version.data.len()) as u64);
        let shrinks = state.rng.chance(50);
        let data = Arc::clone(&version.data);
        Self { store: store.clone(), owner, data, broken_at, shrinks }
    }
}

impl Source for Content {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.store.state();
        let end = self.broken_at.unwrap_or(u64::MAX).min(self.data.len() as u64);
        if offset >= end && self.broken_at.is_some() {
            state.accounts[self.owner].cuts += 1;
            return if self.shrinks { Ok(0) } else { Err(io::Error::other("a bad sector")) };
        }
        if offset >= end {
            state.violations.push(format!("a read at {offset} of {end} bytes"));
            return Ok(0);
        }
        let left = &self.data[offset as usize..end as usize];
        let most = left.len().min(buf.len());
        let count = if state.rng.chance(30) { state.rng.between(1, most.max(1)) } else { most };
        let count = count.min(most);
        buf[..count].copy_from_slice(&left[..count]);
        Ok(count)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        self.store.state().accounts[self.owner].sources -= 1;
    }
}

/// What an upload is to become.
enum Announced {
    Object(Box<PutObject>),
    Part(Box<UploadPart>),
}

/// An upload that becomes visible in one step.
struct Upload {
    store: Model,
    owner: usize,
    what: Announced,
    id: Option<u32>,
    data: Vec<u8>,
    hasher: Hasher,
    heavy: bool,
}

impl Upload {
    fn open(
        store: &Model,
        state: &mut State,
        what: Announced,
        hasher: Hasher,
        id: Option<u32>,
    ) -> Box<Self> {
        let (store, owner, percent) = (store.clone(), state.owner, state.rates.heavy);
        state.accounts[owner].sinks += 1;
        let heavy = state.rng.chance(percent);
        Box::new(Self { store, owner, what, id, data: Vec::new(), hasher, heavy })
    }

    fn announced(&self) -> Option<u64> {
        match &self.what {
            Announced::Object(put) => put.size,
            Announced::Part(part) => part.size,
        }
    }

    fn publish(&self, state: &mut State, computed: &Digests) -> Result<Response, Error> {
        let data: Arc<[u8]> = self.data[..].into();
        match &self.what {
            Announced::Part(part) => {
                let checksum = part.checksum.and_then(|a| computed.get(a));
                let at = (part.upload.as_str(), &part.key, part.number);
                let part = state.put_part(at, data, checksum, self.id)?;
                Ok(Response::UploadPart(part.stored()))
            }
            Announced::Object(put) => {
                let key = put.key.as_str();
                put.conditions.check(state.current(key).map(|v| &v.etag))?;
                let size = data.len() as u64;
                let etag = state.put(key, data, self.id, Some(self.owner)).etag;
                let checksum = put.checksum.and_then(|a| computed.get(a));
                let checksums = checksum.into_iter().map(Checksum::full).collect();
                Ok(Response::PutObject(Stored { etag, size, checksums }))
            }
        }
    }
}

impl Sink for Upload {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut state = self.store.state();
        if data.is_empty() || state.owner != self.owner {
            state.violations.push("an empty append, or one for another connection".into());
        }
        let percent = state.rates.append;
        state.fails(percent, self.id)?;
        self.data.extend_from_slice(data);
        self.hasher.update(data);
        Ok(())
    }

    fn commit(mut self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        let mut state = self.store.state();
        let percent = state.rates.commit;
        state.fails(percent, self.id)?;
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new([]));
        let computed = hasher.finish();
        if let Some(missing) = expected.algorithms().find(|a| computed.get(*a).is_none()) {
            state.violations.push(format!("{missing:?} was promised but never asked for"));
        }
        expected.check(&computed)?;
        let (size, announced) = (self.data.len() as u64, self.announced());
        if announced.is_some_and(|announced| announced != size) {
            state.violations.push(format!("{size} bytes of {announced:?} committed"));
        }
        self.publish(&mut state, &computed)
    }

    fn is_heavy(&self) -> bool {
        self.heavy
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.store.state().accounts[self.owner].sinks -= 1;
    }
}
