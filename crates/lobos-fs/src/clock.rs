//! Modification times that never repeat in a process: two objects put within one tick of an old
//! kernel's clock still differ, and so do their entity tags.

use std::sync::atomic::{AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

static LAST: AtomicU64 = AtomicU64::new(0);

/// The time now in nanoseconds since 1970, and greater than ever before.
pub(crate) fn next() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    let now = lobos_proto::Timestamp::from_unix(now.tv_sec, nanos).nanos;
    let later = |last: u64| Some(now.max(last.saturating_add(1)));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).unwrap_or(now);
    now.max(last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn increasing() {
        // Each call gives a later time, in every thread.
        let mut times: Vec<u64> = std::thread::scope(|scope| {
            let run = || (0..10_000).map(|_| next()).collect::<Vec<_>>();
            let threads = [scope.spawn(run), scope.spawn(run)];
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        times.sort_unstable();
        times.dedup();
        assert_eq!(times.len(), 20_000);
    }
}
