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

/// Whether a header can have this name, or what a name ends with (RFC 9110, section 5.6.2).
pub(crate) fn is_token(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}
