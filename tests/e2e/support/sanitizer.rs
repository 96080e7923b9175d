//! A server that was built with a sanitizer (`run-sanitizers`): the settings reach it, it ends in
//! the way in which leaks are looked for, and what is reported fails the test.

use std::ffi::OsString;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a server may take to end by itself; some tests hold it.
const END: Duration = Duration::from_secs(5);

/// The settings of sanitizers, for a server that gets nothing else of the environment.
pub(crate) fn settings(is_traced: bool) -> Vec<(OsString, OsString)> {
    let is_one = |name: &OsString| name.to_string_lossy().ends_with("SAN_OPTIONS");
    let mut settings: Vec<_> = std::env::vars_os().filter(|(name, _)| is_one(name)).collect();
    if is_traced && !settings.is_empty() {
        // Who looks for leaks traces the process, which only one can.
        settings.push(("LSAN_OPTIONS".into(), "detect_leaks=0".into()));
    }
    settings
}

/// Whether one is used.
pub(crate) fn is_used() -> bool {
    !settings(false).is_empty()
}

/// Asks a server that runs to end, again and again so that it waits for nobody.
pub(crate) fn end(child: &mut Child) {
    let start = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && start.elapsed() < END {
        kill_process(Pid::from_child(child), Signal::TERM).ok();
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Looks for reports in what a server wrote.
pub(crate) fn check(log: &str) {
    assert!(!log.contains("Sanitizer"), "the server is not sound: {log}");
}
