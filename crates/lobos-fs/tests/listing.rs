//! Listings through the store: what a model says, whatever is on the disk and whoever changes it.
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not right")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use lobos_fs::{FsStore, Layout, Options};
use lobos_proto::op::{ListObjects, ListingVersion, Page, PutObject};
use lobos_proto::{BucketName, Expected, Key, Outcome, Request, Response, Store};
use tempfile::TempDir;

/// A bucket in memory, if there is a file system for that.
struct Bucket {
    dir: TempDir,
    store: FsStore,
    /// The same folder with an index: each page must be the same.
    indexed: Option<FsStore>,
}

/// Options of a store with an index.
fn indexed(options: Options) -> Options {
    Options { index: true, ..options }
}

impl Bucket {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let mut bucket = Self::alone(options);
        bucket.indexed = Some(FsStore::open(bucket.layout(), indexed(options)).unwrap());
        bucket
    }

    /// With one store only.
    fn alone(options: Options) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let layout = Layout::Dirs(vec![("bucket".into(), dir.path().into())]);
        Self { store: FsStore::open(layout, options).unwrap(), dir, indexed: None }
    }

    fn layout(&self) -> Layout {
        Layout::Dirs(vec![("bucket".into(), self.dir.path().into())])
    }

    fn path(&self, key: impl AsRef<Path>) -> std::path::PathBuf {
        self.dir.path().join(key)
    }

    /// Makes a file without the store.
    fn file(&self, key: &str) {
        fs::create_dir_all(self.path(key).parent().unwrap()).unwrap();
        fs::write(self.path(key), key).unwrap();
    }

    fn put(&self, key: &str, body: &[u8]) {
        let request = PutObject {
            bucket: BucketName::new("bucket").unwrap(),
            key: Key::new(key).unwrap(),
            metadata: Default::default(),
            tags: Default::default(),
            append: None,
            conditions: Default::default(),
            size: None,
            checksum: None,
            verify: Vec::new(),
        };
        let Ok(Outcome::Receive(mut sink)) = self.store.call(Request::PutObject(request.into()))
        else {
            panic!("{key:?} was refused");
        };
        sink.append(body).unwrap();
        sink.commit(&Expected::default()).unwrap();
    }

    fn page(&self, query: &Query) -> Page {
        let page = self.page_of(&self.store, query);
        if let Some(indexed) = &self.indexed {
            assert_eq!(self.page_of(indexed, query), page, "with the index");
        }
        page
    }

    fn page_of(&self, store: &FsStore, query: &Query) -> Page {
        let request = ListObjects {
            bucket: BucketName::new("bucket").unwrap(),
            prefix: query.prefix.clone(),
            delimiter: query.delimiter.clone(),
            max_keys: query.max_keys,
            after: query.after.clone(),
            encode: false,
            version: ListingVersion::V2 { start_after: None, token: None, fetch_owner: false },
        };
        match store.call(Request::ListObjects(request)) {
            Ok(Outcome::Done(Response::ListObjects(page))) => *page,
            Ok(_) => panic!("not a page"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Keys and common prefixes of all pages, in the order in which they came.
    fn all(&self, query: &Query) -> Vec<String> {
        let (mut query, mut names, mut last) = (query.clone(), Vec::new(), None);
        loop {
            let page = self.page(&query);
            names.extend(merged(&page));
            match page.next {
                Some(next) => {
                    assert!(last < Some(next.clone()), "pages without end");
                    last = Some(next.clone());
                    query.after = Some(next);
                }
                None => return names,
            }
        }
    }

    /// All keys.
    fn keys(&self) -> Vec<String> {
        self.all(&Query::default())
    }
}

#[derive(Clone, Debug)]
struct Query {
    prefix: String,
    delimiter: Option<String>,
    max_keys: u32,
    after: Option<String>,
}

impl Default for Query {
    fn default() -> Self {
        Self { prefix: String::new(), delimiter: None, max_keys: 1000, after: None }
    }
}

/// Keys and common prefixes of a page in byte order.
fn merged(page: &Page) -> Vec<String> {
    let keys: Vec<_> = page.objects.iter().map(|object| object.key.clone()).collect();
    assert!(keys.is_sorted_by(|a, b| a < b) && page.prefixes.is_sorted_by(|a, b| a < b));
    let mut all = [keys, page.prefixes.clone()].concat();
    all.sort_unstable();
    all
}

/// What S3 lists: keys as they are, common prefixes once, and whether each is one.
fn model(keys: &BTreeSet<String>, query: &Query) -> Vec<(String, bool)> {
    let common = |key: &str| {
        let delimiter = query.delimiter.as_deref()?;
        let rest = key.strip_prefix(query.prefix.as_str())?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(format!("{}{}", query.prefix, &rest[..end]))
    };
    let after = query.after.as_deref().unwrap_or_default();
    let passed = common(after).filter(|common| common == after);
    let mut names: Vec<(String, bool)> = Vec::new();
    for key in keys.range::<str, _>((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
    {
        if !key.starts_with(&query.prefix) || passed.as_ref().is_some_and(|p| key.starts_with(p)) {
            continue;
        }
        let name = common(key).map_or((key.clone(), false), |common| (common, true));
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    names
}

/// Holds one page against the model.
fn check(bucket: &Bucket, keys: &BTreeSet<String>, query: &Query) {
    let page = bucket.page(query);
    let expected = model(keys, query);
    let shown = expected.len().min(query.max_keys as usize);
    let of = |is_prefix| {
        let names = expected[..shown].iter().filter(move |name| name.1 == is_prefix);
        names.map(|name| name.0.clone()).collect::<Vec<_>>()
    };
    let objects: Vec<_> = page.objects.iter().map(|object| object.key.clone()).collect();
    assert_eq!(objects, of(false), "{query:?}");
    assert_eq!(page.prefixes, of(true), "{query:?}");
    let next = (0 < shown && shown < expected.len()).then(|| expected[shown - 1].0.clone());
    assert_eq!(page.next, next, "{query:?}");
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const SEGMENTS: [&str; 16] = [
    "a", "a-b", "a0", "ab", "b", "A", "ü", "ü b", "a b", "-", "a.b", ".a", "日本", "a!", "%2F", "z",
];

/// A key that is a path, mostly.
fn any_key(random: &mut Random, segments: &[&str]) -> String {
    let mut key = random.pick(segments).to_owned();
    while random.below(2) == 0 {
        key.push('/');
        key.push_str(random.pick(segments));
    }
    key
}

fn any_query(random: &mut Random, keys: &BTreeSet<String>) -> Query {
    let part = |random: &mut Random, keys: &BTreeSet<String>| {
        let key = keys.iter().nth(random.below(keys.len())).unwrap();
        key[..key.floor_char_boundary(random.below(key.len() + 1))].to_owned()
    };
    let delimiters = ["/", "/", "/", "-", "a", "ab", "b/", "/a", "ü", " ", "本", "//", "!a"];
    Query {
        prefix: match random.below(4) {
            0 => part(random, keys),
            1 => {
                random.pick(&["a", "a/", "b/", "ü", "x", "/", "a//", "a/b", "../", "."]).to_owned()
            }
            _ => String::new(),
        },
        delimiter: (random.below(3) > 0).then(|| random.pick(&delimiters).to_owned()),
        max_keys: [0, 1, 2, 3, 7, 1000][random.below(6)],
        after: match random.below(3) {
            0 => Some(part(random, keys)),
            1 => Some(any_key(random, &SEGMENTS)),
            _ => None,
        },
    }
}

#[test]
fn pages() {
    // Every page of every query on random trees is what the model says, and so is the whole that
    // pages make, for files that others made, objects that were put, marks and keys kept aside.
    for seed in 1..=60 {
        let mut random = Random(seed);
        let (bucket, mut keys) = (Bucket::new(), BTreeSet::new());
        for _ in 0..1 + random.below(60) {
            let mut key = any_key(&mut random, &SEGMENTS);
            if random.below(2) == 0 {
                let path = bucket.path(&key);
                let made = fs::create_dir_all(path.parent().unwrap()).is_ok();
                if made && fs::write(path, "by hand").is_ok() {
                    keys.insert(key);
                }
                continue;
            }
            match random.below(6) {
                0 => key.push('/'),
                1 => key = key.replace('/', "//"),
                2 => key.insert(0, '/'),
                _ => {}
            }
            let body: &[u8] = if random.below(2) == 0 { b"" } else { b"body" };
            bucket.put(&key, body);
            keys.insert(key);
        }
        if keys.is_empty() {
            continue;
        }
        for _ in 0..150 {
            let query = any_query(&mut random, &keys);
            check(&bucket, &keys, &query);
            if query.max_keys > 0 {
                let expected: Vec<_> =
                    model(&keys, &query).into_iter().map(|name| name.0).collect();
                assert_eq!(bucket.all(&query), expected, "{query:?}");
            }
        }
    }
}

#[test]
fn truncation() {
    // A page says that more follows exactly if it does, at every size.
    let bucket = Bucket::new();
    let keys: BTreeSet<_> =
        ["a", "b/1", "b/2", "b!", "c/d/e", "c/d/f", "g"].map(String::from).into();
    keys.iter().for_each(|key| bucket.file(key));
    fs::create_dir_all(bucket.path("h/empty")).unwrap();
    fs::create_dir_all(bucket.path("z")).unwrap();
    for max_keys in 0..10 {
        for delimiter in [None, Some("/"), Some("d"), Some("/d")] {
            for prefix in ["", "b", "c/", "h/", "z"] {
                let delimiter = delimiter.map(String::from);
                let query = Query { prefix: prefix.into(), delimiter, max_keys, after: None };
                check(&bucket, &keys, &query);
            }
        }
    }
}

#[test]
fn empty_folders() {
    // A folder shows only if an object is in it at some depth, or if it is an object itself.
    let bucket = Bucket::new();
    fs::create_dir_all(bucket.path("empty")).unwrap();
    fs::create_dir_all(bucket.path("nested/very/deep")).unwrap();
    let slash = Query { delimiter: Some("/".into()), ..Query::default() };
    assert_eq!(bucket.all(&slash), [""; 0]);
    bucket.file("nested/very/far/file");
    for at in 0..500 {
        fs::create_dir(bucket.path(format!("nested/very/deep/{at}"))).unwrap();
    }
    assert_eq!(bucket.all(&slash), ["nested/"]);
    bucket.put("empty/", b"");
    assert_eq!(bucket.all(&slash), ["empty/", "nested/"]);
    assert_eq!(bucket.keys(), ["empty/", "nested/very/far/file"]);
}

#[test]
fn file_over_aside() {
    // Where a key is kept aside and is a file as well, it is listed once, as the file.
    let bucket = Bucket::new();
    bucket.file("a/b");
    bucket.put("a", b"aside");
    assert_eq!(bucket.keys(), ["a", "a/b"]);
    fs::remove_dir_all(bucket.path("a")).unwrap();
    fs::write(bucket.path("a"), "the longer file").unwrap();
    let page = bucket.page(&Query { max_keys: 1, ..Query::default() });
    let sizes: Vec<_> = page.objects.iter().map(|object| object.size).collect();
    assert_eq!((sizes, page.next), (vec![15], None));
}

#[test]
fn not_objects() {
    // What can never be an object is not listed: special files, our own folder, names that are
    // not UTF-8, keys that are too long.
    let bucket = Bucket::new();
    for key in ["a", ".hidden", ".hidden.d/x", "z"] {
        bucket.file(key);
    }
    bucket.put("//aside", b"");
    assert!(bucket.path(".lobos").is_dir());
    fs::write(bucket.path(OsStr::from_bytes(b"bad\xff")), "").unwrap();
    std::os::unix::net::UnixListener::bind(bucket.path("socket")).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(bucket.path("fifo")).status();
    assert!(fifo.unwrap().success());
    let mut long = String::new();
    for _ in 0..4 {
        long.push_str(&"x".repeat(250));
        long.push('/');
    }
    bucket.file(&format!("{long}{}", "y".repeat(20)));
    bucket.file(&format!("{long}{}", "y".repeat(21)));
    let keys =
        [".hidden", ".hidden.d/x", "//aside", "a", &format!("{long}{}", "y".repeat(20)), "z"];
    assert_eq!(bucket.keys(), keys);
    let slash = Query { delimiter: Some("/".into()), ..Query::default() };
    let long = &long[..251];
    assert_eq!(bucket.all(&slash), [".hidden", ".hidden.d/", "/", "a", long, "z"]);
    let ours = Query { prefix: ".lobos/".into(), ..Query::default() };
    assert_eq!(bucket.all(&ours), [""; 0]);
}

#[test]
fn links() {
    // A link shows as what it leads to, file or folder, as long as that is in the bucket and the
    // path does not go in circles; and it does so under any prefix.
    let bucket = Bucket::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "").unwrap();
    bucket.file("d/file");
    bucket.file("m");
    symlink("d", bucket.path("link")).unwrap();
    symlink("../m", bucket.path("d/m")).unwrap();
    symlink("..", bucket.path("d/up")).unwrap();
    symlink(".", bucket.path("self")).unwrap();
    symlink("gone", bucket.path("dangling")).unwrap();
    symlink("loop", bucket.path("loop")).unwrap();
    symlink("/dev/null", bucket.path("device")).unwrap();
    symlink(outside.path(), bucket.path("out")).unwrap();
    symlink(outside.path().join("secret"), bucket.path("secret")).unwrap();
    let keys: BTreeSet<_> = ["d/file", "d/m", "link/file", "link/m", "m"].map(String::from).into();
    for prefix in ["", "d/", "d/up", "d/up/", "d/up/d/", "self/", "self/d/", "link/", "lin", "out/"]
    {
        for delimiter in [None, Some("/".to_owned())] {
            let query = Query { prefix: prefix.into(), delimiter, ..Query::default() };
            check(&bucket, &keys, &query);
        }
    }
    // The link stays the same while its target changes.
    fs::remove_file(bucket.path("m")).unwrap();
    fs::create_dir(bucket.path("m")).unwrap();
    bucket.file("m/new");
    let keys = ["d/file", "d/m/new", "link/file", "link/m/new", "m/new"];
    assert_eq!(bucket.keys(), keys);

    let options = Options { follow_symlinks: true, ..Options::default() };
    let open = Bucket::with(options);
    symlink(outside.path(), open.path("out")).unwrap();
    symlink(outside.path().join("secret"), open.path("secret")).unwrap();
    assert_eq!(open.keys(), ["out/secret", "secret"]);
}

#[test]
fn depth() {
    // The deepest key that there can be is listed, found by prefix and resumed after.
    let bucket = Bucket::new();
    let mut keys = BTreeSet::new();
    for depth in (0..512).step_by(73) {
        keys.insert(format!("{}0", "d/".repeat(depth)));
        keys.insert(format!("{}z", "d/".repeat(depth)));
    }
    keys.insert(format!("{}f", "d/".repeat(511)));
    keys.iter().for_each(|key| bucket.file(key));
    for max_keys in [1, 3, 1000] {
        let query = Query { max_keys, ..Query::default() };
        assert_eq!(bucket.all(&query), keys.iter().cloned().collect::<Vec<_>>());
    }
    let query = Query { prefix: "d/".repeat(500), delimiter: Some("f".into()), ..Query::default() };
    check(&bucket, &keys, &query);
}

#[test]
fn few_descriptors() {
    // A page of the deepest tree that there can be needs a few open files only.
    let script = "ulimit -n 40 && exec \"$0\" --exact depth";
    let test = std::env::current_exe().unwrap();
    let run = std::process::Command::new("sh").args(["-c", script]).arg(test).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}

/// Set when the listing is done, or has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn others_at_work() {
    // While others make and remove files, every key that is there all the time is listed once.
    for options in [Options::default(), indexed(Options::default())] {
        others_work_on(&Bucket::alone(options));
    }
}

fn others_work_on(bucket: &Bucket) {
    let mut keys = BTreeSet::new();
    for at in 0..3000_u32 {
        keys.insert(format!("many/{at:05}"));
        if at.is_multiple_of(100) {
            keys.insert(format!("few/{at:05}/{at}"));
        }
    }
    keys.iter().for_each(|key| bucket.file(key));
    for key in ["few//aside", "many//aside", "/first"] {
        bucket.put(key, b"");
        keys.insert(key.to_owned());
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stopped = Stop(&stop);
        scope.spawn(|| {
            let mut random = Random(7);
            while !stop.load(Ordering::Relaxed) {
                let at = random.below(3000);
                let folder = ["many", "few", "other"][random.below(3)];
                let path = bucket.path(format!("{folder}/{at:05}-passing"));
                let _ = match random.below(3) {
                    0 => fs::remove_file(path),
                    1 => fs::remove_dir_all(path),
                    _ => fs::create_dir_all(path.parent().unwrap()).and(fs::write(path, "")),
                };
            }
        });
        let mut random = Random(5);
        for _ in 0..12 {
            let max_keys = 50 + u32::try_from(random.below(500)).unwrap();
            let listed = bucket.all(&Query { max_keys, ..Query::default() });
            assert!(listed.is_sorted_by(|a, b| a < b));
            let lasting: BTreeSet<_> =
                listed.into_iter().filter(|k| !k.ends_with("passing")).collect();
            assert_eq!(lasting, keys);
        }
    });
}

#[test]
fn changes_are_seen_at_once() {
    // Whatever anyone changes on the disk is in the very next page, in 1,000 of 1,000 trials.
    const FOLDERS: usize = 50;
    let bucket = Bucket::new();
    // Half of the folders are large enough for their snapshots to be kept.
    let names = |folder: usize| if folder.is_multiple_of(2) { 300 } else { 10 };
    let mut keys = BTreeSet::new();
    for folder in 0..FOLDERS {
        for name in 0..names(folder) {
            let key = format!("{folder:02}/{name:03}");
            bucket.file(&key);
            keys.insert(key);
        }
    }
    let mut random = Random(3);
    for trial in 0..1000 {
        let folder = trial % FOLDERS;
        let query = Query { prefix: format!("{folder:02}/"), ..Query::default() };
        check(&bucket, &keys, &query);
        let key = format!("{folder:02}/{:03}", random.below(names(folder)));
        let new = format!("{folder:02}/new-{trial}");
        match random.below(3) {
            0 => bucket.file(&new),
            1 if keys.contains(&key) => {
                fs::rename(bucket.path(&key), bucket.path(&new)).unwrap();
                keys.remove(&key);
            }
            _ => {
                let _ = fs::remove_file(bucket.path(&key));
                keys.remove(&key);
                bucket.file(&new);
            }
        }
        keys.insert(new);
        check(&bucket, &keys, &query);
    }
}

#[test]
fn many_at_once() {
    // Clients that page through the same large folder together all see all of it.
    let bucket = Bucket::new();
    fs::create_dir(bucket.path("d")).unwrap();
    for at in 0..5000 {
        fs::File::create(bucket.path(format!("d/{at:05}"))).unwrap();
    }
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(bucket.keys().len(), 5000));
        }
    });
}

#[test]
fn unreadable_folders() {
    // A folder that we may not read holds nothing, and does not spoil the rest of the page.
    use std::os::unix::fs::PermissionsExt as _;
    let bucket = Bucket::new();
    bucket.file("a");
    bucket.file("closed/x");
    bucket.file("z");
    let set = |mode| fs::set_permissions(bucket.path("closed"), fs::Permissions::from_mode(mode));
    set(0o000).unwrap();
    let closed = fs::read_dir(bucket.path("closed")).is_err();
    if closed {
        assert_eq!(bucket.keys(), ["a", "z"]);
    }
    set(0o755).unwrap();
    if !closed {
        // The superuser may read everything; once more without what makes it one.
        assert!(std::env::var_os("LOBOS_TEST_PLAIN").is_none(), "it can still read everything");
        let out = std::process::Command::new("setpriv")
            .args(["--bounding-set=-all", "--inh-caps=-all"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "unreadable_folders"])
            .env("LOBOS_TEST_PLAIN", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains("1 passed"), "{text}");
    }
}
