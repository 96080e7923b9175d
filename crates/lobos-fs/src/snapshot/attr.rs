//! What an index keeps of an entry beside its name: all that a listing says of an object, or which
//! folder it is.

use lobos_proto::{ETag, Timestamp};

use super::Id;

/// 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attr {
    /// Bytes of a file, the inode of a folder.
    size: u64,
    /// Nanoseconds of a file, the device of a folder.
    time: u64,
    tag: [u8; 16],
    parts: u16,
    known: bool,
}

impl Attr {
    /// Nothing is known: the file system is asked.
    pub(crate) const UNKNOWN: Self =
        Self { size: 0, time: 0, tag: [0; 16], parts: 0, known: false };

    /// Of a regular file; unknown if its tag has a form that does not fit.
    pub(crate) fn file(size: u64, modified: Timestamp, etag: &ETag) -> Self {
        match etag.packed() {
            Some((tag, parts)) => Self { size, time: modified.nanos, tag, parts, known: true },
            None => Self::UNKNOWN,
        }
    }

    /// Of a folder.
    pub(crate) fn folder(id: Id) -> Self {
        let (major, minor) = id.dev;
        let time = u64::from(major) << 32 | u64::from(minor);
        Self { size: id.inode, time, known: true, ..Self::UNKNOWN }
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// Size, time and tag of a file.
    pub(crate) fn as_file(&self) -> Option<(u64, Timestamp, ETag)> {
        let etag = || ETag::from_packed(self.tag, self.parts);
        self.known.then(|| (self.size, Timestamp { nanos: self.time }, etag()))
    }

    /// Which folder it is.
    pub(crate) fn as_folder(&self) -> Option<Id> {
        let halves = (u32::try_from(self.time >> 32), u32::try_from(self.time & 0xffff_ffff));
        let (Ok(major), Ok(minor)) = halves else { return None };
        self.known.then_some(Id { dev: (major, minor), inode: self.size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        // What is kept comes back, and 40 bytes are enough for it.
        let etag = ETag::new("900150983cd24fb0d6963f7d28e17f72-10000").unwrap();
        let modified = Timestamp { nanos: u64::MAX };
        let file = Attr::file(7, modified, &etag);
        assert_eq!(file.as_file(), Some((7, modified, etag)));
        let id = Id { dev: (u32::MAX, 9), inode: u64::MAX };
        assert_eq!(Attr::folder(id).as_folder(), Some(id));
        let odd = Attr::file(7, modified, &ETag::new("odd").unwrap());
        assert_eq!((odd, odd.as_file(), odd.as_folder()), (Attr::UNKNOWN, None, None));
        assert_eq!(size_of::<Attr>(), 40);
    }
}
