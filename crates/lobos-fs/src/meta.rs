//! What is kept of an object beside its bytes, packed into one extended attribute.
//!
//! A version byte, then fields: a tag, a length of two bytes, little-endian, and that many bytes.
//! Unknown tags are passed over, so that an older program reads what a newer one wrote.

use lobos_digest::{Algorithm, Digest};
use lobos_proto::{Checksum, Code, ETag, Error, Metadata, ObjectPart, Parts, Timestamp};
use rustix::fs::{Stat, Statx};

/// The name of the attribute.
pub(crate) const XATTR: &str = "user.lobos";

const VERSION: u8 = 1;

/// As many as S3 has.
const MOST_PARTS: u32 = 10_000;

const STAMP: u8 = 1;
const MD5: u8 = 2;
const ETAG: u8 = 3;
const CHECKSUM: u8 = 4;
const CONTENT_TYPE: u8 = 5;
const CACHE_CONTROL: u8 = 6;
const CONTENT_DISPOSITION: u8 = 7;
const CONTENT_ENCODING: u8 = 8;
const CONTENT_LANGUAGE: u8 = 9;
const EXPIRES: u8 = 10;
const WEBSITE_REDIRECT: u8 = 11;
const USER: u8 = 12;
const KEY: u8 = 13;
const ELSEWHERE: u8 = 14;
const COMPOSITE: u8 = 15;
const TAG: u8 = 16;
const UNIFORM: u8 = 17;
const PARTS: u8 = 18;
const UPLOAD: u8 = 19;

/// Which bytes something was said about: a file that differs in any of these has been changed
/// behind our back, or is another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Nanoseconds since 1970, as the file system keeps them.
    pub(crate) mtime: u64,
    /// Bytes.
    pub(crate) size: u64,
    pub(crate) inode: u64,
}

impl Stamp {
    #[allow(
        clippy::cast_sign_loss,
        clippy::unnecessary_cast,
        clippy::cast_possible_truncation,
        reason = "the widths of stat's fields differ between machines; sizes are not negative"
    )]
    pub(crate) fn of(stat: &Stat) -> Self {
        let mtime = Timestamp::from_unix(stat.st_mtime as i64, stat.st_mtime_nsec as u32);
        Self { mtime: mtime.nanos, size: stat.st_size as u64, inode: stat.st_ino as u64 }
    }

    pub(crate) fn of_statx(stat: &Statx) -> Self {
        let mtime = Timestamp::from_unix(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec);
        Self { mtime: mtime.nanos, size: stat.stx_size, inode: stat.stx_ino }
    }

    /// Last-Modified.
    pub(crate) fn modified(&self) -> Timestamp {
        Timestamp { nanos: self.mtime }
    }

    /// The tag of a file whose content nobody has hashed.
    pub(crate) fn etag(&self) -> ETag {
        // The mixing of splitmix64: what differs a little gives tags that differ much.
        let mix = |mut z: u64| {
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        ETag::opaque(self.mtime, mix(mix(self.size).wrapping_add(self.inode)))
    }
}

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// Which bytes `md5`, `etag`, `checksums`, `parts` and `upload` are about.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) md5: Option<Digest>,
    /// A tag that is not an MD5.
    pub(crate) etag: Option<ETag>,
    pub(crate) checksums: Vec<Checksum>,
    /// The parts that the bytes came in.
    pub(crate) parts: Option<Parts>,
    /// The multipart upload that it came by: a repeated Complete is known by it.
    pub(crate) upload: Option<String>,
    /// Its tags.
    pub(crate) tags: Vec<(String, String)>,
    /// What the client said; a Content-Type that the name gives anyhow is left out.
    pub(crate) said: Metadata,
    /// Of which object this is, where it does not hang on the file itself.
    pub(crate) key: Option<String>,
    /// It did not fit: the rest is beside the tree.
    pub(crate) elsewhere: bool,
}

impl Meta {
    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { stamp: _, md5, etag, checksums, parts, upload, tags, said, key, elsewhere } =
            self;
        md5.is_none()
            && etag.is_none()
            && checksums.is_empty()
            && parts.is_none()
            && upload.is_none()
            && tags.is_empty()
            && said.is_empty()
            && key.is_none()
            && !elsewhere
    }

    /// The tag that was kept, if it is about these bytes.
    pub(crate) fn etag_of(&self, stamp: &Stamp) -> Option<ETag> {
        if self.stamp.as_ref() != Some(stamp) {
            return None;
        }
        self.etag.or_else(|| self.md5_etag())
    }

    /// The MD5 as a tag, whatever bytes it is about.
    pub(crate) fn md5_etag(&self) -> Option<ETag> {
        let bytes = self.md5.as_ref()?.bytes().try_into().ok()?;
        Some(ETag::from_md5(bytes))
    }

    /// The checksums, if they are about these bytes.
    pub(crate) fn checksums_of(&self, stamp: &Stamp) -> Vec<Checksum> {
        if self.stamp.as_ref() == Some(stamp) { self.checksums.clone() } else { Vec::new() }
    }

    /// The parts, if they are about these bytes and no one has made them up.
    pub(crate) fn parts_of(&self, stamp: &Stamp) -> Option<Parts> {
        let is_of = |p: &Parts| self.stamp.as_ref() == Some(stamp) && p.are_of(stamp.size);
        self.parts.clone().filter(is_of)
    }

    /// The bytes to keep.
    ///
    /// # Errors
    /// `MetadataTooLarge` if one field has more than 65,535 bytes.
    pub(crate) fn pack(&self) -> Result<Vec<u8>, Error> {
        let mut out = Packer(vec![VERSION]);
        if let Some(Stamp { mtime, size, inode }) = self.stamp {
            let bytes = [mtime.to_le_bytes(), size.to_le_bytes(), inode.to_le_bytes()];
            out.field(STAMP, &[bytes.as_flattened()])?;
        }
        if let Some(md5) = &self.md5 {
            out.field(MD5, &[md5.bytes()])?;
        }
        if let Some(etag) = &self.etag {
            out.field(ETAG, &[etag.as_str().as_bytes()])?;
        }
        for checksum in &self.checksums {
            let (digest, algorithm) = (checksum.digest.bytes(), [number(checksum.algorithm())]);
            match checksum.parts {
                None => out.field(CHECKSUM, &[&algorithm, digest])?,
                Some(parts) => {
                    out.field(COMPOSITE, &[&parts.to_le_bytes(), &algorithm, digest])?;
                }
            }
        }
        self.pack_parts(&mut out)?;
        for (name, value) in &self.tags {
            out.pair(TAG, name, value)?;
        }
        for (tag, text) in texts(&self.said) {
            if let Some(text) = text {
                out.field(tag, &[text.as_bytes()])?;
            }
        }
        for (name, value) in &self.said.user {
            out.pair(USER, name, value)?;
        }
        if let Some(key) = &self.key {
            out.field(KEY, &[key.as_bytes()])?;
        }
        if self.elsewhere {
            out.field(ELSEWHERE, &[])?;
        }
        Ok(out.0)
    }

    fn pack_parts(&self, out: &mut Packer) -> Result<(), Error> {
        match &self.parts {
            None => {}
            Some(Parts::Uniform { count, size }) => {
                out.field(UNIFORM, &[&count.to_le_bytes(), &size.to_le_bytes()])?;
            }
            Some(Parts::Listed(parts)) => {
                let mut rest = parts.as_slice();
                while let [first, ..] = rest {
                    let (run, after) = rest.split_at(alike(rest));
                    let digests = run.iter().filter_map(|part| part.checksum);
                    let digests: Vec<u8> = digests.flat_map(|d| d.bytes().to_vec()).collect();
                    let (n, size) = (first.number.to_le_bytes(), first.size.to_le_bytes());
                    let algorithm = [first.checksum.map_or(0, |digest| number(digest.algorithm()))];
                    let count = u32::try_from(run.len()).unwrap_or(u32::MAX).to_le_bytes();
                    out.field(PARTS, &[&n, &count, &size, &algorithm, &digests])?;
                    rest = after;
                }
            }
        }
        if let Some(upload) = &self.upload {
            out.field(UPLOAD, &[upload.as_bytes()])?;
        }
        Ok(())
    }

    /// Reads what [`Meta::pack`] wrote. Anybody may have written the attribute: bytes that make
    /// no sense are as good as none.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let (&VERSION, mut rest) = bytes.split_first()? else { return None };
        let mut meta = Self::default();
        while let Some((&tag, after)) = rest.split_first() {
            let (length, after) = after.split_first_chunk::<2>()?;
            let (field, after) = after.split_at_checked(u16::from_le_bytes(*length).into())?;
            meta.take(tag, field)?;
            rest = after;
        }
        Some(meta)
    }

    fn take(&mut self, tag: u8, field: &[u8]) -> Option<()> {
        match tag {
            STAMP => {
                let [mtime, size, inode] = *field.as_chunks::<8>().0 else { return None };
                let [mtime, size, inode] = [mtime, size, inode].map(u64::from_le_bytes);
                self.stamp = Some(Stamp { mtime, size, inode });
            }
            MD5 => self.md5 = Some(Digest::new(Algorithm::Md5, field)?),
            ETAG => self.etag = Some(ETag::new(text(field)?)?),
            CHECKSUM => {
                if let Some(digest) = digest(field)? {
                    self.checksums.push(Checksum::full(digest));
                }
            }
            COMPOSITE => {
                let (parts, field) = field.split_first_chunk::<4>()?;
                if let Some(digest) = digest(field)? {
                    let parts = Some(u32::from_le_bytes(*parts));
                    self.checksums.push(Checksum { digest, parts });
                }
            }
            UNIFORM => {
                let (count, size) = field.split_first_chunk::<4>()?;
                let size = u64::from_le_bytes(size.try_into().ok()?);
                let count = u32::from_le_bytes(*count).min(MOST_PARTS);
                self.parts = Some(Parts::Uniform { count, size });
            }
            PARTS => self.take_parts(field)?,
            UPLOAD => self.upload = Some(text(field)?.into()),
            TAG => self.tags.push(pair(field)?),
            USER => self.said.user.push(pair(field)?),
            KEY => self.key = Some(text(field)?.into()),
            ELSEWHERE => self.elsewhere = true,
            tag => {
                if let Some(slot) = slot(&mut self.said, tag) {
                    *slot = Some(text(field)?.into());
                }
            }
        }
        Some(())
    }

    fn take_parts(&mut self, field: &[u8]) -> Option<()> {
        let (first, field) = field.split_first_chunk::<4>()?;
        let (count, field) = field.split_first_chunk::<4>()?;
        let (size, field) = field.split_first_chunk::<8>()?;
        let (algorithm, mut digests) = field.split_first()?;
        let (first, size) = (u32::from_le_bytes(*first), u64::from_le_bytes(*size));
        let algorithm = algorithm_of(*algorithm);
        let length = algorithm.map_or(0, Algorithm::length);
        let parts = self.parts.get_or_insert_with(|| Parts::Listed(Vec::new()));
        let Parts::Listed(parts) = parts else { return None };
        for n in 0..u32::from_le_bytes(*count) {
            let after = |n: &u32| parts.last().is_none_or(|last| last.number < *n);
            let fits = |n: &u32| (1..=MOST_PARTS).contains(n) && after(n);
            let number = first.checked_add(n).filter(fits)?;
            let (digest, after) = digests.split_at_checked(length)?;
            let checksum = algorithm.and_then(|algorithm| Digest::new(algorithm, digest));
            parts.push(ObjectPart { number, size, checksum });
            digests = after;
        }
        Some(())
    }
}

/// How many parts at the beginning follow each other, alike in all but the value of the checksum,
/// and fit into one field.
fn alike(parts: &[ObjectPart]) -> usize {
    let Some(first) = parts.first() else { return 0 };
    let algorithm = |part: &ObjectPart| part.checksum.map(|digest| digest.algorithm());
    let fits = 60_000 / algorithm(first).map_or(1, Algorithm::length);
    let alike = |(part, number): &(&ObjectPart, u32)| {
        part.number == *number && part.size == first.size && algorithm(part) == algorithm(first)
    };
    parts.iter().zip(first.number..=u32::MAX).take(fits).take_while(alike).count()
}

/// A number for the algorithm and the value; `Some(None)` for one that only a newer program knows,
/// which is passed over.
fn digest(field: &[u8]) -> Option<Option<Digest>> {
    let (algorithm, bytes) = field.split_first()?;
    match algorithm_of(*algorithm) {
        Some(algorithm) => Digest::new(algorithm, bytes).map(Some),
        None => Some(None),
    }
}

/// What [`Packer::pair`] wrote.
fn pair(field: &[u8]) -> Option<(String, String)> {
    let (length, rest) = field.split_first_chunk::<2>()?;
    let (name, value) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    Some((text(name)?.into(), text(value)?.into()))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

struct Packer(Vec<u8>);

impl Packer {
    fn pair(&mut self, tag: u8, name: &str, value: &str) -> Result<(), Error> {
        let too_large = |_| Error::new(Code::MetadataTooLarge);
        let length = u16::try_from(name.len()).map_err(too_large)?;
        self.field(tag, &[&length.to_le_bytes(), name.as_bytes(), value.as_bytes()])
    }

    fn field(&mut self, tag: u8, parts: &[&[u8]]) -> Result<(), Error> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u16::try_from(length).map_err(|_| Error::new(Code::MetadataTooLarge))?;
        self.0.push(tag);
        self.0.extend_from_slice(&length.to_le_bytes());
        for part in parts {
            self.0.extend_from_slice(part);
        }
        Ok(())
    }
}

fn texts(said: &Metadata) -> [(u8, Option<&String>); 7] {
    [
        (CONTENT_TYPE, said.content_type.as_ref()),
        (CACHE_CONTROL, said.cache_control.as_ref()),
        (CONTENT_DISPOSITION, said.content_disposition.as_ref()),
        (CONTENT_ENCODING, said.content_encoding.as_ref()),
        (CONTENT_LANGUAGE, said.content_language.as_ref()),
        (EXPIRES, said.expires.as_ref()),
        (WEBSITE_REDIRECT, said.website_redirect.as_ref()),
    ]
}

fn slot(said: &mut Metadata, tag: u8) -> Option<&mut Option<String>> {
    Some(match tag {
        CONTENT_TYPE => &mut said.content_type,
        CACHE_CONTROL => &mut said.cache_control,
        CONTENT_DISPOSITION => &mut said.content_disposition,
        CONTENT_ENCODING => &mut said.content_encoding,
        CONTENT_LANGUAGE => &mut said.content_language,
        EXPIRES => &mut said.expires,
        WEBSITE_REDIRECT => &mut said.website_redirect,
        _ => return None,
    })
}

/// The numbers are on disk: they never change.
pub(crate) fn number(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Crc32 => 1,
        Algorithm::Crc32c => 2,
        Algorithm::Crc64Nvme => 3,
        Algorithm::Sha1 => 4,
        Algorithm::Sha256 => 5,
        Algorithm::Md5 => 6,
        Algorithm::Sha512 => 7,
        Algorithm::Xxh3 => 8,
        Algorithm::Xxh64 => 9,
        Algorithm::Xxh128 => 10,
    }
}

pub(crate) fn algorithm_of(wanted: u8) -> Option<Algorithm> {
    Algorithm::ALL.into_iter().find(|a| number(*a) == wanted)
}

#[cfg(test)]
mod tests;
