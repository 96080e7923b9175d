//! Ends stores and removes their folders while the next input is tried: closing a descriptor of
//! inotify waits some milliseconds for the kernel, and was seven eighths of the time.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use lobos_fs::FsStore;
use tempfile::TempDir;

/// As many as wait at once. A user may have 128 descriptors of inotify.
const THREADS: usize = 48;

type End = (FsStore, Option<TempDir>);

static ENDS: LazyLock<SyncSender<End>> = LazyLock::new(|| {
    let (ends, wanted) = sync_channel(THREADS);
    let wanted = Arc::new(Mutex::new(wanted));
    for _ in 0..THREADS {
        let wanted = Arc::clone(&wanted);
        std::thread::spawn(move || {
            while let Some(end) = next(&wanted) {
                drop(end);
            }
        });
    }
    ends
});

fn next(wanted: &Mutex<Receiver<End>>) -> Option<End> {
    wanted.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Ends the store, and then removes its folder if it is not used further.
pub(crate) fn end(store: FsStore, dir: Option<TempDir>) {
    ENDS.send((store, dir)).expect("the threads never end");
}
