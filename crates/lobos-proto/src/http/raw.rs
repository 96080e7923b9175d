//! Header values that are kept are text here and bytes on the wire: how any bytes pass through
//! text and come out the same.
//!
//! S3 gives back other bytes than it got as soon as one is not ASCII (RFC 2047). Clients that send
//! such bytes expect them back (UTF-8 mostly, and ISO 8859-1 from Python).

use std::borrow::Cow;

/// The byte `b` that is not part of UTF-8 is this and `b`: a character for private use.
const BYTE: u32 = 0xf700;

/// The first byte of all those characters in UTF-8.
pub(super) const LEAD: u8 = 0xef;

/// The bytes of a header value as text.
pub(crate) fn keep(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().all(|c| byte(c).is_none()) => return Cow::Borrowed(text),
        _ => {}
    }
    let mut text = String::new();
    let escape = |text: &mut String, bytes: &[u8]| {
        text.extend(bytes.iter().filter_map(|b| char::from_u32(BYTE + u32::from(*b))));
    };
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match byte(c) {
                Some(_) => escape(&mut text, c.encode_utf8(&mut [0; 4]).as_bytes()),
                None => text.push(c),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    Cow::Owned(text)
}

/// The bytes of such a text.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match byte(c) {
            Some(byte) => out.push(byte),
            None => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out
}

/// The byte that a character stands for.
fn byte(c: char) -> Option<u8> {
    u32::from(c).checked_sub(BYTE).and_then(|b| u8::try_from(b).ok()).filter(|b| *b >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes() {
        // Whatever bytes a value has, they come back; text stays the text that it is.
        for plain in ["", "plain", "\u{e9}t\u{e9}", "\u{f77f}\u{f800}", "=?UTF-8?B?w6k=?="] {
            assert_eq!(keep(plain.as_bytes()), plain);
            assert_eq!(bytes(plain), plain.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        for value in [&all[..], b"caf\xe9", b"\xc3", b"\xe9\xc3\xa9", "\u{f7e9}x".as_bytes()] {
            assert_eq!(bytes(&keep(value)), value);
        }
    }
}
