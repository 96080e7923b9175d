//! Random numbers that are the same for the same seed (splitmix64).

/// A stream of random numbers.
pub(crate) struct Rng(u64);

impl Rng {
    /// The stream of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5851_f42d_4c95_7f2d)
    }

    /// Any 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// One of `low..=high`.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        let span = (high - low) as u64 + 1;
        low + (self.next() % span) as usize
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
        let size = match self.between(0, 9) {
            0 => 0,
            1 | 2 => self.between(1, 20),
            3..=6 => self.between(20, 700),
            _ => self.between(700, largest),
        };
        let mut content = Vec::with_capacity(size + 8);
        while content.len() < size {
            let word = self.next();
            if word.is_multiple_of(23) {
                content.extend_from_slice(b"\r\n0\r\n\r\n");
            } else {
                content.extend_from_slice(&word.to_le_bytes());
            }
        }
        content.truncate(size);
        content
    }
}
