//! Work for the store, packed so that any thread can do it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lobos_proto::{Code, Error, Expected, Outcome, Request, Response, Sink, Source, Store};

use crate::Buffer;

/// An append of more bytes than this goes to a helper thread.
const HEAVY_APPEND: usize = 1 << 20;

/// One call of the store with all that it needs. Small, since it is moved from hand to hand.
pub enum Job {
    /// Ask the store.
    Call(Arc<dyn Store>, Box<Request>),
    /// Give the sink these of the unread bytes of the buffer.
    Append(Box<dyn Sink>, Buffer, Range<usize>),
    /// Give the sink these few bytes, which are not in the buffer any more.
    Held(Box<dyn Sink>, Vec<u8>),
    /// Make the object visible.
    Commit(Box<dyn Sink>, Box<Expected>),
    /// Wait until these bytes of the source are in memory.
    Warm(Box<dyn Source>, Range<u64>),
}

/// What became of a [`Job`].
pub enum Done {
    /// The store has answered.
    Called(Result<Outcome, Error>),
    /// The sink has the bytes, or has refused them. The buffer is as it was.
    Appended(Box<dyn Sink>, Buffer, Result<(), Error>),
    /// As [`Done::Appended`], for [`Job::Held`].
    Held(Box<dyn Sink>, Result<(), Error>),
    /// The object is visible, or nothing has changed.
    Committed(Result<Response, Error>),
    /// The bytes are in memory, as far as that can be.
    Warmed(Box<dyn Source>),
}

impl Job {
    /// Whether it may hold up an event loop for more than about a millisecond.
    pub fn is_heavy(&self) -> bool {
        match self {
            Self::Call(store, request) => store.is_heavy(request),
            Self::Append(_, _, range) => range.len() > HEAVY_APPEND,
            Self::Held(..) => false,
            Self::Commit(sink, _) => sink.is_heavy(),
            Self::Warm(..) => true,
        }
    }

    /// Whether it costs less after the turns of the other connections that are ready.
    pub fn is_late(&self) -> bool {
        matches!(self, Self::Commit(sink, _) if sink.goes_with_others())
    }

    /// Does it, here and now. A panic in the store becomes an `InternalError`.
    pub fn run(self) -> Done {
        match self {
            Self::Call(store, request) => Done::Called(guard(|| store.call(*request))),
            Self::Append(mut sink, buffer, range) => {
                let result = guard(|| sink.append(&buffer.bytes()[range]));
                Done::Appended(sink, buffer, result)
            }
            Self::Held(mut sink, bytes) => {
                let result = guard(|| sink.append(&bytes));
                Done::Held(sink, result)
            }
            Self::Commit(sink, expected) => Done::Committed(guard(|| sink.commit(&expected))),
            Self::Warm(source, range) => {
                let warm = guard(|| {
                    source.warm(range);
                    Ok(())
                });
                // Whoever reads it next finds out.
                drop(warm);
                Done::Warmed(source)
            }
        }
    }
}

/// A store that panics loses this request and nothing else.
fn guard<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let caught = catch_unwind(AssertUnwindSafe(work));
    caught.unwrap_or_else(|_| Err(Error::new(Code::InternalError).cause("the store panicked")))
}
