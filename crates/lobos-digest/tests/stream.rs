//! Several digests over one stream: where it is cut and who else runs makes no difference.

use lobos_digest::{Algorithm, Digests, Hasher, digest};

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| ((i * 31 + i / 256) % 251) as u8).collect()
}

fn assert_equal_to_one_shot(found: &Digests, data: &[u8], what: &str) {
    for algorithm in Algorithm::ALL {
        assert_eq!(found.get(algorithm), Some(digest(algorithm, data)), "{what}");
    }
}

#[test]
fn every_cut() {
    // A stream cut in two anywhere gives the values of the whole.
    let data = bytes(700);
    for cut in 0..=data.len() {
        let mut hasher = Hasher::new(Algorithm::ALL);
        hasher.update(&data[..cut]);
        hasher.update(&data[cut..]);
        assert_equal_to_one_shot(&hasher.finish(), &data, &format!("cut at {cut}"));
    }
}

#[test]
fn every_piece_size() {
    // A stream in equal pieces, byte by byte at the least, gives the values of the whole.
    let data = bytes(1_500);
    for size in [1, 2, 3, 7, 16, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1_024] {
        let mut hasher = Hasher::new(Algorithm::ALL);
        data.chunks(size).for_each(|piece| hasher.update(piece));
        assert_equal_to_one_shot(&hasher.finish(), &data, &format!("pieces of {size}"));
    }
}

#[test]
fn every_block_border() {
    // A slice longer than the inner block of 32 KiB is hashed whole, whatever its length.
    let data = bytes(3 * 32 * 1024 + 1);
    for border in [1, 2, 3].map(|n| n * 32 * 1024) {
        for length in [border - 1, border, border + 1] {
            let mut hasher = Hasher::new(Algorithm::ALL);
            hasher.update(&data[..length]);
            let what = format!("{length} bytes at once");
            assert_equal_to_one_shot(&hasher.finish(), &data[..length], &what);
        }
    }
}

#[test]
fn alone_and_together() {
    // An algorithm gives the same value alone, in a pair and among all.
    let data = bytes(100_000);
    for first in Algorithm::ALL {
        let mut alone = Hasher::new([first]);
        alone.update(&data);
        assert_eq!(alone.finish().get(first), Some(digest(first, &data)));
        let mut pair = Hasher::new([first, Algorithm::Sha256]);
        pair.update(&data);
        assert_eq!(pair.finish().get(first), Some(digest(first, &data)));
    }
}

#[test]
fn only_what_is_wanted() {
    // Duplicates collapse, values come in the order of ALL, and what did not run gives None.
    let wanted = [Algorithm::Md5, Algorithm::Crc32, Algorithm::Md5, Algorithm::Md5];
    let mut hasher = Hasher::new(wanted);
    assert!(!hasher.is_empty());
    hasher.update(b"123456789");
    let found = hasher.finish();
    let order: Vec<_> = found.iter().map(|value| value.algorithm()).collect();
    assert_eq!(order, [Algorithm::Crc32, Algorithm::Md5]);
    assert_eq!(found.get(Algorithm::Sha1), None);
}

#[test]
fn nothing_wanted() {
    // A hasher of nothing takes any bytes and gives nothing.
    let mut hasher = Hasher::new([]);
    assert!(hasher.is_empty());
    hasher.update(&bytes(100_000));
    assert_eq!(hasher.finish(), Digests::default());
}

#[test]
fn no_bytes() {
    // Without an update, and with empty ones, the values are those of no bytes.
    let found = Hasher::new(Algorithm::ALL).finish();
    assert_equal_to_one_shot(&found, b"", "no update");
    let mut hasher = Hasher::new(Algorithm::ALL);
    hasher.update(b"");
    assert_equal_to_one_shot(&hasher.finish(), b"", "an empty update");
}

#[test]
fn goes_between_threads() {
    // Hasher, Digests and Digest are Send, so that an upload can move to another thread.
    fn is_send<T: Send>(_: &T) {}
    let hasher = Hasher::new(Algorithm::ALL);
    is_send(&hasher);
    is_send(&hasher.finish());
    is_send(&digest(Algorithm::Crc32, b""));
}
