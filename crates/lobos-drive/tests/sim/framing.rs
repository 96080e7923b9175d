//! Bodies as clients send them: plain, chunked, aws-chunked, nested, with right and wrong
//! checksums.

use std::fmt::Write;

use lobos_proto::digest::{Algorithm, digest};

use crate::request::Fate;
use crate::rng::Rng;

/// A body with the headers that go with it.
pub(crate) struct Framing {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) wire: Vec<u8>,
    pub(crate) fate: Fate,
}

const ALGORITHMS: [Algorithm; 5] =
    [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme, Algorithm::Sha1, Algorithm::Sha256];

/// What may be wrong with a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A size that is no number.
    Size,
    /// A chunk that is longer than it says.
    Long,
    /// The last chunk is missing, but the outer framing ends.
    Cut,
}

impl Framing {
    /// Any framing, right or wrong.
    pub(crate) fn any(content: Vec<u8>, rng: &mut Rng) -> Self {
        match rng.between(0, 9) {
            0..=3 => Self::plain(content, rng),
            4..=6 => Self::aws(&content, false, rng),
            _ => Self::aws(&content, true, rng),
        }
    }

    /// Any framing of a body whose x-amz-checksum-* are about something else.
    pub(crate) fn beside(content: Vec<u8>, rng: &mut Rng) -> Self {
        let this = Self::any(content.clone(), rng);
        let sum = |name: &str| name.starts_with("x-amz-checksum-") || name == "x-amz-trailer";
        let sums = this.headers.iter().any(|(name, _)| sum(name));
        if sums { Self::bare(content, rng) } else { this }
    }

    /// With a Content-Length, or chunked; a checksum in a header, or none.
    pub(crate) fn plain(content: Vec<u8>, rng: &mut Rng) -> Self {
        let mut this = Self { headers: Vec::new(), wire: Vec::new(), fate: Fate::Fine };
        this.digest_header(&content, rng);
        this.outer(content, rng);
        this
    }

    /// With a Content-Length, or chunked.
    pub(crate) fn bare(content: Vec<u8>, rng: &mut Rng) -> Self {
        let mut this = Self { headers: Vec::new(), wire: Vec::new(), fate: Fate::Fine };
        this.outer(content, rng);
        this
    }

    /// aws-chunked, with a trailer or signed chunks, maybe inside HTTP's chunked.
    fn aws(content: &[u8], nested: bool, rng: &mut Rng) -> Self {
        let mut this = Self { headers: Vec::new(), wire: Vec::new(), fate: Fate::Fine };
        this.header("Content-Encoding", "aws-chunked".into());
        let mut decoded = content.len();
        if rng.chance(5) {
            decoded = if rng.chance(50) { decoded + 1 } else { decoded.saturating_sub(1) };
            if decoded != content.len() {
                // Nobody knows where such a body ends.
                this.fate = Fate::Broken;
            }
        }
        this.header("x-amz-decoded-content-length", decoded.to_string());
        let signed = rng.chance(40);
        let mut trailer = String::new();
        if signed {
            let kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
            this.header("x-amz-content-sha256", kind.into());
            this.digest_header(content, rng);
        } else {
            let kind = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
            this.header("x-amz-content-sha256", kind.into());
            this.trailer(content, &mut trailer, rng);
        }
        let mut flaw = rng.chance(6).then(|| rng.pick(&[Flaw::Size, Flaw::Long, Flaw::Cut]));
        if content.is_empty() && flaw.is_some() {
            // No bytes at all would be a whole body: the CRT sends empty ones so.
            flaw = Some(Flaw::Size);
        }
        let extension = if signed { ";chunk-signature=0123456789abcdef" } else { "" };
        let body = chunks(content, flaw, extension, &trailer, rng);
        if flaw.is_some() {
            this.fate = Fate::Broken;
        }
        if nested {
            this.outer_chunks(&body, rng);
        } else {
            this.header("Content-Length", body.len().to_string());
            this.wire = body;
        }
        this
    }

    fn outer(&mut self, content: Vec<u8>, rng: &mut Rng) {
        if rng.chance(70) {
            self.header("Content-Length", content.len().to_string());
            self.wire = content;
        } else {
            self.outer_chunks(&content, rng);
        }
    }

    fn header(&mut self, name: &str, value: String) {
        self.headers.push((name.into(), value));
    }

    fn outer_chunks(&mut self, content: &[u8], rng: &mut Rng) {
        self.header("Transfer-Encoding", "chunked".into());
        let flaw = rng.chance(3).then(|| rng.pick(&[Flaw::Size, Flaw::Long]));
        if flaw.is_some() {
            self.fate = Fate::Broken;
        }
        let trailer = if rng.chance(10) { "X-Any: thing\r\n" } else { "" };
        self.wire = chunked(content, flaw, trailer, rng);
    }

    /// Content-MD5, x-amz-content-sha256 or x-amz-checksum-*; sometimes of something else.
    fn digest_header(&mut self, content: &[u8], rng: &mut Rng) {
        let taken = self.headers.iter().any(|(name, _)| name == "x-amz-content-sha256");
        let choice = rng.between(0, 5);
        let algorithm = match choice {
            0 => Algorithm::Md5,
            1 if !taken => Algorithm::Sha256,
            2 | 3 => rng.pick(&ALGORITHMS),
            _ => return,
        };
        let value = digest(algorithm, self.promised(content, rng));
        match choice {
            0 => self.header("Content-MD5", value.to_base64()),
            1 => self.header("x-amz-content-sha256", value.to_hex()),
            _ => self.header(algorithm.header(), value.to_base64()),
        }
    }

    fn trailer(&mut self, content: &[u8], trailer: &mut String, rng: &mut Rng) {
        if rng.chance(15) {
            return;
        }
        let algorithm = rng.pick(&ALGORITHMS);
        self.header("x-amz-trailer", algorithm.header().into());
        if rng.chance(4) {
            // Announced, but it never comes.
            self.refuse();
            return;
        }
        let value = digest(algorithm, self.promised(content, rng)).to_base64();
        let _ = write!(trailer, "{}:{value}\r\n", algorithm.header());
    }

    /// What the checksum is made of: the content, or something else.
    fn promised<'c>(&mut self, content: &'c [u8], rng: &mut Rng) -> &'c [u8] {
        if rng.chance(85) {
            return content;
        }
        self.refuse();
        if content.len() > 1 { &content[..content.len() - 1] } else { b"another content" }
    }

    fn refuse(&mut self) {
        if self.fate == Fate::Fine {
            self.fate = Fate::Refused;
        }
    }
}

/// HTTP's chunked.
pub(crate) fn chunked(content: &[u8], flaw: Option<Flaw>, trailer: &str, rng: &mut Rng) -> Vec<u8> {
    let extension = if rng.chance(20) { ";name=\"value\"" } else { "" };
    chunks(content, flaw, extension, trailer, rng)
}

fn chunks(
    content: &[u8],
    flaw: Option<Flaw>,
    extension: &str,
    trailer: &str,
    rng: &mut Rng,
) -> Vec<u8> {
    let mut out = Vec::new();
    let largest = rng.pick(&[40, 300, 700, content.len().max(1)]).max(content.len() / 20 + 1);
    let mut rest = content;
    while !rest.is_empty() {
        let (chunk, behind) = rest.split_at(rng.between(1, largest).min(rest.len()));
        out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = behind;
    }
    match flaw {
        Some(Flaw::Size) => out.extend_from_slice(b"xyz\r\n"),
        Some(Flaw::Long) => out.extend_from_slice(b"1\r\nab\r\n"),
        Some(Flaw::Cut) => return out,
        None => {}
    }
    out.extend_from_slice(format!("0{extension}\r\n{trailer}\r\n").as_bytes());
    out
}
