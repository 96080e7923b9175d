//! Moves bytes between a nonblocking socket and a session through its TLS.

use std::io;
use std::os::fd::BorrowedFd;

use lobos_proto::{Code, Error, Now};

use crate::tls::{Greeting, PIECE, RECORD, SEALED, Tls};
use crate::turn::SCRATCH;
use crate::zerocopy::{Received, fill, plain, receive_into};
use crate::{Buffer, Session};

/// The memory of one thread for records; nothing as long as there is no TLS.
#[derive(Default)]
pub struct Records {
    received: Buffer,
    sealed: Buffer,
}

impl Records {
    fn received(&mut self) -> &mut Buffer {
        if self.received.capacity() == 0 {
            self.received = Buffer::with_capacity(SCRATCH + RECORD);
        }
        &mut self.received
    }

    fn sealed(&mut self) -> &mut Buffer {
        if self.sealed.capacity() == 0 {
            self.sealed = Buffer::with_capacity(SEALED);
        }
        self.sealed.clear();
        &mut self.sealed
    }
}

/// For whoever speaks HTTP to a port with a certificate.
const NO_TLS: &str = "This port speaks HTTPS, and this request came without TLS: \
    its URL has to begin with https://";

/// Receives once and decrypts into the space of the session.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    session: &mut Session,
    records: &mut Records,
    now: Now,
) -> io::Result<Received> {
    let Some(mut tls) = session.take_tls() else { return Ok(Received::WouldBlock) };
    let records = records.received();
    tls.lend(records);
    // All that comes out of it fits into the session.
    let room = session.space().len().saturating_sub(records.bytes().len());
    let got = receive_into(socket, &mut records.space()[..room])?;
    let count = got.unwrap_or_default();
    records.filled(count);
    if got == Some(0) {
        session.set_tls(tls);
        session.peer_closed(now);
        return Ok(Received::Closed);
    }
    let received = if count == room { Received::Full } else { Received::Some(count) };
    if count > 0 && tls.greet(records.bytes()) == Greeting::Plain {
        session.refuse(Error::new(Code::InvalidRequest).message(NO_TLS), now);
        return Ok(received);
    }
    let opened = tls.open(records, |bytes| session.take_in(bytes));
    if opened.is_err() {
        // The alert says why; if the socket has no room for it, nobody hears.
        let _ = plain(socket, tls.unsent(), false);
        session.hang_up();
        return Ok(received);
    }
    let closed = tls.has_peer_closed();
    session.set_tls(tls);
    if closed {
        session.peer_closed(now);
        return Ok(Received::Closed);
    }
    Ok(if got.is_some() { received } else { Received::WouldBlock })
}

/// What the last piece of encrypted bytes has left, or else the next piece: one system call's
/// worth, as bytes of the session. `None` if nothing is left.
pub(crate) fn send_once(
    socket: BorrowedFd<'_>,
    session: &mut Session,
    records: &mut Records,
    memory: &mut [u8],
    limit: u64,
) -> io::Result<Option<u64>> {
    let Some(mut tls) = session.take_tls() else { return Ok(None) };
    let sent = send_piece(socket, session, &mut tls, records, memory, limit);
    session.set_tls(tls);
    sent
}

fn send_piece(
    socket: BorrowedFd<'_>,
    session: &Session,
    tls: &mut Tls,
    records: &mut Records,
    memory: &mut [u8],
    limit: u64,
) -> io::Result<Option<u64>> {
    if !tls.unsent().is_empty() {
        let count = plain(socket, tls.unsent(), false)?;
        return Ok(Some(tls.sent(usize::try_from(count).unwrap_or(usize::MAX))));
    }
    let output = session.transmit();
    let (head, body) = (output.head, output.body);
    let left = body.end.saturating_sub(body.start);
    if tls.is_handshaking() || (head.is_empty() && left == 0) {
        return Ok(None);
    }
    let piece = match output.source {
        _ if left == 0 || head.len() >= PIECE => &head[..head.len().min(PIECE)],
        None => return Err(io::Error::other("a body without a source")),
        Some(source) => {
            let memory = &mut memory[..PIECE];
            let count = fill(head, source, body, limit, memory)?;
            &memory[..count]
        }
    };
    let more = (piece.len() as u64) < head.len() as u64 + left;
    let sealed = records.sealed();
    tls.seal(piece, sealed).map_err(io::Error::other)?;
    let taken = match plain(socket, sealed.bytes(), more) {
        Ok(count) => usize::try_from(count).unwrap_or(usize::MAX),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    Ok(Some(tls.keep(sealed, taken, piece.len() as u64)))
}

/// Tells the peer that nothing follows, if nothing is missing. The answer is out, so it is no harm
/// if the socket has no room for that.
pub(crate) fn close(socket: BorrowedFd<'_>, session: &mut Session, records: &mut Records) {
    let Some(mut tls) = session.take_tls() else { return };
    let whole = session.is_whole() && !tls.is_handshaking() && tls.unsent().is_empty();
    let sealed = records.sealed();
    if whole && tls.close(sealed).is_ok() {
        let _ = plain(socket, sealed.bytes(), false);
    }
    session.set_tls(tls);
}
