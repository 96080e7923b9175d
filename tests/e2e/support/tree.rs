//! A folder as it is on disk, to be compared before and after, and bytes to fill it with.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Every path beneath `dir`, with what shows that somebody touched it: mode, size, modification
/// and change time.
pub(crate) fn state(dir: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    collect(dir, dir, &mut all);
    all
}

fn collect(top: &Path, path: &Path, all: &mut BTreeMap<String, String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    let name = path.strip_prefix(top).unwrap().to_string_lossy().into_owned();
    let (mtime, ctime) = ((meta.mtime(), meta.mtime_nsec()), (meta.ctime(), meta.ctime_nsec()));
    all.insert(name, format!("{:o} {} {mtime:?} {ctime:?}", meta.mode(), meta.size()));
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(top, &entry.unwrap().path(), all);
        }
    }
}

/// The paths of all files beneath `dir`, without the empty folders of the server's own.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    let is_file = |name: &&String| !dir.join(name).is_dir();
    state(dir).keys().filter(is_file).cloned().collect()
}

/// Sets the modification time to `seconds` after 1970.
pub(crate) fn set_modified(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Bytes that repeat only after 251, so that a shift or a swap shows.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| u8::try_from(at % 251).unwrap()).collect()
}
