//! How many requests that take long may run or wait at the same time, over all threads.
//!
//! Only a request that has not begun can be refused: uploads that are here are committed.

use std::sync::atomic::{AtomicUsize, Ordering};

use lobos_proto::{Code, Error};

use crate::{Done, Job};

/// Counts them.
#[derive(Debug)]
pub(crate) struct Heavy {
    most: usize,
    out: AtomicUsize,
}

impl Heavy {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, out: AtomicUsize::new(0) }
    }

    /// Lets a heavy job go to the helper threads, or answers for it. Each that was let go is to
    /// come back by [`Heavy::done`].
    #[allow(clippy::result_large_err, reason = "made once and moved once")]
    pub(crate) fn admit(&self, job: Job) -> Result<Job, Done> {
        if !matches!(job, Job::Call(..)) {
            return Ok(job);
        }
        if self.out.fetch_add(1, Ordering::Relaxed) < self.most {
            return Ok(job);
        }
        self.out.fetch_sub(1, Ordering::Relaxed);
        let error = Error::new(Code::SlowDown).message("This server has too much to do.");
        Err(Done::Called(Err(error)))
    }

    /// How many are out.
    pub(crate) fn count(&self) -> usize {
        self.out.load(Ordering::Relaxed)
    }

    /// This came back from the helper threads.
    pub(crate) fn done(&self, done: &Done) {
        if matches!(done, Done::Called(_)) {
            self.out.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
