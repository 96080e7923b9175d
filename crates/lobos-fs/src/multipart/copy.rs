//! UploadPartCopy: a part of the bytes of an object.

use std::os::fd::AsFd;

use lobos_proto::op::{CopiedPart, UploadPartCopy};
use lobos_proto::{Code, Error, Expected, ObjectInfo, Timestamp};

use super::part::{Part, Wanted};
use crate::bucket::Bucket;
use crate::object::Object;

/// Most bytes of a part, and of what is copied at once.
const LARGEST: u64 = 5 << 30;

/// Makes the part of the object that was found for its source.
pub(crate) fn copy(
    bucket: Bucket,
    request: &UploadPartCopy,
    source: &Object,
) -> Result<CopiedPart, Error> {
    let info = &source.info;
    let conditions = &request.source.conditions;
    conditions.check(&info.etag, info.modified).map_err(|e| match e.code() {
        Code::NotModified => Error::new(Code::PreconditionFailed),
        _ => e,
    })?;
    let (first, size) = range(request, info)?;
    let (upload, key, number) = (request.upload.as_str(), &request.key, request.number);
    let (size_known, checksum, verify, copied) = (Some(size), None, &[][..], true);
    let wanted = Wanted { upload, key, number, size: size_known, checksum, verify, copied };
    let mut part = Part::begin(bucket, &wanted)?;
    if let Some(file) = source.source.file() {
        part.copy(file.as_fd(), first, size)?;
    }
    let part = part.finish(&Expected::default())?;
    let modified = Timestamp { nanos: part.time };
    Ok(CopiedPart { etag: part.etag, modified, checksum: part.checksum })
}

/// The first byte and how many.
fn range(request: &UploadPartCopy, info: &ObjectInfo) -> Result<(u64, u64), Error> {
    let (first, size) = match request.range {
        None => (0, info.size),
        Some((first, last)) if first <= last && last < info.size => (first, last - first + 1),
        Some((first, last)) => {
            let size = info.size;
            return Err(Error::new(Code::InvalidArgument)
                .message(format!("Range specified is not valid for source object of size: {size}"))
                .argument("x-amz-copy-source-range", &format!("bytes={first}-{last}")));
        }
    };
    if size > LARGEST {
        return Err(Error::new(Code::InvalidRequest).message(format!(
            "The specified copy source is larger than the maximum allowable size for a copy \
             source: {LARGEST}"
        )));
    }
    Ok((first, size))
}
