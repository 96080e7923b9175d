//! Listening sockets, and what to do when accepting fails: go on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::busy::Spare;
use crate::unix::{self, SocketFile};

/// How many connections the kernel keeps for us until we accept them.
pub(crate) const BACKLOG: i32 = 4096;

/// How long to accept nothing when descriptors or memory have run out.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Sockets that listen, all on the same port if that was left to the kernel.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<OwnedFd>,
    addresses: Vec<SocketAddr>,
    files: Vec<(SocketFile, OwnedFd)>,
}

impl Listener {
    /// Listens on all of the addresses; port 0 is any free one, the same for all that say 0.
    ///
    /// # Errors
    /// `AddrInUse` and whatever else the kernel says of an address.
    pub fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        // A port that is free on one address may be taken on the next.
        let mut tries = 0;
        loop {
            tries += 1;
            match Self::bind_once(addresses) {
                Err(e) if e.kind() == ErrorKind::AddrInUse && tries < 8 && mixed(addresses) => {}
                other => return other,
            }
        }
    }

    fn bind_once(addresses: &[SocketAddr]) -> io::Result<Self> {
        let both = addresses.iter().any(SocketAddr::is_ipv4);
        let (mut sockets, mut bound) = (Vec::new(), Vec::new());
        let mut free = 0;
        for address in addresses {
            let mut address = *address;
            let chosen = address.port() == 0;
            if chosen {
                address.set_port(free);
            }
            let socket = listen(address, both)?;
            let name: SocketAddr = rustix::net::getsockname(&socket)?.try_into()?;
            if chosen {
                free = name.port();
            }
            sockets.push(socket);
            bound.push(name);
        }
        Ok(Self { sockets, addresses: bound, files: Vec::new() })
    }

    /// Listens on this path, too. What a server that is dead left there is replaced; the file is
    /// removed when the server stops to accept.
    ///
    /// # Errors
    /// `AddrInUse` if another server listens there, `AlreadyExists` if there is something that is
    /// no socket, and whatever else the kernel says of the path.
    pub fn bind_unix(&mut self, path: &Path) -> io::Result<()> {
        self.files.push(unix::listen(path)?);
        Ok(())
    }

    /// Where it listens, with the real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The paths on which it listens, absolute.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(file, _)| file.path())
    }

    /// The sockets, nonblocking, each to be accepted from on its own.
    pub fn into_acceptors(self) -> Vec<Acceptor> {
        let sockets = self.sockets.into_iter().map(|socket| Acceptor::new(socket, None));
        let files = self.files.into_iter().map(|(file, socket)| Acceptor::new(socket, Some(file)));
        sockets.chain(files).collect()
    }
}

fn mixed(addresses: &[SocketAddr]) -> bool {
    addresses.iter().filter(|a| a.port() == 0).count() > 1
}

/// Without SO_REUSEPORT: a second server on the same port must fail, not share it.
fn listen(address: SocketAddr, both: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let tcp = Some(ipproto::TCP);
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, tcp)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() && both {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Lets the process open as many descriptors as it may, and says how many that are.
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

/// One listening socket, with a descriptor in reserve.
pub struct Acceptor {
    /// Of a socket that is no TCP. It goes first.
    file: Option<SocketFile>,
    socket: OwnedFd,
    spare: Spare,
}

/// What [`Acceptor::accept`] met.
#[derive(Debug)]
pub enum Accepted {
    /// A connection by TCP or by a socket of the file system: nonblocking, without Nagle's delay.
    Socket(OwnedFd),
    /// Nothing for now.
    WouldBlock,
    /// The connection was gone already; there may be others.
    Again,
    /// Descriptors or memory have run out: try again after [`PAUSE`].
    Pause,
}

impl Acceptor {
    fn new(socket: OwnedFd, file: Option<SocketFile>) -> Self {
        Self { file, socket, spare: Spare::new() }
    }

    /// Accepts one connection. Nothing that goes wrong here ends the service.
    pub fn accept(&self) -> Accepted {
        self.spare.take_back();
        match self.accept_socket() {
            Ok(socket) => {
                if self.file.is_none() {
                    // It fails if the peer is gone already, which the first read tells, too.
                    let _ = sockopt::set_tcp_nodelay(&socket, true);
                }
                Accepted::Socket(socket)
            }
            Err(Errno::AGAIN) => Accepted::WouldBlock,
            Err(Errno::MFILE | Errno::NFILE) => {
                self.spare.lend(|| self.accept_socket());
                Accepted::Pause
            }
            Err(Errno::NOBUFS | Errno::NOMEM) => Accepted::Pause,
            // accept(2): errors of the new connection, or of the network it came from.
            Err(
                Errno::CONNABORTED
                | Errno::INTR
                | Errno::NETDOWN
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::HOSTDOWN
                | Errno::NONET
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::NETUNREACH,
            ) => Accepted::Again,
            Err(_) => Accepted::Pause,
        }
    }

    fn accept_socket(&self) -> Result<OwnedFd, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        rustix::net::accept_with(&self.socket, flags)
    }
}

/// To wait until there is something to accept.
impl AsFd for Acceptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Acceptor {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[test]
    fn one_server_per_port() -> io::Result<()> {
        // A second server on the same port fails, and a restart does not.
        let first = Listener::bind(&[loopback()])?;
        let address = first.addresses()[0];
        assert_ne!(address.port(), 0);
        let second = Listener::bind(&[address]).map_err(|e| e.kind());
        assert_eq!(second.err(), Some(ErrorKind::AddrInUse));
        let client = TcpStream::connect(address)?;
        let acceptors = first.into_acceptors();
        assert!(matches!(acceptors[0].accept(), Accepted::Socket(_)));
        drop((acceptors, client));
        Listener::bind(&[address])?;
        Ok(())
    }

    #[test]
    fn same_port() -> io::Result<()> {
        // Several addresses without a port get the same one.
        let other = SocketAddr::from(([127, 0, 0, 2], 0));
        let listener = Listener::bind(&[loopback(), other])?;
        assert_eq!(listener.addresses()[0].port(), listener.addresses()[1].port());
        Ok(())
    }

    #[test]
    fn nothing_there() -> io::Result<()> {
        // Accepting never blocks.
        let acceptors = Listener::bind(&[loopback()])?.into_acceptors();
        assert!(matches!(acceptors[0].accept(), Accepted::WouldBlock));
        Ok(())
    }
}
