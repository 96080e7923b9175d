//! Writes answers: the status line, the headers every answer has, bodies of XML.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::Write;

use super::raw;
use crate::s3::digits::{Decimal, hex};
use crate::s3::xml::Xml;
use crate::{Checksum, Code, ETag, Error, Now, Timestamp};

/// The region of a server that has none.
pub(crate) const US_EAST_1: &str = "us-east-1";

/// What an answer must know of the request.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    /// 16 hex digits, x-amz-request-id.
    pub(crate) request_id: u64,
    /// The path of the request, as it was sent.
    pub(crate) resource: &'c str,
    /// The host that the request names, as it was sent; empty if there was none.
    pub(crate) host: &'c str,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// HEAD: no body goes out.
    pub(crate) head: bool,
    /// HTTP/1.0.
    pub(crate) old: bool,
    /// The connection stays.
    pub(crate) keep: bool,
    pub(crate) now: Now,
    /// Where the server is.
    pub(crate) region: &'c str,
    /// Whose the buckets are: the access key that the request names.
    pub(crate) owner: &'c str,
    /// Headers for the web page that asks, if it may read the answer.
    pub(crate) cors: &'c [(&'static str, String)],
}

/// One answer under construction.
pub(crate) struct Answer<'a> {
    out: &'a mut Vec<u8>,
    context: &'a Context<'a>,
}

impl<'a> Answer<'a> {
    /// Begins an answer with the headers that all have.
    pub(crate) fn new(out: &'a mut Vec<u8>, context: &'a Context<'a>, status: u16) -> Self {
        let mut answer = Self { out, context };
        let id = context.request_id;
        // The head of an object without metadata has about 400 bytes.
        answer.out.reserve(512);
        for part in [
            b"HTTP/1.1 ",
            Decimal::from(u64::from(status)).as_str().as_bytes(),
            b" ",
            reason(status).as_bytes(),
            b"\r\nx-amz-request-id: ",
            &hex(id, b"0123456789ABCDEF"),
            b"\r\nx-amz-id-2: ",
            &hex(id, b"0123456789abcdef"),
            b"\r\nDate: ",
            &Timestamp::from(context.now.wall).http(),
            b"\r\nServer: Lobos\r\n",
        ] {
            answer.out.extend_from_slice(part);
        }
        match (context.keep, context.old) {
            (false, _) => answer.header("Connection", "close"),
            (true, true) => answer.header("Connection", "keep-alive"),
            (true, false) => {}
        }
        for (name, value) in context.cors {
            answer.header(name, value);
        }
        answer
    }

    /// The id and name of the owner of everything.
    pub(crate) fn owner(&self) -> &'a str {
        self.context.owner
    }

    /// The region of the server, and so of every bucket.
    pub(crate) fn region(&self) -> &'a str {
        self.context.region
    }

    /// Whether that header is there for the web page that asks.
    pub(crate) fn has_cors(&self, name: &str) -> bool {
        self.context.cors.iter().any(|(cors, _)| *cors == name)
    }

    /// Adds a header. The value must not hold a line end: what comes from clients is checked when
    /// it is parsed. In what a store has from elsewhere, such signs become spaces here rather than
    /// splitting the answer.
    pub(crate) fn header<V: Value>(&mut self, name: &str, value: V) {
        let start = self.out.len();
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        value.write(self.out);
        // Without a branch for each byte.
        let odd = |odd, b: &u8| odd | (*b < b' ') | (*b == 0x7f) | (*b == raw::LEAD);
        if !V::IS_PLAIN && self.out[start..].iter().fold(false, odd) {
            self.mend(start);
        }
        self.out.extend_from_slice(b"\r\n");
    }

    /// Adds whole lines that are written here, each with its end: nothing of them is of a client.
    pub(crate) fn lines(&mut self, lines: &'static str) {
        self.out.extend_from_slice(lines.as_bytes());
    }

    /// A header that has characters for other bytes, or what no header can have.
    fn mend(&mut self, start: usize) {
        if self.out[start..].contains(&raw::LEAD) {
            let line = String::from_utf8_lossy(&self.out[start..]).into_owned();
            self.out.truncate(start);
            self.out.extend_from_slice(&raw::bytes(&line));
        }
        // As RFC 9110 says it (section 5.5); some clients give up an answer for other signs, too.
        let controls = self.out[start..].iter_mut().filter(|b| b.is_ascii_control());
        controls.filter(|b| **b != b'\t').for_each(|b| *b = b' ');
    }

    /// The URL of the request without its query, as the client addressed it.
    pub(crate) fn location(&self) -> String {
        match (self.context.host, self.context.resource) {
            ("", path) => path.to_owned(),
            (host, path) => format!("{}://{host}{path}", self.context.scheme),
        }
    }

    /// Ends the head.
    pub(crate) fn end(self) {
        self.out.extend_from_slice(b"\r\n");
    }

    /// An answer without a body, whose length is said.
    pub(crate) fn empty(mut self) {
        self.header("Content-Length", 0_u64);
        self.end();
    }

    /// An answer with a body of XML.
    pub(crate) fn document(mut self, xml: Xml) {
        self.header("Content-Type", "application/xml");
        self.body(xml.bytes());
    }

    /// An answer with this body.
    pub(crate) fn body(mut self, body: &[u8]) {
        self.header("Content-Length", body.len());
        let (out, head) = (&mut *self.out, self.context.head);
        out.extend_from_slice(b"\r\n");
        if !head {
            out.extend_from_slice(body);
        }
    }
}

/// What can be the value of a header.
pub(crate) trait Value {
    /// Whatever the value is, it has no character that a header cannot have; the name then is one
    /// of ours.
    const IS_PLAIN: bool = false;

    /// Writes it behind what is there.
    fn write(&self, out: &mut Vec<u8>);
}

impl Value for str {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

impl Value for String {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_str().write(out);
    }
}

impl Value for Cow<'_, str> {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_ref().write(out);
    }
}

impl Value for u64 {
    const IS_PLAIN: bool = true;

    fn write(&self, out: &mut Vec<u8>) {
        Decimal::from(*self).as_str().write(out);
    }
}

impl Value for usize {
    const IS_PLAIN: bool = true;

    fn write(&self, out: &mut Vec<u8>) {
        (*self as u64).write(out);
    }
}

impl Value for Checksum {
    fn write(&self, out: &mut Vec<u8>) {
        format_args!("{self}").write(out);
    }
}

/// A moment, as HTTP writes it
impl Value for Timestamp {
    const IS_PLAIN: bool = true;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.http());
    }
}

/// With its quotes
impl Value for ETag {
    fn write(&self, out: &mut Vec<u8>) {
        for part in ["\"", self.as_str(), "\""] {
            part.write(out);
        }
    }
}

impl Value for Arguments<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = out.write_fmt(*self);
    }
}

impl<T: Value + ?Sized> Value for &T {
    const IS_PLAIN: bool = T::IS_PLAIN;

    fn write(&self, out: &mut Vec<u8>) {
        (*self).write(out);
    }
}

/// Writes an error: S3's XML, or only the head for HEAD and 304.
pub(crate) fn error(out: &mut Vec<u8>, context: &Context<'_>, error: &Error) {
    let mut answer = Answer::new(out, context, error.code().status());
    let extra = error.extra();
    if error.code() == Code::NotModified {
        if let Some(etag) = extra.and_then(|e| e.etag) {
            answer.header("ETag", etag);
        }
        if let Some(modified) = extra.and_then(|e| e.modified) {
            answer.header("Last-Modified", modified);
        }
        return answer.end();
    }
    if matches!(error.code(), Code::SlowDown | Code::ServiceUnavailable) {
        answer.header("Retry-After", 1_u64);
    }
    if let Some(methods) = extra.and_then(|e| e.allow) {
        answer.header("Allow", methods);
    }
    if let Some(size) = extra.and_then(|e| e.size) {
        answer.header("Content-Range", format_args!("bytes */{size}"));
    }
    if context.head {
        answer.header("Content-Type", "application/xml");
        return answer.end();
    }
    let mut xml = Xml::new();
    xml.open("Error");
    xml.text("Code", error.code().as_str());
    xml.sentence("Message", error.sentence());
    for (name, value) in extra.into_iter().flat_map(|e| &e.elements) {
        xml.text(name, value);
    }
    xml.text("Resource", context.resource);
    xml.display("RequestId", format_args!("{:016X}", context.request_id));
    xml.display("HostId", format_args!("{:016x}", context.request_id));
    xml.close("Error");
    answer.document(xml);
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        303 => "See Other",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        416 => "Requested Range Not Satisfiable",
        417 => "Expectation Failed",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        // Every status that an error can have has its own phrase.
        for code in Code::ALL {
            assert_ne!(reason(code.status()), "Status", "{code:?}");
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "an Instant cannot be made in another way")]
    fn no_splitting() {
        // A value with a line end cannot add a header of its own, and no value has other signs
        // than a header can have.
        let now = Now { instant: std::time::Instant::now(), wall: std::time::UNIX_EPOCH };
        let context = Context {
            request_id: 1,
            resource: "/",
            host: "",
            scheme: "http",
            head: false,
            old: false,
            keep: true,
            now,
            region: US_EAST_1,
            owner: "",
            cors: &[],
        };
        let mut out = Vec::new();
        let mut answer = Answer::new(&mut out, &context, 200);
        answer.header("A", "b\r\nEvil: 1\r\n\r\n<html>");
        answer.header("B", "\0a\tb\u{1}c\u{7f}");
        answer.empty();
        let text = String::from_utf8(out).unwrap();
        let lines = "\r\nA: b  Evil: 1    <html>\r\nB:  a\tb c \r\nContent-Length: 0\r\n\r\n";
        assert!(text.ends_with(lines), "{text:?}");
    }
}
