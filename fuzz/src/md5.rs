//! MD5 of many streams at once, whatever pieces they come in and whoever begins, ends or is given
//! up beside them: the crate md-5 says the same.

use std::sync::LazyLock;

use lobos_md5::{Md5, Shared, Together};
use md5::Digest as _;

use crate::input::Input;

/// What streams are cut from.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
});

/// As much as an input may hash: 40 streams that wait with a whole buffer each. Whoever hashes less
/// tries more.
const MOST: usize = 1_500_000;

struct Open {
    shared: Shared,
    alone: Md5,
    oracle: md5::Md5,
}

impl Open {
    fn finish(self) {
        let should: [u8; 16] = self.oracle.finalize().into();
        assert_eq!(self.shared.finish(), should, "together");
        assert_eq!(self.alone.finish(), should, "alone");
    }
}

/// A list of what is done.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let together = Together::new();
    let mut open: Vec<Open> = Vec::new();
    let mut left = MOST;
    while !input.is_empty() && left > 0 {
        let what = input.byte();
        match what % 8 {
            0 | 1 if open.len() < 40 => {
                let (shared, alone) = (together.begin(), Md5::new());
                open.push(Open { shared, alone, oracle: md5::Md5::new() });
            }
            2 if !open.is_empty() => {
                let at = input.below(open.len());
                open.swap_remove(at).finish();
            }
            3 if !open.is_empty() => {
                let at = input.below(open.len());
                drop(open.swap_remove(at));
            }
            kind if !open.is_empty() => {
                let at = input.below(open.len());
                let scale = [1, 1, 64, 64, 1024][usize::from(what >> 3) % 5];
                let length = (usize::from(input.byte()) * scale + usize::from(kind)).min(left);
                let begin = input.word();
                let piece = &BYTES[begin..begin + length.min(BYTES.len() - begin)];
                left -= piece.len().max(1).min(left);
                open[at].shared.update(piece);
                open[at].alone.update(piece);
                open[at].oracle.update(piece);
            }
            _ => {}
        }
    }
    open.into_iter().for_each(Open::finish);
}
