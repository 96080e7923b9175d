//! What one request and its answer have in common.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use crate::auth::{OWNER, access_key};
use crate::http::encode::{Context, US_EAST_1};
use crate::http::head::{Framing, Head};
use crate::http::target::{Query, Target};
use crate::op::Headers;
use crate::{Code, Config, Error, Now, Request};

/// The request that is being answered.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The number of the connection, and of the request on it.
    connection: u64,
    request_number: u64,
    /// The target up to its query.
    resource: String,
    /// The access key that the request names, else [`OWNER`].
    owner: Cow<'static, str>,
    /// What the owner was read from: the Authorization header up to the comma behind the
    /// credential, which is the same in one request after the other.
    named: Vec<u8>,
    /// The Host header, or that of the target.
    host: String,
    /// For the page of another origin that may read the answer.
    pub(super) cors: Headers,
    head: bool,
    old: bool,
    /// The connection may stay after the answer.
    pub(super) keep: bool,
    /// The client waits for `100 Continue` and has sent nothing of its body.
    pub(super) awaits_continue: bool,
    /// It is unknown where the request ends.
    pub(super) broken: bool,
    /// After the answer the client may still be sending.
    pub(super) linger: bool,
    /// Bytes of a refused body that were dropped.
    pub(super) drained: u64,
    /// The client asks whether the server is well.
    pub(super) health: bool,
    /// What the store is to be asked next.
    pub(super) request: Option<Box<Request>>,
}

impl Exchange {
    /// The answer is out: an idle connection keeps nothing of the request.
    pub(super) fn rest(&mut self) {
        self.drained = 0;
        (self.resource, self.host) = (String::new(), String::new());
    }

    pub(super) fn new(connection: u64) -> Self {
        Self {
            connection,
            request_number: 0,
            resource: String::new(),
            owner: OWNER.into(),
            named: Vec::new(),
            host: String::new(),
            cors: Headers::new(),
            head: false,
            old: false,
            keep: false,
            awaits_continue: false,
            broken: false,
            linger: false,
            drained: 0,
            health: false,
            request: None,
        }
    }

    /// A new request, of which nothing is known yet.
    pub(super) fn begin(&mut self) {
        self.request_number += 1;
        self.resource.clear();
        self.resource.push('/');
        self.host.clear();
        self.cors = Headers::new();
        (self.head, self.old, self.keep) = (false, false, false);
        (self.awaits_continue, self.broken, self.linger) = (false, false, false);
        self.drained = 0;
        self.health = false;
        self.request = None;
    }

    /// What every answer to this head must know, and how its body is framed.
    ///
    /// # Errors
    /// `InvalidRequest` if the end of the request cannot be known.
    pub(super) fn read(&mut self, head: &Head<'_>) -> Result<Framing, Error> {
        self.head = head.method == "HEAD";
        self.old = head.old;
        self.resource.clear();
        match Target::parse(head.target) {
            Ok(target) => {
                self.resource.push_str(target.path);
                self.host.push_str(target.host.unwrap_or_default());
                self.read_owner(head, target.query);
            }
            Err(_) => self.resource.push_str(head.target.split('?').next().unwrap_or_default()),
        }
        let framing = head.framing()?;
        let host = head.host()?.unwrap_or_default();
        if self.host.is_empty() {
            self.host.push_str(host);
        }
        let asked = !head.old || head.has_word("connection", "keep-alive");
        self.keep = asked && !head.has_word("connection", "close");
        let mut expected = head.words("expect").filter(|word| !head.old && !word.is_empty());
        self.awaits_continue = head.has("expect") && !head.old;
        match expected.find(|word| !word.eq_ignore_ascii_case(b"100-continue")) {
            Some(_) => Err(Error::new(Code::ExpectationFailed)),
            None => Ok(framing),
        }
    }

    fn read_owner(&mut self, head: &Head<'_>, query: &str) {
        let header = head.bytes("authorization").unwrap_or_default();
        let first = &header[..memchr(b',', header).unwrap_or(header.len())];
        let named = if memmem::find(first, b"Credential=").is_some() { first } else { header };
        // Few queries name one, and a query is not to be read twice for nothing.
        let is_in_query = query.contains("Credential") || query.contains("AWSAccessKeyId");
        if named == self.named && !is_in_query {
            return;
        }
        let query = if is_in_query { Query::parse(query).ok() } else { None };
        let key = access_key(head, &query.unwrap_or_default());
        self.owner = key.map_or(OWNER.into(), Cow::Owned);
        self.named.clear();
        // What a query says counts once: no header has a line end.
        self.named.extend_from_slice(if is_in_query { b"\n" } else { named });
    }

    /// What its answer has as `x-amz-request-id`.
    pub(super) fn request_id(&self) -> u64 {
        mix(self.connection.rotate_left(32) ^ self.request_number)
    }

    /// The path of the request, as it was sent.
    pub(super) fn resource(&self) -> &str {
        &self.resource
    }

    /// The host that the request names, as it was sent; empty if there was none.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn context<'c>(&'c self, now: Now, config: &'c Config) -> Context<'c> {
        Context {
            request_id: self.request_id(),
            resource: &self.resource,
            host: &self.host,
            scheme: config.scheme(),
            head: self.head,
            old: self.old,
            keep: self.keep,
            now,
            region: config.region.as_deref().unwrap_or(US_EAST_1),
            owner: &self.owner,
            cors: &self.cors,
        }
    }
}

/// Spreads a counter over 64 bits (the finalizer of splitmix64).
fn mix(number: u64) -> u64 {
    let x = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
