//! The root of `--temp`: a folder of its own that is removed with all that is in it. One of a
//! server that was killed is removed by the next that starts.

use std::fs::{DirBuilder, read_dir, remove_dir, remove_dir_all, symlink_metadata};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{process, thread};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// What its name begins with; the process and a number follow.
const PREFIX: &str = "lobos-temp-";

/// The digits of that number. Versions that locked nothing had eight, and theirs are left alone.
const DIGITS: usize = 16;

/// Others may still be writing when it is removed.
const TRIES: u32 = 20;

/// A folder that goes when this is dropped.
#[derive(Debug)]
pub struct Temporary {
    path: PathBuf,
    /// Locked as long as somebody serves it. The kernel unlocks it however the process ends.
    _locked: OwnedFd,
}

impl Temporary {
    /// A fresh one in `parent`, for this user alone. Those that nobody serves any more are removed
    /// meanwhile, by a thread, since they may be large.
    ///
    /// # Errors
    /// One line for the user.
    pub fn within(parent: &Path) -> Result<Self, String> {
        let parent = std::path::absolute(parent).unwrap_or_else(|_| parent.to_owned());
        let temporary = Self::fresh(&parent)?;
        let sweeper = thread::Builder::new().name("lobos-sweep".into());
        // Without a thread the next start does it.
        let _ = sweeper.spawn(move || sweep(&parent));
        Ok(temporary)
    }

    fn fresh(parent: &Path) -> Result<Self, String> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // In a container every process has the same number.
        let (pid, mut number) =
            (process::id(), u64::try_from(since.as_nanos()).unwrap_or_default());
        loop {
            let path = parent.join(format!("{PREFIX}{pid}-{number:0DIGITS$x}"));
            let locked = DirBuilder::new().mode(0o700).create(&path).and_then(|()| {
                // Without a lock it would be taken for dead.
                lock(&path).inspect_err(|_| _ = remove_dir(&path))
            });
            match locked {
                Ok(Some(locked)) => return Ok(Self { path, _locked: locked }),
                // There is one, or another server took this one for dead before it was locked.
                Ok(None) => number = number.wrapping_add(1),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    number = number.wrapping_add(1);
                }
                Err(error) => {
                    let parent = parent.display();
                    return Err(format!(
                        "cannot make a temporary folder in {parent}: {error}; TMPDIR names another"
                    ));
                }
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes those in `parent` that are ours and that nobody serves.
fn sweep(parent: &Path) {
    let Ok(entries) = read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_str().is_some_and(is_name) {
            continue;
        }
        let path = entry.path();
        if let Ok(Some(_locked)) = lock(&path) {
            // One that cannot be removed is no harm to this server.
            let _ = remove(&path);
        }
    }
}

/// Whether [`Temporary::fresh`] makes such names.
fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    rest.is_some_and(|(pid, number)| {
        digits(pid) && number.len() == DIGITS && number.bytes().all(hex)
    })
}

/// Locks the folder at this path; `None` if it is locked, is gone, is no folder, or is not ours.
/// A link is not followed.
fn lock(path: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    // Whoever held the lock before may have removed it, and another have the name.
    let (found, stat) = (symlink_metadata(path), fstat(&folder)?);
    let is_there =
        found.is_ok_and(|found| (found.dev(), found.ino()) == (stat.st_dev, stat.st_ino));
    let is_ours = stat.st_uid == geteuid().as_raw();
    Ok((is_there && is_ours).then_some(folder))
}

fn remove(path: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        tries += 1;
        match remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(_) if tries < TRIES => {}
            result => return result,
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            // Nobody else can say so.
            #[allow(clippy::print_stderr, reason = "a folder stays that should not")]
            {
                eprintln!("lobos: {} stays: {error}", self.path.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn comes_and_goes() {
        // Each is a folder of its own, for its user alone, and goes with all that is in it.
        let home = tempfile::tempdir().unwrap();
        let (one, two) =
            (Temporary::within(home.path()).unwrap(), Temporary::within(home.path()).unwrap());
        assert_ne!(one.path(), two.path());
        let name = one.path().file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("lobos-temp-{}-", process::id())), "{name}");
        assert_eq!(fs::metadata(one.path()).unwrap().permissions().mode() & 0o777, 0o700);
        fs::create_dir_all(one.path().join("a/b")).unwrap();
        fs::write(one.path().join("a/b/c"), "x").unwrap();
        drop(one);
        drop(two);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
        let error = Temporary::within(&home.path().join("none")).unwrap_err();
        assert!(error.contains("TMPDIR"), "{error}");
    }

    #[test]
    fn names() {
        // Only what `fresh` can have made is ever looked at.
        for good in ["lobos-temp-1-0a1b2c3d0a1b2c3d", "lobos-temp-4194304-0000000000000000"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "lobos-temp-",
            "lobos-temp-1-0a1b2c3d",
            "lobos-temp-1-0A1B2C3D0A1B2C3D",
            "lobos-temp--0a1b2c3d0a1b2c3d",
            "lobos-temp-x-0a1b2c3d0a1b2c3d",
            "lobos-temp-1-0a1b2c3d0a1b2c3d.old",
            "xlobos-temp-1-0a1b2c3d0a1b2c3d",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn dead_ones() {
        // What a dead server left goes with all that is in it; what is served, what has another
        // name, a file, and what a link leads to stays.
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let dead = at("lobos-temp-1-0000000000000001");
        fs::create_dir_all(dead.join("bucket/a")).unwrap();
        fs::create_dir(at("precious")).unwrap();
        fs::write(at("precious/file"), "x").unwrap();
        fs::write(dead.join("bucket/a/b"), "x").unwrap();
        symlink(at("precious"), dead.join("bucket/link")).unwrap();
        symlink(at("precious"), at("lobos-temp-1-0000000000000002")).unwrap();
        fs::write(at("lobos-temp-1-0000000000000003"), "x").unwrap();
        fs::create_dir(at("lobos-temp-1-4")).unwrap();
        let served = Temporary::fresh(home.path()).unwrap();
        fs::write(served.path().join("file"), "x").unwrap();
        sweep(home.path());
        assert!(!dead.exists());
        for stays in
            ["precious/file", "lobos-temp-1-0000000000000002", "lobos-temp-1-0000000000000003"]
        {
            assert!(at(stays).exists(), "{stays}");
        }
        assert!(at("lobos-temp-1-4").exists() && served.path().join("file").exists());
    }

    #[test]
    fn of_others() {
        // A folder of another user is never taken, whoever could remove it.
        if !geteuid().is_root() {
            return;
        }
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lobos-temp-1-0000000000000001");
        fs::create_dir(&path).unwrap();
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        sweep(home.path());
        assert!(path.exists());
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
        sweep(home.path());
        assert!(!path.exists());
    }

    #[test]
    fn many_at_once() {
        // Who starts while others sweep has its folder, also if they saw it before it was locked.
        let home = tempfile::tempdir().unwrap();
        let start = &Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..300 {
                        let temporary = Temporary::fresh(home.path()).unwrap();
                        sweep(home.path());
                        fs::write(temporary.path().join("file"), "x").unwrap();
                    }
                });
            }
        });
        sweep(home.path());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
