//! Lines for the person who runs the server: on standard error, unless the program has a place.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

type Hear = Box<dyn Fn(&str) + Send + Sync>;

static HEAR: OnceLock<Hear> = OnceLock::new();

/// Gives warnings to `hear` instead of writing them to standard error; the first call counts. It
/// is called on the event loops and must not wait.
pub fn on_warning(hear: impl Fn(&str) + Send + Sync + 'static) {
    let _ = HEAR.set(Box::new(hear));
}

/// Says once that a client speaks TLS where there is none.
pub(crate) fn met_tls() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        say("a client speaks HTTPS to this port, which has no certificate: it must use http://, \
             or start Lobos with --tls-cert and --tls-key (this is said once)");
    }
}

/// Nobody is left to be told if standard error fails.
pub(crate) fn say(line: &str) {
    match HEAR.get() {
        Some(hear) => hear(line),
        None => _ = writeln!(std::io::stderr().lock(), "lobos: {line}"),
    }
}
