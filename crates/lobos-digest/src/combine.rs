//! The CRC of two pieces in a row from the CRC of each: a full-object checksum of a multipart
//! upload comes from the checksums of its parts, without the bytes. A CRC is a polynomial modulo
//! another, and bytes that follow multiply it by x^8 each. crc-fast has this too, 15 times slower.

use crate::{Algorithm, Digest};

/// The value for the bytes of `first` followed by the `second_len` bytes of `second`; `None` for
/// two algorithms, and for one that is no CRC
#[must_use]
pub fn combine(first: &Digest, second: &Digest, second_len: u64) -> Option<Digest> {
    let algorithm = first.algorithm();
    if second.algorithm() != algorithm {
        return None;
    }
    let field = Field::of(algorithm)?;
    let shifted = field.multiply(number(first), field.power_of_bytes(second_len));
    let value = (shifted ^ number(second)).to_be_bytes();
    Digest::new(algorithm, &value[8 - algorithm.length()..])
}

/// The value of a CRC as a number
fn number(digest: &Digest) -> u64 {
    digest.bytes().iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Polynomials modulo that of a CRC; all three CRCs of S3 have their lowest power in the top bit
#[derive(Clone, Copy)]
struct Field {
    modulus: u64,
    one: u64,
}

impl Field {
    fn of(algorithm: Algorithm) -> Option<Self> {
        let (modulus, bits) = match algorithm {
            Algorithm::Crc32 => (0xedb8_8320, 32),
            Algorithm::Crc32c => (0x82f6_3b78, 32),
            Algorithm::Crc64Nvme => (0x9a6c_9329_ac4b_c9b5, 64),
            _ => return None,
        };
        Some(Self { modulus, one: 1 << (bits - 1) })
    }

    fn multiply(self, a: u64, mut b: u64) -> u64 {
        let (mut product, mut bit) = (0, self.one);
        while bit != 0 {
            if a & bit != 0 {
                product ^= b;
            }
            b = b >> 1 ^ if b & 1 == 1 { self.modulus } else { 0 };
            bit >>= 1;
        }
        product
    }

    /// x to the power of 8 times `count`
    fn power_of_bytes(self, mut count: u64) -> u64 {
        let (mut power, mut square) = (self.one, self.one >> 8);
        while count > 0 {
            if count & 1 == 1 {
                power = self.multiply(power, square);
            }
            square = self.multiply(square, square);
            count >>= 1;
        }
        power
    }
}
