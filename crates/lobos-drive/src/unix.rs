//! Listening on a path of the file system: a socket that a dead server left is replaced, that of
//! a live one is not, and the file goes when nothing more is accepted.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::listen::BACKLOG;

/// How long to wait for other servers that look at the same folder, which takes no time.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(1);

/// The file of a listening socket, removed when dropped, which should be before the socket is
/// closed: as long as that is open no other file gets its inode.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another server may have made its own in the meantime.
    id: (u64, u64),
}

/// Listens there, with the rights that the umask leaves. What is returned first goes first, while
/// nobody can take the socket for one of a dead server.
///
/// # Errors
/// `AddrInUse` if another server listens there, `AlreadyExists` if there is something that is no
/// socket, and whatever else the kernel says.
pub(crate) fn listen(path: &Path) -> io::Result<(SocketFile, OwnedFd)> {
    // The process may change its working directory later.
    let path = std::path::absolute(path)?;
    let address = SocketAddrUnix::new(&path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = || rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    // A socket looks dead until somebody listens, so nobody may look in between.
    let _locked = lock_folder(&path);
    let mut listener = socket()?;
    if let Err(error) = rustix::net::bind(&listener, &address) {
        if error != Errno::ADDRINUSE {
            return Err(error.into());
        }
        if !fs::symlink_metadata(&path)?.file_type().is_socket() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        match rustix::net::connect(&socket()?, &address) {
            // Nobody listens.
            Err(Errno::CONNREFUSED) => fs::remove_file(&path)?,
            // It is gone since.
            Err(Errno::NOENT) => {}
            _ => return Err(ErrorKind::AddrInUse.into()),
        }
        listener = socket()?;
        rustix::net::bind(&listener, &address)?;
    }
    let found = fs::symlink_metadata(&path)?;
    let file = SocketFile { id: (found.dev(), found.ino()), path };
    rustix::net::listen(&listener, BACKLOG)?;
    Ok((file, listener))
}

/// Keeps other servers of ours away from the sockets of the folder, as long as what it returns. A
/// folder that cannot be opened or locked, or that a stranger keeps locked, has to do without: in
/// some, as /tmp, everyone could hold up all servers.
fn lock_folder(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path.parent()?, flags, Mode::empty()).ok()?;
    let start = Instant::now();
    loop {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Some(folder),
            Err(Errno::WOULDBLOCK) if start.elapsed() < PATIENCE => thread::sleep(PAUSE),
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}

impl SocketFile {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _locked = lock_folder(&self.path);
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::Barrier;

    use super::*;

    fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn one_server_per_file() -> io::Result<()> {
        // A live socket is not taken, a dead one is, and nothing else is ever replaced.
        let home = tempfile::tempdir()?;
        let path = home.path().join("s");
        let first = listen(&path)?;
        assert_eq!(kind(listen(&path)), Some(ErrorKind::AddrInUse));
        UnixStream::connect(&path)?;
        drop(first);
        assert!(!path.exists());
        drop(UnixListener::bind(&path)?);
        assert!(path.exists(), "std leaves it there");
        let again = listen(&path)?;
        UnixStream::connect(&path)?;
        drop(again);
        fs::write(&path, "precious")?;
        assert_eq!(kind(listen(&path)), Some(ErrorKind::AlreadyExists));
        assert_eq!(fs::read(&path)?, b"precious");
        assert!(listen(&home.path().join("x".repeat(120))).is_err());
        Ok(())
    }

    #[test]
    fn many_at_once() {
        // Of all who find the socket of a dead server at the same time one gets it, and is reached
        // by its path; the others hear that it is taken.
        let home = tempfile::tempdir().unwrap();
        let path = &home.path().join("s");
        for _ in 0..200 {
            drop(UnixListener::bind(path).unwrap());
            let start = &Barrier::new(4);
            let listen = || {
                start.wait();
                listen(path)
            };
            let found: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(listen)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            UnixStream::connect(path).unwrap();
            let (won, lost): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
            assert_eq!(won.len(), 1);
            assert!(lost.into_iter().all(|lost| kind(lost) == Some(ErrorKind::AddrInUse)));
            drop(won);
            assert!(!path.exists());
        }
    }

    #[test]
    fn goes_while_others_come() {
        // Who ends takes nothing from who begins on the same path, and leaves nothing behind.
        let home = tempfile::tempdir().unwrap();
        let path = &home.path().join("s");
        for _ in 0..500 {
            let first = listen(path).unwrap();
            let start = &Barrier::new(2);
            let second = std::thread::scope(|scope| {
                scope.spawn(move || {
                    start.wait();
                    drop(first);
                });
                start.wait();
                loop {
                    match listen(path) {
                        Err(e) if e.kind() == ErrorKind::AddrInUse => {}
                        other => break other.unwrap(),
                    }
                }
            });
            UnixStream::connect(path).unwrap();
            drop(second);
            assert!(!path.exists());
        }
    }

    #[test]
    fn locked_by_others() {
        // A folder that a stranger keeps locked holds up nobody for ever.
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("s");
        let first = listen(&path).unwrap();
        let _held = lock_folder(&path).unwrap();
        let second = listen(&home.path().join("t")).unwrap();
        UnixStream::connect(home.path().join("t")).unwrap();
        drop((first, second));
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn removes_only_its_own() -> io::Result<()> {
        // A file that somebody else made at the path stays.
        let home = tempfile::tempdir()?;
        let path = home.path().join("s");
        let first = listen(&path)?;
        fs::remove_file(&path)?;
        let _other = UnixListener::bind(&path)?;
        drop(first);
        assert!(path.exists());
        Ok(())
    }
}
