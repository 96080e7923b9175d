//! An HTTP/1.1 client that sends whatever a test wants and reads what RFC 9112 says. It checks on
//! every answer what must always hold.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use rustls::ClientConnection;

use super::certificate;
use super::server::PATIENCE;
use super::well_formed::well_formed;
use super::xml;

const XML: &str = "application/xml";

/// A request under construction.
#[derive(Clone)]
pub(crate) struct Request {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    sized: bool,
    secure: bool,
}

impl Request {
    pub(crate) fn new(address: SocketAddr, method: &str, target: &str) -> Self {
        Self {
            secure: false,
            address,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: vec![("Host".to_owned(), address.to_string())],
            body: Vec::new(),
            sized: matches!(method, "PUT" | "POST"),
        }
    }

    /// By TLS.
    pub(crate) fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Adds a header; Host replaces the one that is there anyway.
    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        if name.eq_ignore_ascii_case("host") {
            self.headers.remove(0);
            self.headers.insert(0, (name.to_owned(), value.to_string()));
        } else {
            self.headers.push((name.to_owned(), value.to_string()));
        }
        self
    }

    /// The body, announced by Content-Length.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self.sized = true;
        self
    }

    /// The body as it is, with no Content-Length: another header says where it ends.
    pub(crate) fn unsized_body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self.sized = false;
        self
    }

    /// Request line and headers with the empty line, without the body.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.sized {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }

    /// Sends it on a connection of its own.
    pub(crate) fn send(&self) -> Response {
        self.on(&mut Connection::open(self.address, self.secure))
    }

    /// Sends it as the last one of a connection of its own; `None` if there is none or it ends
    /// before a whole answer has come. It must end.
    pub(crate) fn attempt(&self) -> Option<Response> {
        let last = self.clone().header("Connection", "close");
        let stream = TcpStream::connect(self.address).ok()?;
        let mut connection = Connection::of(stream);
        // Who is refused early may find the connection closed.
        connection.stream.write_all(&last.bytes()).ok();
        if let Err(error) = connection.stream.read_to_end(&mut connection.buffer) {
            let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!waited, "neither an answer nor an end");
        }
        connection.is_whole(&self.method).then(|| connection.response(&self.method))
    }

    /// Sends it on this connection and reads the answer.
    pub(crate) fn on(&self, connection: &mut Connection) -> Response {
        connection.write(self.bytes());
        connection.response(&self.method)
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header that may stand once.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "two {name} in {self:?}");
        value
    }

    /// The value of a header that must be there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.find(name).unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The texts of all elements of this name in the XML body.
    pub(crate) fn all(&self, element: &str) -> Vec<String> {
        xml::all(self.text(), element)
    }

    /// The text of the element that stands once in the XML body.
    pub(crate) fn one(&self, element: &str) -> String {
        let mut all = self.all(element);
        assert_eq!(all.len(), 1, "<{element}> in {}", self.text());
        all.remove(0)
    }

    /// Insists on a status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body[..self.body.len().min(2000)]);
        assert_eq!(self.status, status, "{:?} {body}", self.headers);
        self
    }

    /// Insists on an error in the shape that S3 gives it.
    #[track_caller]
    pub(crate) fn error(self, status: u16, code: &str) -> Self {
        let this = self.expect(status).refusal();
        assert_eq!(this.one("Code"), code, "{}", this.text());
        this
    }

    /// Insists on some error (4xx, 501 or 505) in the shape that S3 gives it.
    #[track_caller]
    pub(crate) fn refusal(self) -> Self {
        let refused = (400..500).contains(&self.status) || [501, 505].contains(&self.status);
        assert!(refused, "{} {}", self.status, String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("Content-Type"), XML);
        let start = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>";
        assert!(self.text().starts_with(start), "{}", self.text());
        assert!(self.text().trim_end().ends_with("</Error>"), "{}", self.text());
        assert!(!self.one("Message").is_empty());
        assert_eq!(self.one("RequestId"), self.header("x-amz-request-id"));
        assert!(!self.one("HostId").is_empty());
        self
    }
}

/// One TCP connection and what has arrived on it.
pub(crate) struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).unwrap())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, tls: None, buffer: Vec::new() }
    }

    /// With TLS or without.
    pub(crate) fn open(address: SocketAddr, secure: bool) -> Self {
        let mut connection = Self::new(address);
        if secure {
            connection.tls = Some(Box::new(certificate::client()));
        }
        connection
    }

    /// Sends these bytes.
    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_write(bytes.as_ref()).unwrap();
    }

    /// Sends these bytes, if the server still takes any.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return self.stream.write_all(bytes) };
        while tls.is_handshaking() {
            tls.complete_io(&mut self.stream)?;
        }
        for piece in bytes.chunks(16 << 10) {
            tls.writer().write_all(piece)?;
            while tls.wants_write() {
                tls.write_tls(&mut self.stream)?;
            }
        }
        Ok(())
    }

    /// Sends these bytes, `size` at a time with a pause after each piece.
    pub(crate) fn write_in_pieces(&mut self, bytes: &[u8], size: usize, pause: Duration) {
        for piece in bytes.chunks(size) {
            self.write(piece);
            std::thread::sleep(pause);
        }
    }

    /// Says that nothing more will be sent; answers are still read.
    pub(crate) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Vanishes without a word: the other side gets a reset.
    pub(crate) fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }

    /// Whether nothing arrives for a moment.
    pub(crate) fn is_silent(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let silent = self.buffer.is_empty() && {
            let got = self.stream.peek(&mut [0]);
            got.is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
        };
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        silent
    }

    /// Whether the server closes the connection and sends nothing more before.
    pub(crate) fn is_closed(&mut self) -> bool {
        assert!(self.buffer.is_empty(), "{}", String::from_utf8_lossy(&self.buffer));
        match self.try_fill() {
            Ok(more) => !more,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }

    /// Reads an interim answer (100 Continue), which has no headers that matter.
    pub(crate) fn interim(&mut self) -> u16 {
        let (status, _) = self.head();
        assert!((100..200).contains(&status), "{status} is final");
        status
    }

    /// Reads the answer to a request with this method.
    pub(crate) fn response(&mut self, method: &str) -> Response {
        let (status, headers) = self.head();
        let mut response = Response { status, headers, body: Vec::new() };
        assert!(status >= 200, "unexpected interim {status}");
        assert!(!response.header("x-amz-request-id").is_empty());
        assert!(response.header("Date").ends_with(" GMT"));
        assert_eq!(response.find("Transfer-Encoding"), None);
        if method == "HEAD" || status == 204 || status == 304 {
            return response;
        }
        let length: usize = response.header("Content-Length").parse().unwrap();
        while self.buffer.len() < length {
            assert!(self.fill(), "the body ends early: {} of {length}", self.buffer.len());
        }
        response.body = self.buffer.drain(..length).collect();
        let is_object = response.find("Accept-Ranges").is_some();
        if !is_object && !response.body.is_empty() && response.header("Content-Type") == XML {
            well_formed(response.text());
        }
        response
    }

    /// Whether a whole answer to a request with this method has arrived.
    fn is_whole(&self, method: &str) -> bool {
        let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") else {
            return false;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.filter(|_| method != "HEAD").map_or(0, |l| l.parse().unwrap());
        self.buffer.len() - end - 4 >= length
    }

    fn head(&mut self) -> (u16, Vec<(String, String)>) {
        let is_control = |c: char| c.is_ascii_control() && c != '\t';
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            let so_far = String::from_utf8_lossy(&self.buffer).into_owned();
            assert!(self.fill(), "closed instead of an answer; so far: {so_far:?}");
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let first = lines.next().unwrap();
        let status = first.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let split = |line: &str| {
            let (name, value) = line.split_once(": ").expect(line);
            let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            assert!(name.bytes().all(token) && !value.contains(is_control), "{line:?}");
            (name.to_owned(), value.trim().to_owned())
        };
        (status, lines.map(split).collect())
    }

    /// Reads more; false at the end of the stream.
    fn fill(&mut self) -> bool {
        self.try_fill().unwrap()
    }

    /// [`Connection::fill`], unless the connection breaks.
    pub(crate) fn try_fill(&mut self) -> io::Result<bool> {
        let mut block = vec![0; 256 << 10];
        loop {
            let count = self.stream.read(&mut block)?;
            let Some(tls) = &mut self.tls else {
                self.buffer.extend_from_slice(&block[..count]);
                return Ok(count > 0);
            };
            let (mut records, before) = (&block[..count], self.buffer.len());
            loop {
                tls.read_tls(&mut records)?;
                tls.process_new_packets().map_err(io::Error::other)?;
                match tls.reader().read_to_end(&mut self.buffer) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
                if records.is_empty() {
                    break;
                }
            }
            if count == 0 || self.buffer.len() > before {
                return Ok(self.buffer.len() > before);
            }
        }
    }

    /// Reads at least `count` more bytes of a body that is read by hand.
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert!(self.fill(), "ended after {} of {count}", self.buffer.len());
        }
        self.buffer.drain(..count).collect()
    }

    /// Everything that arrives until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.try_fill().unwrap_or_default() {}
        std::mem::take(&mut self.buffer)
    }

    /// The status of an answer without a body; `None` if the connection ends before it.
    pub(crate) fn try_status(&mut self) -> Option<u16> {
        while !self.buffer.windows(4).any(|w| w == b"\r\n\r\n") {
            if !self.try_fill().unwrap_or_default() {
                return None;
            }
        }
        Some(self.head().0)
    }

    /// Reads a head only; the body is left for [`Connection::read`].
    pub(crate) fn response_head(&mut self) -> Response {
        let (status, headers) = self.head();
        Response { status, headers, body: Vec::new() }
    }
}
