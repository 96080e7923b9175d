//! HTTPS, from the flags to the last byte.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::certificate::{self, EC};
use crate::support::http::Connection;
use crate::support::server::{Runtime, Server, Setup, lobos, run};
use crate::support::tree::bytes;
use rustix::process::Signal;

on_every_runtime!(
    with |runtime| Setup::new(runtime).secure().start();
    bytes_both_ways,
    urls,
    many_clients,
    by_curl,
);
on_every_runtime!(
    with std::convert::identity;
    renewed_under_load,
    bad_renewal,
    said_once,
);

fn bytes_both_ways(server: &Server) {
    // Bodies of any size are the bytes that were sent, whole and in ranges.
    for size in [0, 1, 16_383, 16_384, 16_385, 65_536, 300_000, 20 << 20] {
        let body = bytes(size);
        server.store("k", &body);
        assert!(fs::read(server.path("k")).unwrap() == body, "{size}");
        assert!(server.get("/bench/k").expect(200).body == body, "{size}");
        if size > 70_000 {
            let request = server.request("GET", "/bench/k").header("Range", "bytes=5-70000");
            assert!(request.send().expect(206).body == body[5..=70_000]);
        }
    }
}

fn urls(server: &Server) {
    // URLs in answers begin with https.
    let created = server.request("POST", "/bench/k?uploads").send().expect(200);
    let id = created.one("UploadId");
    let put = server.put(&format!("/bench/k?uploadId={id}&partNumber=1"), "x").expect(200);
    let part = format!("<PartNumber>1</PartNumber><ETag>{}</ETag>", put.header("ETag"));
    let document =
        format!("<CompleteMultipartUpload><Part>{part}</Part></CompleteMultipartUpload>");
    let request = server.request("POST", &format!("/bench/k?uploadId={id}")).body(document);
    let location = request.send().expect(200).one("Location");
    assert_eq!(location, format!("https://{}/bench/k", server.address()));
}

fn many_clients(server: &Server) {
    // 200 connections are served side by side, and stay open.
    let mut connections: Vec<Connection> = (0..200).map(|_| server.connect()).collect();
    for round in 0..2 {
        for (at, connection) in connections.iter_mut().enumerate() {
            let body = format!("{at} {round}").repeat(2000);
            let target = format!("/bench/{at}");
            server.request("PUT", &target).body(&body).on(connection).expect(200);
            let got = server.request("GET", &target).on(connection).expect(200);
            assert_eq!(got.text(), body);
        }
    }
}

fn by_curl(server: &Server) {
    // curl verifies the certificate, by TLS 1.2 and 1.3, and chooses HTTP/1.1 by ALPN.
    server.store("k", "hello");
    let url = format!("https://{}/bench/k", server.address());
    for version in [&["--tlsv1.3"][..], &["--tls-max", "1.2"]] {
        let mut curl = Command::new("/usr/bin/curl");
        curl.args(["--silent", "--show-error", "--fail", "--verbose", "--max-time", "20"]);
        curl.arg("--cacert").arg(server.home().join("server.pem")).args(version).arg(&url);
        let done = curl.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && done.stdout == b"hello", "{said}");
        assert!(said.contains("server accepted http/1.1"), "{said}");
    }
}

fn renewed_under_load(runtime: &Runtime) {
    // SIGHUP brings the new certificate for new connections, and breaks no request of any other.
    let server = Setup::new(*runtime).secure().start();
    server.store("k", bytes(200_000));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut connection = server.connect();
                while !over.load(Ordering::Relaxed) {
                    let got = server.request("GET", "/bench/k").on(&mut connection).expect(200);
                    assert!(got.body == bytes(200_000));
                }
            });
        }
        std::thread::sleep(Duration::from_millis(200));
        certificate::make(server.home(), "server", EC);
        server.send_signal(Signal::HUP);
        let start = Instant::now();
        while !is_trusted(&server, "server.pem") {
            assert!(start.elapsed() < Duration::from_secs(20), "the old one is still used");
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(200));
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!(said(server), ["lobos: the certificate was read again"]);
}

/// What it has logged until its end, but for what it says of its index.
fn said(server: Server) -> Vec<String> {
    let (status, log) = server.signal(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{log}");
    log.lines().filter(|line| !line.contains(" index ")).map(Into::into).collect()
}

/// Whether a new connection gets the certificate in this file.
fn is_trusted(server: &Server, name: &str) -> bool {
    let mut tls = certificate::trusting(&server.home().join(name), rustls::ALL_VERSIONS);
    let mut socket = TcpStream::connect(server.address()).unwrap();
    while tls.is_handshaking() {
        if tls.complete_io(&mut socket).is_err() {
            return false;
        }
    }
    true
}

fn bad_renewal(runtime: &Runtime) {
    // What cannot be used leaves the old certificate, and the log says why.
    let server = Setup::new(*runtime).secure().start();
    let home = server.home();
    fs::copy(home.join("server.pem"), home.join("old.pem")).unwrap();
    certificate::make(home, "other", EC);
    fs::copy(home.join("other.pem"), home.join("server.pem")).unwrap();
    server.send_signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(400));
    assert!(is_trusted(&server, "old.pem"));
    let log = said(server);
    assert!(log[0].starts_with("lobos: the old certificate stays: "), "{log:?}");
    assert!(log[0].contains("server.key do not work together") && log.len() == 1, "{log:?}");
}

fn said_once(runtime: &Runtime) {
    // Clients that speak HTTPS to a plain port are answered, and the log names the cause once.
    let server = Setup::new(*runtime).start();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        certificate::client().write_tls(&mut socket).unwrap();
        let mut answer = Vec::new();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        socket.read_to_end(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
    }
    server.get("/bench").expect(200);
    let log = said(server);
    let start = "lobos: a client speaks HTTPS to this port, which has no certificate";
    assert!(log[0].starts_with(start) && log.len() == 1, "{log:?}");
}

#[test]
fn kinds_of_keys() {
    // Keys in PKCS#8, PKCS#1 and SEC1, of the usual kinds, with TLS 1.2 and 1.3; and a chain.
    let home = tempfile::tempdir().unwrap();
    let make = |name: &str, kind: &[&str]| certificate::make(home.path(), name, kind);
    let file = |name: &str| home.path().join(name);
    make("ec", EC);
    make("p384", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]);
    make("rsa", &["-newkey", "rsa:2048"]);
    make("ed25519", &["-newkey", "ed25519"]);
    for (from, to, tool) in [("rsa", "pkcs1", "rsa"), ("ec", "sec1", "ec")] {
        let mut openssl = Command::new("openssl");
        openssl.arg(tool).arg("-in").arg(file(&format!("{from}.key")));
        let openssl = if tool == "rsa" { openssl.arg("-traditional") } else { &mut openssl };
        certificate::run(openssl.arg("-out").arg(file(&format!("{to}.key"))));
        let chain = [fs::read(file(&format!("{from}.pem"))), fs::read(file("p384.pem"))];
        fs::write(file(&format!("{to}.pem")), chain.map(Result::unwrap).concat()).unwrap();
    }
    assert!(fs::read_to_string(file("pkcs1.key")).unwrap().contains("BEGIN RSA PRIVATE KEY"));
    assert!(fs::read_to_string(file("sec1.key")).unwrap().contains("BEGIN EC PRIVATE KEY"));
    for name in ["ec", "p384", "rsa", "ed25519", "pkcs1", "sec1"] {
        let flag = |flag: &str, end: &str| format!("{flag}={}", file(name).display()) + end;
        let setup = Setup::new(Runtime("mio")).arg(flag("--tls-cert", ".pem"));
        let server = setup.arg(flag("--tls-key", ".key")).start_by("https");
        for version in rustls::ALL_VERSIONS {
            let pem = file(&format!("{name}.pem"));
            let tls = certificate::trusting(&pem, &[version]);
            let mut stream =
                rustls::StreamOwned::new(tls, TcpStream::connect(server.address()).unwrap());
            stream.write_all(&server.request("HEAD", "/bench").bytes()).unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).unwrap();
            assert_eq!(&head, b"HTTP/1.1 200", "{name}");
        }
    }
}

#[test]
fn errors_at_start() {
    // What is wrong with the files is one line that names them.
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("a")).unwrap();
    certificate::make(home.path(), "one", EC);
    certificate::make(home.path(), "two", EC);
    fs::write(home.path().join("empty"), "").unwrap();
    fs::write(home.path().join("broken"), "-----BEGIN CERTIFICATE-----\n!\n").unwrap();
    for (cert, key, words) in [
        ("none", "one.key", "cannot read none: "),
        ("one.pem", "none", "cannot read none: "),
        ("empty", "one.key", "empty has no certificate: PEM is expected"),
        ("broken", "one.key", "cannot read broken: "),
        ("one.pem", "empty", "empty has no key: PEM without a password is expected"),
        ("one.pem", "one.pem", "one.pem has no key"),
        ("one.pem", "two.key", "one.pem and two.key do not work together: "),
    ] {
        let mut command = lobos();
        command.current_dir(home.path()).args(["-p", "0", "-d", "a", "--tls-cert", cert]);
        let done = run(command.args(["--tls-key", key]));
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!((done.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.starts_with("lobos: ") && said.contains(words), "{said}");
    }
}
