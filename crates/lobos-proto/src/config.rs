//! Every limit, patience and name that the core works with, so that tests can shrink them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// One reading of the driver's two clocks. The core has none of its own.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines.
    pub instant: Instant,
    /// For the Date header.
    pub wall: SystemTime,
}

/// Where a driver gets its time from; the simulation has a virtual one.
pub trait Clock {
    /// The time, now.
    fn now(&self) -> Now;
}

/// What all connections of a server share.
#[derive(Debug, Default)]
pub struct Config {
    /// Sizes that a client cannot exceed.
    pub limits: Limits,
    /// How long the server waits for what.
    pub patience: Patience,
    /// The names under which the server answers.
    pub hosts: Hosts,
    /// Origins of web pages (`https://example.org`) that may send requests; `*` is any.
    pub origins: Vec<String>,
    /// The key pairs that may sign requests. With none, every signature is taken and none is
    /// needed.
    pub credentials: Vec<Credentials>,
    /// The region of the server (`us-east-1`); signatures must name it. `None`: any.
    pub region: Option<String>,
    /// Refuse every request that changes something.
    pub read_only: bool,
    /// What a browser gets that opens the address of the server, a bucket or a folder.
    pub page: Option<Page>,
    /// Clients connect by TLS, so that URLs of the server begin with `https`.
    pub secure: bool,
    /// The number of the last connection; start it anywhere, so that request ids differ between
    /// runs.
    pub connections: AtomicU64,
}

impl Config {
    /// A number that no other connection of this server has.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// What URLs of the server begin with.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}

/// A document for people.
#[derive(Clone, Debug)]
pub struct Page {
    /// HTML.
    pub document: String,
    /// Its Content-Security-Policy.
    pub policy: String,
}

/// A key pair.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the pair, as requests carry it.
    pub access_key: String,
    /// The secret.
    pub secret_key: String,
    /// Requests that it signs may change nothing.
    pub read_only: bool,
}

/// Without the secret.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Credentials").field(&self.access_key).finish()
    }
}

/// Sizes in bytes, counts in pieces. Beyond a limit the answer is a 4xx.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Request line and headers together.
    pub head: usize,
    /// Header lines.
    pub headers: usize,
    /// An XML body: the 10,000 parts of a CompleteMultipartUpload fit, each with a SHA512 and with
    /// white space (221 bytes without).
    pub document: usize,
    /// What a POST form holds besides its file: 20 KB in S3.
    pub form: usize,
    /// Fields of a POST form.
    pub fields: usize,
    /// The object of one PUT: 5 GiB in S3.
    pub object: u64,
    /// x-amz-meta-* names and values together: 2 KiB in S3.
    pub user_metadata: usize,
    /// Keys of one DeleteObjects: 1,000 in S3.
    pub delete_keys: usize,
    /// Keys of one page of a listing: 1,000 in S3.
    pub max_keys: u32,
    /// A chunk-size line with its extensions.
    pub chunk_line: usize,
    /// All trailer lines together.
    pub trailers: usize,
    /// What is read and dropped of a refused body to keep the connection.
    pub drain: u64,
    /// What is read and dropped after the last answer, so that the client can read it.
    pub linger: u64,
    /// Requests that take long (listings, copies, ...) and run or wait at the same time. Beyond it
    /// the answer is SlowDown.
    pub heavy: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: 64 << 10,
            headers: 128,
            document: 4 << 20,
            form: 20 << 10,
            fields: 100,
            object: 5 << 30,
            user_metadata: 2 << 10,
            delete_keys: 1000,
            max_keys: 1000,
            chunk_line: 4 << 10,
            trailers: 8 << 10,
            drain: 256 << 10,
            linger: 64 << 20,
            heavy: 1000,
        }
    }
}

/// How long each thing may take.
#[derive(Clone, Debug)]
pub struct Patience {
    /// From one request to the first byte of the next.
    pub idle: Duration,
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Without [`Patience::rate`] of a body, in or out.
    pub stall: Duration,
    /// Bytes per second that a body must make on the whole within each [`Patience::stall`], or it
    /// counts as standing still. 0: a single byte is enough.
    pub rate: u32,
    /// From the last answer until the client has closed.
    pub linger: Duration,
}

impl Patience {
    /// Bytes of a body that begin a new [`Patience::stall`].
    pub(crate) fn quota(&self) -> u64 {
        let millis = u64::try_from(self.stall.as_millis()).unwrap_or(u64::MAX);
        (millis.saturating_mul(u64::from(self.rate)) / 1000).max(1)
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(75),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            // As Apache does it; the slowest modem is ten times as fast.
            rate: 500,
            linger: Duration::from_secs(2),
        }
    }
}

/// Which `Host` headers are ours, and which of them name a bucket.
///
/// An IP address and `localhost` always are; a name that somebody else's DNS answers never is,
/// unless it is listed, so that a web page cannot reach the server by rebinding its own name.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    /// More names, in lower case and without a port: `NAME` is the server and `BUCKET.NAME` is a
    /// bucket of it. `*` takes every name.
    pub names: Vec<String>,
}
