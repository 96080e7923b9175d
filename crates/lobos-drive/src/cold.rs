//! Whether files come from the disk at the moment: an event loop must not wait for it, but to ask
//! whether bytes are in memory costs as much as a small send.

use std::time::{Duration, Instant};

/// Memory is faster than this for whatever one system call sends.
const SLOW: Duration = Duration::from_millis(1);

/// So long after a slow send, or after bytes that were not in memory, it is asked before each.
const WARY: Duration = Duration::from_secs(1);

/// What one thread has met.
#[derive(Debug, Default)]
pub struct Cold {
    /// It is asked until then.
    wary: Option<Instant>,
}

impl Cold {
    /// Whether to ask before bytes of a source are sent.
    pub(crate) fn is_wary(&mut self, now: Instant) -> bool {
        self.wary = self.wary.filter(|until| now < *until);
        self.wary.is_some()
    }

    /// Bytes were not in memory.
    pub(crate) fn met(&mut self, now: Instant) {
        self.wary = now.checked_add(WARY);
    }

    /// Does what sends bytes of a source, and sees how long it takes.
    pub(crate) fn watch<T>(&mut self, send: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let sent = send();
        let end = Instant::now();
        if end - start > SLOW {
            self.met(end);
        }
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wariness() {
        // A slow send makes wary for a while, a fast one does not.
        let (mut cold, start) = (Cold::default(), Instant::now());
        cold.watch(|| ());
        assert!(!cold.is_wary(start));
        cold.watch(|| std::thread::sleep(2 * SLOW));
        assert!(cold.is_wary(Instant::now()));
        assert!(!cold.is_wary(Instant::now() + 2 * WARY));
    }
}
