//! Objects that come in parts: each upload is a folder `.lobos/uploads/<id>`.
//!
//! Its file `head` holds what Create said and a slot for each part (`head.rs`, `slot.rs`). Parts
//! of equal size lie in one file `d<size>` where they belong, so that Complete is a rename; others
//! have files `p<number>-<mark>` of their own (`part.rs`) and are joined (`join.rs`). All of it is
//! on disk: any process may go on with an upload.

mod checks;
mod checksum;
mod complete;
mod copy;
mod head;
mod join;
mod list;
mod part;
mod slot;
mod sweep;

use std::fmt::Write as _;
use std::os::fd::{AsFd, OwnedFd};

use lobos_proto::op::{AbortMultipartUpload, CreateMultipartUpload, CreatedUpload};
use lobos_proto::{Code, Error, Key, Timestamp};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, mkdirat, openat, statat, unlinkat};
use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::bucket::Bucket;
use crate::meta::Meta;
use crate::{bytes, clock, error, locks, mime};
use head::{Control, Head};

pub(crate) use complete::complete;
pub(crate) use copy::copy;
pub(crate) use list::{count, parts, uploads};
pub(crate) use part::upload;
pub(crate) use sweep::Sweeps;

/// Where the uploads of a bucket are.
const FOLDER: &str = ".lobos/uploads";

/// How often something may be put into a folder while it is emptied.
const TRIES: usize = 16;

/// The name of an upload: 16 hex digits of the time it was begun, in nanoseconds, and 32 that
/// nobody can guess. Names sort by time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadId(String);

impl UploadId {
    const LENGTH: usize = 48;

    fn new() -> Result<Self, Errno> {
        let mut random = [0_u8; 16];
        // So few bytes come whole; a signal can only keep us from the first ones of a boot.
        while let Err(e) = getrandom(&mut random, GetRandomFlags::empty()) {
            if e != Errno::INTR {
                return Err(e);
            }
        }
        let mut text = format!("{:016x}", clock::next());
        for byte in random {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// What a client sends may be anything; only what can be a name of ours becomes a path.
    fn parse(text: &str) -> Option<Self> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == Self::LENGTH && text.bytes().all(digit)).then(|| Self(text.into()))
    }

    /// When it was begun.
    fn initiated(&self) -> Timestamp {
        let digits = self.0.get(..16).unwrap_or_default();
        Timestamp { nanos: u64::from_str_radix(digits, 16).unwrap_or(0) }
    }

    /// Of a file in its folder, or with "" of the folder.
    fn path(&self, name: &str) -> String {
        let slash = if name.is_empty() { "" } else { "/" };
        format!("{FOLDER}/{}{slash}{name}", self.0)
    }
}

fn no_such_upload(upload: &str) -> Error {
    Error::new(Code::NoSuchUpload).element("UploadId", upload)
}

/// Begins an upload.
pub(crate) fn create(
    bucket: &Bucket,
    request: CreateMultipartUpload,
) -> Result<CreatedUpload, Error> {
    let meta = Meta {
        said: mime::unless_guessed(&request.metadata, request.key.as_str()),
        tags: request.tags.pairs().to_vec(),
        key: Some(request.key.as_str().into()),
        ..Meta::default()
    };
    let start = Control::begin(&meta, request.checksum.zip(request.checksum_type))?;
    let id = UploadId::new().map_err(error::write)?;
    begin(bucket, &id, &start).map_err(|e| bucket.failed(e))?;
    Ok(CreatedUpload { request, upload: id.0 })
}

fn begin(bucket: &Bucket, id: &UploadId, start: &[u8]) -> Result<(), Errno> {
    let uploads = bucket.make_ours(FOLDER)?;
    mkdirat(&uploads, id.0.as_str(), Mode::from_raw_mode(0o777))?;
    let whole = || {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let name = format!("{}/{}", id.0, head::NAME);
        let head = openat(&uploads, name, flags, Mode::from_raw_mode(0o666))?;
        bytes::write_at(head.as_fd(), start, 0)?;
        if bucket.is_durable() {
            error::sync(head.as_fd())?;
            error::sync(bucket.open_ours(&id.path(""), FOLDER_FLAGS)?.as_fd())?;
            error::sync(uploads.as_fd())?;
        }
        Ok(())
    };
    let done = whole();
    if done.is_err() {
        let _ = Folder::open(bucket, id).map(|folder| folder.map(|folder| folder.remove(bucket)));
    }
    done
}

/// Drops an upload with all its parts.
pub(crate) fn abort(bucket: &Bucket, request: &AbortMultipartUpload) -> Result<(), Error> {
    let none = || no_such_upload(&request.upload);
    let id = UploadId::parse(&request.upload).ok_or_else(none)?;
    let folder = Folder::open(bucket, &id).map_err(error::write)?.ok_or_else(none)?;
    folder.lock().map_err(error::write)?;
    if folder.is_headless().map_err(error::write)? {
        // What an abort has left that did not get to its end.
        folder.remove(bucket).map_err(error::write)?;
        return Err(none());
    }
    Opened::new(bucket, &request.upload, &request.key, OFlags::RDONLY)?;
    // A time to come is no condition, as S3 has it.
    let now = Timestamp { nanos: clock::next() };
    let initiated = request.initiated.filter(|time| *time <= now);
    if initiated.is_some_and(|time| time.secs() != id.initiated().secs()) {
        let failed = Error::new(Code::PreconditionFailed);
        return Err(failed.condition("x-amz-if-match-initiated-time"));
    }
    drop_durably(bucket, &folder).map_err(error::write)
}

/// A power cut does not bring it back. Where an upload is removed for another reason nobody was
/// told that, and what comes back is removed again.
fn drop_durably(bucket: &Bucket, folder: &Folder) -> Result<(), Errno> {
    folder.remove(bucket)?;
    if bucket.is_durable() {
        error::sync(bucket.open_ours(FOLDER, FOLDER_FLAGS)?.as_fd())?;
    }
    Ok(())
}

const FOLDER_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);

/// The open folder of an upload.
struct Folder {
    id: UploadId,
    fd: OwnedFd,
}

impl Folder {
    /// `None` if there is no such upload.
    fn open(bucket: &Bucket, id: &UploadId) -> Result<Option<Self>, Errno> {
        match bucket.open_ours(&id.path(""), FOLDER_FLAGS) {
            Ok(fd) => Ok(Some(Self { id: id.clone(), fd })),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits until nobody else completes or drops the upload; until it is closed.
    fn lock(&self) -> Result<(), Errno> {
        locks::exclusively(&self.fd)
    }

    /// Whether somebody has begun to remove it.
    fn is_headless(&self) -> Result<bool, Errno> {
        match statat(&self.fd, head::NAME, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(false),
            Err(Errno::NOENT) => Ok(true),
            Err(e) => Err(e),
        }
    }

    /// Removes it with all that is in it. The head goes first: then the upload is no more, and
    /// a part that is under way finds that out.
    fn remove(&self, bucket: &Bucket) -> Result<(), Errno> {
        let uploads = bucket.open_ours(FOLDER, OFlags::PATH | OFlags::DIRECTORY)?;
        ignore_missing(unlinkat(&self.fd, head::NAME, AtFlags::empty()))?;
        for _ in 0..TRIES {
            match unlinkat(&uploads, self.id.0.as_str(), AtFlags::REMOVEDIR) {
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                done => return ignore_missing(done),
            }
            for entry in Dir::read_from(&self.fd)? {
                // Folders, among them "." and "..", are refused by the kernel.
                let _ = unlinkat(&self.fd, entry?.file_name(), AtFlags::empty());
            }
        }
        Err(Errno::NOTEMPTY)
    }
}

fn ignore_missing(done: Result<(), Errno>) -> Result<(), Errno> {
    if done == Err(Errno::NOENT) { Ok(()) } else { done }
}

/// An upload as a request names it: its head, opened and locked.
struct Opened {
    id: UploadId,
    head: Head,
    control: Control,
    meta: Meta,
}

impl Opened {
    /// Nobody changes it until its head is unlocked or closed.
    fn new(bucket: &Bucket, upload: &str, key: &Key, flags: OFlags) -> Result<Self, Error> {
        let none = || no_such_upload(upload);
        let id = UploadId::parse(upload).ok_or_else(none)?;
        let head = Head::open(bucket, &id, flags).map_err(error::read)?.ok_or_else(none)?;
        head.lock().map_err(error::read)?;
        let (control, meta) = head.read().map_err(error::read)?.ok_or_else(none)?;
        if meta.key.as_deref() != Some(key.as_str()) {
            return Err(none());
        }
        Ok(Self { id, head, control, meta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        // Names are different, sorted by time, and nothing else is taken for one.
        let ids: Vec<UploadId> = (0..100).map(|_| UploadId::new().unwrap()).collect();
        assert!(ids.is_sorted_by(|a, b| a.0 < b.0 && a.initiated() < b.initiated()));
        assert_eq!(UploadId::parse(&ids[0].0).as_ref(), Some(&ids[0]));
        let bad = ["", ".", "../x", &"/".repeat(48), &"A".repeat(48), &"a".repeat(49)];
        assert!(bad.iter().all(|text| UploadId::parse(text).is_none()));
        assert_eq!(UploadId::parse(&format!("{}\0", "a".repeat(47))), None);
    }
}
