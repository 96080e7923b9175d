//! A request head: httparse reads it, then RFC 9112's refusals, which httparse leaves to us.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use httparse::Header;
use memchr::memchr;

use super::marks::{Marks, mark};
use super::raw;
use crate::{Code, Error, Limits};

/// The most header lines that any configuration can allow.
const MAX_HEADERS: usize = 256;

/// Where the head ends in `input`, empty line included. `scanned` is how far an earlier call has
/// looked and is moved on, so that a head that comes byte by byte is looked at once; `ended` says
/// that nothing more will come.
///
/// # Errors
/// `InvalidRequest` as soon as a line ends with a bare LF, `RequestHeaderSectionTooLarge` beyond
/// the limit.
pub(crate) fn end(
    input: &[u8],
    scanned: &mut usize,
    ended: bool,
    limits: &Limits,
) -> Result<Option<usize>, Error> {
    let (seen, before) = (input.len().min(limits.head), *scanned);
    while let Some(found) = memchr(b'\n', &input[*scanned..seen]) {
        let lf = *scanned + found;
        if lf == 0 || input[lf - 1] != b'\r' {
            // Wherever the input is cut: what is wrong with the first line comes first.
            check_start(&input[..seen], 0, true)?;
            return Err(refused("A line of the request head does not end with CRLF."));
        }
        *scanned = lf + 1;
        if lf >= 3 && input[lf - 3..lf] == *b"\r\n\r" {
            return Ok(Some(lf + 1));
        }
    }
    let begun = std::mem::replace(scanned, seen);
    let is_long = input.len() >= limits.head;
    check_start(&input[..seen], before, begun > before || ended || is_long)?;
    if is_long {
        return Err(Error::new(Code::RequestHeaderSectionTooLarge));
    }
    Ok(None)
}

/// What cannot become a request is refused as soon as that is seen, so that nobody waits for the
/// rest of another protocol. Looks once at the first bytes, and once at the first line: `before` is
/// how much of `input` an earlier call has seen, `over` whether a line or all has ended since.
fn check_start(input: &[u8], before: usize, over: bool) -> Result<(), Error> {
    let first = memchr(b'\n', input).map_or(input.len(), |lf| lf + 1);
    if before == 0 || (over && first >= before) {
        return match httparse::Request::new(&mut []).parse(&input[..first]) {
            Ok(_) => Ok(()),
            Err(error) => Err(unreadable(error)),
        };
    }
    Ok(())
}

fn unreadable(error: httparse::Error) -> Error {
    match error {
        httparse::Error::Version => Error::new(Code::InvalidHTTPVersion),
        httparse::Error::TooManyHeaders => Error::new(Code::RequestHeaderSectionTooLarge),
        _ => refused("The request head is malformed."),
    }
}

/// A parsed head, borrowed from the input.
#[derive(Debug)]
pub(crate) struct Head<'h> {
    /// As it was sent.
    pub(crate) method: &'h str,
    /// As it was sent.
    pub(crate) target: &'h str,
    /// HTTP/1.0, not 1.1.
    pub(crate) old: bool,
    headers: &'h [Header<'h>],
    marks: Marks,
}

/// Headers that are given once, with the marks of their names.
const SINGLE: [(&str, u64); 13] = {
    let names = [
        "authorization",
        "content-md5",
        "content-type",
        "if-match",
        "if-none-match",
        "origin",
        "range",
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-copy-source-range",
        "x-amz-date",
        "x-amz-decoded-content-length",
        "x-amz-rename-source",
    ];
    let mut single = [("", 0); 13];
    let mut at = 0;
    while at < names.len() {
        single[at] = (names[at], mark(names[at].as_bytes()));
        at += 1;
    }
    single
};

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No Content-Length, no Transfer-Encoding: there is no body.
    None,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

impl<'h> Head<'h> {
    /// Parses a whole head (see [`end`]) and hands it to `then`.
    ///
    /// # Errors
    /// `InvalidRequest`, `InvalidHTTPVersion`, `RequestHeaderSectionTooLarge`.
    pub(crate) fn parse<T>(
        input: &[u8],
        limits: &Limits,
        then: impl FnOnce(&Head<'_>) -> T,
    ) -> Result<T, Error> {
        let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
        let headers = &mut headers[..limits.headers.min(MAX_HEADERS)];
        let mut request = httparse::Request::new(&mut []);
        match request.parse_with_uninit_headers(input, headers) {
            Ok(httparse::Status::Complete(used)) if used == input.len() => {}
            Err(error) => return Err(unreadable(error)),
            _ => return Err(refused("The request head is malformed.")),
        }
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(refused("The request head is malformed."));
        };
        let headers = &*request.headers;
        Ok(then(&Head { method, target, old: minor == 0, headers, marks: Marks::of(headers) }))
    }

    /// Headers that came in another way, as the fields of a form.
    pub(crate) fn of(headers: &'h [Header<'h>]) -> Self {
        Self { method: "", target: "", old: false, headers, marks: Marks::of(headers) }
    }

    /// With more headers; those that were sent come first. `all` is room for them.
    pub(crate) fn with<'a>(
        &'a self,
        more: &'a [(&'a str, &'a str)],
        all: &'a mut Vec<Header<'a>>,
    ) -> Head<'a> {
        let Self { method, target, old, headers, marks } = *self;
        if more.is_empty() {
            return Head { method, target, old, headers, marks };
        }
        all.extend_from_slice(headers);
        all.extend(more.iter().map(|(name, value)| Header { name, value: value.as_bytes() }));
        Head { method, target, old, headers: all, marks: Marks::of(all) }
    }

    /// The headers of that name. What is inlined is the look at the marks, which is a constant of
    /// the name: most names that are asked for are not there.
    #[inline(always)]
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'h Header<'h>> + use<'a, 'h> {
        let headers = if self.marks.may_have(name) { self.headers } else { &[] };
        headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name))
    }

    /// The first header of that name (lower case), trimmed. One that is not UTF-8 counts as absent;
    /// what is to be kept is [`Head::text`].
    #[inline]
    pub(crate) fn get(&self, name: &str) -> Option<&'h str> {
        if self.marks.may_have(name) { self.find_text(name) } else { None }
    }

    /// As [`Head::get`], any bytes.
    #[inline]
    pub(crate) fn bytes(&self, name: &str) -> Option<&'h [u8]> {
        if self.marks.may_have(name) { self.find(name) } else { None }
    }

    fn find(&self, name: &str) -> Option<&'h [u8]> {
        self.all(name).next().map(|header| trim_bytes(header.value))
    }

    fn find_text(&self, name: &str) -> Option<&'h str> {
        self.find(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// As [`Head::get`]; empty counts as absent.
    #[inline]
    pub(crate) fn filled(&self, name: &str) -> Option<&'h str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The first header of that name as it is to be kept (see [`raw::keep`]); empty counts as
    /// absent.
    #[inline]
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        Some(raw::keep(self.bytes(name)?).into_owned()).filter(|text| !text.is_empty())
    }

    /// Whether the name of a header may begin so; if not, none does. `prefix` begins with `x-amz-`
    /// and has three bytes more or more.
    pub(crate) fn may_begin(&self, prefix: &str) -> bool {
        self.marks.may_begin(prefix)
    }

    /// All headers whose name begins so (lower case, see [`Head::may_begin`]): the rest of the name
    /// in lower case, and the value as it is to be kept (see [`raw::keep`]).
    pub(crate) fn with_prefix(&self, prefix: &str) -> Vec<(String, Cow<'h, str>)> {
        let mut found = Vec::new();
        if !self.marks.may_begin(prefix) {
            return found;
        }
        for header in self.headers {
            let (Some(start), Some(rest)) =
                (header.name.get(..prefix.len()), header.name.get(prefix.len()..))
            else {
                continue;
            };
            if start.eq_ignore_ascii_case(prefix) {
                found.push((rest.to_ascii_lowercase(), raw::keep(trim_bytes(header.value))));
            }
        }
        found
    }

    /// All lines, names and values as they were sent, in their order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&'h str, &'h [u8])> {
        self.headers.iter().map(|header| (header.name, header.value))
    }

    /// Whether a header of that name is there.
    #[inline]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.marks.may_have(name) && self.find(name).is_some()
    }

    /// The comma-separated words of that header.
    #[inline]
    pub(crate) fn words<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = &'h [u8]> + use<'a, 'h> {
        self.all(name).flat_map(|h| h.value.split(|b| *b == b',')).map(<[u8]>::trim_ascii)
    }

    /// Whether one of the words of that header is `word`.
    #[inline]
    pub(crate) fn has_word(&self, name: &str, word: &str) -> bool {
        self.words(name).any(|w| w.eq_ignore_ascii_case(word.as_bytes()))
    }

    /// Refuses a header that decides something and stands twice: nobody knows which one counts.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub(crate) fn check_single(&self) -> Result<(), Error> {
        let twice =
            |(name, mark): &&(&str, u64)| self.marks.twice & mark != 0 && self.count(name) > 1;
        match SINGLE.iter().find(twice) {
            Some((name, _)) => Err(Error::new(Code::InvalidRequest)
                .message(format!("The header {name} is given more than once."))),
            None => Ok(()),
        }
    }

    /// The one Host header.
    ///
    /// # Errors
    /// `InvalidRequest` if there are two, or none in HTTP/1.1 (RFC 9112, section 3.2), or one that
    /// no host can be.
    pub(crate) fn host(&self) -> Result<Option<&'h str>, Error> {
        let mut all = self.all("host");
        match (all.next(), all.next()) {
            (None, _) if !self.old => Err(refused("The request has no Host header.")),
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(refused("The request has more than one Host header.")),
            (Some(host), None) => match std::str::from_utf8(trim_bytes(host.value)) {
                Ok(host) => Ok(Some(host)),
                Err(_) => Err(refused("The Host is malformed.")),
            },
        }
    }

    /// How the body is delimited (RFC 9112, section 6). Anything that two parsers could read in
    /// two ways is refused.
    ///
    /// # Errors
    /// `InvalidRequest`; `NotImplemented` for another coding than `chunked`.
    pub(crate) fn framing(&self) -> Result<Framing, Error> {
        let (lengths, codings) = (self.count("content-length"), self.count("transfer-encoding"));
        match (lengths, codings) {
            (0, 0) => Ok(Framing::None),
            (1, 0) => {
                let value = self.get("content-length").unwrap_or_default();
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                match value.parse() {
                    Ok(length) if digits => Ok(Framing::Length(length)),
                    _ => Err(refused("The Content-Length is not a number.")),
                }
            }
            (0, 1) if self.old => Err(refused("HTTP/1.0 has no Transfer-Encoding.")),
            (0, 1) => match self.get("transfer-encoding") {
                Some(coding) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
                _ => Err(Error::new(Code::NotImplemented)
                    .message("The only Transfer-Encoding understood here is chunked.")),
            },
            _ => Err(refused("The length of the body is given more than once.")),
        }
    }

    #[inline]
    fn count(&self, name: &str) -> usize {
        self.all(name).count()
    }
}

/// Without the spaces and tabs around it (RFC 9110, section 5.6.3); other white space is text.
fn trim_bytes(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

fn refused(why: &'static str) -> Error {
    Error::new(Code::InvalidRequest).message(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Framing, u16> {
        let limits = Limits::default();
        let parsed = end(text.as_bytes(), &mut 0, false, &limits).and_then(|found| {
            assert_eq!(found, Some(text.len()), "{text:?}");
            Head::parse(text.as_bytes(), &limits, |head| {
                head.host()?;
                head.framing()
            })?
        });
        parsed.map_err(|e| e.code().status())
    }

    #[test]
    fn refusals() {
        // What RFC 9112 lets two parsers read differently is refused, and the rest is read.
        let head = |lines: &str| check(&format!("GET /b HTTP/1.1\r\n{lines}\r\n"));
        assert_eq!(head("Host: x\r\n"), Ok(Framing::None));
        assert_eq!(head("Host: x\r\nContent-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(head("Host: x\r\nTransfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        for bad in [
            "",
            "Host: x\r\nHost: x\r\n",
            "Host: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n",
            "Host: x\r\nContent-Length: 5, 5\r\n",
            "Host: x\r\nContent-Length: +5\r\n",
            "Host: x\r\nContent-Length: -5\r\n",
            "Host: x\r\nContent-Length: 0x5\r\n",
            "Host: x\r\nContent-Length:\r\n",
            "Host: x\r\nContent-Length: 99999999999999999999\r\n",
            "Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Host : x\r\n",
            "Host: x\r\n folded\r\n",
            "Host: x\r\nA: b\0c\r\n",
            "Host: x\r\nA: b\rc\r\n",
            "Host: x\r\nA b: c\r\n",
            "Host: x\r\n: c\r\n",
            "Host: x\r\nnothing\r\n",
        ] {
            assert_eq!(head(bad), Err(400), "{bad:?}");
        }
        assert_eq!(head("Host: x\r\nTransfer-Encoding: gzip, chunked\r\n"), Err(501));
        assert_eq!(check("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), Err(505));
        assert_eq!(check("GET / HTTP/1.0\r\n\r\n"), Ok(Framing::None));
        assert_eq!(check("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400));
        assert_eq!(check("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), Err(400));
    }

    #[test]
    fn names() {
        // A header is found by its name and by any start of that, in any case of letters; what
        // only begins or ends alike is not.
        let text = b"PUT / HTTP/1.1\r\nHost: x\r\nX-AMZ-Meta-A:  1 \r\nx-amz-META-b: 2\r\n\
            x-amz-acl: private\r\nETag: 3\r\n\r\n";
        let found = Head::parse(text, &Limits::default(), |head| {
            for (name, value) in [("x-amz-meta-a", "1"), ("x-amz-acl", "private"), ("etag", "3")] {
                assert_eq!((head.get(name), head.has(name)), (Some(value), true));
            }
            for none in ["x-amz-meta-", "x-amz-meta-c", "x-amz-ac", "tag", "", "x-amz-tagging"] {
                assert_eq!((head.get(none), head.has(none)), (None, false), "{none:?}");
            }
            assert!(head.with_prefix("x-amz-grant-").is_empty());
            assert!(head.with_prefix("x-amz-checksum-").is_empty());
            let found = head.with_prefix("x-amz-meta-");
            assert_eq!(found, [("a".into(), "1".into()), ("b".into(), "2".into())]);
        });
        assert!(found.is_ok());
    }

    #[test]
    fn hosts_that_are_no_text() {
        // A Host that cannot be read is refused, also where there need be none.
        let host = |version: &str| {
            let text = [format!("GET / {version}\r\nHost: ").as_bytes(), b"\xff\r\n\r\n"].concat();
            Head::parse(&text, &Limits::default(), |head| head.host().map(drop)).unwrap()
        };
        assert!(host("HTTP/1.1").is_err());
        assert!(host("HTTP/1.0").is_err());
    }

    #[test]
    fn ends() {
        // The end is found wherever the input is cut; a bare LF and a long head are refused early.
        let limits = Limits { head: 40, ..Limits::default() };
        let text = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nmore";
        for cut in 0..=text.len() {
            let mut scanned = 0;
            let early = end(&text[..cut], &mut scanned, false, &limits).unwrap();
            assert_eq!(early, (cut >= 27).then_some(27), "cut at {cut}");
            if early.is_none() {
                assert_eq!(end(text, &mut scanned, false, &limits).unwrap(), Some(27));
            }
        }
        assert!(end(b"GET / HTTP/1.1\nHost", &mut 0, false, &limits).is_err());
        assert!(end(b"\n", &mut 0, false, &limits).is_err());
        assert!(end(&[b'a'; 39], &mut 0, false, &limits).is_ok());
        assert!(end(&[b'a'; 40], &mut 0, false, &limits).is_err());
    }

    #[test]
    fn long_and_malformed() {
        // A first line over the limit that is no request line either is refused for the same
        // reason wherever it is cut (found by fuzzing).
        let limits = Limits { head: 40, ..Limits::default() };
        for text in
            [&b"GET /\0-and-so-on-beyond-the-limit-of-all HTTP/1.1\r\n\r\n"[..], &[b'/'; 50]]
        {
            let said = |result: Result<Option<usize>, Error>| result.map_err(|e| e.code());
            let whole = said(end(text, &mut 0, false, &limits));
            for cut in 1..text.len() {
                let scanned = &mut 0;
                let early = said(end(&text[..cut], scanned, false, &limits));
                let cut_off = match early {
                    Ok(None) => said(end(text, scanned, false, &limits)),
                    refused => refused,
                };
                assert_eq!(cut_off, whole, "cut at {cut}");
            }
        }
    }
}
