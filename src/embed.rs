//! A server within a program: what it serves, where, and for how long.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use lobos_drive::{Listener, Stop};
use lobos_fs::{FsStore, Layout, Options};
use lobos_proto::op::CreateBucket;
use lobos_proto::{BucketName, Code, Config, Credentials, Request, Store};

use crate::Temporary;

/// What drives the connections; they differ in nothing else that a client could see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// A loop over epoll in each thread, the fastest.
    #[default]
    Mio,
    /// A current-thread tokio in each thread; one that runs already is left alone.
    Tokio,
    /// A local executor of smol in each thread.
    Smol,
}

/// A server that was not started yet. Unless it is told otherwise it takes a free port of 127.0.0.1
/// and lets everyone in who is on this machine, with any credentials.
#[must_use]
pub struct Setup {
    what: What,
    buckets: Vec<String>,
    address: SocketAddr,
    options: Options,
    config: Config,
    runtime: Runtime,
    threads: usize,
}

enum What {
    Temporary,
    Folders(Layout),
    Other(Arc<dyn Store>),
}

impl Setup {
    fn of(what: What) -> Self {
        Self {
            what,
            buckets: Vec::new(),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            options: Options::default(),
            config: Config::default(),
            runtime: Runtime::default(),
            threads: 1,
        }
    }

    /// Serves an empty folder in the folder for temporary files, which goes when the server stops.
    pub fn temporary() -> Self {
        Self::of(What::Temporary)
    }

    /// Serves each folder in this one as a bucket.
    pub fn root(path: impl Into<PathBuf>) -> Self {
        Self::of(What::Folders(Layout::Root(path.into())))
    }

    /// Serves this folder as the bucket `name`.
    pub fn dir(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::of(What::Folders(Layout::Dirs(vec![(name.into(), path.into())])))
    }

    /// Serves whatever keeps its objects in another way.
    pub fn store(store: Arc<dyn Store>) -> Self {
        Self::of(What::Other(store))
    }

    /// Makes this bucket at the start, unless it is there.
    pub fn bucket(mut self, name: impl Into<String>) -> Self {
        self.buckets.push(name.into());
        self
    }

    /// Listens here; port 0 is any free one. Who listens where others can reach it should ask
    /// for [`Setup::keys`].
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Takes only requests that are signed with these; may be called for several.
    pub fn keys(mut self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        let (access_key, secret_key) = (access_key.into(), secret_key.into());
        self.config.credentials.push(Credentials { access_key, secret_key, read_only: false });
        self
    }

    /// How objects are kept in folders.
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Limits and patience of the protocol, host names, origins; keys that were given before are
    /// replaced.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Runs on this runtime.
    pub fn runtime(mut self, runtime: Runtime) -> Self {
        self.runtime = runtime;
        self
    }

    /// Runs so many event loops, each in a thread; one unless this says more.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Starts it: who connects from now on is answered.
    ///
    /// # Errors
    /// A folder that cannot be served, a bucket that cannot be made, an address that is taken.
    pub fn start(self) -> io::Result<Server> {
        let Self { what, buckets, address, options, config, runtime, threads } = self;
        let temporary = match what {
            What::Temporary => {
                Some(Temporary::within(&std::env::temp_dir()).map_err(io::Error::other)?)
            }
            _ => None,
        };
        let open = |layout| FsStore::open(layout, options).map_err(io::Error::other);
        let store: Arc<dyn Store> = match (what, &temporary) {
            (What::Other(store), _) => store,
            (What::Folders(layout), _) => Arc::new(open(layout)?),
            (What::Temporary, folder) => {
                let path = folder.iter().map(|folder| folder.path().to_owned()).collect();
                Arc::new(open(Layout::Root(path))?)
            }
        };
        for name in &buckets {
            make(&*store, name)?;
        }
        // Only so that request ids of two servers differ.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let connections = AtomicU64::new(since.as_secs() << 24 | u64::from(since.subsec_micros()));
        let config = Config { connections, ..config };
        let listener = Listener::bind(&[address])?;
        let address = listener.addresses().first().copied().unwrap_or(address);
        let mut server = lobos_drive::Server::new(listener, Arc::new(config), store);
        server.threads = threads;
        let stop = server.stop.clone();
        let serve = match runtime {
            Runtime::Mio => lobos_mio::serve,
            Runtime::Tokio => lobos_tokio::serve,
            Runtime::Smol => lobos_smol::serve,
        };
        let thread = thread::Builder::new().name("lobos".into()).spawn(move || serve(server))?;
        Ok(Server { address, stop, thread: Some(thread), temporary })
    }
}

fn make(store: &dyn Store, name: &str) -> io::Result<()> {
    let failed = |why: String| io::Error::other(format!("cannot make the bucket '{name}': {why}"));
    let bucket = BucketName::new(name).map_err(|error| failed(error.to_string()))?;
    match store.call(Request::CreateBucket(CreateBucket { bucket, configurations: Vec::new() })) {
        Err(error) if error.code() != Code::BucketAlreadyOwnedByYou => {
            Err(failed(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// A server that runs, until it is stopped or dropped.
#[must_use]
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Stop,
    thread: Option<JoinHandle<io::Result<()>>>,
    temporary: Option<Temporary>,
}

impl Server {
    /// What clients take as their endpoint, such as `http://127.0.0.1:41234`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root of [`Setup::temporary`]: the bucket `photos` is the folder `photos` in it.
    pub fn path(&self) -> Option<&Path> {
        self.temporary.as_ref().map(Temporary::path)
    }

    /// Stops it when what runs is finished, which takes ten seconds at most.
    ///
    /// # Errors
    /// What has ended it before, if anything has.
    pub fn stop(mut self) -> io::Result<()> {
        self.stop.trigger();
        self.join()
    }

    /// Waits until something else ends it.
    ///
    /// # Errors
    /// What has ended it.
    pub fn wait(mut self) -> io::Result<()> {
        self.join()
    }

    fn join(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the server panicked")))
    }
}

impl Drop for Server {
    /// Ends it at once.
    fn drop(&mut self) {
        self.stop.trigger();
        self.stop.trigger();
        // Whoever wants to know calls `stop`.
        let _ = self.join();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    fn said(server: &Server, target: &str) -> String {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn comes_and_goes() {
        // On each runtime a server answers as soon as it is there, and nothing of it stays,
        // whether it is stopped or dropped.
        for runtime in [Runtime::Mio, Runtime::Tokio, Runtime::Smol] {
            for stops in [true, false] {
                let setup = Setup::temporary().bucket("photos").bucket("photos").runtime(runtime);
                let server = setup.start().unwrap();
                assert!(server.url().starts_with("http://127.0.0.1:"));
                let root = server.path().unwrap().to_owned();
                std::fs::write(root.join("photos/a.txt"), "hello").unwrap();
                assert!(said(&server, "/photos/a.txt").ends_with("\r\n\r\nhello"));
                let address = server.address();
                if stops {
                    server.stop().unwrap();
                } else {
                    drop(server);
                }
                assert!(TcpStream::connect(address).is_err() && !root.exists());
            }
        }
    }

    #[test]
    fn folders_and_keys() {
        // Folders of others stay; who has no key is refused where one is asked for.
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("a"), "hello").unwrap();
        let open = Setup::dir("b", home.path()).start().unwrap();
        assert!(said(&open, "/b/a").ends_with("\r\n\r\nhello") && open.path().is_none());
        let closed = Setup::dir("b", home.path()).keys("A", "S").start().unwrap();
        assert!(said(&closed, "/b/a").starts_with("HTTP/1.1 403 "));
        drop((open, closed));
        assert_eq!(std::fs::read(home.path().join("a")).unwrap(), b"hello");
    }

    #[test]
    fn errors() {
        // What cannot be served is said by the call that should start it.
        let error = |setup: Setup| setup.start().unwrap_err().to_string();
        assert!(error(Setup::root("/none/at/all")).contains("/none/at/all"));
        assert!(error(Setup::temporary().bucket("A/B")).contains("'A/B'"));
        let first = Setup::temporary().start().unwrap();
        let taken = Setup::temporary().listen(first.address()).start().unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
