//! Which keys were regular files when they were last opened: a small table without locks, where
//! a newer key takes the place of an older one. A key has four places, since with one a third of
//! 4,000 keys would drive each other out.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// 256 KiB of memory in all.
const SLOTS: usize = 32_768;

/// The places of a key.
const WAYS: usize = 4;

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
        self.find(mark, mark).is_some()
    }

    pub(crate) fn add(&self, mark: u64) {
        // Reading first keeps the line shared between the processors.
        if self.has(mark) {
            return;
        }
        let places = self.places(mark);
        // Bits that do not choose the places.
        let any = places.get((mark >> 60) as usize % WAYS);
        if let Some(slot) = self.find(mark, 0).or(any) {
            slot.store(mark, Ordering::Relaxed);
        }
    }

    pub(crate) fn forget(&self, mark: u64) {
        if let Some(slot) = self.find(mark, mark) {
            slot.store(0, Ordering::Relaxed);
        }
    }

    /// The place of a key that holds this.
    fn find(&self, mark: u64, held: u64) -> Option<&AtomicU64> {
        self.places(mark).iter().find(|slot| slot.load(Ordering::Relaxed) == held)
    }

    fn places(&self, mark: u64) -> &[AtomicU64] {
        // The lowest bit is always set.
        let set = (mark >> 1) as usize % (SLOTS / WAYS);
        &self.slots[set * WAYS..][..WAYS]
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

    #[test]
    fn room() {
        // Of 8,000 keys in turn nearly all stay known.
        let seen = Seen::new();
        let marks: Vec<u64> = (0..8_000).map(|n: u32| seen.mark("x", &n.to_string())).collect();
        marks.iter().for_each(|mark| seen.add(*mark));
        let known = marks.iter().filter(|mark| seen.has(**mark)).count();
        assert!(known > 7_900, "{known}");
    }
}
