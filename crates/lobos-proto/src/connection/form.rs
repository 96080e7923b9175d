//! A form of a browser: its fields gather, then the store is asked and its file goes to the sink.

use super::{Connection, State, Step};
use crate::http::body::Piece;
use crate::http::form::{Form, Part};
use crate::op::{PostObject, Posted, unfinished};
use crate::{Error, Now, Request};

/// A form while it arrives.
#[derive(Debug)]
pub(super) struct Posting {
    form: Form,
    /// Until the fields are whole.
    post: Option<PostObject>,
    /// From then on.
    pub(super) posted: Option<Posted>,
    /// Bytes of the file.
    size: u64,
}

impl Posting {
    pub(super) fn new(post: PostObject, form: Form) -> Self {
        Self { form, post: Some(post), posted: None, size: 0 }
    }

    /// `count` more bytes of the file.
    fn grow(&mut self, count: usize) -> Result<(), Error> {
        self.size += count as u64;
        self.posted.as_ref().map_or(Ok(()), |posted| posted.check_growth(self.size))
    }
}

impl Connection {
    /// The fields, up to the first byte of the file.
    pub(super) fn step_form<'i>(&mut self, input: &'i [u8], now: Now) -> (usize, Option<Step<'i>>) {
        let (used, part) = match self.part(input, now) {
            (used, Ok((part, _))) => (used, part),
            (used, Err(step)) => return (used, step),
        };
        match part {
            Some(Part::File) => match self.announce(now) {
                Ok(request) => {
                    self.exchange.request = Some(request.into());
                    self.state = State::Call;
                }
                Err(error) => self.respond(Err(error), now),
            },
            Some(Part::Closed) | None => self.refuse_form(now),
            Some(Part::Need | Part::Data | Part::Held(_)) => {}
        }
        (used, None)
    }

    /// The file, and what follows it.
    pub(super) fn step_file<'i>(&mut self, input: &'i [u8], now: Now) -> (usize, Option<Step<'i>>) {
        let (used, part, data) = match self.part(input, now) {
            (used, Ok((part, data))) => (used, part, data),
            (used, Err(step)) => return (used, step),
        };
        let step = match part {
            Some(Part::Data) => Step::Body(data),
            Some(Part::Held(held)) => Step::Held(held),
            Some(Part::Need | Part::File | Part::Closed) => return (used, None),
            None => return (used, self.commit_form(now)),
        };
        let count = match &step {
            Step::Held(held) => held.len(),
            _ => data.len(),
        };
        let grown = self.form.as_mut().map_or(Ok(()), |posting| posting.grow(count));
        if let Err(error) = grown {
            self.exchange.broken = true;
            self.respond(Err(error), now);
            return (used, None);
        }
        self.appended = Some(now.instant);
        (used, Some(step))
    }

    /// The next part of the form and its bytes, which end where the consumed input ends; no part
    /// is the end of the body. Else as [`Connection::piece`].
    #[allow(clippy::type_complexity, reason = "as `piece`, with what the form makes of it")]
    fn part<'i>(
        &mut self,
        input: &'i [u8],
        now: Now,
    ) -> (usize, Result<(Option<Part>, &'i [u8]), Option<Step<'i>>>) {
        let (used, piece) = self.piece(input, now);
        let data = match piece {
            Ok(Piece::Data(data)) => data,
            Ok(_) => return (used, Ok((None, &[]))),
            Err(step) => return (used, Err(step)),
        };
        let posting = self.form.as_mut().expect("a form is read");
        match posting.form.next(data, &self.config.limits) {
            Ok((taken, part)) => {
                let rest = data.len() - taken;
                if let Some(body) = &mut self.incoming {
                    body.put_back(rest);
                }
                if let Some(kept) = &mut self.kept {
                    kept.received -= rest as u64;
                }
                (used - rest, Ok((Some(part), &data[..taken])))
            }
            Err(error) => {
                self.exchange.broken = true;
                self.respond(Err(error), now);
                (used, Err(None))
            }
        }
    }

    /// The fields are here: the upload that they announce.
    fn announce(&mut self, now: Now) -> Result<Request, Error> {
        let posting = self.form.as_mut().expect("a form is read");
        let post = posting.post.take().expect("the fields end once");
        let (put, posted) = post.request(&posting.form, &self.config, now)?;
        if let Some(kept) = &mut self.kept {
            kept.key = Some(posted.key().as_str().to_owned());
        }
        posting.posted = Some(posted);
        Ok(Request::PutObject(Box::new(put)))
    }

    /// The body has ended, and so must the form have.
    fn commit_form<'i>(&mut self, now: Now) -> Option<Step<'i>> {
        self.incoming = None;
        let posting = self.form.as_mut()?;
        let posted = posting.posted.as_mut()?;
        if !posting.form.is_closed() {
            self.refuse_form(now);
            return None;
        }
        if let Err(error) = posted.check_size(posting.size) {
            self.respond(Err(error), now);
            return None;
        }
        let expected = std::mem::take(&mut posted.expected);
        self.state = State::Commit;
        Some(Step::Commit(Box::new(expected)))
    }

    /// The form ended too early.
    fn refuse_form(&mut self, now: Now) {
        if let Some(posting) = &self.form {
            let error = unfinished(&posting.form, posting.posted.is_some());
            self.respond(Err(error), now);
        }
    }
}
