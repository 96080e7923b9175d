//! How a server stops: first politely, then less so, and at once at the second signal.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Stops a server, from a signal or from code. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    asked: Option<Instant>,
    at_once: bool,
    watchers: Vec<Waker>,
}

/// How long a server that stops waits for its connections.
#[derive(Clone, Copy, Debug)]
pub struct Grace {
    /// For uploads that are half here.
    pub uploads: Duration,
    /// For everything, from the same moment on.
    pub all: Duration,
}

impl Default for Grace {
    fn default() -> Self {
        Self { uploads: Duration::from_secs(2), all: Duration::from_secs(10) }
    }
}

/// How far a server is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not at all.
    Running,
    /// No new connections, no further requests.
    Finishing,
    /// Nor half-sent uploads.
    Leaving,
    /// Nothing more.
    Over,
}

impl Stop {
    /// Not triggered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the server; again, and it ends at once.
    pub fn trigger(&self) {
        let watchers = {
            let mut state = self.state();
            state.at_once = state.asked.is_some();
            state.asked.get_or_insert_with(Instant::now);
            std::mem::take(&mut state.watchers)
        };
        watchers.into_iter().for_each(Waker::wake);
    }

    /// Stops the server if it does not stop yet.
    pub(crate) fn ensure(&self) {
        if self.state().asked.is_none() {
            self.trigger();
        }
    }

    /// Lets SIGINT and SIGTERM trigger it from now on.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn on_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let stop = self.clone();
        let work = move || signals.forever().for_each(|_| stop.trigger());
        thread::Builder::new().name("lobos-signals".into()).spawn(work)?;
        Ok(())
    }

    /// Wakes at the next trigger, once.
    pub fn watch(&self, waker: &Waker) {
        let mut state = self.state();
        if !state.watchers.iter().any(|w| w.will_wake(waker)) {
            state.watchers.push(waker.clone());
        }
    }

    /// How far the server is, and when that changes by itself.
    pub fn phase(&self, grace: Grace, now: Instant) -> (Phase, Option<Instant>) {
        let state = self.state();
        let Some(asked) = state.asked else { return (Phase::Running, None) };
        let (leave, over) = (asked + grace.uploads.min(grace.all), asked + grace.all);
        if state.at_once || now >= over {
            (Phase::Over, None)
        } else if now >= leave {
            (Phase::Leaving, Some(over))
        } else {
            (Phase::Finishing, Some(leave))
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases() {
        // Time alone leads from the first trigger to the end, and a second trigger at once.
        let grace = Grace::default();
        let stop = Stop::new();
        let start = Instant::now();
        assert_eq!(stop.phase(grace, start), (Phase::Running, None));
        stop.trigger();
        let later = |secs| stop.phase(grace, Instant::now() + Duration::from_secs(secs)).0;
        assert_eq!(later(0), Phase::Finishing);
        assert_eq!(later(3), Phase::Leaving);
        assert_eq!(later(11), Phase::Over);
        stop.trigger();
        assert_eq!(later(0), Phase::Over);
    }

    #[test]
    fn watchers() {
        // Each watcher is woken once for each time that it asked.
        use std::sync::atomic::{AtomicUsize, Ordering};
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let stop = Stop::new();
        let waker = Waker::from(Arc::clone(&count));
        stop.watch(&waker);
        stop.watch(&waker);
        stop.trigger();
        stop.trigger();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        stop.watch(&waker);
        stop.trigger();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }
}
