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
fn wide(lanes: &mut [Lane<'_>]) -> bool {
    use crate::avx2::WIDTH;

    if !is_x86_feature_detected!("avx2") {
        return false;
    }
    let ternary = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
    if lanes.len() <= WIDTH {
        in_registers::<1>(lanes, ternary);
    } else {
        in_registers::<2>(lanes, ternary);
    }
    true
}

/// In so many registers; `ternary`: with the instructions of AVX-512.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "the processor was asked for what it has")]
fn in_registers<const R: usize>(lanes: &mut [Lane<'_>], ternary: bool) {
    use std::array::from_fn;

    use crate::avx2::{WIDTH, plain, ternary};

    // Lanes that nobody needs repeat the first one.
    let which = |r: usize, at: usize| Some(r * WIDTH + at).filter(|&lane| lane < lanes.len());
    let lane = |r, at| &lanes[which(r, at).unwrap_or(0)];
    let mut states = from_fn(|r| from_fn(|at| *lane(r, at).state));
    let blocks = from_fn(|r| from_fn(|at| lane(r, at).blocks));
    // SAFETY: it is safe code, and this processor has what it is compiled for.
    unsafe {
        match ternary {
            true => ternary::compress::<R>(&mut states, blocks),
            false => plain::compress::<R>(&mut states, blocks),
        }
    }
    for (lane, state) in lanes.iter_mut().zip(states.as_flattened()) {
        *lane.state = *state;
    }
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

    /// The one that is taken, and the others that this processor could take.
    fn ways() -> Vec<fn(&mut [Lane<'_>])> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return vec![compress, |lanes| match lanes.len() {
                0 => {}
                1..=8 => in_registers::<1>(lanes, false),
                _ => in_registers::<2>(lanes, false),
            }];
        }
        vec![compress]
    }

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
            for way in ways() {
                let mut states = vec![BEGIN; count];
                let together = states.iter_mut().zip(&streams);
                let mut lanes: Vec<Lane<'_>> =
                    together.map(|(state, blocks)| Lane { state, blocks }).collect();
                way(&mut lanes);
                assert_eq!(states, alone, "{count} lanes");
            }
        }
    }
}
