//! The names of the operations, as S3 has them, for whoever counts or logs requests.

use super::{Configuration, ListingVersion};
use crate::Request;

macro_rules! operations {
    ($($name:ident,)*) => {
        /// What a request asks for.
        #[allow(missing_docs, reason = "the names of the S3 API reference")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation { $($name,)* }

        impl Operation {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Operation] = &[$(Operation::$name,)*];

            /// The name.
            pub fn as_str(self) -> &'static str {
                match self { $(Operation::$name => stringify!($name),)* }
            }
        }
    };
}

operations! {
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    DeleteBucket,
    DeleteBucketConfiguration,
    DeleteBucketCors,
    DeleteBucketPolicy,
    DeleteBucketTagging,
    DeleteObject,
    DeleteObjectTagging,
    DeleteObjects,
    GetBucketAcl,
    GetBucketConfiguration,
    GetBucketCors,
    GetBucketLocation,
    GetBucketPolicy,
    GetBucketTagging,
    GetBucketVersioning,
    GetObject,
    GetObjectAcl,
    GetObjectAttributes,
    GetObjectTagging,
    HeadBucket,
    HeadObject,
    ListBuckets,
    ListMultipartUploads,
    ListObjectVersions,
    ListObjects,
    ListObjectsV2,
    ListParts,
    Page,
    PostObject,
    Preflight,
    PutBucketAcl,
    PutBucketConfiguration,
    PutBucketCors,
    PutBucketPolicy,
    PutBucketTagging,
    PutBucketVersioning,
    PutObject,
    PutObjectAcl,
    PutObjectTagging,
    RenameObject,
    UploadPart,
    UploadPartCopy,
}

impl Operation {
    /// The operation of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.as_str() == name)
    }

    /// Its place in [`Operation::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Configurations that few ask for share a name.
    pub(crate) fn get(kind: Configuration) -> Self {
        match kind {
            Configuration::Cors => Self::GetBucketCors,
            Configuration::Policy => Self::GetBucketPolicy,
            Configuration::Tagging => Self::GetBucketTagging,
            Configuration::Versioning => Self::GetBucketVersioning,
            _ => Self::GetBucketConfiguration,
        }
    }

    pub(crate) fn put(kind: Configuration) -> Self {
        match kind {
            Configuration::Cors => Self::PutBucketCors,
            Configuration::Policy => Self::PutBucketPolicy,
            Configuration::Tagging => Self::PutBucketTagging,
            Configuration::Versioning => Self::PutBucketVersioning,
            _ => Self::PutBucketConfiguration,
        }
    }

    fn delete(kind: Configuration) -> Self {
        match kind {
            Configuration::Cors => Self::DeleteBucketCors,
            Configuration::Policy => Self::DeleteBucketPolicy,
            Configuration::Tagging => Self::DeleteBucketTagging,
            _ => Self::DeleteBucketConfiguration,
        }
    }
}

impl Request {
    /// The name of what it asks for.
    pub fn operation(&self) -> Operation {
        match self {
            Self::ListBuckets(_) => Operation::ListBuckets,
            Self::CreateBucket(_) => Operation::CreateBucket,
            Self::HeadBucket(_) => Operation::HeadBucket,
            Self::DeleteBucket(_) => Operation::DeleteBucket,
            Self::GetBucketLocation(_) => Operation::GetBucketLocation,
            Self::ListObjects(list) => match list.version {
                ListingVersion::V1 { .. } => Operation::ListObjects,
                ListingVersion::V2 { .. } => Operation::ListObjectsV2,
                _ => Operation::ListObjectVersions,
            },
            Self::HeadObject(_) => Operation::HeadObject,
            Self::GetObject(_) => Operation::GetObject,
            Self::PutObject(_) => Operation::PutObject,
            Self::DeleteObject(_) => Operation::DeleteObject,
            Self::DeleteObjects(_) => Operation::DeleteObjects,
            Self::CopyObject(_) => Operation::CopyObject,
            Self::RenameObject(_) => Operation::RenameObject,
            Self::GetObjectAttributes(_) => Operation::GetObjectAttributes,
            Self::GetObjectTagging(_) => Operation::GetObjectTagging,
            Self::PutObjectTagging(put) if put.tags.is_none() => Operation::DeleteObjectTagging,
            Self::PutObjectTagging(_) => Operation::PutObjectTagging,
            Self::CreateMultipartUpload(_) => Operation::CreateMultipartUpload,
            Self::UploadPart(_) => Operation::UploadPart,
            Self::UploadPartCopy(_) => Operation::UploadPartCopy,
            Self::CompleteMultipartUpload(_) => Operation::CompleteMultipartUpload,
            Self::AbortMultipartUpload(_) => Operation::AbortMultipartUpload,
            Self::ListParts(_) => Operation::ListParts,
            Self::ListMultipartUploads(_) => Operation::ListMultipartUploads,
            Self::GetBucketConfiguration(get) => Operation::get(get.kind),
            Self::PutBucketConfiguration(put) if put.document.is_none() => {
                Operation::delete(put.kind)
            }
            Self::PutBucketConfiguration(put) => Operation::put(put.kind),
            Self::GetAcl(acl) if acl.key.is_some() => Operation::GetObjectAcl,
            Self::GetAcl(_) => Operation::GetBucketAcl,
            Self::PutAcl(acl) if acl.key.is_some() => Operation::PutObjectAcl,
            Self::PutAcl(_) => Operation::PutBucketAcl,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        // Each operation is found by its name and by its number.
        for (at, operation) in Operation::ALL.iter().enumerate() {
            assert_eq!(operation.index(), at);
            assert_eq!(Operation::named(operation.as_str()), Some(*operation));
        }
        assert_eq!(Operation::named("getobject"), None);
    }
}
