//! Tells the service manager that the server is ready and that it stops (sd_notify(3)).

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::task::{Wake, Waker};

use lobos_drive::Stop;

use crate::report;

/// Who is to be told: the value of NOTIFY_SOCKET.
#[derive(Debug)]
struct Manager(SocketAddr);

/// Says that the server is ready, and when `stop` is triggered that it stops. Without NOTIFY_SOCKET
/// there is nobody to be told.
pub(crate) fn ready(stop: &Stop) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
        return;
    };
    let manager = Manager::new(&socket).and_then(|manager| {
        manager.tell("READY=1")?;
        Ok(manager)
    });
    match manager {
        Ok(manager) => stop.watch(&Waker::from(Arc::new(manager))),
        Err(error) => report::say(&format!("cannot tell NOTIFY_SOCKET {socket:?}: {error}")),
    }
}

impl Manager {
    /// A path, or behind an `@` a name that is no file.
    fn new(socket: &OsStr) -> io::Result<Self> {
        let address = match socket.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(socket),
        };
        address.map(Self)
    }

    fn tell(&self, state: &str) -> io::Result<()> {
        UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &self.0).map(drop)
    }
}

/// The server stops: nobody is left to be told if that cannot be said.
impl Wake for Manager {
    fn wake(self: Arc<Self>) {
        let _ = self.tell("STOPPING=1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells() {
        // A socket of the file system and an abstract one get each state as one message.
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let name = format!("lobos-test-{}", std::process::id());
        let abstract_one = SocketAddr::from_abstract_name(&name).unwrap();
        for (socket, value) in [
            (UnixDatagram::bind(&path), path.into_os_string()),
            (UnixDatagram::bind_addr(&abstract_one), format!("@{name}").into()),
        ] {
            let socket = socket.unwrap();
            let manager = Arc::new(Manager::new(&value).unwrap());
            manager.tell("READY=1").unwrap();
            Waker::from(manager).wake();
            for state in ["READY=1", "STOPPING=1"] {
                let mut bytes = [0; 64];
                let count = socket.recv(&mut bytes).unwrap();
                assert_eq!(&bytes[..count], state.as_bytes());
            }
        }
    }
}
