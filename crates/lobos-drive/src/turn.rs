//! One turn of one connection: everything that can be done for it without waiting. The drivers
//! differ in how they wait, and in nothing else.

use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use lobos_proto::Now;
use rustix::net::{Shutdown, sockopt};

use crate::heavy::Heavy;
use crate::secure::{self, Records};
use crate::zerocopy::{self, Received, Sent};
use crate::{Buffer, Cold, Done, Job, Need, Phase, Session};

/// The size of the buffer that is lent. It must hold the largest head.
pub const SCRATCH: usize = 256 << 10;

/// Buffers kept for later: one is lent, the others were out with jobs.
const SPARE: usize = 8;

/// After so many bytes in or out, or so many jobs, the others get their turn. An upload that goes
/// with others gives way after one buffer: they are to come as far as it.
const TURN_BYTES: u64 = 1 << 20;
const TURN_JOBS: usize = 256;

/// Why a connection gets its turn. Small, since tasks keep it while they wait.
pub enum Wake {
    /// Its socket is ready, or others had their turn.
    Ready,
    /// The job that it waited for is done.
    Done(Box<Done>),
    /// Others had their turn, and so this job is to be done now.
    Late(Box<Job>),
    /// Its deadline has passed.
    TimedOut,
    /// The server stops.
    Stop(Phase),
}

/// What a connection waits for after its turn. Small, since tasks keep it while they wait.
#[must_use]
pub enum Turn {
    /// Until the socket is readable.
    Read,
    /// Until the socket is writable.
    Write,
    /// Until the others had their turn.
    Again,
    /// Until this heavy job is done.
    Work(Box<Job>),
    /// Until the others had their turn; then for [`Wake::Late`] with this job.
    Late(Box<Job>),
    /// Until the job is done that is out already.
    Wait,
    /// For nothing any more.
    Close,
}

/// What is known of a socket. Bits are set by events and cleared by what the calls met, so that
/// no call is made in vain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// `recv` may give something.
    pub readable: bool,
    /// `send` may take something.
    pub writable: bool,
    /// The peer has closed its side: `recv` will tell, after the last bytes.
    pub hung_up: bool,
}

/// The memory of one thread, lent to one connection after the other.
pub struct Scratch {
    buffers: Vec<Buffer>,
    output: Box<[u8]>,
    records: Records,
    cold: Cold,
    heavy: Arc<Heavy>,
}

impl Scratch {
    pub(crate) fn new(heavy: Arc<Heavy>) -> Self {
        let output = vec![0; zerocopy::OUTPUT].into();
        Self {
            buffers: Vec::new(),
            output,
            records: Records::default(),
            cold: Cold::default(),
            heavy,
        }
    }

    fn take(&mut self) -> Buffer {
        self.buffers.pop().unwrap_or_else(|| Buffer::with_capacity(SCRATCH))
    }

    fn put(&mut self, buffer: Buffer) {
        if buffer.capacity() == SCRATCH && self.buffers.len() < SPARE {
            self.buffers.push(buffer);
        }
    }
}

/// Does for a connection whatever does not need to wait. A panic closes the connection and
/// nothing else.
pub fn turn(
    socket: impl AsFd,
    session: &mut Session,
    ready: &mut Readiness,
    scratch: &mut Scratch,
    wake: Wake,
    now: Now,
) -> Turn {
    session.meet(socket.as_fd());
    let work = AssertUnwindSafe(|| {
        let late = matches!(wake, Wake::TimedOut);
        match wake {
            Wake::Ready => {}
            Wake::Done(done) => {
                scratch.heavy.done(&done);
                session.done(*done, now);
            }
            Wake::Late(job) => session.done(job.run(), now),
            Wake::TimedOut => session.timed_out(now),
            Wake::Stop(phase) => session.stop(phase),
        }
        if session.is_busy() {
            return Turn::Wait;
        }
        if !session.is_lent() {
            session.lend(scratch.take());
        }
        let turn = run(&socket, session, ready, scratch, now);
        if late && matches!(turn, Turn::Close) && !session.is_whole() {
            // Else the kernel would go on to offer megabytes to a peer that does not read them.
            let _ = sockopt::set_socket_linger(&socket, Some(Duration::ZERO));
        }
        scratch.put(session.reclaim());
        turn
    });
    catch_unwind(work).unwrap_or(Turn::Close)
}

fn run(
    socket: impl AsFd,
    session: &mut Session,
    ready: &mut Readiness,
    scratch: &mut Scratch,
    now: Now,
) -> Turn {
    let Scratch { output, records, cold, heavy, .. } = scratch;
    let (mut bytes, mut jobs) = (0, 0);
    let mut closed = false;
    loop {
        // What TLS has to say goes first.
        let need = if session.must_flush() { Need::Write } else { session.next(now) };
        match need {
            Need::Read { .. } if closed => return Turn::Close,
            Need::Read { .. } if !ready.readable => return Turn::Read,
            Need::Read { .. } if bytes >= TURN_BYTES => return Turn::Again,
            Need::Read { .. } if bytes > 0 && session.goes_with_others() => return Turn::Again,
            Need::Read { .. } => match zerocopy::receive(&socket, session, records, now) {
                Ok(Received::Full) => bytes += SCRATCH as u64,
                Ok(Received::Some(count)) => {
                    bytes += count as u64;
                    ready.readable = ready.hung_up;
                }
                Ok(Received::WouldBlock) => ready.readable = false,
                Ok(Received::Closed) => closed = true,
                Err(_) => return Turn::Close,
            },
            Need::Write if !ready.writable => return Turn::Write,
            Need::Write => match zerocopy::send(&socket, session, output, records, cold, now) {
                Ok(Sent::All(count)) => bytes += count,
                Ok(Sent::WouldBlock) => ready.writable = false,
                Ok(Sent::Turn) => return Turn::Again,
                Ok(Sent::Cold(range)) => return Turn::Work(session.warm(range).into()),
                Err(_) => return Turn::Close,
            },
            Need::Work(job) if job.is_heavy() => match heavy.admit(job) {
                Ok(job) => return Turn::Work(job.into()),
                Err(refused) => session.done(refused, now),
            },
            Need::Work(job) if job.is_late() => return Turn::Late(job.into()),
            Need::Work(job) => {
                session.done(job.run(), now);
                jobs += 1;
                // What is left of a body in the buffer goes on, since keeping it would copy it.
                if jobs >= TURN_JOBS || bytes >= TURN_BYTES && !session.is_receiving() {
                    return Turn::Again;
                }
            }
            Need::HalfClose => {
                secure::close(socket.as_fd(), session, records);
                if rustix::net::shutdown(&socket, Shutdown::Write).is_err() {
                    return Turn::Close;
                }
            }
            Need::Close => {
                secure::close(socket.as_fd(), session, records);
                return Turn::Close;
            }
        }
    }
}
