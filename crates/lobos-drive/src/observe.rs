//! Who wants to know of every connection and request, and what a session keeps for that.

use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, OnceLock};

use lobos_proto::{Connection, Record};

use crate::Loads;
use crate::heavy::Heavy;

/// Hears of connections and requests, on the event loops: it must not wait for anything.
pub trait Observer: Send + Sync {
    /// A connection of this thread was accepted.
    fn opened(&self, thread: usize) {
        let _ = thread;
    }

    /// A request has ended.
    fn ended(&self, end: &Ended<'_>);
}

/// A request that has ended, and where.
#[derive(Debug)]
pub struct Ended<'e> {
    /// The event loop, counted from 0.
    pub thread: usize,
    /// The client, unless it has no address or has gone already.
    pub client: Option<SocketAddr>,
    /// What became of it.
    pub record: Record<'e>,
}

/// What a session has for its observer.
pub(crate) struct Watch {
    observer: Arc<dyn Observer>,
    thread: usize,
    /// Asked for once.
    client: Option<Option<SocketAddr>>,
}

impl Watch {
    pub(crate) fn new(observer: Arc<dyn Observer>, thread: usize) -> Self {
        observer.opened(thread);
        Self { observer, thread, client: None }
    }

    /// Finds out who the client is.
    pub(crate) fn meet(&mut self, socket: BorrowedFd<'_>) {
        let name = || SocketAddr::try_from(rustix::net::getpeername(socket).ok()??).ok();
        self.client.get_or_insert_with(name);
    }

    /// Tells of a request that has ended, if one has.
    pub(crate) fn look(&self, connection: &mut Connection) {
        if let Some(record) = connection.take_record() {
            let client = self.client.flatten();
            self.observer.ended(&Ended { thread: self.thread, client, record });
        }
    }
}

/// How much is going on in a server. Clones are one and the same.
#[derive(Clone, Default)]
pub struct Gauges(Arc<OnceLock<(Loads, Arc<Heavy>)>>);

impl Gauges {
    pub(crate) fn set(&self, loads: Loads, heavy: Arc<Heavy>) {
        // A server is opened once.
        let _ = self.0.set((loads, heavy));
    }

    /// Connections, with those that are only told that there are too many.
    pub fn connections(&self) -> usize {
        self.0.get().map_or(0, |(loads, _)| loads.total())
    }

    /// Requests that take long and run or wait for a thread.
    pub fn heavy_jobs(&self) -> usize {
        self.0.get().map_or(0, |(_, heavy)| heavy.count())
    }
}
