//! What a client hears for whom there is no descriptor: the answer that S3 gives, and time to
//! read it.

use std::cell::Cell;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use lobos_proto::{Code, Error, Timestamp};
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

/// A descriptor in reserve, which is lent to one client at a time.
pub(crate) struct Spare {
    kept: Cell<Option<File>>,
    lent: Cell<Option<OwnedFd>>,
}

impl Spare {
    pub(crate) fn new() -> Self {
        Self { kept: Cell::new(reserve()), lent: Cell::new(None) }
    }

    /// Takes it back from the client that has it: what that one has sent is passed over, since
    /// unread bytes would turn the end of the connection into a reset, which takes the answer
    /// away.
    pub(crate) fn take_back(&self) {
        if let Some(socket) = self.lent.take() {
            let mut bytes = [0; 16 << 10];
            let drained = (0..64).map(|_| recv(&socket, &mut bytes[..], RecvFlags::DONTWAIT));
            drained.take_while(|read| read.is_ok_and(|(_, count)| count > 0)).for_each(drop);
            drop(socket);
            self.kept.set(reserve());
        }
    }

    /// Lends it: `accept` takes a client, who is told to come again later.
    pub(crate) fn lend<E>(&self, accept: impl FnOnce() -> Result<OwnedFd, E>) {
        self.kept.set(None);
        match accept() {
            Ok(socket) => {
                let _ = send(&socket, &answer(), SendFlags::NOSIGNAL);
                let _ = shutdown(&socket, Shutdown::Write);
                self.lent.set(Some(socket));
            }
            Err(_) => self.kept.set(reserve()),
        }
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

/// SlowDown, on a connection that ends with it.
fn answer() -> Vec<u8> {
    let error = Error::new(Code::SlowDown);
    let (code, sentence) = (error.code().as_str(), error.sentence());
    let id = RandomState::new().hash_one(0);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{sentence}\
         </Message><RequestId>{id:016X}</RequestId><HostId>{id:016x}</HostId></Error>"
    );
    let date = Timestamp::from(SystemTime::now()).to_http();
    let (status, length) = (error.code().status(), body.len());
    let answer = format!(
        "HTTP/1.1 {status} Service Unavailable\r\nx-amz-request-id: {id:016X}\r\n\
         x-amz-id-2: {id:016x}\r\nDate: {date}\r\nServer: Lobos\r\nConnection: close\r\n\
         Retry-After: 1\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    answer.into_bytes()
}
