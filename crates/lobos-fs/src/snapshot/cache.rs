//! Which snapshots are kept, for how long they are true, and who builds them.
//!
//! A snapshot is true as long as the folder's times are what they were when its reading began, and
//! that was long enough after the last change for the next change to get another time. Small
//! folders are read each time, which costs less than to keep them. Large ones that change between
//! two listings are watched.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use lobos_proto::Timestamp;
use rustix::fs::{
    AtFlags, FileType, RawDir, SeekFrom, Statx, StatxFlags, StatxTimestamp, seek, statx,
};
use rustix::io::Errno;

use super::live::{Mark, Ticket, Watched};
use super::{Buffer, Live, Names, Snapshot, View};
use crate::clock;

/// Folders with fewer names are read each time: at this size both cost about the same.
const SMALL: usize = 32;

/// What it costs to keep a snapshot, beside itself, in bytes.
const OVERHEAD: usize = 256;

/// How often a folder is read that changes while it is read.
const READINGS: usize = 8;

/// Of so many folders it is known that they change.
const BUSY: usize = 1024;

/// Which folder it is, whatever its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(super) dev: (u32, u32),
    pub(super) inode: u64,
}

/// The times of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    modified: Timestamp,
    changed: Timestamp,
}

impl Times {
    /// Whether a reading that began at `began` came so long after the last change that the next
    /// one leaves other times.
    pub(crate) fn are_settled(&self, began: SystemTime) -> bool {
        clock::is_settled(self.changed.nanos, began)
    }
}

/// The snapshots of all buckets.
pub(crate) struct Snapshots {
    kept: Mutex<Kept>,
    gates: Mutex<HashMap<Id, Arc<Gate>>>,
    live: Arc<Live>,
    /// Memory for names, in bytes.
    budget: usize,
}

/// What is known of a folder.
pub(crate) struct Known {
    pub(crate) id: Id,
    pub(crate) view: View,
    /// It is watched with its files: what was seen of one stays true.
    pub(crate) full: bool,
    /// The object that it is itself, if that is known without looking.
    pub(crate) mark: Option<Mark>,
    /// For [`Live::set_mark`].
    pub(crate) altered: u64,
}

impl Known {
    fn of(id: Id, view: View) -> Self {
        Self { id, view, full: false, mark: None, altered: 0 }
    }
}

/// Whoever builds the snapshot of a large folder holds the lock; those who wait for it find what
/// was built.
type Gate = Mutex<Option<Built>>;

struct Built {
    begun: Instant,
    view: View,
}

impl Snapshots {
    /// Keeps names within a budget in bytes, and beside it those of the folders in `live`.
    pub(crate) fn new(budget: usize, live: Arc<Live>) -> Self {
        let kept = Mutex::new(Kept::new(budget));
        Self { kept, gates: Mutex::default(), live, budget }
    }

    /// The folders that are watched.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// A folder that is watched, as of the last [`Live::drain`].
    pub(crate) fn watched(&self, id: Id) -> Option<Known> {
        let Watched { view, full, mark, altered } = self.live.find(id)?;
        // What was kept of it before it was watched is of no use any more.
        lock(&self.kept).remove(id);
        Some(Known { id, view, full, mark, altered })
    }

    /// The names of a folder that was just opened: what it holds now, or held at some time since
    /// the last [`Live::drain`].
    ///
    /// # Errors
    /// Whatever the disk says, except that a folder that was removed is an empty one.
    pub(crate) fn read(&self, folder: BorrowedFd<'_>, buffer: &mut Buffer) -> Result<Known, Errno> {
        let (wall, began) = (SystemTime::now(), Instant::now());
        let (id, stamp) = look(folder)?;
        if let Some(known) = self.watched(id) {
            return Ok(known);
        }
        if let Some(snapshot) = lock(&self.kept).find(id, stamp) {
            return Ok(Known::of(id, View::new(snapshot)));
        }
        if !stamp.are_settled(wall) {
            return Ok(Known::of(id, self.watch(id, folder, buffer)?));
        }
        let mut dir = RawDir::new(folder, &mut *buffer);
        let mut names = Names::default();
        names.read(&mut dir, folder)?;
        // The end of a folder shows only in the call that finds nothing more.
        if names.read(&mut dir, folder)? {
            return Ok(Known::of(id, self.build(id, began, folder, buffer)?));
        }
        let snapshot = Arc::new(names.sort());
        if look(folder)?.1 != stamp {
            seek(folder, SeekFrom::Start(0))?;
            return Ok(Known::of(id, self.watch(id, folder, buffer)?));
        }
        if snapshot.len() >= SMALL {
            lock(&self.kept).put(id, stamp, wall, &snapshot);
        }
        Ok(Known::of(id, View::new(snapshot)))
    }

    /// Builds the snapshot of a large folder, or waits for who does.
    fn build(
        &self,
        id: Id,
        asked: Instant,
        folder: BorrowedFd<'_>,
        buffer: &mut Buffer,
    ) -> Result<View, Errno> {
        let gate = Arc::clone(lock(&self.gates).entry(id).or_default());
        let result = Self::pass(&gate, asked, || {
            let wall = SystemTime::now();
            let (_, stamp) = look(folder)?;
            if let Some(snapshot) = lock(&self.kept).find(id, stamp) {
                return Ok(View::new(snapshot));
            }
            seek(folder, SeekFrom::Start(0))?;
            if lock(&self.kept).busy.contains(&id) {
                return self.watch(id, folder, buffer);
            }
            let snapshot = Arc::new(Snapshot::read(folder, buffer)?);
            if look(folder)?.1 != stamp {
                seek(folder, SeekFrom::Start(0))?;
                return self.watch(id, folder, buffer);
            }
            lock(&self.kept).put(id, stamp, wall, &snapshot);
            self.fit();
            Ok(View::new(snapshot))
        });
        let mut gates = lock(&self.gates);
        // Ours and the one in the map: nobody waits any more.
        if Arc::strong_count(&gate) == 2 {
            gates.remove(&id);
        }
        result
    }

    /// Reads a folder that changes, and hears of what changes from now on: who only reads may miss
    /// what is replaced meanwhile, since a name that is made anew can come to stand where the
    /// reading has passed.
    fn watch(&self, id: Id, folder: BorrowedFd<'_>, buffer: &mut Buffer) -> Result<View, Errno> {
        match self.live.begin(folder, id, false) {
            Some(ticket) => self.read_watched(&ticket, folder, buffer),
            None => self.read_again(id, folder, buffer),
        }
    }

    fn read_watched(
        &self,
        ticket: &Ticket,
        folder: BorrowedFd<'_>,
        buffer: &mut Buffer,
    ) -> Result<View, Errno> {
        let read = Snapshot::read(folder, buffer).map(Arc::new);
        let Ok(snapshot) = read else {
            self.live.abandon(ticket);
            return read.map(View::new);
        };
        let view = self.live.finish(ticket, Arc::clone(&snapshot), None, 0);
        self.fit();
        Ok(view.unwrap_or_else(|| View::new(snapshot)))
    }

    /// Lets go what is over the budget, each time that a large folder was read. What is heard of
    /// folders that are watched comes on top until then.
    fn fit(&self) {
        let used = self.live.trim(self.budget);
        lock(&self.kept).shrink(self.budget - used.min(self.budget));
    }

    /// Reads a folder that cannot be watched, or that another is about to watch, until nothing
    /// changed meanwhile; in one that changes all the time, as often as it makes sense.
    fn read_again(
        &self,
        id: Id,
        folder: BorrowedFd<'_>,
        buffer: &mut Buffer,
    ) -> Result<View, Errno> {
        let mut last = None;
        for _ in 0..READINGS {
            if let Some(known) = self.watched(id) {
                return Ok(known.view);
            }
            if let Some(ticket) = self.live.begin(folder, id, false) {
                seek(folder, SeekFrom::Start(0))?;
                return self.read_watched(&ticket, folder, buffer);
            }
            let (began, before) = (SystemTime::now(), look(folder)?.1);
            seek(folder, SeekFrom::Start(0))?;
            last = Some(Snapshot::read(folder, buffer)?);
            if before.are_settled(began) && look(folder)?.1 == before {
                break;
            }
            std::thread::sleep(clock::TICK / 4);
        }
        Ok(View::new(Arc::new(last.unwrap_or_default())))
    }

    /// Takes what another has built meanwhile, if it was begun since `asked`: even in a folder
    /// that changes all the time it is no older than an own reading could be.
    fn pass(
        gate: &Gate,
        asked: Instant,
        read: impl FnOnce() -> Result<View, Errno>,
    ) -> Result<View, Errno> {
        let mut last = lock(gate);
        if let Some(built) = last.as_ref().filter(|built| built.begun >= asked) {
            return Ok(built.view.clone());
        }
        let begun = Instant::now();
        let view = read()?;
        *last = Some(Built { begun, view: view.clone() });
        Ok(view)
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
    /// Folders that changed since they were read, or just before.
    busy: HashSet<Id>,
}

struct Entry {
    stamp: Times,
    snapshot: Arc<Snapshot>,
    last_use: u64,
}

impl Kept {
    fn new(budget: usize) -> Self {
        let (entries, order, busy) = (HashMap::new(), BTreeMap::new(), HashSet::new());
        Self { budget, used: 0, uses: 0, entries, order, busy }
    }

    fn find(&mut self, id: Id, stamp: Times) -> Option<Arc<Snapshot>> {
        let entry = self.entries.get_mut(&id)?;
        if entry.stamp != stamp {
            self.remove(id);
            self.is_busy(id);
            return None;
        }
        self.uses += 1;
        self.order.remove(&entry.last_use);
        self.order.insert(self.uses, id);
        entry.last_use = self.uses;
        Some(Arc::clone(&entry.snapshot))
    }

    /// Keeps a snapshot whose reading began at `began`, if it can be known for true later.
    fn put(&mut self, id: Id, stamp: Times, began: SystemTime, snapshot: &Arc<Snapshot>) {
        self.remove(id);
        let settled = stamp.are_settled(began);
        let cost = cost(snapshot);
        if !settled {
            self.is_busy(id);
        }
        if !settled || cost > self.budget {
            return;
        }
        self.uses += 1;
        self.used += cost;
        self.order.insert(self.uses, id);
        let entry = Entry { stamp, snapshot: Arc::clone(snapshot), last_use: self.uses };
        self.entries.insert(id, entry);
        self.shrink(self.budget);
    }

    /// Lets go what is over a budget, which holds from now on.
    fn shrink(&mut self, budget: usize) {
        self.budget = budget;
        while self.used > self.budget
            && let Some((_, &oldest)) = self.order.first_key_value()
        {
            self.remove(oldest);
        }
    }

    fn is_busy(&mut self, id: Id) {
        if self.busy.len() >= BUSY {
            self.busy.clear();
        }
        self.busy.insert(id);
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

    /// Of what was asked about.
    pub(crate) fn of_statx(stat: &Statx) -> Self {
        Self { dev: (stat.stx_dev_major, stat.stx_dev_minor), inode: stat.stx_ino }
    }
}

/// Which folder it is, and its times.
///
/// # Errors
/// Whatever the disk says.
pub(crate) fn look(folder: BorrowedFd<'_>) -> Result<(Id, Times), Errno> {
    Ok(told(&statx(folder, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?))
}

/// As [`look`], at the folder with this name in another one.
///
/// # Errors
/// ENOTDIR if it is no folder, also for a link to one; whatever else the disk says.
pub(crate) fn look_at(dir: BorrowedFd<'_>, name: &str) -> Result<(Id, Times), Errno> {
    let stat = statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
    match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Directory => Ok(told(&stat)),
        _ => Err(Errno::NOTDIR),
    }
}

fn told(stat: &Statx) -> (Id, Times) {
    let time = |t: StatxTimestamp| Timestamp::from_unix(t.tv_sec, t.tv_nsec);
    let times = Times { modified: time(stat.stx_mtime), changed: time(stat.stx_ctime) };
    (Id::of_statx(stat), times)
}

/// A panic under one of these locks leaves nothing half-done that could do harm.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
