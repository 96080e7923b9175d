//! ListObjects: fills one page from the files of a bucket and the keys that it keeps aside.

use std::iter::Peekable;
use std::sync::Arc;
use std::vec::IntoIter;

use lobos_proto::Error;
use lobos_proto::op::{ListObjects, ListedObject, Page};
use rustix::io::Errno;

use crate::aside::{self, AsideKey};
use crate::bucket::Bucket;
use crate::error;
use crate::readers::Readers;
use crate::snapshot::{Live, Snapshots};
use crate::walk::{Entry, Seek, Walk};

/// Lists buckets.
///
/// A folder shows as a common prefix only if some object is in it, at any depth, or if it is an
/// object itself: S3 has no empty folders, and `aws s3 rm --recursive` must be able to remove all
/// that it is shown. What nobody may read, and names that are not UTF-8, show as if they were not
/// there.
pub(crate) struct Lister {
    snapshots: Arc<Snapshots>,
    readers: Readers,
}

/// Pages of more keys than this run where attributes are read faster: the way there costs some
/// 15 us.
const LONG: u32 = 32;

impl Lister {
    /// Keeps names of folders within a budget in bytes, and takes those of the folders in `live`.
    pub(crate) fn new(budget: usize, live: Arc<Live>) -> Self {
        let snapshots = Arc::new(Snapshots::new(budget, live));
        Self { snapshots, readers: Readers::default() }
    }

    /// One page of a bucket, as it is now.
    ///
    /// # Errors
    /// What the disk says of the bucket itself. A folder beneath it that cannot be read holds
    /// nothing.
    pub(crate) fn page(&self, bucket: &Bucket, request: ListObjects) -> Result<Page, Error> {
        let is_read = bucket.has_md5() && !self.snapshots.live().wanted.is_open();
        if !is_read || request.max_keys <= LONG {
            return page(&self.snapshots, bucket, request);
        }
        let (snapshots, bucket) = (Arc::clone(&self.snapshots), bucket.clone());
        self.readers.run(move || page(&snapshots, &bucket, request))?
    }
}

fn page(snapshots: &Snapshots, bucket: &Bucket, request: ListObjects) -> Result<Page, Error> {
    let mut page = Page { request, objects: Vec::new(), prefixes: Vec::new(), next: None };
    match fill(snapshots, bucket, &mut page) {
        Ok(()) => Ok(page),
        Err(errno) => Err(error::read(errno)),
    }
}

fn fill(snapshots: &Snapshots, bucket: &Bucket, page: &mut Page) -> Result<(), Errno> {
    let Page { request, objects, prefixes, next } = page;
    let (prefix, after) = (request.prefix.as_str(), request.after.as_deref());
    let is_over = after.is_some_and(|after| after > prefix && !after.starts_with(prefix));
    if request.max_keys == 0 || is_over {
        return Ok(());
    }
    let after = after.filter(|after| after.starts_with(prefix));
    snapshots.live().drain();
    let mut keys = Keys::new(snapshots, bucket, request, after)?;
    let mut left = request.max_keys;
    while let Some(found) = keys.next()? {
        if left == 0 {
            let last = objects.last().map(|object: &ListedObject| &object.key);
            *next = last.max(prefixes.last()).cloned();
            break;
        }
        left -= 1;
        match found {
            Found::Object(object) => objects.push(object),
            Found::Prefix(prefix) => prefixes.push(prefix),
        }
    }
    Ok(())
}

/// What counts as one on a page.
enum Found {
    Object(ListedObject),
    Prefix(String),
}

/// The objects and common prefixes that a request asks for, in byte order.
struct Keys<'a> {
    files: Walk<'a>,
    aside: Peekable<IntoIter<AsideKey>>,
    prefix: &'a str,
    delimiter: Option<&'a str>,
}

impl<'a> Keys<'a> {
    /// `after` begins with the prefix.
    fn new(
        snapshots: &'a Snapshots,
        bucket: &'a Bucket,
        request: &'a ListObjects,
        after: Option<&str>,
    ) -> Result<Self, Errno> {
        let (prefix, delimiter) = (request.prefix.as_str(), request.delimiter.as_deref());
        let files = Walk::new(bucket, snapshots, prefix)?;
        let aside = aside::keys(bucket, prefix, after);
        let aside = aside.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))?;
        let aside = aside.into_iter().peekable();
        let mut keys = Self { files, aside, prefix, delimiter };
        match after {
            Some(after) if keys.common_prefix(after) == Some(after) => keys.pass(after)?,
            Some(after) => keys.files.seek(Seek::After(after))?,
            None => {}
        }
        Ok(keys)
    }

    fn next(&mut self) -> Result<Option<Found>, Errno> {
        loop {
            let aside = self.aside.peek().map(|aside| aside.key.as_str());
            let found = match (self.files.entry(), aside) {
                (None, None) => return Ok(None),
                (Some(entry), aside) if aside.is_none_or(|key| self.files.key() <= key) => {
                    self.next_file(entry)?
                }
                _ => self.next_aside()?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// Handles what the walk stands at; `None` if that is nothing to list.
    fn next_file(&mut self, entry: Entry) -> Result<Option<Found>, Errno> {
        let common = self.common_prefix(self.files.key()).map(str::to_owned);
        let Some(common) = common else {
            if entry == Entry::Folder {
                self.files.enter()?;
                return Ok(None);
            }
            let object = self.files.object()?;
            self.files.advance();
            if let Some(object) = &object {
                // A file wins over the same key aside, as it does for GetObject.
                self.aside.next_if(|aside| aside.key == object.key);
            }
            return Ok(object.map(Found::Object));
        };
        let is_there = if entry == Entry::Folder {
            self.files.pass()?
        } else {
            let is_there = self.files.is_there()?;
            self.files.advance();
            is_there
        };
        if !is_there {
            return Ok(None);
        }
        self.pass(&common)?;
        Ok(Some(Found::Prefix(common)))
    }

    fn next_aside(&mut self) -> Result<Option<Found>, Errno> {
        let Some(aside) = self.aside.next() else { return Ok(None) };
        if let Some(common) = self.common_prefix(&aside.key).map(str::to_owned) {
            self.pass(&common)?;
            return Ok(Some(Found::Prefix(common)));
        }
        let AsideKey { key, size, modified, etag } = aside;
        Ok(Some(Found::Object(ListedObject { key, size, modified, etag })))
    }

    /// Goes past all keys that begin with `common`, without looking at them.
    fn pass(&mut self, common: &str) -> Result<(), Errno> {
        while self.aside.next_if(|aside| aside.key.starts_with(common)).is_some() {}
        let key = self.files.key();
        let is_ahead = key >= common && !key.starts_with(common);
        if self.files.entry().is_none() || is_ahead {
            return Ok(());
        }
        self.files.seek(Seek::Past(common))
    }

    /// The part of a key up to the first delimiter after the prefix.
    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter?;
        let at = key.get(self.prefix.len()..)?.find(delimiter)?;
        key.get(..self.prefix.len() + at + delimiter.len())
    }
}
