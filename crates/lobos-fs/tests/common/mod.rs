//! A store over a folder of its own, and short words for what clients do with it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "no test uses all of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lobos_digest::{Algorithm, Digest, digest};
use lobos_fs::{FsStore, Layout, Options, Quirks};
use lobos_proto::op::{
    CopiedObject, CopyObject, DeleteObject, GetObject, HeadObject, ListObjects, ListingVersion,
    ObjectResponse, Overrides, Page, Part, PutObject, RenameObject,
};
use lobos_proto::s3::condition::{DeleteConditions, ReadConditions, Tags, WriteConditions};
use lobos_proto::{
    BucketName, Code, CopySource, Error, Expected, Key, Metadata, Outcome, Request, Response, Sink,
    Store, Stored, TagSet,
};
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "photos";

pub(crate) struct Shop {
    /// The same folder with an index: it lists what the other one lists.
    pub(crate) indexed: FsStore,
    pub(crate) store: FsStore,
    pub(crate) dir: TempDir,
}

/// Every way around what a file system may lack.
pub(crate) fn all_quirks() -> Vec<Quirks> {
    let mut all = Vec::new();
    for bits in 0..8_u8 {
        all.push(Quirks {
            no_xattrs: bits & 1 != 0,
            no_tmpfile: bits & 2 != 0,
            no_scratch: bits & 4 != 0,
        });
    }
    all
}

impl Shop {
    pub(crate) fn new() -> Self {
        Self::with(Options::default(), Quirks::default())
    }

    pub(crate) fn with(options: Options, quirks: Quirks) -> Self {
        Self::over(tempfile::tempdir().unwrap(), options, quirks)
    }

    pub(crate) fn over(dir: TempDir, options: Options, quirks: Quirks) -> Self {
        let layout = Layout::Dirs(vec![(BUCKET.into(), dir.path().into())]);
        let store = FsStore::open_with(layout.clone(), options, quirks).unwrap();
        let options = Options { index: true, ..options };
        Self { store, indexed: FsStore::open_with(layout, options, quirks).unwrap(), dir }
    }

    /// A second process over the same folder.
    pub(crate) fn another(&self, options: Options) -> FsStore {
        let layout = Layout::Dirs(vec![(BUCKET.into(), self.dir.path().into())]);
        FsStore::open(layout, options).unwrap()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn put(&self, key: &str, body: &[u8]) -> Stored {
        put(&self.store, key, body).unwrap_or_else(|e| panic!("PUT {key:?}: {e}"))
    }

    pub(crate) fn get(&self, key: &str) -> Result<(ObjectResponse, Vec<u8>), Code> {
        get(&self.store, key).map_err(|e| e.code())
    }

    pub(crate) fn body(&self, key: &str) -> Vec<u8> {
        self.get(key).unwrap_or_else(|e| panic!("GET {key:?}: {e:?}")).1
    }

    pub(crate) fn head(&self, key: &str) -> Result<ObjectResponse, Code> {
        let head = Request::HeadObject(HeadObject(get_request(key)));
        match self.store.call(head).map_err(|e| e.code())? {
            Outcome::Done(Response::HeadObject(response)) => Ok(*response),
            _ => panic!("not an answer to HEAD"),
        }
    }

    pub(crate) fn delete(&self, key: &str) {
        delete(&self.store, key).unwrap_or_else(|e| panic!("DELETE {key:?}: {e}"));
    }

    pub(crate) fn page(&self) -> Page {
        let (page, indexed) = (page(&self.store), self::page(&self.indexed));
        let only = |a: &Page, b: &Page| {
            let other = |object: &&_| !b.objects.contains(object);
            a.objects.iter().filter(other).cloned().collect::<Vec<_>>()
        };
        assert_eq!((only(&indexed, &page), only(&page, &indexed)), (vec![], vec![]), "the index");
        assert_eq!(indexed, page);
        page
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.page().objects.into_iter().map(|object| object.key).collect()
    }

    /// Every path in the folder, sorted, ours too.
    pub(crate) fn tree(&self) -> Vec<String> {
        let mut found = Vec::new();
        tree(self.dir.path(), "", &mut found);
        found.sort();
        found
    }

    /// Temporary files, wherever they are.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        self.tree().into_iter().filter(|p| p.contains(".lobos-tmp-")).collect()
    }
}

fn tree(dir: &Path, before: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            tree(&entry.path(), &format!("{name}/"), found);
            found.push(format!("{name}/"));
        } else {
            found.push(name);
        }
    }
}

pub(crate) fn bucket() -> BucketName {
    BucketName::new(BUCKET).unwrap()
}

pub(crate) fn put_request(key: &str) -> Box<PutObject> {
    Box::new(PutObject {
        bucket: bucket(),
        key: Key::new(key).unwrap(),
        metadata: Metadata::default(),
        tags: TagSet::default(),
        append: None,
        conditions: WriteConditions::default(),
        size: None,
        checksum: None,
        verify: Vec::new(),
    })
}

pub(crate) fn begin(store: &FsStore, put: Box<PutObject>) -> Result<Box<dyn Sink>, Error> {
    match store.call(Request::PutObject(put))? {
        Outcome::Receive(sink) => Ok(sink),
        _ => panic!("no sink"),
    }
}

pub(crate) fn send(store: &FsStore, put: Box<PutObject>, body: &[u8]) -> Result<Stored, Error> {
    send_expecting(store, put, body, &Expected::default())
}

pub(crate) fn send_expecting(
    store: &FsStore,
    put: Box<PutObject>,
    body: &[u8],
    expected: &Expected,
) -> Result<Stored, Error> {
    let mut sink = begin(store, put)?;
    for piece in body.chunks(10_000) {
        sink.append(piece)?;
    }
    match sink.commit(expected)? {
        Response::PutObject(stored) | Response::AppendObject(stored) => Ok(stored),
        other => panic!("not an answer to PUT: {other:?}"),
    }
}

pub(crate) fn put(store: &FsStore, key: &str, body: &[u8]) -> Result<Stored, Error> {
    send(store, put_request(key), body)
}

pub(crate) fn put_if_absent(store: &FsStore, key: &str, body: &[u8]) -> Result<Stored, Error> {
    let mut put = put_request(key);
    put.conditions.absent = true;
    send(store, put, body)
}

pub(crate) fn put_if_match(
    store: &FsStore,
    key: &str,
    tag: &str,
    body: &[u8],
) -> Result<Stored, Error> {
    let mut put = put_request(key);
    put.conditions.matches = Some(Tags::parse(tag));
    send(store, put, body)
}

pub(crate) fn get_request(key: &str) -> GetObject {
    GetObject {
        bucket: bucket(),
        key: Key::new(key).unwrap(),
        conditions: ReadConditions::default(),
        part: Part::Whole,
        overrides: Overrides::default(),
        checksums: true,
    }
}

pub(crate) fn get(store: &FsStore, key: &str) -> Result<(ObjectResponse, Vec<u8>), Error> {
    let Outcome::Send(Response::GetObject(response), source) =
        store.call(Request::GetObject(get_request(key)))?
    else {
        panic!("not an answer to GET");
    };
    let mut body = vec![0; usize::try_from(response.info.size).unwrap()];
    let mut filled = 0;
    while filled < body.len() {
        let count = source.read_at(&mut body[filled..], filled as u64).unwrap();
        assert!(count > 0, "{key:?} is shorter than it says");
        filled += count;
    }
    assert_eq!(source.read_at(&mut [0; 1], filled as u64).unwrap(), 0, "and longer");
    Ok((*response, body))
}

pub(crate) fn delete(store: &FsStore, key: &str) -> Result<(), Error> {
    let request = DeleteObject {
        bucket: bucket(),
        key: Key::new(key).unwrap(),
        conditions: DeleteConditions::default(),
    };
    store.call(Request::DeleteObject(request)).map(drop)
}

pub(crate) fn copy_request(from: &str, to: &str) -> CopyObject {
    CopyObject {
        bucket: bucket(),
        key: Key::new(to).unwrap(),
        source: CopySource {
            bucket: bucket(),
            key: Key::new(from).unwrap(),
            conditions: ReadConditions::default(),
        },
        max: 5 << 30,
        metadata: None,
        redirect: None,
        tags: None,
        conditions: WriteConditions::default(),
        checksum: None,
    }
}

pub(crate) fn copy(store: &FsStore, request: CopyObject) -> Result<CopiedObject, Error> {
    match store.call(Request::CopyObject(Box::new(request)))? {
        Outcome::Done(Response::CopyObject(copied)) => Ok(copied),
        _ => panic!("not an answer to a copy"),
    }
}

pub(crate) fn rename_request(from: &str, to: &str) -> RenameObject {
    RenameObject {
        bucket: bucket(),
        key: Key::new(to).unwrap(),
        source: Key::new(from).unwrap(),
        or_source: None,
        source_conditions: ReadConditions::default(),
        conditions: ReadConditions::default(),
        token: None,
    }
}

pub(crate) fn rename(store: &FsStore, request: RenameObject) -> Result<(), Error> {
    match store.call(Request::RenameObject(Box::new(request)))? {
        Outcome::Done(Response::RenameObject) => Ok(()),
        _ => panic!("not an answer to a rename"),
    }
}

pub(crate) fn append(
    store: &FsStore,
    key: &str,
    offset: u64,
    body: &[u8],
) -> Result<Stored, Error> {
    let mut put = put_request(key);
    put.append = Some(offset);
    send(store, put, body)
}

pub(crate) fn page(store: &FsStore) -> Page {
    let version = ListingVersion::V2 { start_after: None, token: None, fetch_owner: false };
    let request = ListObjects {
        bucket: bucket(),
        prefix: String::new(),
        delimiter: None,
        max_keys: 1000,
        after: None,
        encode: true,
        version,
    };
    match store.call(Request::ListObjects(request)).unwrap() {
        Outcome::Done(Response::ListObjects(page)) => *page,
        _ => panic!("not an answer to a list"),
    }
}

pub(crate) fn md5(body: &[u8]) -> Digest {
    digest(Algorithm::Md5, body)
}

/// Set in the inner run: the folder where the file system is mounted.
pub(crate) const MOUNTED: &str = "LOBOS_TEST_MOUNTED";

/// Runs `test` with a file system mounted over the folder that it gets.
pub(crate) fn mounted(name: &str, mount: &str, test: impl Fn(&Path)) {
    if let Ok(dir) = std::env::var(MOUNTED) {
        test(Path::new(&dir));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = format!("mount {mount} \"${MOUNTED}\" && exec \"$0\" --exact {name} --nocapture");
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let out = command
        .args(["-m", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(MOUNTED, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{text}{errors}");
}
