//! Which keys were regular files when they were last opened: a small table without locks, where
//! a newer key takes the place of an older one.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// 64 KiB of memory in all.
const SLOTS: usize = 8192;

/// The table. Its hash has a secret, so that nobody can look for two keys that count as one.
pub(crate) struct Seen {
    secret: RandomState,
    slots: Box<[AtomicU64]>,
}

impl Seen {
    pub(crate) fn new() -> Self {
        let slots = std::iter::repeat_with(AtomicU64::default).take(SLOTS).collect();
        Self { secret: RandomState::new(), slots }
    }

    /// What stands for this key; never 0, which is an empty slot.
    pub(crate) fn mark(&self, bucket: &str, path: &str) -> u64 {
        let mut hasher = self.secret.build_hasher();
        hasher.write(bucket.as_bytes());
        hasher.write_u8(b'/');
        hasher.write(path.as_bytes());
        hasher.finish() | 1
    }

    pub(crate) fn has(&self, mark: u64) -> bool {
        self.slot(mark).is_some_and(|slot| slot.load(Ordering::Relaxed) == mark)
    }

    pub(crate) fn add(&self, mark: u64) {
        if let Some(slot) = self.slot(mark) {
            // Reading first keeps the line shared between the processors.
            if slot.load(Ordering::Relaxed) != mark {
                slot.store(mark, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn forget(&self, mark: u64) {
        if let Some(slot) = self.slot(mark) {
            slot.store(0, Ordering::Relaxed);
        }
    }

    fn slot(&self, mark: u64) -> Option<&AtomicU64> {
        // The lowest bit is always set.
        let index = usize::try_from((mark >> 1) % SLOTS as u64).ok()?;
        self.slots.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        // A key is known after it was added and until it is forgotten; the bucket is part of it.
        let seen = Seen::new();
        let (a, b) = (seen.mark("x", "y/z"), seen.mark("x/y", "z"));
        assert!(!seen.has(a));
        seen.add(a);
        assert!(seen.has(a));
        seen.forget(a);
        assert!(!seen.has(a) && !seen.has(b));
        for n in 0..100_000 {
            let mark = seen.mark("x", &n.to_string());
            seen.add(mark);
            assert!(seen.has(mark));
        }
    }
}
