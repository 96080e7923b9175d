//! Deadlines: one thing is awaited, so there is one.

use std::time::Instant;

use super::{Connection, State};
use crate::{Code, Error, Now};

impl Connection {
    /// When [`Connection::timed_out`] is to be called, if nothing happens before. `None` while
    /// the store is asked.
    pub fn deadline(&self) -> Option<Instant> {
        let patience = &self.config.patience;
        let limit = match self.state {
            State::Head { scanned: 0, .. } => patience.idle,
            State::Head { .. } => patience.head,
            State::Document(_) | State::Form | State::Body => patience.stall,
            State::Respond | State::Drain => patience.stall,
            State::HalfClose | State::Linger(_) => patience.linger,
            State::Gate(_) | State::Call | State::Commit | State::Closed => return None,
        };
        self.since.checked_add(limit)
    }

    /// `count` bytes of a body have come or gone. When they are enough the client has its time
    /// again: not for each byte, or one a second would keep a connection for ever.
    pub(super) fn advanced(&mut self, count: u64, now: Now) {
        if count < self.missing {
            self.missing -= count;
        } else {
            self.since = now.instant;
            self.missing = self.quota;
        }
    }

    /// The time that the sink took is not the client's.
    pub(super) fn sink_returned(&mut self, now: Now) {
        if let Some(began) = self.appended.take()
            && began != now.instant
        {
            self.since += now.instant.saturating_duration_since(began);
        }
    }

    /// [`Connection::deadline`] has passed. Does nothing if it has not.
    pub fn timed_out(&mut self, now: Now) {
        if self.deadline().is_none_or(|deadline| now.instant < deadline) {
            return;
        }
        match self.state {
            State::Head { scanned: 1.., .. } => self.begin(),
            State::Document(_) | State::Form | State::Body if self.out.is_empty() => {}
            _ => return self.abort(),
        }
        self.exchange.broken = true;
        self.respond(Err(Error::new(Code::RequestTimeout)), now);
    }
}
