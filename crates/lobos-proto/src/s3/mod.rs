//! The words of S3: names, keys, tags, times, conditions, errors.

pub mod bucket;
pub mod condition;
pub mod error;
pub mod etag;
pub mod key;
pub mod object;
pub mod time;
pub(crate) mod xml;
