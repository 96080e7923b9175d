//! Whether files come from the disk at the moment: an event loop must not wait for it, but to ask
//! whether bytes are in memory costs as much as a small send.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// Memory is faster than this for whatever one system call sends.
const SLOW: Duration = Duration::from_millis(1);

/// So long after bytes that were not in memory it is asked before each send.
const WARY: Duration = Duration::from_secs(1);

/// And before so many sends after a slow one that no disk is known to have been the reason of: at
/// tens of thousands in a second some are slow, since something else ran, and a file system of
/// another kind (FUSE, NFS) counts no reads.
const DOUBT: u32 = 256;

/// What one thread has met.
#[derive(Debug, Default)]
pub struct Cold {
    /// It is asked until then.
    wary: Option<Instant>,
    /// It is asked before so many.
    doubt: u32,
    /// What this thread had read from disks after the last slow send.
    reads: i64,
}

impl Cold {
    /// Whether to ask before bytes of a source are sent.
    pub(crate) fn is_wary(&mut self, now: Instant) -> bool {
        self.wary = self.wary.filter(|until| now < *until);
        let doubts = self.doubt > 0;
        self.doubt = self.doubt.saturating_sub(1);
        doubts || self.wary.is_some()
    }

    /// Bytes were not in memory.
    pub(crate) fn met(&mut self, now: Instant) {
        self.wary = now.checked_add(WARY);
    }

    /// Does what sends bytes of a source, and sees how long it takes.
    pub(crate) fn watch<T>(&mut self, send: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let sent = send();
        let end = Instant::now();
        if end - start > SLOW {
            self.slow(end, reads());
        }
        sent
    }

    /// A send was slow, and this thread has read so much from disks by now.
    fn slow(&mut self, now: Instant, reads: i64) {
        if std::mem::replace(&mut self.reads, reads) == reads {
            self.doubt = DOUBT;
        } else {
            self.met(now);
        }
    }
}

/// How often this thread has had something read from a disk.
fn reads() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.block_reads())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::FileExt as _;

    use rustix::fs::{Advice, fadvise};

    use super::*;

    #[test]
    fn wariness() {
        // A slow send that has read from a disk, or bytes that are not in memory, make wary for a
        // while; another slow one for some sends; a fast one does not.
        let (mut cold, start) = (Cold::default(), Instant::now());
        cold.watch(|| ());
        assert!(!cold.is_wary(start));
        cold.watch(|| std::thread::sleep(2 * SLOW));
        assert!((0..DOUBT).all(|_| cold.is_wary(start)) && !cold.is_wary(start));
        for met in [|cold: &mut Cold, now| cold.slow(now, i64::MAX), Cold::met] {
            met(&mut cold, start);
            assert!((0..2 * DOUBT).all(|_| cold.is_wary(start)));
            assert!(!cold.is_wary(start + 2 * WARY));
        }
        cold.slow(start, i64::MAX);
        assert!((0..DOUBT).all(|_| cold.is_wary(start + 2 * WARY)));
        assert!(!cold.is_wary(start + 2 * WARY));
    }

    #[test]
    fn disks() {
        // What this thread has a disk read is told, and what it has from memory is not. The file
        // lies beside the program, which is on a disk.
        let program = std::env::current_exe().unwrap();
        let mut file = tempfile::tempfile_in(program.parent().unwrap()).unwrap();
        file.write_all(&vec![7; 1 << 20]).unwrap();
        let count = || {
            let before = reads();
            file.read_exact_at(&mut vec![0; 1 << 20], 0).unwrap();
            reads() - before
        };
        assert_eq!(count(), 0);
        // The kernel keeps pages that some processor has on a list of its own.
        let mut tries = 0;
        while count() == 0 {
            file.sync_all().unwrap();
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            std::thread::sleep(Duration::from_millis(tries));
            tries += 1;
            assert!(tries < 100, "what was let go is still there");
        }
        assert_eq!(count(), 0);
    }
}
