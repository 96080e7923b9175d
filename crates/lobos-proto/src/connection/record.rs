//! What became of a request, for whoever keeps a log or counts; nothing is kept unless asked for.

use std::borrow::Cow;
use std::time::Instant;

use memchr::memmem;

use super::{Connection, State};
use crate::op::{Operation, split};
use crate::{Error, Hosts, Now};

/// A request whose answer is out, or that ends without all of it.
#[derive(Debug)]
pub struct Record<'c> {
    /// As in the answer (`x-amz-request-id`), 16 hex digits.
    pub request_id: u64,
    /// As the client sent it; empty if none came.
    pub method: &'c str,
    /// What it asked for; unknown of what was refused before that was clear.
    pub operation: Option<Operation>,
    /// Of the answer; `None` if the client went before there was one.
    pub status: Option<u16>,
    /// Why the answer is not a success.
    pub error: Option<&'c Error>,
    /// Bytes of its body that came, with what frames them.
    pub received: u64,
    /// Bytes of the body of the answer that went.
    pub sent: u64,
    /// When its first byte came.
    pub began: Instant,
    /// The answer went out to its last byte.
    pub whole: bool,
    path: &'c str,
    host: &'c str,
    hosts: &'c Hosts,
    /// The key that a form names.
    key: Option<&'c str>,
}

impl Record<'_> {
    /// The names of bucket and key, decoded; whatever they are, they came from a client.
    pub fn place(&self) -> (Option<String>, Option<String>) {
        let host = self.hosts.parse(self.host).ok();
        let host = host.and_then(|host| host.bucket);
        let (bucket, key) = split(self.path, host).unwrap_or_default();
        (bucket, key.or_else(|| self.key.map(str::to_owned)))
    }
}

/// The end of a head.
const END: &[u8] = b"\r\n\r\n";

/// What is kept of the request that is here.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// A request has begun, and no record of it was taken.
    open: bool,
    began: Option<Instant>,
    pub(super) method: Cow<'static, str>,
    pub(super) operation: Option<Operation>,
    pub(super) key: Option<String>,
    status: Option<u16>,
    error: Option<Error>,
    pub(super) received: u64,
    /// Bytes of the head of the answer.
    head: u64,
    /// Bytes of the answer that went.
    pub(super) sent: u64,
}

/// A method to keep; those that there are take no memory of their own.
pub(super) fn named(method: &str) -> Cow<'static, str> {
    let known = ["GET", "PUT", "HEAD", "DELETE", "POST", "OPTIONS"];
    match known.into_iter().find(|known| *known == method) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(method.to_owned()),
    }
}

impl Kept {
    /// The first byte of a head has come.
    pub(super) fn arrived(&mut self, now: Now) {
        self.began = Some(now.instant);
    }

    /// The head is here, or what is answered without one.
    pub(super) fn begin(&mut self) {
        *self = Self { open: true, began: self.began, ..Self::default() };
    }
}

impl Connection {
    /// Keeps from now on what [`Connection::take_record`] gives.
    pub fn keep_records(&mut self) {
        self.keeps = true;
    }

    /// The request whose last byte of the answer was just sent, or that a closed connection leaves
    /// unfinished; each once.
    pub fn take_record(&mut self) -> Option<Record<'_>> {
        let whole = matches!(self.state, State::Respond) && !self.has_output();
        let kept = self.kept.as_deref_mut()?;
        if !kept.open || !(whole || matches!(self.state, State::Closed)) {
            return None;
        }
        kept.open = false;
        Some(Record {
            request_id: self.exchange.request_id(),
            method: &kept.method,
            operation: kept.operation,
            status: kept.status,
            error: kept.error.as_ref(),
            received: kept.received,
            sent: kept.sent.saturating_sub(kept.head),
            began: kept.began.take().unwrap_or(self.since),
            whole,
            path: self.exchange.resource(),
            host: self.exchange.host(),
            hosts: &self.config.hosts,
            key: kept.key.as_deref(),
        })
    }

    fn has_output(&self) -> bool {
        !self.out.is_empty() || !self.body.is_empty()
    }

    /// A new request, of which nothing is known yet.
    pub(super) fn begin(&mut self) {
        self.exchange.begin();
        if self.keeps {
            self.kept.get_or_insert_default().begin();
        }
    }

    /// What the request asks for.
    pub(super) fn asks(&mut self, operation: Operation) {
        if let Some(kept) = &mut self.kept {
            kept.operation = Some(operation);
        }
    }

    /// The answer is written and nothing of it is sent.
    pub(super) fn concluded(&mut self, error: Option<Error>) {
        if let Some(kept) = &mut self.kept {
            let status = self.out.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
            // A search of its own costs more than all else here, and no document ends so.
            let head = match self.out.ends_with(END) {
                true => self.out.len(),
                false => memmem::find(&self.out, END).map_or(0, |at| at + END.len()),
            };
            (kept.status, kept.error) = (status.and_then(|s| s.parse().ok()), error);
            (kept.head, kept.sent) = (head as u64, 0);
        }
    }
}
