//! The virtual clock, what is to happen when, and the trace of what has happened.

use std::collections::BTreeMap;
use std::fmt::{Arguments, Write};
use std::time::{Duration, Instant, SystemTime};

use lobos_drive::Phase;
use lobos_proto::Now;

use crate::rng::Rng;

/// A moment in microseconds since the world began.
pub(crate) type Micros = u64;

/// One millisecond.
pub(crate) const MS: Micros = 1000;

/// What happens to one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// Something may have come for the server, or it has room to write.
    Server(usize),
    /// Something may have come for the client, or it has room to write, or it wakes up.
    Client(usize),
    /// A deadline of the server may have passed.
    Deadline(usize),
    /// A helper thread begins and ends the work of this connection.
    Run(usize),
    /// What a helper thread has done comes back.
    Return(usize),
    /// The server stops.
    Stop(Phase),
}

/// Time and chance of one world.
pub(crate) struct Timeline {
    /// All chance comes from here.
    pub(crate) rng: Rng,
    /// The virtual time.
    pub(crate) time: Micros,
    begin: Instant,
    events: BTreeMap<(Micros, u64), Event>,
    scheduled: u64,
    /// FNV-1a of all notes.
    pub(crate) hash: u64,
    notes: Option<String>,
}

impl Timeline {
    pub(crate) fn new(seed: u64, verbose: bool) -> Self {
        Self {
            rng: Rng::new(seed),
            time: 0,
            begin: Instant::now(),
            events: BTreeMap::new(),
            scheduled: 0,
            hash: 0xcbf2_9ce4_8422_2325,
            notes: verbose.then(String::new),
        }
    }

    /// What a driver's clock would say.
    pub(crate) fn now(&self) -> Now {
        let passed = Duration::from_micros(self.time);
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Now { instant: self.begin + passed, wall: epoch + passed }
    }

    /// The moment of an `Instant`, rounded up.
    pub(crate) fn moment(&self, instant: Instant) -> Micros {
        let passed = instant.saturating_duration_since(self.begin);
        passed.as_nanos().div_ceil(1000) as Micros
    }

    /// Schedules an event; those of one moment happen in the order of scheduling.
    pub(crate) fn at(&mut self, time: Micros, event: Event) {
        self.scheduled += 1;
        self.events.insert((time.max(self.time), self.scheduled), event);
    }

    /// Jumps to the next event.
    pub(crate) fn advance(&mut self) -> Option<Event> {
        let ((time, _), event) = self.events.pop_first()?;
        self.time = time;
        Some(event)
    }

    /// Adds to the trace.
    pub(crate) fn note(&mut self, connection: usize, what: Arguments<'_>) {
        let _ = writeln!(Hashed(&mut self.hash), "{} {connection} {what}", self.time);
        if let Some(notes) = &mut self.notes {
            let (secs, micros) = (self.time / 1_000_000, self.time % 1_000_000);
            let _ = writeln!(notes, "{secs:4}.{micros:06} #{connection} {what}");
        }
    }

    /// The trace so far.
    pub(crate) fn trace(&self) -> &str {
        self.notes.as_deref().unwrap_or_default()
    }
}

struct Hashed<'h>(&'h mut u64);

impl Write for Hashed<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            *self.0 = (*self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
