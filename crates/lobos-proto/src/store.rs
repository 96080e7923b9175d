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

/// Holds buckets and objects: folders, a table of a database, another service. Calls may come from
/// any thread, many at once.
///
/// # What is done already
///
/// Signatures and rights, pages of other origins, the syntax of all that is in a request, limits of
/// sizes and times. Names are names ([`BucketName`](crate::BucketName),
/// [`Key`](crate::Key)), but nobody has looked whether anything of that name is there. The body of
/// an upload reaches a [`Sink`] as plain bytes, whatever framing it came in.
///
/// # What a store sees to
///
/// - **The order of errors**: `NoSuchBucket`, then `NoSuchKey` (or `NoSuchUpload`), then
///   conditions, then ranges. The requests bring a method for what is the same in every store:
///   `respond`, `check`, `each`, [`Page::of`], [`Buckets::of`].
/// - **All or nothing**: another request sees an object as it was before or as it is after, its
///   bytes, tag and metadata together, and who has opened a [`Source`] goes on reading what it
///   opened.
/// - **Conditions hold in the moment of the change**: they are checked under the same lock, or in
///   the same transaction, as the write that they guard. Of two writes with `If-None-Match: *` one
///   succeeds. To check them before the body comes, too, only spares the client the upload.
/// - **Read your writes**: what was answered with a success is in every answer after it.
/// - **An error has changed nothing.** One without a code of S3 is `InternalError` with its
///   [cause](Error::cause), which is logged and not sent.
///
/// # What it answers
///
/// `NoSuchBucket` where there is no such bucket, and else:
///
/// - ListBuckets: all names in byte order, by [`Buckets::of`].
/// - CreateBucket: `BucketAlreadyOwnedByYou` if it is there, `InvalidBucketName` unless
///   [`is_valid_for_new`].
/// - HeadBucket, GetBucketLocation: a success if it is there.
/// - DeleteBucket: `BucketNotEmpty` while it holds an object, also one that came in the same
///   moment.
/// - ListObjects: a page in byte order of keys, by [`Page::of`].
/// - HeadObject, GetObject: `NoSuchKey`, then [`respond`](crate::op::GetObject::respond); GetObject
///   brings its bytes by [`Outcome::Send`]. Both say the same of the same object.
/// - PutObject: [`Outcome::Receive`], and [`Sink::commit`] answers; `PreconditionFailed`, and
///   `InvalidWriteOffset` for an append to an object of another size.
/// - DeleteObject: a success also where there is nothing; `PreconditionFailed`. DeleteObjects: the
///   same for each key on its own, by [`each`].
/// - CopyObject: `NoSuchKey` of the source, [`check_source`], then the conditions of the target.
/// - RenameObject: `NoSuchKey` of the source, then [`check`]; both names change in one step.
/// - GetObjectAttributes, tags, ACLs: of the object that is there, or `NoSuchKey`.
/// - Uploads in parts: nobody sees anything of them before Complete; `NoSuchUpload`,
///   `InvalidPartOrder`, `InvalidPart`, `EntityTooSmall`.
/// - Configurations: what was put, through [`GetBucketConfiguration::respond`].
///
/// What it cannot do is [`NotImplemented`](Code::NotImplemented), as S3 says it; a client that does
/// not use it never notices. GetBucketConfiguration of CORS is asked before requests of web pages:
/// that error, and `NoSuchCORSConfiguration`, are no rules.
///
/// [`Page::of`]: crate::op::Page::of
/// [`Buckets::of`]: crate::op::Buckets::of
/// [`each`]: crate::op::DeleteObjects::each
/// [`check_source`]: crate::op::CopyObject::check_source
/// [`check`]: crate::op::RenameObject::check
/// [`is_valid_for_new`]: crate::BucketName::is_valid_for_new
///
/// # Where it runs
///
/// By default on the event loop, which serves other connections meanwhile not at all. A store that
/// waits, as for a database, says so in [`is_heavy`](Self::is_heavy) and [`Sink::is_heavy`] and is
/// called by a thread that may; its sinks gather in `append` and wait in `commit`. A panic is an
/// `InternalError` for that request alone.
///
/// # Example
///
/// The rows of a table as the bucket `rows`, to read:
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
///
/// use lobos_proto::op::{self, BucketInfo, Buckets, GetObject, ListedObject};
/// use lobos_proto::*;
///
/// struct Rows(BTreeMap<String, Arc<[u8]>>);
///
/// impl Rows {
///     fn bucket(&self, name: &BucketName) -> Result<&BTreeMap<String, Arc<[u8]>>, Error> {
///         let missing = || Error::new(Code::NoSuchBucket).bucket(name.as_str());
///         (name.as_str() == "rows").then_some(&self.0).ok_or_else(missing)
///     }
///
///     fn find(&self, get: &GetObject) -> Result<(ObjectInfo, Arc<[u8]>), Error> {
///         let row = self.bucket(&get.bucket)?.get(get.key.as_str());
///         let row = row.ok_or_else(|| Error::new(Code::NoSuchKey).key(get.key.as_str()))?;
///         Ok((info(row), Arc::clone(row)))
///     }
/// }
///
/// fn info(row: &Arc<[u8]>) -> ObjectInfo {
///     let (size, modified) = (row.len() as u64, Timestamp::from_unix(0, 0));
///     ObjectInfo {
///         size,
///         modified,
///         etag: ETag::opaque(modified.nanos, size),
///         content_type: "text/plain".into(),
///         metadata: Metadata::default(),
///         checksums: Vec::new(),
///         parts: None,
///         tags: 0,
///     }
/// }
///
/// impl Store for Rows {
///     fn call(&self, request: Request) -> Result<Outcome, Error> {
///         Ok(Outcome::Done(match request {
///             Request::ListBuckets(list) => {
///                 let created = Timestamp::from_unix(0, 0);
///                 let all = [BucketInfo { name: "rows".into(), created }];
///                 Response::ListBuckets(Buckets::of(list, all))
///             }
///             Request::HeadBucket(head) => {
///                 self.bucket(&head.bucket).map(|_| Response::HeadBucket)?
///             }
///             Request::ListObjects(list) => {
///                 let rows = self.bucket(&list.bucket)?.iter();
///                 let listed = rows.map(|(key, row)| ListedObject::of(key, &info(row)));
///                 Response::ListObjects(Box::new(op::Page::of(list, listed)))
///             }
///             Request::HeadObject(head) => {
///                 let (info, _) = self.find(&head.0)?;
///                 Response::HeadObject(Box::new(head.respond(info)?))
///             }
///             Request::GetObject(get) => {
///                 let (info, row) = self.find(&get)?;
///                 let response = Response::GetObject(Box::new(get.respond(info)?));
///                 return Ok(Outcome::Send(response, Box::new(row)));
///             }
///             _ => return Err(Error::new(Code::NotImplemented)),
///         }))
///     }
///
///     fn is_heavy(&self, _: &Request) -> bool {
///         true // a database takes its time
///     }
/// }
///
/// let rows = Rows([("a".into(), Arc::from(*b"hello"))].into());
/// let bucket = BucketName::new("none").map_err(|_| Code::InvalidBucketName)?;
/// let found = rows.call(Request::HeadBucket(op::HeadBucket { bucket }));
/// assert_eq!(found.err().map(|error| error.code()), Some(Code::NoSuchBucket));
/// # Ok::<(), Error>(())
/// ```
pub trait Store: Send + Sync {
    /// Does what `request` asks, and answers with the [`Response`] of the same name. May block if
    /// [`is_heavy`](Self::is_heavy) has said so.
    ///
    /// # Errors
    /// An [`Error`] is the S3 answer to the client; nothing was changed then.
    fn call(&self, request: Request) -> Result<Outcome, Error>;

    /// Whether `call` may take so long (more than about a millisecond) that an event loop should
    /// give it to a helper thread. It is asked on the event loop and must not wait itself.
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

/// The bytes of one object as it was when it was opened, whatever becomes of the object since.
///
/// [`read_at`](Self::read_at) is called on the event loop. A source whose bytes have to come from
/// somewhere fetches them in [`warm`](Self::warm), which a thread calls that may wait, and says so
/// by [`is_cold`](Self::is_cold); that is asked before each send for a while after one was slow.
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

/// An upload under way, seen by nobody before [`commit`](Self::commit). Dropped without that it
/// leaves no trace: the client has gone, or something in its body was wrong.
pub trait Sink: Send {
    /// Takes the next bytes of the body, in order, cut anywhere. The digests that
    /// [`PutObject::algorithms`] names are computed on the way. More than 1 MiB at once come on a
    /// helper thread, less on the event loop.
    ///
    /// # Errors
    /// The S3 answer; the upload is over then.
    fn append(&mut self, data: &[u8]) -> Result<(), Error>;

    /// Verifies what was promised ([`Expected::check`]), holds the conditions of the request
    /// against what is there now, and makes the object (or the part) visible, whole, in one step;
    /// the answer is that of the operation. When it returns, the object is as durable as the store
    /// promises.
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

impl From<&ObjectInfo> for Stored {
    fn from(info: &ObjectInfo) -> Self {
        Self { etag: info.etag, size: info.size, checksums: info.checksums.clone() }
    }
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
