//! Keys that become paths, or cannot: whatever is put, copied, renamed and removed under them, in
//! whatever order and on whatever file system, the folder answers and lists what a map would.

use std::collections::BTreeMap;

use lobos_fs::{FsStore, Layout, Options, Quirks};
use lobos_proto::op::{ListObjects, ListingVersion};
use lobos_proto::{Code, Key, Outcome, Request, Response, Store};
use tempfile::TempDir;

use crate::input::Input;
use crate::{common, late};

/// What keys are made of: what a path, our own names and the escapes of `.lobos/aside` can trip
/// over.
const WORDS: [&str; 24] = [
    "a",
    "b",
    "/",
    "//",
    "a/",
    "/a",
    ".lobos",
    ".LOBOS",
    ".lobos-tmp-",
    "%",
    "%2F",
    "\u{fc}",
    " ",
    "\n",
    "aside",
    "tmp",
    "...",
    ".a",
    "-",
    "\u{10ffff}",
    "\\",
    "k",
    "d",
    "LONG",
];

type Map = BTreeMap<String, Vec<u8>>;

/// A folder for one try. These targets write and remove files, so they want a place where nothing
/// else can be hurt: `run-fuzz` makes one.
pub(crate) fn place() -> TempDir {
    let jail = std::env::var_os("LOBOS_FUZZ_JAIL");
    TempDir::new_in(jail.expect("run this target by ./run-fuzz")).expect("a folder")
}

struct Shop {
    store: FsStore,
    map: Map,
    dir: TempDir,
    quirks: Quirks,
}

/// Three bits of the file system, some keys, and what is done.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let bits = input.byte();
    let quirk = |bit: u8| bits & bit != 0;
    let quirks = Quirks { no_xattrs: quirk(1), no_tmpfile: quirk(2), no_scratch: quirk(4) };
    let dir = place();
    std::fs::create_dir(dir.path().join("b")).expect("a folder");
    let mut shop = Shop { store: open(&dir, quirks), map: Map::new(), dir, quirks };
    let keys: Vec<String> = (0..1 + input.below(6)).filter_map(|_| key(&mut input)).collect();
    if keys.is_empty() {
        return;
    }
    for _ in 0..40 {
        if input.is_empty() {
            break;
        }
        let (what, key) = (input.byte(), &keys[input.below(keys.len())]);
        shop.act(what, key, &keys[input.below(keys.len())]);
        shop.check();
    }
    for key in &keys {
        shop.get(key);
        shop.act(2, key, key);
    }
    shop.check();
    let outside: Vec<_> = std::fs::read_dir(shop.dir.path()).expect("it is there").collect();
    assert_eq!(outside.len(), 1, "{outside:?}");
    late::end(shop.store, Some(shop.dir));
}

fn open(dir: &TempDir, quirks: Quirks) -> FsStore {
    let layout = Layout::Dirs(vec![(common::BUCKET.into(), dir.path().join("b"))]);
    FsStore::open_with(layout, Options::default(), quirks).expect("it is there")
}

fn key(input: &mut Input<'_>) -> Option<String> {
    let words = input.piece(12);
    let word = |b: &u8| match WORDS[usize::from(*b) % WORDS.len()] {
        "LONG" => "x".repeat(usize::from(*b) + 60),
        word => word.to_owned(),
    };
    let key: String = words.iter().map(word).collect();
    Key::new(key.as_str()).ok().map(|_| key)
}

impl Shop {
    fn act(&mut self, what: u8, key: &str, other: &str) {
        let body = vec![what; usize::from(what >> 4) % 5];
        match what % 8 {
            0 | 1 => {
                common::put(&self.store, key, &body).unwrap_or_else(|e| panic!("PUT {key:?}: {e}"));
                self.map.insert(key.to_owned(), body);
            }
            2 => {
                common::delete(&self.store, key).unwrap_or_else(|e| panic!("DELETE {key:?}: {e}"));
                self.map.remove(key);
            }
            3 => self.get(key),
            4 if key != other => {
                let copied = common::copy(&self.store, common::copy_request(key, other));
                self.moved(copied.map(drop).map_err(|e| e.code()), key, other, "COPY");
            }
            5 if key != other => {
                let renamed = common::rename(&self.store, common::rename_request(key, other));
                // A folder has no name that could be given to it.
                if renamed.as_ref().is_err_and(|e| e.code() != Code::NoSuchKey) {
                    return;
                }
                self.moved(renamed.map_err(|e| e.code()), key, other, "RENAME");
                self.map.remove(key);
            }
            6 => {
                let old = std::mem::replace(&mut self.store, open(&self.dir, self.quirks));
                late::end(old, None);
            }
            _ => {
                let folder = key.split_inclusive('/').next().filter(|_| what & 16 != 0);
                self.pages(folder.unwrap_or_default(), 1 + u32::from(what >> 6));
            }
        }
    }

    fn moved(&mut self, result: Result<(), Code>, key: &str, other: &str, what: &str) {
        match self.map.get(key).cloned() {
            None => assert_eq!(result, Err(Code::NoSuchKey), "{what} {key:?} {other:?}"),
            Some(body) => {
                assert_eq!(result, Ok(()), "{what} {key:?} {other:?}");
                self.map.insert(other.to_owned(), body);
            }
        }
    }

    fn get(&self, key: &str) {
        let got = common::get(&self.store, key).map(|(_, body)| body).map_err(|e| e.code());
        let should = self.map.get(key).cloned().ok_or(Code::NoSuchKey);
        assert_eq!(got, should, "GET {key:?}");
    }

    fn check(&self) {
        let page = common::page(&self.store);
        let found: Vec<_> = page.objects.iter().map(|o| (o.key.as_str(), o.size)).collect();
        let map = self.map.iter();
        let should: Vec<_> = map.map(|(k, body)| (k.as_str(), body.len() as u64)).collect();
        assert_eq!(found, should);
    }

    /// All pages with a delimiter, as a map would have them.
    fn pages(&self, prefix: &str, max_keys: u32) {
        let mut should = Vec::new();
        for key in self.map.keys().filter(|key| key.starts_with(prefix)) {
            let end = key[prefix.len()..].find('/').map(|at| prefix.len() + at + 1);
            let name = key[..end.unwrap_or(key.len())].to_owned();
            if should.last() != Some(&name) {
                should.push(name);
            }
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let version = ListingVersion::V2 { start_after: None, token: None, fetch_owner: false };
            let request = ListObjects {
                bucket: common::bucket(),
                prefix: prefix.to_owned(),
                delimiter: Some("/".to_owned()),
                max_keys,
                after,
                encode: true,
                version,
            };
            let outcome = self.store.call(Request::ListObjects(request)).expect("a page");
            let Outcome::Done(Response::ListObjects(page)) = outcome else { panic!("no page") };
            assert!(page.objects.len() + page.prefixes.len() <= max_keys as usize);
            let mut names: Vec<_> = page.objects.into_iter().map(|object| object.key).collect();
            names.extend(page.prefixes);
            names.sort();
            found.extend(names);
            after = page.next;
            if after.is_none() {
                break;
            }
            assert!(found.len() <= should.len(), "more pages than there are: {found:?}");
        }
        assert_eq!(found, should);
    }
}
