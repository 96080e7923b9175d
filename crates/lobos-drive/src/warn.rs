//! Lines for the person who runs the server, on standard error.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

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
    let _ = writeln!(std::io::stderr().lock(), "lobos: {line}");
}
