//! Lines for the person who runs the server, on standard error, a few per second at most.

use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lines per second; a client that asks for a thousand links must not fill the log.
const RATE: u32 = 10;

static SPENT: Mutex<Option<(Instant, u32)>> = Mutex::new(None);

/// Writes one line. Control characters in names must have been escaped.
pub(crate) fn warn(line: &str) {
    let mut spent = SPENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let now = Instant::now();
    let fresh = spent.filter(|(since, _)| now.duration_since(*since) < Duration::from_secs(1));
    let (since, count) = fresh.unwrap_or((now, 0));
    *spent = Some((since, count.saturating_add(1)));
    drop(spent);
    if count < RATE {
        // Nobody is left to be told if standard error fails.
        let _ = writeln!(std::io::stderr().lock(), "lobos: {line}");
    }
}
