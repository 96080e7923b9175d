//! The entity tag and the checksums of an object, from those of its parts.

use lobos_digest::{Algorithm, Digest, combine, digest};
use lobos_proto::{Checksum, ChecksumType, Code, ETag, Error};

use super::checks::Chosen;
use super::part::mismatch;

/// The MD5 of the MD5s of the parts and their number, as S3 has it; `None` if one of the parts
/// was stored without an MD5.
pub(crate) fn etag(parts: &[Chosen]) -> Option<ETag> {
    let mut md5s = Vec::with_capacity(parts.len() * Algorithm::Md5.length());
    for part in parts {
        let md5 = Digest::from_hex(Algorithm::Md5, part.record.etag.as_str())?;
        md5s.extend_from_slice(md5.bytes());
    }
    let md5 = digest(Algorithm::Md5, &md5s).to_hex();
    ETag::new(&format!("{md5}-{}", parts.len()))
}

/// The checksum of the object: of the kind that was asked for with Create, or else the CRC64NVME
/// that S3 keeps of every object, where the parts have it.
pub(crate) fn of_object(
    named: Option<(Algorithm, ChecksumType)>,
    parts: &[Chosen],
) -> Option<Checksum> {
    match named {
        Some((algorithm, ChecksumType::Composite)) => {
            let mut all = Vec::with_capacity(parts.len() * algorithm.length());
            for part in parts {
                all.extend_from_slice(part.record.checksum?.bytes());
            }
            let count = u32::try_from(parts.len()).ok()?;
            Some(Checksum { digest: digest(algorithm, &all), parts: Some(count) })
        }
        Some((algorithm, ChecksumType::FullObject)) => full(algorithm, parts),
        None => full(Algorithm::Crc64Nvme, parts),
    }
}

/// The checksum of all bytes, if it is a CRC and each part has it.
fn full(algorithm: Algorithm, parts: &[Chosen]) -> Option<Checksum> {
    let mut whole = digest(algorithm, b"");
    for part in parts {
        whole = combine(&whole, &part.record.known(algorithm)?, part.record.size)?;
    }
    Some(Checksum::full(whole))
}

/// Holds what Complete says of the checksum of the object against what it is.
///
/// # Errors
/// `BadDigest`, and `InvalidRequest` for one of another algorithm or kind.
pub(crate) fn check(
    named: Option<(Algorithm, ChecksumType)>,
    computed: Option<&Checksum>,
    said: Option<&Checksum>,
    kind: Option<ChecksumType>,
    parts: &[Chosen],
) -> Result<(), Error> {
    let is = named.map_or(ChecksumType::FullObject, |(_, kind)| kind);
    if kind.is_some_and(|kind| kind != is) {
        return Err(Error::new(Code::InvalidRequest).message(format!(
            "The upload was created using the {} checksum mode. The complete request must use the \
             same checksum mode.",
            is.as_str()
        )));
    }
    let Some(said) = said else { return Ok(()) };
    let algorithm = said.algorithm();
    let computed = match named {
        Some((named, _)) if named != algorithm => {
            return Err(mismatch(Some(named), Some(algorithm)));
        }
        Some(_) => computed.copied(),
        // Where none was named S3 looks at a few only.
        None => match (full(algorithm, parts).filter(|_| said.parts.is_none()), algorithm) {
            (Some(known), _) => Some(known),
            (None, Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme)
            | (None, Algorithm::Sha1 | Algorithm::Sha256) => return Ok(()),
            (None, _) => return Err(mismatch(None, Some(algorithm))),
        },
    };
    let right = computed.is_some_and(|computed| {
        computed.digest == said.digest && (said.parts.is_none() || said.parts == computed.parts)
    });
    if right {
        return Ok(());
    }
    let name = algorithm.name();
    Err(Error::new(Code::BadDigest)
        .message(format!("The {name} you specified did not match the calculated checksum.")))
}

#[cfg(test)]
mod tests {
    use super::super::slot::{Place, Record};
    use super::*;

    fn parts(algorithm: Algorithm, bodies: &[&[u8]]) -> Vec<Chosen> {
        let part = |(number, body): (u32, &&[u8])| Chosen {
            number,
            record: Record {
                place: Place::Nowhere,
                size: body.len() as u64,
                time: 0,
                etag: ETag::new(&digest(Algorithm::Md5, body).to_hex()).unwrap(),
                checksum: Some(digest(algorithm, body)),
                crc64: Some(digest(Algorithm::Crc64Nvme, body)),
            },
        };
        (1..).zip(bodies).map(part).collect()
    }

    #[test]
    fn kinds() {
        // A full checksum is that of all bytes, a composite that of the checksums of the parts.
        let bodies: [&[u8]; 3] = [b"hello ", b"", b"world"];
        for algorithm in Algorithm::ALL {
            let parts = parts(algorithm, &bodies);
            let full = of_object(Some((algorithm, ChecksumType::FullObject)), &parts);
            match algorithm {
                Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme => {
                    assert_eq!(full, Some(Checksum::full(digest(algorithm, b"hello world"))));
                }
                _ => assert_eq!(full, None),
            }
            let sums = bodies.map(|body| digest(algorithm, body).bytes().to_vec()).concat();
            let composite = Checksum { digest: digest(algorithm, &sums), parts: Some(3) };
            let kind = Some((algorithm, ChecksumType::Composite));
            assert_eq!(of_object(kind, &parts), Some(composite));
            let crc64 = Checksum::full(digest(Algorithm::Crc64Nvme, b"hello world"));
            assert_eq!(of_object(None, &parts), Some(crc64));
        }
    }

    #[test]
    fn tags() {
        // The tag is the MD5 of the MD5s, and opaque as soon as a part has none.
        let mut parts = parts(Algorithm::Crc32, &[b"a", b"b"]);
        let md5s = [b"a", b"b"].map(|body| digest(Algorithm::Md5, body).bytes().to_vec()).concat();
        let md5 = digest(Algorithm::Md5, &md5s).to_hex();
        assert_eq!(etag(&parts), ETag::new(&format!("{md5}-2")));
        parts[1].record.etag = ETag::opaque(1, 2);
        assert_eq!(etag(&parts), None);
    }
}
