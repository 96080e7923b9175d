//! The words of S3: names, keys, tags, times, conditions, errors.

pub mod bucket;
pub mod checksum;
pub mod condition;
pub mod copy_source;
pub(crate) mod digits;
pub mod error;
pub mod etag;
pub mod key;
pub mod object;
pub mod parts;
pub(crate) mod policy;
pub mod tags;
pub mod time;
pub(crate) mod xml;
