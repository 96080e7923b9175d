//! Turns of a connection over a real socket.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use lobos_drive::{
    Buffer, Listener, Readiness, SCRATCH, Server, Service, Session, SystemClock, Turn, Wake, turn,
};
use lobos_proto::Clock;
use support::store::Memory;

const CHUNK: usize = 64 << 10;

/// More than a turn takes.
const CHUNKS: usize = 64;

/// A connection that the test takes turns of.
struct Rig {
    service: Arc<Service>,
    client: TcpStream,
    socket: TcpStream,
}

impl Rig {
    fn new(store: &Memory) -> Self {
        let listener = Listener::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let (_, service) = Server::new(listener, Arc::default(), Arc::new(store.clone())).open();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        client.set_nonblocking(true).unwrap();
        Self { service, client, socket }
    }

    /// Calls `between` before each turn until it returns true; how many turns that took.
    fn run(&mut self, mut between: impl FnMut(&mut TcpStream, &mut Session) -> bool) -> usize {
        let mut session = self.service.session(&self.service.place(), SystemClock.now());
        let (mut scratch, mut turns) = (self.service.scratch(), 0);
        let mut wake = Wake::Ready;
        while !between(&mut self.client, &mut session) {
            loop {
                let mut ready = Readiness { readable: true, writable: true, hung_up: false };
                let now = SystemClock.now();
                turns += 1;
                assert!(turns < 100_000);
                match turn(&self.socket, &mut session, &mut ready, &mut scratch, wake, now) {
                    Turn::Late(job) => wake = Wake::Late(job),
                    Turn::Read | Turn::Write | Turn::Again => break wake = Wake::Ready,
                    _ => panic!("nothing of this is to be waited for"),
                }
            }
        }
        turns
    }
}

/// Uploads [`CHUNKS`] chunks to this path while `look` is called after each turn; how many turns
/// that took.
fn upload(path: &str, mut look: impl FnMut(&mut Session)) -> usize {
    let store = Memory::default();
    let head = support::client::request("PUT", path, "Transfer-Encoding: chunked\r\n");
    let chunk = [&b"10000\r\n"[..], &[b'x'; CHUNK], b"\r\n"].concat();
    let body = [head.into_bytes(), chunk.repeat(CHUNKS), b"0\r\n\r\n".to_vec()].concat();
    let mut sent = 0;
    let turns = Rig::new(&store).run(|client, session| {
        look(session);
        match client.write(&body[sent..]) {
            Ok(count) => sent += count,
            Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
        }
        store.get(&path[1..]).is_some()
    });
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

#[test]
fn downloads_go_in_turns() {
    // A large answer goes out in pieces of 576 KiB, between which the others have their turn:
    // also where its client takes more.
    let store = Memory::default();
    let body = support::suite::pattern(CHUNKS * CHUNK);
    store.put("b/k", body.clone());
    let mut rig = Rig::new(&store);
    let request = support::client::request("GET", "/b/k", "");
    rig.client.write_all(request.as_bytes()).unwrap();
    let (mut seen, mut most, mut block) = (Vec::new(), 0, vec![0; 4 << 20]);
    let turns = rig.run(|client, _| {
        let before = seen.len();
        loop {
            match client.read(&mut block) {
                Ok(count) => seen.extend_from_slice(&block[..count]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => panic!("{e}"),
            }
        }
        most = most.max(seen.len() - before);
        seen.ends_with(&body)
    });
    assert!(most <= (576 << 10) + 1000, "{most}");
    assert!(turns <= 2 * CHUNKS * CHUNK / (576 << 10), "{turns}");
}
