//! Metadata that was read a short while ago: a table in which newer takes the place of older.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::meta::Meta;

/// So many sets, each with a lock of its own, that two threads seldom want the same.
const SETS: usize = 2048;

/// The places of a set: 8,192 in all, some 5 MiB with what is kept of an ordinary object.
const WAYS: usize = 4;

/// What is longer, packed, is read again every time.
pub(crate) const LONGEST: usize = 512;

/// The table; it takes no memory before there is something to keep.
#[derive(Default)]
pub(crate) struct Metas {
    sets: OnceLock<Box<[Mutex<Set>]>>,
}

#[derive(Default)]
struct Set {
    places: [Option<Place>; WAYS],
    /// The one that goes next.
    hand: usize,
}

struct Place {
    key: u64,
    /// Which file, as it was when.
    print: u64,
    meta: Arc<Meta>,
}

impl Metas {
    /// What was kept of this key under this print.
    pub(crate) fn get(&self, key: u64, print: u64) -> Option<Arc<Meta>> {
        let set = self.sets.get()?.get(index(key))?;
        let set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = set.places.iter().flatten();
        places.find(|place| place.print == print).map(|place| Arc::clone(&place.meta))
    }

    /// Keeps it in the place of what was kept of this key, or else of another.
    pub(crate) fn put(&self, key: u64, print: u64, meta: Arc<Meta>) {
        let make = || std::iter::repeat_with(Mutex::default).take(SETS).collect();
        let Some(set) = self.sets.get_or_init(make).get(index(key)) else { return };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let hand = set.hand % WAYS;
        let is_own = |place: &Option<Place>| place.as_ref().is_none_or(|place| place.key == key);
        let at = set.places.iter().position(is_own).unwrap_or(hand);
        if at == hand {
            set.hand = hand + 1;
        }
        if let Some(place) = set.places.get_mut(at) {
            *place = Some(Place { key, print, meta });
        }
    }
}

fn index(key: u64) -> usize {
    // The lowest bit of a mark is always set.
    (key >> 1) as usize % SETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        // What is kept is what comes back, for the same file as it was; of one key only the last is
        // kept, and many keys do not take more room than there is.
        let metas = Metas::default();
        let meta = |n: u64| Arc::new(Meta { upload: Some(n.to_string()), ..Meta::default() });
        let of = |key, print| metas.get(key, print).map(|meta| meta.upload.clone().unwrap());
        assert_eq!(of(1, 1), None);
        metas.put(1, 5, meta(5));
        assert_eq!((of(1, 5), of(1, 6)), (Some("5".into()), None));
        metas.put(1, 6, meta(6));
        assert_eq!((of(1, 5), of(1, 6)), (None, Some("6".into())));
        // All in the same set.
        for key in (1..100).map(|n| (n * SETS as u64) << 1 | 1) {
            metas.put(key, key, meta(key));
            assert_eq!(of(key, key), Some(key.to_string()));
        }
        let sets = metas.sets.get().unwrap();
        let kept = sets.iter().map(|set| set.lock().unwrap().places.iter().flatten().count());
        assert!(kept.max() <= Some(WAYS));
        assert_eq!(of(1, 6), None, "it was the oldest of its set");
    }
}
