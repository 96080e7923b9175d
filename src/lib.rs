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
//! What it serves is [`fs::FsStore`] over folders, or any other [`proto::Store`]:
//! `examples/memory.rs` keeps its objects in memory.

mod embed;
mod temporary;

pub use embed::{Runtime, Server, Setup};
pub use lobos_drive as drive;
pub use lobos_fs as fs;
pub use lobos_proto as proto;
#[doc(hidden)]
pub use temporary::Temporary;
