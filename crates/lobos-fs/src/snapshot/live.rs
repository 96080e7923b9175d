//! Folders that are watched: what is known of them is true without looking, since the kernel
//! queues an event before the call that changes a folder comes back.
//!
//! Whoever wants to know first takes what is queued ([`Live::drain`]). A folder is watched before
//! it is read, and what is heard meanwhile counts as heard afterwards.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lobos_proto::{ETag, Timestamp};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::{Errno, ioctl_fionread};

use super::cache::lock;
use super::view::{Touch, View, What};
use super::{Buffer, Id, Snapshot};
use crate::index::Wanted;
use crate::{key, kind, warn};

/// Room for events.
const BUFFER: usize = 64 * 1024;

/// The size of an event without its name, to which the room of the name is rounded up as well.
const EVENT: usize = 16;

/// So many things heard of one folder are kept as they came.
const PENDING: usize = 4096;

/// A folder of which more is heard than this, beside a share of its names, while nobody lists it
/// is not followed any further.
const CHANGES: usize = 65_536;

/// So many folders are watched for their names alone.
const WATCHED: usize = 1024;

/// The folders that are watched.
#[derive(Default)]
pub(crate) struct Live {
    /// Set while any folder is watched: without one, nothing is asked.
    active: AtomicBool,
    state: Mutex<State>,
    /// What listings would like to be watched.
    pub(crate) wanted: Wanted,
    /// The index is also of what is not heard, since it is read again now and then.
    anywhere: bool,
}

#[derive(Default)]
struct State {
    inotify: Option<OwnedFd>,
    folders: HashMap<Id, Folder>,
    watches: HashMap<i32, Id>,
    buffer: Box<Buffer>,
    /// Counts what makes all that was known worthless.
    losses: u64,
    /// Counts uses of folders that are watched for their names alone.
    uses: u64,
    /// Devices on which inotify does not tell of all changes.
    unheard: HashSet<(u32, u32)>,
    /// The log tells that folders cannot be watched.
    told: bool,
}

/// The object that a folder is itself, if it is one.
pub(crate) type Mark = Option<(Timestamp, ETag)>;

struct Folder {
    watch: i32,
    /// Its files are watched too, and not only their names.
    full: bool,
    /// Or it is watched while it is read, for what this host changes, and no longer.
    lasts: bool,
    view: Option<View>,
    /// Heard since the view was made.
    pending: Vec<Touch>,
    /// Heard since each reading of it began that has not ended, by the number of its ticket.
    readings: Vec<(u64, Vec<Touch>)>,
    mark: Option<Mark>,
    /// Counts changes of its own attributes.
    altered: u64,
    last_use: u64,
    /// The round of reading all folders that last came by here.
    round: u64,
}

/// What is known of a folder.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) view: View,
    /// Its files are watched too: what was seen of one stays true.
    pub(crate) full: bool,
    pub(crate) mark: Option<Mark>,
    /// For [`Live::set_mark`].
    pub(crate) altered: u64,
}

/// The right to say what is in a folder that is watched.
pub(crate) struct Ticket {
    id: Id,
    number: u64,
    watch: i32,
    losses: u64,
    altered: u64,
}

impl Live {
    /// Watches nothing yet. `anywhere`: with their files folders are watched also where inotify
    /// does not tell of all changes.
    pub(crate) fn new(anywhere: bool) -> Self {
        Self { anywhere, ..Self::default() }
    }

    /// Takes all that is queued. What happened before this call is known after it.
    pub(crate) fn drain(&self) {
        if self.active.load(Ordering::Acquire) {
            lock(&self.state).drain();
        }
    }

    /// What is known of a folder as of the last [`Live::drain`].
    pub(crate) fn find(&self, id: Id) -> Option<Watched> {
        if !self.active.load(Ordering::Acquire) {
            return None;
        }
        let mut state = lock(&self.state);
        state.uses += 1;
        let uses = state.uses;
        let folder = state.folders.get_mut(&id)?;
        folder.last_use = uses;
        folder.fold();
        let view = folder.view.clone()?;
        Some(Watched { view, full: folder.full, mark: folder.mark, altered: folder.altered })
    }

    /// Watches a folder that is about to be read; `full`: with the attributes of its files. `None`
    /// if that cannot be, or somebody else is at it. Where inotify does not tell of all changes
    /// that is over when it was read.
    pub(crate) fn begin(&self, folder: BorrowedFd<'_>, id: Id, full: bool) -> Option<Ticket> {
        let mut state = lock(&self.state);
        state.drain();
        let old = state.folders.get(&id);
        let (is_read, was_full) = old.map_or((false, false), |f| (!f.readings.is_empty(), f.full));
        let full = full || was_full;
        let lasts = (full && self.anywhere) || state.is_heard(folder, id, full);
        // Where it lasts the others wait for what this one finds.
        let refused = if lasts { is_read } else { full };
        if refused {
            return None;
        }
        let watch = state.watch(folder, full)?;
        self.active.store(true, Ordering::Release);
        state.watches.insert(watch, id);
        state.uses += 1;
        let (losses, number) = (state.losses, state.uses);
        let folder = state.folders.entry(id).or_insert_with(|| Folder::new(watch));
        (folder.watch, folder.full, folder.lasts) = (watch, full, lasts);
        folder.readings.push((number, Vec::new()));
        Some(Ticket { id, number, watch, losses, altered: folder.altered })
    }

    /// Says what was read; `None` if that counts no more.
    pub(crate) fn finish(
        &self,
        ticket: &Ticket,
        names: Arc<Snapshot>,
        mark: Option<Mark>,
        round: u64,
    ) -> Option<View> {
        let mut state = lock(&self.state);
        state.drain();
        state.uses += 1;
        let uses = state.uses;
        let folder = state.of(ticket)?;
        folder.last_use = uses;
        let view = View::new(names).touched(folder.end(ticket)?);
        if !folder.lasts {
            if folder.readings.is_empty() {
                state.forget(ticket.id);
            }
            return Some(view);
        }
        folder.view = Some(view.clone());
        folder.pending.clear();
        folder.round = round;
        folder.mark = mark.filter(|_| folder.altered == ticket.altered);
        Some(view)
    }

    /// It could not be read.
    pub(crate) fn abandon(&self, ticket: &Ticket) {
        let mut state = lock(&self.state);
        if let Some(folder) = state.of(ticket) {
            folder.end(ticket);
            if folder.view.is_none() && folder.readings.is_empty() {
                state.forget(ticket.id);
            }
        }
    }

    /// Says which object a folder is itself, as it was when it had been altered so often.
    pub(crate) fn set_mark(&self, id: Id, mark: Mark, altered: u64) {
        let mut state = lock(&self.state);
        if let Some(folder) = state.folders.get_mut(&id)
            && folder.altered == altered
        {
            folder.mark = Some(mark);
        }
    }

    /// Stops watching the folders that are watched for their names alone, the least recently used
    /// first, until the others are not too many and take no more than `budget` bytes; gives what
    /// they take.
    pub(crate) fn trim(&self, budget: usize) -> usize {
        let mut state = lock(&self.state);
        let names_only = |(id, f): (&Id, &Folder)| (!f.full).then(|| (f.last_use, *id, f.bytes()));
        let mut folders: Vec<_> = state.folders.iter().filter_map(names_only).collect();
        folders.sort_unstable_by_key(|(last_use, ..)| *last_use);
        let mut used = folders.iter().map(|(_, _, bytes)| bytes).sum();
        let mut left = folders.len();
        for (_, id, bytes) in folders {
            if used <= budget && left <= WATCHED {
                break;
            }
            (used, left) = (used - bytes, left - 1);
            state.forget(id);
        }
        used
    }

    /// Stops watching the folders that no round since `round` has come by.
    pub(crate) fn sweep(&self, round: u64) {
        let mut state = lock(&self.state);
        let old = |(id, f): (&Id, &Folder)| (f.full && f.round < round).then_some(*id);
        let old: Vec<Id> = state.folders.iter().filter_map(old).collect();
        for id in old {
            state.forget(id);
        }
    }

    /// How often all that was known was lost, since more happened than the kernel queues.
    pub(crate) fn losses(&self) -> u64 {
        lock(&self.state).losses
    }
}

impl State {
    fn watch(&mut self, folder: BorrowedFd<'_>, full: bool) -> Option<i32> {
        if self.inotify.is_none() {
            let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
            match inotify::init(flags) {
                Ok(inotify) => self.inotify = Some(inotify),
                Err(e) => self.tell(&format!("folders are read for each listing: inotify: {e}")),
            }
            self.buffer = Box::new_uninit_slice(BUFFER);
        }
        let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let names = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE;
        let files = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::CLOSE_WRITE;
        let ways = WatchFlags::ONLYDIR | WatchFlags::EXCL_UNLINK;
        let mask = if full { names | files | ways } else { names | ways };
        match inotify::add_watch(self.inotify.as_ref()?, path, mask) {
            Ok(watch) => Some(watch),
            Err(Errno::NOSPC) => {
                self.tell(
                    "the limit fs.inotify.max_user_watches is reached: folders beyond it are read \
                     for each listing",
                );
                None
            }
            Err(_) => None,
        }
    }

    /// Whether inotify tells of all changes. Only a device where it does not is remembered: its
    /// number may be another's one day, and then this costs no more than time.
    fn is_heard(&mut self, folder: BorrowedFd<'_>, id: Id, full: bool) -> bool {
        if !self.unheard.contains(&id.dev) {
            if kind::is_heard(folder) {
                return true;
            }
            self.unheard.insert(id.dev);
        }
        // Nobody has asked for names alone to be watched.
        if full {
            self.tell(
                "on a network, FUSE or overlay file system folders are read for each listing: \
                 changes by others are not told there",
            );
        }
        false
    }

    /// Once: where one folder cannot be watched, thousands cannot.
    fn tell(&mut self, why: &str) {
        if !std::mem::replace(&mut self.told, true) {
            warn::warn(why);
        }
    }

    /// The folder that a ticket is about, unless all is different now.
    fn of(&mut self, ticket: &Ticket) -> Option<&mut Folder> {
        let valid = self.losses == ticket.losses;
        self.folders.get_mut(&ticket.id).filter(|folder| valid && folder.watch == ticket.watch)
    }

    fn forget(&mut self, id: Id) {
        if let Some(folder) = self.folders.remove(&id) {
            self.watches.remove(&folder.watch);
            if let Some(inotify) = &self.inotify {
                // It may be gone with the folder.
                let _ = inotify::remove_watch(inotify, folder.watch);
            }
        }
    }

    fn drain(&mut self) {
        let Some(inotify) = self.inotify.take() else { return };
        // Others may go on changing things: what is queued now is enough.
        let mut left = ioctl_fionread(&inotify).unwrap_or(0);
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut reader = Reader::new(&inotify, &mut buffer);
        let mut is_lost = false;
        // What was read with it is taken as well: it would be lost.
        while (left > 0 || !reader.is_buffer_empty()) && !is_lost {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name();
                    let len =
                        name.map_or(0, |name| (name.count_bytes() + 1).next_multiple_of(EVENT));
                    left = left.saturating_sub((EVENT + len) as u64);
                    let name = name.and_then(|name| name.to_str().ok());
                    is_lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                    self.take(event.wd(), event.events(), name);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => is_lost = true,
            }
        }
        self.buffer = buffer;
        if is_lost {
            // All watches go with the descriptor, which is closed here.
            self.folders.clear();
            self.watches.clear();
            self.losses += 1;
        } else {
            self.inotify = Some(inotify);
        }
    }

    fn take(&mut self, watch: i32, events: ReadFlags, name: Option<&str>) {
        let Some(id) = self.watches.get(&watch) else { return };
        if events.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT) {
            self.folders.remove(id);
            self.watches.remove(&watch);
            return;
        }
        let Some(folder) = self.folders.get_mut(id) else { return };
        let Some(name) = name else {
            if events.contains(ReadFlags::ATTRIB) {
                folder.altered += 1;
                folder.mark = None;
            }
            return;
        };
        if key::is_ours(name.as_bytes(), false) {
            return;
        }
        let is_folder = events.contains(ReadFlags::ISDIR);
        let what = if events.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            What::Made
        } else if events.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            What::Gone
        } else {
            What::Altered
        };
        folder.heard(Touch { name: name.into(), is_folder, what });
        if folder.view.as_ref().is_some_and(|v| v.changed() > CHANGES + v.len() / 4) {
            let id = *id;
            self.forget(id);
        }
    }
}

impl Folder {
    fn new(watch: i32) -> Self {
        Self {
            watch,
            full: false,
            lasts: true,
            view: None,
            pending: Vec::new(),
            readings: Vec::new(),
            mark: None,
            altered: 0,
            last_use: 0,
            round: 0,
        }
    }

    /// Ends a reading; gives what was heard since it began.
    fn end(&mut self, ticket: &Ticket) -> Option<Vec<Touch>> {
        let at = self.readings.iter().position(|(number, _)| *number == ticket.number)?;
        Some(self.readings.swap_remove(at).1)
    }

    fn heard(&mut self, touch: Touch) {
        for (_, heard) in &mut self.readings {
            if heard.last() != Some(&touch) {
                heard.push(touch.clone());
            }
        }
        if self.view.is_some() && self.pending.last() != Some(&touch) {
            self.pending.push(touch);
            if self.pending.len() >= PENDING {
                self.fold();
            }
        }
    }

    fn fold(&mut self) {
        if let Some(view) = self.view.as_ref().filter(|_| !self.pending.is_empty()) {
            self.view = Some(view.touched(std::mem::take(&mut self.pending)));
        }
    }

    fn bytes(&self) -> usize {
        self.view.as_ref().map_or(0, View::bytes)
    }
}

#[cfg(test)]
mod tests;
