//! A client of the standard library only.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

pub(crate) struct Client {
    socket: TcpStream,
    unread: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, unread: Vec::new() }
    }

    /// The same connection, to send from another thread.
    pub(crate) fn another(&self) -> Self {
        Self { socket: self.socket.try_clone().unwrap(), unread: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes)
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
        let count = self.socket.read(&mut bytes)?;
        self.unread.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
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
