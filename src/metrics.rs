//! Counts of requests, each thread its own, and the text that Prometheus reads
//! (text exposition format 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use lobos_proto::op::Operation;
use lobos_proto::{Code, Record};

/// What an answer can have; 0 stands for all others.
const STATUSES: [u16; 21] = [
    0, 200, 201, 204, 206, 303, 304, 400, 403, 404, 405, 409, 411, 412, 416, 417, 500, 501, 503,
    505, 507,
];

/// Upper bounds of the histogram, and how they are written.
const BOUNDS: [(u64, &str); 17] = [
    (50_000, "5e-05"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
];

/// One for each operation, and one for what is none.
const OPERATIONS: usize = Operation::ALL.len() + 1;

/// The counts of one thread, on cache lines of its own.
#[repr(align(128))]
struct Thread {
    connections: AtomicU64,
    cut: AtomicU64,
    codes: [AtomicU64; Code::ALL.len()],
    operations: [PerOperation; OPERATIONS],
}

#[repr(align(64))]
struct PerOperation {
    statuses: [AtomicU64; STATUSES.len()],
    /// The last one is for whatever takes longer.
    durations: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

/// All counts of a server.
pub(crate) struct Metrics(Box<[Thread]>);

impl Metrics {
    /// For so many event loops.
    pub(crate) fn new(threads: usize) -> Self {
        let zero = || AtomicU64::new(0);
        let zeros = |_| zero();
        let operation = |_| PerOperation {
            statuses: std::array::from_fn(zeros),
            durations: std::array::from_fn(zeros),
            nanos: zero(),
            received: zero(),
            sent: zero(),
        };
        let thread = |_| Thread {
            connections: zero(),
            cut: zero(),
            codes: std::array::from_fn(zeros),
            operations: std::array::from_fn(operation),
        };
        Self((0..threads.max(1)).map(thread).collect())
    }

    /// A connection was accepted.
    pub(crate) fn opened(&self, thread: usize) {
        if let Some(thread) = self.0.get(thread) {
            thread.connections.fetch_add(1, Relaxed);
        }
    }

    /// A request has ended.
    pub(crate) fn ended(&self, thread: usize, record: &Record<'_>, took: Duration) {
        let Some(thread) = self.0.get(thread) else { return };
        let operation = record.operation.map_or(OPERATIONS - 1, Operation::index);
        let counts = &thread.operations[operation];
        let status = record.status.unwrap_or_default();
        let status = STATUSES.binary_search(&status).unwrap_or_default();
        counts.statuses[status].fetch_add(1, Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        counts.durations[BOUNDS.partition_point(|(most, _)| *most < nanos)].fetch_add(1, Relaxed);
        counts.nanos.fetch_add(nanos, Relaxed);
        if record.received > 0 {
            counts.received.fetch_add(record.received, Relaxed);
        }
        if record.sent > 0 {
            counts.sent.fetch_add(record.sent, Relaxed);
        }
        if let Some(error) = record.error {
            thread.codes[error.code() as usize].fetch_add(1, Relaxed);
        }
        if !record.whole {
            thread.cut.fetch_add(1, Relaxed);
        }
    }

    fn sum(&self, count: impl Fn(&Thread) -> &AtomicU64) -> u64 {
        self.0.iter().map(|thread| count(thread).load(Relaxed)).sum()
    }

    /// Operations that were asked for, with their numbers.
    fn used(&self) -> impl Iterator<Item = (usize, &'static str)> {
        let all = (0..OPERATIONS).filter(|at| {
            let count = |status: usize| self.sum(|t| &t.operations[*at].statuses[status]);
            (0..STATUSES.len()).any(|status| count(status) > 0)
        });
        all.map(|at| (at, Operation::ALL.get(at).map_or("Unknown", |operation| operation.as_str())))
    }

    /// Writes all counts.
    pub(crate) fn write(&self, out: &mut Text) {
        out.family("lobos_requests_total", "counter", "Requests that have ended.");
        for (at, name) in self.used() {
            for (index, status) in STATUSES.into_iter().enumerate() {
                let count = self.sum(|t| &t.operations[at].statuses[index]);
                if count > 0 {
                    let status = if status == 0 { "none".into() } else { status.to_string() };
                    out.sample("", &[("operation", name), ("status", &status)], count);
                }
            }
        }
        out.family("lobos_errors_total", "counter", "Requests answered with an error, by code.");
        for (index, code) in Code::ALL.iter().enumerate() {
            let count = self.sum(|t| &t.codes[index]);
            if count > 0 {
                out.sample("", &[("code", code.as_str())], count);
            }
        }
        out.family("lobos_requests_cut_total", "counter", "Requests not answered to the end.");
        out.sample("", &[], self.sum(|t| &t.cut));
        self.write_durations(out);
        let help = "Bytes of the bodies of requests, with their framing.";
        out.family("lobos_request_bytes_total", "counter", help);
        for (at, name) in self.used() {
            let sum = self.sum(|t| &t.operations[at].received);
            out.sample("", &[("operation", name)], sum);
        }
        out.family("lobos_response_bytes_total", "counter", "Bytes of the bodies of answers.");
        for (at, name) in self.used() {
            out.sample("", &[("operation", name)], self.sum(|t| &t.operations[at].sent));
        }
        out.family("lobos_connections_total", "counter", "Connections that were accepted.");
        out.sample("", &[], self.sum(|t| &t.connections));
    }

    fn write_durations(&self, out: &mut Text) {
        let help = "From the first byte of a request to the last of its answer.";
        out.family("lobos_request_duration_seconds", "histogram", help);
        for (at, name) in self.used() {
            let mut total = 0;
            let bounds = BOUNDS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
            for (index, bound) in bounds.enumerate() {
                total += self.sum(|t| &t.operations[at].durations[index]);
                out.sample("_bucket", &[("operation", name), ("le", bound)], total);
            }
            let nanos = self.sum(|t| &t.operations[at].nanos);
            let sum = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
            out.sample("_sum", &[("operation", name)], sum);
            out.sample("_count", &[("operation", name)], total);
        }
    }
}

/// Text for Prometheus under construction.
#[derive(Default)]
pub(crate) struct Text {
    pub(crate) text: String,
    name: &'static str,
}

impl Text {
    /// Begins a metric.
    pub(crate) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        // A String takes all that is written to it.
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A value of the metric. Labels hold nothing that needs an escape.
    pub(crate) fn sample(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        self.text.push_str(self.name);
        self.text.push_str(suffix);
        for (at, (name, label)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{label}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{after} {value}");
    }

    /// A metric with one value.
    pub(crate) fn one(
        &mut self,
        name: &'static str,
        kind: &str,
        help: &str,
        value: impl std::fmt::Display,
    ) {
        self.family(name, kind, help);
        self.sample("", &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        // Every status of an error is counted as itself, and tables are in order.
        assert!(STATUSES.is_sorted() && BOUNDS.is_sorted());
        for code in Code::ALL {
            assert!(STATUSES.contains(&code.status()), "{code:?}");
        }
        for (nanos, text) in BOUNDS {
            let secs: f64 = text.parse().unwrap();
            assert!((secs * 1e9 - nanos as f64).abs() < 1.0, "{text}");
        }
        assert!(Code::ALL.iter().enumerate().all(|(at, code)| *code as usize == at));
    }

    #[test]
    fn text() {
        // A family has help, type and samples, each on its line.
        let mut out = Text::default();
        out.one("a_total", "counter", "What it is.", 3);
        out.sample("_x", &[("b", "c"), ("d", "e")], "0.5");
        let lines = "# HELP a_total What it is.\n# TYPE a_total counter\na_total 3\n";
        assert_eq!(out.text, format!("{lines}a_total_x{{b=\"c\",d=\"e\"}} 0.5\n"));
    }
}
