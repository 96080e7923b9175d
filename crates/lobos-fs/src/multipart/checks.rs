//! Whether the parts that Complete lists are there, as the client knows them.

use lobos_proto::op::{CompleteMultipartUpload, CompletedPart};
use lobos_proto::{ChecksumType, Code, Error};
use rustix::io::Errno;

use super::Opened;
use super::slot::{Place, Record, Slot};

/// A part of the object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) number: u32,
    pub(crate) record: Record,
}

/// The parts of the object, and which of the shared files hold something besides them.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// By number.
    pub(crate) parts: Vec<Chosen>,
    /// The sizes of the parts in files that somebody writes into, or that have parts which the
    /// object does not.
    pub(crate) busy: Vec<u64>,
}

/// Reads all slots once and takes the parts that are listed.
///
/// # Errors
/// `InvalidPartOrder`, `InvalidPart`, `EntityTooSmall`, `InvalidRequest`.
pub(crate) fn choose(
    opened: &Opened,
    request: &CompleteMultipartUpload,
    min_part_size: u64,
) -> Result<Choice, Error> {
    let listed = &request.parts;
    if listed.is_empty() {
        return Err(Error::new(Code::MalformedXML));
    }
    if !listed.is_sorted_by(|a, b| a.number < b.number) {
        return Err(Error::new(Code::InvalidPartOrder).element("UploadId", &request.upload));
    }
    let mut choice = Choice::default();
    let mut next = listed.iter().peekable();
    let mut wrong = None;
    let visit = |number: u32, slot: Slot| {
        let busy = slot.claim.map(|claim| claim.stride);
        choice.busy.extend(busy.filter(|stride| !choice.busy.contains(stride)));
        // One that has no slot at all is found when a later one has.
        let missing = next.next_if(|part| part.number < number);
        let wanted = next.next_if(|part| part.number == number);
        match (missing, wanted, slot.part) {
            (Some(part), _, _) | (None, Some(part), None) => wrong = Some(invalid(request, part)),
            (None, Some(part), Some(record)) => {
                wrong = check(opened, request, part, &record).err();
                choice.parts.push(Chosen { number, record });
            }
            (None, None, Some(record)) => {
                let busy = match record.place {
                    Place::Shared { stride } => Some(stride),
                    Place::Nowhere | Place::Own { .. } => None,
                };
                choice.busy.extend(busy.filter(|stride| !choice.busy.contains(stride)));
            }
            (None, None, None) => {}
        }
        wrong.is_none()
    };
    let read: Result<(), Errno> = opened.head.slots(&opened.control, 0, visit);
    read.map_err(crate::error::read)?;
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    if let Some(part) = next.next() {
        return Err(invalid(request, part));
    }
    check_sizes(request, &choice.parts, min_part_size)?;
    Ok(choice)
}

fn invalid(request: &CompleteMultipartUpload, part: &CompletedPart) -> Error {
    Error::new(Code::InvalidPart)
        .element("UploadId", &request.upload)
        .element("PartNumber", part.number.to_string())
        .element("ETag", &part.etag)
}

fn check(
    opened: &Opened,
    request: &CompleteMultipartUpload,
    part: &CompletedPart,
    record: &Record,
) -> Result<(), Error> {
    let known = part.checksum.map(|sent| (sent, record.known(sent.algorithm())));
    match known {
        _ if part.etag != record.etag.as_str() => return Err(invalid(request, part)),
        Some((sent, Some(known))) if sent != known => return Err(invalid(request, part)),
        // A promise that nothing is known of is not kept.
        Some((sent, None)) => {
            return Err(Error::new(Code::BadDigest).message(format!(
                "The {} you specified for part {} did not match what we received.",
                sent.algorithm().name().to_ascii_lowercase(),
                part.number
            )));
        }
        _ => {}
    }
    match opened.control.checksum {
        Some((algorithm, ChecksumType::Composite)) if part.checksum.is_none() => {
            Err(Error::new(Code::InvalidRequest).message(format!(
                "The upload was created using a {} checksum. The complete request must include \
                 the checksum for each part. It was missing for part {} in the request.",
                algorithm.name().to_ascii_lowercase(),
                part.number
            )))
        }
        _ => Ok(()),
    }
}

fn check_sizes(
    request: &CompleteMultipartUpload,
    parts: &[Chosen],
    min_part_size: u64,
) -> Result<(), Error> {
    let but_last = parts.len().saturating_sub(1);
    let small = parts.iter().take(but_last).find(|part| part.record.size < min_part_size);
    if let Some(Chosen { number, record }) = small {
        return Err(Error::new(Code::EntityTooSmall)
            .element("ProposedSize", record.size.to_string())
            .element("MinSizeAllowed", min_part_size.to_string())
            .element("PartNumber", number.to_string())
            .element("ETag", record.etag.as_str()));
    }
    let total: u64 = parts.iter().map(|part| part.record.size).sum();
    match request.size {
        Some(said) if said != total => Err(Error::new(Code::InvalidRequest).message(format!(
            "The provided 'x-amz-mp-object-size' header value {said} does not match what was \
             computed: {total}"
        ))),
        _ => Ok(()),
    }
}
