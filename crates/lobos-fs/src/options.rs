//! What the store serves and how: layout, options, and why it could not be opened.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How the store behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which entity tags objects have.
    pub etag: EtagMode,
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Follow symbolic links that lead out of the bucket too.
    pub follow_symlinks: bool,
    /// The fewest bytes of a part of a multipart upload that is not the last one.
    pub min_part_size: u64,
    /// After how much time without a new part a multipart upload is dropped.
    pub expire_uploads: Duration,
    /// Memory for the names of folders between listings, in bytes.
    pub list_cache: usize,
    /// Whether all names are read at the start and kept in memory, kept true by inotify; not on
    /// file systems where that does not tell of all changes, unless `refresh` is set.
    pub index: bool,
    /// How often the index is read again, for what inotify does not tell: changes by other hosts
    /// that share the file system.
    pub refresh: Option<Duration>,
    /// The most bytes that all objects may have together: those used least recently go.
    pub cache_limit: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            etag: EtagMode::default(),
            durability: Durability::default(),
            follow_symlinks: false,
            min_part_size: 5 << 20,
            expire_uploads: Duration::from_secs(7 * 86_400),
            list_cache: 256 << 20,
            index: false,
            refresh: None,
            cache_limit: None,
        }
    }
}

/// Which entity tags objects have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtagMode {
    /// The MD5 of what was put, as S3 does; opaque for files that came otherwise.
    #[default]
    Md5,
    /// Opaque for all: nothing is hashed.
    Fast,
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of this process, however it ends.
    #[default]
    Cache,
    /// A crash of the machine: files and folders are synced before the answer.
    Disk,
}

/// Which directories are buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// These, each under its name; the set is fixed.
    Dirs(Vec<(String, PathBuf)>),
    /// Every visible folder in this one; buckets can be made and removed.
    Root(PathBuf),
}

/// What to pretend that the file system lacks, so that tests reach the ways around it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// No extended attributes.
    pub no_xattrs: bool,
    /// No O_TMPFILE.
    pub no_tmpfile: bool,
    /// `.lobos` is on another mount than every folder beside it.
    pub no_scratch: bool,
}

/// Why a store could not be opened: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenError(pub(crate) String);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}
