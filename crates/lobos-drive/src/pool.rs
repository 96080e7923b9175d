//! Helper threads for heavy jobs. They come when they are needed and leave after some idle time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce() + Send>;

/// A bounded number of threads and a queue; since a connection has one job at most, the queue is
/// as bounded as the connections are. Clones are one and the same.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    threads: usize,
    /// The bells of those who wait. The last one to come is called first: a thread that has just
    /// run gets a busy processor sooner than one that slept for long, and the others can leave.
    idle: Vec<Arc<Condvar>>,
}

impl Pool {
    /// A pool of at most `most` threads, and at least one.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most: most.max(1), state: Mutex::default() }))
    }

    /// Does it soon, on some thread.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        state.queue.push_back(Box::new(work));
        if let Some(bell) = state.idle.pop() {
            bell.notify_one();
            return;
        }
        if state.threads == self.0.most {
            return;
        }
        let inner = Arc::clone(&self.0);
        let name = format!("lobos-work-{}", state.threads);
        let spawned = thread::Builder::new().name(name).spawn(move || inner.work());
        if spawned.is_ok() {
            state.threads += 1;
        } else if state.threads == 0 {
            // No thread is to be had: slow is better than never.
            let work = state.queue.pop_back();
            drop(state);
            work.into_iter().for_each(|work| work());
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let bell = Arc::new(Condvar::new());
        let mut state = self.lock();
        loop {
            if let Some(work) = state.queue.pop_front() {
                drop(state);
                let _ = catch_unwind(AssertUnwindSafe(work));
                state = self.lock();
                continue;
            }
            state.idle.push(Arc::clone(&bell));
            let waited = bell.wait_timeout(state, IDLE);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            // Still there: nobody has called.
            state.idle.retain(|other| !Arc::ptr_eq(other, &bell));
            if timeout.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    #[test]
    fn all_done_and_bounded() {
        // Every job is done once, and never more at a time than there may be threads.
        let pool = Pool::new(3);
        let (sender, receiver) = mpsc::channel();
        let running = Arc::new(AtomicUsize::new(0));
        for at in 0..200 {
            let (sender, running) = (sender.clone(), Arc::clone(&running));
            pool.run(move || {
                assert!(running.fetch_add(1, Ordering::SeqCst) < 3);
                thread::sleep(Duration::from_micros(200));
                running.fetch_sub(1, Ordering::SeqCst);
                assert!(sender.send(at).is_ok());
            });
        }
        drop(sender);
        let mut done: Vec<i32> = receiver.iter().collect();
        done.sort_unstable();
        assert_eq!(done, (0..200).collect::<Vec<_>>());
    }

    #[test]
    fn panics_are_survived() {
        // A job that panics does not take its thread along.
        let pool = Pool::new(1);
        let (sender, receiver) = mpsc::channel();
        pool.run(|| panic!("on purpose"));
        pool.run(move || assert!(sender.send(1).is_ok()));
        assert_eq!(receiver.recv(), Ok(1));
    }
}
