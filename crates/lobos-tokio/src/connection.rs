//! One connection as a task: turns, and waiting in between.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use lobos_drive::{Load, Local, Readiness, Turn, Wake};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::{Sleep, sleep_until};

/// Serves until it is closed. Not an `async fn`, whose task has room for each argument twice.
#[allow(clippy::manual_async_fn, reason = "it is smaller")]
pub(crate) fn serve(socket: OwnedFd, load: Load, local: Rc<Local>) -> impl Future<Output = ()> {
    async move {
        // To epoll a socket is a socket, whatever its family, and nothing else is asked of the
        // runtime.
        let Ok(socket) = TcpStream::from_std(socket.into()) else { return };
        let (mut session, mut seat) = local.open(&load);
        let mut ready = Readiness { readable: true, writable: true, hung_up: false };
        let mut alarm = Alarm { sleep: pin!(sleep_until(Instant::now().into())), armed: None };
        let mut wake = Wake::Ready;
        loop {
            let before = ready;
            let turn = local.turn(&socket, &mut session, &mut ready, wake);
            // The runtime has to hear what the calls met, before the next await: its own view is
            // as old as the last one, and newer events are still with the kernel, so none is
            // forgotten.
            if before.readable && !ready.readable {
                forget(&socket, Interest::READABLE);
            }
            if before.writable && !ready.writable {
                forget(&socket, Interest::WRITABLE);
            }
            let reading = match turn {
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
                    let Ok(done) = spawn_blocking(|| job.run().into()).await else { return };
                    wake = Wake::Done(done);
                    continue;
                }
                Turn::Wait | Turn::Close => return,
            };
            wake = poll_fn(|context| {
                if let Poll::Ready(phase) = seat.poll_phase(context) {
                    return Poll::Ready(Wake::Stop(phase));
                }
                let event = if reading {
                    socket.poll_read_ready(context)
                } else {
                    socket.poll_write_ready(context)
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

/// Tells the runtime that the socket is not ready any more.
fn forget(socket: &TcpStream, interest: Interest) {
    let _ = socket.try_io(interest, || Err::<(), _>(io::Error::from(ErrorKind::WouldBlock)));
}

/// A timer that is set again only when it must ring earlier. A deadline that moves away costs
/// nothing but one look in vain.
struct Alarm<'s> {
    sleep: Pin<&'s mut Sleep>,
    armed: Option<Instant>,
}

impl Alarm<'_> {
    fn poll(&mut self, deadline: Option<Instant>, context: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        loop {
            if self.armed.is_none_or(|at| deadline < at) {
                self.sleep.as_mut().reset(deadline.into());
                self.armed = Some(deadline);
            }
            ready!(self.sleep.as_mut().poll(context));
            if self.armed.take() == Some(deadline) {
                return Poll::Ready(());
            }
        }
    }
}
