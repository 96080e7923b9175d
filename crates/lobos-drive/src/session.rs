//! One connection with its store: what a driver does next, and where the results go.

use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Instant;

use lobos_proto::{
    Config, Connection, Error, Expected, Now, Outcome, Request, Response, Sink, Source, Step, Store,
};

use crate::observe::{Observer, Watch};
use crate::stop::Phase;
use crate::tls::Tls;
use crate::{Buffer, Done, Job, warn};

/// What a driver does next.
#[must_use]
pub enum Need {
    /// Receive into [`Session::space`]; `expect` bytes of a body are still to come, 0 for a head
    /// or if unknown.
    Read {
        /// Bytes.
        expect: u64,
    },
    /// Send what [`Session::transmit`] has.
    Write,
    /// Run the job, on any thread, and bring [`Session::done`] what became of it. Nothing else
    /// is to be asked until then.
    Work(Job),
    /// Shut the write side of the socket, then go on.
    HalfClose,
    /// Close the socket and drop the session.
    Close,
}

/// What is to be sent: the head, then a range of the source.
pub struct Output<'s> {
    /// Bytes of the core.
    pub head: &'s [u8],
    /// Offsets in the source.
    pub body: Range<u64>,
    /// Has the body; there is one whenever `body` is not empty.
    pub source: Option<&'s dyn Source>,
}

/// The job that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Out {
    Call,
    /// So many bytes are done with when it comes back.
    Append(usize),
    Held,
    Commit,
    /// Up to here.
    Warm(u64),
}

/// A connection, its store and what it has open there: a few hundred bytes when idle.
pub struct Session {
    connection: Connection,
    store: Arc<dyn Store>,
    buffer: Buffer,
    sink: Option<Box<dyn Sink>>,
    source: Option<Box<dyn Source>>,
    /// Its bytes up to here are in memory, as far as that is known.
    warm_to: u64,
    out: Option<Out>,
    lent: bool,
    aborted: bool,
    /// No upload is waited for any more.
    leaving: bool,
    /// Stands between the socket and all of this.
    tls: Option<Box<Tls>>,
    /// Tells somebody of each request.
    watch: Option<Box<Watch>>,
}

impl Session {
    /// A connection that was just accepted.
    pub fn new(config: Arc<Config>, store: Arc<dyn Store>, now: Now) -> Self {
        Self {
            connection: Connection::new(config, now),
            store,
            buffer: Buffer::empty(),
            sink: None,
            source: None,
            warm_to: 0,
            out: None,
            lent: false,
            aborted: false,
            leaving: false,
            tls: None,
            watch: None,
        }
    }

    /// Tells this observer of the connection and of each request of it, as one of this thread.
    pub fn observe(&mut self, observer: Arc<dyn Observer>, thread: usize) {
        self.connection.keep_records();
        self.watch = Some(Box::new(Watch::new(observer, thread)));
    }

    /// Finds out who the client is, if that is of interest.
    pub(crate) fn meet(&mut self, socket: BorrowedFd<'_>) {
        if let Some(watch) = &mut self.watch {
            watch.meet(socket);
        }
    }

    /// The bytes of the socket are TLS from now on.
    pub(crate) fn set_tls(&mut self, tls: Box<Tls>) {
        self.tls = Some(tls);
    }

    /// Its TLS, for whoever works with it and the rest of the session at once. Without it the
    /// bytes of the socket are what they are.
    pub(crate) fn take_tls(&mut self) -> Option<Box<Tls>> {
        self.tls.take()
    }

    /// Whether the bytes of the socket are TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether TLS has something to send before anything else.
    pub(crate) fn must_flush(&self) -> bool {
        let unsent = self.tls.as_ref().is_some_and(|tls| !tls.unsent().is_empty());
        // Who did not take it in time does not get it any more.
        unsent && !self.aborted && !self.connection.is_closed()
    }

    fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Answers with this before any request, and closes then. Nothing is read but to be dropped.
    pub(crate) fn refuse(&mut self, error: Error, now: Now) {
        self.connection.refuse(error, now);
    }

    /// Closes its side without an answer, and drops what still comes.
    pub(crate) fn hang_up(&mut self) {
        self.release();
        self.connection.hang_up();
    }

    /// Whether nothing is missing of what was to be sent.
    pub(crate) fn is_whole(&self) -> bool {
        let output = self.transmit();
        !self.aborted && output.head.is_empty() && output.body.is_empty()
    }

    /// Takes over an empty buffer to read into, larger than `Config::limits.head`. What was kept
    /// unread is copied to its front.
    pub fn lend(&mut self, mut scratch: Buffer) {
        assert!(!self.lent && self.out.is_none(), "one buffer at a time");
        assert!(scratch.bytes().is_empty(), "a used buffer");
        scratch.extend(self.buffer.bytes());
        self.buffer = scratch;
        self.lent = true;
    }

    /// Gives the lent buffer back, empty; unread bytes are kept in memory of their exact size.
    /// One without memory if nothing is lent, or if a job has it: then it is lent again when the
    /// job is done.
    pub fn reclaim(&mut self) -> Buffer {
        if !self.lent {
            return Buffer::empty();
        }
        self.lent = false;
        let own = Buffer::from(self.buffer.bytes());
        let mut scratch = std::mem::replace(&mut self.buffer, own);
        scratch.clear();
        scratch
    }

    /// Whether it has a lent buffer at hand.
    pub fn is_lent(&self) -> bool {
        self.lent
    }

    /// Where received bytes go; never empty when the need is `Read` and a buffer is lent.
    pub fn space(&mut self) -> &mut [u8] {
        assert!(self.lent, "no buffer to read into");
        let space = self.buffer.space();
        assert!(!space.is_empty(), "a buffer smaller than the limits");
        space
    }

    /// `count` bytes were received into the space.
    pub fn received(&mut self, count: usize, _now: Now) {
        self.buffer.filled(count);
    }

    /// Bytes that TLS has decrypted into the space, which must have room for them.
    pub(crate) fn take_in(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// The peer will send no more bytes.
    pub fn peer_closed(&mut self, _now: Now) {
        self.connection.peer_closed();
    }

    /// What to do next. Not to be asked while a job is out ([`Session::is_busy`]).
    pub fn next(&mut self, now: Now) -> Need {
        assert!(self.out.is_none(), "a job is out");
        if self.aborted {
            return Need::Close;
        }
        if self.is_handshaking() {
            return Need::Read { expect: 0 };
        }
        let (used, step) = self.connection.step(self.buffer.bytes(), now);
        let need = match step {
            Step::Body(slice) => {
                let start = used - slice.len();
                return self.append(start..used);
            }
            Step::Read { expect } => Need::Read { expect },
            Step::Write => Need::Write,
            Step::Call(request) => self.call(request),
            Step::Held(bytes) => self.held(bytes),
            Step::Commit(expected) => self.commit(expected),
            Step::HalfClose => {
                if self.connection.met_tls() {
                    warn::met_tls();
                }
                Need::HalfClose
            }
            Step::Close => {
                self.release();
                Need::Close
            }
        };
        self.buffer.consume(used);
        // A refused upload is over when its refusal goes out, not when the client has read it.
        if self.sink.is_some() && !self.connection.wants_sink() {
            self.sink = None;
        }
        need
    }

    /// The job that was out is done.
    pub fn done(&mut self, done: Done, now: Now) {
        match (self.out.take(), done) {
            (Some(Out::Call), Done::Called(result)) => self.called(result, now),
            (Some(Out::Append(used)), Done::Appended(sink, buffer, result)) => {
                self.buffer = buffer;
                self.lent = true;
                self.buffer.consume(used);
                self.appended(sink, result, now);
            }
            (Some(Out::Held), Done::Held(sink, result)) => self.appended(sink, result, now),
            (Some(Out::Commit), Done::Committed(result)) => self.committed(result, now),
            (Some(Out::Warm(to)), Done::Warmed(source)) if !self.aborted => {
                (self.source, self.warm_to) = (Some(source), to);
                self.connection.source_ready(now);
            }
            (Some(Out::Warm(_)), Done::Warmed(_)) => {}
            _ => panic!("not the job that was out"),
        }
    }

    /// What to send.
    pub fn transmit(&self) -> Output<'_> {
        let transmit = self.connection.transmit();
        Output { head: transmit.head, body: transmit.body, source: self.source.as_deref() }
    }

    /// How far the bytes of the source are known to be in memory.
    pub fn warm_to(&self) -> u64 {
        self.warm_to
    }

    /// The bytes of the source up to `to` were looked at, and are in memory.
    pub fn is_warm(&mut self, to: u64) {
        self.warm_to = to;
    }

    /// Gives away the source, which must be there, until these bytes of it are in memory.
    pub fn warm(&mut self, range: Range<u64>) -> Job {
        assert!(self.out.is_none(), "a job is out");
        let source = self.source.take().expect("there is something to send");
        self.out = Some(Out::Warm(range.end));
        Job::Warm(source, range)
    }

    /// `count` bytes were sent: head bytes first, then body bytes.
    pub fn sent(&mut self, count: u64, now: Now) {
        self.connection.sent(count, now);
        if let Some(watch) = &self.watch {
            watch.look(&mut self.connection);
        }
        // An open file is not kept over the pause between two requests.
        if self.source.is_some() && self.connection.transmit().body.is_empty() {
            self.source = None;
        }
    }

    /// When [`Session::timed_out`] is to be called, if nothing happens before. A job that is out
    /// takes as long as it takes.
    pub fn deadline(&self) -> Option<Instant> {
        if self.out.is_some() {
            return None;
        }
        let handshake = self.tls.as_ref().and_then(|tls| tls.deadline());
        handshake.or_else(|| self.connection.deadline())
    }

    /// The deadline has passed.
    pub fn timed_out(&mut self, now: Now) {
        match &self.tls {
            Some(tls) if tls.is_handshaking() && !tls.is_late(now) => {}
            Some(tls) if tls.is_handshaking() => self.abort(),
            _ => self.connection.timed_out(now),
        }
    }

    /// The socket or the source failed: an upload is dropped without a trace, the next need is
    /// `Close`.
    pub fn abort(&mut self) {
        self.aborted = true;
        self.connection.abort();
        self.release();
    }

    /// Close as soon as what runs is finished.
    pub fn finish(&mut self) {
        self.connection.finish();
    }

    /// The server stops: finish, or end now, whatever this phase asks of this session.
    pub fn stop(&mut self, phase: Phase) {
        self.leaving = phase >= Phase::Leaving;
        match phase {
            Phase::Running => {}
            _ if self.is_handshaking() => self.abort(),
            Phase::Leaving if self.is_receiving() => self.abort(),
            Phase::Finishing | Phase::Leaving => self.finish(),
            Phase::Over => self.abort(),
        }
    }

    /// Whether a job is out.
    pub fn is_busy(&self) -> bool {
        self.out.is_some()
    }

    /// Whether an upload is half here.
    pub fn is_receiving(&self) -> bool {
        self.sink.is_some() || matches!(self.out, Some(Out::Append(_) | Out::Held))
    }

    /// Whether an upload is half here that costs less when those beside it come as far.
    pub(crate) fn goes_with_others(&self) -> bool {
        self.sink.as_ref().is_some_and(|sink| sink.goes_with_others())
    }

    fn call(&mut self, request: Box<Request>) -> Need {
        self.release();
        self.out = Some(Out::Call);
        Need::Work(Job::Call(Arc::clone(&self.store), request))
    }

    fn append(&mut self, range: Range<usize>) -> Need {
        let sink = self.sink.take().expect("a body has a sink");
        self.out = Some(Out::Append(range.end));
        self.lent = false;
        Need::Work(Job::Append(sink, std::mem::take(&mut self.buffer), range))
    }

    fn held(&mut self, bytes: Vec<u8>) -> Need {
        let sink = self.sink.take().expect("a body has a sink");
        self.out = Some(Out::Held);
        Need::Work(Job::Held(sink, bytes))
    }

    fn commit(&mut self, expected: Box<Expected>) -> Need {
        let sink = self.sink.take().expect("a body has a sink");
        self.out = Some(Out::Commit);
        Need::Work(Job::Commit(sink, expected))
    }

    fn called(&mut self, result: Result<Outcome, Error>, now: Now) {
        if self.aborted {
            return;
        }
        match result {
            Ok(Outcome::Done(response)) => self.connection.answer(Ok(response), now),
            Ok(Outcome::Send(response, source)) => {
                (self.source, self.warm_to) = (Some(source), 0);
                self.connection.answer(Ok(response), now);
            }
            Ok(Outcome::Receive(_)) if self.leaving => self.abort(),
            Ok(Outcome::Receive(sink)) => {
                self.sink = Some(sink);
                self.connection.ready(now);
            }
            Err(error) => self.connection.answer(Err(error), now),
        }
    }

    fn appended(&mut self, sink: Box<dyn Sink>, result: Result<(), Error>, now: Now) {
        if self.aborted {
            return;
        }
        match result {
            Ok(()) => self.sink = Some(sink),
            Err(error) => self.connection.answer(Err(error), now),
        }
    }

    fn committed(&mut self, result: Result<Response, Error>, now: Now) {
        if !self.aborted {
            self.connection.answer(result, now);
        }
    }

    /// Lets go of what it has open in the store.
    fn release(&mut self) {
        self.sink = None;
        self.source = None;
    }
}

/// Whatever ends it: a request that was here is told of.
impl Drop for Session {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            self.connection.abort();
            watch.look(&mut self.connection);
        }
    }
}
