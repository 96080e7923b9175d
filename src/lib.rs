//! Lobos within a program: a server of S3 that a test or a tool starts and stops by itself.
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! let server = lobos::Setup::temporary().bucket("photos").start()?;
//! println!("S3 is at {}, with any credentials", server.url());
//! server.stop()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Folders
//!
//! [`Setup::dir`] serves a folder as a bucket, [`Setup::root`] each folder in one. What is written
//! there by others is in the next answer, and what clients put is a plain file:
//!
//! ```
//! # fn main() -> std::io::Result<()> {
//! let server = lobos::Setup::temporary().bucket("photos").keys("access", "secret").start()?;
//! if let Some(root) = server.path() {
//!     std::fs::write(root.join("photos/a.txt"), "hello")?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Something else
//!
//! [`Setup::store`] serves whatever implements [`proto::Store`], whose page has the contract and
//! an example; `examples/memory.rs` is a whole one in 150 lines. S3 with its signatures, framings
//! and errors is done by [`proto`], sockets and threads by the [`Runtime`]; a store has values that
//! cannot be wrong, and a hundred lines of its own.
//!
//! ```
//! use std::sync::Arc;
//!
//! use lobos::proto::{Code, Error, Outcome, Request, Response, Store};
//!
//! /// The bucket `empty`, without anything in it.
//! struct Empty;
//!
//! impl Store for Empty {
//!     fn call(&self, request: Request) -> Result<Outcome, Error> {
//!         match request {
//!             Request::HeadBucket(head) if head.bucket.as_str() == "empty" => {
//!                 Ok(Outcome::Done(Response::HeadBucket))
//!             }
//!             Request::HeadBucket(_) => Err(Error::new(Code::NoSuchBucket)),
//!             _ => Err(Error::new(Code::NotImplemented)),
//!         }
//!     }
//! }
//!
//! # fn main() -> std::io::Result<()> {
//! let server = lobos::Setup::store(Arc::new(Empty)).start()?;
//! server.stop()?;
//! # Ok(())
//! # }
//! ```

mod embed;
mod temporary;

pub use embed::{Runtime, Server, Setup};
pub use lobos_drive as drive;
pub use lobos_fs as fs;
pub use lobos_proto as proto;
#[doc(hidden)]
pub use temporary::Temporary;
