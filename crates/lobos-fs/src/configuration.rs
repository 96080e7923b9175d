//! The configurations of a bucket: each is a file in `.lobos/config`, a document as it was put.

use std::os::fd::AsFd;

use lobos_proto::op::{Configuration, GetBucketConfiguration, PutBucketConfiguration};
use lobos_proto::{Error, Response};
use rustix::fs::{AtFlags, OFlags, fstat, unlinkat};
use rustix::io::Errno;

use crate::bucket::Bucket;
use crate::temp::Temp;
use crate::{error, object};

const FOLDER: &str = ".lobos/config";

/// What a document can have; the core takes 2 MiB of a client, and escapes grow.
const LARGEST: usize = 16 << 20;

/// A GET of any of them.
pub(crate) fn get(bucket: &Bucket, get: &GetBucketConfiguration) -> Result<Response, Error> {
    get.respond(read(bucket, get.kind)?)
}

/// A PUT or DELETE of any of them.
pub(crate) fn put(bucket: &Bucket, put: &PutBucketConfiguration) -> Result<Response, Error> {
    match &put.document {
        Some(document) => {
            write(bucket, put.kind, document).map(|()| Response::PutBucketConfiguration(put.kind))
        }
        None => remove(bucket, put.kind).map(|()| Response::DeleteBucketConfiguration),
    }
}

/// What is kept; `None` if there is none that makes sense.
pub(crate) fn read(bucket: &Bucket, kind: Configuration) -> Result<Option<String>, Error> {
    match try_read(bucket, kind) {
        Ok(found) => Ok(found.and_then(|bytes| String::from_utf8(bytes).ok())),
        Err(e) if error::is_missing(e) => Ok(None),
        Err(e) => Err(error::read(e)),
    }
}

fn try_read(bucket: &Bucket, kind: Configuration) -> Result<Option<Vec<u8>>, Errno> {
    let path = format!("{FOLDER}/{}", kind.name());
    let file = bucket.open_ours(&path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    let stat = fstat(&file)?;
    let size = usize::try_from(stat.st_size).ok().filter(|size| *size <= LARGEST);
    let Some(size) = size.filter(|_| object::is_regular(stat.st_mode)) else { return Ok(None) };
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::io::read(&file, rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(Some(bytes))
}

/// Keeps `document` in the place of what was kept before, in one step.
pub(crate) fn write(bucket: &Bucket, kind: Configuration, document: &str) -> Result<(), Error> {
    try_write(bucket, kind, document).map_err(|e| bucket.failed(e))
}

fn try_write(bucket: &Bucket, kind: Configuration, document: &str) -> Result<(), Errno> {
    let folder = bucket.make_ours(FOLDER)?;
    let mut temp = Temp::within(bucket, (folder.as_fd(), FOLDER))?;
    error::write_all(temp.file().as_fd(), document.as_bytes())?;
    if bucket.is_durable() {
        error::sync(temp.file().as_fd())?;
    }
    temp.replace(bucket, (folder.as_fd(), FOLDER), kind.name())?;
    if bucket.is_durable() {
        error::sync(folder.as_fd())?;
    }
    Ok(())
}

/// Removes what is kept, if anything is.
fn remove(bucket: &Bucket, kind: Configuration) -> Result<(), Error> {
    let folder = match bucket.open_ours(FOLDER, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(folder) => folder,
        Err(e) if error::is_missing(e) => return Ok(()),
        Err(e) => return Err(error::write(e)),
    };
    match unlinkat(&folder, kind.name(), AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::NOENT) => return Ok(()),
        Err(e) => return Err(bucket.failed(e)),
    }
    if bucket.is_durable() {
        error::sync(folder.as_fd()).map_err(error::write)?;
    }
    Ok(())
}
