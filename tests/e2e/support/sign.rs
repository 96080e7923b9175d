//! Signs requests with version 4, by the book and not with the code that is tested.

use std::time::{SystemTime, UNIX_EPOCH};

use lobos_digest::{Algorithm, Digest, digest};
use lobos_proto::Timestamp;

use super::http::Request;

/// A key pair and its region.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'k> {
    pub(crate) access_key: &'k str,
    pub(crate) secret_key: &'k str,
    pub(crate) region: &'k str,
}

/// A signed request, and what goes on from its signature.
pub(crate) struct Signed {
    pub(crate) request: Request,
    key: Vec<u8>,
    lines: String,
    seed: String,
}

impl Signer<'_> {
    /// Signs a request without a query. `headers` are its other headers, in lower case and sorted
    /// as they are to be signed; `payload` is x-amz-content-sha256.
    pub(crate) fn sign(
        &self,
        request: Request,
        (method, path, query): (&str, &str, &str),
        host: &str,
        headers: &[(&str, &str)],
        payload: &str,
    ) -> Signed {
        self.sign_with(request, (method, path, query), host, headers, (payload, basic(0)))
    }

    /// Signs a request without a body as a clock does that is so many seconds late.
    pub(crate) fn sign_at(
        &self,
        request: Request,
        target: (&str, &str, &str),
        host: &str,
        late: i64,
    ) -> Request {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let time = at(now.checked_add_signed(-late).unwrap());
        self.sign_with(request, target, host, &[], (&sha256(b""), time)).request
    }

    fn sign_with(
        &self,
        request: Request,
        (method, path, query): (&str, &str, &str),
        host: &str,
        headers: &[(&str, &str)],
        (payload, time): (&str, String),
    ) -> Signed {
        let mut all = vec![("host", host), ("x-amz-content-sha256", payload)];
        all.push(("x-amz-date", &time));
        all.extend(headers);
        all.sort_unstable();
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        let lines: String = all.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let names = names.join(";");
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let (key, lines) = (self.key(&time), format!("{time}\n{}\n", self.scope(&time)));
        let text = format!("AWS4-HMAC-SHA256\n{lines}{}", sha256(canonical.as_bytes()));
        let seed = hex(&hmac(&key, text.as_bytes()));
        let credential = format!("{}/{}", self.access_key, self.scope(&time));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={seed}"
        );
        let mut request = request;
        for (name, value) in all.iter().filter(|(name, _)| *name != "host") {
            request = request.header(name, value);
        }
        Signed { request: request.header("Authorization", authorization), key, lines, seed }
    }

    /// A presigned URL's target for GET, signed `age` seconds ago.
    pub(crate) fn presign(&self, path: &str, host: &str, age: u64, expires: u64) -> String {
        self.presign_for("GET", path, host, age, expires)
    }

    /// The same for any method.
    pub(crate) fn presign_for(
        &self,
        method: &str,
        path: &str,
        host: &str,
        age: u64,
        expires: u64,
    ) -> String {
        let time = basic(age);
        let credential = format!("{}/{}", self.access_key, self.scope(&time)).replace('/', "%2F");
        let query = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={time}\
             &X-Amz-Expires={expires}&X-Amz-SignedHeaders=host"
        );
        let canonical = format!("{method}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
        let scope = self.scope(&time);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let signature = hex(&hmac(&self.key(&time), text.as_bytes()));
        format!("{path}?{query}&X-Amz-Signature={signature}")
    }

    fn scope(&self, time: &str) -> String {
        format!("{}/{}/s3/aws4_request", &time[..8], self.region)
    }

    fn key(&self, time: &str) -> Vec<u8> {
        let start = format!("AWS4{}", self.secret_key).into_bytes();
        let parts = [&time[..8], self.region, "s3", "aws4_request"];
        parts.iter().fold(start, |key, part| hmac(&key, part.as_bytes()))
    }
}

impl Signed {
    /// The payload in signed chunks of `size`; the signature of chunk `wrong` is another's.
    pub(crate) fn chunks(&self, payload: &[u8], size: usize, wrong: Option<usize>) -> Vec<u8> {
        let (mut out, mut previous) = (Vec::new(), self.seed.clone());
        for (number, chunk) in payload.chunks(size).chain([&[][..]]).enumerate() {
            let (lines, empty, hash) = (&self.lines, sha256(b""), sha256(chunk));
            let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{lines}{previous}\n{empty}\n{hash}");
            let signature = hex(&hmac(&self.key, text.as_bytes()));
            let shown = if wrong == Some(number) { &previous } else { &signature };
            let line = format!("{:x};chunk-signature={shown}\r\n", chunk.len());
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
            previous = signature;
        }
        out
    }
}

/// The lower-case hex of a SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest(Algorithm::Sha256, bytes).to_hex()
}

fn hex(bytes: &[u8]) -> String {
    Digest::new(Algorithm::Sha256, bytes).unwrap().to_hex()
}

/// RFC 2104 with SHA-256.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64);
    let pad = |byte: u8| (0..64).map(move |at| key.get(at).unwrap_or(&0) ^ byte);
    let inner: Vec<u8> = pad(0x36).chain(text.iter().copied()).collect();
    let inner = digest(Algorithm::Sha256, &inner);
    let outer: Vec<u8> = pad(0x5c).chain(inner.bytes().iter().copied()).collect();
    digest(Algorithm::Sha256, &outer).bytes().to_vec()
}

/// `yyyyMMddTHHmmssZ`, so many seconds ago.
pub(crate) fn basic(age: u64) -> String {
    at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - age)
}

/// `yyyyMMddTHHmmssZ`, so many seconds after 1970.
fn at(secs: u64) -> String {
    let iso = Timestamp { nanos: secs * 1_000_000_000 }.to_iso8601();
    let basic: String = iso.chars().filter(|c| !"-:".contains(*c)).collect();
    format!("{}Z", &basic[..15])
}
