//! The compression function for one stream, and what it has in common with that for many.

use std::array::from_fn;
use std::hint::black_box;

/// The length of a block in bytes
pub(crate) const BLOCK: usize = 64;

/// One block of a message
pub(crate) type Block = [u8; BLOCK];

/// The state before the first block: RFC 1321, 3.3
pub(crate) const BEGIN: [u32; 4] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];

/// The sines of RFC 1321, 3.4. MD5 is one long chain of dependent additions, and only the order
/// in which a step adds its five terms is free: the term that is known last has to come last.
/// LLVM moves a constant to the end instead, which costs a cycle in each of the 64 steps. The
/// table therefore goes through `black_box`, which makes its values unknown to LLVM.
#[rustfmt::skip]
pub(crate) static CONSTANTS: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

/// How far each of the four steps rotates, per round
pub(crate) const SHIFTS: [[u32; 4]; 4] =
    [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// Takes the next blocks of a stream.
pub(crate) fn compress(state: &mut [u32; 4], blocks: &[Block]) {
    let constants = black_box(&CONSTANTS);
    for block in blocks {
        let x = from_fn(|at| word(block, at));
        let s = round::<0>(*state, &x, constants);
        let s = round::<1>(s, &x, constants);
        let s = round::<2>(s, &x, constants);
        let s = round::<3>(s, &x, constants);
        for (old, new) in state.iter_mut().zip(s) {
            *old = old.wrapping_add(new);
        }
    }
}

/// One of the sixteen words of a block
#[inline(always)]
pub(crate) fn word(block: &Block, at: usize) -> u32 {
    u32::from_le_bytes(block.as_chunks().0[at])
}

/// One of the four rounds: four times four steps, after which the roles of the words are those
/// of the beginning again
#[inline(always)]
fn round<const R: usize>(s: [u32; 4], x: &[u32; 16], constants: &[u32; 64]) -> [u32; 4] {
    let [mut a, mut b, mut c, mut d] = s;
    for i in [0, 4, 8, 12] {
        let term = |i: usize| {
            let word = [i, 5 * i + 1, 3 * i + 5, 7 * i][R] % 16;
            x[word].wrapping_add(constants[16 * R + i])
        };
        a = step::<R>(a, b, c, d, term(i), SHIFTS[R][0]);
        d = step::<R>(d, a, b, c, term(i + 1), SHIFTS[R][1]);
        c = step::<R>(c, d, a, b, term(i + 2), SHIFTS[R][2]);
        b = step::<R>(b, c, d, a, term(i + 3), SHIFTS[R][3]);
    }
    [a, b, c, d]
}

/// One step. `b` is the word of the step before, so all that does not need it is added first; in
/// round 1 the two halves of the mix have no bit in common, and one of them does not need it.
#[inline(always)]
fn step<const R: usize>(a: u32, b: u32, c: u32, d: u32, term: u32, shift: u32) -> u32 {
    let (early, late) = match R {
        0 => (0, d ^ (b & (c ^ d))),
        1 => (!d & c, d & b),
        2 => (0, (c ^ d) ^ b),
        _ => (0, c ^ (b | !d)),
    };
    let sum = a.wrapping_add(term).wrapping_add(early).wrapping_add(late);
    sum.rotate_left(shift).wrapping_add(b)
}
