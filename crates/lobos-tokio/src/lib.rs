//! The tokio driver: one current-thread runtime per thread, one local task per connection.
//!
//! The first thread accepts and hands each socket to the thread that has fewest.

mod connection;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use lobos_drive::{Accepted, Acceptor, Load, Local, PAUSE, Phase, Server, Service};
use tokio::io::Interest;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::{sleep, timeout_at};

type Handover = (OwnedFd, Load);

/// Serves until it is stopped.
///
/// # Errors
/// If a thread or its runtime cannot be had.
///
/// # Panics
/// If the limits of the configuration do not fit the buffers.
pub fn serve(server: Server) -> io::Result<()> {
    let (mut acceptors, service) = server.open();
    let (outboxes, inboxes): (Vec<_>, Vec<_>) =
        (0..service.threads()).map(|_| unbounded_channel()).unzip();
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
    outboxes: Vec<UnboundedSender<Handover>>,
    inbox: UnboundedReceiver<Handover>,
}

impl Thread {
    fn run(self) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let tasks = LocalSet::new();
        let result = tasks.block_on(&runtime, self.serve());
        drop(tasks);
        // A job that still runs has nobody to come back to.
        runtime.shutdown_background();
        result
    }

    async fn serve(self) -> io::Result<()> {
        let local = Local::new(Arc::clone(&self.service));
        spawn_local(receive(self.inbox, Rc::clone(&local)));
        let mut accepting = JoinSet::new();
        for acceptor in self.acceptors {
            // Tokio's own listener has no readiness without an accept, and its `AsyncFd` is unsafe.
            // To epoll a socket is a socket, so a stream watches this one.
            let watch = std::net::TcpStream::from(acceptor.as_fd().try_clone_to_owned()?);
            let watch = tokio::net::TcpStream::from_std(watch)?;
            let (service, outboxes) = (Arc::clone(&self.service), self.outboxes.clone());
            accepting.spawn_local(accept(acceptor, watch, service, outboxes));
        }
        loop {
            let (phase, change) = local.ring();
            if phase > Phase::Running {
                accepting.abort_all();
            }
            if phase == Phase::Over {
                return Ok(());
            }
            let stop = poll_fn(|context| local.poll_stop(context));
            let gone = match change {
                Some(at) => timeout_at(at.into(), stop).await.unwrap_or(false),
                None => stop.await,
            };
            if gone {
                return Ok(());
            }
        }
    }
}

/// Starts a task for each connection that this thread is given.
async fn receive(mut inbox: UnboundedReceiver<Handover>, local: Rc<Local>) {
    while let Some((socket, load)) = inbox.recv().await {
        spawn_local(connection::serve(socket, load, Rc::clone(&local)));
    }
}

/// Gives each new connection to the thread that has fewest.
async fn accept(
    acceptor: Acceptor,
    watch: tokio::net::TcpStream,
    service: Arc<Service>,
    outboxes: Vec<UnboundedSender<Handover>>,
) {
    while watch.readable().await.is_ok() {
        if service.is_full() {
            sleep(PAUSE).await;
            continue;
        }
        let accepted = watch.try_io(Interest::READABLE, || match acceptor.accept() {
            Accepted::WouldBlock => Err(ErrorKind::WouldBlock.into()),
            other => Ok(other),
        });
        match accepted {
            Ok(Accepted::Socket(socket)) => {
                let load = service.place();
                // A thread that has ended drops it.
                let _ = outboxes[load.thread()].send((socket, load));
            }
            Ok(Accepted::Pause) => sleep(PAUSE).await,
            Ok(Accepted::Again | Accepted::WouldBlock) | Err(_) => {}
        }
    }
}
