//! A target with its query: the bucket, the key and the parameters are what its bytes say, decoded
//! exactly once by a second reader.

use std::sync::{Arc, LazyLock};

use lobos_proto::op::{GetObject, ListingVersion};
use lobos_proto::{Config, Request};

use crate::exchange;
use crate::input::Input;
use crate::support::config;

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| config(|_| {}));

const METHODS: [&str; 6] = ["GET", "PUT", "DELETE", "HEAD", "POST", "OPTIONS"];

/// What Host says, and the bucket in it.
const HOSTS: [(&str, Option<&str>); 4] = [
    ("localhost", None),
    ("bench.localhost:8080", Some("bench")),
    ("127.0.0.1:8080", None),
    ("localhost:8080/bench", Some("bench")),
];

/// A byte for the method and one for the host, then the target.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let (method, (host, bucket)) = (input.pick(&METHODS), input.pick(&HOSTS));
    let target = input.rest();
    if target.iter().any(|b| *b <= b' ' || *b == 0x7f) {
        return;
    }
    let mut request = format!("{method} ").into_bytes();
    request.extend_from_slice(target);
    let headers = "Content-Length: 0\r\nx-amz-object-attributes: ETag\r\n";
    request.extend(format!(" HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").bytes());
    let seen = exchange::whole(&CONFIG, &request);
    let Some(asked) = seen.request else { return };
    if target.first() != Some(&b'/') {
        return;
    }
    let (path, query) = match target.iter().position(|b| *b == b'?') {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, &[][..]),
    };
    let mut place = bucket.map(|b| format!("/{b}").into_bytes()).unwrap_or_default();
    place.extend(decode(path, false));
    check_place(&asked, &place);
    check_query(&asked, &parameters(query));
}

fn decode(text: &[u8], plus: bool) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (text[at], byte) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'%', None) => panic!("a broken escape is let in"),
            (b'+', _) if plus => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    out
}

fn parameters(query: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = query.split(|b| *b == b'&').filter(|pair| !pair.is_empty());
    let split = |pair: &[u8]| {
        let at = pair.iter().position(|b| *b == b'=');
        let value = at.map_or(&[][..], |at| &pair[at + 1..]);
        (decode(&pair[..at.unwrap_or(pair.len())], false), decode(value, true))
    };
    pairs.map(split).collect()
}

/// The path is `/BUCKET/KEY`, or `/BUCKET` with a slash or without.
fn check_place(asked: &Request, place: &[u8]) {
    let object = |get: &GetObject| (get.bucket.as_str().to_owned(), get.key.as_str().to_owned());
    let two = |b: &lobos_proto::BucketName, k: &lobos_proto::Key| (b.to_string(), k.to_string());
    let (bucket, key) = match asked {
        Request::ListBuckets(_) => return assert_eq!(place, b"/"),
        Request::HeadObject(head) => object(&head.0),
        Request::GetObject(get) => object(get),
        Request::PutObject(r) => two(&r.bucket, &r.key),
        Request::UploadPart(r) => two(&r.bucket, &r.key),
        Request::DeleteObject(r) => two(&r.bucket, &r.key),
        Request::CreateMultipartUpload(r) => two(&r.bucket, &r.key),
        Request::AbortMultipartUpload(r) => two(&r.bucket, &r.key),
        Request::ListParts(r) => two(&r.bucket, &r.key),
        Request::GetObjectAttributes(r) => two(&r.bucket, &r.key),
        Request::GetObjectTagging(r) => two(&r.bucket, &r.key),
        Request::PutObjectTagging(r) => two(&r.bucket, &r.key),
        Request::ListObjects(r) => (r.bucket.to_string(), String::new()),
        Request::HeadBucket(r) => (r.bucket.to_string(), String::new()),
        Request::CreateBucket(r) => (r.bucket.to_string(), String::new()),
        Request::DeleteBucket(r) => (r.bucket.to_string(), String::new()),
        Request::GetBucketLocation(r) => (r.bucket.to_string(), String::new()),
        Request::GetBucketConfiguration(r) => (r.bucket.to_string(), String::new()),
        Request::ListMultipartUploads(r) => (r.bucket.to_string(), String::new()),
        _ => return,
    };
    let is = format!("/{bucket}/{key}");
    let bare = is.strip_suffix('/').filter(|_| key.is_empty()).unwrap_or(&is);
    assert!(place == is.as_bytes() || place == bare.as_bytes(), "{is:?} is another place");
    assert!(!key.split('/').any(|segment| segment == "." || segment == ".."), "{key:?}");
}

fn check_query(asked: &Request, query: &[(Vec<u8>, Vec<u8>)]) {
    let first = |name: &str| {
        let pair = query.iter().find(|(n, _)| n == name.as_bytes());
        pair.map(|(_, value)| String::from_utf8(value.clone()).expect("text was let in"))
    };
    let filled = |name: &str| first(name).filter(|value| !value.is_empty());
    match asked {
        Request::ListObjects(list) => {
            assert_eq!(list.prefix, first("prefix").unwrap_or_default());
            assert_eq!(list.delimiter, filled("delimiter"));
            // `-0` is 0.
            let max = filled("max-keys").map_or(1000, |max| max.parse::<i32>().expect("a number"));
            assert_eq!(i64::from(list.max_keys), i64::from(max.min(1000)));
            let after = match &list.version {
                ListingVersion::V1 { .. } => filled("marker"),
                ListingVersion::V2 { .. } => {
                    let token = first("continuation-token").map(|token| from_hex(&token[1..]));
                    token.or_else(|| filled("start-after"))
                }
                ListingVersion::Versions { .. } => filled("key-marker"),
            };
            assert_eq!(list.after, after);
        }
        Request::UploadPart(part) => {
            assert_eq!(Some(part.number), first("partNumber").and_then(|n| n.parse().ok()));
            assert!((1..=10_000).contains(&part.number));
            assert_eq!(Some(&part.upload), first("uploadId").as_ref());
        }
        Request::ListParts(parts) => assert_eq!(Some(&parts.upload), first("uploadId").as_ref()),
        _ => {}
    }
}

fn from_hex(hex: &str) -> String {
    let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    String::from_utf8((0..hex.len()).step_by(2).map(pair).collect()).expect("text")
}
