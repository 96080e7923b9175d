//! A request body: its outer framing, aws-chunked inside it, and what was promised about it.

use lobos_digest::{Algorithm, Digest};

use super::chunks::{Chunks, Flavour, Window};
use super::head::Framing;
use crate::auth::Chain;
use crate::{Code, Error, Expected, Limits};

/// The body of one request while it arrives.
#[derive(Debug)]
pub(crate) struct Body {
    outer: Outer,
    inner: Option<Chunks>,
    promise: Promise,
    /// Bytes of the object so far.
    decoded: u64,
    /// The most that it may have.
    limit: u64,
    ended: bool,
}

#[derive(Debug)]
enum Outer {
    Length(u64),
    Chunks(Chunks),
}

/// What the head says of the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promise {
    /// The body is aws-chunked inside its HTTP framing.
    pub(crate) aws: bool,
    /// x-amz-decoded-content-length.
    pub(crate) decoded: Option<u64>,
    /// Digests in headers.
    pub(crate) expected: Expected,
    /// The checksum that a trailer will bring (x-amz-trailer).
    pub(crate) trailer: Option<Algorithm>,
    /// What the signatures of its chunks are verified with.
    pub(crate) chain: Option<Box<Chain>>,
}

/// What the next input is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'i> {
    /// More input is needed; so many bytes at least are to come, 0 if unknown.
    Need(u64),
    /// Bytes of the object; they end where the consumed input ends.
    Data(&'i [u8]),
    /// The body is whole.
    End,
}

impl Body {
    /// A body of at most `limit` bytes after decoding.
    pub(crate) fn new(framing: Framing, mut promise: Promise, limit: u64) -> Self {
        let outer = match framing {
            Framing::None => Outer::Length(0),
            Framing::Length(length) => Outer::Length(length),
            Framing::Chunked => Outer::Chunks(Chunks::new(Flavour::Http)),
        };
        // The CRT says aws-chunked on requests that have no body at all.
        let empty = matches!(outer, Outer::Length(0));
        let inner = (promise.aws && !empty).then(|| Chunks::signed(promise.chain.take()));
        Self { outer, inner, promise, decoded: 0, limit, ended: false }
    }

    /// How long it is after decoding, if the head says so.
    pub(crate) fn declared(&self) -> Option<u64> {
        match (&self.inner, &self.outer) {
            (None, Outer::Length(length)) => Some(*length),
            _ => self.promise.decoded,
        }
    }

    /// Bytes on the wire that are still to come, `None` if unknown.
    pub(crate) fn left(&self) -> Option<u64> {
        match &self.outer {
            Outer::Length(left) => Some(*left),
            Outer::Chunks(_) if self.ended => Some(0),
            Outer::Chunks(_) => None,
        }
    }

    /// Whether all of it has been read, or there is nothing to read.
    pub(crate) fn is_over(&self) -> bool {
        self.left() == Some(0)
    }

    /// Takes the next piece from `input`: the bytes consumed, and what it is.
    ///
    /// # Errors
    /// `InvalidRequest`, `IncompleteBody`, `EntityTooLarge`, `MalformedTrailerError`,
    /// `SignatureDoesNotMatch`. The body cannot be read any further then.
    pub(crate) fn next<'i>(
        &mut self,
        input: &'i [u8],
        limits: &Limits,
    ) -> Result<(usize, Piece<'i>), Error> {
        let mut at = 0;
        loop {
            let (used, window) = self.outer.window(&input[at..], limits)?;
            at += used;
            let outer = match window {
                Window::Need => return Ok((at, Piece::Need(self.expect()))),
                Window::End => {
                    self.ended = true;
                    return self.check_end().map(|()| (at, Piece::End));
                }
                Window::Data(count) => &input[at..at + count],
            };
            let (framing, count) = match &mut self.inner {
                None => (0, outer.len()),
                Some(inner) => match inner.window(outer, limits)? {
                    (used, Window::Need) => (used, 0),
                    (used, Window::Data(count)) => {
                        inner.advance(&outer[used..used + count]);
                        (used, count)
                    }
                    (0, Window::End) => return Err(self.goes_on()),
                    (used, Window::End) => (used, 0),
                },
            };
            self.outer.advance(&outer[..framing + count]);
            let start = at + framing;
            at = start + count;
            if count > 0 {
                self.grow(count as u64)?;
                return Ok((at, Piece::Data(&input[start..at])));
            }
        }
    }

    /// The last `count` bytes of the piece that came last are to come again.
    ///
    /// # Panics
    /// If the body is aws-chunked.
    pub(crate) fn put_back(&mut self, count: usize) {
        assert!(self.inner.is_none(), "only what has one framing goes back");
        self.decoded -= count as u64;
        self.outer.put_back(count as u64);
    }

    /// Takes pieces and drops them; for a body that nobody wants, so nothing in it is checked but
    /// its outer framing. The bytes consumed, and whether it has ended.
    pub(crate) fn discard(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, bool), Error> {
        let mut at = 0;
        loop {
            let (used, window) = self.outer.window(&input[at..], limits)?;
            at += used;
            match window {
                Window::Need => return Ok((at, false)),
                Window::End => {
                    self.ended = true;
                    return Ok((at, true));
                }
                Window::Data(count) => {
                    self.outer.advance(&input[at..at + count]);
                    at += count;
                }
            }
        }
    }

    /// What was promised about the whole body, the trailer included. Call it after its end.
    ///
    /// # Errors
    /// `MalformedTrailerError` if an announced trailer did not come or another one did.
    pub(crate) fn expected(&mut self) -> Result<Expected, Error> {
        let mut expected = std::mem::take(&mut self.promise.expected);
        let malformed = || Error::new(Code::MalformedTrailerError);
        let Some(inner) = &self.inner else {
            return match self.promise.trailer {
                Some(_) if self.decoded > 0 => Err(malformed()),
                _ => Ok(expected),
            };
        };
        let announced = self.promise.trailer;
        if inner.trailer_names().filter_map(Algorithm::from_header).any(|a| Some(a) != announced) {
            return Err(malformed());
        }
        if let Some(algorithm) = announced {
            let value = inner.trailer(algorithm.header()).ok_or_else(malformed)?;
            expected.checksum = Some(checksum(algorithm, value, "trailing header")?);
        }
        Ok(expected)
    }

    /// There is more behind the last chunk: what should have been the trailer, if that is missing.
    fn goes_on(&self) -> Error {
        let (inner, announced) = (self.inner.as_ref(), self.promise.trailer);
        match announced.zip(inner) {
            Some((algorithm, inner)) if inner.trailer(algorithm.header()).is_none() => {
                Error::new(Code::MalformedTrailerError)
            }
            _ => terminated(),
        }
    }

    fn expect(&self) -> u64 {
        match &self.outer {
            Outer::Length(left) => *left,
            Outer::Chunks(chunks) => chunks.expect(),
        }
    }

    fn grow(&mut self, count: u64) -> Result<(), Error> {
        self.decoded += count;
        if self.promise.decoded.is_some_and(|declared| self.decoded > declared) {
            return Err(Error::new(Code::IncompleteBody));
        }
        if self.decoded > self.limit {
            return Err(
                Error::new(Code::EntityTooLarge).element("MaxSizeAllowed", self.limit.to_string())
            );
        }
        Ok(())
    }

    fn check_end(&self) -> Result<(), Error> {
        if !self.inner.as_ref().is_none_or(Chunks::may_end) {
            return Err(terminated());
        }
        if self.promise.decoded.is_some_and(|declared| declared != self.decoded) {
            return Err(Error::new(Code::IncompleteBody));
        }
        self.inner.as_ref().map_or(Ok(()), Chunks::finish)
    }
}

impl Outer {
    fn window(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Window), Error> {
        match self {
            Self::Length(0) => Ok((0, Window::End)),
            Self::Length(_) if input.is_empty() => Ok((0, Window::Need)),
            Self::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                Ok((0, Window::Data(here)))
            }
            Self::Chunks(chunks) => chunks.window(input, limits),
        }
    }

    fn advance(&mut self, data: &[u8]) {
        match self {
            Self::Length(left) => *left -= data.len() as u64,
            Self::Chunks(chunks) => chunks.advance(data),
        }
    }

    fn put_back(&mut self, count: u64) {
        match self {
            Self::Length(left) => *left += count,
            Self::Chunks(chunks) => chunks.put_back(count),
        }
    }
}

/// What S3 says of an aws-chunked body that is not one.
pub(super) fn terminated() -> Error {
    Error::new(Code::IncompleteBody).message("The request body terminated unexpectedly")
}

/// The base64 of a checksum in a `place`: `header` or `trailing header`.
///
/// # Errors
/// `InvalidRequest`, as S3 has it.
pub(crate) fn checksum(algorithm: Algorithm, value: &str, place: &str) -> Result<Digest, Error> {
    Digest::from_base64(algorithm, value).ok_or_else(|| {
        let message = format!("Value for {} {place} is invalid.", algorithm.header());
        Error::new(Code::InvalidRequest).message(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        mut body: Body,
        input: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, usize, Expected), Code> {
        let limits = Limits::default();
        let (mut data, mut at, mut end) = (Vec::new(), 0, piece.min(input.len()));
        loop {
            let (used, next) = body.next(&input[at..end], &limits).map_err(|e| e.code())?;
            at += used;
            match next {
                Piece::Data(bytes) => data.extend_from_slice(bytes),
                Piece::End => {
                    return Ok((data, at, body.expected().map_err(|e| e.code())?));
                }
                Piece::Need(_) if end == input.len() => return Err(Code::RequestTimeout),
                Piece::Need(_) => end = (end + piece).min(input.len()),
            }
        }
    }

    fn aws(decoded: u64) -> Promise {
        let trailer = Some(Algorithm::Crc32);
        Promise { aws: true, decoded: Some(decoded), trailer, ..Promise::default() }
    }

    const INNER: &str = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";

    fn nested() -> String {
        let (a, b) = INNER.split_at(9);
        format!("{:x}\r\n{a}\r\n{:x};x=y\r\n{b}\r\n0\r\n\r\n", a.len(), b.len())
    }

    #[test]
    fn every_framing_cut_anywhere() {
        // The object is the same in every framing, however it is cut; nothing behind it is taken.
        for piece in 1..120 {
            let plain = Body::new(Framing::Length(5), Promise::default(), 9);
            let (data, at, _) = read(plain, b"hellomore", piece).unwrap();
            assert_eq!((&data[..], at), (&b"hello"[..], 5));
            let inner = Body::new(Framing::Length(INNER.len() as u64), aws(5), 9);
            let (data, at, expected) =
                read(inner, format!("{INNER}more").as_bytes(), piece).unwrap();
            assert_eq!((&data[..], at), (&b"hello"[..], INNER.len()));
            assert_eq!(expected.checksum.unwrap().to_base64(), "NhCmhg==");
            let both = Body::new(Framing::Chunked, aws(5), 9);
            let (data, at, expected) =
                read(both, format!("{}more", nested()).as_bytes(), piece).unwrap();
            assert_eq!((&data[..], at), (&b"hello"[..], nested().len()));
            assert!(expected.checksum.is_some());
        }
    }

    #[test]
    fn lengths() {
        // A body that is not as long as it was said to be is refused, and so is one over the limit.
        let length = INNER.len() as u64;
        let code = |body, input: &str| read(body, input.as_bytes(), 7).unwrap_err();
        assert_eq!(
            code(Body::new(Framing::Length(length), aws(4), 9), INNER),
            Code::IncompleteBody
        );
        assert_eq!(
            code(Body::new(Framing::Length(length), aws(6), 9), INNER),
            Code::IncompleteBody
        );
        let more = format!("{INNER}x");
        let longer = Body::new(Framing::Length(length + 1), aws(5), 9);
        assert_eq!(code(longer, &more), Code::IncompleteBody);
        let shorter = Body::new(Framing::Length(7), aws(5), 9);
        assert_eq!(code(shorter, INNER), Code::IncompleteBody);
        let large = Body::new(Framing::Length(10), Promise::default(), 9);
        assert_eq!(code(large, "0123456789"), Code::EntityTooLarge);
    }

    #[test]
    fn trailers() {
        // An announced checksum must come, and no other one may.
        let read = |promise, input: &str| {
            let body = Body::new(Framing::Length(input.len() as u64), promise, 9);
            read(body, input.as_bytes(), 99).map(|(_, _, expected)| expected)
        };
        let none = "5\r\nhello\r\n0\r\n\r\n";
        assert_eq!(read(aws(5), none), Err(Code::MalformedTrailerError));
        let unannounced = Promise { trailer: None, ..aws(5) };
        assert_eq!(read(unannounced.clone(), INNER), Err(Code::MalformedTrailerError));
        assert_eq!(read(unannounced, none), Ok(Expected::default()));
        let wrong = INNER.replace("NhCmhg==", "NhCm");
        assert_eq!(read(aws(5), &wrong), Err(Code::InvalidRequest));
        // The empty line at the end may be missing.
        assert!(read(aws(5), &INNER[..INNER.len() - 2]).is_ok());
    }
}
