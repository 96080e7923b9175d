//! How far the index is: a line that moves on a terminal, and one at the end anywhere.

use std::io::{self, IsTerminal as _, stderr};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use lobos_fs::IndexProgress;

use crate::report;

/// Often enough to see it move.
const TICK: Duration = Duration::from_millis(100);

/// Shows it until the index is whole, from a thread of its own.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn show(index: IndexProgress) -> io::Result<()> {
    let run = move || {
        let began = Instant::now();
        let bar = stderr().is_terminal().then(ProgressBar::new_spinner);
        if let (Some(bar), Ok(style)) = (&bar, ProgressStyle::with_template("{spinner} {msg}")) {
            bar.set_style(style);
        }
        while !index.is_whole() {
            if let Some(bar) = &bar {
                bar.set_message(moving(index.folders(), index.names(), began.elapsed()));
                bar.tick();
            }
            thread::sleep(if bar.is_some() { TICK } else { TICK / 10 });
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        report::say(&whole(index.folders(), index.names(), began.elapsed()));
    };
    thread::Builder::new().name("lobos-progress".into()).spawn(run).map(drop)
}

fn moving(folders: u64, names: u64, elapsed: Duration) -> String {
    let rate = u128::from(names) * 1000 / elapsed.as_millis().max(1);
    format!("reading names: {names} in {folders} folders, {rate} a second")
}

fn whole(folders: u64, names: u64, elapsed: Duration) -> String {
    let millis = elapsed.as_millis();
    format!(
        "index whole: {names} names in {folders} folders, {}.{:03} s",
        millis / 1000,
        millis % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        // The line tells folders, names and their rate, from the first moment on.
        let at = Duration::from_millis;
        assert_eq!(moving(0, 0, at(0)), "reading names: 0 in 0 folders, 0 a second");
        assert_eq!(moving(2, 300, at(1500)), "reading names: 300 in 2 folders, 200 a second");
        assert_eq!(whole(2, 300, at(61_005)), "index whole: 300 names in 2 folders, 61.005 s");
    }
}
