//! The limit of a cache: when all objects together have more bytes than that, those that were used
//! least recently go. A thread removes them, so no request waits for it.
//!
//! What clients store, read and remove is counted at once; what other programs do is found by
//! going through all buckets, at the start and every minute or so.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lobos_proto::op::{ListObjects, ListingVersion};
use lobos_proto::{BucketName, Key, Source};

use crate::bucket::Bucket;
use crate::delete::{self, Evicted};
use crate::list::Lister;
use crate::meta::Stamp;
use crate::roots::{Roots, Sure};
use crate::{object, warn};

/// How often all buckets are gone through; large ones less often, so that it is little work.
const ROUND: Duration = Duration::from_secs(60);
const SHARE: u32 = 20;

/// After objects that cannot be removed.
const PAUSE: Duration = Duration::from_secs(1);

/// Keys of a page when all are gone through.
const PAGE: u32 = 1000;

/// What a cache holds, and what had to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheUse {
    /// Bytes that it may hold.
    pub limit: u64,
    /// Bytes of its objects.
    pub bytes: u64,
    /// Its objects.
    pub objects: u64,
    /// Objects that had to go since the start.
    pub evicted_objects: u64,
    /// Their bytes.
    pub evicted_bytes: u64,
}

/// `BUCKET/KEY`; no bucket has a slash in its name.
type Name = Arc<str>;

fn name(bucket: &str, key: &str) -> String {
    [bucket, key].join("/")
}

/// What is known of one object.
#[derive(Clone, Copy, Debug)]
struct Seen {
    size: u64,
    /// The mtime in nanoseconds.
    modified: u64,
    /// When it was used last, in turns of [`State`].
    turn: u64,
}

/// An object, and who reads it.
struct Entry {
    seen: Seen,
    /// What all its readers share.
    readers: Weak<()>,
}

impl Entry {
    fn is_read(&self) -> bool {
        self.readers.strong_count() > 0
    }

    /// One more reader.
    fn read(&mut self) -> Arc<()> {
        self.readers.upgrade().unwrap_or_else(|| {
            let first = Arc::new(());
            self.readers = Arc::downgrade(&first);
            first
        })
    }
}

#[derive(Default)]
struct State {
    entries: HashMap<Name, Entry>,
    /// By the turn of their last use.
    order: BTreeMap<u64, Name>,
    turn: u64,
    total: u64,
    evicted: (u64, u64),
    /// What was removed while all is gone through, which may have seen it before.
    removed: Option<HashSet<String>>,
    stopped: bool,
}

impl State {
    /// The object was used just now, and looks so.
    fn put(&mut self, name: &str, size: u64, modified: u64) {
        self.turn += 1;
        let turn = self.turn;
        let (name, readers) = match self.entries.remove_entry(name) {
            Some((name, old)) => {
                self.order.remove(&old.seen.turn);
                self.total -= old.seen.size;
                (name, old.readers)
            }
            None => (name.into(), Weak::new()),
        };
        self.total += size;
        self.order.insert(turn, Arc::clone(&name));
        self.entries.insert(name, Entry { seen: Seen { size, modified, turn }, readers });
    }

    /// What is known of an object, if it looks so.
    fn same(&mut self, name: &str, (size, modified): (u64, u64)) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(name)?;
        ((entry.seen.size, entry.seen.modified) == (size, modified)).then_some(entry)
    }

    fn remove(&mut self, name: &str) {
        if let Some(removed) = &mut self.removed {
            removed.insert(name.to_owned());
        }
        if let Some(old) = self.entries.remove(name) {
            self.order.remove(&old.seen.turn);
            self.total -= old.seen.size;
        }
    }

    /// What is to go next: nobody reads it.
    fn oldest(&self) -> Option<(Name, Seen)> {
        let mut all = self.order.values().filter_map(|name| self.entries.get_key_value(name));
        let (name, entry) = all.find(|(_, entry)| !entry.is_read() && entry.seen.size > 0)?;
        Some((Arc::clone(name), entry.seen))
    }
}

/// The count of all objects of a store.
pub(crate) struct Limit {
    bytes: u64,
    state: Mutex<State>,
    bell: Condvar,
}

impl Limit {
    pub(crate) fn new(bytes: u64) -> Self {
        Self { bytes, state: Mutex::default(), bell: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the thread that removes if there is too much.
    fn ring(&self, state: &State) {
        if state.total > self.bytes {
            self.bell.notify_one();
        }
    }

    /// An object was stored. The lock of its key is held.
    pub(crate) fn stored(&self, bucket: &BucketName, key: &str, stamp: &Stamp) {
        let mut state = self.lock();
        state.put(&name(bucket.as_str(), key), stamp.size, stamp.mtime);
        self.ring(&state);
    }

    /// An object is gone. The lock of its key is held.
    pub(crate) fn removed(&self, bucket: &BucketName, key: &str) {
        self.lock().remove(&name(bucket.as_str(), key));
    }

    /// An object was asked for, and found like this; `false` if it is not known so.
    fn used(&self, name: &str, found: (u64, u64)) -> bool {
        let mut state = self.lock();
        let is_known = state.same(name, found).is_some();
        if is_known {
            state.put(name, found.0, found.1);
        }
        is_known
    }

    /// An object was asked for, and found like this. It may have been replaced or removed since
    /// then, or be of somebody else, so what is not known yet is looked at under the lock.
    pub(crate) fn asked(&self, bucket: &Bucket, key: &Key, found: (u64, u64)) {
        let name = name(bucket.name().as_str(), key.as_str());
        if self.used(&name, found) {
            return;
        }
        let _locked = bucket.shared().locks.lock(bucket, key.as_str());
        let Ok(now) = object::find_kept(bucket, key) else { return };
        let mut state = self.lock();
        match now {
            Some(now) => state.put(&name, now.stamp.size, now.stamp.mtime),
            None => state.remove(&name),
        }
        self.ring(&state);
    }

    /// As [`Limit::asked`]; the object stays as long as this source of its bytes.
    pub(crate) fn reading(
        self: &Arc<Self>,
        bucket: &Bucket,
        key: &Key,
        found: (u64, u64),
        source: Box<dyn Source>,
    ) -> Box<dyn Source> {
        self.asked(bucket, key, found);
        let name = name(bucket.name().as_str(), key.as_str());
        // What was removed or replaced meanwhile has its bytes from the open file.
        let readers = self.lock().same(&name, found).map(Entry::read);
        Box::new(Reading { limit: Arc::clone(self), readers, source })
    }

    fn used_now(&self) -> CacheUse {
        let state = self.lock();
        CacheUse {
            limit: self.bytes,
            bytes: state.total,
            objects: state.entries.len() as u64,
            evicted_objects: state.evicted.0,
            evicted_bytes: state.evicted.1,
        }
    }
}

/// The bytes of an object that is being read.
struct Reading {
    limit: Arc<Limit>,
    /// As long as it is there, its object is read.
    readers: Option<Arc<()>>,
    source: Box<dyn Source>,
}

impl Source for Reading {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.source.read_at(buf, offset)
    }

    fn file(&self) -> Option<&std::fs::File> {
        self.source.file()
    }

    fn is_cold(&self, range: Range<u64>) -> bool {
        self.source.is_cold(range)
    }

    fn warm(&self, range: Range<u64>) {
        self.source.warm(range);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let state = self.limit.lock();
        self.readers = None;
        self.limit.ring(&state);
    }
}

/// The thread that holds a store to its limit, and ends with it.
pub(crate) struct Evictor {
    limit: Arc<Limit>,
    thread: Option<JoinHandle<()>>,
}

impl Evictor {
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn start(roots: Arc<Roots>, limit: Arc<Limit>) -> io::Result<Self> {
        let work =
            Work { roots, limit: Arc::clone(&limit), lister: Lister::new(0, Arc::default()) };
        let thread = std::thread::Builder::new().name("lobos-limit".into());
        let thread = thread.spawn(move || work.run())?;
        Ok(Self { limit, thread: Some(thread) })
    }

    pub(crate) fn used(&self) -> CacheUse {
        self.limit.used_now()
    }
}

impl Drop for Evictor {
    fn drop(&mut self) {
        self.limit.lock().stopped = true;
        self.limit.bell.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    roots: Arc<Roots>,
    limit: Arc<Limit>,
    lister: Lister,
}

impl Work {
    fn run(&self) {
        let mut next = Instant::now();
        while !self.limit.lock().stopped {
            let began = Instant::now();
            if began >= next {
                self.count();
                next = Instant::now() + ROUND.max(began.elapsed() * SHARE);
            }
            let mut pause = next.saturating_duration_since(Instant::now());
            if !self.fit() {
                pause = pause.min(PAUSE);
            }
            let state = self.limit.lock();
            let is_over = state.total > self.limit.bytes && state.oldest().is_some();
            if !state.stopped && (pause < PAUSE || !is_over) {
                let waited = self.limit.bell.wait_timeout(state, pause);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
            }
        }
    }

    /// Removes until all fits; `false` if something cannot be removed.
    fn fit(&self) -> bool {
        loop {
            let state = self.limit.lock();
            if state.stopped || state.total <= self.limit.bytes {
                return true;
            }
            let Some((name, seen)) = state.oldest() else { return true };
            drop(state);
            if let Err(why) = self.evict(&name, seen) {
                warn::warn(&format!("the limit of the cache: {name:?} stays: {why}"));
                // The others first.
                self.limit.used(&name, (seen.size, seen.modified));
                return false;
            }
        }
    }

    /// Removes what was the oldest, unless somebody uses it by now.
    fn evict(&self, name: &str, seen: Seen) -> Result<(), lobos_proto::Error> {
        let opened = self.open(name);
        // Until the count is right again: what is put in its place is counted after that.
        let _locked = opened.as_ref().map(|(bucket, key)| {
            let locks = &bucket.shared().locks;
            locks.lock(bucket, key.as_str())
        });
        let state = self.limit.lock();
        let now = state.entries.get(name);
        if now.is_none_or(|now| now.seen.turn != seen.turn || now.is_read()) {
            return Ok(());
        }
        drop(state);
        let found = match &opened {
            Some((bucket, key)) => delete::evict(bucket, key, (seen.size, seen.modified))?,
            None => Evicted::Missing,
        };
        let mut state = self.limit.lock();
        match found {
            // Others have changed it meanwhile, so it was used.
            Evicted::Changed(now) => state.put(name, now.size, now.mtime),
            Evicted::Missing => state.remove(name),
            Evicted::Removed => {
                state.remove(name);
                state.evicted.0 += 1;
                state.evicted.1 += seen.size;
            }
        }
        Ok(())
    }

    fn open(&self, name: &str) -> Option<(Bucket, Key)> {
        let (bucket, key) = name.split_once('/')?;
        let bucket = BucketName::new(bucket).ok()?;
        Some((self.roots.bucket(&bucket, Sure::Now).ok()?, Key::new(key).ok()?))
    }

    /// Goes through all objects: takes in those of others, and forgets those that are gone.
    fn count(&self) {
        let mut state = self.limit.lock();
        let began = state.turn;
        state.removed = Some(HashSet::new());
        drop(state);
        let mut found = Vec::new();
        for bucket in self.roots.names().unwrap_or_default() {
            let Ok(bucket) = self.roots.bucket(&bucket, Sure::Now) else { continue };
            if !self.go_through(&bucket, &mut found) {
                // Half of the truth would have objects forgotten.
                self.limit.lock().removed = None;
                return;
            }
        }
        // What was changed last was used last, as far as is known.
        found.sort_unstable_by_key(|(_, _, modified)| *modified);
        let there: HashSet<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
        let mut state = self.limit.lock();
        let removed = state.removed.take().unwrap_or_default();
        let is_gone =
            |name: &Name, entry: &Entry| entry.seen.turn <= began && !there.contains(&**name);
        let gone = state.entries.iter().filter(|(name, entry)| is_gone(name, entry));
        let gone: Vec<Name> = gone.map(|(name, _)| Arc::clone(name)).collect();
        gone.iter().for_each(|name| state.remove(name));
        for (name, size, modified) in found.iter().filter(|(name, ..)| !removed.contains(name)) {
            let known = state.entries.get(name.as_str()).map(|entry| entry.seen);
            let is_new = known.is_none_or(|seen| {
                seen.turn <= began && (seen.size, seen.modified) != (*size, *modified)
            });
            if is_new {
                state.put(name, *size, *modified);
            }
        }
    }

    /// `false` if not all could be seen.
    fn go_through(&self, bucket: &Bucket, found: &mut Vec<(String, u64, u64)>) -> bool {
        let mut after = None;
        loop {
            if self.limit.lock().stopped {
                return false;
            }
            let version = ListingVersion::V2 { start_after: None, token: None, fetch_owner: false };
            let request = ListObjects {
                bucket: bucket.name().clone(),
                prefix: String::new(),
                delimiter: None,
                max_keys: PAGE,
                after,
                encode: true,
                version,
            };
            let Ok(page) = self.lister.page(bucket, request) else { return false };
            found.extend(page.objects.into_iter().map(|object| {
                (name(bucket.name().as_str(), &object.key), object.size, object.modified.nanos)
            }));
            after = page.next;
            if after.is_none() {
                return true;
            }
        }
    }
}
