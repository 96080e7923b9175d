//! Serving on sockets of the file system, by curl and byte by byte.

use std::fs;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::server::{PATIENCE, Runtime, Server, Setup, lobos, run};
use crate::support::tree::{bytes, files};
use rustix::process::Signal;

on_every_runtime!(
    with std::convert::identity;
    by_curl,
    by_curl_and_tls,
    many_at_once,
    hosts,
    half_uploads,
    file_comes_and_goes,
    stale_and_live,
    together,
    alone,
);

/// A server on a free port and on a socket beside the bucket.
fn start(runtime: &Runtime) -> (Server, PathBuf) {
    let setup = Setup::new(*runtime);
    let path = setup.home().join("lobos.sock");
    let places = format!("127.0.0.1,unix:{}", path.display());
    (setup.args(&["--listen", &places]).start(), path)
}

fn curl(path: &Path, args: &[&str]) -> Output {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--unix-socket"]).arg(path);
    curl.args(args).output().expect("curl is needed")
}

/// Everything that comes back for these bytes.
fn talk(path: &Path, request: &str) -> String {
    let mut socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn by_curl(runtime: &Runtime) {
    // Bodies of any size go both ways as they are, as by TCP, also in ranges.
    let (server, path) = start(runtime);
    for size in [0, 1, 16_384, 16_385, 300_000, 20 << 20] {
        let body = bytes(size);
        let file = server.home().join("body");
        fs::write(&file, &body).unwrap();
        let put = curl(&path, &["-f", "-T", file.to_str().unwrap(), "http://localhost/bench/k"]);
        assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
        assert!(fs::read(server.path("k")).unwrap() == body, "{size}");
        assert!(server.get("/bench/k").expect(200).body == body, "{size}");
        let got = curl(&path, &["-f", "http://localhost/bench/k"]);
        assert!(got.status.success() && got.stdout == body, "{size}");
    }
    let range = curl(&path, &["-f", "-r", "5-70000", "http://bench.localhost/k"]);
    assert!(range.stdout == bytes(20 << 20)[5..=70_000]);
}

fn by_curl_and_tls(runtime: &Runtime) {
    // With a certificate the socket speaks TLS, as the port does, and the healthcheck knows it.
    let setup = Setup::new(*runtime).secure();
    let path = setup.home().join("s");
    let place = format!("127.0.0.1,unix:{}", path.display());
    let server = setup.args(&["--listen", &place]).start();
    let body = bytes(3_000_000);
    server.place("k", &body);
    let pem = server.home().join("server.pem");
    let got = curl(&path, &["--cacert", pem.to_str().unwrap(), "https://localhost/bench/k"]);
    assert!(got.stdout == body, "{}", String::from_utf8_lossy(&got.stderr));
    let mut command = lobos();
    command.env("LOBOS_TLS_CERT", &pem).env("LOBOS_TLS_KEY", server.home().join("server.key"));
    command.env("LOBOS_LISTEN", format!("unix:{}", path.display()));
    assert_eq!(run(command.arg("healthcheck")).status.code(), Some(0));
}

fn many_at_once(runtime: &Runtime) {
    // 100 connections are open side by side on all threads, each with requests one after the other.
    let (server, path) = start(runtime);
    server.store("k", "hello");
    let mut sockets: Vec<_> = (0..100).map(|_| UnixStream::connect(&path).unwrap()).collect();
    for round in 0..3 {
        for socket in &mut sockets {
            socket.write_all(b"GET /bench/k HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        }
        for socket in &mut sockets {
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"hello") {
                let mut piece = [0; 1024];
                let count = socket.read(&mut piece).unwrap();
                assert_ne!(count, 0, "round {round}");
                answer.extend_from_slice(&piece[..count]);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        }
    }
}

fn hosts(runtime: &Runtime) {
    // The rules for names are those of loopback: ours and addresses, and no foreign ones.
    let (server, path) = start(runtime);
    server.store("k", "hello");
    for (host, status) in [("localhost", 200), ("127.0.0.1:80", 200), ("evil.example", 403)] {
        let close = "Connection: close\r\n\r\n";
        let answer = talk(&path, &format!("GET /bench/k HTTP/1.1\r\nHost: {host}\r\n{close}"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
    }
}

fn half_uploads(runtime: &Runtime) {
    // An upload that ends early is an error and stores nothing; the answer can be read.
    let (server, path) = start(runtime);
    let mut socket = UnixStream::connect(&path).unwrap();
    let head = "PUT /bench/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    socket.write_all(&[head.as_bytes(), &bytes(400_000)].concat()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("IncompleteBody"), "{answer}");
    assert_eq!(files(&server.path("")), [""; 0]);
}

fn file_comes_and_goes(runtime: &Runtime) {
    // The socket has the rights that the umask leaves, and is removed at the end.
    let (mut server, path) = start(runtime);
    let file = fs::symlink_metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:")).unwrap();
    let umask = u32::from_str_radix(umask.trim(), 8).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o777 & !umask);
    let mut half = UnixStream::connect(&path).unwrap();
    half.write_all(b"PUT /bench/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        .unwrap();
    server.send_signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(!path.exists());
}

fn stale_and_live(runtime: &Runtime) {
    // What a killed server left is replaced; the socket of a living one is not, nor any other file.
    let (server, path) = start(runtime);
    server.store("k", "hello");
    let place = format!("unix:{}", path.display());
    let second = || {
        let mut command = lobos();
        command.args(["--temp", "--listen", &place]).env("TMPDIR", server.home());
        run(command.args(["--runtime", runtime.0]))
    };
    let error = String::from_utf8(second().stderr).unwrap();
    assert_eq!(error, format!("lobos: another server listens on {}\n", path.display()));
    let setup = server.stopped();
    assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
    let server = setup.start();
    assert!(curl(&path, &["http://localhost/bench/k"]).stdout == b"hello");
    let setup = server.stopped();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let mut command = lobos();
    command.args(["--temp", "--listen", &place]).env("TMPDIR", setup.home());
    let error = String::from_utf8(run(&mut command).stderr).unwrap();
    assert!(error.contains("is there and is no socket"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

fn together(runtime: &Runtime) {
    // Of two servers that are started on one stale socket at once, one serves, and is reached by
    // the path; the other says that it is taken.
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("s");
    for round in 0..20 {
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let start = || {
            let mut command = lobos();
            command.args(["--temp", "--bucket=b-1", "--runtime", runtime.0, "--ready=json"]);
            command.env("TMPDIR", home.path()).arg("--listen");
            command.arg(format!("unix:{}", path.display()));
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        };
        let mut both = [start(), start()];
        let begun = std::time::Instant::now();
        let lost = loop {
            if let Some(lost) = both.iter_mut().position(|one| one.try_wait().unwrap().is_some()) {
                break lost;
            }
            assert!(begun.elapsed() < PATIENCE, "round {round}: both go on");
            std::thread::sleep(std::time::Duration::from_millis(1));
        };
        if lost == 0 {
            both.reverse();
        }
        let [mut won, lost] = both;
        let error = String::from_utf8(lost.wait_with_output().unwrap().stderr).unwrap();
        assert!(error.starts_with("lobos: another server listens on /"), "{round}: {error}");
        let mut line = String::new();
        std::io::BufReader::new(won.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"ready\":true,"), "{round}: {line}");
        let answer = talk(&path, "GET /b-1 HTTP/1.0\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{round}: {answer}");
        let pid = rustix::process::Pid::from_child(&won);
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(won.wait().unwrap().code(), Some(0));
        assert!(!path.exists(), "{round}");
    }
}

fn alone(runtime: &Runtime) {
    // A server may listen on a socket alone: no port is taken, and no key is asked for.
    let home = tempfile::tempdir().unwrap();
    let mut command = lobos();
    command.current_dir(home.path()).args(["--listen", "unix:s", "--root", "r", "--bucket", "b-1"]);
    command.args(["--runtime", runtime.0, "--ready", "json"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let path = home.path().join("s");
    let shown = home.path().canonicalize().unwrap().join("s");
    let begin = format!("{{\"ready\":true,\"url\":\"unix:{}\",\"port\":null,", shown.display());
    assert!(line.starts_with(&begin), "{line}");
    let answer = talk(&path, "GET /b-1 HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let check = run(lobos().current_dir(home.path()).args(["healthcheck", "unix:s"]));
    assert_eq!(check.status.code(), Some(0));
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!path.exists());
}
