//! Of which kind a file system is, by what statfs says of it (`linux/magic.h`).

use std::os::fd::BorrowedFd;

use rustix::fs::fstatfs;

/// ext2, ext3 and ext4.
const EXT4: u64 = 0xef53;

/// Where nobody but this kernel changes files, and each is one inode: inotify tells of all that
/// happens there. It does not where others write, too (NFS, SMB, Ceph, FUSE, which also is what
/// virtiofs and the folders of Docker Desktop are), nor where one file system lies on another
/// (overlay, eCryptfs).
const HEARD: [u64; 19] = [
    EXT4,
    0x5846_5342, // XFS
    0x9123_683e, // btrfs
    0x0102_1994, // tmpfs
    0xf2f5_2010, // F2FS
    0x2fc1_2fc1, // ZFS
    0xca45_1a4e, // bcachefs
    0x8584_58f6, // ramfs
    0x4d44,      // FAT
    0x2011_bab0, // exFAT
    0x7366_746e, // NTFS, the kernel's own
    0x3153_464a, // JFS
    0x3434,      // NILFS
    0x5265_4973, // reiserfs
    0x482b,      // HFS+
    0x1501_3346, // UDF
    0x9660,      // ISO 9660
    0x7371_7368, // SquashFS
    0xe0f5_e1e2, // EROFS
];

/// Whether this is ext2, ext3 or ext4.
pub(crate) fn is_ext4(file: BorrowedFd<'_>) -> bool {
    magic(file) == Some(EXT4)
}

/// Whether inotify tells of all that changes here, whoever does it.
pub(crate) fn is_heard(file: BorrowedFd<'_>) -> bool {
    magic(file).is_some_and(|magic| HEARD.contains(&magic))
}

fn magic(file: BorrowedFd<'_>) -> Option<u64> {
    // Sign-extended where the field has 32 bits.
    fstatfs(file).ok().map(|stat| stat.f_type as u64 & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn kinds() {
        // tmpfs is heard of, and is no ext4; what the kernel makes up is neither.
        let open = |path| File::open(path).unwrap();
        let (memory, made_up) = (open("/dev/shm"), open("/proc"));
        assert!(is_heard(memory.as_fd()) && !is_ext4(memory.as_fd()));
        assert!(!is_heard(made_up.as_fd()) && !is_ext4(made_up.as_fd()));
    }
}
