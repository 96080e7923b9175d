//! How other threads reach an event loop.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{Wake, Waker};

use lobos_drive::{Done, Load};
use mio::{Poll, Token};

use crate::slab::Key;

/// The token of the events that a mailbox makes.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// What other threads send.
pub(crate) enum Message {
    /// A connection to serve.
    Socket(OwnedFd, Load),
    /// The job of this connection is done.
    Done(Key, Box<Done>),
}

/// The sending side.
#[derive(Clone)]
pub(crate) struct Mailbox {
    sender: Sender<Message>,
    bell: Arc<Bell>,
}

struct Bell(mio::Waker);

/// A poll that wakes up when something is sent to its mailbox.
pub(crate) fn open() -> io::Result<(Poll, Mailbox, Receiver<Message>)> {
    let poll = Poll::new()?;
    let bell = Arc::new(Bell(mio::Waker::new(poll.registry(), WAKE)?));
    let (sender, receiver) = mpsc::channel();
    Ok((poll, Mailbox { sender, bell }, receiver))
}

impl Mailbox {
    /// Sends; a loop that has ended drops it.
    pub(crate) fn send(&self, message: Message) {
        if self.sender.send(message).is_ok() {
            self.bell.ring();
        }
    }

    /// Wakes the loop without a message.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.bell))
    }
}

impl Bell {
    fn ring(&self) {
        // An eventfd takes every write; its counter cannot overflow by ones.
        let _ = self.0.wake();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}
