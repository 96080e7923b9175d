//! All that a driver needs to serve, and what its threads share.

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use lobos_proto::{Code, Config, Error, Now, Store};

use crate::heavy::Heavy;
use crate::observe::{Gauges, Observer};
use crate::tls::{RECORD, Tls};
use crate::turn::SCRATCH;
use crate::{Acceptor, Certificate, Grace, Listener, Load, Loads, Phase, Scratch, Session, Stop};

/// What to serve, where, and with how many threads.
pub struct Server {
    /// Where clients connect.
    pub listener: Listener,
    /// Limits and patience.
    pub config: Arc<Config>,
    /// Holds the objects.
    pub store: Arc<dyn Store>,
    /// Event loops; 0 counts as one.
    pub threads: usize,
    /// Keep each of them on a core of its own.
    pub pin: bool,
    /// Threads for heavy jobs, at most. With 0 there are twice as many as event loops and at least
    /// 4; where most jobs wait for a disk, more of them wait at once.
    pub helpers: usize,
    /// Connections beyond this many are answered SlowDown and closed; when too many of those are
    /// there as well, others wait to be accepted.
    pub max_connections: usize,
    /// Speaks TLS with this; without, plain HTTP.
    pub certificate: Option<Certificate>,
    /// Hears of each connection and request.
    pub observer: Option<Arc<dyn Observer>>,
    /// How much is going on, from when it is served.
    pub gauges: Gauges,
    /// How long stopping may take.
    pub grace: Grace,
    /// Ends it.
    pub stop: Stop,
}

impl Server {
    /// One thread per core, not pinned, and no limit of connections.
    pub fn new(listener: Listener, config: Arc<Config>, store: Arc<dyn Store>) -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let max_connections = usize::MAX;
        let (certificate, grace, stop) = (None, Grace::default(), Stop::new());
        let (pin, helpers) = (false, 0);
        Self {
            listener,
            config,
            store,
            threads,
            pin,
            helpers,
            max_connections,
            certificate,
            observer: None,
            gauges: Gauges::default(),
            grace,
            stop,
        }
    }

    /// For drivers: what accepts, and what all threads share.
    ///
    /// # Panics
    /// If the limits do not fit the buffers.
    pub fn open(self) -> (Vec<Acceptor>, Arc<Service>) {
        // With TLS there must be room for the rest of a record behind a head.
        let room = if self.certificate.is_some() { 2 * RECORD } else { 0 };
        let most = SCRATCH - room;
        assert!(self.config.limits.head < most, "limits.head must be below {most}");
        let service = Service {
            loads: Loads::new(self.threads),
            heavy: Arc::new(Heavy::new(self.config.limits.heavy)),
            threads: self.threads.max(1),
            helpers: self.helpers,
            config: self.config,
            store: self.store,
            pin: self.pin,
            max_connections: self.max_connections,
            certificate: self.certificate,
            observer: self.observer,
            grace: self.grace,
            stop: self.stop,
        };
        self.gauges.set(service.loads.clone(), Arc::clone(&service.heavy));
        (self.listener.into_acceptors(), Arc::new(service))
    }
}

/// For a client that is one too many.
const TOO_MANY: &str = "This server has as many connections as it may have.";

/// What the threads of a server share.
pub struct Service {
    config: Arc<Config>,
    store: Arc<dyn Store>,
    threads: usize,
    helpers: usize,
    pin: bool,
    loads: Loads,
    heavy: Arc<Heavy>,
    max_connections: usize,
    certificate: Option<Certificate>,
    observer: Option<Arc<dyn Observer>>,
    grace: Grace,
    stop: Stop,
}

impl Service {
    /// Event loops, at least one.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Threads for heavy jobs, at most.
    pub fn helpers(&self) -> usize {
        if self.helpers > 0 { self.helpers } else { (2 * self.threads).max(4) }
    }

    /// The memory of one thread.
    pub fn scratch(&self) -> Scratch {
        Scratch::new(Arc::clone(&self.heavy))
    }

    /// A session for a connection that was just accepted.
    pub fn session(&self, load: &Load, now: Now) -> Session {
        let mut session = Session::new(Arc::clone(&self.config), Arc::clone(&self.store), now);
        if let Some(observer) = &self.observer {
            session.observe(Arc::clone(observer), load.thread());
        }
        if let Some(certificate) = &self.certificate {
            let deadline = now.instant.checked_add(self.config.patience.head);
            match certificate.accept() {
                Ok(accepted) => session.set_tls(Box::new(Tls::new(accepted, deadline))),
                Err(_) => session.abort(),
            }
        }
        if load.total() > self.max_connections {
            session.refuse(Error::new(Code::SlowDown).message(TOO_MANY), now);
        }
        session
    }

    /// Whether there are as many connections as there may be, with those that are only told so.
    pub fn is_full(&self) -> bool {
        let refused = (self.max_connections / 8).clamp(4, 256);
        self.loads.total() >= self.max_connections.saturating_add(refused)
    }

    /// Chooses the thread for a new connection.
    pub fn place(&self) -> Load {
        self.loads.place()
    }

    /// To wait for the end.
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// How far the server is on its way out, and when that changes by itself.
    pub fn phase(&self, now: Now) -> (Phase, Option<Instant>) {
        self.stop.phase(self.grace, now.instant)
    }

    /// Runs one thread per event loop until all have ended; the first that fails stops all.
    ///
    /// # Errors
    /// That of the first loop that failed.
    pub fn run<L, F>(&self, loops: Vec<L>, run: F) -> io::Result<()>
    where
        L: Send + 'static,
        F: Fn(L) -> io::Result<()> + Clone + Send + 'static,
    {
        let mut threads = Vec::new();
        let mut result = Ok(());
        for (index, each) in loops.into_iter().enumerate() {
            let (run, pin, ended) = (run.clone(), self.pin, Ended(self.stop.clone()));
            let work = move || {
                let _ended = ended;
                if pin {
                    crate::pin(index);
                }
                run(each)
            };
            match thread::Builder::new().name(format!("lobos-{index}")).spawn(work) {
                Ok(thread) => threads.push(thread),
                Err(error) => result = result.and(Err(error)),
            }
        }
        for thread in threads {
            let ended = thread.join();
            let ended = ended.unwrap_or_else(|_| Err(io::Error::other("a thread panicked")));
            result = result.and(ended);
        }
        result
    }
}

/// A server without one of its threads would lose connections: it stops instead.
struct Ended(Stop);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ensure();
    }
}
