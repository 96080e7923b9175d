//! What only TLS has: certificates, the handshake, and how a connection ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use lobos_drive::Certificate;
use lobos_proto::{Config, Patience};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tempfile::TempDir;

use super::client::{Client, request};
use super::store::Memory;
use super::suite::{Running, Serve, pattern, settle};

/// Makes a certificate that is its own root, for `localhost`.
pub(crate) fn make(folder: &Path, name: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
    openssl.arg("-keyout").arg(folder.join(format!("{name}.key")));
    openssl.arg("-out").arg(folder.join(format!("{name}.pem")));
    let made = openssl.output().expect("openssl is needed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn read(folder: &Path, name: &str) -> Certificate {
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    Certificate::read(file("pem"), file("key")).unwrap()
}

/// The one of all servers here, and the folder with its files.
fn folder() -> &'static (TempDir, Certificate) {
    static MADE: OnceLock<(TempDir, Certificate)> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "server");
        let certificate = read(folder.path(), "server");
        (folder, certificate)
    })
}

pub(crate) fn certificate() -> &'static Certificate {
    &folder().1
}

fn trusting(pem: &Path) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

/// A client that trusts [`certificate`].
pub(crate) fn client() -> ClientConnection {
    trusting(&folder().0.path().join("server.pem"))
}

/// What a client says first.
fn hello() -> Vec<u8> {
    let mut hello = Vec::new();
    client().write_tls(&mut hello).unwrap();
    hello
}

fn start(serve: Serve) -> Running {
    Running::start(serve, Memory::default())
}

/// All that comes until the server closes.
fn rest(mut socket: &TcpStream) -> Vec<u8> {
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut bytes = Vec::new();
    match socket.read_to_end(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("it is not closed"),
        _ => bytes,
    }
}

/// A handshake, and a request after it, may come a byte at a time.
pub(crate) fn handshake_in_pieces(serve: Serve) {
    let server = start(serve);
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    let mut connection = client();
    let mut answer = Vec::new();
    connection.writer().write_all(request("GET", "/b/none", "").as_bytes()).unwrap();
    while !answer.windows(8).any(|w| w == b"</Error>") {
        let mut records = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut records).unwrap();
        }
        for byte in records {
            socket.write_all(&[byte]).unwrap();
            thread::sleep(Duration::from_micros(50));
        }
        connection.read_tls(&mut socket).unwrap();
        connection.process_new_packets().unwrap();
        let _ = connection.reader().read_to_end(&mut answer);
    }
    assert!(answer.starts_with(b"HTTP/1.1 404 "));
    server.stop();
}

/// A client that goes away at any byte of its handshake does no harm.
pub(crate) fn handshake_cut(serve: Serve) {
    let server = start(serve);
    let hello = hello();
    let sockets: Vec<_> = (0..=hello.len())
        .map(|cut| {
            let mut socket = TcpStream::connect(server.address()).unwrap();
            socket.write_all(&hello[..cut]).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            socket
        })
        .collect();
    for socket in &sockets {
        rest(socket);
    }
    assert_eq!(server.client().get("/b/none").status, 404);
    assert!(server.stop() < Duration::from_secs(2));
}

/// The whole handshake has the time of a head, whether the client is silent or sends a byte now
/// and then; a connection that went on has it not.
pub(crate) fn handshake_patience(serve: Serve) {
    let head = Duration::from_millis(500);
    let patience = Patience { head, ..Patience::default() };
    let config = Config { patience, ..Config::default() };
    let server = Running::start_with(serve, Memory::default(), config, |_| {});
    let mut good = server.client();
    let begin = Instant::now();
    let silent = TcpStream::connect(server.address()).unwrap();
    let mut slow = TcpStream::connect(server.address()).unwrap();
    for byte in &hello()[..10] {
        let _ = slow.write_all(&[*byte]);
        thread::sleep(head / 9);
    }
    assert!(rest(&silent).is_empty() && rest(&slow).is_empty());
    let took = begin.elapsed();
    assert!(took >= head && took < head * 5, "{took:?}");
    assert_eq!(good.get("/b/none").status, 404);
    server.stop();
}

/// Plain HTTP is answered in plain HTTP, with a sentence that says what is wrong.
pub(crate) fn plain_http(serve: Serve) {
    let server = start(serve);
    for request in [request("GET", "/b/k", ""), "G".into(), "POST / HTTP/1.0\r\n\r\n".into()] {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let said = String::from_utf8(rest(&socket)).unwrap();
        assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{said}");
        assert!(said.contains("Connection: close\r\n") && said.contains("https://"), "{said}");
    }
    server.stop();
}

/// A client that speaks TLS to a plain port hears so at once, in plain HTTP.
pub(crate) fn plain_port(serve: Serve) {
    let server = start(Serve { tls: false, ..serve });
    let hello = hello();
    for bytes in [&hello[..], &hello[..1]] {
        let begin = Instant::now();
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.write_all(bytes).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let said = String::from_utf8(rest(&socket)).unwrap();
        assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{said}");
        assert!(said.contains("http://") && begin.elapsed() < Duration::from_secs(5), "{said}");
    }
    server.stop();
}

/// Bytes that are neither are answered with an alert, and nobody else notices.
pub(crate) fn nonsense(serve: Serve) {
    let server = start(serve);
    let mut good = server.client();
    for bytes in [&[0; 100][..], &[0x16, 3, 1, 0xff, 0xff, 1], &[0x17, 3, 3, 0, 1, 0], &[0xff]] {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.write_all(bytes).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        let said = rest(&socket);
        assert!(said.is_empty() || said.starts_with(&[0x15, 3]), "{said:?}");
        assert_eq!(good.get("/b/none").status, 404);
    }
    // After the handshake, too: a record that was changed on its way.
    let mut client = server.client();
    client.garble(request("GET", "/b/none", "").as_bytes());
    assert!(client.rest().is_empty());
    assert_eq!(good.get("/b/none").status, 404);
    server.stop();
}

/// A body that is cut stores nothing, with or without close_notify, wherever it is cut.
pub(crate) fn truncated_upload(serve: Serve) {
    let server = start(serve);
    let body = pattern(70_000);
    for lines in ["Content-Length: 70000\r\n", "Transfer-Encoding: chunked\r\n"] {
        for cut in [0, 1, 20_000, 69_999] {
            for goodbye in [false, true] {
                let mut client = server.client();
                let chunk = if lines.starts_with('T') { "11170\r\n" } else { "" };
                let head = request("PUT", "/b/cut", lines) + chunk;
                client.send(&[head.as_bytes(), &body[..cut]].concat());
                if goodbye {
                    client.say_goodbye();
                }
                client.half_close();
                let said = String::from_utf8(client.rest()).unwrap();
                assert!(said.contains("<Code>IncompleteBody</Code>"), "{cut} {goodbye} {said}");
            }
        }
    }
    settle(|| server.store.open_uploads() == 0);
    assert_eq!(server.store.get("b/cut"), None);
    server.stop();
}

/// The server says close_notify when it closes after an answer or because it stops, and not when
/// a body is cut.
pub(crate) fn says_goodbye(serve: Serve) {
    let server = start(serve);
    server.store.put("b/cut", pattern(300_000));
    let mut client = server.client();
    client.send(request("GET", "/b/none", "Connection: close\r\n").as_bytes());
    assert_eq!(client.answer(false).status, 404);
    assert!(client.has_goodbye());
    let mut client = server.client();
    client.send(request("GET", "/b/cut", "").as_bytes());
    assert!(!client.has_goodbye());
    let mut idle = server.client();
    assert_eq!(idle.get("/b/none").status, 404);
    server.stop();
    assert!(idle.has_goodbye());
}

/// A certificate is renewed for new connections, one that is there goes on with the old, and one
/// that cannot be read changes nothing.
pub(crate) fn renewed(serve: Serve) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    make(folder.path(), "used");
    let certificate = read(folder.path(), "used");
    let server = Running::start_with(serve, Memory::default(), Config::default(), |server| {
        server.certificate = Some(certificate.clone());
    });
    std::fs::copy(file("used.pem"), file("old.pem")).unwrap();
    let connect = |pem: &str| Client::secure(server.address(), trusting(&file(pem)));
    let mut old = connect("used.pem").unwrap();
    assert_eq!(old.get("/b/none").status, 404);
    make(folder.path(), "used");
    assert!(connect("old.pem").is_ok(), "nobody has read the new one");
    certificate.reload().unwrap();
    assert_eq!(connect("used.pem").unwrap().get("/b/none").status, 404);
    assert!(connect("old.pem").is_err());
    assert_eq!(old.get("/b/none").status, 404);
    std::fs::write(file("used.key"), "no key").unwrap();
    let error = certificate.reload().unwrap_err();
    assert!(error.contains("used.key has no key"), "{error}");
    assert_eq!(connect("used.pem").unwrap().get("/b/none").status, 404);
    server.stop();
}
