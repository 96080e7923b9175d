//! The smol driver: one local executor per thread, one task per connection.
//!
//! The first thread accepts and hands each socket to the thread that has fewest. All threads share
//! the one reactor that smol has.

mod connection;

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use lobos_drive::{Accepted, Acceptor, Load, Local, PAUSE, Phase, Server, Service};
use smol::channel::{Receiver, Sender, unbounded};
use smol::future::or;
use smol::{Async, LocalExecutor, Timer, block_on};

type Handover = (OwnedFd, Load);

/// Serves until it is stopped.
///
/// # Errors
/// If a thread cannot be had, or a listening socket not be watched.
///
/// # Panics
/// If the limits of the configuration do not fit the buffers.
pub fn serve(server: Server) -> io::Result<()> {
    let (mut acceptors, service) = server.open();
    let (outboxes, inboxes): (Vec<_>, Vec<_>) = (0..service.threads()).map(|_| unbounded()).unzip();
    let threads = inboxes.into_iter().map(|inbox| Thread {
        service: Arc::clone(&service),
        acceptors: std::mem::take(&mut acceptors),
        outboxes: outboxes.clone(),
        inbox,
    });
    service.run(threads.collect(), Thread::run)
}

struct Thread {
    service: Arc<Service>,
    acceptors: Vec<Acceptor>,
    outboxes: Vec<Sender<Handover>>,
    inbox: Receiver<Handover>,
}

impl Thread {
    fn run(self) -> io::Result<()> {
        let tasks = LocalExecutor::new();
        block_on(tasks.run(self.serve(&tasks)))
    }

    async fn serve(self, tasks: &LocalExecutor<'static>) -> io::Result<()> {
        let local = Local::new(Arc::clone(&self.service));
        let mut accepting = Vec::new();
        for acceptor in self.acceptors {
            let acceptor = Async::new_nonblocking(acceptor)?;
            let (service, outboxes) = (Arc::clone(&self.service), self.outboxes.clone());
            accepting.push(tasks.spawn(accept(acceptor, service, outboxes)));
        }
        let stop = async {
            loop {
                let (phase, change) = local.ring();
                if phase > Phase::Running {
                    accepting.clear();
                }
                if phase == Phase::Over || stopped(&local, change).await {
                    return;
                }
            }
        };
        or(stop, receive(self.inbox, &local, tasks)).await;
        Ok(())
    }
}

/// Waits for the next phase, or until the last connection of a server that stops has gone: then
/// it is `true`.
async fn stopped(local: &Local, change: Option<Instant>) -> bool {
    let timer = async {
        change.map_or_else(Timer::never, Timer::at).await;
        false
    };
    or(poll_fn(|context| local.poll_stop(context)), timer).await
}

/// Starts a task for each connection that this thread is given.
async fn receive(inbox: Receiver<Handover>, local: &Rc<Local>, tasks: &LocalExecutor<'static>) {
    while let Ok((socket, load)) = inbox.recv().await {
        tasks.spawn(connection::serve(socket, load, Rc::clone(local))).detach();
    }
}

/// Gives each new connection to the thread that has fewest.
async fn accept(acceptor: Async<Acceptor>, service: Arc<Service>, outboxes: Vec<Sender<Handover>>) {
    loop {
        if service.is_full() {
            Timer::after(PAUSE).await;
            continue;
        }
        match acceptor.get_ref().accept() {
            Accepted::Socket(socket) => {
                let load = service.place();
                // A thread that has ended drops it.
                let _ = outboxes[load.thread()].try_send((socket, load));
            }
            Accepted::WouldBlock => {
                // The reactor finds no memory for it, say: this must not end the service.
                if acceptor.readable().await.is_err() {
                    Timer::after(PAUSE).await;
                }
            }
            Accepted::Again => {}
            Accepted::Pause => {
                Timer::after(PAUSE).await;
            }
        }
    }
}
