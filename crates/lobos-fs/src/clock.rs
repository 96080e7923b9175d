//! Modification times that never repeat in a process, and that show where they come from: a
//! listing need not look for the entity tag of a file whose time we did not set.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use lobos_proto::Timestamp;
use rustix::time::{ClockId, clock_gettime};

static LAST: AtomicU64 = AtomicU64::new(0);

/// Times of ours are this much, in nanoseconds, over a multiple of [`STEP`].
const OURS: u64 = 37;

const STEP: u64 = 100;

/// Linux stamps files with the time of the last clock tick, which is up to 10 ms old: two changes
/// closer than that may leave the same time.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// The time now in nanoseconds since 1970, to [`STEP`], and greater than ever before: two objects
/// put within one tick of an old kernel's clock still differ, and so do their entity tags.
pub(crate) fn next() -> u64 {
    let now = clock_gettime(ClockId::Realtime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    let now = Timestamp::from_unix(now.tv_sec, nanos).nanos;
    let now = (now - now % STEP).saturating_add(OURS);
    let later = |last: u64| Some(now.max(last.saturating_add(STEP)));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later).unwrap_or(now);
    now.max(last.saturating_add(STEP))
}

/// Whether a modification time, in nanoseconds, can be one of ours: as [`next`] gave it, or cut
/// by a file system that keeps microseconds or less. Of other times one in fifty looks so.
pub(crate) fn may_be_ours(time: u64) -> bool {
    matches!(time % STEP, 0 | OURS)
}

/// Whether a look that began at `began` came so long after the last change, in nanoseconds since
/// 1970, that the next one leaves another time.
pub(crate) fn is_settled(changed: u64, began: SystemTime) -> bool {
    let tick = u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX);
    Timestamp::from(began).nanos > changed.saturating_add(tick)
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

    #[test]
    fn ours() {
        // Our times are known as ours, whole or cut to any unit that file systems keep; most
        // others are not.
        let time = next();
        for unit in [1, 100, 1000, 1_000_000, 1_000_000_000, 2_000_000_000] {
            assert!(may_be_ours(time - time % unit), "{unit}");
        }
        assert_eq!((0..1000).filter(|nanos| may_be_ours(time + nanos)).count(), 20);
    }
}
