//! One file of all the parts: mostly the one in which they lie already.

use std::os::fd::{AsFd, OwnedFd};

use lobos_proto::{Error, Key};
use rustix::fs::{OFlags, fstat, ftruncate};
use rustix::io::Errno;

use super::checks::{Choice, Chosen};
use super::part::{own_name, shared_name};
use super::slot::Place;
use super::{Folder, UploadId};
use crate::bucket::Bucket;
use crate::temp::Temp;
use crate::{bytes, error, key};

/// Why there is no file.
pub(crate) enum Failed {
    /// A file of the upload is not what its head says: a part was replaced, or the object is made
    /// already.
    Lost,
    By(Error),
}

impl From<Errno> for Failed {
    fn from(errno: Errno) -> Self {
        Self::By(error::write(errno))
    }
}

/// A file in which parts lie at their place.
#[derive(Clone, Copy)]
struct Base {
    /// The number matters for a file of a part's own only.
    number: u32,
    place: Place,
}

impl Base {
    fn name(&self) -> String {
        match self.place {
            Place::Own { mark } => own_name(self.number, mark),
            Place::Shared { stride } => shared_name(stride),
            Place::Nowhere => String::new(),
        }
    }

    /// Where the part begins, if it is in this file.
    fn offset_of(&self, part: &Chosen) -> Option<u64> {
        (part.record.place == self.place).then(|| offset(part))
    }

    /// Whether the part is at this place of the file already.
    fn has(&self, part: &Chosen, at: u64) -> bool {
        part.record.size == 0 || self.offset_of(part) == Some(at)
    }
}

/// Where a part begins in its file.
fn offset(part: &Chosen) -> u64 {
    match part.record.place {
        Place::Shared { stride } => u64::from(part.number.saturating_sub(1)).saturating_mul(stride),
        Place::Nowhere | Place::Own { .. } => 0,
    }
}

/// The parts with the place of each in the object.
fn placed(parts: &[Chosen]) -> impl Iterator<Item = (&Chosen, u64)> {
    let mut end = 0_u64;
    parts.iter().map(move |part| {
        let at = end;
        end = end.saturating_add(part.record.size);
        (part, at)
    })
}

/// A file of all parts in a row. It is no harm to the upload if nothing comes of it.
pub(crate) fn join(
    bucket: &Bucket,
    folder: &Folder,
    key: &Key,
    choice: &Choice,
) -> Result<Temp, Failed> {
    let total = choice.parts.iter().map(|part| part.record.size).sum();
    let mut files = Files { bucket, id: &folder.id, last: None };
    let Some(base) = base(choice) else {
        let temp = Temp::near(bucket, key::folder(key.as_str()))?;
        for (part, at) in placed(&choice.parts) {
            files.copy(part, temp.file(), at)?;
        }
        return Ok(temp);
    };
    let file = files.open(&base.name())?;
    let whole = placed(&choice.parts).filter(|(part, at)| base.has(part, *at));
    let end = whole.map(|(part, at)| at.saturating_add(part.record.size)).max();
    let size = size(&file)?;
    if size < end.unwrap_or(0) {
        return Err(Failed::Lost);
    }
    for (part, at) in placed(&choice.parts) {
        if !base.has(part, at) {
            files.copy(part, &file, at)?;
        }
    }
    if size > total {
        ftruncate(&file, total)?;
    }
    let folder = rustix::io::fcntl_dupfd_cloexec(&folder.fd, 0)?;
    Ok(Temp::kept(bucket, file, folder, base.name()))
}

/// The file that has most bytes in place; all that it has must be in place.
fn base(choice: &Choice) -> Option<Base> {
    let parts = || choice.parts.iter().filter(|part| part.record.size > 0);
    let mut found: Vec<(Base, u64)> = Vec::new();
    for (part, at) in placed(&choice.parts).filter(|(part, _)| part.record.size > 0) {
        let base = Base { number: part.number, place: part.record.place };
        if offset(part) != at {
            continue;
        }
        match found.iter_mut().find(|(known, _)| known.place == base.place) {
            Some((_, bytes)) => *bytes = bytes.saturating_add(part.record.size),
            // Only the very first part can be in place in a file of its own, and all others of a
            // file of parts lie where they do: there are few of these files.
            None => found.push((base, part.record.size)),
        }
    }
    let is_free = |base: &Base| match base.place {
        Place::Shared { stride } => {
            let in_place = |(part, at): (&Chosen, u64)| {
                base.offset_of(part).is_none_or(|offset| offset == at || part.record.size == 0)
            };
            !choice.busy.contains(&stride) && placed(&choice.parts).all(in_place)
        }
        Place::Own { .. } => parts().next().is_some_and(|first| first.number == base.number),
        Place::Nowhere => false,
    };
    found.sort_unstable_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    found.into_iter().map(|(base, _)| base).find(is_free)
}

fn size(file: &OwnedFd) -> Result<u64, Errno> {
    Ok(u64::try_from(fstat(file)?.st_size).unwrap_or(0))
}

/// The files of an upload; the last one that was open stays so.
struct Files<'f> {
    bucket: &'f Bucket,
    id: &'f UploadId,
    last: Option<(Place, OwnedFd)>,
}

impl Files<'_> {
    fn open(&self, name: &str) -> Result<OwnedFd, Failed> {
        match self.bucket.open_ours(&self.id.path(name), OFlags::RDWR) {
            Err(Errno::NOENT) => Err(Failed::Lost),
            done => Ok(done?),
        }
    }

    /// Copies a part to this place of another file.
    fn copy(&mut self, part: &Chosen, target: impl AsFd, at: u64) -> Result<(), Failed> {
        let place = part.record.place;
        if part.record.size == 0 {
            return Ok(());
        }
        if self.last.as_ref().is_none_or(|(known, _)| *known != place) {
            let name = Base { number: part.number, place }.name();
            self.last = Some((place, self.open(&name)?));
        }
        let Some((_, file)) = &self.last else { return Err(Failed::Lost) };
        let source = (file.as_fd(), offset(part));
        match bytes::copy(source, (target.as_fd(), at), part.record.size)? {
            true => Ok(()),
            false => Err(Failed::Lost),
        }
    }
}
