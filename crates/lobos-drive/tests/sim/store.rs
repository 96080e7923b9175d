//! The model store: objects in memory, a log of every change, and disks that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lobos_proto::digest::Hasher;
use lobos_proto::op::{
    DeleteObjects, Deleted, Deletions, ListObjects, ListedObject, ObjectResponse, Page, PutObject,
};
use lobos_proto::{
    Checksum, Code, ETag, Error, Expected, ObjectInfo, Outcome, Request, Response, Sink, Source,
    Store, Stored, Timestamp,
};

use crate::rng::Rng;

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
    /// `None` is a deletion.
    pub(crate) version: Option<Arc<Version>>,
    /// x-amz-meta-id of the upload.
    pub(crate) upload: Option<u32>,
    /// The connection that it came by; `None` before there were any.
    pub(crate) owner: Option<usize>,
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
    /// Uploads that were made to fail.
    pub(crate) failed_uploads: BTreeSet<u32>,
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
            failed_uploads: BTreeSet::new(),
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

    pub(crate) fn change(
        &mut self,
        key: &str,
        data: Option<Arc<[u8]>>,
        upload: Option<u32>,
        owner: Option<usize>,
    ) -> Option<Arc<Version>> {
        let number = self.last() + 1;
        let modified = Timestamp::from_unix(1_700_000_000 + number as i64, 0);
        let version = data.map(|data| {
            let etag = ETag::opaque(number, self.rng.next());
            Arc::new(Version { etag, data, modified })
        });
        let made = version.clone();
        self.changes.push(Change { number, key: key.to_owned(), version, upload, owner });
        made
    }

    /// The object at a key after change `number`.
    pub(crate) fn object(&self, key: &str, number: u64) -> Option<&Arc<Version>> {
        let changes = self.changes[..number as usize].iter().rev();
        changes.filter(|c| c.key == key).map(|c| c.version.as_ref()).next().flatten()
    }

    /// All objects after change `number`.
    pub(crate) fn objects(&self, number: u64) -> BTreeMap<&str, &Arc<Version>> {
        let mut objects = BTreeMap::new();
        for change in &self.changes[..number as usize] {
            match &change.version {
                Some(version) => objects.insert(change.key.as_str(), version),
                None => objects.remove(change.key.as_str()),
            };
        }
        objects
    }

    fn current(&self, key: &str) -> Option<&Arc<Version>> {
        self.object(key, self.last())
    }

    fn fails(&mut self, percent: usize, upload: Option<u32>) -> Result<(), Error> {
        if !self.rng.chance(percent) {
            return Ok(());
        }
        let owner = self.owner;
        self.accounts[owner].failures += 1;
        self.failed_uploads.extend(upload);
        if self.rng.chance(10) {
            // A panic without a report on the terminal.
            std::panic::resume_unwind(Box::new("a store that panics"));
        }
        Err(Error::new(self.rng.pick(&[Code::StorageFull, Code::InternalError])))
    }

    fn delete(&mut self, key: &str) {
        if self.current(key).is_some() {
            let owner = self.owner;
            self.change(key, None, None, Some(owner));
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

fn upload_of(put: &PutObject) -> Option<u32> {
    put.metadata.user.iter().find(|(name, _)| name == "id").and_then(|(_, id)| id.parse().ok())
}

impl Store for Model {
    fn call(&self, request: Request) -> Result<Outcome, Error> {
        let mut state = self.state();
        let upload = match &request {
            Request::PutObject(put) => upload_of(put),
            _ => None,
        };
        let percent = state.rates.call;
        state.fails(percent, upload)?;
        let owner = state.owner;
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
                state.accounts[owner].sinks += 1;
                let heavy = state.rates.heavy;
                let heavy = state.rng.chance(heavy);
                let hasher = Hasher::new(put.checksum.into_iter().chain(put.verify.clone()));
                let (store, data) = (self.clone(), Vec::new());
                let upload = Upload { store, owner, put: *put, data, hasher, heavy };
                Ok(Outcome::Receive(Box::new(upload)))
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
            _ => Err(Error::new(Code::NotImplemented)),
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

/// An upload that becomes visible in one step.
struct Upload {
    store: Model,
    owner: usize,
    put: PutObject,
    data: Vec<u8>,
    hasher: Hasher,
    heavy: bool,
}

impl Sink for Upload {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut state = self.store.state();
        if data.is_empty() || state.owner != self.owner {
            state.violations.push("an empty append, or one for another connection".into());
        }
        let percent = state.rates.append;
        state.fails(percent, upload_of(&self.put))?;
        self.data.extend_from_slice(data);
        self.hasher.update(data);
        Ok(())
    }

    fn commit(mut self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        let mut state = self.store.state();
        let upload = upload_of(&self.put);
        let percent = state.rates.commit;
        state.fails(percent, upload)?;
        let hasher = std::mem::replace(&mut self.hasher, Hasher::new([]));
        let computed = hasher.finish();
        if let Some(missing) = expected.algorithms().find(|a| computed.get(*a).is_none()) {
            state.violations.push(format!("{missing:?} was promised but never asked for"));
        }
        expected.check(&computed)?;
        let size = self.data.len() as u64;
        if self.put.size.is_some_and(|announced| announced != size) {
            state.violations.push(format!("{size} bytes of {:?} committed", self.put.size));
        }
        let key = self.put.key.as_str();
        self.put.conditions.check(state.current(key).map(|v| &v.etag))?;
        let version = state.change(key, Some(self.data[..].into()), upload, Some(self.owner));
        let etag = version.expect("a version").etag;
        let checksum = self.put.checksum.and_then(|a| computed.get(a));
        let checksums = checksum.into_iter().map(Checksum::full).collect();
        Ok(Response::PutObject(Stored { etag, size, checksums }))
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
