//! Several streams side by side in vector registers, if this processor has them.

use crate::block::{self, Block};

/// The most streams that go in one go: two registers of AVX2
pub(crate) const LANES: usize = 16;

/// The state of a stream, and its next blocks
pub(crate) struct Lane<'l> {
    pub(crate) state: &'l mut [u32; 4],
    pub(crate) blocks: &'l [Block],
}

/// Takes the next blocks of up to [`LANES`] streams, of which all bring as many.
pub(crate) fn compress(lanes: &mut [Lane<'_>]) {
    assert!(lanes.len() <= LANES, "{} lanes", lanes.len());
    if lanes.len() < 2 || !wide(lanes) {
        for Lane { state, blocks } in lanes {
            block::compress(state, blocks);
        }
    }
}

/// Whether this processor could do it in registers of AVX2
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "the processor is asked for AVX2 first")]
fn wide(lanes: &mut [Lane<'_>]) -> bool {
    use crate::avx2::{self, WIDTH};

    fn run<const R: usize>(lanes: &mut [Lane<'_>]) {
        use std::array::from_fn;
        // Lanes that nobody needs repeat the first one.
        let which = |r: usize, at: usize| Some(r * WIDTH + at).filter(|&lane| lane < lanes.len());
        let lane = |r, at| &lanes[which(r, at).unwrap_or(0)];
        let mut states = from_fn(|r| from_fn(|at| *lane(r, at).state));
        let blocks = from_fn(|r| from_fn(|at| lane(r, at).blocks));
        // SAFETY: it is safe code, and this processor has what it is compiled for.
        unsafe { avx2::compress::<R>(&mut states, blocks) }
        for (lane, state) in lanes.iter_mut().zip(states.as_flattened()) {
            *lane.state = *state;
        }
    }

    if !is_x86_feature_detected!("avx2") {
        return false;
    }
    if lanes.len() <= WIDTH {
        run::<1>(lanes);
    } else {
        run::<2>(lanes);
    }
    true
}

/// There is no code for the registers of this processor.
#[cfg(not(target_arch = "x86_64"))]
fn wide(_lanes: &mut [Lane<'_>]) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::array::from_fn;

    use super::*;
    use crate::block::BEGIN;

    #[test]
    fn any_number_of_lanes_gives_what_one_gives() {
        // For each number of streams, each of any blocks, lanes leave the state that each stream
        // has alone.
        let mut seed = 7_u32;
        let mut next = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        };
        for count in (0..=LANES).step_by(if cfg!(miri) { 5 } else { 1 }) {
            let streams: Vec<Vec<Block>> =
                (0..count).map(|_| (0..5).map(|_| from_fn(|_| next())).collect()).collect();
            let mut alone = vec![BEGIN; count];
            for (state, blocks) in alone.iter_mut().zip(&streams) {
                block::compress(state, blocks);
            }
            let mut states = vec![BEGIN; count];
            let together = states.iter_mut().zip(&streams);
            let mut lanes: Vec<Lane<'_>> =
                together.map(|(state, blocks)| Lane { state, blocks }).collect();
            compress(&mut lanes);
            assert_eq!(states, alone, "{count} lanes");
        }
    }
}
