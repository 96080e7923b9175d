//! What the protocol tests share: a store in memory, a driver that checks every step, the
//! notation of transcripts, and dice.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod copies;
pub(crate) mod dice;
pub(crate) mod driver;
pub(crate) mod memory;
pub(crate) mod multipart;
pub(crate) mod notation;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use lobos_proto::{Config, Now};

/// The origin of the virtual clock.
#[allow(clippy::disallowed_methods, reason = "an Instant cannot be made in another way")]
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Thu, 01 Jan 2026 00:00:00 GMT.
pub(crate) const MIDNIGHT: u64 = 1_767_225_600;

/// The virtual time, so long after its start.
pub(crate) fn after(passed: Duration) -> Now {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(MIDNIGHT) + passed;
    Now { instant: *START + passed, wall }
}

/// The default configuration with these changes.
pub(crate) fn config(change: impl FnOnce(&mut Config)) -> Arc<Config> {
    let mut config = Config::default();
    change(&mut config);
    Arc::new(config)
}
