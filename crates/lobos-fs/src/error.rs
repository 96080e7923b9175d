//! What the kernel says, as an S3 error.

use std::os::fd::BorrowedFd;

use lobos_proto::{Code, Error};
use rustix::io::Errno;

/// A lookup that failed for another reason than that there is nothing.
pub(crate) fn read(errno: Errno) -> Error {
    Error::new(code(errno)).cause(errno)
}

/// A change that failed.
pub(crate) fn write(errno: Errno) -> Error {
    let error = read(errno);
    match errno {
        Errno::ROFS => error.message("The file system of this bucket is read-only."),
        Errno::XDEV | Errno::LOOP => leads_out(),
        Errno::TOOBIG => Error::new(Code::MetadataTooLarge).cause(errno),
        // What was just there is gone, or the other way round: somebody else works on it.
        Errno::NOENT | Errno::NOTDIR | Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY => {
            Error::new(Code::OperationAborted).cause(errno)
        }
        _ => error,
    }
}

/// A change through a link that leads out of the bucket.
pub(crate) fn leads_out() -> Error {
    Error::new(Code::AccessDenied).message("The key leads through a link out of the bucket.")
}

/// Whether a lookup found nothing that could be an object; everything else is an error.
pub(crate) fn is_missing(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT
            | Errno::NOTDIR
            | Errno::ISDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::NXIO
            | Errno::NODEV
            | Errno::ILSEQ
    )
}

fn code(errno: Errno) -> Code {
    match errno {
        Errno::NOSPC | Errno::DQUOT => Code::StorageFull,
        Errno::FBIG => Code::EntityTooLarge,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::BUSY => Code::SlowDown,
        Errno::ROFS | Errno::ACCESS | Errno::PERM => Code::AccessDenied,
        Errno::NAMETOOLONG => Code::KeyTooLongError,
        _ => Code::InternalError,
    }
}

/// Waits until what was written is on the disk. A file system that cannot tell is taken at its
/// word (FUSE and the like answer EINVAL for folders). EROFS is none of these: ext4 says it once it
/// has met an error and writes no more.
///
/// XFS that has shut down after an error says of a folder that all of it is on the disk, since
/// nothing waits to be written any more; only a look at the folder tells.
pub(crate) fn sync(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    loop {
        match rustix::fs::fsync(fd) {
            Err(Errno::INTR) => {}
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(()),
            Err(e) => return Err(e),
            Ok(()) => return rustix::fs::fstat(fd).map(drop),
        }
    }
}

/// Has the file system say what became of the bytes that were written: NFS, SMB and FUSE tell of a
/// full disk or quota only when some descriptor of the file is closed.
pub(crate) fn flush(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    loop {
        let other = rustix::io::fcntl_dupfd_cloexec(fd, 0)?;
        match nix::unistd::close(other) {
            Err(nix::Error::EINTR) => {}
            done => return done.map_err(|e| Errno::from_raw_os_error(e as i32)),
        }
    }
}

/// Writes all of it at the current offset.
pub(crate) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        // What the disk can do to a write has an S3 error of its own, and the cause is kept.
        for (errno, code) in [
            (Errno::NOSPC, Code::StorageFull),
            (Errno::DQUOT, Code::StorageFull),
            (Errno::MFILE, Code::SlowDown),
            (Errno::NFILE, Code::SlowDown),
            (Errno::ROFS, Code::AccessDenied),
            (Errno::ACCESS, Code::AccessDenied),
            (Errno::PERM, Code::AccessDenied),
            (Errno::NAMETOOLONG, Code::KeyTooLongError),
            (Errno::IO, Code::InternalError),
        ] {
            let error = write(errno);
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains("os error"), "{error}");
        }
    }
}
