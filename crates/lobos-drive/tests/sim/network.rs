//! A virtual TCP: two pipes for each connection, with delays, windows, cuts, FIN and RST.

use std::collections::VecDeque;

use crate::rng::Rng;
use crate::timeline::{Event, MS, Micros, Timeline};

/// What a receive met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Bytes(usize),
    Nothing,
    End,
    Reset,
}

/// How a stream is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Single,
    Small,
    Any,
    Whole,
}

impl Cut {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        rng.pick(&[Self::Single, Self::Small, Self::Any, Self::Any, Self::Whole, Self::Whole])
    }

    /// How many of so many bytes, at least one.
    pub(crate) fn of(self, most: usize, rng: &mut Rng) -> usize {
        match self {
            Self::Single => 1.min(most),
            Self::Small => rng.between(1, 40).min(most),
            Self::Any if most > 0 => rng.between(1, most),
            Self::Any | Self::Whole => most,
        }
    }
}

enum Packet {
    Data(Vec<u8>),
    End,
    Reset,
}

/// One direction of a connection.
pub(crate) struct Pipe {
    flight: VecDeque<(Micros, Packet)>,
    queue: VecDeque<u8>,
    /// Bytes in flight and in the queue; never more than the window.
    held: usize,
    window: usize,
    slowest: Micros,
    receiver: Event,
    sender: Event,
    /// The sender waits for room.
    blocked: bool,
    ended: bool,
    /// The sender has sent FIN or RST.
    closed: bool,
    reset: bool,
    /// The receiver has closed its socket: what still comes is answered with RST.
    deserted: bool,
    /// All that was ever delivered.
    pub(crate) delivered: u64,
}

impl Pipe {
    pub(crate) fn new(sender: Event, receiver: Event, window: usize, slowest: Micros) -> Self {
        Self {
            flight: VecDeque::new(),
            queue: VecDeque::new(),
            held: 0,
            window,
            slowest,
            receiver,
            sender,
            blocked: false,
            ended: false,
            closed: false,
            reset: false,
            deserted: false,
            delivered: 0,
        }
    }

    /// Takes as many of the bytes as there is room for; `None` if the connection is broken.
    pub(crate) fn send(&mut self, bytes: &[u8], line: &mut Timeline) -> Option<usize> {
        assert!(!self.closed || self.reset, "bytes after FIN");
        if self.reset {
            return None;
        }
        let count = bytes.len().min(self.window - self.held);
        self.blocked = count < bytes.len();
        if count > 0 {
            self.held += count;
            self.launch(Packet::Data(bytes[..count].to_vec()), line);
        }
        Some(count)
    }

    /// FIN: no more bytes follow.
    pub(crate) fn end(&mut self, line: &mut Timeline) {
        if !self.closed {
            self.closed = true;
            self.launch(Packet::End, line);
        }
    }

    /// RST: what the receiver has not read yet is lost.
    pub(crate) fn break_off(&mut self, line: &mut Timeline) {
        self.closed = true;
        self.launch(Packet::Reset, line);
    }

    /// The receiver closes its socket. Whether bytes are lost by that: then RST is due.
    pub(crate) fn desert(&mut self) -> bool {
        self.deserted = true;
        let lost = !self.queue.is_empty();
        self.queue.clear();
        lost
    }

    /// Lets everything arrive that is due. Whether bytes came for a closed socket.
    pub(crate) fn deliver(&mut self, now: Micros) -> bool {
        let mut refused = false;
        while self.flight.front().is_some_and(|(time, _)| *time <= now) {
            match self.flight.pop_front() {
                Some((_, Packet::Data(data))) if self.deserted => {
                    self.held -= data.len();
                    refused = true;
                }
                Some((_, Packet::Data(data))) => self.queue.extend(data),
                Some((_, Packet::End)) => self.ended = true,
                Some((_, Packet::Reset)) => {
                    self.reset = true;
                    self.held -= self.queue.len();
                    self.queue.clear();
                }
                None => {}
            }
        }
        refused
    }

    /// Receives into `space`, which is not empty.
    pub(crate) fn receive(&mut self, space: &mut [u8], cut: Cut, line: &mut Timeline) -> Got {
        if self.reset {
            return Got::Reset;
        }
        if self.queue.is_empty() {
            return if self.ended { Got::End } else { Got::Nothing };
        }
        let count = cut.of(space.len().min(self.queue.len()), &mut line.rng);
        for (slot, byte) in space.iter_mut().zip(self.queue.drain(..count)) {
            *slot = byte;
        }
        self.held -= count;
        self.delivered += count as u64;
        if std::mem::take(&mut self.blocked) {
            let delay = self.delay(line);
            line.at(line.time + delay, self.sender);
        }
        Got::Bytes(count)
    }

    /// The sender knows that the connection is broken.
    pub(crate) fn cripple(&mut self) {
        self.reset = true;
    }

    pub(crate) fn is_reset(&self) -> bool {
        self.reset
    }

    fn launch(&mut self, packet: Packet, line: &mut Timeline) {
        let earliest = self.flight.back().map_or(0, |(time, _)| *time);
        let time = earliest.max(line.time + self.delay(line));
        self.flight.push_back((time, packet));
        line.at(time, self.receiver);
    }

    fn delay(&self, line: &mut Timeline) -> Micros {
        line.rng.between(0, self.slowest as usize) as Micros
    }
}

/// The delays of one network.
pub(crate) fn slowest(rng: &mut Rng) -> Micros {
    rng.pick(&[0, MS / 10, MS, 5 * MS])
}
