//! What `.lobos` has: most buckets have no `meta`, no `aside` and no `lock`, and a write must know
//! before it leaves them alone. One look at the folder's times tells that nothing came since the
//! last one.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use crate::bucket::OURS;
use crate::snapshot::{Id, Times, look_at};
use crate::{aside, locks, sidecar};

/// So many buckets are remembered.
const BUCKETS: usize = 1024;

/// Which folders there may be in the `.lobos` of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Has {
    pub(crate) meta: bool,
    pub(crate) aside: bool,
    pub(crate) locks: bool,
}

impl Has {
    const ALL: Self = Self { meta: true, aside: true, locks: true };
    const NONE: Self = Self { meta: false, aside: false, locks: false };
}

/// What was seen of each `.lobos`, by the folder that it is.
#[derive(Default)]
pub(crate) struct Ours(Mutex<HashMap<Id, (Times, Has)>>);

impl Ours {
    /// What there is in the bucket `dir` now: one call for what was looked at before and did not
    /// change, and for a bucket without `.lobos`. Where it cannot be told there may be all of it.
    pub(crate) fn of(&self, dir: BorrowedFd<'_>) -> Has {
        let began = SystemTime::now();
        let (id, times) = match look_at(dir, OURS) {
            Ok(looked) => looked,
            Err(Errno::NOENT) => return Has::NONE,
            Err(_) => return Has::ALL,
        };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied();
        if let Some((_, has)) = known.filter(|(then, _)| *then == times) {
            return has;
        }
        let may_have = |path| !matches!(stat(dir, path), Err(Errno::NOENT));
        let has = Has {
            meta: may_have(sidecar::FOLDER),
            aside: may_have(aside::FOLDER),
            locks: may_have(locks::FOLDER),
        };
        if look_at(dir, OURS) != Ok((id, times)) {
            return Has::ALL;
        }
        // As with snapshots: the next change must leave another time.
        if times.are_settled(began) {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= BUCKETS {
                all.clear();
            }
            all.insert(id, (times, has));
        }
        has
    }
}

fn stat(dir: BorrowedFd<'_>, path: &str) -> Result<rustix::fs::Stat, Errno> {
    statat(dir, path, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn always_true() {
        // What there is, is never said to be missing: neither right after it was made, nor after
        // a quiet time, nor where another folder has taken the place.
        let dir = tempfile::tempdir().unwrap();
        let (ours, root) = (Ours::default(), fs::File::open(dir.path()).unwrap());
        let has = || ours.of(root.as_fd());
        let path = |name: &str| dir.path().join(name);
        assert_eq!(has(), Has::NONE);
        fs::create_dir(path(".lobos")).unwrap();
        assert_eq!(has(), Has::NONE);
        fs::create_dir(path(".lobos/aside")).unwrap();
        assert_eq!(has(), Has { aside: true, ..Has::NONE });
        sleep(Duration::from_millis(40));
        for _ in 0..2 {
            assert_eq!(has(), Has { aside: true, ..Has::NONE });
        }
        fs::create_dir(path(".lobos/meta")).unwrap();
        assert_eq!(has(), Has { locks: false, ..Has::ALL });
        fs::create_dir(path(".lobos/lock")).unwrap();
        assert_eq!(has(), Has::ALL);
        fs::create_dir(path("other")).unwrap();
        sleep(Duration::from_millis(40));
        assert_eq!(has(), Has::ALL);
        fs::rename(path(".lobos"), path("kept")).unwrap();
        fs::rename(path("other"), path(".lobos")).unwrap();
        assert_eq!(has(), Has::NONE);
        fs::remove_dir(path(".lobos")).unwrap();
        fs::rename(path("kept"), path(".lobos")).unwrap();
        assert_eq!(has(), Has::ALL);
    }

    #[test]
    fn what_is_no_folder() {
        // A link or a file in the place of `.lobos` is not taken for an empty one.
        let dir = tempfile::tempdir().unwrap();
        let (ours, root) = (Ours::default(), fs::File::open(dir.path()).unwrap());
        fs::write(dir.path().join(".lobos"), "").unwrap();
        assert_eq!(ours.of(root.as_fd()), Has::ALL);
        fs::remove_file(dir.path().join(".lobos")).unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join(".lobos")).unwrap();
        assert_eq!(ours.of(root.as_fd()), Has::ALL);
    }
}
