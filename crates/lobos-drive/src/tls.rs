//! TLS of one connection: records in, bytes of the session out, and the other way round. It knows
//! no socket: whoever has one brings what was received and takes what is to be sent.

use std::time::Instant;

use lobos_proto::Now;
use rustls::Error;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, WriteTraffic};

use crate::Buffer;

/// A record with its header: so much may be kept unread.
pub(crate) const RECORD: usize = 5 + (16 << 10) + 256;

/// So many bytes are encrypted at a time: what a client that does not read makes us keep.
pub(crate) const PIECE: usize = 64 << 10;

/// Memory for an encrypted piece with all that TLS adds.
pub(crate) const SEALED: usize = PIECE + (4 << 10);

/// The server's end.
pub(crate) struct Tls {
    connection: UnbufferedServerConnection,
    /// The beginning of a record whose rest has not come.
    unread: Vec<u8>,
    /// Encrypted bytes that the socket has not taken, from `taken` on.
    unsent: Vec<u8>,
    taken: usize,
    /// Bytes of the session in `unsent`, and how many of them count as sent.
    carried: u64,
    counted: u64,
    /// The handshake must be over by then.
    deadline: Option<Instant>,
    /// The first byte has come.
    begun: bool,
    peer_closed: bool,
}

/// What the first byte says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    Tls,
    /// HTTP without TLS.
    Plain,
}

impl Tls {
    pub(crate) fn new(connection: UnbufferedServerConnection, deadline: Option<Instant>) -> Self {
        Self {
            connection,
            unread: Vec::new(),
            unsent: Vec::new(),
            taken: 0,
            carried: 0,
            counted: 0,
            deadline,
            begun: false,
            peer_closed: false,
        }
    }

    /// Whether no byte of the session may pass yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Until when the handshake must be over, as long as it is not.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.filter(|_| self.is_handshaking())
    }

    pub(crate) fn is_late(&self, now: Now) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now.instant)
    }

    /// Whether the peer has said that it sends no more.
    pub(crate) fn has_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Puts what was kept unread to the front of an empty buffer.
    pub(crate) fn lend(&mut self, records: &mut Buffer) {
        records.clear();
        records.extend(&self.unread);
        self.unread = Vec::new();
    }

    /// What the first bytes of all are.
    pub(crate) fn greet(&mut self, bytes: &[u8]) -> Greeting {
        let is_method = !self.begun && bytes.first().is_some_and(u8::is_ascii_alphabetic);
        self.begun = true;
        if is_method { Greeting::Plain } else { Greeting::Tls }
    }

    /// Decrypts all records that are whole, and hands their bytes to `take`. What has to be
    /// answered is in [`Tls::unsent`] then, also after an error.
    ///
    /// # Errors
    /// The peer has broken the protocol.
    pub(crate) fn open(
        &mut self,
        records: &mut Buffer,
        mut take: impl FnMut(&[u8]),
    ) -> Result<(), Error> {
        let result = loop {
            let status = self.connection.process_tls_records(records.bytes_mut());
            let discard = status.discard;
            let mut goes_on = true;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        take(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, &mut self.unsent),
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed) => self.peer_closed = true,
                Ok(_) => goes_on = false,
                Err(error) => break Err(error),
            }
            records.consume(discard);
            if !goes_on {
                break Ok(());
            }
        };
        if result.is_err() {
            self.say_why();
        } else if self.peer_closed {
            records.clear();
        }
        self.unread = records.bytes().to_vec();
        records.clear();
        result
    }

    /// The alert that belongs to an error.
    fn say_why(&mut self) {
        while let Ok(ConnectionState::EncodeTlsData(mut data)) =
            self.connection.process_tls_records(&mut []).state
        {
            encode(&mut data, &mut self.unsent);
        }
    }

    /// Encrypts bytes of the session, at most [`PIECE`], behind what is in `sealed`.
    ///
    /// # Errors
    /// The connection cannot encrypt any more.
    pub(crate) fn seal(&mut self, bytes: &[u8], sealed: &mut Buffer) -> Result<(), Error> {
        self.write(|traffic, space| traffic.encrypt(bytes, space), sealed)
    }

    /// Says that nothing follows.
    ///
    /// # Errors
    /// As [`Tls::seal`].
    pub(crate) fn close(&mut self, sealed: &mut Buffer) -> Result<(), Error> {
        self.write(|traffic, space| traffic.queue_close_notify(space), sealed)
    }

    fn write(
        &mut self,
        write: impl FnOnce(
            &mut WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
        sealed: &mut Buffer,
    ) -> Result<(), Error> {
        loop {
            let status = self.connection.process_tls_records(&mut self.unread);
            match status.state? {
                ConnectionState::EncodeTlsData(mut data) => {
                    let mut bytes = Vec::new();
                    encode(&mut data, &mut bytes);
                    sealed.extend(&bytes);
                }
                ConnectionState::TransmitTlsData(sent) => sent.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    let count = write(&mut traffic, sealed.space());
                    let count = count.map_err(|error| Error::General(error.to_string()))?;
                    sealed.filled(count);
                    return Ok(());
                }
                _ => return Err(Error::HandshakeNotComplete),
            }
        }
    }

    /// What the socket has not taken yet.
    pub(crate) fn unsent(&self) -> &[u8] {
        &self.unsent[self.taken..]
    }

    /// Keeps what the socket did not take of `sealed`, which carries so many bytes of the session;
    /// says how many of them are sent.
    pub(crate) fn keep(&mut self, sealed: &Buffer, taken: usize, carries: u64) -> u64 {
        debug_assert!(self.unsent.is_empty(), "bytes would overtake others");
        if taken == sealed.bytes().len() {
            return carries;
        }
        self.unsent = sealed.bytes().to_vec();
        (self.carried, self.counted) = (carries, 0);
        self.sent(taken)
    }

    /// The socket has taken `count` more of [`Tls::unsent`]; says how many bytes of the session
    /// count as sent by that: their share, and all of them in the end.
    pub(crate) fn sent(&mut self, count: usize) -> u64 {
        self.taken += count;
        let share = self.carried * self.taken as u64 / (self.unsent.len() as u64).max(1);
        let more = share.saturating_sub(self.counted);
        self.counted += more;
        if self.taken == self.unsent.len() {
            (self.unsent, self.taken) = (Vec::new(), 0);
            (self.carried, self.counted) = (0, 0);
        }
        more
    }
}

fn encode<Data>(data: &mut EncodeTlsData<'_, Data>, out: &mut Vec<u8>) {
    let start = out.len();
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        out.resize(start + size.required_size, 0);
        let written = data.encode(&mut out[start..]).unwrap_or_default();
        out.truncate(start + written);
    }
}
