//! What a folder holds, as its sorted names: S3's byte order is a depth-first walk over these.
//!
//! A snapshot has names and kinds. Sizes and times change without the folder changing, so whoever
//! wants them asks the file system; only a folder that is watched has them too (`live.rs`).

mod attr;
mod cache;
mod live;
mod view;

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, RawDir, StatxFlags, statx};
use rustix::io::Errno;

use crate::warn;
pub(crate) use attr::Attr;
pub(crate) use cache::{Id, Known, Snapshots, Times, look, look_at};
pub(crate) use live::Live;
pub(crate) use view::{At, Seen, View};

/// Where the kernel puts names.
pub(crate) type Buffer = [MaybeUninit<u8>];

type Fd<'a> = BorrowedFd<'a>;

/// What an entry may turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A folder; its name ends with a slash.
    Folder,
    /// A symbolic link, in the place of the file that it may lead to.
    FileLink,
    /// A symbolic link, in the place of the folder that it may lead to; its name ends with a
    /// slash. Every link stands in both places, since its target may change from one to the other
    /// while the folder that holds the link stays as it is.
    FolderLink,
}

impl Kind {
    fn letter(self) -> u8 {
        match self {
            Self::File => b'f',
            Self::Folder => b'd',
            Self::FileLink => b'l',
            Self::FolderLink => b'L',
        }
    }
}

/// The names of one folder in byte order, folders as `name/`. Special files and names that are
/// not UTF-8 are left out: no key can mean them.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// Per entry: the name, a NUL, one byte of kind.
    arena: Box<str>,
    /// Where each entry begins, and at last where the arena ends.
    starts: Box<[u32]>,
    /// Per entry what is known of it, or empty.
    attrs: Box<[Attr]>,
}

impl Snapshot {
    /// Reads `folder` from where its descriptor stands, which is the beginning if it was just
    /// opened.
    ///
    /// # Errors
    /// Whatever the disk says; a folder that was removed has no names and is no error.
    pub(crate) fn read(folder: Fd<'_>, buffer: &mut Buffer) -> Result<Self, Errno> {
        let mut dir = RawDir::new(folder, buffer);
        let mut names = Names::default();
        while names.read(&mut dir, folder)? {}
        Ok(names.sort())
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> usize {
        self.arena.len() + size_of_val(&*self.starts) + size_of_val(&*self.attrs)
    }

    /// What is known of an entry.
    pub(crate) fn attr(&self, at: usize) -> Attr {
        self.attrs.get(at).copied().unwrap_or(Attr::UNKNOWN)
    }

    /// The same names with what is known of each.
    pub(crate) fn with_attrs(self, attrs: Box<[Attr]>) -> Self {
        Self { attrs, ..self }
    }

    /// The name of an entry; with its slash if it is a folder.
    pub(crate) fn name(&self, at: usize) -> &str {
        let (start, end) = self.range(at);
        &self.arena[start..end - 2]
    }

    /// The name of an entry for system calls; a folder's has the slash too.
    pub(crate) fn c_name(&self, at: usize) -> &CStr {
        let (start, end) = self.range(at);
        CStr::from_bytes_with_nul(&self.arena.as_bytes()[start..end - 1]).unwrap_or(c"")
    }

    /// What an entry may be.
    pub(crate) fn kind(&self, at: usize) -> Kind {
        let (_, end) = self.range(at);
        match self.arena.as_bytes()[end - 1] {
            b'f' => Kind::File,
            b'd' => Kind::Folder,
            b'l' => Kind::FileLink,
            _ => Kind::FolderLink,
        }
    }

    /// How many entries stand before the first whose name does not satisfy `is_before`, by binary
    /// search: those that satisfy it must all come first.
    pub(crate) fn partition(&self, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if is_before(self.name(middle).as_bytes()) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn range(&self, at: usize) -> (usize, usize) {
        (self.starts[at] as usize, self.starts[at + 1] as usize)
    }
}

/// The names of a folder while they are read, in the order in which they come.
#[derive(Default)]
struct Names {
    /// The names, one behind the other.
    arena: String,
    raws: Vec<Raw>,
    /// How many first bytes all names share.
    common: usize,
    /// Names that are not UTF-8.
    left_out: usize,
}

/// One name in the arena.
struct Raw {
    /// Eight bytes of it, while it is sorted.
    head: u64,
    start: u32,
    len: u16,
    kind: u8,
}

impl Names {
    /// Takes what one call to the kernel gives; `false` at the end of the folder.
    fn read(&mut self, dir: &mut RawDir<'_, Fd<'_>>, folder: Fd<'_>) -> Result<bool, Errno> {
        loop {
            match dir.next() {
                None | Some(Err(Errno::NOENT)) => return Ok(false),
                Some(Err(error)) => return Err(error),
                Some(Ok(entry)) => self.take(folder, entry.file_name(), entry.file_type())?,
            }
            if dir.is_buffer_empty() {
                return Ok(true);
            }
        }
    }

    fn take(&mut self, folder: Fd<'_>, name: &CStr, kind: FileType) -> Result<(), Errno> {
        let Ok(text) = name.to_str() else {
            self.left_out += 1;
            return Ok(());
        };
        match known(folder, name, kind) {
            FileType::RegularFile => self.push(text, "", Kind::File),
            FileType::Directory if text == "." || text == ".." => Ok(()),
            FileType::Directory => self.push(text, "/", Kind::Folder),
            FileType::Symlink => {
                self.push(text, "", Kind::FileLink)?;
                self.push(text, "/", Kind::FolderLink)
            }
            _ => Ok(()),
        }
    }

    fn push(&mut self, name: &str, slash: &str, kind: Kind) -> Result<(), Errno> {
        // Each name gets two more bytes in the sorted arena, whose offsets have 32 bits as well.
        let later = self.arena.len() + 2 * self.raws.len() + 1024;
        u32::try_from(later).map_err(|_| Errno::OVERFLOW)?;
        let start = u32::try_from(self.arena.len()).map_err(|_| Errno::OVERFLOW)?;
        self.arena.push_str(name);
        self.arena.push_str(slash);
        let bytes = &self.arena.as_bytes()[start as usize..];
        let len = u16::try_from(bytes.len()).map_err(|_| Errno::OVERFLOW)?;
        self.common = match self.raws.first() {
            None => bytes.len(),
            Some(first) => {
                let first = &self.arena.as_bytes()[..usize::from(first.len)];
                let same = first.iter().zip(bytes).take(self.common);
                same.take_while(|(a, b)| a == b).count()
            }
        };
        self.raws.push(Raw { head: 0, start, len, kind: kind.letter() });
        Ok(())
    }

    /// Sorts them. The arena is written anew in that order, so that a page reads it in one go.
    fn sort(mut self) -> Snapshot {
        let arena = &self.arena;
        sort(arena.as_bytes(), &mut self.raws, self.common);
        let name = |raw: &Raw| &arena[raw.range()];
        if self.left_out > 0 {
            let (count, first) = (self.left_out, self.raws.first().map_or("", name));
            warn::warn(&format!("not listed, since not UTF-8: {count} names beside {first:?}"));
        }
        let mut sorted = String::with_capacity(arena.len() + 2 * self.raws.len());
        let mut starts = Vec::with_capacity(self.raws.len() + 1);
        let mut last = None;
        for raw in &self.raws {
            // One that is removed and made again while the folder is read may come twice.
            if last.replace(name(raw)) == Some(name(raw)) {
                continue;
            }
            starts.push(offset(sorted.len()));
            sorted.push_str(name(raw));
            sorted.push('\0');
            sorted.push(char::from(raw.kind));
        }
        starts.push(offset(sorted.len()));
        Snapshot { arena: sorted.into(), starts: starts.into(), attrs: [].into() }
    }
}

impl Raw {
    fn range(&self) -> Range<usize> {
        let start = self.start as usize;
        start..start + usize::from(self.len)
    }
}

/// So few names are compared whole.
const FEW: usize = 16;

/// Sorts names that share their first `common` bytes: by the eight bytes behind those, which needs
/// no look into the arena, and then each run of names in which these are equal in the same way.
/// Names of real folders differ late (`part-0_object-00000001`): a look at whole names would
/// miss the cache in nearly every comparison.
fn sort(arena: &[u8], raws: &mut [Raw], common: usize) {
    let name = |raw: &Raw| &arena[raw.range()];
    if raws.len() <= FEW {
        return raws.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    }
    for raw in &mut *raws {
        let rest = name(raw).get(common..).unwrap_or_default();
        let mut head = [0; 8];
        let len = rest.len().min(8);
        head[..len].copy_from_slice(&rest[..len]);
        raw.head = u64::from_be_bytes(head);
    }
    // Equal ones stay in the order in which they lie in the arena.
    raws.sort_unstable_by_key(|raw| (raw.head, raw.start));
    for run in raws.chunk_by_mut(|a, b| a.head == b.head) {
        // No name has a NUL: one that ends here is equal to all others of its run.
        let [first, others @ ..] = &*run else { continue };
        if others.is_empty() || first.head.to_be_bytes()[7] == 0 {
            continue;
        }
        let first = name(first);
        let shared = others.iter().fold(first.len(), |shared, other| {
            let same = first.iter().zip(name(other)).take(shared);
            same.take_while(|(a, b)| a == b).count()
        });
        sort(arena, run, shared);
    }
}

/// A snapshot while it is put together of names that come in order.
struct Sorted {
    arena: String,
    starts: Vec<u32>,
    /// Empty if none are kept.
    attrs: Vec<Attr>,
    has_attrs: bool,
}

impl Sorted {
    /// Room for the names of `old` and `more` of them.
    fn new(old: &Snapshot, more: usize) -> Self {
        let has_attrs = !old.attrs.is_empty();
        let count = old.len() + more;
        Self {
            arena: String::with_capacity(old.arena.len() + 32 * more),
            starts: Vec::with_capacity(count + 1),
            attrs: Vec::with_capacity(if has_attrs { count } else { 0 }),
            has_attrs,
        }
    }

    /// `None` if the names are too many.
    fn push(&mut self, name: &str, kind: Kind, attr: Attr) -> Option<()> {
        u32::try_from(self.arena.len() + name.len() + 2).ok()?;
        self.starts.push(offset(self.arena.len()));
        self.arena.push_str(name);
        self.arena.push('\0');
        self.arena.push(char::from(kind.letter()));
        if self.has_attrs {
            self.attrs.push(attr);
        }
        Some(())
    }

    fn finish(mut self) -> Snapshot {
        self.starts.push(offset(self.arena.len()));
        Snapshot { arena: self.arena.into(), starts: self.starts.into(), attrs: self.attrs.into() }
    }
}

/// `Names::push` has seen to it that this fits.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The type of an entry, which not all file systems tell with the name.
fn known(folder: Fd<'_>, name: &CStr, kind: FileType) -> FileType {
    if kind != FileType::Unknown {
        return kind;
    }
    match statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE) {
        Ok(stat) => FileType::from_raw_mode(u32::from(stat.stx_mode)),
        Err(_) => FileType::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names as `Names` would get them from a disk; a slash at the end marks a folder.
    fn snapshot(names: &[&str]) -> Snapshot {
        let mut all = Names::default();
        for name in names {
            match name.strip_suffix('/') {
                Some(name) => all.push(name, "/", Kind::Folder).unwrap(),
                None => all.push(name, "", Kind::File).unwrap(),
            }
        }
        all.sort()
    }

    fn names(snapshot: &Snapshot) -> Vec<&str> {
        (0..snapshot.len()).map(|at| snapshot.name(at)).collect()
    }

    #[test]
    fn order() {
        // Names stand in byte order with folders as `name/`, however much they have in common.
        let sets: [&[&str]; 7] = [
            &[],
            &["one"],
            &["a0", "a/", "a-b", "a", "ü", "A", "z"],
            &["part-00000009", "part-00000010/", "part-00000010", "part-0000001", "part-"],
            &["same-same-same-b", "same-same-same-a/", "same-same-same", "same-same-same-a!"],
            &["0123456789abcdef2", "0123456789abcdef1", "0123456789abcdef", "01234567"],
            &["a b", "a", "a\u{1}", "a/"],
        ];
        for set in sets {
            let mut sorted = set.to_vec();
            sorted.sort_unstable();
            let snapshot = snapshot(set);
            assert_eq!(names(&snapshot), sorted);
            for (at, name) in sorted.iter().enumerate() {
                let folder = if name.ends_with('/') { Kind::Folder } else { Kind::File };
                assert_eq!(snapshot.kind(at), folder);
                assert_eq!(snapshot.c_name(at).to_str(), Ok(*name));
                assert_eq!(snapshot.partition(|n| n < name.as_bytes()), at);
                assert_eq!(snapshot.partition(|n| n <= name.as_bytes()), at + 1);
            }
        }
    }

    #[test]
    fn order_of_many() {
        // Many names are in byte order, whatever they share: long beginnings, one being the
        // beginning of another, and the same name more than once.
        let mut dice = fastrand::Rng::with_seed(3);
        for turn in 0..300 {
            let letters: Vec<char> = ["ab", "a", "0123456789", "a-!é"][turn % 4].chars().collect();
            let mut all: Vec<String> = Vec::new();
            for _ in 0..dice.usize(..400) {
                let shared = "part-0_object-".repeat(dice.usize(..4));
                let count = dice.usize(1..[4, 40][turn % 2]);
                let end: String =
                    (0..count).map(|_| letters[dice.usize(..letters.len())]).collect();
                all.push(shared + &end);
            }
            let snapshot = snapshot(&all.iter().map(String::as_str).collect::<Vec<_>>());
            all.sort_unstable();
            all.dedup();
            assert_eq!(names(&snapshot), all);
        }
    }

    #[test]
    fn twice() {
        // A name that came twice, as the kernel may give it, stands once.
        let snapshot = snapshot(&["b", "a", "b/", "a", "c/", "b", "c/", "a"]);
        assert_eq!(names(&snapshot), ["a", "b", "b/", "c/"]);
        assert_eq!((snapshot.len(), snapshot.partition(|n| n < b"c/")), (4, 3));
    }

    #[test]
    fn size() {
        // A name costs six bytes beside itself.
        let snapshot = snapshot(&["a", "b/", "ccc"]);
        assert_eq!(snapshot.bytes(), 6 + 3 * 6 + 4);
    }
}
