//! One connection as a state machine: the states, and what leads from one to the next.
//!
//! ```text
//! Head -> [Gate] -> Call -> [Body -> Commit] -> Respond -> Head | Drain -> Head
//!                \-> Document | Form -> Call          \-> HalfClose -> Linger
//! ```
//! Whatever state it is in, it waits for exactly one thing: [`Step`] says which, and
//! [`Connection::deadline`] how long.

mod document;
mod exchange;
mod form;
mod gate;
mod record;
mod respond;
mod step;
mod time;

use std::ops::Range;
use std::sync::Arc;

use crate::http::body::{Body, Piece, Promise};
use crate::http::head::{self, Framing, Head};
use crate::op::{Document, Operation, Route, route};
use crate::{Code, Config, Error, Now, Request, Response};
use exchange::Exchange;
use form::Posting;
use gate::Gate;
use record::Kept;
pub use record::Record;
pub use step::{Step, Transmit};

/// For whoever speaks TLS to a port without a certificate, if it reads that.
const NO_HTTPS: &str = "This port speaks plain HTTP: the URL has to begin with http://";

/// The state of one connection.
pub struct Connection {
    config: Arc<Config>,
    state: State,
    /// When what is awaited now began, or last made progress.
    since: std::time::Instant,
    exchange: Exchange,
    /// The body of the request, until all of it has been read.
    incoming: Option<Box<Body>>,
    /// The form that is the body, until the answer.
    form: Option<Box<Posting>>,
    /// Bytes to write, and how many of them are written.
    out: Vec<u8>,
    written: usize,
    /// What is to be written of the source after them.
    body: Range<u64>,
    finishing: bool,
    peer_closed: bool,
    /// Bytes of a body that have yet to move for the client to have its time again.
    missing: u64,
    /// What [`Self::missing`] begins with.
    quota: u64,
    /// When a slice of the body went to the sink, which may take its time.
    appended: Option<std::time::Instant>,
    met_tls: bool,
    /// For [`Connection::take_record`], if somebody wants it.
    kept: Option<Box<Kept>>,
    /// Something is kept of each request.
    keeps: bool,
}

#[derive(Debug)]
enum State {
    /// A head is awaited; `scanned` bytes of it have been looked at, and `blank` bytes of empty
    /// lines came before it.
    Head {
        scanned: usize,
        blank: usize,
    },
    /// A page of another origin asks, so the store is asked for the rules of its bucket.
    Gate(Box<Gate>),
    /// The fields of a form gather.
    Form,
    /// An XML body gathers.
    Document(Box<(Document, Vec<u8>)>),
    /// The store is asked.
    Call,
    /// The body goes to the sink.
    Body,
    /// The sink commits.
    Commit,
    /// An answer goes out.
    Respond,
    /// What is left of a body that nobody wants is read and dropped.
    Drain,
    /// The last answer is out and the client may still be sending.
    HalfClose,
    /// Reads and drops, so that the client reads the answer and no reset; so many bytes yet.
    Linger(u64),
    Closed,
}

impl State {
    /// Nothing has come of the next request.
    const START: Self = Self::Head { scanned: 0, blank: 0 };
}

impl Connection {
    /// A connection that was just accepted.
    pub fn new(config: Arc<Config>, now: Now) -> Self {
        let exchange = Exchange::new(config.next_connection());
        let quota = config.patience.quota();
        Self {
            config,
            state: State::START,
            since: now.instant,
            exchange,
            incoming: None,
            form: None,
            out: Vec::new(),
            written: 0,
            body: 0..0,
            finishing: false,
            peer_closed: false,
            missing: quota,
            quota,
            appended: None,
            met_tls: false,
            kept: None,
            keeps: false,
        }
    }

    /// Answers with this error although nothing was asked, and closes. Not to be called while a
    /// request is answered.
    pub fn refuse(&mut self, error: Error, now: Now) {
        self.begin();
        self.exchange.broken = true;
        self.respond(Err(error), now);
    }

    /// Looks at the buffered bytes and says what comes next; the number is how many bytes the
    /// core is done with, to be dropped from the front of `input` before the next call.
    ///
    /// # Panics
    /// If the store was asked and has not answered yet.
    pub fn step<'i>(&mut self, input: &'i [u8], now: Now) -> (usize, Step<'i>) {
        let mut at = 0;
        loop {
            let (used, step) = self.advance(&input[at..], now);
            at += used;
            if let Some(step) = step {
                return (at, step);
            }
        }
    }

    /// The sink is open: the body may come. A client that waits for `100 Continue` gets it.
    ///
    /// # Panics
    /// If no store was asked.
    pub fn ready(&mut self, now: Now) {
        if matches!(self.state, State::Closed) {
            return;
        }
        assert!(matches!(self.state, State::Call), "no store was asked");
        self.state = State::Body;
        self.since = now.instant;
        self.continue_if_awaited();
    }

    /// The store has answered `Call` or `Commit`, or refused an append.
    pub fn answer(&mut self, answer: Result<Response, Error>, now: Now) {
        match std::mem::replace(&mut self.state, State::Respond) {
            State::Gate(gate) => self.ruled(*gate, answer, now),
            state @ (State::Closed | State::Respond) => self.state = state,
            _ => self.respond(answer.as_ref().map_err(Clone::clone), now),
        }
    }

    /// `count` bytes were written: head bytes first, then body bytes.
    ///
    /// # Panics
    /// If that is more than [`Connection::transmit`] had.
    pub fn sent(&mut self, count: u64, now: Now) {
        let head =
            (self.out.len() - self.written).min(usize::try_from(count).unwrap_or(usize::MAX));
        self.written += head;
        self.body.start += count - head as u64;
        assert!(self.body.start <= self.body.end, "more was sent than there is");
        self.advanced(count, now);
        if let Some(kept) = &mut self.kept {
            kept.sent += count;
        }
        if self.written == self.out.len() {
            self.written = 0;
            // An idle connection has no memory for its next answer.
            self.out = Vec::new();
        }
    }

    /// What is to be sent was waited for, which was not the client's fault.
    pub fn source_ready(&mut self, now: Now) {
        self.since = now.instant;
    }

    /// The peer will send no more bytes.
    pub fn peer_closed(&mut self) {
        self.peer_closed = true;
    }

    /// The socket or the source failed: nothing more can be said.
    pub fn abort(&mut self) {
        self.state = State::Closed;
        (self.incoming, self.form) = (None, None);
    }

    /// Close as soon as what runs is finished; close now if nothing runs.
    pub fn finish(&mut self) {
        self.finishing = true;
        match self.state {
            State::Head { scanned: 0, blank: 0 } if self.out.is_empty() => {
                self.state = State::Closed;
            }
            State::Drain => self.state = State::HalfClose,
            _ => {}
        }
    }

    /// Nothing more is said, and what still comes is dropped until the peer has closed.
    pub fn hang_up(&mut self) {
        self.state = State::HalfClose;
        (self.incoming, self.form) = (None, None);
        self.out.clear();
        (self.written, self.body) = (0, 0..0);
    }

    /// Whether nothing follows but [`Step::Close`].
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Whether the client began with TLS, which is not spoken here; it was answered in plain HTTP.
    pub fn met_tls(&self) -> bool {
        self.met_tls
    }

    /// Whether bytes of a body may still go to the sink: once not, an uncommitted sink must be
    /// dropped.
    pub fn wants_sink(&self) -> bool {
        matches!(self.state, State::Call | State::Body | State::Commit)
    }

    /// What is to be written.
    pub fn transmit(&self) -> Transmit<'_> {
        Transmit { head: &self.out[self.written..], body: self.body.clone() }
    }

    /// One transition: the bytes it took, and the step if the driver has to do something. Without
    /// a step it took bytes or changed the state.
    fn advance<'i>(&mut self, input: &'i [u8], now: Now) -> (usize, Option<Step<'i>>) {
        if self.written < self.out.len() && !matches!(self.state, State::Closed) {
            return (0, Some(Step::Write));
        }
        match &mut self.state {
            State::Head { .. } => self.step_head(input, now),
            State::Document(_) => self.step_document(input, now),
            State::Form => self.step_form(input, now),
            State::Call | State::Gate(_) => {
                let request = self.exchange.request.take();
                let request = request.expect("the store has not answered yet");
                if let (Some(kept), State::Call) = (&mut self.kept, &self.state) {
                    // A form is asked of the store as any other upload.
                    kept.operation.get_or_insert_with(|| request.operation());
                }
                (0, Some(Step::Call(request)))
            }
            State::Body if self.form.is_some() => self.step_file(input, now),
            State::Body => self.step_body(input, now),
            State::Commit => panic!("the store has not answered yet"),
            State::Respond if self.body.is_empty() => {
                self.answered(now);
                (0, None)
            }
            State::Respond => (0, Some(Step::Write)),
            State::Drain => self.step_drain(input, now),
            State::HalfClose => {
                self.state = State::Linger(self.config.limits.linger);
                self.since = now.instant;
                (0, Some(Step::HalfClose))
            }
            State::Linger(left) => match left.checked_sub(input.len() as u64) {
                Some(rest) if !self.peer_closed => {
                    *left = rest;
                    (input.len(), Some(Step::Read { expect: 0 }))
                }
                _ => {
                    self.state = State::Closed;
                    (0, None)
                }
            },
            State::Closed => (0, Some(Step::Close)),
        }
    }

    fn step_head<'i>(&mut self, input: &'i [u8], now: Now) -> (usize, Option<Step<'i>>) {
        let State::Head { scanned, blank } = &mut self.state else { return (0, None) };
        // Empty lines before a request are ignored (RFC 9112, section 2.2), but not for ever.
        let lines = input.chunks(2).take_while(|pair| pair == b"\r\n").count() * 2;
        *blank += lines;
        let limits = &self.config.limits;
        let found = match *blank > limits.head {
            true => Err(Error::new(Code::RequestHeaderSectionTooLarge)),
            false if lines > 0 => {
                *scanned = 0;
                return (lines, None);
            }
            // Half of an empty line, which begins nothing either.
            false if input == b"\r" && !self.peer_closed => {
                return (0, Some(Step::Read { expect: 0 }));
            }
            false => {
                if *scanned == 0 && !input.is_empty() {
                    self.since = now.instant;
                    if self.keeps {
                        self.kept.get_or_insert_default().arrived(now);
                    }
                    // A TLS record, and no character that a request can begin with.
                    if input[0] == 0x16 {
                        self.met_tls = true;
                        self.refuse(Error::new(Code::InvalidRequest).message(NO_HTTPS), now);
                        return (0, None);
                    }
                }
                head::end(input, scanned, self.peer_closed, limits)
            }
        };
        match found {
            Ok(Some(end)) => {
                self.read_head(&input[..end], input.len() > end, now);
                (end, None)
            }
            Ok(None) if self.peer_closed => {
                self.state = State::Closed;
                (0, None)
            }
            Ok(None) => (0, Some(Step::Read { expect: 0 })),
            Err(error) => {
                self.refuse(error, now);
                (0, None)
            }
        }
    }

    fn read_head(&mut self, bytes: &[u8], more: bool, now: Now) {
        let config = Arc::clone(&self.config);
        self.begin();
        let (exchange, kept) = (&mut self.exchange, &mut self.kept);
        let parsed = Head::parse(bytes, &config.limits, |head| {
            if let Some(kept) = kept {
                kept.method = record::named(head.method);
            }
            let framing = exchange.read(head)?;
            // Also for a body of no bytes: botocore takes a final answer without it for an error
            // and then loses the answer to the next request of the connection.
            exchange.awaits_continue &= !more && framing != Framing::None;
            Ok((framing, route(head, framing, &config, now)))
        });
        match parsed.and_then(|framed| framed) {
            Err(error) => {
                // Where this request ends is unknown.
                self.exchange.broken = true;
                self.respond(Err(error), now);
            }
            Ok((framing, routed)) => self.admit(framing, routed, now),
        }
    }

    fn take_route(&mut self, framing: Framing, route: Result<Route, Error>, now: Now) {
        self.since = now.instant;
        let object = self.config.limits.object;
        match route {
            Ok(Route::Upload(request, promise)) => {
                self.incoming = Some(Box::new(Body::new(framing, promise, object)));
                self.exchange.request = Some(request);
                self.state = State::Call;
            }
            Ok(Route::Document(document, promise)) => {
                self.asks(document.operation());
                let limit = self.config.limits.document as u64;
                let body = Body::new(framing, promise, limit);
                let long = body.declared().is_some_and(|length| length > 2 * limit);
                self.incoming = Some(Box::new(body));
                if long {
                    return self.respond(Err(Error::new(Code::MalformedXML)), now);
                }
                self.state = State::Document(Box::new((document, Vec::new())));
                self.continue_if_awaited();
            }
            Ok(Route::Form(form)) => {
                self.asks(Operation::PostObject);
                self.incoming = Some(Box::new(Body::new(framing, Promise::default(), u64::MAX)));
                self.form = Some(Box::new(Posting::new(form.0, form.1)));
                self.state = State::Form;
                self.continue_if_awaited();
            }
            other => {
                let body = Body::new(framing, Promise::default(), u64::MAX);
                self.incoming = (!body.is_over()).then(|| Box::new(body));
                match other {
                    Ok(Route::Call(request)) => self.call(request),
                    Ok(Route::Health(Some(request))) => {
                        self.exchange.health = true;
                        self.call(request);
                    }
                    Err(error) => self.respond(Err(error), now),
                    Ok(Route::Page) => self.page(now),
                    Ok(_) => self.empty(now),
                }
            }
        }
    }

    fn call(&mut self, request: Box<Request>) {
        self.exchange.request = Some(request);
        self.state = State::Call;
    }

    fn continue_if_awaited(&mut self) {
        if std::mem::take(&mut self.exchange.awaits_continue) {
            self.out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// The next piece of the body, whatever state wants it. Without a piece either more input is
    /// needed, then there is a step, or the body is broken and the answer is written.
    fn piece<'i>(
        &mut self,
        input: &'i [u8],
        now: Now,
    ) -> (usize, Result<Piece<'i>, Option<Step<'i>>>) {
        self.sink_returned(now);
        let Some(body) = &mut self.incoming else { return (0, Ok(Piece::End)) };
        let next = body.next(input, &self.config.limits);
        if let Ok((used, _)) = next {
            self.advanced(used as u64, now);
            if let Some(kept) = &mut self.kept {
                kept.received += used as u64;
            }
        }
        let (used, error) = match next {
            Ok((used, Piece::Need(_))) if self.peer_closed => {
                (used, Error::new(Code::IncompleteBody))
            }
            Ok((used, Piece::Need(expect))) => return (used, Err(Some(Step::Read { expect }))),
            Ok((used, piece)) => return (used, Ok(piece)),
            Err(error) => (0, error),
        };
        self.exchange.broken = true;
        self.respond(Err(error), now);
        (used, Err(None))
    }

    fn step_body<'i>(&mut self, input: &'i [u8], now: Now) -> (usize, Option<Step<'i>>) {
        let (used, piece) = self.piece(input, now);
        match piece {
            Ok(Piece::Data(data)) => {
                self.appended = Some(now.instant);
                (used, Some(Step::Body(data)))
            }
            Ok(_) => match self.expected() {
                Ok(expected) => {
                    self.state = State::Commit;
                    (used, Some(Step::Commit(Box::new(expected))))
                }
                Err(error) => {
                    self.respond(Err(error), now);
                    (used, None)
                }
            },
            Err(step) => (used, step),
        }
    }
}
