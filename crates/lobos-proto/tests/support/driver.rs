//! Drives one connection as a runtime would, and checks whatever it is told at every step.

use std::sync::Arc;
use std::time::Duration;

use lobos_proto::{
    Code, Config, Connection, Error, Expected, Now, Outcome, Request, Response, Sink, Source, Step,
    Store,
};

use super::after;
use super::dice::Dice;
use super::memory::{Memory, summary};

/// What the connection did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It wrote these bytes.
    Sent(Vec<u8>),
    /// It asked the store: in short, and exactly.
    Asked(String, String),
    /// It closed its side.
    HalfClosed,
    /// It closed.
    Closed,
}

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Bytes, or the end of them.
    Read,
    /// Room for what it has to say.
    Write,
    /// Nothing any more.
    Closed,
}

/// One connection with its store, its socket and its clock.
pub(crate) struct Driver {
    pub(crate) connection: Connection,
    pub(crate) store: Arc<Memory>,
    pub(crate) now: Now,
    /// What happened, writes in a row as one.
    pub(crate) log: Vec<Event>,
    /// Bytes that the client still takes.
    pub(crate) room: u64,
    /// Writes are short.
    pub(crate) dice: Option<Dice>,
    /// The store fails and the server stops, now and then.
    pub(crate) trouble: bool,
    passed: Duration,
    config: Arc<Config>,
    buffer: Vec<u8>,
    sink: Option<Box<dyn Sink>>,
    source: Option<Box<dyn Source>>,
    /// Steps since the last input.
    steps: usize,
}

impl Driver {
    pub(crate) fn new(config: &Arc<Config>, store: &Arc<Memory>) -> Self {
        let now = after(Duration::ZERO);
        Self {
            connection: Connection::new(Arc::clone(config), now),
            store: Arc::clone(store),
            now,
            log: Vec::new(),
            room: u64::MAX,
            dice: None,
            trouble: false,
            passed: Duration::ZERO,
            config: Arc::clone(config),
            buffer: Vec::new(),
            sink: None,
            source: None,
            steps: 0,
        }
    }

    /// Bytes of the client arrive.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.steps = 0;
    }

    /// Time passes, and the timer goes off if it is due.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.passed += time;
        self.now = after(self.passed);
        if self.connection.deadline().is_some_and(|deadline| deadline <= self.now.instant) {
            self.connection.timed_out(self.now);
        }
    }

    /// Does all that can be done without waiting.
    pub(crate) fn run(&mut self) -> Wait {
        loop {
            if let Some(wait) = self.step() {
                return wait;
            }
        }
    }

    /// One step. What the client has sent is used up unless it is the start of a head.
    pub(crate) fn step(&mut self) -> Option<Wait> {
        self.steps += 1;
        assert!(self.steps < 10_000, "it goes round in circles");
        let mut buffer = std::mem::take(&mut self.buffer);
        let (used, step) = self.connection.step(&buffer, self.now);
        assert!(used <= buffer.len(), "used {used} of {} bytes", buffer.len());
        let wait = match step {
            Step::Read { expect } => {
                let left = buffer.len() - used;
                assert!(expect == 0 || left == 0, "{left} bytes of the body are not read");
                assert!(left < self.config.limits.head, "a head of {left} bytes is awaited");
                self.waits(Wait::Read)
            }
            Step::Write => self.write(),
            Step::Call(request) => self.call(*request),
            Step::Body(slice) => {
                let here = buffer[..used].as_ptr_range().end;
                assert!(!slice.is_empty() && slice.as_ptr_range().end == here);
                self.append(slice)
            }
            Step::Held(bytes) => {
                assert!((1..100).contains(&bytes.len()), "{} bytes were held", bytes.len());
                self.append(&bytes)
            }
            Step::Commit(expected) => self.commit(&expected),
            Step::HalfClose => {
                assert!(self.sink.is_none(), "an upload is open while nobody reads it");
                self.log.push(Event::HalfClosed);
                assert!(self.connection.deadline().is_some());
                None
            }
            Step::Close => {
                (self.sink, self.source) = (None, None);
                assert!(self.connection.deadline().is_none());
                if self.log.last() != Some(&Event::Closed) {
                    self.log.push(Event::Closed);
                }
                Some(Wait::Closed)
            }
        };
        buffer.drain(..used);
        self.buffer = buffer;
        wait
    }

    /// All that was written.
    pub(crate) fn output(&self) -> Vec<u8> {
        let sent = self.log.iter().filter_map(|event| match event {
            Event::Sent(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        sent.collect::<Vec<_>>().concat()
    }

    fn waits(&self, wait: Wait) -> Option<Wait> {
        assert!(self.connection.deadline().is_some(), "it waits for ever");
        Some(wait)
    }

    fn write(&mut self) -> Option<Wait> {
        if !self.connection.wants_sink() {
            self.sink = None;
        }
        let transmit = self.connection.transmit();
        let all = transmit.head.len() as u64 + (transmit.body.end - transmit.body.start);
        assert!(all > 0, "there is nothing to write");
        if self.room == 0 {
            return self.waits(Wait::Write);
        }
        let most = usize::try_from(all.min(self.room)).expect("tests are small");
        let count = self.dice.as_mut().map_or(most, |dice| 1 + dice.below(most));
        let head = count.min(transmit.head.len());
        let mut bytes = transmit.head[..head].to_vec();
        let mut body = vec![0; count - head];
        if !body.is_empty() {
            let source = self.source.as_ref().expect("a body has a source");
            let got = source.read_at(&mut body, transmit.body.start).expect("memory can be read");
            assert_eq!(got, body.len(), "the range is beyond the end of the object");
        }
        bytes.append(&mut body);
        self.connection.sent(count as u64, self.now);
        self.room = self.room.saturating_sub(count as u64);
        match self.log.last_mut() {
            Some(Event::Sent(sent)) => sent.append(&mut bytes),
            _ => self.log.push(Event::Sent(bytes)),
        }
        self.steps = 0;
        None
    }

    fn call(&mut self, request: Request) -> Option<Wait> {
        assert!(self.connection.deadline().is_none(), "the store has no deadline");
        (self.sink, self.source) = (None, None);
        self.log.push(Event::Asked(summary(&request), format!("{request:?}")));
        let failure = self.trouble_in_store();
        match failure.map_or_else(|| self.store.call(request), Err) {
            Ok(Outcome::Done(response)) => self.connection.answer(Ok(response), self.now),
            Ok(Outcome::Send(response, source)) => {
                self.source = Some(source);
                self.connection.answer(Ok(response), self.now);
            }
            Ok(Outcome::Receive(sink)) => {
                self.sink = Some(sink);
                self.connection.ready(self.now);
            }
            Err(error) => self.connection.answer(Err(error), self.now),
        }
        None
    }

    fn append(&mut self, slice: &[u8]) -> Option<Wait> {
        let failure = self.trouble_in_store();
        let sink = self.sink.as_mut().expect("a body has a sink");
        if let Err(error) = failure.map_or_else(|| sink.append(slice), Err) {
            self.sink = None;
            self.connection.answer(Err(error), self.now);
        }
        None
    }

    fn commit(&mut self, expected: &Expected) -> Option<Wait> {
        let sink = self.sink.take().expect("a body has a sink");
        let failure = self.trouble_in_store();
        let result = failure.map_or_else(|| sink.commit(expected), Err);
        let short = match &result {
            Ok(Response::PutObject(stored)) => format!("commit of {} bytes", stored.size),
            Ok(_) => "commit".to_owned(),
            Err(error) => format!("commit refused: {}", error.code().as_str()),
        };
        self.log.push(Event::Asked(short, format!("{expected:?}")));
        self.connection.answer(result, self.now);
        None
    }

    /// While the store works anything may happen, and it may fail.
    fn trouble_in_store(&mut self) -> Option<Error> {
        let dice = self.dice.as_mut().filter(|_| self.trouble)?;
        match dice.below(40) {
            0 => self.connection.finish(),
            1 => self.connection.peer_closed(),
            2 => self.connection.timed_out(self.now),
            3 => self.connection.abort(),
            4..8 => return Some(Error::new(*dice.pick(Code::ALL))),
            _ => {}
        }
        None
    }
}
