//! The configurations of a bucket, one row each: what a bucket without one answers, and which
//! documents are taken. GetBucketCors, PutBucketTagging, GetBucketPolicyStatus and so on.

use crate::http::encode::Answer;
use crate::http::target::Query;
use crate::op::Document;
use crate::s3::tags::{BUCKET_TAGS, TagSet};
use crate::s3::xml::{Element, Xml};
use crate::{BucketName, Code, Error, Request, Response};

/// Which configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of S3")]
pub enum Configuration {
    Abac,
    Accelerate,
    Analytics,
    Cors,
    Encryption,
    IntelligentTiering,
    Inventory,
    Lifecycle,
    Logging,
    Metadata,
    MetadataTable,
    Metrics,
    /// One of analytics, inventory, metrics or intelligent tiering, by its id.
    Named,
    Notification,
    ObjectLock,
    OwnershipControls,
    Policy,
    PolicyStatus,
    PublicAccessBlock,
    Replication,
    RequestPayment,
    Tagging,
    Versioning,
    Website,
}

use Configuration as C;

/// What a bucket answers that has none.
#[derive(Clone, Copy)]
enum Without {
    /// A document: its root, and what is in it.
    Document(&'static str, &'static str),
    Error(Code),
}

use Without::{Document as Has, Error as Lacks};

/// What to keep of a document, if it asks for nothing that is not done; `None` is as none.
type Check = fn(&[u8]) -> Result<Option<String>, Error>;

const NOT_TRUNCATED: &str = "<IsTruncated>false</IsTruncated>";

/// As S3 answers since 2023.
const SSE_S3: &str = "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
                      </SSEAlgorithm></ApplyServerSideEncryptionByDefault>\
                      <BucketKeyEnabled>false</BucketKeyEnabled></Rule>";

const TIERING: &str = "ListBucketIntelligentTieringConfigurationsOutput";

const ROWS: [(Configuration, &str, Without, Check); 24] = [
    (C::Abac, "abac", Has("AbacStatus", "<Status>Disabled</Status>"), abac),
    (C::Accelerate, "accelerate", Has("AccelerateConfiguration", ""), accelerate),
    (C::Analytics, "analytics", Has("ListBucketAnalyticsConfigurationResult", NOT_TRUNCATED), no),
    (C::Cors, "cors", Lacks(Code::NoSuchCORSConfiguration), cors),
    (C::Encryption, "encryption", Has("ServerSideEncryptionConfiguration", SSE_S3), encryption),
    (C::IntelligentTiering, "intelligent-tiering", Has(TIERING, NOT_TRUNCATED), no),
    (C::Inventory, "inventory", Has("ListInventoryConfigurationsResult", NOT_TRUNCATED), no),
    (C::Lifecycle, "lifecycle", Lacks(Code::NoSuchLifecycleConfiguration), no),
    (C::Logging, "logging", Has("BucketLoggingStatus", ""), logging),
    (C::Metadata, "metadataConfiguration", Lacks(Code::MetadataConfigurationNotFound), no),
    (C::MetadataTable, "metadataTable", Lacks(Code::MetadataConfigurationNotFound), no),
    (C::Metrics, "metrics", Has("ListMetricsConfigurationsResult", NOT_TRUNCATED), no),
    (C::Named, "id", Lacks(Code::NoSuchConfiguration), no),
    (C::Notification, "notification", Has("NotificationConfiguration", ""), notification),
    (C::ObjectLock, "object-lock", Lacks(Code::ObjectLockConfigurationNotFoundError), object_lock),
    (
        C::OwnershipControls,
        "ownershipControls",
        Lacks(Code::OwnershipControlsNotFoundError),
        ownership_controls,
    ),
    (C::Policy, "policy", Lacks(Code::NoSuchBucketPolicy), no),
    (C::PolicyStatus, "policyStatus", Lacks(Code::NoSuchBucketPolicy), no_put),
    (
        C::PublicAccessBlock,
        "publicAccessBlock",
        Lacks(Code::NoSuchPublicAccessBlockConfiguration),
        public_access_block,
    ),
    (C::Replication, "replication", Lacks(Code::ReplicationConfigurationNotFoundError), no),
    (
        C::RequestPayment,
        "requestPayment",
        Has("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
        request_payment,
    ),
    (C::Tagging, "tagging", Lacks(Code::NoSuchTagSet), tagging),
    (C::Versioning, "versioning", Has("VersioningConfiguration", ""), versioning),
    (C::Website, "website", Lacks(Code::NoSuchWebsiteConfiguration), no),
];

impl Configuration {
    /// The one that a query names.
    pub(crate) fn of(name: &str, query: &Query) -> Option<Self> {
        let (kind, ..) = ROWS.into_iter().find(|(kind, n, ..)| *n == name && *kind != C::Named)?;
        let named =
            matches!(kind, C::Analytics | C::IntelligentTiering | C::Inventory | C::Metrics);
        Some(if named && query.has("id") { C::Named } else { kind })
    }

    /// The name in the query, and that of the file in which a store may keep it.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    fn row(self) -> (&'static str, Without, Check) {
        let row = ROWS.into_iter().find(|(kind, ..)| *kind == self);
        let (_, name, without, check) = row.unwrap_or(ROWS[0]);
        (name, without, check)
    }

    /// Whether S3 has a DELETE for it.
    fn is_removable(self) -> bool {
        match self.row().1 {
            Has(..) => self == C::Encryption,
            Lacks(_) => !matches!(self, C::ObjectLock | C::PolicyStatus),
        }
    }
}

/// Asks for a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetBucketConfiguration {
    /// The bucket.
    pub bucket: BucketName,
    /// Which one.
    pub kind: Configuration,
}

impl GetBucketConfiguration {
    /// The answer, from what the bucket keeps under this name: a document as it was put.
    ///
    /// # Errors
    /// What S3 says of a bucket without: `NoSuchTagSet`, `NoSuchCORSConfiguration`, ...
    pub fn respond(&self, kept: Option<String>) -> Result<Response, Error> {
        let (_, without, check) = self.kind.row();
        // A store may have what nobody could have put; that is as none.
        let kept = kept.and_then(|document| check(document.as_bytes()).ok().flatten());
        let document = match (kept, without) {
            (Some(document), _) => document,
            (None, Has(root, inner)) => {
                let mut xml = Xml::s3(root);
                xml.raw(inner);
                xml.close(root);
                xml.finish()
            }
            (None, Lacks(code)) => return Err(Error::new(code).bucket(self.bucket.as_str())),
        };
        Ok(Response::GetBucketConfiguration(document))
    }
}

/// Replaces or removes a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutBucketConfiguration {
    /// The bucket.
    pub bucket: BucketName,
    /// Which one.
    pub kind: Configuration,
    /// A document that was read and found good; `None` removes it.
    pub document: Option<String>,
}

impl PutBucketConfiguration {
    /// The document follows.
    pub(crate) fn parse(bucket: BucketName, kind: Configuration) -> Document {
        let (_, _, check) = kind.row();
        Document::new(super::Operation::put(kind), move |document, _| {
            let document = check(document)?;
            Ok(Request::PutBucketConfiguration(Self { bucket, kind, document }))
        })
    }

    /// A DELETE.
    ///
    /// # Errors
    /// `MethodNotAllowed` for what S3 has no DELETE for.
    pub(crate) fn remove(bucket: BucketName, kind: Configuration) -> Result<Request, Error> {
        match kind {
            // No such thing has any name: the answer is that of a GET.
            C::Named => {
                Ok(Request::GetBucketConfiguration(GetBucketConfiguration { bucket, kind }))
            }
            _ if kind.is_removable() => {
                Ok(Request::PutBucketConfiguration(Self { bucket, kind, document: None }))
            }
            _ => Err(Error::new(Code::MethodNotAllowed)),
        }
    }
}

pub(crate) fn write(answer: Answer<'_>, document: &str) {
    let mut xml = Xml::empty();
    xml.raw(document);
    answer.document(xml);
}

fn not_implemented(what: &str) -> Error {
    Error::new(Code::NotImplemented).message(format!("{what} is not implemented."))
}

fn malformed() -> Error {
    Error::new(Code::MalformedXML)
}

/// Reads a document of this root.
fn root(document: &[u8], name: &str) -> Result<Element, Error> {
    if document.trim_ascii().is_empty() {
        return Err(Error::new(Code::MissingRequestBodyError));
    }
    let root = Element::parse(document)?;
    if root.name == name { Ok(root) } else { Err(malformed()) }
}

/// What is kept of a document that was found good.
fn kept(root: &Element) -> Result<Option<String>, Error> {
    Ok(Some(root.document().finish()))
}

fn no(_: &[u8]) -> Result<Option<String>, Error> {
    Err(not_implemented("This configuration of a bucket"))
}

/// S3 has no PUT for it.
fn no_put(_: &[u8]) -> Result<Option<String>, Error> {
    Err(Error::new(Code::MethodNotAllowed))
}

/// One child of two words, of which the server does one.
fn choice(document: &[u8], [name, child, done, other]: [&str; 4]) -> Result<Option<String>, Error> {
    let root = root(document, name)?;
    match root.child(child) {
        Some(value) if value == done => kept(&root),
        Some(value) if value == other => Err(not_implemented(&format!("{name} with {other}"))),
        _ => Err(malformed()),
    }
}

fn abac(document: &[u8]) -> Result<Option<String>, Error> {
    choice(document, ["AbacStatus", "Status", "Disabled", "Enabled"])
}

fn accelerate(document: &[u8]) -> Result<Option<String>, Error> {
    choice(document, ["AccelerateConfiguration", "Status", "Suspended", "Enabled"])
}

fn request_payment(document: &[u8]) -> Result<Option<String>, Error> {
    choice(document, ["RequestPaymentConfiguration", "Payer", "BucketOwner", "Requester"])
}

/// To keep no more versions is what is done anyhow.
fn versioning(document: &[u8]) -> Result<Option<String>, Error> {
    choice(document, ["VersioningConfiguration", "Status", "Suspended", "Enabled"])
}

fn cors(document: &[u8]) -> Result<Option<String>, Error> {
    root(document, "CORSConfiguration")?;
    super::cors::validate(document).map(Some)
}

fn encryption(document: &[u8]) -> Result<Option<String>, Error> {
    let root = root(document, "ServerSideEncryptionConfiguration")?;
    let [rule] = root.children.as_slice() else { return Err(malformed()) };
    let default = rule.children.iter().find(|c| c.name == "ApplyServerSideEncryptionByDefault");
    match default.and_then(|default| default.child("SSEAlgorithm")) {
        _ if rule.name != "Rule" => Err(malformed()),
        Some("AES256") if default.is_some_and(|d| d.child("KMSMasterKeyID").is_some()) => {
            Err(Error::new(Code::InvalidArgument).message(
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms \
                 or aws:kms:dsse",
            ))
        }
        Some("AES256") => kept(&root),
        Some("aws:kms" | "aws:kms:dsse") => Err(not_implemented("Encryption with keys of KMS")),
        _ => Err(malformed()),
    }
}

fn logging(document: &[u8]) -> Result<Option<String>, Error> {
    let root = root(document, "BucketLoggingStatus")?;
    if root.children.is_empty() { kept(&root) } else { Err(not_implemented("Access logging")) }
}

fn notification(document: &[u8]) -> Result<Option<String>, Error> {
    let root = root(document, "NotificationConfiguration")?;
    if root.children.is_empty() { kept(&root) } else { Err(not_implemented("Notification")) }
}

/// As S3 answers for a bucket without versions.
fn object_lock(document: &[u8]) -> Result<Option<String>, Error> {
    root(document, "ObjectLockConfiguration")?;
    Err(Error::new(Code::InvalidBucketState)
        .message("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"))
}

/// There is one user, who owns every object in all three ways.
fn ownership_controls(document: &[u8]) -> Result<Option<String>, Error> {
    let root = root(document, "OwnershipControls")?;
    match root.children.as_slice() {
        [rule] if rule.name == "Rule" => match rule.child("ObjectOwnership") {
            Some(value) if OWNERSHIPS.contains(&value) => kept(&root),
            _ => Err(malformed()),
        },
        _ => Err(malformed()),
    }
}

/// The values of x-amz-object-ownership.
pub(crate) const OWNERSHIPS: [&str; 3] =
    ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"];

/// Nobody else has any right, whatever is blocked.
fn public_access_block(document: &[u8]) -> Result<Option<String>, Error> {
    let root = root(document, "PublicAccessBlockConfiguration")?;
    let mut xml = Xml::s3(&root.name);
    for name in
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
    {
        let value = root.child(name).map_or("false", str::trim);
        let value = match value.to_ascii_lowercase().as_str() {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return Err(malformed()),
        };
        xml.display(name, value);
    }
    xml.close(&root.name);
    Ok(Some(xml.finish()))
}

/// An empty set is none, as in S3.
fn tagging(document: &[u8]) -> Result<Option<String>, Error> {
    let tags = TagSet::parse_document(document, BUCKET_TAGS)?;
    Ok(Some(tags.document().finish()).filter(|_| !tags.pairs().is_empty()))
}
