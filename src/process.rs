//! What every Prometheus client says of its process, under the names that all of them use.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::metrics::Text;

/// Writes what /proc tells; what it does not tell is left out.
pub(crate) fn write(out: &mut Text) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(stat) = Stat::read(&stat) {
        stat.write(out);
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // The one that reads the folder is there only for that.
        let open = entries.count().saturating_sub(1);
        out.one("process_open_fds", "gauge", "Open file descriptors.", open);
    }
    let most = getrlimit(Resource::Nofile).current;
    let most = most.map_or_else(|| "+Inf".to_owned(), |most| most.to_string());
    out.one("process_max_fds", "gauge", "File descriptors that may be open.", most);
}

/// Of /proc/self/stat (proc_pid_stat(5)).
struct Stat {
    ticks: u64,
    threads: u64,
    started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The name of the program may hold anything, also spaces.
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        // The first of them is the third of all.
        let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
        Some(Self {
            ticks: field(14)? + field(15)?,
            threads: field(20)?,
            started: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }

    fn write(&self, out: &mut Text) {
        let rate = clock_ticks_per_second().max(1);
        let seconds = |ticks: u64| ticks as f64 / rate as f64;
        let help = "User and system CPU time.";
        out.one("process_cpu_seconds_total", "counter", help, seconds(self.ticks));
        let resident = self.resident_pages * page_size() as u64;
        out.one("process_resident_memory_bytes", "gauge", "Resident memory.", resident);
        let bytes = self.virtual_bytes;
        out.one("process_virtual_memory_bytes", "gauge", "Virtual memory.", bytes);
        out.one("process_threads", "gauge", "Threads.", self.threads);
        if let Some(boot) = boot_time() {
            let help = "When the process was started, since the epoch.";
            let started = boot as f64 + seconds(self.started);
            out.one("process_start_time_seconds", "gauge", help, format_args!("{started:.2}"));
        }
    }
}

/// In seconds since the epoch.
fn boot_time() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat() {
        // The fields are those of the manual, whatever the program is called.
        let after = (4..=52).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        let stat = Stat::read(&format!("1 (a) b ( c) R {after}\n")).unwrap();
        assert_eq!((stat.ticks, stat.threads, stat.started), (29, 20, 22));
        assert_eq!((stat.virtual_bytes, stat.resident_pages), (23, 24));
        assert!(Stat::read("").is_none());
    }

    #[test]
    fn this_process() {
        // All that the clients of Prometheus say is there for a real process.
        let mut out = Text::default();
        write(&mut out);
        for name in [
            "process_cpu_seconds_total",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
            "process_start_time_seconds",
        ] {
            assert!(out.text.contains(&format!("\n{name} ")), "{name} in {}", out.text);
        }
    }
}
