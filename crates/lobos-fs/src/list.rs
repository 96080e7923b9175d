//! ListObjects: fills one page from the files of a bucket and the keys that it keeps aside.

use std::sync::Arc;

use lobos_proto::Error;
use lobos_proto::op::{ListObjects, ListedObject, Page};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::readers::Readers;
use crate::snapshot::{Live, Snapshots};
use crate::walk::{Entry, Seek, Walk};
use crate::{aside, error, warn};

/// Lists buckets.
///
/// A folder shows as a common prefix only if some object is in it, at any depth, or if it is an
/// object itself: S3 has no empty folders, and `aws s3 rm --recursive` must be able to remove all
/// that it is shown. What nobody may read, and names that are not UTF-8, show as if they were not
/// there.
pub(crate) struct Lister {
    names: Arc<Names>,
    readers: Readers,
}

/// What is known of the names on the disk.
struct Names {
    snapshots: Snapshots,
    aside: aside::Remembered,
}

/// Pages of more keys than this run where attributes are read faster: the way there costs some
/// 15 us.
const LONG: u32 = 32;

impl Lister {
    /// Keeps names of folders within a budget in bytes, and takes those of the folders in `live`.
    pub(crate) fn new(budget: usize, live: Arc<Live>) -> Self {
        let (snapshots, aside) = (Snapshots::new(budget, live), aside::Remembered::default());
        Self { names: Arc::new(Names { snapshots, aside }), readers: Readers::default() }
    }

    /// One page of a bucket, as it is now.
    ///
    /// # Errors
    /// What the disk says of the bucket itself. A folder beneath it that cannot be read holds
    /// nothing.
    pub(crate) fn page(&self, bucket: &Bucket, request: ListObjects) -> Result<Page, Error> {
        let is_read = bucket.has_md5() && !self.names.snapshots.live().wanted.is_open();
        if !is_read || request.max_keys <= LONG {
            return page(&self.names, bucket, request);
        }
        let (names, bucket) = (Arc::clone(&self.names), bucket.clone());
        self.readers.run(move || page(&names, &bucket, request))?
    }
}

fn page(names: &Names, bucket: &Bucket, request: ListObjects) -> Result<Page, Error> {
    let mut page = Page { request, objects: Vec::new(), prefixes: Vec::new(), next: None };
    match fill(names, bucket, &mut page) {
        Ok(()) => Ok(page),
        Err(errno) => Err(error::read(errno)),
    }
}

fn fill(names: &Names, bucket: &Bucket, page: &mut Page) -> Result<(), Errno> {
    let Page { request, objects, prefixes, next } = page;
    let (prefix, after) = (request.prefix.as_str(), request.after.as_deref());
    let is_over = after.is_some_and(|after| after > prefix && !after.starts_with(prefix));
    if request.max_keys == 0 || is_over {
        return Ok(());
    }
    let after = after.filter(|after| after.starts_with(prefix));
    names.snapshots.live().drain();
    let mut keys = Keys::new(names, bucket, request, after)?;
    let mut left = request.max_keys;
    if request.delimiter.is_none() {
        objects.reserve(left as usize);
    }
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
    if keys.left_out > 0 {
        let (name, left_out) = (bucket.name().as_str(), keys.left_out);
        warn::warn(&format!(
            "not listed, since XML cannot have them: {left_out} keys of {name}; \
             with encoding-type=url they are"
        ));
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
    bucket: &'a Bucket,
    files: Walk<'a>,
    /// The keys aside, the one that is next, and how to look at it.
    aside: aside::Keys,
    at: usize,
    looker: aside::Looker,
    request: &'a ListObjects,
    prefix: &'a str,
    /// How many could not stand in the answer.
    left_out: usize,
}

impl<'a> Keys<'a> {
    /// `after` begins with the prefix.
    fn new(
        names: &'a Names,
        bucket: &'a Bucket,
        request: &'a ListObjects,
        after: Option<&str>,
    ) -> Result<Self, Errno> {
        let prefix = request.prefix.as_str();
        let files = Walk::new(bucket, &names.snapshots, prefix)?;
        let aside = names.aside.keys(bucket)?;
        let at = aside.partition_point(|key| match after {
            Some(after) => key.as_str() <= after,
            None => key.as_str() < prefix,
        });
        let looker = aside::Looker::default();
        let left_out = 0;
        let mut keys = Self { bucket, files, aside, at, looker, request, prefix, left_out };
        match after {
            Some(after) if request.common_prefix(after) == Some(after) => keys.pass(after)?,
            Some(after) => keys.files.seek(Seek::After(after))?,
            None => {}
        }
        Ok(keys)
    }

    fn next(&mut self) -> Result<Option<Found>, Errno> {
        loop {
            let aside = self.aside.get(self.at).map(String::as_str);
            let aside = aside.filter(|key| key.starts_with(self.prefix));
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
        let common = self.request.common_prefix(self.files.key()).map(str::to_owned);
        let Some(common) = common else {
            if entry == Entry::Folder {
                self.files.enter()?;
                return Ok(None);
            }
            if !self.request.can_show(self.files.key()) {
                self.left_out += 1;
                self.files.advance();
                return Ok(None);
            }
            let object = self.files.object()?;
            self.files.advance();
            if object.as_ref().is_some_and(|object| self.aside.get(self.at) == Some(&object.key)) {
                // A file wins over the same key aside, as it does for GetObject.
                self.at += 1;
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
        Ok(self.shown(common))
    }

    /// A common prefix, if it can stand in the answer.
    fn shown(&mut self, common: String) -> Option<Found> {
        let can_show = self.request.can_show(&common);
        self.left_out += usize::from(!can_show);
        can_show.then_some(Found::Prefix(common))
    }

    fn next_aside(&mut self) -> Result<Option<Found>, Errno> {
        let Some(key) = self.aside.get(self.at) else { return Ok(None) };
        let common = self.request.common_prefix(key).map(str::to_owned);
        if common.is_none() && !self.request.can_show(key) {
            (self.at, self.left_out) = (self.at + 1, self.left_out + 1);
            return Ok(None);
        }
        let object = self.looker.look(self.bucket, key)?;
        self.at += 1;
        match (object, common) {
            (Some(_), Some(common)) => {
                self.pass(&common)?;
                Ok(self.shown(common))
            }
            (object, _) => Ok(object.map(Found::Object)),
        }
    }

    /// Goes past all keys that begin with `common`, without looking at them.
    fn pass(&mut self, common: &str) -> Result<(), Errno> {
        let is_before = |key: &String| key.as_str() < common || key.starts_with(common);
        self.at = self.aside.partition_point(is_before).max(self.at);
        let key = self.files.key();
        let is_ahead = key >= common && !key.starts_with(common);
        if self.files.entry().is_none() || is_ahead {
            return Ok(());
        }
        self.files.seek(Seek::Past(common))
    }
}
