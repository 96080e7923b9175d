//! Turns of a connection over a real socket.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::{ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use lobos_drive::{
    Buffer, Listener, Readiness, SCRATCH, Server, Session, SystemClock, Turn, Wake, turn,
};
use lobos_proto::Clock;
use support::store::Memory;

const CHUNK: usize = 64 << 10;

/// More than a turn takes.
const CHUNKS: usize = 64;

/// Uploads [`CHUNKS`] chunks to this path while `look` is called after each turn; how many turns
/// that took.
fn upload(path: &str, mut look: impl FnMut(&mut Session)) -> usize {
    let store = Memory::default();
    let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let (_, service) = Server::new(listener, Arc::default(), Arc::new(store.clone())).open();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (socket, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    client.set_nonblocking(true).unwrap();
    let head = support::client::request("PUT", path, "Transfer-Encoding: chunked\r\n");
    let chunk = [&b"10000\r\n"[..], &[b'x'; CHUNK], b"\r\n"].concat();
    let body = [head.into_bytes(), chunk.repeat(CHUNKS), b"0\r\n\r\n".to_vec()].concat();
    let mut session = service.session(&service.place(), SystemClock.now());
    let (mut scratch, mut sent, mut turns) = (service.scratch(), 0, 0);
    let mut wake = Wake::Ready;
    while store.get(&path[1..]).is_none() {
        match client.write(&body[sent..]) {
            Ok(count) => sent += count,
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
        let mut ready = Readiness { readable: true, writable: true, hung_up: false };
        let now = SystemClock.now();
        wake = match turn(&socket, &mut session, &mut ready, &mut scratch, wake, now) {
            Turn::Read | Turn::Again => Wake::Ready,
            Turn::Late(job) => Wake::Late(job),
            _ => panic!("neither waits for bytes nor for others"),
        };
        if matches!(wake, Wake::Ready) {
            look(&mut session);
        }
        turns += 1;
        assert!(turns < 100_000);
    }
    assert_eq!(store.get(&path[1..]).unwrap().len(), CHUNKS * CHUNK);
    turns
}

#[test]
fn no_body_is_kept() {
    // A turn that ends in the middle of a chunked body has no more in memory than part of a line:
    // whatever else was received is in the sink.
    let turns = upload("/b/k", |session| {
        // What was kept is put into this, or it panics.
        session.lend(Buffer::with_capacity(100));
        session.reclaim();
    });
    assert!(turns >= CHUNKS / 16, "{turns}");
}

#[test]
fn uploads_that_go_together_come_on_together() {
    // An upload that costs less beside others takes one buffer, then the others have their turn:
    // who takes all that its socket has is far ahead of them, and alone.
    let turns = upload("/b/together", |_| ());
    assert!(turns >= CHUNKS * CHUNK / SCRATCH, "{turns}");
}
