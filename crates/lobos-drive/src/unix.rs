//! Listening on a path of the file system: a socket that a dead server left is replaced, that of
//! a live one is not, and the file goes when nothing more is accepted.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::listen::BACKLOG;

/// The file of a listening socket, removed when dropped.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode: another server may have made its own in the meantime.
    id: (u64, u64),
}

/// Listens there, with the rights that the umask leaves.
///
/// # Errors
/// `AddrInUse` if another server listens there, `AlreadyExists` if there is something that is no
/// socket, and whatever else the kernel says.
pub(crate) fn listen(path: &Path) -> io::Result<(OwnedFd, SocketFile)> {
    // The process may change its working directory later.
    let path = std::path::absolute(path)?;
    let address = SocketAddrUnix::new(&path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = || rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
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
    Ok((listener, file))
}

impl SocketFile {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

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
