//! Metrics and health on a port of their own, by threads of their own: a scrape costs those who
//! serve requests nothing, and a slow one holds up nobody.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Where it listens if only an address is given.
const PORT: u16 = 8081;

/// Clients at a time; others wait in the kernel.
const CLIENTS: usize = 8;

/// From the first byte of a request to the last of its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest head of a request.
const HEAD: usize = 8 << 10;

/// What it serves.
pub(crate) trait Answers: Send + Sync + 'static {
    /// The text of /metrics.
    fn metrics(&self) -> String;

    /// Whether requests are taken.
    fn is_ready(&self) -> bool;
}

/// Reads `ADDR`, `ADDR:PORT`, `:PORT` or `PORT`; without an address it is this machine alone.
pub(crate) fn address(value: &str) -> Result<SocketAddr, String> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let value = value.trim();
    let port = |text: &str| text.parse::<u16>().ok();
    if let Some(port) = port(value.strip_prefix(':').unwrap_or(value)) {
        return Ok(SocketAddr::new(local, port));
    }
    let ip = |text: &str| {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
        if bare.eq_ignore_ascii_case("localhost") { Some(local) } else { bare.parse().ok() }
    };
    if let Some(ip) = ip(value) {
        return Ok(SocketAddr::new(ip, PORT));
    }
    let split = value.rsplit_once(':').and_then(|(host, after)| Some((ip(host)?, port(after)?)));
    let address = split.map(SocketAddr::from);
    address.ok_or_else(|| "an IP address, a port, or both with a colon are needed".into())
}

/// Listens.
///
/// # Errors
/// One line for the user.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => format!("--admin-listen: port {} is in use", address.port()),
        _ => format!("--admin-listen: cannot listen on {address}: {error}"),
    })
}

/// Serves until the process ends.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn serve(listener: TcpListener, answers: Arc<dyn Answers>) -> io::Result<()> {
    let listener = Arc::new(listener);
    for _ in 0..CLIENTS {
        let (listener, answers) = (Arc::clone(&listener), Arc::clone(&answers));
        let work = move || {
            loop {
                match listener.accept() {
                    // Whoever goes away in between needs no answer.
                    Ok((client, _)) => _ = Client::new(client).serve(&*answers),
                    Err(_) => thread::sleep(Duration::from_millis(50)),
                }
            }
        };
        // Little memory: these threads mostly sleep.
        let thread = thread::Builder::new().name("lobos-admin".into()).stack_size(256 << 10);
        thread.spawn(work)?;
    }
    Ok(())
}

/// One connection, one request.
struct Client {
    socket: TcpStream,
    end: Instant,
}

impl Client {
    fn new(socket: TcpStream) -> Self {
        Self { socket, end: Instant::now() + PATIENCE }
    }

    fn serve(mut self, answers: &dyn Answers) -> io::Result<()> {
        let head = self.head()?;
        let text = String::from_utf8_lossy(&head);
        self.write(&answer(&text, answers))?;
        self.socket.shutdown(Shutdown::Write)?;
        // What still comes would turn the close into a reset, and take the answer away.
        while self.read(&mut [0; 1024])? > 0 {}
        Ok(())
    }

    /// Up to the empty line.
    fn head(&mut self) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        let mut piece = [0; 1024];
        while !head.windows(4).any(|window| window == b"\r\n\r\n") && head.len() < HEAD {
            match self.read(&mut piece)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                count => head.extend_from_slice(&piece[..count]),
            }
        }
        Ok(head)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(into)
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.socket.set_write_timeout(Some(self.left()?))?;
            let count = self.socket.write(bytes)?;
            bytes = bytes.get(count..).filter(|_| count > 0).ok_or(ErrorKind::WriteZero)?;
        }
        Ok(())
    }
}

/// The whole answer to a request with this head.
fn answer(head: &str, answers: &dyn Answers) -> Vec<u8> {
    let mut words = head.lines().next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let version = words.next().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    let plain = "text/plain; charset=utf-8";
    let line = |status: &'static str, text: &str| (status, plain, text.to_owned());
    let (status, kind, body) = match (method, path) {
        _ if !version.starts_with("HTTP/1.") => line("400 Bad Request", "not HTTP/1.1\n"),
        ("GET" | "HEAD", "/metrics") => {
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", answers.metrics())
        }
        ("GET" | "HEAD", "/health") => line("200 OK", "ok\n"),
        ("GET" | "HEAD", "/ready") if answers.is_ready() => line("200 OK", "ready\n"),
        ("GET" | "HEAD", "/ready") => line("503 Service Unavailable", "stopping\n"),
        ("GET" | "HEAD", _) => line("404 Not Found", "/metrics, /health and /ready are here\n"),
        _ => line("405 Method Not Allowed", "only GET and HEAD\n"),
    };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{allow}\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    );
    if method != "HEAD" {
        answer.push_str(&body);
    }
    answer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(bool);

    impl Answers for Fixed {
        fn metrics(&self) -> String {
            "a 1\n".into()
        }

        fn is_ready(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn addresses() {
        // Only who names another address is heard by other machines.
        for (value, expected) in [
            ("9100", "127.0.0.1:9100"),
            (":9100", "127.0.0.1:9100"),
            ("0", "127.0.0.1:0"),
            ("localhost", "127.0.0.1:8081"),
            ("localhost:1", "127.0.0.1:1"),
            ("0.0.0.0", "0.0.0.0:8081"),
            ("10.0.0.1:9", "10.0.0.1:9"),
            ("::1", "[::1]:8081"),
            ("[::]", "[::]:8081"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(address(value), Ok(expected.parse().unwrap()), "{value}");
        }
        for bad in ["", ":", "70000", "example.org", "1.2.3.4:", "1.2.3.4:x", "[::1"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers() {
        // Each path has its answer, HEAD only the head of it, and nothing else is served.
        let said =
            |head: &str, ready: bool| String::from_utf8(answer(head, &Fixed(ready))).unwrap();
        for (line, status, body) in [
            ("GET /metrics HTTP/1.1", "200 OK", "a 1\n"),
            ("GET /metrics?x=1 HTTP/1.0", "200 OK", "a 1\n"),
            ("HEAD /metrics HTTP/1.1", "200 OK", ""),
            ("GET /health HTTP/1.1", "200 OK", "ok\n"),
            ("GET /ready HTTP/1.1", "200 OK", "ready\n"),
            ("GET /etc/passwd HTTP/1.1", "404 ", "/metrics, /health and /ready are here\n"),
            ("POST /metrics HTTP/1.1", "405 ", "only GET and HEAD\n"),
            ("\x16\x03\x01", "400 ", "not HTTP/1.1\n"),
            ("GET /metrics", "400 ", "not HTTP/1.1\n"),
        ] {
            let text = said(&format!("{line}\r\nHost: x\r\n\r\n"), true);
            assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {text}");
            assert_eq!(text.split_once("\r\n\r\n").unwrap().1, body, "{line}");
        }
        assert!(said("GET /ready HTTP/1.1", false).starts_with("HTTP/1.1 503 "));
        assert!(said("GET /health HTTP/1.1", false).starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn slow_clients() {
        // Clients that send half a request are given up, and then others have their turn.
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, Arc::new(Fixed(true))).unwrap();
        let slow = |_| {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(b"GET /metr").unwrap();
            socket
        };
        let slow: Vec<TcpStream> = (0..CLIENTS).map(slow).collect();
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(6 * PATIENCE)).unwrap();
        socket.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        assert!(text.ends_with("\r\n\r\na 1\n"), "{text}");
        drop(slow);
    }
}
