//! CompleteMultipartUpload: checks the list of parts, makes one file of them, and gives it the
//! key in one step. Whatever fails leaves the upload as it was.

use lobos_proto::op::{CompleteMultipartUpload, CompletedUpload};
use lobos_proto::{Code, Error, ObjectPart, Parts, Stored};
use rustix::fs::OFlags;

use super::checks::{self, Choice};
use super::join::{self, Failed};
use super::{Folder, Opened, UploadId, checksum, no_such_upload};
use crate::bucket::Bucket;
use crate::meta::Meta;
use crate::publish::Terms;
use crate::{error, object, publish, warn};

/// How often parts may be replaced while they are joined.
const TRIES: usize = 8;

/// Makes the object.
pub(crate) fn complete(
    bucket: &Bucket,
    request: CompleteMultipartUpload,
) -> Result<CompletedUpload, Error> {
    let stored = make(bucket, &request)?;
    Ok(CompletedUpload { bucket: request.bucket, key: request.key, stored })
}

fn make(bucket: &Bucket, request: &CompleteMultipartUpload) -> Result<Stored, Error> {
    let none = || no_such_upload(&request.upload);
    let id = UploadId::parse(&request.upload).ok_or_else(none)?;
    let Some(folder) = Folder::open(bucket, &id).map_err(error::read)? else {
        return made(bucket, request)?.ok_or_else(none);
    };
    folder.lock().map_err(error::read)?;
    for _ in 0..TRIES {
        let opened = match Opened::new(bucket, &request.upload, &request.key, OFlags::RDWR) {
            Err(e) if e.code() == Code::NoSuchUpload => {
                let stored = made(bucket, request)?.ok_or(e)?;
                let _ = folder.remove(bucket);
                return Ok(stored);
            }
            opened => opened?,
        };
        match attempt(bucket, request, &folder, opened) {
            Ok(stored) => {
                if let Err(e) = folder.remove(bucket) {
                    warn::warn(&format!("a completed upload is not removed: {e}"));
                }
                return Ok(stored);
            }
            Err(Failed::By(error)) => return Err(error),
            // Made by a process that died before it could say so?
            Err(Failed::Lost) => {
                if let Some(stored) = made(bucket, request)? {
                    let _ = folder.remove(bucket);
                    return Ok(stored);
                }
            }
        }
    }
    Err(Error::new(Code::InvalidPart).element("UploadId", &request.upload))
}

/// The object, if it came by this upload: S3 answers a repeated Complete as it did the first.
fn made(bucket: &Bucket, request: &CompleteMultipartUpload) -> Result<Option<Stored>, Error> {
    let object = object::find(bucket, &request.key)?;
    let object = object.filter(|o| o.upload.as_deref() == Some(request.upload.as_str()));
    Ok(object.map(|object| {
        let info = object.info;
        Stored { etag: info.etag, size: info.size, checksums: info.checksums }
    }))
}

/// Makes the object of the parts as they are now.
fn attempt(
    bucket: &Bucket,
    request: &CompleteMultipartUpload,
    folder: &Folder,
    mut opened: Opened,
) -> Result<Stored, Failed> {
    publish::check(bucket, &request.key, &request.conditions).map_err(Failed::By)?;
    let min_part_size = bucket.shared().options.min_part_size;
    let choice = checks::choose(&opened, request, min_part_size).map_err(Failed::By)?;
    // From here on nobody begins to write into the files that are to be the object.
    opened.control.sealed = true;
    opened.head.write_control(&opened.control)?;
    opened.head.unlock();
    let done = publish(bucket, request, folder, &opened, &choice);
    if done.is_err() && opened.head.lock().is_ok() {
        // What others changed meanwhile stays; one that stays sealed costs copies.
        if let Ok(Some((mut control, _))) = opened.head.read() {
            control.sealed = false;
            let _ = opened.head.write_control(&control);
        }
    }
    done
}

fn publish(
    bucket: &Bucket,
    request: &CompleteMultipartUpload,
    folder: &Folder,
    opened: &Opened,
    choice: &Choice,
) -> Result<Stored, Failed> {
    let key = &request.key;
    let meta = meta(request, opened, choice).map_err(Failed::By)?;
    let temp = join::join(bucket, folder, key, choice)?;
    let (etag, checksums) = (meta.etag, meta.checksums.clone());
    let sealed = publish::seal(bucket, key, temp, meta).map_err(Failed::By)?;
    let (size, conditions) = (sealed.stamp.size, &request.conditions);
    let check = || publish::check(bucket, key, conditions);
    let (absent, alone) = (conditions.absent, conditions.matches.is_some());
    let terms = Terms { absent, alone, check: &check };
    let land = || {
        let turn = publish::turn(bucket, key, &terms)
            .inspect_err(|_| publish::forget(bucket, key, &sealed))?;
        publish::publish(bucket, key, (absent, turn.has()), sealed)
    };
    let stamp = land().map_err(Failed::By)?;
    let etag = etag.filter(|_| bucket.has_md5()).unwrap_or_else(|| stamp.etag());
    Ok(Stored { etag, size, checksums })
}

/// What is kept of the object, once that all is as the client says.
fn meta(
    request: &CompleteMultipartUpload,
    opened: &Opened,
    choice: &Choice,
) -> Result<Meta, Error> {
    let (named, parts) = (opened.control.checksum, &choice.parts);
    let computed = checksum::of_object(named, parts);
    let (said, kind) = (request.checksum.as_ref(), request.checksum_type);
    checksum::check(named, computed.as_ref(), said, kind, parts)?;
    let part = |part: &checks::Chosen| ObjectPart {
        number: part.number,
        size: part.record.size,
        checksum: part.record.checksum.filter(|_| named.is_some()),
    };
    Ok(Meta {
        etag: checksum::etag(parts),
        checksums: computed.into_iter().collect(),
        parts: Some(Parts::new(parts.iter().map(part).collect())),
        upload: Some(request.upload.clone()),
        key: None,
        ..opened.meta.clone()
    })
}
