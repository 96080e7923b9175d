//! Forms of browsers: any bytes are refused or read, wherever they are cut; a form that is built
//! gives its key and its file as they were, signed or not; and what its policy does not allow, or
//! nobody has signed, is not stored.

use std::sync::{Arc, LazyLock};

use data_encoding::BASE64;
use lobos_proto::{Config, Key, Request};

use crate::auth::KEYS;
use crate::input::Input;
use crate::support::config;
use crate::{exchange, sign};

static OPEN: LazyLock<Arc<Config>> = LazyLock::new(|| config(|config| config.limits.form = 4000));

/// A byte of flags, then a raw body with the boundary `B`, or how to build one.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => {
            exchange::any_cut(&OPEN, &with("B", input.rest()));
        }
        1 => {
            let seen = exchange::any_cut(&KEYS, &with("B", input.rest()));
            assert!(seen.request.is_none(), "a form that nobody signed is let in");
        }
        2 => built(&mut input),
        _ => policy(&mut input),
    }
}

fn with(boundary: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /bench HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nContent-Type: \
         multipart/form-data; boundary={boundary}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn field(boundary: &str, name: &str, value: &str) -> String {
    format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

fn file(boundary: &str, bytes: &[u8]) -> Vec<u8> {
    let start = field(boundary, "file\"; filename=\"f", "");
    [start.trim_end_matches("\r\n").as_bytes(), b"\r\n\r\n", bytes].concat()
}

/// Without a policy: the file may be anything that does not hold the boundary.
fn built(input: &mut Input<'_>) {
    let boundary = ["B", "----x", "-", "B--"][usize::from(input.byte() % 4)];
    let name = input.piece(30);
    let bytes = input.rest();
    let (Ok(key), false) = (std::str::from_utf8(name), name.contains(&b'\r')) else { return };
    let delimiter = format!("\r\n--{boundary}");
    let held = [b"\r\n", bytes].concat();
    let inside = held.windows(delimiter.len()).any(|w| w == delimiter.as_bytes());
    if inside || key.contains("${filename}") || Key::new(key).is_err() {
        return;
    }
    let mut body = field(boundary, "key", key).into_bytes();
    body.extend(file(boundary, bytes));
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    let seen = exchange::any_cut(&OPEN, &with(boundary, &body));
    let answer = String::from_utf8_lossy(&seen.answer);
    let Some(Request::PutObject(put)) = seen.request else { panic!("refused: {answer}") };
    assert_eq!(put.key.as_str(), key);
    assert!(seen.committed.is_some(), "not whole: {answer}");
    assert_eq!(seen.body, bytes);
}

/// With a policy that is signed: it holds for the key and the size, and any JSON is survived.
fn policy(input: &mut Input<'_>) {
    let flags = input.byte();
    let (json, fits) = if flags & 1 == 0 {
        (String::from_utf8_lossy(input.piece(600)).into_owned(), None)
    } else {
        let (key, sizes) = (input.below(2), (input.below(20), input.below(20)));
        let start = ["k", "other"][key];
        let json = format!(
            "{{\"expiration\":\"2026-01-02T00:00:00Z\",\"conditions\":[{{\"bucket\":\"bench\"}},\
             [\"starts-with\",\"$key\",\"{start}\"],[\"content-length-range\",{},{}],\
             [\"starts-with\",\"$x-amz-algorithm\",\"\"],[\"starts-with\",\"$x-amz-date\",\"\"],\
             [\"starts-with\",\"$x-amz-credential\",\"\"]]}}",
            sizes.0, sizes.1
        );
        (json, Some((key == 0, sizes.0..=sizes.1)))
    };
    let policy = BASE64.encode(json.as_bytes());
    let bytes = input.take(30);
    let mut body = Vec::new();
    let signature = sign::signature(&policy);
    for (name, value) in [
        ("key", "key"),
        ("policy", &policy),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &format!("{}/{}", sign::ACCESS_KEY, sign::SCOPE)),
        ("x-amz-date", sign::TIME),
        ("x-amz-signature", &signature),
    ] {
        body.extend(field("BOUNDARY", name, value).bytes());
    }
    body.extend(file("BOUNDARY", bytes));
    body.extend(b"\r\n--BOUNDARY--\r\n");
    let seen = exchange::whole(&KEYS, &with("BOUNDARY", &body));
    if let Some((key, sizes)) = fits {
        let allowed = key && sizes.contains(&bytes.len());
        let answer = String::from_utf8_lossy(&seen.answer);
        assert_eq!(seen.committed.is_some(), allowed, "{json} {} bytes: {answer}", bytes.len());
    }
}
