//! The Host header: whether it is ours, and the bucket it names.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::target::cut;
use crate::{Code, Error, Hosts};

/// What a Host header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Host<'h> {
    /// The bucket that it names: `BUCKET.localhost`, `BUCKET.s3.localhost`, or behind a slash,
    /// since LMCache sends its URL as it is (`localhost:8080/bucket`).
    pub(crate) bucket: Option<&'h str>,
}

impl Hosts {
    /// Reads a Host header.
    ///
    /// # Errors
    /// `InvalidRequest` if it is malformed, `AccessDenied` for a name that is not ours.
    pub(crate) fn parse<'h>(&self, host: &'h str) -> Result<Host<'h>, Error> {
        let (host, behind) = match cut(host, b'/') {
            Some((host, bucket)) => (host, Some(bucket).filter(|b| !b.is_empty())),
            None => (host, None),
        };
        let name = without_port(host)
            .ok_or_else(|| Error::new(Code::InvalidRequest).message("The Host is malformed."))?;
        if let Some(bucket) = behind {
            return self.bucket_of(name).map(|_| Host { bucket: Some(bucket) });
        }
        self.bucket_of(name).map(|bucket| Host { bucket })
    }

    fn bucket_of<'h>(&self, name: &'h str) -> Result<Option<&'h str>, Error> {
        if is_address(name) {
            return Ok(None);
        }
        let own = self.names.iter().map(String::as_str).filter(|own| *own != "*");
        let mut found = None;
        for base in own.chain(["s3.localhost", "localhost"]) {
            match split_base(name, base) {
                Some("") => return Ok(None),
                // The longest base wins: `b.s3.localhost` is the bucket `b`.
                Some(bucket) if found.is_none_or(|f: &str| bucket.len() < f.len()) => {
                    found = Some(bucket);
                }
                _ => {}
            }
        }
        if found.is_some() || self.names.iter().any(|own| own == "*") {
            return Ok(found);
        }
        Err(Error::new(Code::AccessDenied).message(not_served(name)))
    }
}

/// An address: of version 6 in brackets, and nothing else is, or of version 4.
fn is_address(name: &str) -> bool {
    // Most names are told by their last byte.
    match name.bytes().next_back() {
        Some(b']') => true,
        Some(b'0'..=b'9') => name.parse::<Ipv4Addr>().is_ok(),
        _ => false,
    }
}

/// What to do about a foreign name, which may have the name of a bucket before it.
fn not_served(name: &str) -> String {
    let start = format!("The host '{name}' is not served here; start with --host {name}");
    match name.split_once('.') {
        Some((bucket, base)) if base.contains('.') => {
            format!("{start}, or with --host {base} if '{bucket}' is a bucket.")
        }
        _ => format!("{start}."),
    }
}

/// What stands before `.base`; empty if the name is the base itself.
fn split_base<'h>(name: &'h str, base: &str) -> Option<&'h str> {
    let at = name.len().checked_sub(base.len())?;
    let (start, end) = (name.get(..at)?, name.get(at..)?);
    if !end.eq_ignore_ascii_case(base) {
        return None;
    }
    if start.is_empty() { Some("") } else { start.strip_suffix('.').filter(|s| !s.is_empty()) }
}

/// The name without its port; `None` if it is malformed.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.bytes().position(|b| b == b':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let port_fits =
        port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.is_empty() || is_port(p));
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let name_fits = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !name.is_empty() && name.bytes().all(legal),
    };
    (port_fits && name_fits).then_some(name)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Whether a page of `origin` comes from `host`, that is from this server itself.
pub(crate) fn is_own_origin(origin: &str, host: Option<&str>) -> bool {
    origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host)
}

/// Whether `--cors-origin` lets in the pages of `origin`.
pub(crate) fn origin_allowed(origin: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|a| a == "*" || a == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        // Loopback, addresses and configured names are ours and may name a bucket; no others.
        let hosts = Hosts { names: vec!["s3.example.org".into()] };
        let parse = |h| hosts.parse(h).map(|h| h.bucket).map_err(|e| e.code().status());
        for none in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "[::1]:80",
            "10.0.0.1",
            "s3.localhost",
            "s3.example.org",
        ] {
            assert_eq!(parse(none), Ok(None), "{none}");
        }
        assert_eq!(parse("photos.localhost:8080"), Ok(Some("photos")));
        assert_eq!(parse("photos.s3.localhost"), Ok(Some("photos")));
        assert_eq!(parse("a.b.s3.example.org:80"), Ok(Some("a.b")));
        assert_eq!(parse("localhost:8080/bench"), Ok(Some("bench")));
        assert_eq!(parse("localhost:8080/"), Ok(None));
        for foreign in [
            "evil.com",
            "example.org",
            "localhost.evil.com",
            "127.0.0.1.evil.com",
            "evil.com/bench",
            "xlocalhost",
        ] {
            assert_eq!(parse(foreign), Err(403), "{foreign}");
        }
        for bad in [
            "",
            "a b",
            "localhost:x",
            "[::1",
            ":80",
            "a@localhost",
            "localhost:80:80",
            "localhost:65536",
            "[[::]",
            "[[::1]]",
            "[::1]]",
            "[10.0.0.1]",
            "10.0.0.1]",
            "[localhost]",
            "[]",
            "::1",
        ] {
            assert_eq!(parse(bad), Err(400), "{bad}");
        }
        assert_eq!(
            Hosts { names: vec!["*".into()] }.parse("any.thing").map(|h| h.bucket),
            Ok(None)
        );
    }

    #[test]
    fn foreign_hosts_are_told() {
        // The message has the flag that helps, also for a host that begins with a bucket.
        let hosts = Hosts::default();
        let told = |host| hosts.parse(host).unwrap_err().sentence().to_owned();
        let start =
            |name| format!("The host '{name}' is not served here; start with --host {name}");
        assert_eq!(told("lobos:9000"), start("lobos") + ".");
        let name = "b.s3.example.org";
        let more = ", or with --host s3.example.org if 'b' is a bucket.";
        assert_eq!(told(name), start(name) + more);
    }

    #[test]
    fn origins() {
        // A page is the server's own or is allowed by name; no other one is.
        let allowed = ["https://ok.org".to_owned()];
        assert!(is_own_origin("http://localhost:1", Some("localhost:1")));
        assert!(origin_allowed("https://ok.org", &allowed));
        for foreign in ["https://evil.org", "null", "http://localhost:2", "", "localhost:1"] {
            assert!(!is_own_origin(foreign, Some("localhost:1")), "{foreign}");
            assert!(!is_own_origin(foreign, None), "{foreign}");
            assert!(!origin_allowed(foreign, &allowed), "{foreign}");
        }
        assert!(origin_allowed("null", &["*".to_owned()]));
    }
}
