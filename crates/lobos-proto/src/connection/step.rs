//! What a connection asks of its driver.

use std::ops::Range;

#[cfg(doc)]
use crate::Connection;
use crate::{Expected, Request};

/// What comes next.
#[must_use]
#[derive(Debug)]
pub enum Step<'i> {
    /// Read more: `expect` bytes of the body are still to come, 0 for a head or if unknown.
    Read {
        /// Bytes.
        expect: u64,
    },
    /// Write what [`Connection::transmit`] has.
    Write,
    /// Ask the store; tell the outcome by [`Connection::ready`] or [`Connection::answer`].
    Call(Box<Request>),
    /// Append these bytes to the sink. The slice ends at the returned count.
    Body(&'i [u8]),
    /// Append these bytes to the sink: they came with earlier input, and only now it is known that
    /// they are of the object. Fewer than 100.
    Held(Vec<u8>),
    /// Commit the sink; tell the outcome by [`Connection::answer`].
    Commit(Box<Expected>),
    /// Shut the write side of the socket, then go on.
    HalfClose,
    /// Close the socket.
    Close,
}

/// What is to be written: head bytes first, then a range of the source.
#[derive(Debug, PartialEq, Eq)]
pub struct Transmit<'c> {
    /// Bytes of the core.
    pub head: &'c [u8],
    /// Offsets in the source.
    pub body: Range<u64>,
}
