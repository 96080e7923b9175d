//! Bodies in every framing: what is built comes out as it was, wherever it is cut; and of whatever
//! else comes, an upload is whole only if a second decoder finds the same bytes and the same end.
//! With signed chunks nothing but what was signed becomes an object.

use std::sync::{Arc, LazyLock};

use lobos_digest::{Algorithm, digest};
use lobos_proto::{Config, Credentials};

use crate::input::Input;
use crate::support::config;
use crate::{exchange, sign};

static OPEN: LazyLock<Arc<Config>> = LazyLock::new(|| config(|_| {}));
static KEYS: LazyLock<Arc<Config>> = LazyLock::new(|| {
    config(|config| {
        config.credentials = vec![Credentials {
            access_key: sign::ACCESS_KEY.into(),
            secret_key: sign::SECRET_KEY.into(),
            read_only: false,
        }];
    })
});

/// How a body comes.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// In HTTP chunks, not with a Content-Length.
    chunked: bool,
    /// In aws-chunks, inside of the other framing.
    aws: bool,
    signed: bool,
    /// A checksum comes behind it.
    trailer: bool,
    /// x-amz-decoded-content-length is there.
    decoded: bool,
}

/// A body, how it comes, and the object that it was made of.
struct Made<'d> {
    kind: Kind,
    bytes: Vec<u8>,
    object: Option<&'d [u8]>,
    /// Nothing of it was changed since.
    sound: bool,
}

/// A byte of flags, then either a raw body or how to build one.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let bit = |n: u8| flags >> n & 1 != 0;
    let aws = bit(1);
    // Signed chunks must say how long they are without their framing.
    let (signed, trailer) = (aws && bit(2), aws && bit(3));
    let decoded = aws && (signed || bit(4));
    let kind = Kind { chunked: bit(0), aws, signed, trailer, decoded };
    let made = match bit(7) {
        true => build(kind, &mut input, bit(6)),
        false => Made { kind, bytes: input.rest().to_vec(), object: None, sound: false },
    };
    // A raw body may be shorter than what came, so that something follows it.
    let behind = if bit(5) { made.bytes.len().min(7) } else { 0 };
    check(&made, if made.object.is_some() { 0 } else { behind });
}

fn check(made: &Made<'_>, behind: usize) {
    let Made { kind, bytes, object, sound } = made;
    let length = bytes.len() - behind;
    let decoded = object.map_or(length / 2, <[u8]>::len);
    let (head, config) = head(*kind, length, decoded);
    let mut request = head.clone().into_bytes();
    request.extend_from_slice(bytes);
    let seen = exchange::any_cut(config, &request);
    let whole = seen.committed.is_some();
    if let (Some(object), true) = (object, *sound) {
        let answer = String::from_utf8_lossy(&seen.answer);
        assert!(whole, "a sound body is refused: {answer}");
        assert_eq!(&seen.body, object);
    }
    if !whole {
        return;
    }
    // Where there is no body at all there is no chunk that could be signed.
    if kind.signed && (kind.chunked || length > 0) {
        assert_eq!(Some(seen.body.as_slice()), *object, "what was not signed is let in");
    }
    if kind.decoded {
        assert_eq!(seen.body.len(), decoded, "not the length that was declared");
    }
    let (found, end) = reference(*kind, bytes, length).expect("what is no body is taken for one");
    assert!(found == seen.body, "other bytes than the second decoder finds");
    assert_eq!(seen.used - head.len(), end, "the next request begins elsewhere");
}

fn head(kind: Kind, length: usize, decoded: usize) -> (String, &'static Arc<Config>) {
    let mut head = String::from("PUT /bench/a HTTP/1.1\r\nHost: localhost\r\n");
    head += &match kind.chunked {
        true => "Transfer-Encoding: chunked\r\n".to_owned(),
        false => format!("Content-Length: {length}\r\n"),
    };
    let amz = amz(kind, decoded);
    for (name, value) in &amz {
        head += &format!("{name}: {value}\r\n");
    }
    if kind.aws {
        head += "Content-Encoding: aws-chunked\r\n";
    }
    if kind.signed {
        let (names, signature) = seed_of(kind, &amz);
        head += &format!("Authorization: {}\r\n", sign::authorization(&names, &signature));
    }
    (head + "\r\n", if kind.signed { &KEYS } else { &OPEN })
}

/// The headers of S3, sorted.
fn amz(kind: Kind, decoded: usize) -> Vec<(&'static str, String)> {
    let mut amz = Vec::new();
    if kind.signed {
        amz.push(("x-amz-content-sha256", payload(kind).to_owned()));
        amz.push(("x-amz-date", sign::TIME.to_owned()));
    }
    if kind.decoded {
        amz.push(("x-amz-decoded-content-length", decoded.to_string()));
    }
    if kind.trailer {
        amz.push(("x-amz-trailer", "x-amz-checksum-crc32".to_owned()));
    }
    amz
}

fn payload(kind: Kind) -> &'static str {
    match kind.trailer {
        true => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        false => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    }
}

/// The names of the headers that are signed, and the signature of the head.
fn seed_of(kind: Kind, amz: &[(&str, String)]) -> (String, String) {
    let host = ("host", "localhost".to_owned());
    let all: Vec<_> = [&host].into_iter().chain(amz).collect();
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let names = names.join(";");
    let signature = sign::request(["PUT", "/bench/a", "", &lines], &names, payload(kind));
    (names, signature)
}

/// What the second decoder makes of it: the object, and where the body ends.
fn reference(kind: Kind, bytes: &[u8], length: usize) -> Option<(Vec<u8>, usize)> {
    let (outer, end) = match kind.chunked {
        true => chunks(bytes, false)?,
        false => (bytes.get(..length)?.to_vec(), length),
    };
    if !kind.aws || outer.is_empty() {
        return Some((outer, end));
    }
    let (object, used) = chunks(&outer, true)?;
    (used == outer.len()).then_some((object, end))
}

/// Chunks until their end. What S3's clients leave out at the end of aws-chunks may be missing.
fn chunks(bytes: &[u8], aws: bool) -> Option<(Vec<u8>, usize)> {
    let (mut data, mut at) = (Vec::new(), 0);
    let line = |at: &mut usize| {
        let end = *at + bytes[*at..].windows(2).position(|w| w == b"\r\n")?;
        let line = &bytes[*at..end];
        *at = end + 2;
        Some(line)
    };
    loop {
        let text = line(&mut at)?;
        let digits = text.split(|b| *b == b';').next()?;
        let fits = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
        let odd = |b: &u8| (*b < b' ' && *b != b'\t') || *b == 0x7f;
        if !fits || text.iter().any(odd) {
            return None;
        }
        let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        let end = at.checked_add(usize::try_from(size).ok()?)?;
        data.extend_from_slice(bytes.get(at..end)?);
        at = end;
        if !line(&mut at)?.is_empty() {
            return None;
        }
    }
    loop {
        if aws && at == bytes.len() {
            return Some((data, at));
        }
        let text = line(&mut at)?;
        if text.is_empty() {
            return Some((data, at));
        }
        if !text.contains(&b':') || (!aws && text.contains(&b'\n')) {
            return None;
        }
    }
}

/// An object in chunks of any sizes; one byte is changed afterwards, if `damaged`.
fn build<'d>(kind: Kind, input: &mut Input<'d>, damaged: bool) -> Made<'d> {
    let sizes: Vec<usize> = (0..1 + input.below(4)).map(|_| 1 + input.below(90)).collect();
    let (style, at, change) = (input.byte(), input.word(), input.byte());
    let object = input.rest();
    let mut bytes = object.to_vec();
    if kind.aws {
        bytes = aws_chunks(kind, object, &sizes, style);
    }
    if kind.chunked {
        bytes = http_chunks(&bytes, &sizes, style);
    }
    let damaged = damaged && change != 0 && !bytes.is_empty();
    if damaged {
        let at = at % bytes.len();
        bytes[at] ^= change;
    }
    // A checksum that is promised for nothing need not come.
    Made { kind, bytes, object: Some(object), sound: !damaged }
}

fn pieces<'d>(mut data: &'d [u8], sizes: &[usize]) -> Vec<&'d [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if data.is_empty() {
            break;
        }
        let (piece, rest) = data.split_at(data.len().min(*size));
        pieces.push(piece);
        data = rest;
    }
    pieces
}

fn size_line(size: usize, style: u8) -> String {
    match style % 3 {
        0 => format!("{size:x}"),
        1 => format!("{size:X}"),
        _ => format!("{size:0>6x}"),
    }
}

fn http_chunks(data: &[u8], sizes: &[usize], style: u8) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in pieces(data, sizes) {
        let extension = if style & 8 != 0 { ";a=\"b\";c" } else { "" };
        out.extend(format!("{}{extension}\r\n", size_line(piece.len(), style)).bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(if style & 16 != 0 { b"0\r\nT: x\r\n\r\n" } else { b"0\r\n\r\n" });
    out
}

fn aws_chunks(kind: Kind, object: &[u8], sizes: &[usize], style: u8) -> Vec<u8> {
    let mut previous = seed_of(kind, &amz(kind, object.len())).1;
    let mut out = Vec::new();
    let mut pieces = pieces(object, sizes);
    pieces.push(&[]);
    for piece in pieces {
        let mut line = size_line(piece.len(), style);
        if kind.signed {
            previous = sign::chunk(&previous, piece);
            line += &format!(";chunk-signature={previous}");
        }
        out.extend(format!("{line}\r\n").bytes());
        out.extend_from_slice(piece);
        if !piece.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }
    if kind.trailer {
        let crc = digest(Algorithm::Crc32, object).to_base64();
        let line = format!("x-amz-checksum-crc32:{crc}\n");
        // minio-go has a line end before the CRLF.
        let end = if style & 32 != 0 { "\n\r\n" } else { "\r\n" };
        out.extend(format!("{}{end}", line.trim_end()).bytes());
        if kind.signed {
            let signature = sign::trailers(&previous, &line);
            out.extend(format!("x-amz-trailer-signature:{signature}\r\n").bytes());
        }
    }
    if style & 64 == 0 {
        out.extend_from_slice(b"\r\n");
    }
    out
}
