//! What every driver must do, once for each.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lobos_drive::{Grace, Listener, Server, Stop};
use lobos_proto::{Config, Limits, Patience};

use super::client::{Client, request};
use super::store::Memory;
use super::tls;

/// A driver, with TLS or without.
#[derive(Clone, Copy)]
pub(crate) struct Serve {
    pub(crate) run: fn(Server) -> io::Result<()>,
    pub(crate) tls: bool,
}

/// A server on a port of its own.
pub(crate) struct Running {
    address: SocketAddr,
    tls: bool,
    pub(crate) store: Memory,
    stop: Stop,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    pub(crate) fn start(serve: Serve, store: Memory) -> Self {
        Self::start_with(serve, store, Config::default(), |_| {})
    }

    pub(crate) fn start_with(
        serve: Serve,
        store: Memory,
        config: Config,
        change: impl FnOnce(&mut Server),
    ) -> Self {
        let listener = Listener::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))]).unwrap();
        let address = listener.addresses()[0];
        let mut server = Server::new(listener, Arc::new(config), Arc::new(store.clone()));
        server.threads = 2;
        server.grace = Grace { uploads: Duration::from_millis(300), all: Duration::from_secs(3) };
        server.certificate = serve.tls.then(|| tls::certificate().clone());
        change(&mut server);
        let stop = server.stop.clone();
        let thread = Some(thread::spawn(move || (serve.run)(server)));
        Self { address, tls: serve.tls, store, stop, thread }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address, self.tls)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// One that waits long for its connections when it stops.
    fn patient(serve: Serve, store: Memory) -> Self {
        Self::start_with(serve, store, Config::default(), |server| {
            server.grace = Grace { uploads: Duration::from_secs(8), all: Duration::from_secs(9) };
        })
    }

    /// Stops it and says how long that took.
    pub(crate) fn stop(mut self) -> Duration {
        let start = Instant::now();
        self.stop.trigger();
        self.thread.take().unwrap().join().unwrap().unwrap();
        start.elapsed()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.trigger();
        self.stop.trigger();
    }
}

pub(crate) fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()[5]).collect()
}

/// The four kinds of stores: with and without files, inline and on helper threads.
fn stores() -> [Memory; 4] {
    [(false, false), (true, false), (false, true), (true, true)].map(|(f, h)| Memory::new(f, h))
}

/// What is put is read back, whole, by GET and HEAD, at sizes around every boundary.
pub(crate) fn round_trip(serve: Serve) {
    for store in stores() {
        let server = Running::start(serve, store);
        let mut client = server.client();
        for size in [0, 1, 16383, 16384, 16385, 65535, 65536, 262_144, 262_145, 1_500_000] {
            let data = pattern(size);
            assert_eq!(client.put("/b/k", &data).status, 200);
            let answer = client.get("/b/k");
            assert_eq!((answer.status, answer.body == data), (200, true), "{size}");
            let head = client.head("/b/k");
            assert!(head.head.to_lowercase().contains(&format!("content-length: {size}\r\n")));
        }
        assert_eq!(client.get("/b/none").status, 404);
        server.stop();
    }
}

/// A range is exactly that range.
pub(crate) fn ranges(serve: Serve) {
    for store in stores() {
        let server = Running::start(serve, store);
        let data = pattern(3_000_000);
        server.store.put("b/k", data.clone());
        let mut client = server.client();
        for (start, end) in [(0, 0), (5, 20_000), (17, 2_500_000), (2_999_999, 2_999_999)] {
            let range = format!("Range: bytes={start}-{end}\r\n");
            client.send(request("GET", "/b/k", &range).as_bytes());
            let answer = client.answer(false);
            assert_eq!((answer.status, answer.body == data[start..=end]), (206, true));
        }
        server.stop();
    }
}

/// A body larger than all buffers together passes in both directions, many at once.
pub(crate) fn large_bodies(serve: Serve) {
    for store in stores() {
        let server = Running::start(serve, store);
        let (address, tls) = (server.address, server.tls);
        let data = Arc::new(pattern(5 << 20));
        let workers = (0..4).map(|number| {
            let data = Arc::clone(&data);
            thread::spawn(move || {
                let mut client = Client::connect(address, tls);
                let path = format!("/b/large{number}");
                assert_eq!(client.put(&path, &data).status, 200);
                let answer = client.get(&path);
                assert_eq!((answer.status, answer.body == *data), (200, true));
            })
        });
        let workers: Vec<_> = workers.collect();
        workers.into_iter().for_each(|w| w.join().unwrap());
        server.stop();
    }
}

/// Pipelined requests are answered in order, all of them.
pub(crate) fn pipelining(serve: Serve) {
    for store in stores() {
        let server = Running::start(serve, store);
        let mut client = server.client();
        let mut bytes = Vec::new();
        for number in 0..600 {
            let body = pattern(number * 37);
            let length = format!("Content-Length: {}\r\n", body.len());
            bytes.extend(request("PUT", &format!("/b/{number}"), &length).into_bytes());
            bytes.extend(body);
            bytes.extend(request("GET", &format!("/b/{number}"), "").into_bytes());
        }
        let mut sender = client.another();
        let sender = thread::spawn(move || sender.send(&bytes));
        for number in 0..600 {
            assert_eq!(client.answer(false).status, 200);
            let answer = client.answer(false);
            assert_eq!((answer.status, answer.body == pattern(number * 37)), (200, true));
        }
        sender.join().unwrap();
        server.stop();
    }
}

/// A request that comes byte by byte is a request.
pub(crate) fn byte_at_a_time(serve: Serve) {
    let server = Running::start(serve, Memory::default());
    let mut client = server.client();
    let mut bytes = request("PUT", "/b/k", "Content-Length: 5\r\n").into_bytes();
    bytes.extend(b"hello");
    for byte in bytes {
        client.send(&[byte]);
        thread::sleep(Duration::from_micros(200));
    }
    assert_eq!(client.answer(false).status, 200);
    assert_eq!(server.store.get("b/k"), Some(b"hello".to_vec()));
    server.stop();
}

/// Hundreds of connections are served side by side and stay open.
pub(crate) fn many_connections(serve: Serve) {
    let server = Running::start(serve, Memory::new(true, false));
    let data = pattern(40_000);
    server.store.put("b/k", data.clone());
    let mut clients: Vec<_> = (0..300).map(|_| server.client()).collect();
    for _ in 0..3 {
        for client in &mut clients {
            client.send(request("GET", "/b/k", "").as_bytes());
        }
        for client in &mut clients {
            assert!(client.answer(false).body == data);
        }
    }
    drop(clients);
    server.stop();
}

/// Uploads that gain by it are committed when all that were ready have their bytes; they are
/// answered and do not hold up what follows on the same connection.
pub(crate) fn together(serve: Serve) {
    let server = Running::start_with(serve, Memory::default(), Config::default(), |server| {
        server.threads = 1;
    });
    server.store.put("b/blocking", vec![7]);
    let mut clients: Vec<_> = (0..20).map(|_| server.client()).collect();
    // All of them are known before the one that holds up the thread.
    for client in &mut clients {
        client.send(request("HEAD", "/b/blocking", "").as_bytes());
        assert_eq!(client.answer(true).status, 200);
    }
    let mut other = server.client();
    other.send(request("GET", "/b/blocking", "").as_bytes());
    thread::sleep(Duration::from_millis(100));
    let body = pattern(5_000);
    for (number, client) in clients.iter_mut().enumerate() {
        for turn in 0..3 {
            let (path, length) = (format!("/b/together-{number}-{turn}"), body.len());
            let head = request("PUT", &path, &format!("Content-Length: {length}\r\n"));
            client.send(&[head.as_bytes(), &body].concat());
            client.send(request("GET", &path, "").as_bytes());
        }
    }
    assert_eq!(other.answer(false).status, 200);
    for client in &mut clients {
        for _ in 0..3 {
            assert_eq!(client.answer(false).status, 200);
            assert!(client.answer(false).body == body);
        }
    }
    assert!(server.store.most_open() >= 10, "{} at once", server.store.most_open());
    assert_eq!(server.store.open_uploads(), 0);
    server.stop();
}

/// Bytes that are not in memory are waited for by another thread, after the first slow read.
pub(crate) fn cold_bytes(serve: Serve) {
    let server = Running::start(serve, Memory::default());
    let body = pattern(3_500_000);
    server.store.put("b/cold", body.clone());
    let mut client = server.client();
    for _ in 0..2 {
        client.send(request("GET", "/b/cold", "").as_bytes());
        assert!(client.answer(false).body == body);
    }
    let (warmers, reader) = server.store.warmers();
    let reader = reader.expect("it was read");
    assert!(warmers.len() >= 6, "{} times", warmers.len());
    assert!(!warmers.contains(&reader), "the thread that sends has waited");
    server.stop();
}

/// Connections beyond the limit are told so at once, whatever they ask, and those within it notice
/// nothing; of too many even that waits until there is room.
pub(crate) fn connection_limit(serve: Serve) {
    let store = Memory::default();
    let server = Running::start_with(serve, store, Config::default(), |server| {
        server.max_connections = 2;
    });
    let (mut first, mut second) = (server.client(), server.client());
    assert_eq!((first.get("/b/k").status, second.get("/b/k").status), (404, 404));
    for _ in 0..3 {
        let mut third = server.client();
        let answer = third.answer(false);
        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains("<Code>SlowDown</Code>"), "{text}");
        assert_eq!(answer.status, 503);
        for line in ["Retry-After: 1\r\n", "Connection: close\r\n"] {
            assert!(answer.head.contains(line), "{}", answer.head);
        }
        assert_eq!((first.get("/b/k").status, second.get("/b/k").status), (404, 404));
        assert!(third.rest().is_empty());
    }
    // Four more may be there to be refused, as long as they do not go away.
    let silent: Vec<_> = (0..8).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(first.get("/b/k").status, 404);
    drop((first, second, silent));
    let start = Instant::now();
    while server.client().get("/b/k").status != 404 {
        assert!(start.elapsed() < Duration::from_secs(10), "there is room now");
        thread::sleep(Duration::from_millis(20));
    }
    server.stop();
}

/// So many requests that take long run or wait at once; one more is told to come again, and what
/// does not take long is served.
pub(crate) fn heavy_limit(serve: Serve) {
    let limits = Limits { heavy: 2, ..Limits::default() };
    let config = Config { limits, ..Config::default() };
    let server = Running::start_with(serve, Memory::default(), config, |_| {});
    server.store.put("b/slow", pattern(10));
    for _ in 0..2 {
        let mut slow = [server.client(), server.client()];
        for client in &mut slow {
            client.send(request("GET", "/b/slow", "").as_bytes());
        }
        thread::sleep(Duration::from_millis(100));
        let mut client = server.client();
        let answer = client.get("/b/slow");
        assert_eq!(answer.status, 503, "{}", answer.head);
        assert!(answer.head.contains("Retry-After: 1\r\n"), "{}", answer.head);
        assert_eq!(client.get("/b/none").status, 404);
        for client in &mut slow {
            assert_eq!(client.answer(false).status, 200);
        }
    }
    server.stop();
}

/// A refused upload is answered, and nothing of it stays, however much was sent.
pub(crate) fn refused_uploads(serve: Serve) {
    for store in stores() {
        let server = Running::start(serve, store);
        for (path, status) in [("/b/refused", 403), ("/b/full", 507), ("/b/panic-append", 500)] {
            for size in [150_000, 3_000_000] {
                let mut client = server.client();
                let body = pattern(size);
                let length = format!("Content-Length: {size}\r\n");
                client.send(request("PUT", path, &length).as_bytes());
                let _ = client.try_send(&body);
                assert_eq!(client.answer(false).status, status, "{path} {size}");
            }
            assert_eq!(server.store.get(path), None);
        }
        settle(|| server.store.open_uploads() == 0);
        server.stop();
    }
}

/// A store that panics costs one request an InternalError, or its connection if the answer has
/// begun; the thread and the other connections live on.
pub(crate) fn panics(serve: Serve) {
    for store in stores() {
        let server = Running::start_with(serve, store, Config::default(), |s| s.threads = 1);
        server.store.put("b/panic-read", pattern(300_000));
        let mut other = server.client();
        for _ in 0..5 {
            let mut client = server.client();
            assert_eq!(client.get("/b/panic").status, 500);
            assert_eq!(client.put("/b/panic-commit", b"x").status, 500);
            assert_eq!(client.get("/b/none").status, 404);
            client.send(request("GET", "/b/panic-read", "").as_bytes());
            assert!(client.rest().len() < 300_000);
            assert_eq!(server.client().put("/b/panic-append", b"x").status, 500);
            assert_eq!(other.get("/b/none").status, 404);
        }
        settle(|| server.store.open_uploads() == 0);
        server.stop();
    }
}

/// A heavy request holds up nobody else.
pub(crate) fn heavy_jobs(serve: Serve) {
    let store = Memory::default();
    let server = Running::start_with(serve, store, Config::default(), |server| server.threads = 1);
    server.store.put("b/slow", pattern(10));
    let mut slow: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut slow {
        client.send(request("GET", "/b/slow", "").as_bytes());
    }
    thread::sleep(Duration::from_millis(20));
    let start = Instant::now();
    assert_eq!(server.client().get("/b/none").status, 404);
    assert!(start.elapsed() < Duration::from_millis(450));
    for client in &mut slow {
        assert_eq!(client.answer(false).status, 200);
    }
    assert!(start.elapsed() < Duration::from_millis(1400), "they ran side by side");
    server.stop();
}

/// A source that ends early closes the connection, and nothing is made up.
pub(crate) fn source_ends_early(serve: Serve) {
    for store in stores() {
        let server = Running::start(serve, store);
        for size in [5_000, 100_000, 3_000_000] {
            let data = pattern(size);
            server.store.put("b/cut", data.clone());
            let mut client = server.client();
            client.send(request("GET", "/b/cut", "").as_bytes());
            let bytes = client.rest();
            let at = bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
            let body = &bytes[at..];
            assert!(body.len() <= size - 1000 && data.starts_with(body), "{size}");
        }
        server.stop();
    }
}

/// A client that closes its side early gets its answers; one that vanishes leaves no trace.
pub(crate) fn early_ends(serve: Serve) {
    let server = Running::start(serve, Memory::default());
    server.store.put("b/k", pattern(200_000));
    let mut client = server.client();
    client.send(request("GET", "/b/k", "").as_bytes());
    client.half_close();
    assert!(client.answer(false).body == pattern(200_000));
    assert!(client.rest().is_empty());
    for _ in 0..10 {
        let mut client = server.client();
        client.send(request("PUT", "/b/half", "Content-Length: 100000\r\n").as_bytes());
        client.send(&pattern(50_000));
    }
    settle(|| server.store.open_uploads() == 0);
    assert_eq!(server.store.get("b/half"), None);
    server.stop();
}

/// Whoever says nothing for too long is closed; whoever is slow within the limits is not.
pub(crate) fn patience(serve: Serve) {
    let (idle, head) = (Duration::from_millis(800), Duration::from_millis(400));
    let patience = Patience { idle, head, ..Patience::default() };
    let config = Config { patience, ..Config::default() };
    let server = Running::start_with(serve, Memory::default(), config, |_| {});
    let start = Instant::now();
    let mut client = server.client();
    assert!(client.rest().is_empty());
    let took = start.elapsed();
    assert!(took >= idle && took < idle * 5, "{took:?}");
    let mut client = server.client();
    for _ in 0..6 {
        assert_eq!(client.get("/b/none").status, 404);
        thread::sleep(idle / 4);
    }
    let start = Instant::now();
    client.send(b"GET /b/none HTT");
    client.rest();
    assert!(start.elapsed() >= head && start.elapsed() < head * 5);
    server.stop();
}

/// Clients that send or read a byte now and then are cut off, each byte within the time that one
/// may take, while others do not notice.
pub(crate) fn slow_clients(serve: Serve) {
    let (head, stall) = (Duration::from_millis(600), Duration::from_millis(600));
    let patience = Patience { head, stall, rate: 2_000, ..Patience::default() };
    let config = Config { patience, ..Config::default() };
    let server = Running::start_with(serve, Memory::default(), config, |_| {});
    server.store.put("b/large", vec![7; 24 << 20]);
    let start = |begin: &str, count: usize| -> Vec<Client> {
        let clients = (0..count).map(|_| {
            let mut client = server.client();
            client.send(begin.as_bytes());
            client
        });
        clients.collect()
    };
    let mut heads = start("GET /b/", 60);
    let mut bodies = start(&request("PUT", "/b/k", "Content-Length: 100000\r\n"), 60);
    let mut readers = start(&request("GET", "/b/large", ""), 2);
    let mut normal = server.client();
    let begin = Instant::now();
    while begin.elapsed() < 3 * stall {
        for client in heads.iter_mut().chain(&mut bodies) {
            let _ = client.try_send(b"x");
        }
        if serve.tls {
            thread::sleep(Duration::from_millis(5));
        } else {
            readers.iter_mut().for_each(Client::sip);
        }
        let asked = Instant::now();
        assert_eq!(normal.get("/b/none").status, 404);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        thread::sleep(Duration::from_millis(25));
    }
    // All of them were answered while they went on.
    let over = Instant::now();
    for client in heads.iter_mut().chain(&mut bodies) {
        let said = String::from_utf8(client.rest()).unwrap();
        assert!(said.contains("<Code>RequestTimeout</Code>"), "{said}");
    }
    assert!(over.elapsed() < stall / 2, "{:?}", over.elapsed());
    // What they did not take has stood still for long enough, however slow the machine is.
    thread::sleep(3 * stall);
    for client in &mut readers {
        assert!(client.rest().len() < 24 << 20, "all of it");
    }
    settle(|| server.store.open_uploads() == 0);
    assert_eq!(server.store.get("b/k"), None);
    server.stop();
}

/// A client that does not read its answer loses its place to others, and its connection is reset:
/// the kernel does not keep for it what it did not take.
pub(crate) fn stalled_reader(serve: Serve) {
    let patience = Patience { stall: Duration::from_millis(400), ..Patience::default() };
    let config = Config { patience, ..Config::default() };
    let server = Running::start_with(serve, Memory::default(), config, |server| {
        server.max_connections = 1;
    });
    server.store.put("b/large", vec![7; 24 << 20]);
    let mut reader = server.client();
    reader.send(request("GET", "/b/large", "").as_bytes());
    let mut answers = Vec::new();
    let start = Instant::now();
    while answers.last() != Some(&404) {
        assert!(start.elapsed() < Duration::from_secs(15), "{answers:?}");
        thread::sleep(Duration::from_millis(50));
        let mut other = server.client();
        let _ = other.try_send(request("GET", "/b/none", "").as_bytes());
        answers.push(other.answer(false).status);
    }
    assert_eq!(answers[0], 503, "one at a time");
    let (count, end) = reader.end();
    assert!(count < 24 << 20, "all of it");
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    server.stop();
}

/// An idle server stops at once, and closes idle connections.
pub(crate) fn stop_idle(serve: Serve) {
    let server = Running::patient(serve, Memory::default());
    let mut clients = [server.client(), server.client(), server.client()];
    for client in &mut clients {
        assert_eq!(client.get("/b/none").status, 404);
    }
    let took = server.stop();
    assert!(took < Duration::from_secs(2), "{took:?}");
    for client in &mut clients {
        assert!(client.rest().is_empty());
    }
}

/// An upload that goes on is finished and answered although the server stops.
pub(crate) fn stop_during_upload(serve: Serve) {
    for store in stores() {
        let server = Running::start(serve, store.clone());
        let mut client = server.client();
        let data = pattern(400_000);
        client.send(request("PUT", "/b/k", "Content-Length: 400000\r\n").as_bytes());
        client.send(&data[..100_000]);
        settle(|| store.open_uploads() == 1);
        let stopping = thread::spawn(|| server.stop());
        thread::sleep(Duration::from_millis(50));
        client.send(&data[100_000..]);
        assert_eq!(client.answer(false).status, 200);
        assert!(client.rest().is_empty());
        stopping.join().unwrap();
        assert!(store.get("b/k") == Some(data));
    }
}

/// An upload that does not go on is given up, without a trace.
pub(crate) fn stop_stalled_upload(serve: Serve) {
    for store in stores() {
        let server = Running::start(serve, store.clone());
        let mut client = server.client();
        client.send(request("PUT", "/b/k", "Content-Length: 400000\r\n").as_bytes());
        client.send(&pattern(100_000));
        settle(|| store.open_uploads() == 1);
        let took = server.stop();
        assert!(
            took > Duration::from_millis(250) && took < Duration::from_millis(2500),
            "{took:?}"
        );
        assert_eq!((store.open_uploads(), store.get("b/k")), (0, None));
    }
}

/// The second signal ends it at once, whatever runs.
pub(crate) fn stop_twice(serve: Serve) {
    let store = Memory::default();
    let server = Running::patient(serve, store.clone());
    let mut client = server.client();
    client.send(request("PUT", "/b/k", "Content-Length: 400000\r\n").as_bytes());
    settle(|| store.open_uploads() == 1);
    server.stop.trigger();
    let took = server.stop();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(store.open_uploads(), 0);
}

/// Waits until it is so.
pub(crate) fn settle(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(10), "it never came true");
        thread::sleep(Duration::from_millis(2));
    }
}
