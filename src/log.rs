//! The log: lines on standard error that a thread of their own writes, so that nobody who serves
//! requests ever waits for whoever reads them.

use std::io::{self, ErrorKind, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use clap::ValueEnum;
use lobos_proto::Timestamp;

use crate::line::{self, Level};

/// Bytes of lines that wait to be written; what comes when they are full is lost, and counted.
const ROOM: usize = 1 << 20;

/// How long the thread gathers lines before it writes them.
const GATHER: Duration = Duration::from_millis(5);

/// How long the end of the program waits for the last lines.
const LAST: Duration = Duration::from_secs(2);

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Plain,
    Json,
}

/// Clones are one and the same.
#[derive(Clone)]
pub(crate) struct Log {
    format: Format,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There are lines.
    bell: Condvar,
    /// All were written.
    empty: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Since the last ones were written.
    lost: u64,
    lost_ever: u64,
    /// The thread sleeps until somebody rings.
    idle: bool,
    writing: bool,
}

static LOG: OnceLock<Log> = OnceLock::new();

impl Log {
    /// Writes to standard error; what [`say`] says goes there too, from now on.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn open(format: Format) -> io::Result<Self> {
        let log = Self::to(format, io::stderr())?;
        let _ = LOG.set(log.clone());
        Ok(log)
    }

    fn to(format: Format, out: impl io::Write + Send + 'static) -> io::Result<Self> {
        let log = Self { format, shared: Arc::default() };
        let writer = log.clone();
        thread::Builder::new().name("lobos-log".into()).spawn(move || writer.run(out))?;
        Ok(log)
    }

    /// How lines are to look.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Takes a whole line with its end. Never waits.
    pub(crate) fn write(&self, line: &str) {
        let mut state = self.shared.lock();
        if state.lines.len() + line.len() > ROOM {
            state.lost += 1;
            state.lost_ever += 1;
            return;
        }
        state.lines.extend_from_slice(line.as_bytes());
        if std::mem::take(&mut state.idle) {
            self.shared.bell.notify_one();
        }
    }

    /// One sentence.
    pub(crate) fn say(&self, level: Level, sentence: &str) {
        let mut text = String::new();
        line::sentence(&mut text, self.format, level, sentence, now());
        self.write(&text);
    }

    /// Lines that were never written, since nobody read those before them.
    pub(crate) fn lost_ever(&self) -> u64 {
        self.shared.lock().lost_ever
    }

    /// Waits for the last lines, but not for ever.
    fn finish(&self) {
        let end = Instant::now() + LAST;
        let mut state = self.shared.lock();
        while !state.lines.is_empty() || state.writing {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.shared.empty.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn run(self, mut out: impl io::Write) {
        let mut lines = Vec::new();
        let mut state = self.shared.lock();
        loop {
            if state.lines.is_empty() && state.lost == 0 {
                self.shared.empty.notify_all();
                state.idle = true;
                state = self.shared.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            std::mem::swap(&mut lines, &mut state.lines);
            let lost = std::mem::take(&mut state.lost);
            state.writing = true;
            drop(state);
            write_all(&mut out, &lines);
            if lost > 0 {
                let mut text = String::new();
                let what = format!("{lost} lines of the log were lost, since nobody read it");
                line::sentence(&mut text, self.format, Level::Warn, &what, now());
                write_all(&mut out, text.as_bytes());
            }
            lines.clear();
            state = self.shared.lock();
            state.writing = false;
            if state.lines.is_empty() {
                self.shared.empty.notify_all();
            }
            drop(state);
            // Whoever writes a line then rings no bell, which is a call of the kernel.
            thread::sleep(GATHER);
            state = self.shared.lock();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// A terminal may be nonblocking; one that is gone takes nothing more.
fn write_all(out: &mut impl io::Write, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return,
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(GATHER),
            Err(_) => return,
        }
    }
}

/// One sentence on standard error, by the log if there is one already.
pub(crate) fn say(level: Level, sentence: &str) {
    match LOG.get() {
        Some(log) => log.say(level, sentence),
        None => _ = writeln!(io::stderr(), "lobos: {sentence}"),
    }
}

/// To be called before the program ends.
pub(crate) fn finish() {
    if let Some(log) = LOG.get() {
        log.finish();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes what is written once it is let.
    struct Slow(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl io::Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn bounded() {
        // Writing never waits for a reader that stands still; what is lost is counted and said.
        let (go, wait) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Log::to(Format::Plain, Slow(wait, Arc::clone(&written))).unwrap();
        let line = format!("{}\n", "x".repeat(999));
        for _ in 0..5_000 {
            log.write(&line);
        }
        let lost = log.lost_ever();
        assert!((2_000..5_000).contains(&lost), "{lost}");
        drop(go);
        log.finish();
        while !written.lock().unwrap().ends_with(b"nobody read it\n") {
            thread::sleep(GATHER);
        }
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let kept = text.lines().filter(|l| l.len() == 999).count() as u64;
        assert_eq!(kept + lost, 5_000);
        assert!(text.contains(&format!("{lost} lines of the log were lost")), "no word of it");
    }

    #[test]
    fn finishes() {
        // What was written before the end comes out before the end.
        let (go, wait) = mpsc::channel();
        drop(go);
        let written = Arc::new(Mutex::new(Vec::new()));
        let log = Log::to(Format::Plain, Slow(wait, Arc::clone(&written))).unwrap();
        log.say(Level::Info, "the last word");
        log.finish();
        assert_eq!(*written.lock().unwrap(), b"lobos: the last word\n");
    }
}
