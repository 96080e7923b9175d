//! Numbers as text, without the machinery of `std::fmt`, which costs more than the rest of a short
//! answer.

/// A number in decimal.
pub(crate) struct Decimal {
    bytes: [u8; 20],
    start: usize,
}

impl From<u64> for Decimal {
    fn from(mut number: u64) -> Self {
        let (mut bytes, mut start) = ([b'0'; 20], 20);
        loop {
            start -= 1;
            bytes[start] = digit(number);
            number /= 10;
            if number == 0 {
                return Self { bytes, start };
            }
        }
    }
}

impl Decimal {
    pub(crate) fn as_str(&self) -> &str {
        ascii(self.as_bytes())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Fills `out` with the last digits of a number.
pub(crate) fn fill(out: &mut [u8], mut number: u64) {
    for slot in out.iter_mut().rev() {
        *slot = digit(number);
        number /= 10;
    }
}

/// Sixteen digits, in the alphabet of sixteen characters.
pub(crate) fn hex(number: u64, alphabet: &[u8; 16]) -> [u8; 16] {
    let mut out = [0; 16];
    for (at, slot) in out.iter_mut().enumerate() {
        *slot = alphabet[(number >> (60 - 4 * at) & 0xf) as usize];
    }
    out
}

/// What only ASCII was written into.
pub(crate) fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_the_standard_library() {
        // Any number looks as `std::fmt` writes it.
        let numbers = (0..64).flat_map(|shift| [0, 1, 9, 10, 99, 12_345].map(|n| n << shift));
        for number in numbers.chain([u64::MAX]) {
            assert_eq!(Decimal::from(number).as_str(), number.to_string());
            let upper = hex(number, b"0123456789ABCDEF");
            assert_eq!(ascii(&upper), format!("{number:016X}"));
            let mut last = [b'x'; 3];
            fill(&mut last, number);
            assert_eq!(ascii(&last), format!("{:03}", number % 1000));
        }
    }
}
