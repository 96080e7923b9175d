//! What one sees of a running server: puts log, metrics and health together as the flags ask.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lobos_drive::{Ended, Gauges, Grace, Observer, Phase, Server, Stop, SystemClock};
use lobos_fs::{FsStore, IndexProgress};
use lobos_proto::{Clock, Timestamp};

use crate::admin::{self, Answers};
use crate::cli::Flags;
use crate::filter::{Amount, Filter};
use crate::line::{self, Level};
use crate::log::{self, Log};
use crate::metrics::{Metrics, Text};
use crate::process;

/// Failed requests a second that the log has a line for, unless it has one for each request.
const RATE: u32 = 100;

/// What is seen, and by whom.
pub(crate) struct Sight {
    log: Log,
    filter: Filter,
    metrics: Option<Arc<Metrics>>,
    listener: Option<TcpListener>,
}

impl Sight {
    /// Opens the log and the port for metrics.
    ///
    /// # Errors
    /// One line for the user.
    pub(crate) fn open(flags: &Flags) -> Result<Self, String> {
        let log = Log::open(flags.log_format).map_err(|e| format!("cannot start a thread: {e}"))?;
        let filter = Filter::new(flags.log, &flags.log_filter);
        let hear = |wanted: bool| {
            move |sentence: &str| {
                if wanted {
                    log::say(Level::Warn, sentence);
                }
            }
        };
        lobos_fs::on_warning(hear(filter.fs()));
        lobos_drive::on_warning(hear(filter.drive()));
        let listener = flags.admin_listen.map(admin::bind).transpose()?;
        let metrics = listener.is_some().then(|| Arc::new(Metrics::new(flags.threads())));
        Ok(Self { log, filter, metrics, listener })
    }

    /// Where metrics and health are.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// Looks at this server from now on.
    ///
    /// # Errors
    /// One line for the user.
    pub(crate) fn watch(self, server: &mut Server, store: &Arc<FsStore>) -> Result<(), String> {
        let Self { log, filter, metrics, listener } = self;
        if filter.has_requests() || metrics.is_some() {
            let (log, metrics) = (log.clone(), metrics.clone());
            server.observer = Some(Arc::new(Eye { log, filter, metrics, rate: Rate::default() }));
        }
        let (Some(metrics), Some(listener)) = (metrics, listener) else { return Ok(()) };
        let (gauges, stop) = (server.gauges.clone(), server.stop.clone());
        let (store, index) = (Arc::clone(store), store.index_progress());
        let state = State { metrics, log, gauges, stop, store, index };
        admin::serve(listener, Arc::new(state)).map_err(|e| format!("cannot start a thread: {e}"))
    }
}

/// Sees requests.
struct Eye {
    log: Log,
    filter: Filter,
    metrics: Option<Arc<Metrics>>,
    rate: Rate,
}

impl Observer for Eye {
    fn opened(&self, thread: usize) {
        if let Some(metrics) = &self.metrics {
            metrics.opened(thread);
        }
    }

    fn ended(&self, end: &Ended<'_>) {
        let logged = match self.filter.amount(end.record.operation) {
            Amount::Off => false,
            Amount::Errors => Level::of(&end.record) != Level::Info && self.rate.admits(&self.log),
            Amount::Access => true,
        };
        if !logged && self.metrics.is_none() {
            return;
        }
        let now = SystemClock.now();
        let took = now.instant.saturating_duration_since(end.record.began);
        if let Some(metrics) = &self.metrics {
            metrics.ended(end.thread, &end.record, took);
        }
        if logged {
            self.write(end, took, Timestamp::from(now.wall));
        }
    }
}

thread_local! {
    /// The line that is written.
    static LINE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Eye {
    fn write(&self, end: &Ended<'_>, took: Duration, time: Timestamp) {
        LINE.with_borrow_mut(|text| {
            text.clear();
            line::request(text, self.log.format(), end, took, time);
            self.log.write(text);
        });
    }
}

/// Keeps a disk that is full, or a client that asks for it, from filling the log.
#[derive(Default)]
struct Rate {
    second: Mutex<Option<(Instant, u32)>>,
    left_out: AtomicU64,
}

impl Rate {
    fn admits(&self, log: &Log) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_now = |since: Instant| now.duration_since(since) < Duration::from_secs(1);
        let (since, count) = second.filter(|(since, _)| is_now(*since)).unwrap_or((now, 0));
        *second = Some((since, count.saturating_add(1)));
        drop(second);
        if count >= RATE {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            let what = format!("{left_out} more requests failed, over {RATE} in a second");
            log.say(Level::Warn, &what);
        }
        true
    }
}

/// What a scrape asks.
struct State {
    metrics: Arc<Metrics>,
    log: Log,
    gauges: Gauges,
    stop: Stop,
    store: Arc<FsStore>,
    index: Option<IndexProgress>,
}

impl Answers for State {
    fn metrics(&self) -> String {
        let mut out = Text::default();
        let out = &mut out;
        self.metrics.write(out);
        out.one("lobos_connections", "gauge", "Open connections.", self.gauges.connections());
        let help = "Requests that take long and run or wait for a thread.";
        out.one("lobos_heavy_jobs", "gauge", help, self.gauges.heavy_jobs());
        let help = "Multipart uploads neither completed nor aborted.";
        out.one("lobos_uploads_open", "gauge", help, self.store.open_uploads());
        if let Some(index) = &self.index {
            let help = "Names that the index knows.";
            out.one("lobos_index_names", "gauge", help, index.names());
            out.one("lobos_index_folders", "gauge", "Folders of the index.", index.folders());
            let help = "Whether all folders were read once.";
            out.one("lobos_index_whole", "gauge", help, u8::from(index.is_whole()));
        }
        self.cache(out);
        let help = "Lines of the log that nobody read in time.";
        out.one("lobos_log_lines_lost_total", "counter", help, self.log.lost_ever());
        out.family("lobos_build_info", "gauge", "The version, as a label.");
        out.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
        process::write(out);
        std::mem::take(&mut out.text)
    }

    fn is_ready(&self) -> bool {
        self.stop.phase(Grace::default(), Instant::now()).0 == Phase::Running
    }
}

impl State {
    fn cache(&self, out: &mut Text) {
        let Some(cache) = self.store.cache_use() else { return };
        out.one("lobos_cache_limit_bytes", "gauge", "What --cache-limit allows.", cache.limit);
        out.one("lobos_cache_bytes", "gauge", "Bytes of all objects.", cache.bytes);
        out.one("lobos_cache_objects", "gauge", "Objects.", cache.objects);
        let help = "Objects removed to keep to the limit.";
        out.one("lobos_evicted_objects_total", "counter", help, cache.evicted_objects);
        let help = "Bytes of objects removed to keep to the limit.";
        out.one("lobos_evicted_bytes_total", "counter", help, cache.evicted_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Format;

    #[test]
    fn rate() {
        // However many requests fail at once, the log has so many lines a second and no more.
        let (rate, log) = (Rate::default(), Log::open(Format::Plain).unwrap());
        let admitted = (0..1000).filter(|_| rate.admits(&log)).count();
        assert_eq!(admitted, RATE as usize);
        assert_eq!(rate.left_out.load(Ordering::Relaxed), 900);
    }
}
