//! The chance of the simulation, as the fuzzer wants it: its bytes decide, one for a small choice,
//! and when they are used up, numbers that are the same for the same bytes.

use std::cell::RefCell;

thread_local! {
    static TAPE: RefCell<(Vec<u8>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

/// The next world is made of these bytes. The seed of what comes after them.
pub(crate) fn load(data: &[u8]) -> u64 {
    let (seed, rest) = data.split_at(data.len().min(4));
    TAPE.set((rest.to_vec(), 0));
    seed.iter().fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

fn byte() -> Option<u8> {
    TAPE.with_borrow_mut(|(tape, at)| {
        let byte = tape.get(*at).copied();
        *at += 1;
        byte
    })
}

/// A stream of random numbers.
pub(crate) struct Rng(u64);

impl Rng {
    /// The stream of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// Any 64 bits: content, which the bytes of the fuzzer are too dear for.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// One of `low..=high`.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        let span = (high - low) as u64 + 1;
        let number = match (byte(), span) {
            (None, _) => self.next(),
            (Some(byte), ..=256) => byte.into(),
            (Some(byte), _) => u64::from(byte) << 8 | u64::from(byte_or_zero()),
        };
        low + (number % span) as usize
    }

    /// True in so many of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.between(1, 100) <= percent
    }

    /// One of the items.
    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.between(0, items.len() - 1)]
    }

    /// The content of an object: sizes around those of buffers, with line ends inside.
    pub(crate) fn content(&mut self, largest: usize) -> Vec<u8> {
        let most = self.pick(&[0, 20, 700, largest]);
        let size = self.between(0, most);
        let mut content = Vec::with_capacity(size + 8);
        while content.len() < size {
            match self.next() {
                word if word.is_multiple_of(23) => content.extend_from_slice(b"\r\n0\r\n\r\n"),
                word => content.extend_from_slice(&word.to_le_bytes()),
            }
        }
        content.truncate(size);
        content
    }
}

fn byte_or_zero() -> u8 {
    byte().unwrap_or_default()
}
