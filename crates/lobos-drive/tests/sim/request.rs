//! The requests of the clients: their bytes, and what may become of them.

use std::fmt::{self, Write};

use lobos_proto::digest::{Algorithm, digest};

use crate::framing::{Framing, chunked};
use crate::rng::Rng;
use crate::store::BUCKET;
use parts::{Multipart, Step};

#[path = "request/parts.rs"]
pub(crate) mod parts;

/// All keys that are ever written. One must be escaped in XML, one in a URL.
pub(crate) const KEYS: [&str; 5] = ["a", "b", "dir/c", "e f+\u{fc}", "x&y"];

/// The longest head.
pub(crate) const HEAD: usize = 600;

/// The largest object.
pub(crate) const OBJECT: usize = 3000;

/// What a form may have besides its file.
pub(crate) const FORM: usize = 700;

/// What is dropped of a body to keep the connection.
pub(crate) const DRAIN: usize = 500;

/// Keys of the longest page of a listing.
pub(crate) const MAX_KEYS: usize = 3;

/// Keys of the longest DeleteObjects.
pub(crate) const DELETE_KEYS: usize = 4;

/// A condition of a PUT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Absent,
    Matches(String),
}

/// The bytes of an object; traces have only how many.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Content(pub(crate) Vec<u8>);

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// What a request is about.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Put {
        key: &'static str,
        content: Content,
        condition: Option<Condition>,
    },
    Get {
        key: &'static str,
        range: Option<(usize, Option<usize>)>,
        unless: Option<String>,
    },
    Head {
        key: &'static str,
    },
    Delete {
        key: &'static str,
    },
    DeleteMany {
        keys: Vec<&'static str>,
        quiet: bool,
    },
    List {
        prefix: &'static str,
        after: &'static str,
        most: usize,
    },
    Multipart(Multipart),
    /// Nothing that a store is asked.
    Other,
}

impl Kind {
    /// Whether its bytes go to a sink.
    pub(crate) fn is_upload(&self) -> bool {
        let part = |of: &Multipart| matches!(of.step, Step::Part { .. });
        matches!(self, Self::Put { .. }) || matches!(self, Self::Multipart(of) if part(of))
    }

    /// Whether a body is dropped, if there is one.
    pub(crate) fn means_no_body(&self) -> bool {
        match self {
            Self::Get { .. } => true,
            Self::Multipart(of) => !matches!(of.step, Step::Part { .. } | Step::Complete { .. }),
            _ => false,
        }
    }
}

/// What the server is to think of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing is wrong with it.
    Fine,
    /// An error, and nothing changes.
    Refused,
    /// An error that ends the connection, and nothing changes.
    Broken,
}

/// What a client knows when it plans.
#[derive(Default)]
pub(crate) struct Known {
    /// Entity tags.
    pub(crate) tags: Vec<(&'static str, String)>,
    pub(crate) uploads: Vec<parts::Known>,
}

impl Known {
    fn tag(&self, key: &str) -> Option<String> {
        self.tags.iter().rfind(|(k, _)| *k == key).map(|(_, tag)| tag.clone())
    }
}

/// One request.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) id: u32,
    pub(crate) kind: Kind,
    pub(crate) wire: Vec<u8>,
    /// Bytes of the head.
    pub(crate) head: usize,
    /// Expect: 100-continue
    pub(crate) expects: bool,
    /// Connection: close
    pub(crate) closes: bool,
    pub(crate) fate: Fate,
    /// The server may close even if it succeeds: what is left of the body may be too much.
    pub(crate) may_close: bool,
}

/// A head under construction.
struct Draft {
    head: String,
    body: Vec<u8>,
    expects: bool,
    closes: bool,
}

impl Draft {
    fn new(method: &str, key: &str, query: &str, rng: &mut Rng) -> Self {
        let mut head = format!("{method} /{BUCKET}/{}", encoded(key));
        // HTTP/1.0 has no chunked bodies and no second request, unless somebody asks for it.
        let old = method != "PUT" && method != "POST" && rng.chance(4);
        let minor = u8::from(!old);
        let _ = write!(head, "{query} HTTP/1.{minor}\r\nHost: localhost\r\n");
        let closes = old || rng.chance(4);
        if closes && !old {
            head.push_str("Connection: close\r\n");
        }
        Self { head, body: Vec::new(), expects: false, closes }
    }

    fn line(&mut self, name: &str, value: &str) {
        let _ = write!(self.head, "{name}: {value}\r\n");
    }

    fn finish(self, id: u32, kind: Kind, fate: Fate) -> Plan {
        let mut wire = self.head.into_bytes();
        wire.extend_from_slice(b"\r\n");
        let head = wire.len();
        assert!(head < HEAD, "a head of {head} bytes");
        wire.extend_from_slice(&self.body);
        let may_close = self.closes;
        let (expects, closes) = (self.expects, self.closes);
        Plan { id, kind, wire, head, expects, closes, fate, may_close }
    }
}

/// A key in a URL.
fn encoded(key: &str) -> String {
    let mut url = String::new();
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'/' {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// Any request; so many of a hundred are about uploads in parts.
pub(crate) fn any(id: u32, known: &Known, multipart: usize, rng: &mut Rng) -> Plan {
    if rng.chance(multipart) {
        return parts::any(id, known, rng);
    }
    let key = any_key(rng);
    match rng.between(0, 99) {
        0..=31 => put(id, key, known, rng),
        32..=39 => form(id, key, rng),
        40..=64 => get(id, key, known, rng),
        65..=72 => {
            let draft = Draft::new("HEAD", key, "", rng);
            draft.finish(id, Kind::Head { key }, Fate::Fine)
        }
        73..=79 => {
            let draft = Draft::new("DELETE", key, "", rng);
            draft.finish(id, Kind::Delete { key }, Fate::Fine)
        }
        80..=86 => list(id, rng),
        87..=92 => delete_many(id, rng),
        _ => malformed(id, rng),
    }
}

fn any_key(rng: &mut Rng) -> &'static str {
    let keys = if rng.chance(30) { &KEYS[..] } else { &KEYS[..3] };
    rng.pick(keys)
}

fn get(id: u32, key: &'static str, known: &Known, rng: &mut Rng) -> Plan {
    let mut draft = Draft::new("GET", key, "", rng);
    if rng.chance(10) {
        draft.line("Origin", "https://page.example");
    }
    let range = rng.chance(40).then(|| {
        let most = rng.pick(&[0, 1, 900, 2 * OBJECT]);
        let first = rng.between(0, most);
        (first, rng.chance(70).then(|| first + rng.between(0, 900)))
    });
    if let Some((first, last)) = range {
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        draft.line("Range", &format!("bytes={first}-{last}"));
    }
    let seen = known.tags.iter().find(|(k, _)| *k == key);
    let unless = seen.filter(|_| rng.chance(30)).map(|(_, tag)| tag.clone());
    if let Some(tag) = &unless {
        draft.line("If-None-Match", tag);
    }
    finish_bodiless(draft, id, Kind::Get { key, range, unless }, Fate::Fine, rng)
}

/// Maybe with a body that means nothing.
fn finish_bodiless(mut draft: Draft, id: u32, kind: Kind, fate: Fate, rng: &mut Rng) -> Plan {
    if rng.chance(8) {
        let dropped = rng.between(1, 3 * DRAIN);
        draft.body = vec![b'\n'; dropped];
        if rng.chance(30) && !draft.closes {
            draft.line("Transfer-Encoding", "chunked");
            draft.body = chunked(&draft.body, None, "", rng);
        } else {
            draft.line("Content-Length", &dropped.to_string());
        }
    } else if rng.chance(10) {
        draft.line("Content-Length", "0");
    }
    let mut plan = draft.finish(id, kind, fate);
    plan.may_close |= plan.wire.len() - plan.head > DRAIN;
    plan
}

fn list(id: u32, rng: &mut Rng) -> Plan {
    let prefix = rng.pick(&["", "", "dir/", "e"]);
    let after = rng.pick(&["", "", "a", "c"]);
    let most = rng.pick(&[1, 2, MAX_KEYS, 1000]);
    let query = format!("?list-type=2&prefix={prefix}&start-after={after}&max-keys={most}");
    let draft = Draft::new("GET", "", &query, rng);
    draft.finish(id, Kind::List { prefix, after, most }, Fate::Fine)
}

fn delete_many(id: u32, rng: &mut Rng) -> Plan {
    let mut draft = Draft::new("POST", "", "?delete", rng);
    let count = rng.between(1, DELETE_KEYS + 1);
    let keys: Vec<_> = (0..count).map(|_| rng.pick(&KEYS)).collect();
    let quiet = rng.chance(30);
    let mut fate = if count > DELETE_KEYS { Fate::Refused } else { Fate::Fine };
    let mut xml = format!("<Delete><Quiet>{quiet}</Quiet>");
    for key in &keys {
        let _ = write!(xml, "<Object><Key>{}</Key></Object>", key.replace('&', "&amp;"));
    }
    xml.push_str(if rng.chance(5) { "<Delete>" } else { "</Delete>" });
    if xml.ends_with("<Delete>") {
        fate = Fate::Refused;
    }
    draft.expects = rng.chance(20);
    let md5 = digest(Algorithm::Md5, xml.as_bytes()).to_base64();
    let mut framing = Framing::any(xml.into_bytes(), rng);
    if !framing.headers.iter().any(|(name, _)| is_digest(name)) {
        framing.headers.push(("Content-MD5".into(), md5));
    }
    if framing.fate != Fate::Fine {
        fate = framing.fate;
    }
    finish_body(draft, framing, id, Kind::DeleteMany { keys, quiet }, fate)
}

/// Whether a document with this header is taken for whole.
fn is_digest(header: &str) -> bool {
    let of_body = header.starts_with("x-amz-checksum-");
    of_body || matches!(header, "Content-MD5" | "x-amz-trailer")
}

fn put(id: u32, key: &'static str, known: &Known, rng: &mut Rng) -> Plan {
    let query = if rng.chance(4) { "?acl" } else { "" };
    let mut fate = if query.is_empty() { Fate::Fine } else { Fate::Refused };
    let mut draft = Draft::new("PUT", key, query, rng);
    if rng.chance(4) {
        draft.line("Origin", "https://page.example");
        fate = Fate::Refused;
    }
    draft.line("x-amz-meta-id", &id.to_string());
    let condition = condition(&mut draft, key, known, rng);
    let kind = |content| Kind::Put { key, content, condition };
    finish_upload(draft, id, OBJECT - 1, fate, kind, rng)
}

fn condition(draft: &mut Draft, key: &str, known: &Known, rng: &mut Rng) -> Option<Condition> {
    let condition = match rng.between(0, 9) {
        0 | 1 => Some(Condition::Absent),
        2 | 3 => known.tag(key).map(Condition::Matches),
        _ => None,
    };
    match &condition {
        Some(Condition::Absent) => draft.line("If-None-Match", "*"),
        Some(Condition::Matches(tag)) => draft.line("If-Match", tag),
        None => {}
    }
    condition
}

/// With the bytes of an object or a part, of so many at most, but sometimes of too many.
fn finish_upload(
    mut draft: Draft,
    id: u32,
    largest: usize,
    mut fate: Fate,
    kind: impl FnOnce(Content) -> Kind,
    rng: &mut Rng,
) -> Plan {
    draft.expects = rng.chance(20);
    if rng.chance(4) {
        // Too large, said beforehand or not.
        let content = vec![b'x'; OBJECT + rng.between(1, 1500)];
        let framing = Framing::plain(content, rng);
        let broken = framing.fate == Fate::Broken;
        let fate = if broken { Fate::Broken } else { Fate::Refused };
        return finish_body(draft, framing, id, kind(Content(Vec::new())), fate);
    }
    let content = rng.content(largest);
    let framing = Framing::any(content.clone(), rng);
    if fate == Fate::Fine || framing.fate == Fate::Broken {
        fate = framing.fate;
    }
    finish_body(draft, framing, id, kind(Content(content)), fate)
}

/// A form of a browser; most of its file looks like delimiters.
fn form(id: u32, key: &'static str, rng: &mut Rng) -> Plan {
    let mut content = rng.content(OBJECT - 1);
    let mut fate = Fate::Fine;
    let mut draft = Draft::new("POST", "", "", rng);
    for _ in 0..rng.between(0, 20) {
        let at = rng.between(0, content.len());
        let piece = rng.pick(&["\r\n--bound", "\r\n--boundar\r\n", "\r\n", "\r"]);
        content.splice(at..at, piece.bytes());
    }
    content.truncate(OBJECT);
    let mut fields = vec![("key", key.to_owned()), ("x-amz-meta-id", id.to_string())];
    fields.push(("success_action_status", "200".to_owned()));
    let flaw = rng.between(0, 20);
    match flaw {
        0 => fields[0].1 = "../a".into(),
        1 => fields.push(("policy", "e30=".into())),
        2 => fields.push(("x-ignore-much", "y".repeat(FORM))),
        3 => content.resize(OBJECT + 1, b'x'),
        4 => fields[1].0 = "x-amz-meta-\n",
        _ => {}
    }
    let disposition = "Content-Disposition: form-data; name=";
    let mut body = String::new();
    for (name, value) in &fields {
        let _ = write!(body, "--boundary\r\n{disposition}\"{name}\"\r\n\r\n{value}\r\n");
    }
    let _ = write!(body, "--boundary\r\n{disposition}\"file\"\r\n\r\n");
    let mut body = body.into_bytes();
    body.extend_from_slice(&content);
    body.extend_from_slice(if flaw == 5 { b"\r\n--bound" } else { b"\r\n--boundary--\r\n" });
    if flaw <= 5 {
        fate = Fate::Refused;
    }
    draft.line("Content-Type", "multipart/form-data; boundary=boundary");
    draft.expects = rng.chance(20);
    let framing = Framing::bare(body, rng);
    if framing.fate == Fate::Broken {
        fate = Fate::Broken;
    }
    let kind = Kind::Put { key, content: Content(content), condition: None };
    finish_body(draft, framing, id, kind, fate)
}

fn finish_body(mut draft: Draft, framing: Framing, id: u32, kind: Kind, fate: Fate) -> Plan {
    if draft.expects {
        draft.line("Expect", "100-continue");
    }
    for (name, value) in &framing.headers {
        draft.line(name, value);
    }
    draft.body = framing.wire;
    draft.finish(id, kind, fate)
}

fn malformed(id: u32, rng: &mut Rng) -> Plan {
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(700));
    let digest = digest(Algorithm::Md5, b"other").to_base64();
    let wrong = format!("PUT /{BUCKET}/a HTTP/1.1\r\nHost: h\r\nContent-MD5: {digest}\r\n\r\n");
    let (text, fate) = match rng.between(0, 13) {
        0 => ("GET / HTTP/1.1\nHost: localhost\r\n\r\n", Fate::Broken),
        1 => ("HELLO\r\n\r\n", Fate::Broken),
        2 => (
            "PUT /sim/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\
             Content-Length: 3\r\n\r\nabc",
            Fate::Broken,
        ),
        3 => (
            "PUT /sim/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Fate::Broken,
        ),
        4 => ("GET /sim/a HTTP/1.1\r\n\r\n", Fate::Broken),
        5 => (long.as_str(), Fate::Broken),
        6 => ("GET /sim/a HTTP/2.0\r\nHost: localhost\r\n\r\n", Fate::Broken),
        7 => ("GET /sim/a HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n", Fate::Broken),
        8 => ("GET /sim/../a HTTP/1.1\r\nHost: localhost\r\n\r\n", Fate::Refused),
        9 => ("GET /sim/a HTTP/1.1\r\nHost: evil.example\r\n\r\n", Fate::Refused),
        10 => ("PUT /sim/a HTTP/1.1\r\nHost: localhost\r\n\r\n", Fate::Refused),
        11 => ("BREW /sim/a HTTP/1.1\r\nHost: localhost\r\n\r\n", Fate::Refused),
        12 => (wrong.as_str(), Fate::Refused),
        _ => (
            "POST /sim/?delete HTTP/1.1\r\nHost: localhost\r\nContent-MD5: \
             1B2M2Y8AsgTpgAmY7PhCfg==\r\nContent-Length: 5000\r\n\r\n",
            Fate::Broken,
        ),
    };
    let mut wire = text.as_bytes().to_vec();
    let head = wire.windows(4).position(|four| four == b"\r\n\r\n").map_or(wire.len(), |at| at + 4);
    if text.contains("5000") {
        wire.resize(head + 5000, b'x');
    }
    let (kind, may_close) = (Kind::Other, true);
    Plan { id, kind, wire, head, expects: false, closes: false, fate, may_close }
}
