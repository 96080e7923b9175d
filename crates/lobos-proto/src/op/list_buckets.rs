//! ListBuckets: all buckets.

use crate::http::encode::Answer;
use crate::http::target::Query;
use crate::s3::xml::Xml;
use crate::{Code, Error, Timestamp};

/// Asks for all buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListBuckets {
    /// Only names that begin so.
    pub prefix: String,
    /// Only names after this one.
    pub after: Option<String>,
    /// At most so many (1 to 10,000).
    pub max: Option<u32>,
}

/// Buckets by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// In byte order of their names.
    pub buckets: Vec<BucketInfo>,
    /// From the request.
    pub prefix: String,
    /// More would follow after the last one.
    pub truncated: bool,
}

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub name: String,
    /// When it was made (for a folder: its birth time, else its modification time).
    pub created: Timestamp,
}

impl ListBuckets {
    /// # Errors
    /// `InvalidArgument` for a max-buckets outside 1 to 10,000.
    pub(crate) fn parse(query: &Query) -> Result<Self, Error> {
        let max = match query.filled("max-buckets") {
            None => None,
            Some(text) => match text.parse() {
                Ok(max @ 1..=10_000) => Some(max),
                _ => {
                    return Err(Error::new(Code::InvalidArgument)
                        .message("Argument max-buckets must be an integer between 1 and 10000."));
                }
            },
        };
        let prefix = query.get("prefix").unwrap_or_default().to_owned();
        let after = query.filled("continuation-token").map(str::to_owned);
        Ok(Self { prefix, after, max })
    }
}

/// The one user there is: [`Answer::owner`].
pub(crate) fn write_owner(xml: &mut Xml, owner: &str) {
    write_user(xml, "Owner", owner);
}

/// As [`write_owner`], as another element.
pub(super) fn write_user(xml: &mut Xml, element: &str, user: &str) {
    xml.open(element);
    xml.text("ID", user);
    xml.text("DisplayName", user);
    xml.close(element);
}

pub(crate) fn write(answer: Answer<'_>, page: &Buckets) {
    let mut xml = Xml::s3("ListAllMyBucketsResult");
    write_owner(&mut xml, answer.owner());
    xml.open("Buckets");
    for bucket in &page.buckets {
        xml.open("Bucket");
        xml.text("Name", &bucket.name);
        xml.text("CreationDate", &bucket.created.to_iso8601());
        xml.close("Bucket");
    }
    xml.close("Buckets");
    if !page.prefix.is_empty() {
        xml.text("Prefix", &page.prefix);
    }
    if let Some(last) = page.buckets.last().filter(|_| page.truncated) {
        xml.text("ContinuationToken", &last.name);
    }
    xml.close("ListAllMyBucketsResult");
    answer.document(xml);
}
