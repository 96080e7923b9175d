//! Who may come in where there are keys: a request that is signed by the book, in its header or in
//! its query, and none in which anything that was signed is another. Raw heads, whose signature
//! nobody can have made, never come in.

use std::sync::{Arc, LazyLock};

use lobos_proto::{Config, Credentials};

use crate::input::Input;
use crate::support::config;
use crate::{exchange, sign};

pub(crate) static KEYS: LazyLock<Arc<Config>> = LazyLock::new(|| {
    config(|config| {
        config.region = Some("us-east-1".into());
        config.credentials = vec![Credentials {
            access_key: sign::ACCESS_KEY.into(),
            secret_key: sign::SECRET_KEY.into(),
            read_only: false,
        }];
    })
});

/// An even byte and a raw request; or an odd one, what is damaged, and what is signed.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    if flags & 1 == 0 {
        let request = input.rest();
        let seen = exchange::any_cut(&KEYS, request);
        assert!(seen.request.is_none(), "let in: {:?}", String::from_utf8_lossy(request));
        return;
    }
    let damage = (input.byte(), input.byte());
    let parts = Parts::read(&mut input);
    let signed = if flags & 2 == 0 { parts.header() } else { parts.presigned() };
    let seen = exchange::whole(&KEYS, signed.text(None).as_bytes());
    let answer = String::from_utf8_lossy(&seen.answer);
    assert!(seen.request.is_some(), "refused: {:?} {answer}", signed.text(None));
    if let Some(damaged) = signed.damaged(damage) {
        let seen = exchange::whole(&KEYS, damaged.as_bytes());
        assert!(seen.request.is_none(), "let in: {damaged:?}");
    }
}

/// What a request is made of.
struct Parts {
    method: &'static str,
    path: String,
    /// Sorted.
    query: Vec<(String, String)>,
    /// One header of the user.
    meta: String,
}

/// A request in pieces of which any letter matters, and what is between them.
struct Signed(Vec<(bool, String)>);

impl Parts {
    fn read(input: &mut Input<'_>) -> Self {
        let method = input.pick(&["GET", "HEAD", "DELETE"]);
        let path = format!("/bench/k{}", escaped(input.piece(20), true));
        let mut query: Vec<_> = ["prefix", "max-keys", "x", "Z-y", "versionId"]
            .iter()
            .filter(|_| input.byte() & 1 != 0)
            .map(|name| match *name {
                "max-keys" => ((*name).to_owned(), "7".to_owned()),
                "versionId" => ((*name).to_owned(), "null".to_owned()),
                name => (name.to_owned(), escaped(&[], false)),
            })
            .collect();
        query.iter_mut().filter(|(_, value)| value.is_empty()).for_each(|(_, value)| {
            *value = format!("v{}", escaped(input.piece(12), false));
        });
        query.sort();
        let meta = input.piece(12);
        let meta = meta.iter().map(|b| char::from(b'a' + b % 26)).collect();
        Self { method, path, query, meta }
    }

    fn query(&self) -> String {
        let pairs = self.query.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Signed in its header.
    fn header(&self) -> Signed {
        let Self { method, path, meta, .. } = self;
        let (query, payload) = (self.query(), sign::sha256(b""));
        let names = "host;x-amz-content-sha256;x-amz-date;x-amz-meta-a";
        let lines = format!(
            "host:localhost\nx-amz-content-sha256:{payload}\nx-amz-date:{}\nx-amz-meta-a:{meta}\n",
            sign::TIME
        );
        let signature = sign::request([method, path, &query, &lines], names, &payload);
        let between = |text: &str| (false, text.to_owned());
        let matters = |text: &str| (true, text.to_owned());
        let authorization = sign::authorization(names, "");
        Signed(vec![
            matters(method),
            between(" "),
            matters(path),
            between("?"),
            matters(&query),
            between(" HTTP/1.1\r\nHost: localhost\r\nx-amz-meta-a: "),
            matters(meta),
            between("\r\nx-amz-content-sha256: "),
            matters(&payload),
            between("\r\nx-amz-date: "),
            matters(sign::TIME),
            between("\r\nAuthorization: "),
            between(&authorization),
            matters(&signature),
            between("\r\n\r\n"),
        ])
    }

    /// Signed in its query.
    fn presigned(&self) -> Signed {
        let Self { method, path, meta, .. } = self;
        let credential = format!("{}/{}", sign::ACCESS_KEY, sign::SCOPE).replace('/', "%2F");
        let mut query = self.query.clone();
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", sign::TIME),
            ("X-Amz-Expires", "300"),
            ("X-Amz-SignedHeaders", "host%3Bx-amz-meta-a"),
        ] {
            query.push((name.to_owned(), value.to_owned()));
        }
        query.sort();
        let all = Self { method, path: path.clone(), query, meta: meta.clone() };
        let query = all.query();
        let lines = format!("host:localhost\nx-amz-meta-a:{meta}\n");
        let names = "host;x-amz-meta-a";
        let signature = sign::request([method, path, &query, &lines], names, "UNSIGNED-PAYLOAD");
        Signed(vec![
            (true, (*method).to_owned()),
            (false, " ".to_owned()),
            (true, path.clone()),
            (false, "?".to_owned()),
            (true, query),
            (false, "&X-Amz-Signature=".to_owned()),
            (true, signature),
            (false, " HTTP/1.1\r\nHost: localhost\r\nx-amz-meta-a: ".to_owned()),
            (true, meta.clone()),
            (false, "\r\n\r\n".to_owned()),
        ])
    }
}

impl Signed {
    /// With one piece in another form.
    fn text(&self, other: Option<(usize, &str)>) -> String {
        let piece = |(at, (_, text)): (usize, &(bool, String))| match other {
            Some((changed, other)) if changed == at => other.to_owned(),
            _ => text.clone(),
        };
        self.0.iter().enumerate().map(piece).collect()
    }

    /// One letter or digit that matters is another one.
    fn damaged(&self, (place, change): (u8, u8)) -> Option<String> {
        let matter: Vec<_> =
            (0..self.0.len()).filter(|at| self.0[*at].0 && !self.0[*at].1.is_empty()).collect();
        let at = matter[usize::from(place) % matter.len()];
        let mut bytes = self.0[at].1.clone().into_bytes();
        let place = usize::from(place) * 7 % bytes.len();
        let old = bytes[place];
        // What is escaped may be written in two ways, and hex in upper or lower case.
        let escaped = bytes[place.saturating_sub(2)..place].contains(&b'%');
        let new = b'0' + change % 10;
        if !old.is_ascii_digit() || escaped || old == new {
            return None;
        }
        bytes[place] = new;
        Some(self.text(Some((at, &String::from_utf8(bytes).ok()?))))
    }
}

/// Percent-encoded as S3 wants it; dots, which could become a segment, are left out.
fn escaped(text: &[u8], slash: bool) -> String {
    let text = String::from_utf8_lossy(text);
    let mut out = String::new();
    for byte in text.bytes().filter(|b| *b != 0 && *b != b'.') {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            b'/' if slash => out.push('/'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
