//! When to look at which connection again. A deadline that moves away costs nothing: its old
//! entry stays and is looked at in vain once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::slab::Key;

/// Moments and connections, the next one first.
#[derive(Default)]
pub(crate) struct Timers(BinaryHeap<Reverse<(Instant, Key)>>);

impl Timers {
    /// Makes sure that an entry is there at `deadline` or before; `armed` is the connection's
    /// first one.
    pub(crate) fn arm(&mut self, key: Key, armed: &mut Option<Instant>, deadline: Instant) {
        if armed.is_none_or(|at| deadline < at) {
            *armed = Some(deadline);
            self.0.push(Reverse((deadline, key)));
        }
    }

    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The next moment.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.peek().map(|entry| entry.0.0)
    }

    /// Takes out one entry that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, Key)> {
        let due = self.next().is_some_and(|at| at <= now);
        if due { self.0.pop().map(|entry| entry.0) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lazy() {
        // A later deadline adds no entry, an earlier one does, and they come out in order.
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let (mut timers, mut armed) = (Timers::default(), None);
        timers.arm(7, &mut armed, at(10));
        timers.arm(7, &mut armed, at(20));
        timers.arm(7, &mut armed, at(5));
        assert_eq!((armed, timers.next()), (Some(at(5)), Some(at(5))));
        assert_eq!(timers.pop(at(4)), None);
        assert_eq!(timers.pop(at(30)), Some((at(5), 7)));
        assert_eq!(timers.pop(at(30)), Some((at(10), 7)));
        assert_eq!(timers.pop(at(30)), None);
    }
}
