//! Several digests over one stream: each block of the stream is read from memory once and hashed
//! by all while it is in the cache.

use std::fmt;

use lobos_md5::Together;

use crate::state::State;
use crate::{Algorithm, Digest};

/// How many bytes all digests take before the next block begins: the L1 data cache of today's
/// processors holds 32 KiB or more
const BLOCK: usize = 32 * 1024;

/// Several running digests over one stream. With no algorithm it does nothing and has no heap.
pub struct Hasher {
    states: Vec<State>,
}

impl Hasher {
    /// Begin the wanted digests; one that is wanted twice runs once.
    pub fn new(wanted: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut runs = [false; Algorithm::ALL.len()];
        for algorithm in wanted {
            runs[algorithm as usize] = true;
        }
        let algorithms = Algorithm::ALL.into_iter().filter(|&a| runs[a as usize]);
        Self { states: algorithms.map(State::new).collect() }
    }

    /// As [`new`](Self::new), with an MD5, if one is wanted, that is hashed with those of other
    /// streams: for many streams whose bytes come in turns.
    pub fn with_others(wanted: impl IntoIterator<Item = Algorithm>, others: &Together) -> Self {
        let mut hasher = Self::new(wanted);
        for state in &mut hasher.states {
            if matches!(state, State::Md5(_)) {
                *state = State::SharedMd5(others.begin());
            }
        }
        hasher
    }

    /// Whether something is hashed with other streams
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.states.iter().any(|state| matches!(state, State::SharedMd5(_)))
    }

    /// Whether nothing is wanted, so that the caller need not call [`update`](Self::update)
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// Take the next bytes of the stream; where it is cut makes no difference.
    pub fn update(&mut self, data: &[u8]) {
        if let [one] = self.states.as_mut_slice() {
            one.update(data);
            return;
        }
        for block in data.chunks(BLOCK) {
            for state in &mut self.states {
                state.update(block);
            }
        }
    }

    /// The values for the bytes taken so far
    #[must_use]
    pub fn finish(self) -> Digests {
        Digests { values: self.states.into_iter().map(State::finish).collect() }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("running", &self.states.len()).finish()
    }
}

/// What a [`Hasher`] found: one value for each algorithm that it ran
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// In the order of [`Algorithm::ALL`]
    values: Vec<Digest>,
}

impl Digests {
    /// The value of this algorithm; `None` if it did not run
    #[must_use]
    pub fn get(&self, algorithm: Algorithm) -> Option<Digest> {
        self.iter().find(|value| value.algorithm() == algorithm)
    }

    /// All values, in the order of [`Algorithm::ALL`]
    pub fn iter(&self) -> impl Iterator<Item = Digest> {
        self.values.iter().copied()
    }
}

/// The digest of one slice
#[must_use]
pub fn digest(algorithm: Algorithm, data: &[u8]) -> Digest {
    let mut state = State::new(algorithm);
    state.update(data);
    state.finish()
}
