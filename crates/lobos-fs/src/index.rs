//! The index: threads that read every folder at the start and watch it, so that listings need not
//! look at the disk. Each folder counts from the moment it is read; those that are not, or not
//! yet, are listed as without an index.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lobos_proto::Key;

use crate::bucket::Bucket;
use crate::roots::{Roots, Sure};
use crate::snapshot::{Attr, Buffer, Id, Kind, Live, Seen, Snapshot};
use crate::walk::see;
use crate::{folder, key, readers, warn};

/// How often events are taken while nobody lists: the kernel queues some 16,000.
const TICK: Duration = Duration::from_millis(50);

/// Threads that read folders.
const THREADS: usize = 8;

/// Names of one folder that are worth a thread.
const SHARE: usize = 8192;

/// Folders that listings found outside the index; more than that come with the next listing.
const WANTED: usize = 4096;

/// Of the threads, below those that answer, as `nice` counts.
const PRIORITY: i32 = 10;

/// Room for names in one getdents call.
const BUFFER: usize = 64 * 1024;

/// How far the index is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IndexProgress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    folders: AtomicU64,
    names: AtomicU64,
    whole: AtomicBool,
}

impl IndexProgress {
    /// Folders read in this round.
    pub fn folders(&self) -> u64 {
        self.0.folders.load(Ordering::Relaxed)
    }

    /// Names found in them.
    pub fn names(&self) -> u64 {
        self.0.names.load(Ordering::Relaxed)
    }

    /// Whether all folders have been read once.
    pub fn is_whole(&self) -> bool {
        self.0.whole.load(Ordering::Acquire)
    }
}

/// Folders that a listing had to read, for the index to take.
#[derive(Default)]
pub(crate) struct Wanted {
    /// Whether there is an index that is whole.
    open: AtomicBool,
    queue: Mutex<VecDeque<(Bucket, String)>>,
}

impl Wanted {
    /// Whether most folders are watched.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bucket: &Bucket, path: &str) {
        if self.is_open() {
            let mut queue = lock(&self.queue);
            if queue.len() < WANTED {
                queue.push_back((bucket.clone(), path.trim_end_matches('/').to_owned()));
            }
        }
    }
}

/// The index of a store; its threads end with it.
pub(crate) struct Index {
    inner: Arc<Inner>,
    threads: Vec<JoinHandle<()>>,
}

struct Inner {
    roots: Arc<Roots>,
    live: Arc<Live>,
    refresh: Option<Duration>,
    work: Mutex<Work>,
    bell: Condvar,
    counts: Arc<Counts>,
    threads: usize,
    /// As in `work`, for who holds no lock.
    stopped: AtomicBool,
}

/// What is to be read.
#[derive(Default)]
struct Work {
    stopped: bool,
    /// Buckets to read.
    buckets: Vec<Bucket>,
    /// The way down: depth first, so that little waits.
    branches: Vec<Branch>,
    /// How many folders are being read.
    active: usize,
    /// Counts readings of the whole tree; 0 before the first.
    round: u64,
    is_round: bool,
    /// When the last round was over.
    ended: Option<Instant>,
    /// As [`Live::losses`] at the beginning of the round.
    losses: u64,
}

/// A folder whose folders are to be read.
struct Branch {
    bucket: Bucket,
    /// Empty, or with a slash at the end.
    path: String,
    names: Arc<Snapshot>,
    next: usize,
}

/// A folder to read.
struct Job {
    bucket: Bucket,
    /// Without a slash at the end.
    path: String,
    round: u64,
}

impl Index {
    /// Begins to read.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(
        roots: Arc<Roots>,
        live: Arc<Live>,
        refresh: Option<Duration>,
    ) -> io::Result<Self> {
        let (work, bell, counts) = (Mutex::default(), Condvar::new(), Arc::default());
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (threads, stopped) = (threads.min(THREADS), AtomicBool::new(false));
        let inner = Inner { roots, live, refresh, work, bell, counts, threads, stopped };
        let inner = Arc::new(inner);
        let mut index = Self { inner, threads: Vec::new() };
        for at in 0..threads {
            let inner = Arc::clone(&index.inner);
            let thread = std::thread::Builder::new().name(format!("lobos-index-{at}"));
            index.threads.push(thread.spawn(move || inner.run(at == 0))?);
        }
        Ok(index)
    }

    pub(crate) fn progress(&self) -> IndexProgress {
        IndexProgress(Arc::clone(&self.inner.counts))
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        lock(&self.inner.work).stopped = true;
        self.inner.stopped.store(true, Ordering::Relaxed);
        self.inner.bell.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Inner {
    /// `leads`: this thread begins the rounds and takes events.
    fn run(&self, leads: bool) {
        readers::stand_alone();
        // Linux takes that for this thread alone; whoever waits for an answer comes first.
        let _ = rustix::process::setpriority_process(None, PRIORITY);
        let mut buffer = Box::new_uninit_slice(BUFFER);
        let mut work = lock(&self.work);
        while !work.stopped {
            if leads {
                self.lead(&mut work);
            }
            let Some(job) = work.next(&self.live.wanted) else {
                work = self.wait(work, leads);
                continue;
            };
            work.active += 1;
            drop(work);
            let branch = self.read(&job, &mut buffer);
            readers::leave();
            work = lock(&self.work);
            work.active -= 1;
            work.branches.extend(branch);
            self.bell.notify_all();
        }
    }

    fn wait<'w>(&self, work: MutexGuard<'w, Work>, leads: bool) -> MutexGuard<'w, Work> {
        if !leads {
            return self.bell.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        let (work, waited) =
            self.bell.wait_timeout(work, TICK).unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            self.live.drain();
        }
        work
    }

    fn lead(&self, work: &mut Work) {
        if work.is_round {
            if work.buckets.is_empty() && work.branches.is_empty() && work.active == 0 {
                work.is_round = false;
                work.ended = Some(Instant::now());
                self.live.sweep(work.round);
                self.live.wanted.open.store(true, Ordering::Relaxed);
                self.counts.whole.store(true, Ordering::Release);
            }
            return;
        }
        let losses = self.live.losses();
        let is_due = match (work.ended, self.refresh) {
            (None, _) => true,
            (Some(ended), Some(refresh)) => ended.elapsed() >= refresh,
            (Some(_), None) => false,
        };
        if losses != work.losses {
            warn::warn("more changed than the kernel tells: the index is read again");
        }
        if is_due || losses != work.losses {
            work.losses = losses;
            self.begin(work);
        }
    }

    fn begin(&self, work: &mut Work) {
        self.live.wanted.open.store(false, Ordering::Relaxed);
        self.counts.folders.store(0, Ordering::Relaxed);
        self.counts.names.store(0, Ordering::Relaxed);
        (work.round, work.is_round) = (work.round + 1, true);
        let names = self.roots.names().unwrap_or_default();
        work.buckets =
            names.iter().filter_map(|name| self.roots.bucket(name, Sure::Now).ok()).collect();
        self.bell.notify_all();
    }

    /// Reads and watches a folder; gives the way to those in it.
    fn read(&self, job: &Job, buffer: &mut Buffer) -> Option<Branch> {
        let Job { bucket, path, round } = job;
        let folder = bucket.folder(path).ok()?;
        let id = Id::of(folder.as_fd()).ok()?;
        let ticket = self.live.begin(folder.as_fd(), id, true);
        let Ok(names) = Snapshot::read(folder.as_fd(), buffer) else {
            if let Some(ticket) = ticket {
                self.live.abandon(&ticket);
            }
            return None;
        };
        self.counts.folders.fetch_add(1, Ordering::Relaxed);
        let names = match ticket {
            None => {
                self.counts.names.fetch_add(names.len() as u64, Ordering::Relaxed);
                Arc::new(names)
            }
            Some(ticket) => {
                let at_root = path.is_empty();
                let attrs = self.look(bucket, (folder.as_fd(), id), &names, at_root);
                let names = Arc::new(names.with_attrs(attrs));
                // What cannot be told now is asked for when it is listed.
                let mark = || folder::is_marked(bucket, folder.as_fd(), path).ok();
                let mark = (!at_root).then(mark).flatten();
                // Kept by the inode elsewhere, it is no attribute of the folder.
                let mark = mark.filter(|_| !bucket.shared().quirks.no_xattrs);
                self.live.finish(&ticket, Arc::clone(&names), mark, *round);
                names
            }
        };
        let path = if path.is_empty() { String::new() } else { format!("{path}/") };
        Some(Branch { bucket: bucket.clone(), path, names, next: 0 })
    }

    /// What is known of the entries of a folder that was just read; several threads look at those
    /// of a large one.
    fn look(
        &self,
        bucket: &Bucket,
        folder: (BorrowedFd<'_>, Id),
        names: &Snapshot,
        at_root: bool,
    ) -> Box<[Attr]> {
        let mut attrs = vec![Attr::UNKNOWN; names.len()].into_boxed_slice();
        let share = names.len().div_ceil(self.threads).max(SHARE);
        std::thread::scope(|scope| {
            for (part, attrs) in attrs.chunks_mut(share).enumerate() {
                let look = move || {
                    readers::stand_alone();
                    for (at, attr) in (part * share..).zip(attrs) {
                        if self.stopped.load(Ordering::Relaxed) {
                            return;
                        }
                        *attr = look(bucket, folder, names, at, at_root);
                        self.counts.names.fetch_add(1, Ordering::Relaxed);
                    }
                };
                if (part + 1) * share >= names.len() {
                    look();
                } else {
                    // Without a thread they stay unknown, and are looked at when they are listed.
                    let _ = std::thread::Builder::new().spawn_scoped(scope, look);
                }
            }
        });
        attrs
    }
}

/// What is known of an entry that was just read.
fn look(
    bucket: &Bucket,
    folder: (BorrowedFd<'_>, Id),
    names: &Snapshot,
    at: usize,
    at_root: bool,
) -> Attr {
    let (kind, name) = (names.kind(at), names.c_name(at));
    let bare = names.name(at).trim_end_matches('/');
    if key::is_ours(bare.as_bytes(), at_root) || !matches!(kind, Kind::File | Kind::Folder) {
        return Attr::UNKNOWN;
    }
    match (kind, see(bucket, folder, name, true)) {
        (Kind::File, Some(Seen::File(attr))) | (Kind::Folder, Some(Seen::Folder(attr))) => attr,
        _ => Attr::UNKNOWN,
    }
}

impl Work {
    fn next(&mut self, wanted: &Wanted) -> Option<Job> {
        let round = self.round;
        while let Some(branch) = self.branches.last_mut() {
            if let Some(path) = branch.next_folder() {
                return Some(Job { bucket: branch.bucket.clone(), path, round });
            }
            self.branches.pop();
        }
        if let Some(bucket) = self.buckets.pop() {
            return Some(Job { bucket, path: String::new(), round });
        }
        let (bucket, path) = lock(&wanted.queue).pop_front()?;
        Some(Job { bucket, path, round })
    }
}

impl Branch {
    fn next_folder(&mut self) -> Option<String> {
        while self.next < self.names.len() {
            let at = self.next;
            self.next += 1;
            let Some(bare) = self.names.name(at).strip_suffix('/') else { continue };
            let fits = self.path.len() + bare.len() < Key::MAX;
            let is_ours = key::is_ours(bare.as_bytes(), self.path.is_empty());
            if self.names.kind(at) == Kind::Folder && fits && !is_ours {
                return Some(format!("{}{bare}", self.path));
            }
        }
        None
    }
}

/// A panic under one of these locks leaves nothing half-done that could do harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
