//! Moves bytes between a nonblocking socket and a session with as few copies and system calls as
//! Linux needs: `recv`, `send`, `sendfile`.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};

use lobos_proto::{Now, Source};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::secure::{self, Records};
use crate::{Cold, Session};

/// A body up to this size is read behind its head and both go out in one packet train.
pub const SMALL_BODY: usize = 16 << 10;

/// A good size for the memory that [`send`] works in.
pub const OUTPUT: usize = 64 << 10;

/// So many bytes are waited for at a time.
const PIECE: u64 = 1 << 20;

/// One connection sends no more than this before the others get their turn: 1 MiB and its head in
/// two. At 2 MiB a small GET beside it waits twice as long, and a client on a processor of its own
/// falls asleep and is woken a dozen times for each MiB, which costs more than sending it. With
/// half of this, clients on the same processor cost half as much again.
const TURN: u64 = 576 << 10;

/// What [`receive`] met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// The space is full, there may be more.
    Full,
    /// So many bytes, and no more for now.
    Some(usize),
    /// Nothing for now.
    WouldBlock,
    /// The peer will send no more.
    Closed,
}

/// What [`send`] met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Everything is out, so many bytes.
    All(u64),
    /// The socket is full.
    WouldBlock,
    /// There is more to send, but others have waited long enough.
    Turn,
    /// These bytes of the source have to come from a disk first: for [`Session::warm`].
    Cold(Range<u64>),
}

/// Receives once into the space of the session, through its TLS if it has one.
///
/// # Errors
/// The connection is broken.
pub fn receive(
    socket: impl AsFd,
    session: &mut Session,
    records: &mut Records,
    now: Now,
) -> io::Result<Received> {
    if session.is_secure() {
        return secure::receive(socket.as_fd(), session, records, now);
    }
    let space = session.space();
    let room = space.len();
    match receive_into(socket.as_fd(), space)? {
        Some(0) => {
            session.peer_closed(now);
            Ok(Received::Closed)
        }
        Some(count) => {
            session.received(count, now);
            Ok(if count == room { Received::Full } else { Received::Some(count) })
        }
        None => Ok(Received::WouldBlock),
    }
}

/// Receives once; 0 is the end, and nothing is there yet if it is `None`.
pub(crate) fn receive_into(socket: BorrowedFd<'_>, space: &mut [u8]) -> io::Result<Option<usize>> {
    match retry(|| rustix::net::recv(socket, &mut *space, RecvFlags::empty())) {
        Ok((_, count)) => Ok(Some(count)),
        Err(Errno::AGAIN) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Sends what the session has until the socket is full, in `memory` where a file cannot go out by
/// itself.
///
/// # Errors
/// The connection is broken, or the source is, or it ended before it should: a body is cut short
/// and never padded. The session is aborted then.
pub fn send(
    socket: impl AsFd,
    session: &mut Session,
    memory: &mut [u8],
    records: &mut Records,
    cold: &mut Cold,
    now: Now,
) -> io::Result<Sent> {
    let mut total = 0;
    loop {
        let mut limit = TURN - total;
        if cold.is_wary(now.instant) {
            if let Some(range) = next_cold(session) {
                cold.met(now.instant);
                return Ok(Sent::Cold(range));
            }
            let ahead = session.warm_to().saturating_sub(session.transmit().body.start);
            limit = limit.min(ahead.max(1));
        }
        let has_body = !session.transmit().body.is_empty();
        let mut once = || match session.is_secure() {
            true => secure::send_once(socket.as_fd(), session, records, memory, limit),
            false => send_once(socket.as_fd(), session, memory, limit),
        };
        match if has_body { cold.watch(once) } else { once() } {
            Ok(None) => return Ok(Sent::All(total)),
            Ok(Some(count)) => {
                session.sent(count, now);
                total += count;
                if total >= TURN {
                    return Ok(Sent::Turn);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Sent::WouldBlock);
            }
            Err(error) => {
                session.abort();
                return Err(error);
            }
        }
    }
}

/// What comes next of the source, if that has to be waited for.
fn next_cold(session: &mut Session) -> Option<Range<u64>> {
    let output = session.transmit();
    let (source, body) = (output.source?, output.body);
    if body.is_empty() || body.start < session.warm_to() {
        return None;
    }
    let range = body.start..body.end.min(body.start.saturating_add(PIECE));
    if source.is_cold(range.clone()) {
        return Some(range);
    }
    session.is_warm(range.end);
    None
}

/// One system call's worth; `None` if nothing is left.
fn send_once(
    socket: BorrowedFd<'_>,
    session: &Session,
    memory: &mut [u8],
    limit: u64,
) -> io::Result<Option<u64>> {
    let output = session.transmit();
    let (head, body) = (output.head, output.body);
    let left = body.end.saturating_sub(body.start);
    if left == 0 {
        return if head.is_empty() { Ok(None) } else { plain(socket, head, false).map(Some) };
    }
    let Some(source) = output.source else {
        return Err(io::Error::other("a body without a source"));
    };
    if let Some(file) = source.file() {
        let small = left <= SMALL_BODY as u64 && head.len() + SMALL_BODY <= memory.len();
        if !small && !head.is_empty() {
            return plain(socket, head, true).map(Some);
        }
        if !small {
            let count = usize::try_from(left.min(limit)).unwrap_or(usize::MAX);
            let mut offset = body.start;
            match retry(|| rustix::fs::sendfile(socket, file, Some(&mut offset), count)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => return Ok(Some(count as u64)),
                // A file system that cannot do it.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    copied(socket, head, source, body, limit, memory).map(Some)
}

/// Sends head and as much of the body as fits into `memory` and into the limit.
fn copied(
    socket: BorrowedFd<'_>,
    head: &[u8],
    source: &dyn Source,
    body: Range<u64>,
    limit: u64,
    memory: &mut [u8],
) -> io::Result<u64> {
    if head.len() >= memory.len() {
        return plain(socket, head, true);
    }
    let count = fill(head, source, body.clone(), limit, memory)?;
    let more = ((count - head.len()) as u64) < body.end - body.start;
    plain(socket, &memory[..count], more)
}

/// Head and as much of the body as fits into `memory` behind it, and into the limit.
pub(crate) fn fill(
    head: &[u8],
    source: &dyn Source,
    body: Range<u64>,
    limit: u64,
    memory: &mut [u8],
) -> io::Result<usize> {
    let (front, room) = memory.split_at_mut(head.len());
    front.copy_from_slice(head);
    let left = body.end - body.start;
    let wanted = usize::try_from(left.min(limit)).map_or(room.len(), |most| most.min(room.len()));
    let mut count = 0;
    while count < wanted {
        let read = match source.read_at(&mut room[count..wanted], body.start + count as u64) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        count += read;
    }
    Ok(head.len() + count)
}

/// `more` holds the last packet back until more has come.
pub(crate) fn plain(socket: BorrowedFd<'_>, bytes: &[u8], more: bool) -> io::Result<u64> {
    let more = if more { SendFlags::MORE } else { SendFlags::empty() };
    let count = retry(|| rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | more))?;
    Ok(count as u64)
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
