//! Streams that are hashed together, with the crate md-5 as an oracle.

use fastrand::Rng;
use lobos_md5::{Md5, Shared, Together};
use md5::Digest as _;

fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut dice = Rng::with_seed(seed);
    (0..count).map(|_| dice.u8(..)).collect()
}

fn oracle(data: &[u8]) -> [u8; 16] {
    md5::Md5::digest(data).into()
}

/// A stream under way, and what it has taken.
struct Open {
    shared: Shared,
    oracle: md5::Md5,
}

#[test]
fn any_mix_like_the_oracle() {
    // Streams that begin, take slices of any size, finish and are given up in any order have the
    // digests of md-5; 300 mixes of up to 40 streams at once.
    let data = bytes(1, 700_000);
    for seed in 1..=300 {
        let mut dice = Rng::with_seed(seed);
        let together = Together::new();
        let most = 1 + dice.usize(..40);
        let largest = [70, 5_000, 40_000, 300_000][dice.usize(..4)];
        let mut open: Vec<Open> = Vec::new();
        for _ in 0..120 {
            match dice.usize(..8) {
                0 | 1 if open.len() < most => {
                    let oracle = md5::Md5::new();
                    open.push(Open { shared: together.begin(), oracle });
                }
                2 if !open.is_empty() => {
                    let gone = open.swap_remove(dice.usize(..open.len()));
                    if dice.usize(..4) > 0 {
                        let expected: [u8; 16] = gone.oracle.finalize().into();
                        assert_eq!(gone.shared.finish(), expected, "seed {seed}");
                    }
                }
                _ if !open.is_empty() => {
                    let at = dice.usize(..open.len());
                    let begin = dice.usize(..data.len());
                    let end = (begin + dice.usize(..largest)).min(data.len());
                    open[at].shared.update(&data[begin..end]);
                    open[at].oracle.update(&data[begin..end]);
                }
                _ => {}
            }
        }
        for one in open {
            let expected: [u8; 16] = one.oracle.finalize().into();
            assert_eq!(one.shared.finish(), expected, "seed {seed}, at the end");
        }
    }
}

#[test]
fn every_length_beside_another() {
    // Every length around blocks, padding and pieces has the digest of md-5, beside a stream that
    // is longer and one that is shorter.
    let data = bytes(2, 100_000);
    let around = |at: usize| at - 70..=at + 70;
    for length in (0..200).chain(around(32 << 10)).chain(around(64 << 10)) {
        let together = Together::new();
        let (mut long, mut short, mut one) = (together.begin(), together.begin(), together.begin());
        long.update(&data);
        short.update(&data[..100]);
        one.update(&data[..length]);
        assert_eq!(one.finish(), oracle(&data[..length]), "{length} bytes");
        assert_eq!(short.finish(), oracle(&data[..100]));
        assert_eq!(long.finish(), oracle(&data));
    }
}

#[test]
fn every_two_cuts() {
    // Where a stream is cut makes no difference, also to the one beside it.
    let data = bytes(3, 150);
    for first in 0..=data.len() {
        for second in first..=data.len() {
            let together = Together::new();
            let (mut one, mut other) = (together.begin(), together.begin());
            for piece in [&data[..first], &data[first..second], &data[second..]] {
                one.update(piece);
                other.update(piece);
            }
            assert_eq!(one.finish(), oracle(&data), "cut at {first} and {second}");
            assert_eq!(other.finish(), oracle(&data), "cut at {first} and {second}");
        }
    }
}

#[test]
fn more_than_waits() {
    // More bytes than may wait, in all and of one stream, are hashed in the meantime.
    let data = bytes(4, 9 << 20);
    for count in [1, 2, 17, 60] {
        let together = Together::new();
        let mut open: Vec<Shared> = (0..count).map(|_| together.begin()).collect();
        for (at, piece) in data.chunks(200_003).enumerate() {
            let turn = open.len();
            open[at % turn].update(piece);
            open[(at * 7 + 1) % turn].update(piece);
        }
        let mut own = vec![Md5::new(); count];
        for (at, piece) in data.chunks(200_003).enumerate() {
            own[at % count].update(piece);
            own[(at * 7 + 1) % count].update(piece);
        }
        for (one, own) in open.into_iter().zip(own) {
            assert_eq!(one.finish(), own.finish(), "{count} streams");
        }
    }
}

#[test]
fn threads_meet() {
    // A stream may be used by another thread than the others of its place.
    let data = bytes(5, 500_000);
    let together = Together::new();
    std::thread::scope(|scope| {
        for length in [0, 1, 64, 100_000, 499_999, 500_000] {
            let (mut one, data) = (together.begin(), &data);
            scope.spawn(move || {
                data[..length].chunks(7_001).for_each(|piece| one.update(piece));
                assert_eq!(one.finish(), oracle(&data[..length]), "{length} bytes");
            });
        }
    });
}
