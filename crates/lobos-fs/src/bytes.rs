//! Bytes at given places of files: read, written, and copied from one file to another.

use std::io::IoSliceMut;
use std::num::NonZero;
use std::ops::Range;
use std::os::fd::BorrowedFd;

use rustix::fs::{Advice, copy_file_range, fadvise};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2, pwrite};

/// Copied at once where the kernel cannot do it alone.
const CHUNK: usize = 64 * 1024;

/// Where it is asked whether bytes are in memory: every 128 KiB
const STRIDE: usize = 128 * 1024;

/// Asked of the kernel at once: it stops at 2 GiB anyhow.
const MOST: u64 = 1 << 30;

/// Reads until `buffer` is full or the file ends; gives how much there was. Less than asked for
/// by one call is the end, as it is for every regular file.
pub(crate) fn read_at(
    file: BorrowedFd<'_>,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, Errno> {
    loop {
        match pread(file, &mut *buffer, offset) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Whether some of these bytes would have to come from the disk first, as far as the kernel tells
/// that without waiting. It is asked about one byte in each 128 KiB, which the kernel reads in one.
pub(crate) fn is_cold(file: BorrowedFd<'_>, range: Range<u64>) -> bool {
    let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
        return false;
    };
    let ahead = range.step_by(STRIDE).chain([last]);
    ahead.into_iter().any(|offset| {
        let mut byte = [0];
        let mut slices = [IoSliceMut::new(&mut byte)];
        // Other errors: a file system that cannot tell, as tmpfs, which is never cold.
        preadv2(file, &mut slices, offset, ReadWriteFlags::NOWAIT) == Err(Errno::AGAIN)
    })
}

/// Waits until these bytes are in memory, as far as [`is_cold`] tells: the disk is asked for all of
/// them, and then two of each 128 KiB are read, the first and the last. In a file that lies in many
/// pieces a few between may still be on their way. To read them all costs 550 us of the processor
/// for a MiB and these 40, beside 260 to ask for it.
pub(crate) fn warm(file: BorrowedFd<'_>, range: Range<u64>) {
    let Some(length) = NonZero::new(range.end.saturating_sub(range.start)) else {
        return;
    };
    // So that the disk gets all of it at once.
    let _ = fadvise(file, range.start, Some(length), Advice::WillNeed);
    for start in range.clone().step_by(STRIDE) {
        let last = range.end.min(start.saturating_add(STRIDE as u64)) - 1;
        for offset in [start, last] {
            if read_at(file, &mut [0], offset) != Ok(1) {
                return;
            }
        }
    }
}

/// Writes all of it.
pub(crate) fn write_at(
    file: BorrowedFd<'_>,
    mut data: &[u8],
    mut offset: u64,
) -> Result<(), Errno> {
    while !data.is_empty() {
        match pwrite(file, data, offset) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => {
                data = data.get(count..).unwrap_or_default();
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Calls `take` with the `left` bytes from `offset` on, piece by piece.
///
/// # Errors
/// `Ok(false)`: the file ends before.
pub(crate) fn each<E: From<Errno>>(
    file: BorrowedFd<'_>,
    mut offset: u64,
    mut left: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<bool, E> {
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let count = read_at(file, &mut chunk[..wanted], offset)?;
        if count == 0 {
            return Ok(false);
        }
        take(&chunk[..count])?;
        offset += count as u64;
        left -= count as u64;
    }
    Ok(true)
}

/// Copies `left` bytes from `from` in one file to `to` in the other; where the file system can,
/// both then share them.
///
/// # Errors
/// `Ok(false)`: the source ends before.
pub(crate) fn copy(
    (source, mut from): (BorrowedFd<'_>, u64),
    (target, mut to): (BorrowedFd<'_>, u64),
    mut left: u64,
) -> Result<bool, Errno> {
    while left > 0 {
        let wanted = usize::try_from(left.min(MOST)).unwrap_or(CHUNK);
        match copy_file_range(source, Some(&mut from), target, Some(&mut to), wanted) {
            // Some file systems say so where they only cannot.
            Ok(0) => break,
            Ok(count) => left -= count as u64,
            Err(Errno::INTR) => {}
            Err(
                Errno::XDEV
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::PERM
                | Errno::IO
                | Errno::BADF
                | Errno::TXTBSY,
            ) => break,
            Err(e) => return Err(e),
        }
    }
    each(source, from, left, |data| {
        write_at(target, data, to)?;
        to += data.len() as u64;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn copies() {
        // What is copied is what was there, also to another file system and in pieces; a source
        // that ends too early is said to.
        let here = tempfile::tempdir().unwrap();
        let data: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        fs::write(here.path().join("a"), &data).unwrap();
        let source = File::open(here.path().join("a")).unwrap();
        let other = tempfile::tempdir_in("/dev/shm").unwrap();
        for folder in [here.path(), other.path()] {
            let target = File::create(folder.join("b")).unwrap();
            let copied = copy((source.as_fd(), 7), (target.as_fd(), 5), 150_000);
            assert_eq!(copied, Ok(true));
            let found = fs::read(folder.join("b")).unwrap();
            assert_eq!((&found[..5], &found[5..]), (&[0; 5][..], &data[7..150_007]));
            let copied = copy((source.as_fd(), 100_000), (target.as_fd(), 0), 100_001);
            assert_eq!(copied, Ok(false));
        }
    }

    /// A file of so many bytes that the kernel has let go, but for those that it begins to read
    /// when it is asked about them. It lies beside the program, which is on a disk.
    fn cold_file(size: u64) -> File {
        let program = std::env::current_exe().unwrap();
        let mut file = tempfile::tempfile_in(program.parent().unwrap()).unwrap();
        file.write_all(&vec![7; usize::try_from(size).unwrap()]).unwrap();
        let cold = |range| is_cold(file.as_fd(), range);
        assert!(!cold(0..size));
        // The kernel keeps pages that some processor has on a list of its own.
        let mut tries = 0;
        while !(cold(0..size) && cold(size / 2..size / 2 + 1)) {
            file.sync_all().unwrap();
            fadvise(&file, 0, None, Advice::DontNeed).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(tries));
            tries += 1;
            assert!(tries < 100, "what was let go is still there");
        }
        file
    }

    /// How many bytes this thread has read by system calls.
    fn read_so_far() -> u64 {
        let io = fs::read_to_string("/proc/thread-self/io").unwrap();
        let count = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        count.unwrap().parse().unwrap()
    }

    #[test]
    fn cold_and_warm() {
        // Bytes that the kernel has let go are cold, those that it has are not; in memory they
        // are as soon as they were waited for, and beyond the end nothing is cold.
        let size = 3 << 20;
        let file = cold_file(size);
        let cold = |range| is_cold(file.as_fd(), range);
        warm(file.as_fd(), size / 2..size);
        assert!(!cold(size / 2..size) && cold(0..size));
        warm(file.as_fd(), 0..size + 5);
        assert!(!cold(0..size) && !cold(size..size + 5) && !cold(0..0));
    }

    #[test]
    fn waited_for_and_not_read() {
        // Whatever range is waited for, nothing of it is cold then, and hardly any of its bytes
        // were copied to find that out.
        let size = 2 << 20;
        for range in [0..size, 1..2, 77_777..77_778, 5..300_001, 131_071..1_500_000, 9..9] {
            let (file, before) = (cold_file(size), read_so_far());
            warm(file.as_fd(), range.clone());
            let copied = read_so_far() - before;
            assert!(copied < 2000, "{copied} bytes for {range:?}");
            assert!(!is_cold(file.as_fd(), range.clone()), "{range:?}");
        }
    }
}
