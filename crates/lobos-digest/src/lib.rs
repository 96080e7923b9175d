//! Every digest that S3 knows, computed over a stream of slices: no I/O, no clock, no threads.
//! [`Algorithm`] has the names of the wire, [`Digest`] a value, and [`Hasher`] runs several
//! algorithms over one stream.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod algorithm;
mod combine;
mod hasher;
mod md5;
mod state;
mod value;

pub use algorithm::Algorithm;
pub use hasher::{Digests, Hasher, digest};
pub use value::Digest;
