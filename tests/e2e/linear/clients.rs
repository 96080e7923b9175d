//! Clients that do all there is to do to a few keys, and write down when they asked and what they
//! heard.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use lobos_digest::{Algorithm, digest};

use crate::linear::checker::{Action, Answer, Event, Value, is_linearizable};
use crate::support::dice::Dice;
use crate::support::http::{Request, Response};
use crate::support::server::Server;
use crate::support::xml;

/// Keys that everything is done to; the second is kept aside.
const KEYS: [&str; 2] = ["d/k", "a//k"];

const CLIENTS: usize = 6;

/// What was asked and answered, by key.
pub(crate) struct History {
    began: Instant,
    events: BTreeMap<&'static str, Vec<Event>>,
    /// What every tag that is an MD5 is of.
    texts: Mutex<BTreeMap<String, String>>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), events: BTreeMap::new(), texts: Mutex::default() }
    }

    /// Bytes that nobody else writes.
    fn fresh(&self) -> String {
        let mut texts = self.texts.lock().unwrap();
        let text = format!("<{}>", texts.len());
        let md5 = digest(Algorithm::Md5, text.as_bytes()).to_hex();
        texts.insert(format!("\"{md5}\""), text.clone());
        text
    }

    fn of_tag(&self, etag: &str) -> Option<String> {
        self.texts.lock().unwrap().get(etag).cloned()
    }

    fn of_answer(&self, known: bool) -> usize {
        let all = self.events.values().flatten();
        all.filter(|event| (event.answer != Answer::Unknown) == known).count()
    }

    /// How many operations were answered.
    pub(crate) fn known(&self) -> usize {
        self.of_answer(true)
    }

    /// How many were not, or with an error that says nothing.
    pub(crate) fn unknown(&self) -> usize {
        self.of_answer(false)
    }

    /// Fails if some key has a history that no object can have.
    pub(crate) fn check(&self) {
        for (key, events) in &self.events {
            if is_linearizable(None, events) {
                continue;
            }
            let mut shown = events.clone();
            shown.sort_by_key(|event| event.asked);
            let longest = (0..shown.len()).rfind(|end| is_linearizable(None, &shown[..*end]));
            let end = longest.unwrap_or(0);
            let around = &shown[end.saturating_sub(15)..shown.len().min(end + 5)];
            panic!("{key} cannot have this history, about the end: {around:#?}");
        }
    }
}

/// Lets all clients do `rounds` operations each, or as many as they can before the server ends.
pub(crate) fn run(history: &mut History, servers: &[&Server], seed: u64, rounds: usize) {
    let shared = &*history;
    let all: Vec<Vec<(&'static str, Event)>> = std::thread::scope(|scope| {
        let client = |number: usize| {
            let server = servers[number % servers.len()];
            scope.spawn(move || Client::new(shared, server, seed + number as u64).work(rounds))
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for (key, event) in all.into_iter().flatten() {
        history.events.entry(key).or_default().push(event);
    }
}

/// One client appends to each key: from then on even plain writes of all servers wait for
/// conditional ones, the very first of which they may miss.
pub(crate) fn warm_up(history: &mut History, server: &Server) {
    let mut client = Client::new(history, server, 0);
    KEYS.iter().for_each(|key| client.append(key));
    for (key, event) in client.events {
        history.events.entry(key).or_default().push(event);
    }
}

struct Client<'h> {
    history: &'h History,
    server: &'h Server,
    dice: Dice,
    events: Vec<(&'static str, Event)>,
    /// The bytes and the tag of each key as this client has last seen them.
    seen: BTreeMap<&'static str, (String, String)>,
    /// The server is gone.
    over: bool,
}

impl<'h> Client<'h> {
    fn new(history: &'h History, server: &'h Server, seed: u64) -> Self {
        let (events, seen) = (Vec::new(), BTreeMap::new());
        Self { history, server, dice: Dice::new(seed), events, seen, over: false }
    }

    fn work(mut self, rounds: usize) -> Vec<(&'static str, Event)> {
        for _ in 0..rounds {
            if self.over {
                break;
            }
            self.one();
        }
        self.events
    }

    fn one(&mut self) {
        let key = KEYS[self.dice.below(KEYS.len())];
        match self.dice.below(17) {
            0..=3 => self.get(key),
            4 | 5 => self.put(key),
            6 => self.put_if_absent(key),
            7 | 8 => self.put_if_match(key),
            9 => self.delete(key),
            10 => self.delete_if_match(key),
            11 | 12 => self.append(key),
            13 => self.copy(key),
            14 => self.complete(key),
            15 => self.delete_many(),
            _ => self.list(),
        }
    }

    fn fresh(&self) -> String {
        self.history.fresh()
    }

    fn request(&self, method: &str, target: &str) -> Request {
        self.server.request(method, &format!("/bench{target}"))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.history.began.elapsed().as_nanos()).unwrap()
    }

    /// Sends it, and gives when and with what answer; what no answer tells is `None`.
    fn ask(&mut self, request: &Request) -> (u64, u64, Option<Response>) {
        let asked = self.now();
        let response = request.attempt();
        self.over |= response.is_none();
        (asked, self.now(), response.filter(|response| response.status < 500))
    }

    fn note(&mut self, key: &'static str, at: (u64, u64), action: Action, answer: Answer) {
        self.events.push((key, Event { asked: at.0, answered: at.1, action, answer }));
    }

    /// A write of any kind.
    fn write(&mut self, key: &'static str, request: &Request, action: Action) -> bool {
        let (asked, answered, response) = self.ask(request);
        let answer = match response.as_ref().map(|response| response.status) {
            None => Answer::Unknown,
            Some(200 | 204) => Answer::Done,
            Some(404) => Answer::Missing,
            Some(412) => Answer::Refused,
            Some(400) if response.as_ref().unwrap().one("Code") == "InvalidWriteOffset" => {
                Answer::Refused
            }
            Some(409) if response.as_ref().unwrap().one("Code") == "OperationAborted" => {
                Answer::Unknown
            }
            Some(409) => Answer::Nothing,
            Some(other) => panic!("{other} {}", response.unwrap().text()),
        };
        let done = answer == Answer::Done;
        self.note(key, (asked, answered), action, answer);
        done
    }

    fn get(&mut self, key: &'static str) {
        let request = self.request("GET", &format!("/{key}"));
        let (asked, answered, response) = self.ask(&request);
        let Some(response) = response else { return };
        let value: Value = match response.status {
            200 => {
                let (text, etag) = (response.text().to_owned(), response.header("ETag").to_owned());
                self.seen.insert(key, (text.clone(), etag));
                Some(text)
            }
            404 => None,
            other => panic!("{other} {}", response.text()),
        };
        self.note(key, (asked, answered), Action::Get, Answer::Read(value));
    }

    fn put(&mut self, key: &'static str) {
        let body = self.fresh();
        let request = self.request("PUT", &format!("/{key}")).body(&body);
        self.write(key, &request, Action::Put(body));
    }

    fn put_if_absent(&mut self, key: &'static str) {
        let body = self.fresh();
        let request = self.request("PUT", &format!("/{key}")).body(&body);
        let request = request.header("If-None-Match", "*");
        self.write(key, &request, Action::PutIfAbsent(body));
    }

    fn put_if_match(&mut self, key: &'static str) {
        self.get(key);
        let Some((old, etag)) = self.seen.get(key).cloned() else { return };
        let body = self.fresh();
        let request = self.request("PUT", &format!("/{key}")).body(&body);
        let action = Action::PutIfMatch(old, body);
        self.write(key, &request.header("If-Match", etag), action);
    }

    fn delete(&mut self, key: &'static str) {
        let request = self.request("DELETE", &format!("/{key}"));
        self.write(key, &request, Action::Delete);
    }

    fn delete_if_match(&mut self, key: &'static str) {
        let Some((old, etag)) = self.seen.get(key).cloned() else { return };
        let request = self.request("DELETE", &format!("/{key}")).header("If-Match", etag);
        self.write(key, &request, Action::DeleteIfMatch(old));
    }

    fn append(&mut self, key: &'static str) {
        let at = self.seen.get(key).map_or(0, |(old, _)| old.len());
        let more = self.fresh();
        let request = self.request("PUT", &format!("/{key}")).body(&more);
        let request = request.header("x-amz-write-offset-bytes", at);
        if self.write(key, &request, Action::Append(at, more)) {
            self.seen.remove(key);
        }
    }

    /// From an object that only this client writes.
    fn copy(&mut self, key: &'static str) {
        let (body, source) = (self.fresh(), format!("/s{:?}", std::thread::current().id()));
        let source = source.replace(['(', ')'], "-");
        let put = self.request("PUT", &source).body(&body).attempt();
        if put.is_none_or(|put| put.status != 200) {
            return;
        }
        let request = self.request("PUT", &format!("/{key}")).unsized_body("");
        let request = request.header("x-amz-copy-source", format!("/bench{source}"));
        self.write(key, &request, Action::Put(body));
    }

    fn complete(&mut self, key: &'static str) {
        let body = self.fresh();
        let created = self.request("POST", &format!("/{key}?uploads")).attempt();
        let Some(created) = created.filter(|created| created.status == 200) else { return };
        let upload = format!("/{key}?uploadId={}", created.one("UploadId"));
        let part = self.request("PUT", &format!("{upload}&partNumber=7")).body(&body).attempt();
        let Some(part) = part.filter(|part| part.status == 200) else { return };
        let etag = part.header("ETag");
        let document = format!(
            "<CompleteMultipartUpload><Part><PartNumber>7</PartNumber><ETag>{etag}</ETag></Part>\
             </CompleteMultipartUpload>"
        );
        let request = self.request("POST", &upload).body(document);
        self.write(key, &request, Action::Put(body));
    }

    /// All keys in any order, each as it is or as this client has last seen it.
    fn delete_many(&mut self) {
        let mut keys = KEYS;
        keys.rotate_left(self.dice.below(KEYS.len()));
        let (mut document, mut actions) = (String::from("<Delete>"), Vec::new());
        for key in keys {
            let last = self.seen.get(key).cloned();
            let (tag, action) = match last.filter(|_| self.dice.below(2) == 0) {
                Some((old, etag)) => (format!("<ETag>{etag}</ETag>"), Action::DeleteIfMatch(old)),
                None => (String::new(), Action::Delete),
            };
            document += &format!("<Object><Key>{key}</Key>{tag}</Object>");
            actions.push((key, action));
        }
        document += "</Delete>";
        let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
        let request = self.request("POST", "?delete").header("Content-MD5", md5).body(document);
        let (asked, answered, response) = self.ask(&request);
        let errors = response.as_ref().map(|response| {
            assert_eq!(response.status, 200, "{}", response.text());
            response.all("Error")
        });
        for (key, action) in actions {
            let answer = errors.as_ref().map_or(Answer::Unknown, |errors| deleted(key, errors));
            self.note(key, (asked, answered), action, answer);
        }
    }

    /// A look at every key; where the tag tells the bytes, a read.
    fn list(&mut self) {
        let request = self.request("GET", "?list-type=2");
        let (asked, answered, response) = self.ask(&request);
        let Some(response) = response else { return };
        let response = response.expect(200);
        let etags: BTreeMap<_, _> =
            response.all("Key").into_iter().zip(response.all("ETag")).collect();
        for key in KEYS {
            let listed = etags.get(key);
            let known = listed.and_then(|etag| self.history.of_tag(etag));
            let (action, answer) = match known {
                Some(text) => (Action::Get, Answer::Read(Some(text))),
                None => (Action::Look, Answer::Present(listed.is_some())),
            };
            self.note(key, (asked, answered), action, answer);
        }
    }
}

/// What a DeleteObjects with these errors says of a key.
fn deleted(key: &str, errors: &[String]) -> Answer {
    let of_key = |error: &&String| xml::all(error, "Key") == [key];
    let Some(error) = errors.iter().find(of_key) else { return Answer::Done };
    match xml::all(error, "Code").concat().as_str() {
        "PreconditionFailed" => Answer::Refused,
        "NoSuchKey" => Answer::Missing,
        "InternalError" | "OperationAborted" | "SlowDown" | "StorageFull" => Answer::Unknown,
        "ConditionalRequestConflict" => Answer::Nothing,
        other => panic!("{other}"),
    }
}
