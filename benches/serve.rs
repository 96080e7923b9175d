//! What one client waits for over loopback, on each runtime: GET of 32 KiB and 1 MiB, PUT of 32 KiB
//! and HEAD, with the files in memory.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lobos_drive::{Listener, Server, Stop};
use lobos_fs::{FsStore, Layout, Options};
use lobos_proto::Config;
use tempfile::TempDir;

const SMALL: usize = 32 << 10;
const LARGE: usize = 1 << 20;

type Serve = fn(Server) -> io::Result<()>;

/// A server in a thread of its own.
struct Running {
    dir: TempDir,
    address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Running {
    fn start(serve: Serve) -> Self {
        let made = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let dir = made.expect("a temporary folder");
        let layout = Layout::Dirs(vec![("bench".into(), dir.path().into())]);
        let store = FsStore::open(layout, Options::default()).expect("the folder is there");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = Listener::bind(&[any]).expect("a free port");
        let address = listener.addresses()[0];
        let mut server = Server::new(listener, Arc::new(Config::default()), Arc::new(store));
        server.threads = 1;
        let stop = server.stop.clone();
        let thread = Some(std::thread::spawn(move || serve(server)));
        Self { dir, address, stop, thread }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.trigger();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic").expect("a clean end");
        }
    }
}

/// One connection that stays.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("a socket option");
        Self { stream, buffer: vec![0; 2 * LARGE] }
    }

    /// Sends a request and reads an answer with a body of `size` bytes.
    fn ask(&mut self, request: &[u8], size: usize) {
        self.stream.write_all(request).expect("a connection that stays");
        let (mut have, mut whole) = (0, None);
        while whole.is_none_or(|whole| have < whole) {
            let count = self.stream.read(&mut self.buffer[have..]).expect("an answer");
            assert!(count > 0, "the connection is closed");
            have += count;
            if whole.is_none() {
                let head = self.buffer[..have].windows(4).position(|w| w == b"\r\n\r\n");
                whole = head.map(|head| head + 4 + size);
            }
        }
        assert_eq!((whole, &self.buffer[9..11]), (Some(have), &b"20"[..]));
    }
}

fn request(method: &str, key: &str, body: &[u8]) -> Vec<u8> {
    let length =
        if method == "PUT" { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    let head = format!("{method} /bench/{key} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n");
    [head.as_bytes(), body].concat()
}

fn serve(criterion: &mut Criterion) {
    let runtimes: [(&str, Serve); 3] =
        [("mio", lobos_mio::serve), ("tokio", lobos_tokio::serve), ("smol", lobos_smol::serve)];
    for (name, serve) in runtimes {
        let running = Running::start(serve);
        std::fs::write(running.dir.path().join("small"), vec![1; SMALL]).expect("a file");
        std::fs::write(running.dir.path().join("large"), vec![1; LARGE]).expect("a file");
        let mut client = Client::connect(running.address);
        let mut group = criterion.benchmark_group(name);
        let put = request("PUT", "new", &vec![2; SMALL]);
        for (name, request, answer, moved) in [
            ("HEAD", request("HEAD", "small", b""), 0, 0),
            ("GET 32 KiB", request("GET", "small", b""), SMALL, SMALL),
            ("GET 1 MiB", request("GET", "large", b""), LARGE, LARGE),
            ("PUT 32 KiB", put, 0, SMALL),
        ] {
            if moved > 0 {
                group.throughput(Throughput::Bytes(moved as u64));
            }
            group.bench_function(name, |bencher| bencher.iter(|| client.ask(&request, answer)));
        }
        group.finish();
    }
}

criterion_group!(benches, serve);
criterion_main!(benches);
