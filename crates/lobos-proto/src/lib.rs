//! The S3 protocol as a pure state machine: bytes in, questions out.
//!
//! This crate holds no file, no socket, no clock, no thread and no body byte. A driver feeds a
//! [`Connection`] the bytes that it has read and does what each [`Step`] asks; the data itself
//! lives behind the [`Store`] trait. `clippy.toml` beside this crate and a build for wasm32 keep
//! it that way.

mod auth;
mod config;
mod connection;
pub mod http;
pub mod op;
pub mod s3;
mod store;

pub use config::{Clock, Config, Credentials, Hosts, Limits, Now, Page, Patience};
pub use connection::{Connection, Record, Step, Transmit};
pub use lobos_digest as digest;
pub use s3::bucket::BucketName;
pub use s3::checksum::{Checksum, ChecksumType};
pub use s3::condition::{DeleteConditions, ReadConditions, WriteConditions};
pub use s3::copy_source::CopySource;
pub use s3::error::{Code, Error};
pub use s3::etag::ETag;
pub use s3::key::Key;
pub use s3::object::{Metadata, ObjectInfo};
pub use s3::parts::{ObjectPart, Parts};
pub use s3::tags::TagSet;
pub use s3::time::Timestamp;
pub use store::{Expected, Outcome, Request, Response, Sink, Source, Store, Stored};
