//! A request head: wherever it is cut it is the same, and what is let in is what RFC 9112 says,
//! read by a second reader that knows no leniency, and from a host that is ours.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use lobos_proto::Config;

use crate::exchange;
use crate::support::config;

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    config(|config| {
        (config.limits.head, config.limits.headers) = (2000, 16);
        config.hosts.names = vec!["files.example".into()];
    })
});

/// Bytes from a client.
pub fn run(data: &[u8]) {
    let seen = exchange::any_cut(&CONFIG, data);
    if seen.request.is_some() {
        strict(data).unwrap_or_else(|why| panic!("{why} is let in"));
    }
}

fn strict(mut data: &[u8]) -> Result<(), &'static str> {
    while let [b'\r', b'\n', rest @ ..] = data {
        data = rest;
    }
    let end = data.windows(4).position(|w| w == b"\r\n\r\n").ok_or("a head without an end")?;
    let mut lines = lines(&data[..end]);
    let line = lines.next().ok_or("nothing")?;
    let [method, target, version] =
        words(line).ok_or("a request line of other than three words")?;
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err("a method that is no token");
    }
    if target.is_empty() || target.iter().any(|b| *b <= b' ' || *b == 0x7f) {
        return Err("a target with spaces or controls");
    }
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err("another version"),
    };
    let mut found: [Vec<&[u8]>; 3] = Default::default();
    for line in lines {
        let colon = line.iter().position(|b| *b == b':').ok_or("a line without a colon")?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
            return Err("a name that is no token");
        }
        if value.iter().any(|b| (*b < b' ' && *b != b'\t') || *b == 0x7f) {
            return Err("a value with controls");
        }
        let names = ["host", "content-length", "transfer-encoding"];
        if let Some(at) = names.iter().position(|n| name.eq_ignore_ascii_case(n.as_bytes())) {
            found[at].push(value);
        }
    }
    let [hosts, lengths, codings] = found;
    check_host(target, &hosts, old)?;
    match (&lengths[..], &codings[..]) {
        ([], []) => Ok(()),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => Ok(()),
        ([], [coding]) if !old && coding.eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err("a body that can be read in two ways"),
    }
}

/// No name that somebody else's DNS answers is ours.
fn check_host(target: &[u8], hosts: &[&[u8]], old: bool) -> Result<(), &'static str> {
    let host = match hosts {
        [] if old => None,
        [host] => Some(*host),
        _ => return Err("none or two of Host"),
    };
    let scheme = target.get(..7).filter(|s| s.eq_ignore_ascii_case(b"http://"));
    let host = match scheme {
        Some(_) => Some(target[7..].split(|b| b"/?".contains(b)).next().unwrap_or_default()),
        None => host,
    };
    let Some(host) = host else { return Ok(()) };
    let host = std::str::from_utf8(host).map_err(|_| "a host that is no text")?;
    let host = host.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port),
        _ => (host.as_str(), ""),
    };
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err("a port that is no number");
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    let named = ["localhost", "files.example"]
        .iter()
        .any(|n| name.strip_suffix(n).is_some_and(|b| b.is_empty() || b.ends_with('.')));
    if named || bare.parse::<IpAddr>().is_ok() { Ok(()) } else { Err("a host that is not ours") }
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(head);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.windows(2).position(|w| w == b"\r\n");
        rest = end.map(|end| &text[end + 2..]);
        Some(&text[..end.unwrap_or(text.len())])
    })
}

fn words(line: &[u8]) -> Option<[&[u8]; 3]> {
    let words: Vec<_> = line.split(|b| *b == b' ').collect();
    words.try_into().ok()
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}
