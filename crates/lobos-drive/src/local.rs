//! What the tasks of one thread share, for the drivers whose connections are tasks.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use lobos_proto::Clock;

use crate::{
    Bell, Load, Phase, Readiness, Scratch, Seat, Service, Session, SystemClock, Turn, Wake, turn,
};

/// One thread of a server.
pub struct Local {
    service: Arc<Service>,
    scratch: RefCell<Scratch>,
    bell: Rc<Bell>,
}

impl Local {
    /// For this thread.
    pub fn new(service: Arc<Service>) -> Rc<Self> {
        let scratch = RefCell::new(service.scratch());
        Rc::new(Self { service, scratch, bell: Rc::default() })
    }

    /// A new connection: its session, and its seat until it is closed.
    pub fn open(&self, load: &Load) -> (Session, Seat) {
        (self.service.session(load, SystemClock.now()), self.bell.seat())
    }

    /// One turn of a connection of this thread.
    pub fn turn(
        &self,
        socket: impl AsFd,
        session: &mut Session,
        ready: &mut Readiness,
        wake: Wake,
    ) -> Turn {
        let scratch = &mut self.scratch.borrow_mut();
        turn(socket, session, ready, scratch, wake, SystemClock.now())
    }

    /// Tells the connections how far the server is on its way out; when that changes by itself.
    pub fn ring(&self) -> (Phase, Option<Instant>) {
        let (phase, change) = self.service.phase(SystemClock.now());
        if phase > self.bell.phase() {
            self.bell.ring(phase);
        }
        (phase, change)
    }

    /// Ready when [`Local::ring`] has something to tell, or when the server stops and the last
    /// connection has gone: then it is `true`.
    pub fn poll_stop(&self, context: &mut Context<'_>) -> Poll<bool> {
        self.service.stop().watch(context.waker());
        let seen = self.bell.phase();
        if self.service.phase(SystemClock.now()).0 > seen {
            return Poll::Ready(false);
        }
        if seen > Phase::Running {
            self.bell.poll_empty(context).map(|()| true)
        } else {
            Poll::Pending
        }
    }
}
