//! `lobos healthcheck`: asks a server whether it answers as S3 does.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::address::{Place, UNIX};
use crate::cli::{self, Flags};
use crate::unverified::client;

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// No head of an answer is longer.
const HEAD: usize = 16 << 10;

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    secure: bool,
    at: At,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Host(String, u16),
    Path(PathBuf),
}

/// Asks `url`, or where a server with these flags listens, and says what is wrong in one line.
/// Whoever is refused for want of a signature has met a server that works.
///
/// # Errors
/// The line.
pub(crate) fn run(url: Option<&str>, flags: &Flags) -> Result<(), String> {
    let target = match url {
        Some(url) => Target::parse(url, flags)?,
        None => Target::of(flags)?,
    };
    let answer = ask(&target, Instant::now() + PATIENCE);
    let answer = answer.map_err(|error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("{target} does not answer within {} s", PATIENCE.as_secs())
        }
        _ => format!("{target} does not answer: {error}"),
    })?;
    judge(&answer).map_err(|why| format!("{target} {why}"))
}

impl Target {
    /// Reads `http://HOST[:PORT]`, `https://HOST[:PORT]` or `unix:PATH`; a path of a URL is
    /// ignored.
    fn parse(url: &str, flags: &Flags) -> Result<Self, String> {
        let bad = || format!("{url} is no URL such as http://127.0.0.1:8080 or unix:/path");
        if url.starts_with(UNIX) {
            let Ok(Place::Unix(path)) = Place::parse(url) else { return Err(bad()) };
            return Ok(Self { secure: flags.tls_cert.is_some(), at: At::Path(path) });
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(bad()),
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let bare = authority.ends_with(']') || !authority.contains(':');
        let (host, port) = match authority.rsplit_once(':').filter(|_| !bare) {
            Some((host, port)) => (host, port.parse().map_err(|_| bad())?),
            None => (authority, if secure { 443 } else { 80 }),
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
        if host.is_empty() || !host.bytes().all(legal) {
            return Err(bad());
        }
        Ok(Self { secure, at: At::Host(host.into(), port) })
    }

    /// Where a server with these flags is.
    fn of(flags: &Flags) -> Result<Self, String> {
        let secure = flags.tls_cert.is_some();
        let at = match flags.listen.first().unwrap_or(&cli::LOOPBACK) {
            Place::Unix(path) => At::Path(path.clone()),
            Place::Ip(ip) => {
                if flags.port() == 0 {
                    return Err("with port 0 nobody knows where: lobos healthcheck URL".into());
                }
                At::Host(reachable(*ip), flags.port())
            }
        };
        Ok(Self { secure, at })
    }

    fn host(&self) -> &str {
        match &self.at {
            At::Host(host, _) => host.trim_start_matches('[').trim_end_matches(']'),
            At::Path(_) => "localhost",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        match &self.at {
            At::Host(host, port) => write!(f, "{scheme}://{host}:{port}"),
            At::Path(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Who listens on all addresses listens on loopback.
fn reachable(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.to_string(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => format!("[{}]", Ipv6Addr::LOCALHOST),
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The head of the answer.
fn ask(target: &Target, deadline: Instant) -> io::Result<Vec<u8>> {
    let left = || deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    match &target.at {
        At::Path(path) => {
            let socket = UnixStream::connect(path)?;
            socket.set_write_timeout(Some(left()))?;
            let timeout = |socket: &UnixStream| socket.set_read_timeout(Some(left()));
            exchange(target, socket, timeout)
        }
        At::Host(_, port) => {
            let mut last = io::Error::from(ErrorKind::NotFound);
            for address in (target.host(), *port).to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, left()) {
                    Ok(socket) => {
                        socket.set_write_timeout(Some(left()))?;
                        let timeout = |socket: &TcpStream| socket.set_read_timeout(Some(left()));
                        return exchange(target, socket, timeout);
                    }
                    Err(error) => last = error,
                }
            }
            Err(last)
        }
    }
}

/// `timeout` is called before each read.
fn exchange<S: Read + Write>(
    target: &Target,
    socket: S,
    timeout: impl Fn(&S) -> io::Result<()>,
) -> io::Result<Vec<u8>> {
    let authority = match &target.at {
        At::Host(host, port) => format!("{host}:{port}"),
        At::Path(_) => "localhost".into(),
    };
    let request = format!(
        "GET /?max-buckets=1 HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: lobos-healthcheck\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    );
    let mut head = Vec::new();
    if target.secure {
        let mut stream = client(target.host(), socket)?;
        timeout(&stream.sock)?;
        stream.write_all(request.as_bytes())?;
        read(&mut stream, &mut head, |stream| timeout(&stream.sock))?;
    } else {
        let mut socket = socket;
        socket.write_all(request.as_bytes())?;
        read(&mut socket, &mut head, timeout)?;
    }
    Ok(head)
}

fn read<S: Read>(
    stream: &mut S,
    head: &mut Vec<u8>,
    timeout: impl Fn(&S) -> io::Result<()>,
) -> io::Result<()> {
    let mut bytes = [0; 2048];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < HEAD {
        timeout(stream)?;
        match stream.read(&mut bytes) {
            Ok(0) => break,
            Ok(count) => head.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Who closes TLS in an odd way has answered all the same.
            Err(_) if !head.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether it is the answer of an S3 server that works.
fn judge(head: &[u8]) -> Result<(), String> {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)?.parse::<u16>().ok());
    let Some(status) = status else {
        let what = if head.is_empty() { "closes without an answer" } else { "speaks no HTTP" };
        return Err(what.into());
    };
    let mut names = lines.take_while(|line| !line.is_empty()).filter_map(|l| l.split_once(':'));
    if !names.any(|(name, _)| name.eq_ignore_ascii_case("x-amz-request-id")) {
        return Err(format!("answers {status}, but is no S3 server"));
    }
    match status {
        400 => Err("answers 400: http and https do not fit, or a proxy is between".into()),
        500.. => Err(format!("answers {status}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn flags(args: &[&str]) -> Flags {
        Flags::parse_from([&["lobos", "--dir", "d"], args].concat())
    }

    #[test]
    fn targets() {
        // URLs of each kind, and without one what the flags of the server say.
        let parse = |url: &str| Target::parse(url, &flags(&[])).map(|t| t.to_string());
        for (url, shown) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("HTTPS://s3.example.org/bucket?x", "https://s3.example.org:443"),
            ("http://[::1]:9000/", "http://[::1]:9000"),
            ("http://[::1]", "http://[::1]:80"),
            ("unix:/run/x", "unix:/run/x"),
        ] {
            assert_eq!(parse(url), Ok(shown.into()));
        }
        for bad in ["localhost:8080", "ftp://x", "http://", "http://a b", "http://x:y", "unix:"] {
            assert!(parse(bad).unwrap_err().contains("is no URL such as"), "{bad}");
        }
        let of = |args: &[&str]| Target::of(&flags(args)).map(|target| target.to_string());
        assert_eq!(of(&[]), Ok("http://127.0.0.1:8080".into()));
        assert_eq!(of(&["--listen", "0.0.0.0", "-p9"]), Ok("http://127.0.0.1:9".into()));
        assert_eq!(of(&["--listen", "::"]), Ok("http://[::1]:8080".into()));
        assert_eq!(of(&["--listen", "10.0.0.9,unix:/x"]), Ok("http://10.0.0.9:8080".into()));
        assert_eq!(of(&["--listen", "unix:/x,::1"]), Ok("unix:/x".into()));
        let tls = ["--tls-cert", "c", "--tls-key", "k"];
        assert_eq!(of(&tls), Ok("https://127.0.0.1:8080".into()));
        assert!(of(&["-p0"]).unwrap_err().contains("healthcheck URL"));
    }

    #[test]
    fn judgement() {
        // A refusal is a sign of life, errors of the server and answers of others are not.
        let judge = |head: &str| judge(head.as_bytes());
        let s3 = |status: &str| judge(&format!("HTTP/1.1 {status}\r\nX-Amz-Request-Id: 1\r\n\r\n"));
        for alive in ["200 OK", "403 Forbidden", "404 Not Found"] {
            assert_eq!(s3(alive), Ok(()), "{alive}");
        }
        for dead in ["500 x", "503 Slow Down", "400 Bad Request"] {
            assert!(s3(dead).is_err(), "{dead}");
        }
        assert!(judge("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n").unwrap_err().contains("no S3"));
        for other in ["", "SSH-2.0-x\r\n", "HTTP/1.1 2", "HTTP/1.1 abc\r\n"] {
            assert!(judge(other).is_err(), "{other}");
        }
    }
}
