//! Which keys were regular files when they were last opened, and what metadata those had: a small
//! table without locks, where a newer key takes the place of an older one. A key has four places,
//! since with one a third of 4,000 keys would drive each other out.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lobos_proto::Timestamp;
use rustix::fs::{Stat, Statx, makedev};

use crate::meta::Meta;
use crate::metas::Metas;

/// 512 KiB of memory in all.
const SLOTS: usize = 32_768;

/// The places of a key.
const WAYS: usize = 4;

/// The table. Its hash has a secret, so that nobody can look for two keys that count as one.
pub(crate) struct Seen {
    secret: RandomState,
    slots: Box<[Slot]>,
    metas: Metas,
}

#[derive(Default)]
struct Slot {
    mark: AtomicU64,
    /// What [`Seen::print`] gave for the file as it was when its metadata was read, or 0. It has
    /// the mark in it, so that half of one key and half of another do no harm.
    print: AtomicU64,
}

/// Set in a print if there was metadata, which is kept elsewhere.
const KEPT: u64 = 2;

/// What is known of the metadata of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// There is none.
    Bare,
    /// There is this.
    Kept(Arc<Meta>),
}

/// A file and its last change. Who gives it an attribute, or other rights, leaves another time:
/// what was true of its inode stays so as long as it looks the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    dev: u64,
    inode: u64,
    /// The ctime in nanoseconds since 1970.
    pub(crate) changed: u64,
}

impl Look {
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_possible_truncation,
        reason = "the widths of stat's fields differ between machines"
    )]
    pub(crate) fn of(stat: &Stat) -> Self {
        let changed = Timestamp::from_unix(stat.st_ctime as i64, stat.st_ctime_nsec as u32);
        Self { dev: stat.st_dev as u64, inode: stat.st_ino as u64, changed: changed.nanos }
    }

    /// Whether the other is of the same file.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        (self.dev, self.inode) == (other.dev, other.inode)
    }

    pub(crate) fn of_statx(stat: &Statx) -> Self {
        let changed = Timestamp::from_unix(stat.stx_ctime.tv_sec, stat.stx_ctime.tv_nsec);
        let dev = makedev(stat.stx_dev_major, stat.stx_dev_minor);
        Self { dev, inode: stat.stx_ino, changed: changed.nanos }
    }
}

impl Seen {
    pub(crate) fn new() -> Self {
        let slots = std::iter::repeat_with(Slot::default).take(SLOTS).collect();
        Self { secret: RandomState::new(), slots, metas: Metas::default() }
    }

    /// What stands for this key; never 0, which is an empty slot.
    pub(crate) fn mark(&self, bucket: &str, path: &str) -> u64 {
        let mut hasher = self.secret.build_hasher();
        hasher.write(bucket.as_bytes());
        hasher.write_u8(b'/');
        hasher.write(path.as_bytes());
        hasher.finish() | 1
    }

    /// What stands for the file that this key was; never 0, and without [`KEPT`].
    fn print(&self, mark: u64, look: Look) -> u64 {
        let mut hasher = self.secret.build_hasher();
        for word in [mark, look.dev, look.inode, look.changed] {
            hasher.write_u64(word);
        }
        (hasher.finish() | 1) & !KEPT
    }

    pub(crate) fn has(&self, mark: u64) -> bool {
        self.find(mark, mark).is_some()
    }

    /// Whether the metadata of the key was known the last time, which may have changed since.
    pub(crate) fn was_known(&self, mark: u64) -> bool {
        self.find(mark, mark).is_some_and(|slot| slot.print.load(Ordering::Relaxed) != 0)
    }

    /// What metadata the file has that the key is now, which looks so; `None` where it is not
    /// known.
    pub(crate) fn known(&self, mark: u64, look: Look) -> Option<Known> {
        let held = self.find(mark, mark)?.print.load(Ordering::Relaxed);
        let print = self.print(mark, look);
        match held {
            _ if held == print => Some(Known::Bare),
            _ if held == print | KEPT => self.metas.get(mark, print).map(Known::Kept),
            _ => None,
        }
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
            slot.print.store(0, Ordering::Relaxed);
            slot.mark.store(mark, Ordering::Relaxed);
        }
    }

    /// The key is known, and its file was found with this metadata, or without any, when it looked
    /// so.
    pub(crate) fn add_known(&self, mark: u64, look: Look, meta: Option<&Meta>) {
        let Some(slot) = self.find(mark, mark) else { return };
        let mut print = self.print(mark, look);
        if let Some(meta) = meta {
            self.metas.put(mark, print, Arc::new(meta.clone()));
            print |= KEPT;
        }
        slot.print.store(print, Ordering::Relaxed);
    }

    pub(crate) fn forget(&self, mark: u64) {
        if let Some(slot) = self.find(mark, mark) {
            slot.mark.store(0, Ordering::Relaxed);
        }
    }

    /// The place of a key that holds this.
    fn find(&self, mark: u64, held: u64) -> Option<&Slot> {
        self.places(mark).iter().find(|slot| slot.mark.load(Ordering::Relaxed) == held)
    }

    fn places(&self, mark: u64) -> &[Slot] {
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

    #[test]
    fn known() {
        // What metadata a file has holds for this key, this file and this time of change only, and
        // not for a key that takes its place in the table.
        let meta = Meta { upload: Some("1".into()), ..Meta::default() };
        for meta in [None, Some(&meta)] {
            let seen = Seen::new();
            let (a, b) = (seen.mark("x", "a"), seen.mark("x", "b"));
            let look = Look { dev: 1, inode: 2, changed: 3 };
            seen.add_known(a, look, meta);
            assert!(!seen.has(a) && seen.known(a, look).is_none());
            seen.add(a);
            assert!(!seen.was_known(a) && seen.known(a, look).is_none());
            seen.add_known(a, look, meta);
            let known = meta.map_or(Known::Bare, |meta| Known::Kept(Arc::new(meta.clone())));
            assert!(seen.was_known(a) && seen.known(a, look) == Some(known));
            seen.add(b);
            assert_eq!(seen.known(b, look), None);
            for other in [Look { dev: 0, ..look }, Look { inode: 0, ..look }] {
                assert_eq!(seen.known(a, other), None);
            }
            assert_eq!(seen.known(a, Look { changed: 4, ..look }), None);
            seen.forget(a);
            seen.add(a);
            assert!(!seen.was_known(a));
        }
    }
}
