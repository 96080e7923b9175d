//! The values themselves: published check vectors, and what the AWS CRT computes (awscrt 0.38.1
//! for Python for CRC and XXH, hashlib for the others).

use lobos_digest::{Algorithm, digest};

/// One check: the algorithm, the input, the value in hex
type Check = (Algorithm, &'static [u8], &'static str);

fn assert_all(checks: &[Check]) {
    for &(algorithm, input, hex) in checks {
        let found = digest(algorithm, input).to_hex();
        assert_eq!(found, hex, "{} of {} bytes", algorithm.name(), input.len());
    }
}

/// 300,000 bytes without a short period, as the reference values were computed from
fn long() -> Vec<u8> {
    (0..300_000_usize).map(|i| ((i * 7 + i / 256) % 256) as u8).collect()
}

#[test]
fn published_vectors() {
    // Each algorithm gives the values that its own standard or catalogue publishes.
    assert_all(&[
        // the catalogue of parametrised CRC algorithms: "check"
        (Algorithm::Crc32, b"123456789", "cbf43926"),
        (Algorithm::Crc32c, b"123456789", "e3069283"),
        (Algorithm::Crc64Nvme, b"123456789", "ae8b14860a799888"),
        // RFC 3720 B.4: 32 bytes of zeros, of ones
        (Algorithm::Crc32c, &[0; 32], "8a9136aa"),
        (Algorithm::Crc32c, &[0xff; 32], "62a8ab43"),
        // FIPS 180-4, examples
        (Algorithm::Sha1, b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            Algorithm::Sha256,
            b"abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            Algorithm::Sha512,
            b"abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
             2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
        // RFC 1321 A.5
        (Algorithm::Md5, b"message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
        // aws-checksums, tests/xxhash_test.c: canonical (big-endian) bytes
        (Algorithm::Xxh64, b"Hello world", "c500b0c912b376d8"),
    ]);
}

#[test]
fn s3_accepts_this_xxhash() {
    // XXHASH64 goes out as base64 of big-endian bytes: aws-sdk-go-v2 issue 3404 has a PutObject of
    // "hello world" with a value made by another implementation.
    assert_eq!(digest(Algorithm::Xxh64, b"hello world").to_base64(), "RatnNLIeaWg=");
}

#[test]
fn nothing() {
    // The digest of no bytes is the one the reference gives, not zero by accident.
    assert_all(&[
        (Algorithm::Crc32, b"", "00000000"),
        (Algorithm::Crc32c, b"", "00000000"),
        (Algorithm::Crc64Nvme, b"", "0000000000000000"),
        (Algorithm::Sha1, b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        (
            Algorithm::Sha256,
            b"",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (Algorithm::Md5, b"", "d41d8cd98f00b204e9800998ecf8427e"),
        (
            Algorithm::Sha512,
            b"",
            "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
             47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        ),
        (Algorithm::Xxh3, b"", "2d06800538d394c2"),
        (Algorithm::Xxh64, b"", "ef46db3751d8e999"),
        (Algorithm::Xxh128, b"", "99aa06d3014798d86001c324468d497f"),
    ]);
}

#[test]
fn reference_of_nine_bytes() {
    // The algorithms without a published "123456789" agree with the reference on it.
    assert_all(&[
        (Algorithm::Sha1, b"123456789", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        (
            Algorithm::Sha256,
            b"123456789",
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        ),
        (Algorithm::Md5, b"123456789", "25f9e794323b453885f5181f1b624d0b"),
        (
            Algorithm::Sha512,
            b"123456789",
            "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a\
             d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
        ),
        (Algorithm::Xxh3, b"123456789", "72dcb18b67a17dff"),
        (Algorithm::Xxh64, b"123456789", "8cb841db40e6ae83"),
        (Algorithm::Xxh128, b"123456789", "33119477ede5dcd5e9716427681d5860"),
    ]);
}

#[test]
fn reference_of_long_input() {
    // The paths for long input (SIMD folding, several XXH3 stripes) agree with the reference.
    let long: &'static [u8] = long().leak();
    assert_all(&[
        (Algorithm::Crc32, long, "8c8e8088"),
        (Algorithm::Crc32c, long, "5b643332"),
        (Algorithm::Crc64Nvme, long, "5891f12361c03db7"),
        (Algorithm::Sha1, long, "3848d81239a843335a3448cb01f723f480c6a01d"),
        (
            Algorithm::Sha256,
            long,
            "d08928a168952dcd1f23061570816ee3b9d5c5c01ec65e00adbda68d328f4dbb",
        ),
        (Algorithm::Md5, long, "07ce78c6751154bf7d8b781cad7a1c83"),
        (
            Algorithm::Sha512,
            long,
            "7920aff6d083fe1043967b33400ec1f0d5939649f4d14f139da393341001177b\
             303ce95ca9809667fa6116a85631cfc55df1bfd62a651e15a3b04679320dfc53",
        ),
        (Algorithm::Xxh3, long, "f231384f525dae9f"),
        (Algorithm::Xxh64, long, "5ea516b4f3aa5dd1"),
        (Algorithm::Xxh128, long, "8bcca010c0ebe55ff231384f525dae9f"),
    ]);
}

#[test]
fn reference_around_the_xxh3_border() {
    // XXH3 changes its method after 240 bytes; both sides agree with the reference.
    let long: &'static [u8] = long().leak();
    assert_all(&[
        (Algorithm::Xxh3, &long[..240], "4917a75c0ef8eed7"),
        (Algorithm::Xxh3, &long[..241], "541b19226f0052e8"),
        (Algorithm::Xxh128, &long[..240], "89e3a0a2ee355d25d10beb4e0599e4b3"),
        (Algorithm::Xxh128, &long[..241], "75f4da43f23cce5a541b19226f0052e8"),
    ]);
}
