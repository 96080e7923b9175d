//! Which snapshots are kept, for how long they are true, and who builds them.
//!
//! A snapshot is true as long as the folder's times are what they were when its reading began, and
//! that was long enough after the last change for the next change to get another time. Small
//! folders are read each time, which costs less than to keep them.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use lobos_proto::Timestamp;
use rustix::fs::{AtFlags, RawDir, SeekFrom, Statx, StatxFlags, StatxTimestamp, seek, statx};
use rustix::io::Errno;

use super::{Buffer, Names, Snapshot};

/// Memory for snapshots, in bytes.
const BUDGET: usize = 256 << 20;

/// Folders with fewer names are read each time: at this size both cost about the same.
const SMALL: usize = 32;

/// What it costs to keep a snapshot, beside itself, in bytes.
const OVERHEAD: usize = 256;

/// Linux stamps files with the time of the last clock tick, which is up to 10 ms old: two changes
/// closer than that may leave the same time.
const TICK: Duration = Duration::from_millis(20);

/// Which folder it is, whatever its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    dev: (u32, u32),
    inode: u64,
}

/// The times of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Timestamp,
    changed: Timestamp,
}

/// The snapshots of all buckets.
pub(crate) struct Snapshots {
    kept: Mutex<Kept>,
    gates: Mutex<HashMap<Id, Arc<Gate>>>,
}

/// Whoever builds the snapshot of a large folder holds the lock; those who wait for it find what
/// was built.
type Gate = Mutex<Option<Built>>;

struct Built {
    begun: Instant,
    snapshot: Arc<Snapshot>,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept::new(BUDGET)), gates: Mutex::default() }
    }
}

impl Snapshots {
    /// The names of a folder that was just opened: what it holds now, or held at some time since
    /// this was called.
    ///
    /// # Errors
    /// Whatever the disk says, except that a folder that was removed is an empty one.
    pub(crate) fn read(
        &self,
        folder: BorrowedFd<'_>,
        buffer: &mut Buffer,
    ) -> Result<(Id, Arc<Snapshot>), Errno> {
        let (wall, began) = (SystemTime::now(), Instant::now());
        let (id, stamp) = look(folder)?;
        if let Some(snapshot) = lock(&self.kept).find(id, stamp) {
            return Ok((id, snapshot));
        }
        let mut dir = RawDir::new(folder, &mut *buffer);
        let mut names = Names::default();
        names.read(&mut dir, folder)?;
        // The end of a folder shows only in the call that finds nothing more.
        if names.read(&mut dir, folder)? {
            return Ok((id, self.build(id, began, folder, buffer)?));
        }
        let snapshot = Arc::new(names.sort());
        if snapshot.len() >= SMALL {
            lock(&self.kept).put(id, stamp, wall, &snapshot);
        }
        Ok((id, snapshot))
    }

    /// Builds the snapshot of a large folder, or waits for who does.
    fn build(
        &self,
        id: Id,
        asked: Instant,
        folder: BorrowedFd<'_>,
        buffer: &mut Buffer,
    ) -> Result<Arc<Snapshot>, Errno> {
        let gate = Arc::clone(lock(&self.gates).entry(id).or_default());
        let result = Self::pass(&gate, asked, || {
            let wall = SystemTime::now();
            let (_, stamp) = look(folder)?;
            if let Some(snapshot) = lock(&self.kept).find(id, stamp) {
                return Ok(snapshot);
            }
            seek(folder, SeekFrom::Start(0))?;
            let snapshot = Arc::new(Snapshot::read(folder, buffer)?);
            lock(&self.kept).put(id, stamp, wall, &snapshot);
            Ok(snapshot)
        });
        let mut gates = lock(&self.gates);
        // Ours and the one in the map: nobody waits any more.
        if Arc::strong_count(&gate) == 2 {
            gates.remove(&id);
        }
        result
    }

    /// Takes what another has built meanwhile, if it was begun since `asked`: even in a folder
    /// that changes all the time it is no older than an own reading could be.
    fn pass(
        gate: &Gate,
        asked: Instant,
        read: impl FnOnce() -> Result<Arc<Snapshot>, Errno>,
    ) -> Result<Arc<Snapshot>, Errno> {
        let mut last = lock(gate);
        if let Some(built) = last.as_ref().filter(|built| built.begun >= asked) {
            return Ok(Arc::clone(&built.snapshot));
        }
        let begun = Instant::now();
        let snapshot = read()?;
        *last = Some(Built { begun, snapshot: Arc::clone(&snapshot) });
        Ok(snapshot)
    }
}

/// What is kept: the least recently used goes when the budget is spent.
struct Kept {
    budget: usize,
    used: usize,
    /// Counts uses, so that each has a number of its own.
    uses: u64,
    entries: HashMap<Id, Entry>,
    order: BTreeMap<u64, Id>,
}

struct Entry {
    stamp: Stamp,
    snapshot: Arc<Snapshot>,
    last_use: u64,
}

impl Kept {
    fn new(budget: usize) -> Self {
        Self { budget, used: 0, uses: 0, entries: HashMap::new(), order: BTreeMap::new() }
    }

    fn find(&mut self, id: Id, stamp: Stamp) -> Option<Arc<Snapshot>> {
        let entry = self.entries.get_mut(&id)?;
        if entry.stamp != stamp {
            self.remove(id);
            return None;
        }
        self.uses += 1;
        self.order.remove(&entry.last_use);
        self.order.insert(self.uses, id);
        entry.last_use = self.uses;
        Some(Arc::clone(&entry.snapshot))
    }

    /// Keeps a snapshot whose reading began at `began`, if it can be known for true later.
    fn put(&mut self, id: Id, stamp: Stamp, began: SystemTime, snapshot: &Arc<Snapshot>) {
        self.remove(id);
        let began = Timestamp::from(began).nanos;
        let tick = u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX);
        let settled = began > stamp.changed.nanos.saturating_add(tick);
        let cost = cost(snapshot);
        if !settled || cost > self.budget {
            return;
        }
        self.uses += 1;
        self.used += cost;
        self.order.insert(self.uses, id);
        let entry = Entry { stamp, snapshot: Arc::clone(snapshot), last_use: self.uses };
        self.entries.insert(id, entry);
        while self.used > self.budget
            && let Some((_, &oldest)) = self.order.first_key_value()
        {
            self.remove(oldest);
        }
    }

    fn remove(&mut self, id: Id) {
        if let Some(entry) = self.entries.remove(&id) {
            self.order.remove(&entry.last_use);
            self.used -= cost(&entry.snapshot);
        }
    }
}

fn cost(snapshot: &Snapshot) -> usize {
    snapshot.bytes() + OVERHEAD
}

impl Id {
    /// Of an open folder or file.
    ///
    /// # Errors
    /// Whatever the disk says.
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Result<Self, Errno> {
        Ok(look(fd)?.0)
    }
}

fn look(folder: BorrowedFd<'_>) -> Result<(Id, Stamp), Errno> {
    let stat: Statx = statx(folder, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
    let time = |t: StatxTimestamp| Timestamp::from_unix(t.tv_sec, t.tv_nsec);
    let id = Id { dev: (stat.stx_dev_major, stat.stx_dev_minor), inode: stat.stx_ino };
    Ok((id, Stamp { modified: time(stat.stx_mtime), changed: time(stat.stx_ctime) }))
}

/// A panic under one of these locks leaves nothing half-done that could do harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::os::fd::AsFd;

    use super::*;

    fn id(inode: u64) -> Id {
        Id { dev: (0, 0), inode }
    }

    fn stamp(nanos: u64) -> Stamp {
        let time = Timestamp { nanos };
        Stamp { modified: time, changed: time }
    }

    fn empty() -> Arc<Snapshot> {
        Arc::new(Names::default().sort())
    }

    const START: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn least_recently_used() {
        // The budget holds, and what goes first is what was not asked for the longest.
        let one = cost(&empty());
        let mut kept = Kept::new(3 * one);
        for inode in 1..=3 {
            kept.put(id(inode), stamp(1), START + Duration::from_secs(1), &empty());
        }
        assert!(kept.find(id(1), stamp(1)).is_some());
        kept.put(id(4), stamp(1), START + Duration::from_secs(1), &empty());
        let there = |kept: &mut Kept, inode| kept.find(id(inode), stamp(1)).is_some();
        assert_eq!([1, 2, 3, 4].map(|at| there(&mut kept, at)), [true, false, true, true]);
        assert_eq!((kept.used, kept.entries.len(), kept.order.len()), (3 * one, 3, 3));
        kept.budget = one - 1;
        kept.put(id(5), stamp(1), START + Duration::from_secs(1), &empty());
        assert!(!there(&mut kept, 5));
    }

    #[test]
    fn truth() {
        // A snapshot holds only while the times of the folder are the same, and is not kept at
        // all if the next change might leave the same times.
        let mut kept = Kept::new(1 << 20);
        let changed = stamp(1_000_000_000);
        let after = |millis: u64| START + Duration::from_millis(1000 + millis);
        for (millis, keeps) in [(0, false), (20, false), (21, true), (5000, true)] {
            kept.put(id(1), changed, after(millis), &empty());
            assert_eq!(kept.find(id(1), changed).is_some(), keeps, "{millis} ms");
        }
        assert!(kept.find(id(1), stamp(1_000_000_001)).is_none());
        assert!(kept.find(id(1), changed).is_none());
        // Clocks may be wrong: a change in the future settles nothing.
        kept.put(id(1), stamp(u64::MAX), after(0), &empty());
        assert!(kept.entries.is_empty() && kept.order.is_empty() && kept.used == 0);
    }

    #[test]
    fn sharing() {
        // Who waits for a reading that began after the question takes it; who asks later reads.
        let (gate, reads) = (Gate::default(), Cell::new(0));
        let pass = |asked| {
            let read = || {
                reads.set(reads.get() + 1);
                Ok(empty())
            };
            Snapshots::pass(&gate, asked, read).unwrap()
        };
        let asked = Instant::now();
        let first = pass(asked);
        assert!(Arc::ptr_eq(&first, &pass(asked)));
        assert_eq!(reads.get(), 1);
        std::thread::sleep(Duration::from_millis(1));
        assert!(!Arc::ptr_eq(&first, &pass(Instant::now())));
        assert_eq!(reads.get(), 2);
    }

    #[test]
    fn folders() {
        // A large folder is read once until it changes, a small one each time; both are true.
        let dir = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::default();
        let mut buffer = Box::new_uninit_slice(4096);
        for (count, keeps) in [(3_usize, false), (100, true), (1000, true)] {
            let folder = dir.path().join(count.to_string());
            std::fs::create_dir(&folder).unwrap();
            for at in 0..count {
                std::fs::write(folder.join(at.to_string()), "").unwrap();
            }
            let mut read = || {
                let fd = std::fs::File::open(&folder).unwrap();
                snapshots.read(fd.as_fd(), &mut buffer).unwrap().1
            };
            std::thread::sleep(2 * TICK);
            let (first, second) = (read(), read());
            assert_eq!(Arc::ptr_eq(&first, &second), keeps);
            std::fs::write(folder.join("new"), "").unwrap();
            let third = read();
            assert_eq!([first.len(), second.len(), third.len()], [count, count, count + 1]);
            assert!(lock(&snapshots.gates).is_empty());
        }
    }
}
