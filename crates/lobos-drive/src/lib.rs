//! What every driver of Lobos shares: session, buffers, listening, zero-copy sends.

mod bell;
mod buffer;
mod certificate;
mod clock;
mod cold;
mod heavy;
mod job;
mod listen;
mod loads;
mod local;
mod pin;
mod pool;
mod secure;
mod server;
mod session;
mod stop;
mod tls;
mod turn;
mod warn;
pub mod zerocopy;

pub use bell::{Bell, Seat};
pub use buffer::Buffer;
pub use certificate::Certificate;
pub use clock::SystemClock;
pub use cold::Cold;
pub use job::{Done, Job};
pub use listen::{Accepted, Acceptor, Listener, PAUSE, raise_file_limit};
pub use loads::{Load, Loads};
pub use local::Local;
pub use pin::pin;
pub use pool::Pool;
pub use secure::Records;
pub use server::{Server, Service};
pub use session::{Need, Output, Session};
pub use stop::{Grace, Phase, Stop};
pub use turn::{Readiness, SCRATCH, Scratch, Turn, Wake, turn};
