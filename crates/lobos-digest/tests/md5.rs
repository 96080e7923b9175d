//! MD5, which is our own code: RFC 1321 and the crate md-5 as an oracle.

use lobos_digest::{Algorithm, Hasher, digest};
use md5::{Digest as _, Md5};

fn bytes(count: usize) -> Vec<u8> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn rfc_1321() {
    // The test suite of RFC 1321, A.5, passes.
    for (text, hex) in [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("a", "0cc175b9c0f1b6a831c399e269772661"),
        ("abc", "900150983cd24fb0d6963f7d28e17f72"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
        (
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "d174ab98d277d9f5a5611c2c9f419d9f",
        ),
        (
            "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            "57edf4a22be3c955ac49da2e2107b67a",
        ),
    ] {
        assert_eq!(digest(Algorithm::Md5, text.as_bytes()).to_hex(), hex);
    }
}

#[test]
fn every_length_like_the_oracle() {
    // Every length around the borders of blocks and of the padding agrees with md-5.
    let data = bytes(1_000);
    for length in 0..=data.len() {
        let found = digest(Algorithm::Md5, &data[..length]);
        assert_eq!(found.bytes(), Md5::digest(&data[..length]).as_slice(), "{length}");
    }
}

#[test]
fn every_two_cuts_like_the_oracle() {
    // Three pieces of any sizes around two blocks agree with md-5 of the whole.
    let data = bytes(150);
    let expected = Md5::digest(&data);
    for first in 0..=data.len() {
        for second in first..=data.len() {
            let mut hasher = Hasher::new([Algorithm::Md5]);
            hasher.update(&data[..first]);
            hasher.update(&data[first..second]);
            hasher.update(&data[second..]);
            let found = hasher.finish().get(Algorithm::Md5);
            let found = found.as_ref().map(|value| value.bytes());
            assert_eq!(found, Some(expected.as_slice()), "cut at {first} and {second}");
        }
    }
}

#[test]
fn many_blocks_like_the_oracle() {
    // Some megabytes of changing blocks agree with md-5, so that every carry has been met.
    let data = bytes(3_000_001);
    assert_eq!(digest(Algorithm::Md5, &data).bytes(), Md5::digest(&data).as_slice());
}
