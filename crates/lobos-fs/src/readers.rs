//! Threads of our own for long listings. Each has a working directory that is its alone, so that
//! an attribute of a file is read by its name in a folder: 1.8 us, and 4.2 through /proc/self/fd.
//! The threads of a runtime are not ours to move about.

use std::cell::Cell;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use lobos_proto::{Code, Error};
use nix::sched::{CloneFlags, unshare};

use crate::snapshot::Id;

type Job = Box<dyn FnOnce() + Send>;

thread_local! {
    /// Whether the working directory of this thread is no other's.
    static ALONE: Cell<bool> = const { Cell::new(false) };
    /// Which folder that is, if it is known: nothing else can be it while we are there.
    static THERE: Cell<Option<Id>> = const { Cell::new(None) };
    /// Whether it may be a folder that was entered.
    static AWAY: Cell<bool> = const { Cell::new(false) };
}

/// Goes to a folder, which is `id` if that is known, if it is felt by this thread alone.
pub(crate) fn enter(folder: BorrowedFd<'_>, id: Option<Id>) -> bool {
    if !ALONE.get() {
        return false;
    }
    let is_there = (id.is_some() && THERE.get() == id) || rustix::process::fchdir(folder).is_ok();
    THERE.set(id.filter(|_| is_there));
    AWAY.set(true);
    is_there
}

/// Goes out of whatever folder this thread is in: it could not be unmounted.
pub(crate) fn leave() {
    if AWAY.take() {
        THERE.set(None);
        // It is where it was if there is no other place.
        let _ = rustix::process::chdir("/");
    }
}

/// Has this thread a working directory of its own from now on, where the system allows it.
pub(crate) fn stand_alone() {
    ALONE.set(unshare(CloneFlags::CLONE_FS).is_ok());
}

/// Up to one thread for each core, started when it is needed first.
#[derive(Default)]
pub(crate) struct Readers {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    bell: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: Vec<JoinHandle<()>>,
    idle: usize,
    stopped: bool,
}

impl Readers {
    /// Runs a job on one of the threads, and waits for it.
    ///
    /// # Errors
    /// `InternalError` if it panicked.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = sync_channel(1);
        let job: Job = Box::new(move || {
            // Whoever asked waits.
            let _ = sender.send(job());
        });
        let mut queue = self.inner.lock();
        if queue.jobs.len() >= queue.idle && queue.threads.len() < most() {
            let inner = Arc::clone(&self.inner);
            let thread = std::thread::Builder::new().name("lobos-lists".into());
            queue.threads.extend(thread.spawn(move || inner.serve()));
        }
        if queue.threads.is_empty() {
            drop(queue);
            job();
        } else {
            queue.jobs.push_back(job);
            drop(queue);
            self.inner.bell.notify_one();
        }
        receiver.recv().map_err(|_| Error::new(Code::InternalError).cause("a listing panicked"))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let mut queue = self.inner.lock();
        queue.stopped = true;
        let threads = std::mem::take(&mut queue.threads);
        drop(queue);
        self.inner.bell.notify_all();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self) {
        stand_alone();
        let mut queue = self.lock();
        while !queue.stopped {
            let Some(job) = queue.jobs.pop_front() else {
                queue.idle += 1;
                queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.idle -= 1;
                continue;
            };
            drop(queue);
            // The sender goes with the job, which tells whoever waits.
            let _ = catch_unwind(AssertUnwindSafe(job));
            leave();
            queue = self.lock();
        }
    }
}

fn most() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn working_directories() {
        // A reader goes to a folder and nobody else is moved; other threads may not go at all.
        let (readers, dir) = (Readers::default(), tempfile::tempdir().unwrap());
        let before = std::env::current_dir().unwrap();
        let folder = std::fs::File::open(dir.path()).unwrap();
        let there = readers.run(move || {
            let id = Id::of(folder.as_fd()).unwrap();
            let above = std::fs::File::open("/").unwrap();
            let above = (above.as_fd(), Id::of(above.as_fd()).unwrap());
            for id in [Some(id), Some(id), None] {
                assert!(enter(above.0, Some(above.1)));
                assert_eq!(std::env::current_dir().unwrap(), std::path::Path::new("/"));
                assert!(enter(folder.as_fd(), id) && enter(folder.as_fd(), id));
            }
            std::env::current_dir().unwrap()
        });
        assert_eq!(there.unwrap(), dir.path().canonicalize().unwrap());
        // And leaves it, so that it can be unmounted; on whichever thread.
        for _ in 0..2 * most() {
            let now = readers.run(|| std::env::current_dir().unwrap()).unwrap();
            assert!(now == before || now == std::path::Path::new("/"), "{now:?}");
        }
        assert_eq!(std::env::current_dir().unwrap(), before);
        let folder = std::fs::File::open(dir.path()).unwrap();
        assert!(!enter(folder.as_fd(), None));
        assert_eq!(std::env::current_dir().unwrap(), before);
    }

    #[test]
    fn panics() {
        // A job that panics is an error for who waits, and the threads go on.
        let readers = Readers::default();
        for _ in 0..2 * most() {
            let done = readers.run(|| assert!(std::env::args().len() > 1_000_000, "on purpose"));
            assert_eq!(done.unwrap_err().code(), Code::InternalError);
        }
        assert_eq!(readers.run(|| 7).unwrap(), 7);
    }

    #[test]
    fn many() {
        // However many wait, each gets its own answer.
        let readers = Readers::default();
        std::thread::scope(|scope| {
            for at in 0..50 {
                let readers = &readers;
                scope.spawn(move || assert_eq!(readers.run(move || at).unwrap(), at));
            }
        });
        assert!(readers.inner.lock().threads.len() <= most());
    }
}
