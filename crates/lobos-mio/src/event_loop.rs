//! One thread: epoll, its connections, and the order in which they get their turns.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::task::Waker;
use std::time::{Duration, Instant};

use lobos_drive::{
    Accepted, Acceptor, Job, Load, PAUSE, Phase, Pool, Readiness, Scratch, Service, Session,
    SystemClock, Turn, Wake,
};
use lobos_proto::{Clock, Now};
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::mailbox::{Mailbox, Message, WAKE};
use crate::slab::{Key, Slab};
use crate::timers::Timers;

/// Events taken from the kernel at a time.
const EVENTS: usize = 1024;

/// Connections accepted before those that are there get their turn.
const ACCEPTS: usize = 64;

/// The tokens of the listening sockets count down from here.
const LISTEN: usize = usize::MAX - 1;

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) service: Arc<Service>,
    pub(crate) mailboxes: Vec<Mailbox>,
    pub(crate) pool: Pool,
}

pub(crate) struct EventLoop {
    index: usize,
    poll: Poll,
    inbox: Receiver<Message>,
    shared: Arc<Shared>,
    acceptors: Vec<Acceptor>,
    /// Whether there may be something to accept, and from when on.
    accept: Option<Instant>,
    conns: Slab<Conn>,
    /// Those whose socket became ready.
    queue: VecDeque<Key>,
    /// Those who go on after a turn or a job: what they have left is long, so the others are
    /// before them.
    behind: VecDeque<(Key, Wake)>,
    /// Jobs for the end of this round.
    late: Vec<(Key, Box<Job>)>,
    timers: Timers,
    scratch: Scratch,
    stop: Waker,
    woken: bool,
    phase: Phase,
    next_phase: Option<Instant>,
}

struct Conn {
    socket: OwnedFd,
    session: Session,
    ready: Readiness,
    waits: Waits,
    /// The first entry in the timers.
    armed: Option<Instant>,
    _load: Load,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Read,
    Write,
    /// In the queue.
    Turn,
    Job,
}

impl EventLoop {
    pub(crate) fn new(
        index: usize,
        poll: Poll,
        inbox: Receiver<Message>,
        acceptors: Vec<Acceptor>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        for (at, acceptor) in acceptors.iter().enumerate() {
            let fd = acceptor.as_raw_fd();
            let token = Token(LISTEN - at);
            poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        }
        let scratch = shared.service.scratch();
        let stop = shared.mailboxes[index].waker();
        Ok(Self {
            index,
            poll,
            inbox,
            shared,
            acceptors,
            accept: None,
            conns: Slab::new(),
            queue: VecDeque::new(),
            behind: VecDeque::new(),
            late: Vec::new(),
            timers: Timers::default(),
            scratch,
            stop,
            woken: true,
            phase: Phase::Running,
            next_phase: None,
        })
    }

    pub(crate) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut now = SystemClock.now();
        loop {
            if (self.woken || self.next_phase.is_some()) && self.stop(now) {
                return Ok(());
            }
            match self.poll.poll(&mut events, self.timeout(now.instant)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            now = SystemClock.now();
            for event in &events {
                self.event(event, now);
            }
            if self.woken {
                self.read_inbox(now);
            }
            if self.accept.is_some_and(|at| at <= now.instant) {
                self.accept(now);
            }
            let behind = self.behind.len();
            for _ in 0..self.queue.len() {
                if let Some(key) = self.queue.pop_front() {
                    self.go_on(key, Wake::Ready, now);
                }
            }
            for _ in 0..behind {
                if let Some((key, wake)) = self.behind.pop_front() {
                    self.go_on(key, wake, now);
                }
            }
            for (key, job) in std::mem::take(&mut self.late) {
                self.turn(key, Wake::Late(job), now);
            }
            self.expire(now);
        }
    }

    fn go_on(&mut self, key: Key, wake: Wake, now: Now) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        // It may have had its turn for another reason in the meantime.
        if conn.waits == Waits::Turn || matches!(wake, Wake::Done(_)) {
            self.turn(key, wake, now);
        }
    }

    /// How long there is nothing to do.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        if !self.behind.is_empty() || !self.late.is_empty() {
            return Some(Duration::ZERO);
        }
        let moments = [self.timers.next(), self.accept, self.next_phase];
        let next = moments.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(now))
    }

    fn event(&mut self, event: &Event, now: Now) {
        match event.token() {
            WAKE => self.woken = true,
            Token(token) if token > LISTEN - self.acceptors.len() => {
                // A pause goes on to its end.
                self.accept.get_or_insert(now.instant);
            }
            Token(key) => {
                let Some(conn) = self.conns.get_mut(key) else { return };
                conn.ready.hung_up |= event.is_read_closed() || event.is_error();
                conn.ready.readable |= event.is_readable() || conn.ready.hung_up;
                conn.ready.writable |= event.is_writable() || event.is_error();
                let due = match conn.waits {
                    Waits::Read => conn.ready.readable,
                    Waits::Write => conn.ready.writable,
                    Waits::Turn | Waits::Job => false,
                };
                if due {
                    conn.waits = Waits::Turn;
                    self.queue.push_back(key);
                }
            }
        }
    }

    fn read_inbox(&mut self, now: Now) {
        while let Ok(message) = self.inbox.try_recv() {
            match message {
                Message::Socket(socket, load) => self.add(socket, load, now),
                Message::Done(key, done) => self.behind.push_back((key, Wake::Done(done))),
            }
        }
    }

    fn accept(&mut self, now: Now) {
        self.accept = None;
        for at in 0..self.acceptors.len() {
            for tries in 0.. {
                if tries == ACCEPTS {
                    self.accept = Some(now.instant);
                    break;
                }
                if self.shared.service.is_full() {
                    self.accept = Some(now.instant + PAUSE);
                    return;
                }
                match self.acceptors[at].accept() {
                    Accepted::Socket(socket) => self.place(socket, now),
                    Accepted::WouldBlock => break,
                    Accepted::Again => {}
                    Accepted::Pause => {
                        self.accept = Some(now.instant + PAUSE);
                        return;
                    }
                }
            }
        }
    }

    /// Gives a new connection to the thread that has fewest.
    fn place(&mut self, socket: OwnedFd, now: Now) {
        let load = self.shared.service.place();
        if load.thread() == self.index {
            self.add(socket, load, now);
        } else {
            self.shared.mailboxes[load.thread()].send(Message::Socket(socket, load));
        }
    }

    fn add(&mut self, socket: OwnedFd, load: Load, now: Now) {
        let session = self.shared.service.session(&load, now);
        let (ready, waits) = (Readiness::default(), Waits::Read);
        let fd = socket.as_raw_fd();
        let conn = Conn { socket, session, ready, waits, armed: None, _load: load };
        let key = self.conns.insert(conn);
        let both = Interest::READABLE | Interest::WRITABLE;
        if self.poll.registry().register(&mut SourceFd(&fd), Token(key), both).is_err() {
            self.conns.remove(key);
            return;
        }
        // Whatever has happened to the socket before comes as the first event.
        self.turn(key, Wake::Stop(self.phase), now);
    }

    /// One turn of one connection.
    fn turn(&mut self, key: Key, wake: Wake, now: Now) {
        let Some(conn) = self.conns.get_mut(key) else { return };
        let (session, ready) = (&mut conn.session, &mut conn.ready);
        let turn = lobos_drive::turn(&conn.socket, session, ready, &mut self.scratch, wake, now);
        match turn {
            Turn::Read => conn.waits = Waits::Read,
            Turn::Write => conn.waits = Waits::Write,
            Turn::Again => {
                conn.waits = Waits::Turn;
                self.behind.push_back((key, Wake::Ready));
            }
            Turn::Work(job) => {
                conn.waits = Waits::Job;
                self.submit(key, job);
                return;
            }
            Turn::Late(job) => {
                conn.waits = Waits::Job;
                self.late.push((key, job));
                return;
            }
            Turn::Wait => return,
            Turn::Close => {
                self.conns.remove(key);
                return;
            }
        }
        if let Some(deadline) = conn.session.deadline() {
            self.timers.arm(key, &mut conn.armed, deadline);
        }
    }

    fn submit(&self, key: Key, job: Box<Job>) {
        let mailbox = self.shared.mailboxes[self.index].clone();
        self.shared.pool.run(move || mailbox.send(Message::Done(key, job.run().into())));
    }

    fn expire(&mut self, now: Now) {
        for _ in 0..self.timers.len() {
            let Some((at, key)) = self.timers.pop(now.instant) else { return };
            let Some(conn) = self.conns.get_mut(key) else { continue };
            if conn.armed != Some(at) {
                continue;
            }
            conn.armed = None;
            match conn.session.deadline() {
                Some(deadline) if deadline <= now.instant => {
                    self.turn(key, Wake::TimedOut, now);
                }
                Some(deadline) => self.timers.arm(key, &mut conn.armed, deadline),
                None => {}
            }
        }
    }

    /// Looks whether the server stops; whether this thread has nothing more to do.
    fn stop(&mut self, now: Now) -> bool {
        self.woken = false;
        self.shared.service.stop().watch(&self.stop);
        let (phase, next) = self.shared.service.phase(now);
        self.next_phase = next;
        if phase > self.phase {
            self.phase = phase;
            self.acceptors.clear();
            self.accept = None;
            if phase < Phase::Over {
                for key in self.conns.keys() {
                    self.turn(key, Wake::Stop(phase), now);
                }
            }
        }
        phase == Phase::Over || (phase > Phase::Running && self.conns.is_empty())
    }
}
