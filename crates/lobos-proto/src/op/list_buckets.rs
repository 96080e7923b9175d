//! ListBuckets: all buckets.

use super::list_objects::{read_token, write_token};
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
    /// At most so many, 0 to 10,000; 0 is an empty page that is not truncated.
    pub max: Option<u32>,
    /// A page is asked for; goes back into the answer.
    pub is_paged: bool,
}

/// Buckets by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    /// In byte order of their names.
    pub buckets: Vec<BucketInfo>,
    /// From the request.
    pub prefix: String,
    /// From the request: the answer tells the region of each bucket then.
    pub is_paged: bool,
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

/// How many buckets a page has at most.
const MAX: u32 = 10_000;

impl Buckets {
    /// The page of a store that can go through its buckets: they come in byte order of their names,
    /// and what of them is on the page is seen to here.
    pub fn of(request: ListBuckets, buckets: impl IntoIterator<Item = BucketInfo>) -> Self {
        let ListBuckets { prefix, after, max, is_paged } = request;
        let most = max.map_or(usize::MAX, |max| max as usize);
        let after = after.unwrap_or_default();
        let fits = |bucket: &BucketInfo| bucket.name.starts_with(&prefix) && bucket.name > after;
        let mut fitting = buckets.into_iter().filter(fits);
        let buckets = fitting.by_ref().take(most).collect();
        let truncated = most > 0 && fitting.next().is_some();
        Self { buckets, prefix, is_paged, truncated }
    }
}

impl ListBuckets {
    /// `region` is that of the server, if it has one.
    ///
    /// # Errors
    /// `InvalidArgument` for a max-buckets outside 1 to 10,000, or a token that is none.
    pub(crate) fn parse(query: &Query, region: Option<&str>) -> Result<Self, Error> {
        let text = |name| query.filled(name).map(str::to_owned);
        let max = match query.filled("max-buckets") {
            None => None,
            Some(text) => match text.parse() {
                Ok(max @ 1..=MAX) => Some(max),
                _ => {
                    return Err(Error::new(Code::InvalidArgument)
                        .message("Argument max-buckets must be an integer between 1 and 10000")
                        .argument("max-buckets", text));
                }
            },
        };
        let (prefix, token, wanted) =
            (text("prefix"), query.get("continuation-token"), text("bucket-region"));
        let is_paged = max.is_some() || prefix.is_some() || token.is_some() || wanted.is_some();
        let elsewhere = wanted.is_some_and(|wanted| region.is_some_and(|region| region != wanted));
        let max = if elsewhere { Some(0) } else { max.or(is_paged.then_some(MAX)) };
        let after = token.map(read_token).transpose()?;
        Ok(Self { prefix: prefix.unwrap_or_default(), after, max, is_paged })
    }
}

/// The one user there is: [`Answer::owner`].
pub(crate) fn write_owner(xml: &mut Xml, owner: &str) {
    write_user(xml, "Owner", owner);
}

/// The one user there is, as this element.
pub(super) fn write_user(xml: &mut Xml, element: &str, owner: &str) {
    xml.open(element);
    xml.text("ID", owner);
    xml.text("DisplayName", owner);
    xml.close(element);
}

pub(crate) fn write(answer: Answer<'_>, page: &Buckets) {
    let mut xml = Xml::s3("ListAllMyBucketsResult");
    write_owner(&mut xml, answer.owner());
    xml.open("Buckets");
    for bucket in &page.buckets {
        xml.open("Bucket");
        xml.text("Name", &bucket.name);
        xml.time("CreationDate", bucket.created);
        if page.is_paged {
            xml.text("BucketRegion", answer.region());
        }
        xml.close("Bucket");
    }
    xml.close("Buckets");
    if !page.prefix.is_empty() {
        xml.text("Prefix", &page.prefix);
    }
    if let Some(last) = page.buckets.last().filter(|_| page.truncated) {
        xml.text("ContinuationToken", &write_token(&last.name));
    }
    xml.close("ListAllMyBucketsResult");
    answer.document(xml);
}
