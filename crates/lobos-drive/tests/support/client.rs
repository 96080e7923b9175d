//! A client of the standard library, and of rustls for TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ClientConnection;

use super::tls;

pub(crate) struct Client {
    socket: TcpStream,
    tls: Option<Arc<Mutex<ClientConnection>>>,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, secure: bool) -> Self {
        if secure {
            return Self::secure(address, tls::client()).unwrap();
        }
        Self { socket: connect(address), tls: None, unread: Vec::new() }
    }

    /// As far as the handshake goes.
    pub(crate) fn secure(
        address: SocketAddr,
        mut connection: ClientConnection,
    ) -> io::Result<Self> {
        let mut socket = connect(address);
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        let tls = Some(Arc::new(Mutex::new(connection)));
        Ok(Self { socket, tls, unread: Vec::new() })
    }

    /// The same connection, to send from another thread.
    pub(crate) fn another(&self) -> Self {
        let (socket, tls) = (self.socket.try_clone().unwrap(), self.tls.clone());
        Self { socket, tls, unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &self.tls else { return self.socket.write_all(bytes) };
        for piece in bytes.chunks(16 << 10) {
            let mut records = Vec::new();
            let mut connection = tls.lock().unwrap();
            connection.writer().write_all(piece)?;
            while connection.wants_write() {
                connection.write_tls(&mut records)?;
            }
            drop(connection);
            self.socket.write_all(&records)?;
        }
        Ok(())
    }

    pub(crate) fn half_close(&self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(request("GET", path, "").as_bytes());
        self.answer(false)
    }

    pub(crate) fn head(&mut self, path: &str) -> Answer {
        self.send(request("HEAD", path, "").as_bytes());
        self.answer(true)
    }

    pub(crate) fn put(&mut self, path: &str, body: &[u8]) -> Answer {
        let length = format!("Content-Length: {}\r\n", body.len());
        let mut bytes = request("PUT", path, &length).into_bytes();
        bytes.extend_from_slice(body);
        self.send(&bytes);
        self.answer(false)
    }

    /// The next answer; `bare` if it has no body whatever it says.
    pub(crate) fn answer(&mut self, bare: bool) -> Answer {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.fill().unwrap() > 0, "closed before an answer");
        };
        let head = String::from_utf8(self.unread.drain(..end).collect()).unwrap();
        let status = head[9..12].parse().unwrap();
        let length = header(&head, "content-length").map_or(0, |v| v.parse::<usize>().unwrap());
        let length = if bare { 0 } else { length };
        while self.unread.len() < length {
            assert!(self.fill().unwrap() > 0, "closed within a body");
        }
        Answer { status, head, body: self.unread.drain(..length).collect() }
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill().is_ok_and(|count| count > 0) {}
        std::mem::take(&mut self.unread)
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 65536];
        loop {
            let count = self.socket.read(&mut bytes)?;
            let Some(tls) = &self.tls else {
                self.unread.extend_from_slice(&bytes[..count]);
                return Ok(count);
            };
            let (mut connection, before) = (tls.lock().unwrap(), self.unread.len());
            let mut records = &bytes[..count];
            loop {
                connection.read_tls(&mut records)?;
                connection.process_new_packets().map_err(io::Error::other)?;
                match connection.reader().read_to_end(&mut self.unread) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
                if records.is_empty() {
                    break;
                }
            }
            // A record may have no bytes for us.
            if count == 0 || self.unread.len() > before {
                return Ok(self.unread.len() - before);
            }
        }
    }

    /// Sends these bytes in a record that does not decrypt.
    pub(crate) fn garble(&mut self, bytes: &[u8]) {
        let mut connection = self.tls.as_ref().unwrap().lock().unwrap();
        connection.writer().write_all(bytes).unwrap();
        let mut records = Vec::new();
        connection.write_tls(&mut records).unwrap();
        *records.last_mut().unwrap() ^= 1;
        self.socket.write_all(&records).unwrap();
    }

    /// Says that nothing follows.
    pub(crate) fn say_goodbye(&mut self) {
        let mut connection = self.tls.as_ref().unwrap().lock().unwrap();
        connection.send_close_notify();
        connection.write_tls(&mut self.socket).unwrap();
    }

    /// Reads to the end, and whether the server has said that nothing follows.
    pub(crate) fn has_goodbye(&mut self) -> bool {
        loop {
            match self.fill() {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        let mut connection = self.tls.as_ref().unwrap().lock().unwrap();
        connection.reader().read(&mut [0]).is_ok_and(|count| count == 0)
    }

    /// Reads one piece of what is there, and throws it away.
    pub(crate) fn sip(&mut self) {
        let mut bytes = [0; 100];
        let _ = self.socket.read(&mut bytes);
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

pub(crate) fn request(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
