//! What a page sees of a folder: its names as they were read, and what was heard of since.
//!
//! Names are in byte order in both, so a place in a view is a place in each. A name of which
//! something was heard is looked at when a listing comes to it, and what it turned out to be is
//! remembered until something is heard of it again.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::{Arc, OnceLock};

use super::{Attr, Kind, Snapshot, Sorted};

/// How many changes a view has, besides a share of its names, before they are merged with them.
const CHANGES: usize = 1024;

/// That share: one in so many.
const SHARE: usize = 64;

/// The names of a folder; cheap to clone, and never changing.
#[derive(Clone, Debug)]
pub(crate) struct View {
    base: Arc<Snapshot>,
    changes: Arc<[Change]>,
}

/// A name that something was heard of.
#[derive(Clone, Debug)]
struct Change {
    /// With a slash if it is in the place of a folder, and a NUL at the end.
    name: Arc<str>,
    kind: Kind,
    /// Shared by the two places of what may be a link.
    seen: Arc<OnceLock<Seen>>,
}

/// What a name turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing, or nothing that is listed.
    Gone,
    /// A regular file.
    File(Attr),
    Folder(Attr),
    Link,
}

/// What was heard of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touch {
    /// Without a slash.
    pub(crate) name: Box<str>,
    pub(crate) is_folder: bool,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It is there, and was not or was something else.
    Made,
    Gone,
    /// It was written to, or its attributes were.
    Altered,
}

/// A place in a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct At {
    base: usize,
    change: usize,
    /// What [`View::entry`] found here is a change.
    on_change: bool,
}

/// What is at a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'v> {
    /// With a slash if it is in the place of a folder.
    pub(crate) name: &'v str,
    pub(crate) kind: Kind,
    pub(crate) attr: Attr,
}

impl View {
    /// The names as they were read.
    pub(crate) fn new(base: Arc<Snapshot>) -> Self {
        Self { base, changes: Arc::new([]) }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.base.bytes() + self.changes.len() * (size_of::<Change>() + 96)
    }

    /// How many changes came since the names were read.
    pub(crate) fn changed(&self) -> usize {
        self.changes.len()
    }

    /// How many names were read.
    pub(crate) fn len(&self) -> usize {
        self.base.len()
    }

    /// The end.
    pub(crate) fn end(&self) -> At {
        At { base: self.base.len(), change: self.changes.len(), on_change: false }
    }

    /// The place of the first name that does not satisfy `is_before`: those that satisfy it must
    /// all come first.
    pub(crate) fn partition(&self, is_before: impl Fn(&[u8]) -> bool) -> At {
        let change = self.changes.partition_point(|change| is_before(change.name().as_bytes()));
        At { base: self.base.partition(is_before), change, on_change: false }
    }

    /// What is first at `at` or behind it; moves there.
    pub(crate) fn entry(&self, at: &mut At, end: At) -> Option<Entry<'_>> {
        loop {
            let base = (at.base < end.base).then(|| self.base.name(at.base));
            let changes = self.changes.get(..end.change).unwrap_or_default();
            let Some(change) = changes.get(at.change) else {
                let name = base?;
                at.on_change = false;
                let (kind, attr) = (self.base.kind(at.base), self.base.attr(at.base));
                return Some(Entry { name, kind, attr });
            };
            match base.map_or(Ordering::Greater, |name| name.cmp(change.name())) {
                Ordering::Less => {
                    at.on_change = false;
                    let (kind, attr) = (self.base.kind(at.base), self.base.attr(at.base));
                    return base.map(|name| Entry { name, kind, attr });
                }
                Ordering::Equal => at.base += 1,
                Ordering::Greater => {}
            }
            at.on_change = true;
            if let Some((kind, attr)) = change.now() {
                return Some(Entry { name: change.name(), kind, attr });
            }
            at.change += 1;
        }
    }

    /// The place behind what [`View::entry`] found.
    pub(crate) fn behind(&self, at: At) -> At {
        let (base, change) = if at.on_change { (0, 1) } else { (1, 0) };
        At { base: at.base + base, change: at.change + change, on_change: false }
    }

    /// The name of what [`View::entry`] found, for system calls; a folder's has the slash too.
    pub(crate) fn c_name(&self, at: At) -> &CStr {
        if !at.on_change {
            return self.base.c_name(at.base);
        }
        let name = self.changes.get(at.change).map_or("\0", |change| &*change.name);
        CStr::from_bytes_with_nul(name.as_bytes()).unwrap_or(c"")
    }

    /// Says what the name turned out to be that [`View::entry`] found, if that is of use. It was
    /// looked at after this view was taken.
    pub(crate) fn saw(&self, at: At, seen: Seen) {
        if at.on_change
            && let Some(change) = self.changes.get(at.change)
        {
            let _ = change.seen.set(seen);
        }
    }

    /// Has those looked at of which something was heard, each once.
    pub(crate) fn look(&self, look: impl Fn(&CStr) -> Option<Seen>) {
        let unseen = |change: &&Change| change.seen.get().is_none();
        for change in self.changes.iter().filter(unseen) {
            let name = CStr::from_bytes_with_nul(change.name.as_bytes()).unwrap_or(c"");
            if change.kind != Kind::FolderLink
                && let Some(seen) = look(name)
            {
                let _ = change.seen.set(seen);
            }
        }
    }

    /// The view after something was heard of names, in this order.
    pub(crate) fn touched(&self, touches: Vec<Touch>) -> Self {
        let mut latest: BTreeMap<String, Option<Change>> = BTreeMap::new();
        for touch in touches {
            self.touch(touch, &mut latest);
        }
        let mut changes = Vec::with_capacity(self.changes.len() + latest.len());
        let mut old = self.changes.iter().peekable();
        for (name, change) in latest {
            while let Some(earlier) = old.next_if(|old| old.name() < name.as_str()) {
                changes.push(earlier.clone());
            }
            old.next_if(|old| old.name() == name);
            match change {
                Some(change) => changes.push(change),
                // Nothing to hide.
                None if self.in_base(&name).is_none() => {}
                None => changes.push(Change::gone(name)),
            }
        }
        changes.extend(old.cloned());
        let seen = changes.iter().filter(|change| change.seen.get().is_some()).count();
        let next = Self { base: Arc::clone(&self.base), changes: changes.into() };
        if seen > CHANGES + next.base.len() / SHARE { next.merged() } else { next }
    }

    fn touch(&self, touch: Touch, latest: &mut BTreeMap<String, Option<Change>>) {
        let Touch { name, is_folder, mut what } = touch;
        let (file, folder) = (name.to_string(), format!("{name}/"));
        let old = self.change(&file).filter(|old| old.kind == Kind::FileLink);
        if what == What::Altered && !is_folder && old.is_some_and(|old| old.seen.get().is_none()) {
            // Nobody has seen yet in which of its two places it belongs.
            what = if latest.contains_key(&file) { return } else { What::Made };
        }
        match (what, is_folder) {
            (What::Made, true) => {
                latest.insert(folder.clone(), Some(Change::new(&folder, Kind::Folder)));
            }
            (What::Made, false) => {
                let change = Change::new(&file, Kind::FileLink);
                let seen = Arc::clone(&change.seen);
                let twin = Change { seen, ..Change::new(&folder, Kind::FolderLink) };
                latest.insert(file, Some(change));
                latest.insert(folder, Some(twin));
            }
            (What::Gone, true) => drop(latest.insert(folder, None)),
            (What::Gone, false) => {
                latest.insert(file, None);
                latest.insert(folder, None);
            }
            (What::Altered, _) => {
                let name = if is_folder { folder } else { file };
                let kind = match latest.get(&name) {
                    // It will be looked at anyhow.
                    Some(_) => None,
                    None => self.kind_of(&name),
                };
                if let Some(kind) = kind {
                    let change = Change::new(&name, kind);
                    latest.insert(name, Some(change));
                }
            }
        }
    }

    /// What a name is thought to be; `None` for one that is not there.
    fn kind_of(&self, name: &str) -> Option<Kind> {
        match self.change(name) {
            Some(change) => change.now().map(|(kind, _)| kind),
            None => self.in_base(name),
        }
    }

    fn change(&self, name: &str) -> Option<&Change> {
        let at = self.changes.binary_search_by(|change| change.name().cmp(name)).ok()?;
        self.changes.get(at)
    }

    fn in_base(&self, name: &str) -> Option<Kind> {
        let at = self.base.partition(|other| other < name.as_bytes());
        (at < self.base.len() && self.base.name(at) == name).then(|| self.base.kind(at))
    }

    /// The same names, where those that were looked at are no changes any more.
    fn merged(&self) -> Self {
        let mut sorted = Sorted::new(&self.base, self.changes.len());
        let mut left = Vec::new();
        let mut at = At::default();
        let end = self.end();
        while let Some(entry) = self.entry(&mut at, end) {
            match self.changes.get(at.change).filter(|_| at.on_change) {
                Some(change) if change.seen.get().is_none() => left.push(change.clone()),
                _ => {
                    if sorted.push(entry.name, entry.kind, entry.attr).is_none() {
                        return self.clone();
                    }
                }
            }
            at = self.behind(at);
        }
        Self { base: Arc::new(sorted.finish()), changes: left.into() }
    }
}

impl Change {
    fn new(name: &str, kind: Kind) -> Self {
        Self { name: format!("{name}\0").into(), kind, seen: Arc::default() }
    }

    fn gone(name: String) -> Self {
        let change = Self::new(&name, Kind::File);
        let _ = change.seen.set(Seen::Gone);
        change
    }

    fn name(&self) -> &str {
        self.name.strip_suffix('\0').unwrap_or(&self.name)
    }

    /// What it is now, as far as is known; `None` if it is nothing.
    fn now(&self) -> Option<(Kind, Attr)> {
        let is_folder = matches!(self.kind, Kind::Folder | Kind::FolderLink);
        match (self.seen.get(), is_folder) {
            (None, _) => Some((self.kind, Attr::UNKNOWN)),
            (Some(Seen::File(attr)), false) => Some((Kind::File, *attr)),
            (Some(Seen::Folder(attr)), true) => Some((Kind::Folder, *attr)),
            (Some(Seen::Link), false) => Some((Kind::FileLink, Attr::UNKNOWN)),
            (Some(Seen::Link), true) => Some((Kind::FolderLink, Attr::UNKNOWN)),
            (Some(Seen::Gone | Seen::File(_) | Seen::Folder(_)), _) => None,
        }
    }
}

#[cfg(test)]
mod tests;
