//! Names, headers and elements against the S3 model, and values as base64 and hex.

use lobos_digest::{Algorithm, Digest, digest};

/// Copied from the S3 model in botocore 1.43.11: the enum ChecksumAlgorithm, the locationName in
/// PutObjectRequest, the member of Checksum; then the bytes of a value
const MODEL: [(Algorithm, &str, &str, &str, usize); 10] = [
    (Algorithm::Crc32, "CRC32", "x-amz-checksum-crc32", "ChecksumCRC32", 4),
    (Algorithm::Crc32c, "CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C", 4),
    (Algorithm::Sha1, "SHA1", "x-amz-checksum-sha1", "ChecksumSHA1", 20),
    (Algorithm::Sha256, "SHA256", "x-amz-checksum-sha256", "ChecksumSHA256", 32),
    (Algorithm::Crc64Nvme, "CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME", 8),
    (Algorithm::Sha512, "SHA512", "x-amz-checksum-sha512", "ChecksumSHA512", 64),
    (Algorithm::Md5, "MD5", "x-amz-checksum-md5", "ChecksumMD5", 16),
    (Algorithm::Xxh64, "XXHASH64", "x-amz-checksum-xxhash64", "ChecksumXXHASH64", 8),
    (Algorithm::Xxh3, "XXHASH3", "x-amz-checksum-xxhash3", "ChecksumXXHASH3", 8),
    (Algorithm::Xxh128, "XXHASH128", "x-amz-checksum-xxhash128", "ChecksumXXHASH128", 16),
];

#[test]
fn names_of_the_model() {
    // Every algorithm has the name, header, element and length of the S3 model, and none is left
    // out.
    for (algorithm, name, header, element, length) in MODEL {
        assert_eq!(algorithm.name(), name);
        assert_eq!(algorithm.header(), header);
        assert_eq!(algorithm.element(), element);
        assert_eq!(algorithm.length(), length);
        assert_eq!(digest(algorithm, b"x").bytes().len(), length);
    }
    for algorithm in Algorithm::ALL {
        assert_eq!(MODEL.iter().filter(|row| row.0 == algorithm).count(), 1);
    }
}

#[test]
fn all_is_in_order() {
    // ALL[i] is the variant with number i: sorting and indexing rely on it.
    for (index, algorithm) in Algorithm::ALL.into_iter().enumerate() {
        assert_eq!(algorithm as usize, index);
    }
    assert!(Algorithm::ALL.is_sorted());
}

#[test]
fn names_round_trip() {
    // A name or header is found again in any ASCII case.
    for algorithm in Algorithm::ALL {
        for text in [algorithm.name().to_lowercase(), algorithm.name().to_uppercase()] {
            assert_eq!(Algorithm::from_name(&text), Some(algorithm));
        }
        for text in [algorithm.header().to_lowercase(), algorithm.header().to_uppercase()] {
            assert_eq!(Algorithm::from_header(&text), Some(algorithm));
        }
    }
}

#[test]
fn other_names_are_refused() {
    // What is not exactly a name or a header of the model gives None, and nothing panics.
    for text in ["", "CRC", "CRC32 ", " CRC32", "CRC-32", "XXH3", "SHA-256", "crc32\u{212a}"] {
        assert_eq!(Algorithm::from_name(text), None, "{text:?}");
    }
    for text in [
        "",
        "crc32",
        "x-amz-checksum",
        "x-amz-checksum-",
        "x-amz-checksum-type",
        "x-amz-checksum-mode",
        "x-amz-checksum-algorithm",
        "x-amz-checksum-crc32d",
        "x-amz-checksumé-crc32",
        "content-md5",
    ] {
        assert_eq!(Algorithm::from_header(text), None, "{text:?}");
    }
}

#[test]
fn values_round_trip() {
    // A value survives bytes, base64 and hex; hex is written in lower case and read in either.
    for algorithm in Algorithm::ALL {
        let value = digest(algorithm, b"round trip");
        assert_eq!(value.algorithm(), algorithm);
        assert_eq!(Digest::new(algorithm, value.bytes()), Some(value));
        assert_eq!(Digest::from_base64(algorithm, &value.to_base64()), Some(value));
        assert_eq!(Digest::from_hex(algorithm, &value.to_hex()), Some(value));
        assert_eq!(Digest::from_hex(algorithm, &value.to_hex().to_uppercase()), Some(value));
        assert_eq!(value.to_hex(), value.to_hex().to_lowercase());
    }
}

#[test]
fn wrong_length_is_refused() {
    // A value that is a byte short or long is refused as bytes, base64 and hex.
    for algorithm in Algorithm::ALL {
        let length = algorithm.length();
        for wrong in [0, 1, length - 1, length + 1, length + 3, 2 * length, 1_000] {
            assert_eq!(Digest::new(algorithm, &vec![0xa5; wrong]), None);
            assert_eq!(Digest::from_hex(algorithm, &"a5".repeat(wrong)), None);
        }
        for other in Algorithm::ALL.map(|other| digest(other, b"x")) {
            if other.bytes().len() != length {
                assert_eq!(Digest::from_base64(algorithm, &other.to_base64()), None);
                assert_eq!(Digest::from_hex(algorithm, &other.to_hex()), None);
            }
        }
        assert_eq!(Digest::from_base64(algorithm, &"A".repeat(1_000)), None);
    }
    // as many characters as 16 bytes have, or padded like them
    assert_eq!(Digest::from_base64(Algorithm::Md5, "AAAAAAAAAAAAAAAAAAAAAAAA"), None); // 18
    assert_eq!(Digest::from_base64(Algorithm::Md5, "AAAAAAAAAAAAAAAAAAAAAAA="), None); // 17
    assert_eq!(Digest::from_base64(Algorithm::Md5, "AAAAAAAAAAAAAAAAAAAA"), None); // 15
}

#[test]
fn only_canonical_base64() {
    // One value has one text: no white space, missing padding, URL alphabet or loose last bits.
    let value = Digest::new(Algorithm::Crc32, &[0xfb, 0xff, 0xbf, 0x01]);
    assert_eq!(Digest::from_base64(Algorithm::Crc32, "+/+/AQ=="), value);
    assert!(value.is_some());
    for text in [
        "",
        "+/+/AQ",
        "+/+/AQ=",
        "+/+/AQ===",
        "+/+/AR==",
        "-_-_AQ==",
        " +/+/AQ==",
        "+/+/AQ==\n",
        "+/+/AQ=A",
        "+/+/A===",
        "========",
        "+/+/éQ=",
        "\0\0\0\0\0\0\0\0",
    ] {
        assert_eq!(Digest::from_base64(Algorithm::Crc32, text), None, "{text:?}");
    }
}

#[test]
fn only_hex_digits() {
    // Anything but two hex digits a byte is refused.
    for text in ["", "0", "0123456", "012345678", "0x123456", "0123456g", " 1234567", "é23456"] {
        assert_eq!(Digest::from_hex(Algorithm::Crc32, text), None, "{text:?}");
    }
}

#[test]
fn equal_means_algorithm_and_bytes() {
    // Two values are equal when algorithm and bytes are; Debug shows both.
    let crc = Digest::new(Algorithm::Crc32, &[1, 2, 3, 4]);
    assert_eq!(crc, Digest::new(Algorithm::Crc32, &[1, 2, 3, 4]));
    assert_ne!(crc, Digest::new(Algorithm::Crc32, &[1, 2, 3, 5]));
    assert_ne!(crc, Digest::new(Algorithm::Crc32c, &[1, 2, 3, 4]));
    assert_eq!(format!("{crc:?}"), "Some(CRC32:01020304)");
}
