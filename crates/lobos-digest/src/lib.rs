//! Every digest that S3 knows, computed over a stream of slices: no I/O, no clock, no threads.
//! [`Algorithm`] has the names of the wire, [`Digest`] a value, and [`Hasher`] runs several
//! algorithms over one stream. The MD5s of several streams can go [`Together`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod algorithm;
mod combine;
mod hasher;
mod state;
mod value;

pub use algorithm::Algorithm;
pub use combine::combine;
pub use hasher::{Digests, Hasher, digest};
pub use lobos_md5::Together;
pub use value::Digest;
