//! MD5 (RFC 1321), alone and of many streams at once.
//!
//! MD5 is one long chain of additions, of which each waits for the one before: a core that can do
//! four things at a time does one. So one stream costs about 1,500 us per MiB, and nothing makes
//! it faster. Several streams have several chains, and those go side by side in the lanes of
//! vector registers. [`Md5`] is one stream; [`Together`] gathers what many streams bring and
//! hashes up to 16 of them in one go.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod block;
mod lanes;
mod stream;
mod together;

pub use stream::Md5;
pub use together::{Shared, Together};
