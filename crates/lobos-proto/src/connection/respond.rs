//! The answer, and what becomes of the connection then.

use super::{Connection, State, Step};
use crate::http::encode::{self, Answer};
use crate::op::{Operation, is_well, write};
use crate::{Error, Now, Response};

impl Connection {
    /// Writes the answer.
    pub(super) fn respond(&mut self, answer: Result<&Response, Error>, now: Now) {
        if self.exchange.health && answer.as_ref().is_err_and(is_well) {
            return self.empty(now);
        }
        self.conclude(now);
        let posted = self.form.take().and_then(|posting| posting.posted);
        let (out, context) = (&mut self.out, self.exchange.context(now, &self.config));
        self.body = match (&answer, posted) {
            (Ok(Response::PutObject(stored)), Some(posted)) => {
                posted.write(out, &context, stored);
                0..0
            }
            (Ok(response), _) => write(out, &context, response),
            (Err(error), _) => {
                encode::error(out, &context, error);
                0..0
            }
        };
        self.concluded(answer.err());
    }

    /// Writes the answer to a preflight that is let in, and to whoever asks how the server is.
    pub(super) fn empty(&mut self, now: Now) {
        self.conclude(now);
        self.asks(Operation::Preflight);
        Answer::new(&mut self.out, &self.exchange.context(now, &self.config), 200).empty();
        self.concluded(None);
    }

    /// Writes the page for people.
    pub(super) fn page(&mut self, now: Now) {
        self.conclude(now);
        self.asks(Operation::Page);
        self.write_page(now);
        self.concluded(None);
    }

    fn write_page(&mut self, now: Now) {
        let context = self.exchange.context(now, &self.config);
        let mut answer = Answer::new(&mut self.out, &context, 200);
        let Some(page) = &self.config.page else { return answer.empty() };
        answer.header("Content-Type", "text/html; charset=utf-8");
        answer.header("Content-Security-Policy", &page.policy);
        // The same address has something else for others.
        answer.header("Cache-Control", "no-store");
        for (name, value) in [
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Vary", "Accept"),
        ] {
            answer.header(name, value);
        }
        answer.body(page.document.as_bytes());
    }

    /// Decides whether the connection stays after the answer, which is to be written now.
    fn conclude(&mut self, now: Now) {
        let rest = self.incoming.as_ref().map_or(Some(0), |body| body.left());
        let small = rest.is_none_or(|rest| rest <= self.config.limits.drain);
        // A client that awaits `100 Continue` may send its body or not: nobody can tell what the
        // next byte is.
        let unsure = self.exchange.awaits_continue && rest != Some(0);
        let lost = self.exchange.broken || unsure || !small;
        // A client that keeps the connection may have sent its next request already, and a reset
        // would take this answer from it.
        let more = self.exchange.keep && self.finishing;
        self.exchange.keep &= !lost && !self.finishing && !self.peer_closed;
        self.exchange.linger = lost || more || rest != Some(0);
        self.written = 0;
        self.out.clear();
        self.body = 0..0;
        self.state = State::Respond;
        self.since = now.instant;
    }

    /// The answer is out.
    pub(super) fn answered(&mut self, now: Now) {
        self.since = now.instant;
        self.exchange.rest();
        // Whoever wants a record has taken it.
        self.kept = None;
        self.state = match (self.exchange.keep && !self.finishing, &self.incoming) {
            (true, None) => State::START,
            (true, Some(_)) => State::Drain,
            (false, _) if self.exchange.linger || self.exchange.keep => State::HalfClose,
            (false, _) => State::Closed,
        };
    }

    pub(super) fn step_drain<'i>(
        &mut self,
        input: &'i [u8],
        now: Now,
    ) -> (usize, Option<Step<'i>>) {
        let Some(body) = &mut self.incoming else {
            self.state = State::START;
            return (0, None);
        };
        match body.discard(input, &self.config.limits) {
            Ok((used, over)) => {
                self.advanced(used as u64, now);
                self.exchange.drained += used as u64;
                if self.exchange.drained > self.config.limits.drain {
                    self.state = State::HalfClose;
                } else if over {
                    self.incoming = None;
                } else if self.peer_closed {
                    self.abort();
                } else {
                    return (used, Some(Step::Read { expect: 0 }));
                }
                (used, None)
            }
            // Where the next request begins is unknown, but the answer shall be read.
            Err(_) => {
                self.state = State::HalfClose;
                (0, None)
            }
        }
    }
}
