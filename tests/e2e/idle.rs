//! What a connection costs while nothing happens on it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::server::{Runtime, Server, Setup};

on_every_runtime!(with std::convert::identity; memory);

/// Those that are there before anything is counted, so that what a server has once is not.
const FIRST: usize = 200;

const MORE: usize = 2000;

/// 10,000 of them and the server itself are to need 20 MiB, give or take what the allocator does.
const BYTES: usize = 1700;

fn memory(runtime: &Runtime) {
    // A connection that has had its answer and may ask again needs little memory.
    let connections = format!("--max-connections={}", FIRST + MORE);
    let server = Setup::new(*runtime).arg(connections).start();
    let first: Vec<_> = (0..FIRST).map(|_| asked(&server)).collect();
    let before = resident(&server);
    let more: Vec<_> = (0..MORE).map(|_| asked(&server)).collect();
    let each = resident(&server).saturating_sub(before) / MORE;
    assert!(each <= BYTES, "{each} bytes each");
    for mut socket in first.into_iter().chain(more).step_by(100) {
        ask(&mut socket);
    }
}

fn asked(server: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    ask(&mut socket);
    socket
}

fn ask(socket: &mut TcpStream) {
    socket.write_all(b"HEAD /bench HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let count = socket.read(&mut answer).unwrap();
    assert!(answer[..count].starts_with(b"HTTP/1.1 200 "));
}

/// Bytes.
fn resident(server: &Server) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
}
