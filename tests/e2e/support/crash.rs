//! A client of a server that may be killed at any moment: it knows what every one of its keys
//! must be, and which change was under way when the answer did not come.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use lobos_digest::{Algorithm, digest};

use super::dice::Dice;
use super::http::{Request, Response};
use super::server::PATIENCE;

/// The keys of each client, beneath a folder of its own. Some are in the way of others, some
/// cannot be paths.
const KEYS: [&str; 9] = ["a", "a/b", "d/x", "d/y", "d/", "new/deep/er/z", "/w", "d//v", "u"];

/// How many of them are files or could be.
const FILES: [&str; 8] = ["a", "a/b", "d/x", "d/y", "new/deep/er/z", "/w", "d//v", "u"];

/// This key is written by all clients.
pub(crate) const SHARED: &str = "shared/key";

/// An object, as far as a client can see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) body: Vec<u8>,
    pub(crate) seed: String,
    pub(crate) large: String,
    pub(crate) kind: String,
    pub(crate) tags: Vec<(String, String)>,
    /// `None`: not known, since no answer told it.
    pub(crate) etag: Option<String>,
}

impl Version {
    /// Whether it is what was expected.
    fn is(&self, expected: &Self) -> bool {
        let etag = self.etag.clone().filter(|_| expected.etag.is_some());
        *expected == Self { etag, ..self.clone() }
    }
}

/// What a request makes of one or two keys; `None` is no object.
type Change = Vec<(String, Option<Version>)>;

/// A Complete that is worth to be asked again.
struct Completion {
    target: String,
    document: String,
    change: Change,
}

/// One client, and the truth about its keys.
pub(crate) struct Client {
    number: usize,
    dice: Dice,
    count: usize,
    objects: BTreeMap<String, Version>,
    pending: Option<Change>,
    completion: Option<Completion>,
    /// Uploads that were completed.
    pub(crate) completed: Vec<String>,
    pub(crate) acknowledged: usize,
    /// How often an answer did not come.
    pub(crate) broken: usize,
    pub(crate) wrote_shared: bool,
}

impl Client {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            number,
            dice: Dice::new(number as u64),
            count: 0,
            objects: BTreeMap::new(),
            pending: None,
            completion: None,
            completed: Vec::new(),
            acknowledged: 0,
            broken: 0,
            wrote_shared: false,
        }
    }

    /// Changes its objects until the server is gone.
    pub(crate) fn run(mut self, address: SocketAddr) -> Self {
        if let Ok(stream) = TcpStream::connect(address) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut wire = Wire { stream, address };
            while self.step(&mut wire).is_some() {
                self.acknowledged += 1;
            }
        }
        self
    }

    /// Looks at all its keys: each is as it must be.
    pub(crate) fn settle(&mut self, look: &mut dyn FnMut(&str) -> Option<Version>) {
        let mut seen: BTreeMap<String, Version> = BTreeMap::new();
        for key in KEYS.map(|key| self.key(key)) {
            if let Some(version) = look(&key) {
                seen.insert(key, version);
            }
        }
        let mut wanted = vec![self.objects.clone()];
        if let Some(change) = self.pending.take() {
            self.broken += 1;
            apply(&mut self.objects, change);
            wanted.push(self.objects.clone());
        }
        let fits = |wanted: &BTreeMap<String, Version>| {
            let mut pairs = seen.iter().zip(wanted);
            seen.len() == wanted.len() && pairs.all(|(a, b)| a.0 == b.0 && a.1.is(b.1))
        };
        assert!(wanted.iter().any(fits), "seen {:#?}\nwanted {:#?}", short(&seen), {
            wanted.iter().map(short).collect::<Vec<_>>()
        });
        self.objects = seen;
    }

    /// A Complete without an answer is asked again and makes the object, or has made it.
    pub(crate) fn complete_again(&mut self, address: SocketAddr) {
        let Some(Completion { target, document, change }) = self.completion.take() else { return };
        let request = Request::new(address, "POST", &target).body(document);
        request.send().expect(200);
        self.completed.push(target);
        apply(&mut self.objects, change);
    }

    /// Each of its objects with its size.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = (String, u64)> {
        self.objects.iter().map(|(key, version)| (key.clone(), version.body.len() as u64))
    }

    fn key(&self, key: &str) -> String {
        format!("c{}/{key}", self.number)
    }

    fn any(&mut self) -> String {
        let key = *self.dice.pick(&KEYS);
        self.key(key)
    }

    fn file(&mut self) -> String {
        let key = *self.dice.pick(&FILES);
        self.key(key)
    }

    /// One of the objects that are no folders.
    fn source(&mut self) -> Option<(String, Version)> {
        let key = self.file();
        self.objects.get(&key).map(|version| (key, version.clone()))
    }

    /// One change; `None` if the server is gone.
    fn step(&mut self, wire: &mut Wire) -> Option<()> {
        match self.dice.below(16) {
            0..5 => {
                let key = self.any();
                self.put(wire, key)
            }
            5 => {
                let version = self.version();
                let request = self.describe(wire.request("PUT", SHARED), &version);
                wire.ask(request.body(&version.body), 200)?;
                self.wrote_shared = true;
                Some(())
            }
            6..8 => {
                let key = self.any();
                let request = wire.request("DELETE", &key);
                self.change(wire, &request, 204, vec![(key, None)]).map(drop)
            }
            8..10 => self.multipart(wire),
            10..12 => self.copy(wire),
            12 => self.append(wire),
            13..15 => self.rename(wire),
            _ => self.tag(wire),
        }
    }

    /// Sends what makes this change.
    fn change(
        &mut self,
        wire: &mut Wire,
        request: &Request,
        status: u16,
        mut change: Change,
    ) -> Option<Response> {
        self.pending = Some(change.clone());
        let response = wire.ask(request.clone(), status)?;
        self.pending = None;
        if let Some((_, Some(version))) = change.last_mut().filter(|_| response.body.is_empty()) {
            // An append has told the tag of the new object.
            let told = response.find("ETag").map(str::to_owned);
            version.etag = version.etag.take().or(told);
        }
        apply(&mut self.objects, change);
        Some(response)
    }

    /// A new object that nobody has seen yet; a third of them has more metadata than fits into
    /// an attribute on ext4.
    fn version(&mut self) -> Version {
        self.count += 1;
        let seed = format!("{}-{}", self.number, self.count);
        let body = body(&seed);
        let mut version = Version { etag: Some(md5(&body)), ..Version::default() };
        version.kind = format!("text/x-{seed}");
        if self.dice.once_in(3) {
            version.large = seed.repeat(1900 / seed.len());
            let tag = |at: usize| (format!("{at}{}", "k".repeat(100)), "v".repeat(250));
            version.tags = (0..10).map(tag).collect();
        }
        Version { body, seed, ..version }
    }

    fn describe(&self, request: Request, version: &Version) -> Request {
        let mut request =
            request.header("Content-Type", &version.kind).header("x-amz-meta-seed", &version.seed);
        if !version.large.is_empty() {
            request = request.header("x-amz-meta-large", &version.large);
        }
        let tags = version.tags.iter().map(|(key, value)| format!("{key}={value}"));
        let tags: Vec<String> = tags.collect();
        if tags.is_empty() { request } else { request.header("x-amz-tagging", tags.join("&")) }
    }

    fn put(&mut self, wire: &mut Wire, key: String) -> Option<()> {
        let mut version = self.version();
        if key.ends_with('/') && self.dice.once_in(2) {
            (version.body, version.etag) = (Vec::new(), Some(md5(b"")));
        }
        let request = self.describe(wire.request("PUT", &key), &version).body(&version.body);
        self.change(wire, &request, 200, vec![(key, Some(version))]).map(drop)
    }

    fn multipart(&mut self, wire: &mut Wire) -> Option<()> {
        let key = self.file();
        let mut version = self.version();
        let create = self.describe(wire.request("POST", &format!("{key}?uploads")), &version);
        let id = wire.ask(create, 200)?.one("UploadId");
        let half = version.body.len() / 2;
        let (first, second) = version.body.split_at(half);
        let (mut md5s, mut parts) = (Vec::new(), String::new());
        for (number, part) in [(1, first), (2, second)] {
            let target = format!("{key}?partNumber={number}&uploadId={id}");
            wire.ask(wire.request("PUT", &target).body(part), 200)?;
            let md5 = digest(Algorithm::Md5, part);
            md5s.extend_from_slice(md5.bytes());
            let etag = md5.to_hex();
            parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        version.etag = Some(format!("\"{}-2\"", digest(Algorithm::Md5, &md5s).to_hex()));
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let target = format!("{key}?uploadId={id}");
        let request = wire.request("POST", &target).body(&document);
        let change = vec![(key, Some(version))];
        let target = format!("/bench/{target}");
        self.completion =
            Some(Completion { target: target.clone(), document, change: change.clone() });
        self.change(wire, &request, 200, change)?;
        self.completion = None;
        self.completed.push(target);
        Some(())
    }

    fn copy(&mut self, wire: &mut Wire) -> Option<()> {
        let key = self.file();
        let Some((from, version)) = self.source().filter(|(from, _)| *from != key) else {
            return self.put(wire, key);
        };
        let request = wire.request("PUT", &key).header("x-amz-copy-source", wire.path(&from));
        let etag = Some(md5(&version.body));
        let change = vec![(key, Some(Version { etag, ..version }))];
        self.change(wire, &request, 200, change).map(drop)
    }

    fn append(&mut self, wire: &mut Wire) -> Option<()> {
        let Some((key, version)) = self.source().filter(|(_, v)| !v.body.is_empty()) else {
            return Some(());
        };
        let more = body(&version.seed.repeat(2));
        let request = wire.request("PUT", &key).body([b"+".as_slice(), &more].concat());
        let request = request.header("x-amz-write-offset-bytes", version.body.len());
        let body = [version.body.as_slice(), b"+", &more].concat();
        let change = vec![(key, Some(Version { body, etag: None, ..version }))];
        self.change(wire, &request, 200, change).map(drop)
    }

    fn rename(&mut self, wire: &mut Wire) -> Option<()> {
        let key = self.file();
        let Some((from, version)) = self.source().filter(|(from, _)| *from != key) else {
            return self.put(wire, key);
        };
        let request = wire.request("PUT", &format!("{key}?renameObject"));
        let request = request.header("x-amz-rename-source", &from);
        let change = vec![(from, None), (key, Some(version))];
        self.change(wire, &request, 200, change).map(drop)
    }

    fn tag(&mut self, wire: &mut Wire) -> Option<()> {
        let Some((key, version)) = self.source() else { return Some(()) };
        let length = if self.dice.once_in(2) { 250 } else { 1 };
        let tags: Vec<(String, String)> =
            (0..self.dice.below(11)).map(|at| (at.to_string(), "t".repeat(length))).collect();
        let tag = |(key, value): &(String, String)| {
            format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
        };
        let set: String = tags.iter().map(tag).collect();
        let document = format!("<Tagging><TagSet>{set}</TagSet></Tagging>");
        let request = wire.request("PUT", &format!("{key}?tagging")).body(document);
        let change = vec![(key, Some(Version { tags, ..version }))];
        self.change(wire, &request, 200, change).map(drop)
    }
}

fn apply(objects: &mut BTreeMap<String, Version>, change: Change) {
    for (key, version) in change {
        match version {
            Some(version) => objects.insert(key, version),
            None => objects.remove(&key),
        };
    }
}

/// For a message.
fn short(objects: &BTreeMap<String, Version>) -> Vec<String> {
    let short = |(key, v): (&String, &Version)| {
        let (size, tags, large) = (v.body.len(), v.tags.len(), v.large.len());
        format!("{key} {} {} {:?} {size} {} {large} {tags}", v.seed, v.kind, v.etag, md5(&v.body))
    };
    objects.iter().map(short).collect()
}

/// Whether an answer has all that one version of [`SHARED`] has.
pub(crate) fn shared_is_whole(got: &Response) -> bool {
    let seed = got.header("x-amz-meta-seed");
    got.body == body(seed)
        && got.header("ETag") == md5(&got.body)
        && got.header("Content-Type") == format!("text/x-{seed}")
}

/// The tag of an object of these bytes.
fn md5(bytes: &[u8]) -> String {
    format!("\"{}\"", digest(Algorithm::Md5, bytes).to_hex())
}

/// Up to 400,000 bytes, mostly few, that are the same for the same seed only.
fn body(seed: &str) -> Vec<u8> {
    let mut dice = Dice::new(seed.bytes().fold(0, |sum, b| sum * 31 + u64::from(b)));
    let most = *dice.pick(&[1, 100, 5_000, 20_000, 70_000, 400_000]);
    let length = dice.below(most);
    seed.bytes().chain(*b":").cycle().take(length).collect()
}

/// A connection that may end at any moment.
struct Wire {
    stream: TcpStream,
    address: SocketAddr,
}

impl Wire {
    fn path(&self, key: &str) -> String {
        format!("/bench/{key}")
    }

    fn request(&self, method: &str, key: &str) -> Request {
        Request::new(self.address, method, &self.path(key))
    }

    /// The answer, if all of it comes; it must have this status.
    fn ask(&mut self, request: Request, status: u16) -> Option<Response> {
        self.stream.write_all(&request.bytes()).ok()?;
        let mut bytes = Vec::new();
        let mut block = vec![0; 64 << 10];
        loop {
            let count = self.stream.read(&mut block).ok().filter(|count| *count > 0)?;
            bytes.extend_from_slice(&block[..count]);
            let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(&bytes[..end]).unwrap();
            let headers: Vec<(String, String)> = head
                .split("\r\n")
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let got = head[9..12].parse().unwrap();
            let body = bytes[end + 4..].to_vec();
            let response = Response { status: got, headers, body };
            let length = response.find("Content-Length").map_or(0, |n| n.parse().unwrap());
            if response.body.len() == length {
                return Some(response.expect(status));
            }
        }
    }
}
