//! The boundary to whatever holds the objects: one function and two small traits.
//!
//! A store gets a [`Request`] that cannot be malformed and answers with an [`Outcome`]. It may
//! block; the driver decides on which thread it runs.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use lobos_digest::{Algorithm, Digest, Digests};

use crate::op::{
    AbortMultipartUpload, Acl, CompleteMultipartUpload, CopyObject, CreateBucket,
    CreateMultipartUpload, DeleteBucket, DeleteObject, DeleteObjects, GetBucketConfiguration,
    GetBucketLocation, GetObject, GetObjectAttributes, GetObjectTagging, HeadBucket, HeadObject,
    ListBuckets, ListMultipartUploads, ListObjects, ListParts, PutBucketConfiguration, PutObject,
    PutObjectTagging, RenameObject, UploadPart, UploadPartCopy,
};
use crate::op::{
    Buckets, CompletedUpload, Configuration, CopiedObject, CopiedPart, CreatedUpload, Deletions,
    ObjectAttributes, ObjectResponse, Page, PartsPage, StoredPart, UploadsPage,
};
use crate::s3::checksum::Checksum;
use crate::s3::error::{Code, Error};
use crate::s3::etag::ETag;
use crate::s3::object::ObjectInfo;
use crate::s3::tags::TagSet;

/// Holds buckets and objects. Calls may come from any thread, many at once.
pub trait Store: Send + Sync {
    /// Does what `request` asks. May block on the disk.
    ///
    /// # Errors
    /// An [`Error`] is the S3 answer to the client; nothing was changed then.
    fn call(&self, request: Request) -> Result<Outcome, Error>;

    /// Whether `call` may take so long (more than about a millisecond) that an event loop should
    /// give it to a helper thread.
    fn is_heavy(&self, request: &Request) -> bool {
        let _ = request;
        false
    }
}

/// What a store made of a request.
pub enum Outcome {
    /// It is done, this is the answer.
    Done(Response),
    /// The answer has a body that the driver reads from the source, in the range that the
    /// response names.
    Send(Response, Box<dyn Source>),
    /// The upload is accepted: its bytes go to the sink.
    Receive(Box<dyn Sink>),
}

/// The bytes of one object as it was when it was opened.
pub trait Source: Send + Sync {
    /// Reads at `offset` into `buf`, as `pread`: 0 means the end.
    ///
    /// # Errors
    /// Whatever the disk says; the connection is then closed, since its head is already out.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The file that has these bytes at these offsets, if there is one: drivers then use
    /// `sendfile`.
    fn file(&self) -> Option<&File> {
        None
    }

    /// Whether some of these bytes would have to come from a disk first. It does not wait.
    fn is_cold(&self, range: Range<u64>) -> bool {
        let _ = range;
        false
    }

    /// Waits until these bytes are in memory, so that sending them does not. What goes wrong will
    /// go wrong again when they are read.
    fn warm(&self, range: Range<u64>) {
        let _ = range;
    }
}

/// Bytes in memory.
impl Source for Arc<[u8]> {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// An upload under way. Dropped without `commit` it leaves no trace.
pub trait Sink: Send {
    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// The S3 answer; the upload is over then.
    fn append(&mut self, data: &[u8]) -> Result<(), Error>;

    /// Verifies what was promised and makes the object (or the part) visible, whole, in one step;
    /// the answer is that of the operation.
    ///
    /// # Errors
    /// The S3 answer (`BadDigest`, `PreconditionFailed`, ...); nothing is visible then and what
    /// was there before is untouched.
    fn commit(self: Box<Self>, expected: &Expected) -> Result<Response, Error>;

    /// Whether `commit` may block for long (it waits for the disk).
    fn is_heavy(&self) -> bool {
        false
    }

    /// Whether `commit` costs less when the uploads beside it have come as far: an event loop
    /// then gives the other connections that are ready their turns first.
    fn goes_with_others(&self) -> bool {
        false
    }
}

/// What the client promised about a body, known when all of it has arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// From Content-MD5. A mismatch is `BadDigest`.
    pub md5: Option<Digest>,
    /// From x-amz-content-sha256. A mismatch is `XAmzContentSHA256Mismatch`.
    pub sha256: Option<Digest>,
    /// From an x-amz-checksum-* header or trailer. A mismatch is `BadDigest`.
    pub checksum: Option<Digest>,
}

impl Expected {
    /// Holds the promises against what was computed. One whose digest was not computed is not
    /// kept.
    ///
    /// # Errors
    /// `BadDigest`, `XAmzContentSHA256Mismatch`.
    pub fn check(&self, computed: &Digests) -> Result<(), Error> {
        let wrong = |promised: &Option<Digest>| {
            let promised = (*promised)?;
            let found = computed.get(promised.algorithm());
            (found != Some(promised)).then_some((promised, found))
        };
        let text = |found: Option<Digest>, text: fn(&Digest) -> String| {
            found.as_ref().map(text).unwrap_or_default()
        };
        if let Some((md5, found)) = wrong(&self.md5) {
            return Err(Error::new(Code::BadDigest)
                .element("ExpectedDigest", md5.to_hex())
                .element("CalculatedDigest", text(found, Digest::to_base64)));
        }
        if let Some((sha256, found)) = wrong(&self.sha256) {
            return Err(Error::new(Code::XAmzContentSHA256Mismatch)
                .element("ClientComputedContentSHA256", sha256.to_hex())
                .element("S3ComputedContentSHA256", text(found, Digest::to_hex)));
        }
        if let Some((checksum, _)) = wrong(&self.checksum) {
            let name = checksum.algorithm().name();
            let message =
                format!("The {name} you specified did not match the calculated checksum.");
            return Err(Error::new(Code::BadDigest).message(message));
        }
        Ok(())
    }

    /// The digests to compute for [`Expected::check`].
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> + use<> {
        [self.md5, self.sha256, self.checksum].into_iter().flatten().map(|d| d.algorithm())
    }
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The entity tag of the new object.
    pub etag: ETag,
    /// Bytes.
    pub size: u64,
    /// The checksums kept with the object.
    pub checksums: Vec<Checksum>,
}

/// One S3 operation, parsed into values that cannot be wrong.
#[allow(missing_docs, reason = "each variant is documented at its type in `op`")]
#[derive(Clone, Debug)]
pub enum Request {
    ListBuckets(ListBuckets),
    CreateBucket(CreateBucket),
    HeadBucket(HeadBucket),
    DeleteBucket(DeleteBucket),
    GetBucketLocation(GetBucketLocation),
    ListObjects(ListObjects),
    HeadObject(HeadObject),
    GetObject(GetObject),
    PutObject(Box<PutObject>),
    DeleteObject(DeleteObject),
    DeleteObjects(DeleteObjects),
    CopyObject(Box<CopyObject>),
    RenameObject(Box<RenameObject>),
    GetObjectAttributes(GetObjectAttributes),
    GetObjectTagging(GetObjectTagging),
    PutObjectTagging(PutObjectTagging),
    CreateMultipartUpload(Box<CreateMultipartUpload>),
    UploadPart(Box<UploadPart>),
    UploadPartCopy(Box<UploadPartCopy>),
    CompleteMultipartUpload(Box<CompleteMultipartUpload>),
    AbortMultipartUpload(AbortMultipartUpload),
    ListParts(ListParts),
    ListMultipartUploads(ListMultipartUploads),
    GetBucketConfiguration(GetBucketConfiguration),
    PutBucketConfiguration(PutBucketConfiguration),
    GetAcl(Acl),
    PutAcl(Acl),
}

/// What an operation that succeeded has to say.
#[allow(missing_docs, reason = "each variant is documented at its type in `op`")]
#[derive(Clone, Debug)]
pub enum Response {
    ListBuckets(Buckets),
    CreateBucket {
        bucket: crate::BucketName,
    },
    HeadBucket,
    DeleteBucket,
    GetBucketLocation,
    ListObjects(Box<Page>),
    HeadObject(Box<ObjectResponse>),
    GetObject(Box<ObjectResponse>),
    PutObject(Stored),
    /// To a PutObject that appends.
    AppendObject(Stored),
    DeleteObject,
    DeleteObjects(Deletions),
    CopyObject(CopiedObject),
    RenameObject,
    GetObjectAttributes(Box<ObjectAttributes>),
    GetObjectTagging(TagSet),
    PutObjectTagging,
    /// To a PutObjectTagging without tags.
    DeleteObjectTagging,
    CreateMultipartUpload(Box<CreatedUpload>),
    UploadPart(StoredPart),
    UploadPartCopy(CopiedPart),
    CompleteMultipartUpload(Box<CompletedUpload>),
    AbortMultipartUpload,
    ListParts(Box<PartsPage>),
    ListMultipartUploads(Box<UploadsPage>),
    /// The document.
    GetBucketConfiguration(String),
    PutBucketConfiguration(Configuration),
    /// To a PutBucketConfiguration without a document.
    DeleteBucketConfiguration,
    GetAcl,
    PutAcl,
}
impl From<&ObjectInfo> for Stored {
    fn from(info: &ObjectInfo) -> Self {
        Self { etag: info.etag, size: info.size, checksums: info.checksums.clone() }
    }
}

