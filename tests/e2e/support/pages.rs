//! The pages of all three list operations, read alike, with what must hold of every page.

use std::collections::BTreeMap;

use super::http::{Connection, Request, Response};
use super::server::Server;
use super::xml;

/// How to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// ListObjects
    V1,
    /// ListObjectsV2
    V2,
    /// ListObjectVersions
    Versions,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::V1, Self::V2, Self::Versions];
}

/// What is asked of the bucket `bench`.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) operation: Operation,
    pub(crate) prefix: String,
    /// Empty for none.
    pub(crate) delimiter: &'static str,
    pub(crate) max_keys: usize,
}

/// What a page tells of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) size: u64,
    pub(crate) modified: String,
    pub(crate) etag: String,
}

/// One page, or several as if they were one.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: BTreeMap<String, Listed>,
    pub(crate) prefixes: Vec<String>,
    /// What the query of the next page has more; `None` at the end.
    pub(crate) next: Option<String>,
}

impl Page {
    /// Keys and common prefixes, in byte order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.objects.keys().chain(&self.prefixes).cloned().collect();
        names.sort_unstable();
        names
    }
}

impl Query {
    /// Everything that begins with `prefix`, by ListObjectsV2.
    pub(crate) fn of(prefix: &str) -> Self {
        Self { operation: Operation::V2, prefix: prefix.into(), delimiter: "", max_keys: 1000 }
    }

    /// One page: the first, or the one that `next` of another leads to. Names on it stand in
    /// strict order, and if more follow it is full.
    pub(crate) fn page(&self, on: &mut Connection, server: &Server, next: &str) -> Page {
        let kind = match self.operation {
            Operation::V1 => "",
            Operation::V2 => "list-type=2&",
            Operation::Versions => "versions&",
        };
        let (prefix, delimiter, max) = (escape(&self.prefix), self.delimiter, self.max_keys);
        let target = format!(
            "/bench?{kind}encoding-type=url&prefix={prefix}&delimiter={delimiter}\
             &max-keys={max}{next}"
        );
        let answer = Request::new(server.address(), "GET", &target).on(on).expect(200);
        let page = self.read(&answer);
        let count = page.objects.len() + page.prefixes.len();
        assert!(page.next.is_none() || count == max, "{self:?}: {count} on a page, and more");
        assert!(count <= max, "{self:?}: {count} on a page");
        page
    }

    /// All pages. No name on a later page stands before, or is, one of an earlier page.
    pub(crate) fn pages(&self, on: &mut Connection, server: &Server) -> Page {
        let (mut all, mut next, mut last) = (Page::default(), String::new(), String::new());
        loop {
            let page = self.page(on, server, &next);
            let names = page.names();
            if let Some(first) = names.first() {
                assert!(*first > last, "{self:?}: {first:?} after {last:?}");
            }
            last = names.last().cloned().unwrap_or(last);
            all.objects.extend(page.objects);
            all.prefixes.extend(page.prefixes);
            match page.next {
                Some(more) => next = more,
                None => return all,
            }
        }
    }

    fn read(&self, answer: &Response) -> Page {
        let text = answer.text();
        let (element, next) = match self.operation {
            Operation::Versions => ("Version", &["NextKeyMarker", "NextVersionIdMarker"][..]),
            Operation::V1 => ("Contents", &["NextMarker"][..]),
            Operation::V2 => ("Contents", &["NextContinuationToken"][..]),
        };
        let mut page = Page::default();
        for inner in xml::all(text, element) {
            let one = |name| xml::all(&inner, name).pop().unwrap_or_else(|| panic!("{inner}"));
            let key = unescape(&one("Key"));
            let in_order = page.objects.last_key_value().is_none_or(|(last, _)| *last < key);
            assert!(in_order, "{self:?}: {key:?} out of order in {text}");
            let (size, modified) = (one("Size").parse().unwrap(), one("LastModified"));
            page.objects.insert(key, Listed { size, modified, etag: one("ETag") });
        }
        for inner in xml::all(text, "CommonPrefixes") {
            page.prefixes.push(unescape(&xml::all(&inner, "Prefix").remove(0)));
        }
        assert!(page.prefixes.is_sorted_by(|a, b| a < b), "{self:?}: {:?}", page.prefixes);
        if answer.one("IsTruncated") == "true" {
            let last = page.objects.last_key_value().map(|(key, _)| escape(key));
            let told: Vec<_> = next.iter().filter_map(|name| xml::all(text, name).pop()).collect();
            page.next = Some(match (self.operation, &*told) {
                (Operation::V2, [token]) => format!("&continuation-token={}", escape(token)),
                (Operation::V1, [marker]) => format!("&marker={marker}"),
                (Operation::V1, []) => format!("&marker={}", last.unwrap()),
                (_, [key, version]) => format!("&key-marker={key}&version-id-marker={version}"),
                // After a common prefix there is no version to tell.
                (_, [key]) => format!("&key-marker={key}"),
                _ => panic!("{self:?}: no way on from {text}"),
            });
        }
        page
    }
}

/// Percent-encodes all but what never needs it, and slashes.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let one = |b: u8| if plain(b) { char::from(b).into() } else { format!("%{b:02X}") };
    text.bytes().map(one).collect()
}

/// The reverse of what `encoding-type=url` does.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let (code, after) = rest.split_at(2);
            bytes.push(u8::from_str_radix(std::str::from_utf8(code).unwrap(), 16).unwrap());
            rest = after;
        } else {
            bytes.push(if first == b'+' { b' ' } else { first });
        }
    }
    String::from_utf8(bytes).unwrap()
}
