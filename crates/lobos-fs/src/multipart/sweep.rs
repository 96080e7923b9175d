//! Uploads that nobody goes on with are removed: when a bucket is first used for uploads, and
//! then once an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lobos_proto::BucketName;
use rustix::fs::{AtFlags, Dir, FlockOperation, Stat, flock, fstat, statat};
use rustix::io::Errno;

use super::{FOLDER, FOLDER_FLAGS, Folder, UploadId, head};
use crate::bucket::Bucket;
use crate::meta::Stamp;
use crate::{clock, warn};

/// How often a bucket is looked through.
const PERIOD: Duration = Duration::from_secs(3600);

/// A folder without a head may be about to get one.
const HALF_MADE: Duration = Duration::from_secs(3600);

/// When each bucket was last looked through.
#[derive(Default)]
pub(crate) struct Sweeps(Mutex<HashMap<BucketName, Instant>>);

impl Sweeps {
    /// Whether the next [`Sweeps::run`] has work to do.
    pub(crate) fn is_due(&self, bucket: &BucketName) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(bucket).is_none_or(|last| last.elapsed() >= PERIOD)
    }

    /// Removes stale uploads and what crashes left, if it is time. Never fails: the next one will
    /// do it.
    pub(crate) fn run(&self, bucket: &Bucket) {
        if !self.is_due(bucket.name()) {
            return;
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.insert(bucket.name().clone(), Instant::now());
        drop(last);
        if let Err(e) = sweep(bucket) {
            let name = bucket.name().as_str();
            warn::warn(&format!("stale uploads of {name:?} are not removed: {e}"));
        }
    }
}

fn sweep(bucket: &Bucket) -> Result<(), Errno> {
    let uploads = match bucket.open_ours(FOLDER, FOLDER_FLAGS) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in Dir::new(uploads)? {
        let entry = entry?;
        if let Some(id) = entry.file_name().to_str().ok().and_then(UploadId::parse)
            && let Some(folder) = Folder::open(bucket, &id)?
            && is_stale(bucket, &folder)?
            // Somebody completes or drops it in this moment?
            && flock(&folder.fd, FlockOperation::NonBlockingLockExclusive).is_ok()
            && is_stale(bucket, &folder)?
        {
            folder.remove(bucket)?;
        }
    }
    Ok(())
}

/// The head is written whenever a part comes, and when one begins.
fn is_stale(bucket: &Bucket, folder: &Folder) -> Result<bool, Errno> {
    match statat(&folder.fd, head::NAME, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(head) => Ok(age(&head) > bucket.shared().options.expire_uploads),
        Err(Errno::NOENT) => Ok(age(&fstat(&folder.fd)?) > HALF_MADE),
        Err(e) => Err(e),
    }
}

/// Since the last change; none if the clock was set back.
fn age(stat: &Stat) -> Duration {
    Duration::from_nanos(clock::next().saturating_sub(Stamp::of(stat).mtime))
}
