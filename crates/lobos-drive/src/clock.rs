//! The clocks of the machine.

use std::time::{Instant, SystemTime};

use lobos_proto::{Clock, Now};

/// The real time.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { instant: Instant::now(), wall: SystemTime::now() }
    }
}
