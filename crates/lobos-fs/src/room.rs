//! Room on the disk for an upload, taken shortly before its bytes come.
//!
//! On ext4 a write into room that is there costs an eighth less (343 and 302 us for 1 MiB in pieces
//! of 256 KiB, 9.1 and 8.0 ms for 32 MiB), since blocks are not counted page by page. It makes no
//! difference on tmpfs and XFS, and on btrfs such writes cost more.

use std::os::fd::BorrowedFd;

use rustix::fs::{FallocateFlags, fallocate};

use crate::kind;

/// Smaller uploads gain nothing.
const LEAST: u64 = 512 << 10;

/// So much is taken ahead of what has come: no client has more of the disk by a promise alone.
const STEP: u64 = 8 << 20;

/// Room in one file for the bytes of one upload. Of a part that is given up it stays taken until
/// its multipart upload is over, or the part comes again.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Taken up to here; `None`: nothing was tried yet.
    taken: Option<u64>,
    /// Where the upload ends, or 0 if no room is to be taken.
    end: u64,
}

impl Room {
    /// For an upload that begins at `start` of its file and has `size` bytes, if that is known.
    pub(crate) fn new(start: u64, size: Option<u64>) -> Self {
        let size = size.filter(|size| *size >= LEAST);
        Self { taken: None, end: size.map_or(0, |size| start.saturating_add(size)) }
    }

    /// The next `count` bytes are about to be written at `offset`. Whether there is room is told by
    /// the write.
    pub(crate) fn ahead(&mut self, file: BorrowedFd<'_>, offset: u64, count: u64) {
        let needed = offset.saturating_add(count);
        if self.end == 0 || self.taken.is_some_and(|taken| needed <= taken) {
            return;
        }
        let is_here = self.taken.is_some() || kind::is_ext4(file);
        let from = self.taken.unwrap_or(offset);
        let to = from.saturating_add(STEP).max(needed).min(self.end);
        let took = || fallocate(file, FallocateFlags::KEEP_SIZE, from, to - from).is_ok();
        if is_here && to > from && took() {
            self.taken = Some(to);
        } else {
            self.end = 0;
        }
    }
}
