//! Lines for the person who runs the server, a few per second at most: on standard error, unless
//! the program has a place for them.

use std::io::Write as _;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Lines per second; a client that asks for a thousand links must not fill the log.
const RATE: u32 = 10;

static SPENT: Mutex<Option<(Instant, u32)>> = Mutex::new(None);

type Hear = Box<dyn Fn(&str) + Send + Sync>;

static HEAR: OnceLock<Hear> = OnceLock::new();

/// Gives warnings to `hear` instead of writing them to standard error; the first call counts. It
/// is called while requests are served and must not wait.
pub fn on_warning(hear: impl Fn(&str) + Send + Sync + 'static) {
    let _ = HEAR.set(Box::new(hear));
}

/// Writes one line. Control characters in names must have been escaped.
pub(crate) fn warn(line: &str) {
    let mut spent = SPENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let now = Instant::now();
    let fresh = spent.filter(|(since, _)| now.duration_since(*since) < Duration::from_secs(1));
    let (since, count) = fresh.unwrap_or((now, 0));
    *spent = Some((since, count.saturating_add(1)));
    drop(spent);
    if count >= RATE {
        return;
    }
    match HEAR.get() {
        Some(hear) => hear(line),
        // Nobody is left to be told if standard error fails.
        None => _ = writeln!(std::io::stderr().lock(), "lobos: {line}"),
    }
}
