//! GetBucketAcl, GetObjectAcl and their writes: the owner has every right, and nobody else any.

use super::list_buckets::write_owner;
use crate::http::encode::Answer;
use crate::http::head::Head;
use crate::op::Document;
use crate::s3::xml::{Element, Xml};
use crate::{BucketName, Code, Error, Key, Request};

/// Asks who may do what: `NoSuchBucket`, `NoSuchKey`, or the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// The bucket.
    pub bucket: BucketName,
    /// The object, if it is about one.
    pub key: Option<Key>,
}

/// What x-amz-acl may say, and whether that gives the owner all rights and nobody else any: the
/// owner of a bucket owns its objects.
const CANNED: [(&str, bool); 8] = [
    ("private", true),
    ("bucket-owner-full-control", true),
    ("bucket-owner-read", true),
    ("authenticated-read", false),
    ("aws-exec-read", false),
    ("log-delivery-write", false),
    ("public-read", false),
    ("public-read-write", false),
];

const PERMISSIONS: [&str; 5] = ["FULL_CONTROL", "WRITE", "WRITE_ACP", "READ", "READ_ACP"];

impl Acl {
    /// A write whose rights are in a header, or in a document that follows: only what is so
    /// anyhow is accepted.
    ///
    /// # Errors
    /// `NotImplemented` for rights of others, `InvalidArgument`, `MalformedACLError`.
    pub(crate) fn parse(
        bucket: BucketName,
        key: Option<Key>,
        head: &Head<'_>,
    ) -> Result<Document, Error> {
        let in_header = check(head)?;
        let operation = match key {
            Some(_) => super::Operation::PutObjectAcl,
            None => super::Operation::PutBucketAcl,
        };
        Ok(Document::new(operation, move |document, _| {
            match (in_header, document.trim_ascii().is_empty()) {
                (true, true) => {}
                (true, false) => return Err(Error::new(Code::UnexpectedContent)),
                (false, true) => {
                    let error = Error::new(Code::MissingSecurityHeader);
                    return Err(error.element("MissingHeaderName", "x-amz-acl"));
                }
                (false, false) => check_policy(document)?,
            }
            Ok(Request::PutAcl(Self { bucket, key }))
        }))
    }
}

/// Whether the headers give the rights that are so anyhow; `false` if they say nothing of rights.
///
/// # Errors
/// `NotImplemented` for rights of others, `InvalidArgument`, `InvalidRequest`.
pub(super) fn check(head: &Head<'_>) -> Result<bool, Error> {
    match canned(head)? {
        None => Ok(false),
        Some(true) => Ok(true),
        Some(false) => Err(others()),
    }
}

/// Whether the canned ACL, if there is one, is one of S3's, and no grants are beside it or in its
/// place.
///
/// # Errors
/// `NotImplemented` for grants, `InvalidArgument`, `InvalidRequest`.
pub(super) fn check_names(head: &Head<'_>) -> Result<(), Error> {
    canned(head).map(drop)
}

/// Whether the canned ACL, if there is one, is about the owner alone.
fn canned(head: &Head<'_>) -> Result<Option<bool>, Error> {
    let canned = head.filled("x-amz-acl");
    if !head.with_prefix("x-amz-grant-").is_empty() {
        return Err(match canned {
            Some(_) => Error::new(Code::InvalidRequest)
                .message("Specifying both Canned ACLs and Header Grants is not allowed"),
            None => others(),
        });
    }
    let Some(name) = canned else { return Ok(None) };
    match CANNED.into_iter().find(|(other, _)| *other == name) {
        Some((_, owner_only)) => Ok(Some(owner_only)),
        None => Err(Error::new(Code::InvalidArgument).argument("x-amz-acl", name)),
    }
}

fn others() -> Error {
    Error::new(Code::NotImplemented).message("Rights of others than the owner are not implemented.")
}

/// Whether an AccessControlPolicy gives its owner full control, and nobody else any right.
fn check_policy(document: &[u8]) -> Result<(), Error> {
    let malformed = || Error::new(Code::MalformedACLError);
    let root = Element::parse(document).map_err(|_| malformed())?;
    let find = |element: &'_ str| root.children.iter().find(|child| child.name == element);
    let owner = find("Owner").and_then(|owner| owner.child("ID"));
    let list = find("AccessControlList").filter(|_| root.name == "AccessControlPolicy");
    let grants = list.ok_or_else(malformed)?.children.as_slice();
    let mut owner_only = !grants.is_empty();
    for grant in grants {
        let grantee = grant.children.iter().find(|child| child.name == "Grantee");
        let (Some(grantee), Some(permission)) = (grantee, grant.child("Permission")) else {
            return Err(malformed());
        };
        if grant.name != "Grant" || !PERMISSIONS.contains(&permission) {
            return Err(malformed());
        }
        let is_owner = grantee.child("ID").is_some_and(|id| owner == Some(id));
        owner_only &= is_owner && permission == "FULL_CONTROL";
    }
    if owner_only { Ok(()) } else { Err(others()) }
}

/// A user. Clients tell one from a group by the attribute.
const GRANTEE: &str = "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                       xsi:type=\"CanonicalUser\">";

pub(crate) fn write(answer: Answer<'_>) {
    let mut xml = Xml::s3("AccessControlPolicy");
    write_owner(&mut xml, answer.owner());
    xml.open("AccessControlList");
    xml.open("Grant");
    xml.raw(GRANTEE);
    xml.text("ID", answer.owner());
    xml.text("DisplayName", answer.owner());
    xml.close("Grantee");
    xml.text("Permission", "FULL_CONTROL");
    xml.close("Grant");
    xml.close("AccessControlList");
    xml.close("AccessControlPolicy");
    answer.document(xml);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(grants: &[(&str, &str)]) -> Result<(), Code> {
        let grant = |(id, permission): &(&str, &str)| {
            format!(
                "<Grant><Grantee xmlns:xsi='x' xsi:type='CanonicalUser'><ID>{id}</ID></Grantee>\
                 <Permission>{permission}</Permission></Grant>"
            )
        };
        let grants: String = grants.iter().map(grant).collect();
        let document = format!(
            "<AccessControlPolicy><Owner><ID>me</ID></Owner>\
             <AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
        );
        check_policy(document.as_bytes()).map_err(|e| e.code())
    }

    #[test]
    fn policies() {
        // Full control of the owner, and nothing else, is what a policy may give.
        assert_eq!(policy(&[("me", "FULL_CONTROL")]), Ok(()));
        let more = [("me", "FULL_CONTROL"), ("you", "READ")];
        for bad in [&[][..], &[("me", "READ")], &[("you", "FULL_CONTROL")], &more] {
            assert_eq!(policy(bad), Err(Code::NotImplemented), "{bad:?}");
        }
        assert_eq!(policy(&[("me", "ALL")]), Err(Code::MalformedACLError));
        for bad in ["<A", "<AccessControlPolicy/>", "<B><AccessControlList/></B>"] {
            assert_eq!(check_policy(bad.as_bytes()).unwrap_err().code(), Code::MalformedACLError);
        }
    }
}
