//! Moving bytes from one file to another, by the kernel where it can, and hashing a file.

use std::os::fd::BorrowedFd;

use lobos_digest::Hasher;
use rustix::fs::copy_file_range;
use rustix::io::{Errno, pread, pwrite};

/// What is read at once where the kernel does not do it alone.
const BLOCK: usize = 256 << 10;

/// The most that one call of the kernel is asked for.
const PIECE: u64 = 1 << 30;

/// Copies `length` bytes of `from`, from `offset` on, to `at` in `to`. They share their blocks
/// where the file system can do that (btrfs, xfs and others). The number is less than `length` if
/// `from` ends before.
pub(crate) fn copy(
    from: BorrowedFd<'_>,
    offset: u64,
    length: u64,
    to: BorrowedFd<'_>,
    at: u64,
) -> Result<u64, Errno> {
    let mut done = 0;
    while done < length {
        let (mut source, mut target) = (offset + done, at + done);
        let piece = usize::try_from((length - done).min(PIECE)).unwrap_or(BLOCK);
        match copy_file_range(from, Some(&mut source), to, Some(&mut target), piece) {
            Err(Errno::INTR) => {}
            Ok(count) if count > 0 => done += count as u64,
            // The end; but some file systems also say so where they cannot do it. Or two mounts,
            // an old kernel, a file of a kind that cannot.
            Ok(_)
            | Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                return Ok(done + by_reading(from, source, length - done, to, target)?);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// As [`copy`], through a buffer.
fn by_reading(
    from: BorrowedFd<'_>,
    offset: u64,
    length: u64,
    to: BorrowedFd<'_>,
    at: u64,
) -> Result<u64, Errno> {
    let mut done = 0;
    read(from, offset, length, |mut block| {
        while !block.is_empty() {
            match pwrite(to, block, at + done) {
                Ok(0) => return Err(Errno::IO),
                Ok(count) => {
                    block = block.get(count..).unwrap_or_default();
                    done += count as u64;
                }
                Err(Errno::INTR) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    })?;
    Ok(done)
}

/// Gives the first `length` bytes of the file to the hasher.
pub(crate) fn hash(file: BorrowedFd<'_>, length: u64, hasher: &mut Hasher) -> Result<(), Errno> {
    if hasher.is_empty() {
        return Ok(());
    }
    read(file, 0, length, |block| {
        hasher.update(block);
        Ok(())
    })
}

/// Gives `length` bytes, or as many as there are, to `take`, block by block.
fn read(
    file: BorrowedFd<'_>,
    offset: u64,
    length: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let size = usize::try_from(length).unwrap_or(BLOCK).min(BLOCK);
    let mut buffer = vec![0; size];
    let mut done = 0;
    while done < length {
        let most = usize::try_from(length - done).unwrap_or(size).min(size);
        match pread(file, &mut buffer[..most], offset + done) {
            Ok(0) => break,
            Ok(count) => {
                take(&buffer[..count])?;
                done += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd;

    use lobos_digest::Algorithm;

    use super::*;

    type Copy = fn(BorrowedFd<'_>, u64, u64, BorrowedFd<'_>, u64) -> Result<u64, Errno>;

    #[test]
    fn both_ways() {
        // By the kernel or by reading: the very bytes arrive at their place, and the end of the
        // source is told.
        let body: Vec<u8> = (0..700_000_u32).map(|n| (n % 251) as u8).collect();
        for copy in [copy as Copy, by_reading] {
            for (offset, length, at) in
                [(0, 700_000, 0), (5, 600_000, 9), (699_999, 5, 0), (700_000, 1, 0), (0, 0, 0)]
            {
                let mut from = tempfile::tempfile().unwrap();
                from.write_all(&body).unwrap();
                let mut to = tempfile::tempfile().unwrap();
                to.write_all(&vec![7; at]).unwrap();
                let (source, target) = (from.as_fd(), to.as_fd());
                let copied = copy(source, offset as u64, length as u64, target, at as u64);
                let end = body.len().min(offset + length);
                assert_eq!(copied, Ok((end - offset) as u64));
                std::io::Seek::rewind(&mut to).unwrap();
                let mut got = Vec::new();
                to.read_to_end(&mut got).unwrap();
                assert_eq!(got, [&vec![7; at][..], &body[offset..end]].concat());
            }
        }
    }

    #[test]
    fn hashing() {
        // As many bytes as were asked for are hashed, wherever the file stands.
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[3; 600_000]).unwrap();
        let mut hasher = Hasher::new([Algorithm::Crc32]);
        hash(file.as_fd(), 500_000, &mut hasher).unwrap();
        let expected = lobos_digest::digest(Algorithm::Crc32, &[3; 500_000]);
        assert_eq!(hasher.finish().get(Algorithm::Crc32), Some(expected));
        let closed = File::open("/dev/null").unwrap();
        hash(closed.as_fd(), 5, &mut Hasher::new([])).unwrap();
    }
}
