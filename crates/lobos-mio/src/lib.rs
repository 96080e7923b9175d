//! The mio driver: one hand-written epoll loop per thread.
//!
//! The first thread accepts and hands each socket to the thread that has fewest. Sockets are
//! registered once, edge-triggered, for both directions; what is known of them is kept in bits.

mod event_loop;
mod mailbox;
mod slab;
mod timers;

use std::io;
use std::sync::Arc;

use lobos_drive::{Pool, Server};

use event_loop::{EventLoop, Shared};

/// Serves until it is stopped.
///
/// # Errors
/// If a thread or its epoll instance cannot be had.
///
/// # Panics
/// If the limits of the configuration do not fit the buffers.
pub fn serve(server: Server) -> io::Result<()> {
    let (mut acceptors, service) = server.open();
    let (mut polls, mut mailboxes) = (Vec::new(), Vec::new());
    for _ in 0..service.threads() {
        let (poll, mailbox, inbox) = mailbox::open()?;
        polls.push((poll, inbox));
        mailboxes.push(mailbox);
    }
    let pool = Pool::new(service.helpers());
    let shared = Arc::new(Shared { service: Arc::clone(&service), mailboxes, pool });
    let mut loops = Vec::new();
    for (index, (poll, inbox)) in polls.into_iter().enumerate() {
        let acceptors = std::mem::take(&mut acceptors);
        loops.push(EventLoop::new(index, poll, inbox, acceptors, Arc::clone(&shared))?);
    }
    service.run(loops, EventLoop::run)
}
