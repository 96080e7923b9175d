//! The compression function for eight streams in each of several registers of AVX2. Two registers
//! fill the time in which the additions of one wait for each other. Where the processor has AVX-512
//! too, the same registers rotate, and mix three words, in one instruction: 6 for a step, not 10.

use std::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_extract_epi32, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi32,
    _mm256_setr_epi32, _mm256_sll_epi32, _mm256_srl_epi32, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_xor_si256,
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
            #[allow(clippy::needless_range_loop, reason = "not an index of `streams` itself")]
            for at in 0..count {
                let x: [[__m256i; 16]; R] = from_fn(|r| {
                    let half =
                        |half| transposed(from_fn(|lane| half_of(&streams[r][lane][at], half)));
                    let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (half(0), half(1));
                    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
                });
                let old = s;
                s = round::<0, R>(s, &x, constants);
                s = round::<1, R>(s, &x, constants);
                s = round::<2, R>(s, &x, constants);
                s = round::<3, R>(s, &x, constants);
                for (new, old) in s.iter_mut().zip(old) {
                    *new = from_fn(|r| _mm256_add_epi32(new[r], old[r]));
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
            let term = |i: usize| -> Words<R> {
                let word = [i, 5 * i + 1, 3 * i + 5, 7 * i][ROUND] % 16;
                let constant = _mm256_set1_epi32(constants[16 * ROUND + i].cast_signed());
                from_fn(|r| _mm256_add_epi32(x[r][word], constant))
            };
            a = step::<ROUND, 0, R>([a, b, c, d], term(I));
            d = step::<ROUND, 1, R>([d, a, b, c], term(I + 1));
            c = step::<ROUND, 2, R>([c, d, a, b], term(I + 2));
            b = step::<ROUND, 3, R>([b, c, d, a], term(I + 3));
            [a, b, c, d]
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
        from_fn(|r| {
            let [a, b, c, d] = s.map(|words| words[r]);
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
            _mm256_add_epi32(turned, b)
        })
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
        from_fn(|r| {
            let [a, b, c, d] = s.map(|words| words[r]);
            // The result for each of the eight cases of the bits of b, c and d.
            let mixed = match ROUND {
                0 => _mm256_ternarylogic_epi32::<0xca>(b, c, d),
                1 => _mm256_ternarylogic_epi32::<0xe4>(b, c, d),
                2 => _mm256_ternarylogic_epi32::<0x96>(b, c, d),
                _ => _mm256_ternarylogic_epi32::<0x39>(b, c, d),
            };
            let sum = _mm256_add_epi32(_mm256_add_epi32(a, term[r]), mixed);
            let shift = _mm256_set1_epi32(SHIFTS[ROUND][SHIFT].cast_signed());
            _mm256_add_epi32(_mm256_rolv_epi32(sum, shift), b)
        })
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
    row(from_fn(|at| word(block, WIDTH * half + at)))
}

/// Rows become columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(rows: [__m256i; WIDTH]) -> [__m256i; WIDTH] {
    let [a, b, c, d, e, f, g, h] = rows;
    let pairs = |one, other| (_mm256_unpacklo_epi32(one, other), _mm256_unpackhi_epi32(one, other));
    let quads = |one, other| (_mm256_unpacklo_epi64(one, other), _mm256_unpackhi_epi64(one, other));
    let ((ab, ab2), (cd, cd2)) = (pairs(a, b), pairs(c, d));
    let ((ef, ef2), (gh, gh2)) = (pairs(e, f), pairs(g, h));
    let ((low0, low1), (low2, low3)) = (quads(ab, cd), quads(ab2, cd2));
    let ((high0, high1), (high2, high3)) = (quads(ef, gh), quads(ef2, gh2));
    let first = |low, high| _mm256_permute2x128_si256::<0x20>(low, high);
    let second = |low, high| _mm256_permute2x128_si256::<0x31>(low, high);
    [
        first(low0, high0),
        first(low1, high1),
        first(low2, high2),
        first(low3, high3),
        second(low0, high0),
        second(low1, high1),
        second(low2, high2),
        second(low3, high3),
    ]
}
