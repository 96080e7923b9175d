//! HTTP/1.1 as far as S3 needs it: heads, targets, framings, ranges, answers.

pub(crate) mod body;
pub(crate) mod chunks;
pub(crate) mod encode;
pub(crate) mod form;
pub(crate) mod head;
pub(crate) mod host;
mod marks;
pub mod range;
mod raw;
pub(crate) mod target;
