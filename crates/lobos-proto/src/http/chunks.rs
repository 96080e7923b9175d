//! One decoder for HTTP's `chunked` and S3's `aws-chunked`: sizes, extensions, trailers.
//!
//! It never holds data: it says how many bytes at the front are framing and how many behind them
//! are data. Two of them nest, the outer one's data being the inner one's input.

use memchr::memchr;

use crate::auth::Chain;
use crate::http::is_token;
use crate::{Code, Error, Limits};

/// Whose chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// RFC 9112, section 7.1.
    Http,
    /// S3 API reference, "Signature calculations: transferring payload in multiple chunks".
    Aws,
}

/// What follows the framing bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// More input is needed.
    Need,
    /// So many bytes of data, never 0. Tell what was taken of them by [`Chunks::advance`].
    Data(usize),
    /// The body has ended.
    End,
}

/// The state of one chunked body.
#[derive(Debug)]
pub(crate) struct Chunks {
    flavour: Flavour,
    state: State,
    /// The part of a line that came with earlier input.
    line: Vec<u8>,
    trailers: Vec<(String, String)>,
    trailer_bytes: usize,
    /// Verifies the signatures of the chunks, if they are to be verified.
    chain: Option<Box<Chain>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    End,
}

impl Chunks {
    pub(crate) fn new(flavour: Flavour) -> Self {
        let (line, trailers) = (Vec::new(), Vec::new());
        Self { flavour, state: State::Size, line, trailers, trailer_bytes: 0, chain: None }
    }

    /// Chunks whose signatures are verified, unless there is no chain.
    pub(crate) fn signed(chain: Option<Box<Chain>>) -> Self {
        Self { chain, ..Self::new(Flavour::Aws) }
    }

    /// Reads framing at the front of `input`: how many bytes it took, and what follows them.
    ///
    /// # Errors
    /// `InvalidRequest` for anything that is not a chunk, `SignatureDoesNotMatch`.
    pub(crate) fn window(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, Window), Error> {
        let mut at = 0;
        loop {
            match self.state {
                State::End => return Ok((at, Window::End)),
                State::Data(0) => {
                    self.end_of_chunk()?;
                    self.state = State::DataEnd;
                }
                State::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len() - at);
                    let window = if here == 0 { Window::Need } else { Window::Data(here) };
                    return Ok((at, window));
                }
                State::Size | State::DataEnd | State::Trailer => {
                    let (used, complete) = self.take_line(&input[at..], limits)?;
                    at += used;
                    if !complete {
                        return Ok((at, Window::Need));
                    }
                    self.end_of_line(limits)?;
                    self.line.clear();
                }
            }
        }
    }

    /// These bytes, the first of the window, were taken.
    pub(crate) fn advance(&mut self, data: &[u8]) {
        let count = data.len();
        if let Some(chain) = &mut self.chain {
            chain.update(data);
        }
        let State::Data(left) = &mut self.state else {
            assert!(count == 0, "no data is open");
            return;
        };
        *left = left.checked_sub(count as u64).expect("more than the window was taken");
    }

    /// `count` bytes of those that were taken last are to come again.
    ///
    /// # Panics
    /// If anything but data came since.
    pub(crate) fn put_back(&mut self, count: u64) {
        match &mut self.state {
            State::Data(left) => *left += count,
            _ => assert!(count == 0, "no data is open"),
        }
    }

    /// Bytes of the chunk that is open.
    pub(crate) fn expect(&self) -> u64 {
        match self.state {
            State::Data(left) => left,
            _ => 0,
        }
    }

    /// Whether a body that ends right here is whole: some clients leave out the empty line at the
    /// end of aws-chunked.
    pub(crate) fn may_end(&self) -> bool {
        self.state == State::End || (self.state == State::Trailer && self.line.is_empty())
    }

    /// Verifies the trailers, when all have come.
    ///
    /// # Errors
    /// `SignatureDoesNotMatch`.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.chain.as_ref().map_or(Ok(()), |chain| chain.trailers(&self.trailers))
    }

    fn end_of_chunk(&mut self) -> Result<(), Error> {
        self.chain.as_mut().map_or(Ok(()), |chain| chain.end())
    }

    /// The value of a trailer (lower-case name).
    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        self.trailers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Names of the trailers, in lower case.
    pub(crate) fn trailer_names(&self) -> impl Iterator<Item = &str> {
        self.trailers.iter().map(|(name, _)| name.as_str())
    }

    /// Moves bytes into `line` until its CRLF.
    fn take_line(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, bool), Error> {
        let mut used = 0;
        while let Some(found) = memchr(b'\n', &input[used..]) {
            self.line.extend_from_slice(&input[used..=used + found]);
            used += found + 1;
            if self.line.ends_with(b"\r\n") {
                self.line.truncate(self.line.len() - 2);
                return self.check_length(self.line.len(), limits).map(|()| (used, true));
            }
            // Signed trailers of minio-go have a LF before the CRLF.
            if self.state != State::Trailer || self.flavour != Flavour::Aws {
                self.line.pop();
                self.check_length(self.line.len(), limits)?;
                return Err(self.refused("A line of the chunked body does not end with CRLF."));
            }
        }
        self.line.extend_from_slice(&input[used..]);
        // The CR may be the first half of the line's end: where the input is cut must not matter.
        let length = self.line.strip_suffix(b"\r").unwrap_or(&self.line).len();
        self.check_length(length, limits).map(|()| (input.len(), false))
    }

    /// Whether the line may have so many bytes before its end.
    fn check_length(&self, length: usize, limits: &Limits) -> Result<(), Error> {
        let longest = match self.state {
            State::Size => limits.chunk_line,
            State::Trailer => limits.trailers,
            _ => 2,
        };
        if length > longest {
            return Err(self.refused("A line of the chunked body is too long."));
        }
        Ok(())
    }

    fn end_of_line(&mut self, limits: &Limits) -> Result<(), Error> {
        self.state = match self.state {
            State::Size => {
                let size = size(&self.line)
                    .ok_or_else(|| self.refused("The size of a chunk is malformed."))?;
                if let Some(chain) = &mut self.chain {
                    chain.begin(&self.line)?;
                }
                if size == 0 {
                    self.end_of_chunk()?;
                    State::Trailer
                } else {
                    State::Data(size)
                }
            }
            State::DataEnd if self.line.is_empty() => State::Size,
            State::DataEnd => return Err(self.refused("A chunk is longer than its size.")),
            State::Trailer if self.line.is_empty() => State::End,
            State::Trailer => {
                self.trailer_bytes += self.line.len();
                let fits =
                    self.trailer_bytes <= limits.trailers && self.trailers.len() < limits.headers;
                match trailer(&self.line).filter(|(name, _)| fits && !self.forbids(name)) {
                    Some(trailer) => self.trailers.push(trailer),
                    None => return Err(Error::new(Code::MalformedTrailerError)),
                }
                State::Trailer
            }
            state @ (State::Data(_) | State::End) => state,
        };
        Ok(())
    }
}

/// 1 to 16 hex digits, then nothing or extensions.
fn size(line: &[u8]) -> Option<u64> {
    let digits = memchr(b';', line).unwrap_or(line.len());
    let (digits, extensions) = line.split_at(digits);
    let control = |any, b: &u8| any | ((*b < b' ') & (*b != b'\t')) | (*b == 0x7f);
    let hex = !digits.is_empty() && digits.len() <= 16 && digits.iter().all(u8::is_ascii_hexdigit);
    if !hex || extensions.iter().fold(false, control) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// `name: value`, the name in lower case.
fn trailer(line: &[u8]) -> Option<(String, String)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let value = value.trim();
    let fits = !name.is_empty() && is_token(name) && !value.contains(|c: char| c.is_control());
    fits.then(|| (name.to_ascii_lowercase(), value.to_owned()))
}

impl Chunks {
    /// Whether no trailer of HTTP can have this name: what frames a request, says where it goes,
    /// who asks or what is asked for is in its head (RFC 9110, section 6.5.1).
    fn forbids(&self, name: &str) -> bool {
        const NAMES: [&str; 13] = [
            "authorization",
            "cache-control",
            "connection",
            "cookie",
            "date",
            "expect",
            "host",
            "origin",
            "range",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ];
        let starts = |start: &&str| name.starts_with(start);
        let checks = ["x-amz-checksum-", "x-amz-trailer-"].iter().any(starts);
        self.flavour == Flavour::Http
            && !checks
            && (NAMES.contains(&name) || ["content-", "if-", "x-amz-"].iter().any(starts))
    }

    /// S3 has one sentence for whatever is wrong with aws-chunked.
    fn refused(&self, why: &'static str) -> Error {
        match self.flavour {
            Flavour::Http => Error::new(Code::InvalidRequest).message(why),
            Flavour::Aws => super::body::terminated(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes with the input cut into pieces of `piece` bytes; bytes after the end are kept.
    fn decode(
        flavour: Flavour,
        input: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, Chunks, usize), Error> {
        let limits = Limits { chunk_line: 100, trailers: 100, ..Limits::default() };
        let mut chunks = Chunks::new(flavour);
        let (mut data, mut at, mut end) = (Vec::new(), 0, piece.min(input.len()));
        loop {
            let (used, window) = chunks.window(&input[at..end], &limits)?;
            at += used;
            match window {
                Window::Data(count) => {
                    data.extend_from_slice(&input[at..at + count]);
                    chunks.advance(&input[at..at + count]);
                    at += count;
                }
                Window::End => return Ok((data, chunks, at)),
                Window::Need if end == input.len() => return Ok((data, chunks, at)),
                Window::Need => end = (end + piece).min(input.len()),
            }
        }
    }

    const SIGNED: &[u8] = b"5;chunk-signature=ab\r\nhello\r\n6;chunk-signature=cd\r\n world\r\n\
        0;chunk-signature=ef\r\nx-amz-checksum-crc32:AAAA\n\r\nX-Amz-Trailer-Signature:12\r\n\r\n";

    #[test]
    fn cut_anywhere() {
        // Data, trailers and the end are the same however the input is cut.
        let mut input = SIGNED.to_vec();
        input.extend_from_slice(b"GET /");
        for piece in 1..=input.len() {
            let (data, chunks, at) = decode(Flavour::Aws, &input, piece).unwrap();
            assert_eq!(data, b"hello world", "pieces of {piece}");
            assert_eq!(chunks.trailer("x-amz-checksum-crc32"), Some("AAAA"));
            assert_eq!(chunks.trailer("x-amz-trailer-signature"), Some("12"));
            assert_eq!(&input[at..], b"GET /");
        }
    }

    #[test]
    fn refused_alike() {
        // What a line is refused for, if at all, is the same however the input is cut, also where
        // the line is as long as it may be and CRs stand before its end.
        let limit = 100;
        for (before, longest) in [("", limit), ("1\r\nx", 2), ("0\r\n", limit)] {
            for count in [0, 1, 2, longest - 2, longest - 1, longest, longest + 1] {
                for end in ["\r\n", "\r\r\n", "\r\r\r\n", "\n", "\r", "\rx\r\n"] {
                    let input = format!("{before}{}{end}\r\n", "5".repeat(count));
                    let seen = |piece| {
                        let done = decode(Flavour::Http, input.as_bytes(), piece);
                        done.map(|(data, _, at)| (data, at)).map_err(|e| format!("{e:?}"))
                    };
                    let whole = seen(input.len());
                    for piece in 1..input.len() {
                        assert_eq!(seen(piece), whole, "{input:?} in pieces of {piece}");
                    }
                }
            }
        }
    }

    #[test]
    fn unfinished() {
        // A body is whole only after its last chunk; the empty line may be missing.
        let whole = b"3\r\nabc\r\n0\r\n\r\n";
        for cut in 0..whole.len() {
            let (_, chunks, _) = decode(Flavour::Http, &whole[..cut], 99).unwrap();
            assert_eq!(chunks.may_end(), cut == 11, "cut at {cut}");
        }
    }

    #[test]
    fn refusals() {
        // What is not exactly a chunk is refused, however it is cut.
        for bad in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\na\r\n",
            b"0x1\r\na\r\n",
            b" 1\r\na\r\n",
            b"1 \r\na\r\n",
            b"1\na\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n",
            b"1\r\na\n\r\n",
            b"00000000000000001\r\na\r\n",
            b"1;a\x01\r\na\r\n",
            b"1\r;x\r\na\r\n",
            b"0\r\nno colon\r\n",
            b"0\r\n: x\r\n",
            b"0\r\na b: x\r\n",
            b"0\r\na: x\n\r\n",
        ] {
            for piece in 1..=bad.len() {
                assert!(decode(Flavour::Http, bad, piece).is_err(), "{bad:?} by {piece}");
            }
        }
        let largest = b"ffffffffffffffff\r\nab";
        assert_eq!(decode(Flavour::Http, largest, 99).unwrap().1.expect(), u64::MAX - 2);
    }

    #[test]
    fn limits() {
        // Lines beyond the limits are refused before they are whole.
        let line = |n: usize| [b"1;", &vec![b'x'; n][..]].concat();
        assert!(decode(Flavour::Http, &line(98), 7).is_ok());
        assert!(decode(Flavour::Http, &line(99), 7).is_err());
        let trailers = |n: usize| [b"0\r\n", &b"abc:defghi\r\n".repeat(n)[..]].concat();
        assert!(decode(Flavour::Http, &trailers(10), 7).is_ok());
        assert!(decode(Flavour::Http, &trailers(11), 7).is_err());
    }
}
