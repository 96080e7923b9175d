//! Connections by number. A number is never given twice, so that what comes back for a connection
//! that has gone finds nothing instead of its successor.

const HALF: u32 = usize::BITS / 2;
const INDEX: usize = (1 << HALF) - 1;

/// Values by key.
pub(crate) struct Slab<T> {
    entries: Vec<Entry<T>>,
    free: Vec<usize>,
}

/// Where a value is (low half), and how many were there before (high half).
pub(crate) type Key = usize;

struct Entry<T> {
    generation: usize,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), free: Vec::new() }
    }

    /// Keeps it; the key finds it until it is removed.
    pub(crate) fn insert(&mut self, value: T) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry { generation: 0, value: None });
            self.entries.len() - 1
        });
        let entry = &mut self.entries[index];
        entry.value = Some(value);
        (entry.generation << HALF) | index
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let entry = self.entries.get_mut(key & INDEX)?;
        if entry.generation == key >> HALF { entry.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let index = key & INDEX;
        let entry = self.entries.get_mut(index).filter(|e| e.generation == key >> HALF)?;
        let value = entry.value.take()?;
        entry.generation = (entry.generation + 1) & INDEX;
        self.free.push(index);
        Some(value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.free.len() == self.entries.len()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        let entries = self.entries.iter().enumerate().filter(|(_, entry)| entry.value.is_some());
        entries.map(|(index, entry)| (entry.generation << HALF) | index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations() {
        // A key that was removed finds nothing, although its place is used again.
        let mut slab = Slab::new();
        let first = slab.insert('a');
        let second = slab.insert('b');
        assert_eq!(slab.remove(first), Some('a'));
        let third = slab.insert('c');
        assert_eq!(third & INDEX, first & INDEX);
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(third), Some(&mut 'c'));
        assert_eq!(slab.keys(), [third, second]);
        assert_eq!((slab.remove(second), slab.remove(third)), (Some('b'), Some('c')));
        assert!(slab.is_empty());
    }
}
