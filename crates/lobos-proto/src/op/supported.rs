//! Which headers of an object's request ask for what cannot be given: storage classes, ACLs,
//! encryption, Object Lock.

use crate::http::head::Head;
use crate::{Code, Error};

/// The names that x-amz-storage-class can have. Here all of them mean the same disk.
const STORAGE_CLASSES: [&str; 13] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
    "FSX_OPENZFS",
    "FSX_ONTAP",
];

/// Whether a new object can be what these headers ask for; to store it without would be a wrong
/// success.
///
/// # Errors
/// `NotImplemented`, `InvalidArgument`, `InvalidRequest`, `InvalidStorageClass`,
/// `InvalidEncryptionAlgorithmError`.
pub(super) fn check_supported(head: &Head<'_>) -> Result<(), Error> {
    let class = head.filled("x-amz-storage-class").filter(|c| !STORAGE_CLASSES.contains(c));
    if let Some(class) = class {
        return Err(Error::new(Code::InvalidStorageClass).element("StorageClassRequested", class));
    }
    // Others than the owner have no rights here whatever the ACL says, as in every bucket of S3
    // whose owner does not ask for ACLs; tools send one with each PUT (s3cmd, django-storages).
    super::acl::check_names(head)?;
    check_encryption(head)?;
    check_lock(head)
}

/// SSE-S3 is what S3 does without being asked. The keys of others are not there.
fn check_encryption(head: &Head<'_>) -> Result<(), Error> {
    const NAME: &str = "x-amz-server-side-encryption";
    check_customer_key(head)?;
    match head.filled(NAME) {
        None | Some("AES256") => {}
        Some("aws:kms" | "aws:kms:dsse" | "aws:fsx") => return Err(not_implemented(NAME, "")),
        Some(_) => return Err(Error::new(Code::InvalidEncryptionAlgorithmError)),
    }
    match head.filled("x-amz-server-side-encryption-aws-kms-key-id") {
        None => Ok(()),
        Some(key) => Err(Error::new(Code::InvalidArgument)
            .message(
                "Server Side Encryption with AWS KMS managed key requires HTTP header \
                 x-amz-server-side-encryption : aws:kms",
            )
            .argument("x-amz-server-side-encryption-aws-kms-key-id", key)),
    }
}

const CUSTOMER_KEY: [&str; 3] = [
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-server-side-encryption-customer-key-md5",
];

/// Encryption with a key of the client is not there, and over TLS nothing else is to be said of it.
///
/// # Errors
/// `NotImplemented`.
pub(super) fn check_secret_key(head: &Head<'_>) -> Result<(), Error> {
    match CUSTOMER_KEY.iter().find(|name| head.has(name)) {
        Some(name) => Err(not_implemented(name, "")),
        None => Ok(()),
    }
}

/// Encryption with a key of the client; S3 takes none over a connection that others can read.
///
/// # Errors
/// `InvalidRequest`.
pub(super) fn check_customer_key(head: &Head<'_>) -> Result<(), Error> {
    if CUSTOMER_KEY.iter().any(|name| head.has(name)) {
        return Err(Error::new(Code::InvalidRequest).message(
            "Requests specifying Server Side Encryption with Customer provided keys must be made \
             over a secure connection.",
        ));
    }
    Ok(())
}

/// Object Lock: no bucket here has it.
fn check_lock(head: &Head<'_>) -> Result<(), Error> {
    const MODE: &str = "x-amz-object-lock-mode";
    const DATE: &str = "x-amz-object-lock-retain-until-date";
    let (mode, date) = (head.filled(MODE), head.filled(DATE));
    let hold = head.filled("x-amz-object-lock-legal-hold");
    let missing = match (mode, date) {
        (None, None) if hold.is_none() => return Ok(()),
        (Some(_), None) => Some(DATE),
        (None, Some(_)) => Some(MODE),
        _ => None,
    };
    Err(match missing {
        Some(name) => Error::new(Code::InvalidArgument)
            .message(
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be \
                 supplied",
            )
            .argument(name, ""),
        None => {
            Error::new(Code::InvalidRequest).message("Bucket is missing ObjectLockConfiguration")
        }
    })
}

/// A header that asks for what is not here, and S3's words for it, if it has any.
pub(super) fn not_implemented(header: &str, why: &'static str) -> Error {
    let error = Error::new(Code::NotImplemented).element("Header", header);
    if why.is_empty() { error } else { error.element("additionalMessage", why) }
}
