//! How many connections each thread has, so that the next one goes where fewest are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One counter per thread.
#[derive(Clone, Debug)]
pub struct Loads(Arc<[AtomicUsize]>);

/// One connection of one thread; it counts until it is dropped.
#[derive(Debug)]
pub struct Load {
    loads: Loads,
    thread: usize,
    /// Connections of all threads, with this one, when it came.
    total: usize,
}

impl Loads {
    /// For so many threads, at least one.
    pub fn new(threads: usize) -> Self {
        Self((0..threads.max(1)).map(|_| AtomicUsize::new(0)).collect())
    }

    /// Connections of all threads.
    pub fn total(&self) -> usize {
        self.0.iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }

    /// Counts a connection for the thread that has fewest.
    pub fn place(&self) -> Load {
        let counts = self.0.iter().map(|n| n.load(Ordering::Relaxed)).enumerate();
        let thread = counts.min_by_key(|(_, count)| *count).map_or(0, |(thread, _)| thread);
        self.0[thread].fetch_add(1, Ordering::Relaxed);
        Load { loads: self.clone(), thread, total: self.total() }
    }
}

impl Load {
    /// Which thread it is.
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// How many connections there were when it came, itself included.
    pub fn total(&self) -> usize {
        self.total
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.loads.0[self.thread].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even() {
        // Connections spread evenly, also when some have gone.
        let loads = Loads::new(3);
        let mut all: Vec<Load> = (0..9).map(|_| loads.place()).collect();
        for thread in 0..3 {
            assert_eq!(all.iter().filter(|l| l.thread() == thread).count(), 3);
        }
        all.retain(|l| l.thread() != 1);
        assert_eq!(loads.total(), 6);
        assert_eq!(loads.place().thread(), 1);
    }
}
