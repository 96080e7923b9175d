//! ListParts and ListMultipartUploads.

use lobos_proto::op::{
    ListMultipartUploads, ListParts, ListedPart, ListedUpload, PartsPage, UploadsPage,
};
use lobos_proto::{Error, Timestamp};
use rustix::fs::{Dir, OFlags};
use rustix::io::Errno;

use super::head::Head;
use super::{FOLDER, FOLDER_FLAGS, Opened, UploadId};
use crate::bucket::Bucket;
use crate::error;

/// A page of the parts of an upload.
pub(crate) fn parts(bucket: &Bucket, request: ListParts) -> Result<PartsPage, Error> {
    let opened = Opened::new(bucket, &request.upload, &request.key, OFlags::RDONLY)?;
    let most = usize::try_from(request.max_parts).unwrap_or(usize::MAX);
    let (mut parts, mut truncated) = (Vec::new(), false);
    let visit = |number, slot: super::slot::Slot| {
        let Some(part) = slot.part else { return true };
        truncated = parts.len() == most && most > 0;
        if parts.len() == most {
            return false;
        }
        parts.push(ListedPart {
            number,
            size: part.size,
            etag: part.etag,
            modified: Timestamp { nanos: part.time },
            checksum: part.checksum,
        });
        true
    };
    opened.head.slots(&opened.control, request.marker, visit).map_err(error::read)?;
    let (checksum, checksum_type) = opened.control.checksum.unzip();
    Ok(PartsPage { request, parts, truncated, checksum, checksum_type })
}

/// How many uploads are under way, as far as that can be read.
pub(crate) fn count(bucket: &Bucket) -> u64 {
    let folder = bucket.open_ours(FOLDER, FOLDER_FLAGS).and_then(Dir::new);
    let names = folder.into_iter().flatten().filter_map(Result::ok);
    let is_upload = |name: &str| UploadId::parse(name).is_some();
    names.filter(|entry| entry.file_name().to_str().is_ok_and(is_upload)).count() as u64
}

/// A page of the uploads that are under way.
pub(crate) fn uploads(
    bucket: &Bucket,
    request: ListMultipartUploads,
) -> Result<UploadsPage, Error> {
    let mut found = read(bucket, &request).map_err(error::read)?;
    found.sort_unstable_by(|a, b| {
        a.key.as_bytes().cmp(b.key.as_bytes()).then_with(|| a.upload.cmp(&b.upload))
    });
    let most = usize::try_from(request.max_uploads).unwrap_or(usize::MAX);
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::<String>::new());
    let (mut last, mut next) = (None, None);
    for upload in found {
        let prefix = common_prefix(&request, &upload.key);
        if prefix.is_some() && prefix == prefixes.last().map(String::as_str) {
            continue;
        }
        if uploads.len() + prefixes.len() == most {
            next = last;
            break;
        }
        if let Some(prefix) = prefix {
            last = Some((prefix.to_owned(), String::new()));
            prefixes.push(prefix.to_owned());
        } else {
            last = Some((upload.key.clone(), upload.upload.clone()));
            uploads.push(upload);
        }
    }
    Ok(UploadsPage { request, uploads, prefixes, next })
}

/// All that come after the markers, in no order.
fn read(bucket: &Bucket, request: &ListMultipartUploads) -> Result<Vec<ListedUpload>, Errno> {
    let mut found = Vec::new();
    let folder = match bucket.open_ours(FOLDER, FOLDER_FLAGS) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(found),
        Err(e) => return Err(e),
    };
    for entry in Dir::new(folder)? {
        let entry = entry?;
        let Some(id) = entry.file_name().to_str().ok().and_then(UploadId::parse) else { continue };
        let Some(head) = Head::open(bucket, &id, OFlags::RDONLY)? else { continue };
        let Some((control, meta)) = head.read()? else { continue };
        let Some(key) = meta.key.filter(|key| comes(request, key, &id)) else { continue };
        let (checksum, checksum_type) = control.checksum.unzip();
        let initiated = id.initiated();
        found.push(ListedUpload { key, upload: id.0, initiated, checksum, checksum_type });
    }
    Ok(found)
}

/// Whether the upload comes after the markers and has the prefix.
fn comes(request: &ListMultipartUploads, key: &str, id: &UploadId) -> bool {
    let marker = request.key_marker.as_str();
    if !key.starts_with(&request.prefix) {
        return false;
    }
    match key.as_bytes().cmp(marker.as_bytes()) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => {
            !request.upload_marker.is_empty() && id.0.as_str() > request.upload_marker.as_str()
        }
        // A marker that is a common prefix stands for all that is in it.
        std::cmp::Ordering::Greater => {
            marker.is_empty() || common_prefix(request, key).is_none_or(|prefix| prefix != marker)
        }
    }
}

/// The key up to the delimiter after the prefix.
fn common_prefix<'k>(request: &ListMultipartUploads, key: &'k str) -> Option<&'k str> {
    let delimiter = request.delimiter.as_deref()?;
    let at = key.get(request.prefix.len()..)?.find(delimiter)?;
    key.get(..request.prefix.len() + at + delimiter.len())
}
