//! The compression function for eight streams in each of several registers of AVX2. Two registers
//! fill the time in which the additions of one wait for each other. Where the processor has AVX-512
//! too, the same registers rotate, and mix three words, in one instruction: 6 for a step, not 10.
//!
//! Loops, since each closure is a function of its own: what is built with more than one codegen
//! unit, as cargo does unless told otherwise, may have it in another one, and called for each
//! instruction. That took ten times as long.

#![allow(clippy::needless_range_loop, reason = "see above")]

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_extract_epi32, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi32,
    _mm256_setr_epi32, _mm256_setzero_si256, _mm256_sll_epi32, _mm256_srl_epi32,
    _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
    _mm256_xor_si256,
};
use std::array::from_fn;
use std::hint::black_box;

use crate::block::{Block, CONSTANTS, SHIFTS, word};

/// Streams in a register
pub(crate) const WIDTH: usize = 8;

/// One word of each stream
type Words<const R: usize> = [__m256i; R];

/// The function for a processor with these features, of which one step is `step`.
macro_rules! compress_by {
    ($features:literal) => {
        /// Takes the next blocks of `WIDTH * R` streams, all as many. Streams are in the order of
        /// `state`.
        #[target_feature(enable = $features)]
        pub(crate) fn compress<const R: usize>(
            state: &mut [[[u32; 4]; WIDTH]; R],
            streams: [[&[Block]; WIDTH]; R],
        ) {
            let count = streams[0][0].len();
            assert!(
                streams.as_flattened().iter().all(|blocks| blocks.len() == count),
                "unequal lengths"
            );
            let constants = black_box(&CONSTANTS);
            let mut s: [Words<R>; 4] =
                from_fn(|word| from_fn(|r| row(from_fn(|at| state[r][at][word]))));
            for at in 0..count {
                let mut x = [[_mm256_setzero_si256(); 16]; R];
                for r in 0..R {
                    for half in 0..2 {
                        let mut rows = [_mm256_setzero_si256(); WIDTH];
                        for lane in 0..WIDTH {
                            rows[lane] = half_of(&streams[r][lane][at], half);
                        }
                        x[r][WIDTH * half..][..WIDTH].copy_from_slice(&transposed(rows));
                    }
                }
                let old = s;
                s = round::<0, R>(s, &x, constants);
                s = round::<1, R>(s, &x, constants);
                s = round::<2, R>(s, &x, constants);
                s = round::<3, R>(s, &x, constants);
                for word in 0..4 {
                    for r in 0..R {
                        s[word][r] = _mm256_add_epi32(s[word][r], old[word][r]);
                    }
                }
            }
            for (r, state) in state.iter_mut().enumerate() {
                for (word, s) in s.iter().enumerate() {
                    for (lane, value) in words_of(s[r]).into_iter().enumerate() {
                        state[lane][word] = value;
                    }
                }
            }
        }

        /// As in block.rs
        #[inline]
        #[target_feature(enable = $features)]
        fn round<const ROUND: usize, const R: usize>(
            s: [Words<R>; 4],
            x: &[[__m256i; 16]; R],
            constants: &[u32; 64],
        ) -> [Words<R>; 4] {
            let s = quad::<ROUND, 0, R>(s, x, constants);
            let s = quad::<ROUND, 4, R>(s, x, constants);
            let s = quad::<ROUND, 8, R>(s, x, constants);
            quad::<ROUND, 12, R>(s, x, constants)
        }

        /// Four steps from the step `I` on. LLVM does not unroll a loop of them.
        #[inline]
        #[target_feature(enable = $features)]
        fn quad<const ROUND: usize, const I: usize, const R: usize>(
            s: [Words<R>; 4],
            x: &[[__m256i; 16]; R],
            constants: &[u32; 64],
        ) -> [Words<R>; 4] {
            let [mut a, mut b, mut c, mut d] = s;
            a = step::<ROUND, 0, R>([a, b, c, d], term::<ROUND, R>(x, constants, I));
            d = step::<ROUND, 1, R>([d, a, b, c], term::<ROUND, R>(x, constants, I + 1));
            c = step::<ROUND, 2, R>([c, d, a, b], term::<ROUND, R>(x, constants, I + 2));
            b = step::<ROUND, 3, R>([b, c, d, a], term::<ROUND, R>(x, constants, I + 3));
            [a, b, c, d]
        }

        #[inline]
        #[target_feature(enable = $features)]
        fn term<const ROUND: usize, const R: usize>(
            x: &[[__m256i; 16]; R],
            constants: &[u32; 64],
            i: usize,
        ) -> Words<R> {
            let word = [i, 5 * i + 1, 3 * i + 5, 7 * i][ROUND] % 16;
            let constant = _mm256_set1_epi32(constants[16 * ROUND + i].cast_signed());
            let mut terms = [constant; R];
            for r in 0..R {
                terms[r] = _mm256_add_epi32(x[r][word], constant);
            }
            terms
        }
    };
}

/// For processors with AVX2
pub(crate) mod plain {
    use super::*;

    compress_by!("avx2");

    /// As in block.rs: what is known first is added first.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn step<const ROUND: usize, const SHIFT: usize, const R: usize>(
        s: [Words<R>; 4],
        term: Words<R>,
    ) -> Words<R> {
        let ones = _mm256_set1_epi32(-1);
        let shift = SHIFTS[ROUND][SHIFT].cast_signed();
        let (left, right) = (_mm_cvtsi32_si128(shift), _mm_cvtsi32_si128(32 - shift));
        let [a, b, c, d] = s;
        let mut new = a;
        for r in 0..R {
            let (a, b, c, d) = (a[r], b[r], c[r], d[r]);
            let mut sum = _mm256_add_epi32(a, term[r]);
            let late = match ROUND {
                0 => _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d))),
                1 => {
                    sum = _mm256_add_epi32(sum, _mm256_andnot_si256(d, c));
                    _mm256_and_si256(d, b)
                }
                2 => _mm256_xor_si256(_mm256_xor_si256(c, d), b),
                _ => _mm256_xor_si256(c, _mm256_or_si256(b, _mm256_xor_si256(d, ones))),
            };
            sum = _mm256_add_epi32(sum, late);
            let turned = _mm256_or_si256(_mm256_sll_epi32(sum, left), _mm256_srl_epi32(sum, right));
            new[r] = _mm256_add_epi32(turned, b);
        }
        new
    }
}

/// For processors with AVX-512, for registers of this size too
pub(crate) mod ternary {
    use std::arch::x86_64::{_mm256_rolv_epi32, _mm256_ternarylogic_epi32};

    use super::*;

    compress_by!("avx2,avx512f,avx512vl");

    /// As in block.rs: what is known first is added first.
    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512vl")]
    fn step<const ROUND: usize, const SHIFT: usize, const R: usize>(
        s: [Words<R>; 4],
        term: Words<R>,
    ) -> Words<R> {
        let [a, b, c, d] = s;
        let mut new = a;
        for r in 0..R {
            let (a, b, c, d) = (a[r], b[r], c[r], d[r]);
            // The result for each of the eight cases of the bits of b, c and d.
            let mixed = match ROUND {
                0 => _mm256_ternarylogic_epi32::<0xca>(b, c, d),
                1 => _mm256_ternarylogic_epi32::<0xe4>(b, c, d),
                2 => _mm256_ternarylogic_epi32::<0x96>(b, c, d),
                _ => _mm256_ternarylogic_epi32::<0x39>(b, c, d),
            };
            let sum = _mm256_add_epi32(_mm256_add_epi32(a, term[r]), mixed);
            let shift = _mm256_set1_epi32(SHIFTS[ROUND][SHIFT].cast_signed());
            new[r] = _mm256_add_epi32(_mm256_rolv_epi32(sum, shift), b);
        }
        new
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn row(words: [u32; WIDTH]) -> __m256i {
    let [a, b, c, d, e, f, g, h] = words.map(u32::cast_signed);
    _mm256_setr_epi32(a, b, c, d, e, f, g, h)
}

#[inline]
#[target_feature(enable = "avx2")]
fn words_of(row: __m256i) -> [u32; WIDTH] {
    [
        _mm256_extract_epi32::<0>(row),
        _mm256_extract_epi32::<1>(row),
        _mm256_extract_epi32::<2>(row),
        _mm256_extract_epi32::<3>(row),
        _mm256_extract_epi32::<4>(row),
        _mm256_extract_epi32::<5>(row),
        _mm256_extract_epi32::<6>(row),
        _mm256_extract_epi32::<7>(row),
    ]
    .map(i32::cast_unsigned)
}

/// Eight words of a block: the first half or the second
#[inline]
#[target_feature(enable = "avx2")]
fn half_of(block: &Block, half: usize) -> __m256i {
    let mut words = [0; WIDTH];
    for at in 0..WIDTH {
        words[at] = word(block, WIDTH * half + at);
    }
    row(words)
}

/// Rows become columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: [__m256i; WIDTH]) -> [__m256i; WIDTH] {
    let [a, b, c, d, e, f, g, h] = rows;
    let (ab, ab2) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (cd, cd2) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    let (ef, ef2) = (_mm256_unpacklo_epi32(e, f), _mm256_unpackhi_epi32(e, f));
    let (gh, gh2) = (_mm256_unpacklo_epi32(g, h), _mm256_unpackhi_epi32(g, h));
    let (low0, low1) = (_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    let (low2, low3) = (_mm256_unpacklo_epi64(ab2, cd2), _mm256_unpackhi_epi64(ab2, cd2));
    let (high0, high1) = (_mm256_unpacklo_epi64(ef, gh), _mm256_unpackhi_epi64(ef, gh));
    let (high2, high3) = (_mm256_unpacklo_epi64(ef2, gh2), _mm256_unpackhi_epi64(ef2, gh2));
    [
        _mm256_permute2x128_si256::<0x20>(low0, high0),
        _mm256_permute2x128_si256::<0x20>(low1, high1),
        _mm256_permute2x128_si256::<0x20>(low2, high2),
        _mm256_permute2x128_si256::<0x20>(low3, high3),
        _mm256_permute2x128_si256::<0x31>(low0, high0),
        _mm256_permute2x128_si256::<0x31>(low1, high1),
        _mm256_permute2x128_si256::<0x31>(low2, high2),
        _mm256_permute2x128_si256::<0x31>(low3, high3),
    ]
}
