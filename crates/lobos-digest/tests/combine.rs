//! Checksums of pieces put together give the checksum of the whole.

use lobos_digest::{Algorithm, combine, digest};

const CRCS: [Algorithm; 3] = [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme];

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|i| ((i * 31 + i / 256) % 251) as u8).collect()
}

#[test]
fn two_pieces() {
    // Cut anywhere, the two CRCs combine to that of the whole; an empty piece changes nothing.
    let data = bytes(3_000);
    for algorithm in CRCS {
        for cut in (0..=data.len()).step_by(7).chain([data.len()]) {
            let (first, second) = data.split_at(cut);
            let both =
                combine(&digest(algorithm, first), &digest(algorithm, second), second.len() as u64);
            assert_eq!(both, Some(digest(algorithm, &data)), "{} at {cut}", algorithm.name());
        }
    }
}

#[test]
fn many_pieces() {
    // Parts of a multipart upload, the last one smaller, combine one after the other.
    let data = bytes(1_000_003);
    for algorithm in CRCS {
        let mut whole = digest(algorithm, b"");
        for piece in data.chunks(65_536) {
            whole = combine(&whole, &digest(algorithm, piece), piece.len() as u64).unwrap();
        }
        assert_eq!(whole, digest(algorithm, &data), "{}", algorithm.name());
    }
}

#[test]
fn large_pieces() {
    // Zeros beyond 4 GiB count: a combined length is not cut to 32 bits.
    for algorithm in CRCS {
        let zeros = |n: u32| {
            let mut whole = digest(algorithm, &[0; 1 << 10]);
            for doubled in 10..n {
                whole = combine(&whole, &whole, 1 << doubled).unwrap();
            }
            whole
        };
        let first = digest(algorithm, b"x");
        let long = combine(&first, &zeros(33), 1 << 33);
        let half = combine(&first, &zeros(32), 1 << 32).unwrap();
        assert_eq!(long, combine(&half, &zeros(32), 1 << 32), "{}", algorithm.name());
        assert_ne!(long, combine(&first, &zeros(33), 1 << 32));
    }
}

#[test]
fn no_crc() {
    // What cannot be combined is said to be so, as are two algorithms.
    for algorithm in Algorithm::ALL {
        let value = digest(algorithm, b"a");
        assert_eq!(combine(&value, &value, 1).is_some(), CRCS.contains(&algorithm));
    }
    let (a, b) = (digest(Algorithm::Crc32, b"a"), digest(Algorithm::Crc32c, b"b"));
    assert_eq!(combine(&a, &b, 1), None);
}

#[test]
fn ten_thousand_parts() {
    // As many parts as an upload can have are combined in the time of one request.
    let start = std::time::Instant::now();
    for algorithm in CRCS {
        let part = digest(algorithm, b"part");
        (0..10_000).fold(part, |whole, _| combine(&whole, &part, 5 << 20).unwrap());
    }
    let took = start.elapsed();
    assert!(took.as_secs() < 3, "{took:?}");
}
