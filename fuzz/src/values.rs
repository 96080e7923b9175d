//! The small values of headers and documents: dates with the crate httpdate as an oracle, ranges
//! and conditions with second readers, and what is written is read again as it was.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use lobos_digest::Algorithm;
use lobos_proto::http::range::ByteRange;
use lobos_proto::op::GetObject;
use lobos_proto::s3::condition::Tags;
use lobos_proto::{BucketName, Checksum, Code, Config, CopySource, ETag, Key, Request, Timestamp};

use crate::exchange;
use crate::input::Input;
use crate::support::config;

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| config(|_| {}));

/// A byte for the kind, then the value.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte() % 9;
    match kind {
        0 => dates(&mut input),
        1 => moments(&mut input),
        2 => ranges(&mut input),
        3 => conditions(&mut input),
        4 => entity_tags(&mut input),
        5 => checksums(&mut input),
        6 => copy_source(&mut input),
        7 => names(&mut input),
        _ => headers(&mut input),
    }
}

fn text<'d>(input: &mut Input<'d>) -> Option<&'d str> {
    std::str::from_utf8(input.rest()).ok()
}

/// A text that may be a date.
fn dates(input: &mut Input<'_>) {
    let Some(text) = text(input) else { return };
    let oracle = httpdate::parse_http_date(text).ok();
    let nanos = oracle.map(|time| time.duration_since(SystemTime::UNIX_EPOCH));
    let nanos = nanos.and_then(Result::ok).and_then(|since| u64::try_from(since.as_nanos()).ok());
    assert_eq!(Timestamp::from_http(text).map(|time| time.nanos), nanos);
    if let Some(time) = Timestamp::from_text(text) {
        assert_eq!(Timestamp::from_http(&time.to_http()).map(Timestamp::secs), Some(time.secs()));
        let iso = Timestamp::from_text(&time.to_iso8601()).expect("what was written is read");
        assert_eq!(iso.nanos / 1_000_000, time.nanos / 1_000_000);
    }
}

/// Any moment.
fn moments(input: &mut Input<'_>) {
    let number = (0..8).fold(0, |n, _| n << 8 | u64::from(input.byte()));
    let time = Timestamp { nanos: number };
    let wall = SystemTime::UNIX_EPOCH + Duration::from_nanos(number);
    assert_eq!(time.to_http(), httpdate::fmt_http_date(wall));
    assert_eq!(Timestamp::from(wall), time);
    let _ = Timestamp::from_unix(number.cast_signed(), number as u32).to_iso8601();
    dates(&mut Input::new(time.to_iso8601().as_bytes()));
}

fn ranges(input: &mut Input<'_>) {
    let size = match input.byte() % 4 {
        0 => u64::from(input.byte()),
        1 => u64::MAX - u64::from(input.byte()),
        _ => input.word() as u64,
    };
    let Some(text) = text(input) else { return };
    let Some(range) = ByteRange::parse(text) else { return };
    let spec = text.trim().split_once('=').expect("a unit").1;
    let (first, last) = spec.split_once('-').expect("a hyphen");
    let number = |text: &str| (!text.is_empty()).then(|| text.parse::<u128>().unwrap_or(u128::MAX));
    let size = u128::from(size);
    let should = match (number(first), number(last)) {
        (Some(first), last) if first < size => {
            Some((first, last.map_or(size, |last| last.saturating_add(1).min(size))))
        }
        (None, Some(count)) if count > 0 => Some((size.saturating_sub(count), size)),
        _ => None,
    };
    let found = range.resolve(size as u64).map(|r| (u128::from(r.start), u128::from(r.end)));
    assert_eq!(found, should, "{text:?} of {size}");
}

/// All four conditions of a GET, by the table of RFC 9110, section 13.2.2.
fn conditions(input: &mut Input<'_>) {
    let tags = ["*", "\"a\"", "\"b\"", "\"b\", \"a\"", "W/\"a\"", "a"];
    let times = [1_700_000_000_u64, 1_700_000_001, 1_700_000_002]
        .map(|secs| Timestamp { nanos: secs * 1_000_000_000 }.to_http());
    let mut head = String::from("GET /bench/k HTTP/1.1\r\nHost: localhost\r\n");
    let mut choice = [None; 4];
    for (at, name) in ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"]
        .into_iter()
        .enumerate()
    {
        let value = input.byte();
        if value & 1 != 0 {
            let many = if at < 2 { tags.len() } else { times.len() };
            let value = usize::from(value >> 1) % many;
            let text = if at < 2 { tags[value] } else { &times[value] };
            head += &format!("{name}: {text}\r\n");
            choice[at] = Some(value);
        }
    }
    let seen = exchange::whole(&CONFIG, (head + "\r\n").as_bytes());
    let Some(Request::GetObject(GetObject { conditions, .. })) = seen.request else {
        panic!("refused")
    };
    let modified = Timestamp { nanos: 1_700_000_001_500_000_000 };
    let found = conditions.check(&ETag::new("a").expect("a tag"), modified).map_err(|e| e.code());
    let matches = |tag: usize, weak: bool| matches!(tag, 0 | 1 | 3 | 5) || (weak && tag == 4);
    let [matched, none, since, until] = choice;
    let should = match (matched, until, none, since) {
        (Some(tag), ..) if !matches(tag, false) => Err(Code::PreconditionFailed),
        (None, Some(0), ..) => Err(Code::PreconditionFailed),
        (_, _, Some(tag), _) if matches(tag, true) => Err(Code::NotModified),
        (_, _, None, Some(time)) if time >= 1 => Err(Code::NotModified),
        _ => Ok(()),
    };
    assert_eq!(found, should, "{choice:?}");
}

fn entity_tags(input: &mut Input<'_>) {
    let Some(text) = text(input) else { return };
    let tags = Tags::parse(text);
    let Some(tag) = ETag::new(text) else { return };
    assert_eq!(tag.as_str(), text);
    if let Some((bytes, parts)) = tag.packed() {
        assert_eq!(ETag::from_packed(bytes, parts), tag, "{text:?}");
    }
    if !text.contains([',', '*']) {
        assert!(tags.matches(&tag), "{text:?} does not match itself");
    }
}

fn checksums(input: &mut Input<'_>) {
    let all = [
        Algorithm::Crc32,
        Algorithm::Crc32c,
        Algorithm::Crc64Nvme,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Md5,
    ];
    let algorithm = input.pick(&all);
    let Some(text) = text(input) else { return };
    if let Some(checksum) = Checksum::parse(algorithm, text) {
        let again = checksum.to_string();
        assert_eq!(Checksum::parse(algorithm, &again), Some(checksum), "{text:?}");
    }
}

fn copy_source(input: &mut Input<'_>) {
    let source = input.rest();
    let mut head = b"PUT /bench/k HTTP/1.1\r\nHost: localhost\r\nx-amz-copy-source: ".to_vec();
    head.extend_from_slice(source);
    head.extend_from_slice(b"\r\n\r\n");
    let seen = exchange::any_cut(&CONFIG, &head);
    if let Some(Request::CopyObject(copy)) = seen.request {
        let CopySource { bucket, key, .. } = copy.source;
        assert_eq!(Key::new(key.as_str()).ok(), Some(key));
        assert_eq!(BucketName::new(bucket.as_str()).ok(), Some(bucket));
    }
}

fn names(input: &mut Input<'_>) {
    let Some(text) = text(input) else { return };
    if let Ok(key) = Key::new(text) {
        let odd = |segment: &str| segment == "." || segment == "..";
        assert!(key.as_str() == text && !text.split('/').any(odd) && !text.contains('\0'));
        assert!((1..=1024).contains(&text.len()));
    }
    if let Ok(name) = BucketName::new(text) {
        assert!(!text.contains(['/', '\0']) && !text.starts_with('.') && text.len() <= 255);
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = |b: u8| letter(b) || b == b'.' || b == b'-';
        assert!(!name.is_valid_for_new() || text.bytes().all(fits), "{text:?}");
    }
}

/// Lines that are added to a PUT: what they ask for is kept as they say.
fn headers(input: &mut Input<'_>) {
    let lines = input.rest();
    let mut head = b"PUT /bench/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n".to_vec();
    head.extend_from_slice(lines);
    head.extend_from_slice(b"\r\n\r\n");
    let seen = exchange::any_cut(&CONFIG, &head);
    if let Some(Request::PutObject(put)) = seen.request {
        for (name, value) in &put.metadata.user {
            assert!(!name.contains(['\r', '\n', ' ']) && !value.contains(['\r', '\n']));
        }
        let tags = put.tags.pairs();
        let twice =
            |(at, (key, _)): (usize, &(String, String))| tags[..at].iter().any(|t| t.0 == *key);
        assert!(tags.len() <= 10 && !tags.iter().enumerate().any(twice), "{tags:?}");
    }
}
