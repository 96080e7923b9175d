//! What clients put, copy, complete, rename and delete is in the very next list, or out of it,
//! whoever asks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc;

use crate::support::dice::Dice;
use crate::support::http::{Connection, Request, Response};
use crate::support::pages::{Listed, Operation, Query, escape};
use crate::support::server::{Runtime, Server, Setup};

/// The options that each test runs with, one set after the other.
const INDEX: &[&[&str]] = &[&[], &["--enable-lobos-index"]];

const CLIENTS: usize = 8;

on_every_runtime![with std::convert::identity; own_keys, keys_of_others];

/// How many requests each client sends, beside the lists.
fn trials() -> usize {
    std::env::var("LOBOS_TRIALS").map_or(25, |text| text.parse().unwrap())
}

/// In memory and on disk, with each set of options.
fn everywhere(runtime: Runtime, test: impl Fn(&Server)) {
    let places = [PathBuf::from("/dev/shm"), std::env::temp_dir()];
    for place in places.iter().filter(|place| place.is_dir()) {
        for args in INDEX {
            let setup = Setup::within(runtime, place).args(args);
            let server = setup.arg("--min-part-size=0").start();
            for at in 0..200 {
                server.place(&format!("busy/{at:03}"), "there before");
            }
            test(&server);
        }
    }
}

/// A client with a connection for changes and one for lists, and what it has stored.
struct Client<'s> {
    server: &'s Server,
    changes: Connection,
    lists: Connection,
    dice: Dice,
    /// Begins all its keys.
    name: String,
    stored: BTreeMap<String, u64>,
}

impl<'s> Client<'s> {
    fn new(server: &'s Server, at: usize) -> Self {
        let (changes, lists) = (server.connect(), server.connect());
        let (dice, name) = (Dice::new(at as u64 + 1), format!("busy/1-{at}-"));
        Self { server, changes, lists, dice, name, stored: BTreeMap::new() }
    }

    fn send(&mut self, method: &str, key: &str, query: &str, more: &[(&str, &str)]) -> Response {
        self.send_body(method, key, query, more, b"")
    }

    fn send_body(
        &mut self,
        method: &str,
        key: &str,
        query: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let target = format!("/bench/{}{query}", escape(key));
        let mut request = Request::new(self.server.address(), method, &target);
        if matches!(method, "PUT" | "POST") {
            request = request.body(body);
        }
        for (name, value) in more {
            request = request.header(name, value);
        }
        request.on(&mut self.changes)
    }

    /// A key in the folder that all share, in one below it, or one that cannot be a path.
    fn key(&mut self) -> String {
        let number = self.dice.below(12);
        let tail = ["", "", ".txt", "/in/it", "//aside", "/", " é&"][self.dice.below(7)];
        format!("{}{number}{tail}", self.name)
    }

    /// One of the keys that are there.
    fn stored_key(&mut self) -> Option<String> {
        let keys: Vec<_> = self.stored.keys().cloned().collect();
        (!keys.is_empty()).then(|| self.dice.pick(&keys).clone())
    }

    fn body(&mut self) -> Vec<u8> {
        vec![b'b'; self.dice.below(3000)]
    }

    fn put(&mut self) {
        let (key, body) = (self.key(), self.body());
        let metadata = [("x-amz-meta-a", "b"), ("Content-Type", "text/x-own")];
        let more = &metadata[..self.dice.below(3)];
        self.send_body("PUT", &key, "", more, &body).expect(200);
        self.stored.insert(key, body.len() as u64);
    }

    fn copy(&mut self) {
        let (Some(source), target) = (self.stored_key(), self.key()) else { return };
        if source == target {
            return;
        }
        let from = format!("/bench/{}", escape(&source));
        self.send("PUT", &target, "", &[("x-amz-copy-source", &from)]).expect(200);
        self.stored.insert(target, self.stored[&source]);
    }

    fn rename(&mut self) {
        let (Some(source), target) = (self.stored_key(), self.key()) else { return };
        if source == target || source.ends_with('/') || target.ends_with('/') {
            return;
        }
        let from = escape(&source);
        self.send("PUT", &target, "?renameObject", &[("x-amz-rename-source", &from)]).expect(200);
        let size = self.stored.remove(&source).unwrap();
        self.stored.insert(target, size);
    }

    fn multipart(&mut self) {
        let key = self.key();
        let id = self.send("POST", &key, "?uploads", &[]).expect(200).one("UploadId");
        let (mut parts, mut size) = (String::new(), 0);
        for number in 1..=2 {
            let (body, query) = (self.body(), format!("?uploadId={id}&partNumber={number}"));
            let stored = self.send_body("PUT", &key, &query, &[], &body).expect(200);
            let etag = stored.header("ETag").replace('"', "&quot;");
            parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
            size += body.len() as u64;
        }
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let query = format!("?uploadId={id}");
        self.send_body("POST", &key, &query, &[], document.as_bytes()).expect(200);
        self.stored.insert(key, size);
    }

    fn delete(&mut self) {
        let Some(key) = self.stored_key() else { return };
        self.send("DELETE", &key, "", &[]).expect(204);
        self.stored.remove(&key);
    }

    /// DeleteObjects of two.
    fn delete_two(&mut self) {
        let mut document = String::from("<Delete>");
        for key in [self.stored_key(), self.stored_key()].into_iter().flatten() {
            let text = key.replace('&', "&amp;");
            document += &format!("<Object><Key>{text}</Key></Object>");
            self.stored.remove(&key);
        }
        if document != "<Delete>" {
            document += "</Delete>";
            let md5 = lobos_digest::digest(lobos_digest::Algorithm::Md5, document.as_bytes());
            let md5 = md5.to_base64();
            let target = "/bench?delete";
            let request = Request::new(self.server.address(), "POST", target).body(document);
            request.header("Content-MD5", md5).on(&mut self.changes).expect(200);
        }
    }

    /// Lists all that this client has, in one of the ways there are, and compares each object
    /// with what HeadObject says.
    fn check(&mut self, what: &str) {
        let operation = *self.dice.pick(&Operation::ALL);
        let max_keys = *self.dice.pick(&[1000, 1000, 3]);
        let query = Query { operation, max_keys, ..Query::of(&self.name) };
        let page = query.pages(&mut self.lists, self.server);
        let sizes = page.objects.iter().map(|(key, of)| (key.clone(), of.size));
        assert_eq!(sizes.collect::<BTreeMap<_, _>>(), self.stored, "{what}; {query:?}");
        for (key, of) in &page.objects {
            self.same_as_head(key, of, what);
        }
    }

    fn same_as_head(&mut self, key: &str, of: &Listed, what: &str) {
        let head = self.send("HEAD", key, "", &[]).expect(200);
        assert_eq!(head.header("ETag"), of.etag, "{key:?}; {what}");
        assert_eq!(head.header("Content-Length"), of.size.to_string(), "{key:?}; {what}");
    }

    fn go(&mut self) {
        let (change, what) = match self.dice.below(7) {
            0 | 1 => (Self::put as fn(&mut Self), "put"),
            2 => (Self::copy as _, "copied"),
            3 => (Self::rename as _, "renamed"),
            4 => (Self::multipart as _, "completed"),
            5 => (Self::delete as _, "deleted"),
            _ => (Self::delete_two as _, "two deleted"),
        };
        change(self);
        self.check(what);
    }
}

fn own_keys(runtime: &Runtime) {
    // Of eight clients at once in one folder each sees in every list what it has stored, and
    // nothing that it has removed, with size and tag as HeadObject has them.
    everywhere(*runtime, |server| {
        std::thread::scope(|scope| {
            for at in 0..CLIENTS {
                scope.spawn(move || {
                    let mut client = Client::new(server, at);
                    for _ in 0..trials() {
                        client.go();
                    }
                });
            }
        });
    });
}

fn keys_of_others(runtime: &Runtime) {
    // What one client was told is done, another sees in a list that it begins after that.
    everywhere(*runtime, |server| {
        std::thread::scope(|scope| {
            for at in 0..CLIENTS / 2 {
                let (tell, told) = mpsc::channel();
                let (allow, allowed) = mpsc::channel();
                scope.spawn(move || {
                    let mut client = Client::new(server, at);
                    for _ in 0..trials() {
                        let (key, body) = (client.key(), client.body());
                        client.send_body("PUT", &key, "", &[], &body).expect(200);
                        tell.send((key.clone(), Some(body.len() as u64))).unwrap();
                        allowed.recv().unwrap();
                        client.send("DELETE", &key, "", &[]).expect(204);
                        tell.send((key, None)).unwrap();
                        allowed.recv().unwrap();
                    }
                });
                scope.spawn(move || {
                    let mut client = Client::new(server, at + CLIENTS);
                    for (key, size) in told {
                        let query = Query { max_keys: 1, ..Query::of(&key) };
                        let page = query.page(&mut client.lists, server, "");
                        assert_eq!(page.objects.get(&key).map(|of| of.size), size, "{key:?}");
                        allow.send(()).unwrap();
                    }
                });
            }
        });
    });
}
