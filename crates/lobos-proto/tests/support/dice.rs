//! Numbers that look random and are the same for the same seed.

/// So many cases, or a few where Miri runs them, which takes ten thousand times as long.
pub(crate) const fn cases(count: u64) -> u64 {
    if cfg!(miri) { count.div_ceil(4000) } else { count }
}

/// A generator (Marsaglia's xorshift64*).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        // A seed of 0 would stay 0, and neighbours would begin alike.
        Self((seed ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xd134_2543_de82_ef95) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 32) as usize) % bound
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    /// Where to cut `length` bytes into pieces: `count` positions at most, in order.
    pub(crate) fn cuts(&mut self, length: usize, count: usize) -> Vec<usize> {
        let mut cuts: Vec<_> = (0..count).map(|_| self.below(length.max(1))).collect();
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}
