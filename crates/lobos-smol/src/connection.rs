//! One connection as a task: turns, and waiting in between.

use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use lobos_drive::{Load, Local, Readiness, Turn, Wake};
use smol::future::yield_now;
use smol::{Async, Timer, unblock};

/// Serves until it is closed. Not an `async fn`, whose task has room for each argument twice.
#[allow(clippy::manual_async_fn, reason = "it is smaller")]
pub(crate) fn serve(socket: OwnedFd, load: Load, local: Rc<Local>) -> impl Future<Output = ()> {
    async move {
        let Ok(socket) = Async::new_nonblocking(socket) else { return };
        let (mut session, mut seat) = local.open(&load);
        let mut ready = Readiness { readable: true, writable: true, hung_up: false };
        let mut alarm = Alarm { timer: Timer::never(), armed: None };
        let mut wake = Wake::Ready;
        loop {
            let reading = match local.turn(&socket, &mut session, &mut ready, wake) {
                Turn::Read => true,
                Turn::Write => false,
                Turn::Again => {
                    yield_now().await;
                    wake = Wake::Ready;
                    continue;
                }
                Turn::Late(job) => {
                    yield_now().await;
                    wake = Wake::Late(job);
                    continue;
                }
                Turn::Work(job) => {
                    wake = Wake::Done(unblock(|| job.run().into()).await);
                    continue;
                }
                Turn::Wait | Turn::Close => return,
            };
            wake = poll_fn(|context| {
                if let Poll::Ready(phase) = seat.poll_phase(context) {
                    return Poll::Ready(Wake::Stop(phase));
                }
                let event = if reading {
                    socket.poll_readable(context)
                } else {
                    socket.poll_writable(context)
                };
                if event.is_ready() {
                    ready.readable |= reading;
                    ready.writable |= !reading;
                    return Poll::Ready(Wake::Ready);
                }
                alarm.poll(session.deadline(), context).map(|()| Wake::TimedOut)
            })
            .await;
        }
    }
}

/// A timer that is set again only when it must ring earlier. A deadline that moves away costs
/// nothing but one look in vain.
struct Alarm {
    timer: Timer,
    armed: Option<Instant>,
}

impl Alarm {
    fn poll(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        loop {
            if self.armed.is_none_or(|at| deadline < at) {
                self.timer.set_at(deadline);
                self.armed = Some(deadline);
            }
            ready!(Pin::new(&mut self.timer).poll(context));
            if self.armed.take() == Some(deadline) {
                return Poll::Ready(());
            }
        }
    }
}
