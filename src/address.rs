//! Where the server listens: addresses and paths, and what to say when that cannot be.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lobos_drive::Listener;

use crate::cli::Flags;

/// What a path to listen on begins with.
pub(crate) const UNIX: &str = "unix:";

/// A value of `--listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With `--port`.
    Ip(IpAddr),
    /// A socket of the file system.
    Unix(PathBuf),
}

impl Place {
    /// Reads an address, `localhost` or `unix:PATH`.
    pub(crate) fn parse(value: &str) -> Result<Self, String> {
        if let Some(path) = value.strip_prefix(UNIX) {
            let path = path.strip_prefix("//").unwrap_or(path);
            let names_file = !path.is_empty() && !path.ends_with('/');
            let place = names_file.then(|| Self::Unix(path.into()));
            return place.ok_or_else(|| "a path is needed: unix:/run/lobos.sock".into());
        }
        if value.eq_ignore_ascii_case("localhost") {
            return Ok(Self::Ip(Ipv4Addr::LOCALHOST.into()));
        }
        let bare = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')).unwrap_or(value);
        match bare.parse() {
            Ok(ip) => Ok(Self::Ip(ip)),
            Err(_) if bare.parse::<SocketAddr>().is_ok() => {
                Err("an address without a port is needed; the port goes to --port".into())
            }
            Err(_) if value.starts_with('/') => Err(format!("a path needs a word: unix:{value}")),
            Err(_) => Err("not an IP address".into()),
        }
    }

    /// Whether only this machine reaches it.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Listens wherever the flags say.
///
/// # Errors
/// One line for the user.
pub(crate) fn listen(flags: &Flags) -> Result<Listener, String> {
    let socket = |place: &Place| match place {
        Place::Ip(ip) => Some(SocketAddr::new(*ip, flags.port())),
        Place::Unix(_) => None,
    };
    let addresses: Vec<_> = flags.listen().iter().filter_map(socket).collect();
    let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let mut listener = Listener::bind(&addresses).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => in_use(flags),
        ErrorKind::PermissionDenied => {
            let port = flags.port();
            format!("port {port} needs more rights: choose one from 1024 up with --port")
        }
        ErrorKind::AddrNotAvailable => {
            let ips: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            format!("{} is no address of this machine", ips.join(" or "))
        }
        _ => format!("cannot listen on {}: {error}", shown.join(", ")),
    })?;
    for place in flags.listen() {
        let Place::Unix(path) = place else { continue };
        let shown = path.display();
        listener.bind_unix(path).map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => format!("another server listens on {shown}"),
            ErrorKind::AlreadyExists => {
                format!("{shown} is there and is no socket; remove it or choose another path")
            }
            ErrorKind::NotFound => format!("there is no folder for the socket {shown}; make it"),
            ErrorKind::PermissionDenied => format!("no permission to make the socket {shown}"),
            _ => format!("cannot listen on {place}: {error}"),
        })?;
    }
    Ok(listener)
}

/// Whoever chose the port knows how; whoever did not is told.
fn in_use(flags: &Flags) -> String {
    let port = flags.port();
    match flags.port {
        Some(_) => format!("port {port} is in use"),
        None => format!("port {port} is in use; choose another, or any free one: --port 0"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn places() {
        // An address, localhost or a path behind `unix:`; what is close to that is told how.
        let local = Place::Ip(Ipv4Addr::LOCALHOST.into());
        assert_eq!(Place::parse("LocalHost"), Ok(local.clone()));
        assert_eq!(Place::parse("127.0.0.1"), Ok(local));
        let path = Place::Unix("/run/x".into());
        assert_eq!(Place::parse("unix:/run/x"), Ok(path.clone()));
        assert_eq!(Place::parse("unix:///run/x"), Ok(path.clone()));
        assert_eq!(Place::parse("unix:x"), Ok(Place::Unix("x".into())));
        assert_eq!(path.to_string(), "unix:/run/x");
        for (bad, words) in [
            ("unix:", "unix:/run/lobos.sock"),
            ("unix:/run/", "unix:/run/lobos.sock"),
            ("/run/x", "unix:/run/x"),
            ("127.0.0.1:80", "--port"),
            ("example.org", "not an IP address"),
        ] {
            let error = Place::parse(bad).unwrap_err();
            assert!(error.contains(words), "{bad}: {error}");
        }
    }

    #[test]
    fn local() {
        // A path counts as loopback: no other machine gets there.
        for (value, is_local) in
            [("::1", true), ("unix:/x", true), ("::ffff:127.0.0.1", true), ("0.0.0.0", false)]
        {
            assert_eq!(Place::parse(value).unwrap().is_local(), is_local, "{value}");
        }
    }

    #[test]
    fn errors() {
        // What keeps it from listening on a path is one line that names the path.
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("unix:{}", home.path().join(name).display());
        let listen = |value: &str| {
            listen(&Flags::parse_from(["lobos", "--dir", "d", "-p0", "--listen", value]))
        };
        std::fs::write(home.path().join("file"), "x").unwrap();
        let first = listen(&at("s")).unwrap();
        assert!(first.addresses().is_empty());
        assert!(listen(&at("s")).unwrap_err().starts_with("another server listens on /"));
        assert!(listen(&at("file")).unwrap_err().contains("is no socket"));
        assert!(listen(&at("none/s")).unwrap_err().contains("there is no folder"));
        let both = listen(&format!("127.0.0.1,{}", at("t"))).unwrap();
        assert_eq!((both.addresses().len(), both.paths().count()), (1, 1));
    }
}
