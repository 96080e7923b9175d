//! A store in memory that can be slow, heavy, broken, or backed by files.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use lobos_proto::op::PutObject;
use lobos_proto::{
    Code, ETag, Error, Expected, Metadata, ObjectInfo, Outcome, Request, Response, Sink, Source,
    Store, Stored, Timestamp,
};

/// Objects by `bucket/key`. Some keys are special, see [`Memory::call`].
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Inner>);

#[derive(Default)]
struct Inner {
    objects: Mutex<HashMap<String, Arc<Object>>>,
    /// Uploads that were opened and neither committed nor dropped.
    open: AtomicUsize,
    /// The most of them that were open when one named `together` was committed.
    most_open: AtomicUsize,
    /// The threads that waited for bytes of the source that is cold.
    warmers: Mutex<Vec<ThreadId>>,
    /// The thread that read from it first.
    reader: Mutex<Option<ThreadId>>,
    /// Called before each read of a source, with its name and where it reads.
    on_read: Mutex<Option<OnRead>>,
    /// Bytes given away as files, so that they go out by sendfile.
    files: bool,
    /// Everything is given to helper threads.
    heavy: bool,
}

type OnRead = Box<dyn FnMut(&str, u64) + Send>;

struct Object {
    data: Vec<u8>,
    file: Option<File>,
}

struct Upload {
    store: Memory,
    name: String,
    data: Vec<u8>,
    heavy: bool,
}

struct Handle {
    store: Memory,
    name: String,
    object: Arc<Object>,
    /// Its bytes are on a slow disk from the number on.
    cold: Option<AtomicU64>,
    /// Bytes that it has, which may be fewer than it promised.
    end: usize,
    panics: bool,
}

impl Memory {
    pub(crate) fn new(files: bool, heavy: bool) -> Self {
        Self(Arc::new(Inner { files, heavy, ..Inner::default() }))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.0.objects.lock().unwrap().get(name).map(|o| o.data.clone())
    }

    pub(crate) fn put(&self, name: &str, data: Vec<u8>) {
        let file = self.0.files.then(|| unlinked(&data));
        self.0.objects.lock().unwrap().insert(name.into(), Arc::new(Object { data, file }));
    }

    /// Calls this before each read of a source that is not a file.
    pub(crate) fn on_read(&self, call: impl FnMut(&str, u64) + Send + 'static) {
        *self.0.on_read.lock().unwrap() = Some(Box::new(call));
    }

    pub(crate) fn open_uploads(&self) -> usize {
        self.0.open.load(Ordering::SeqCst)
    }

    /// Those that waited for cold bytes, and that which sent them.
    pub(crate) fn warmers(&self) -> (Vec<ThreadId>, Option<ThreadId>) {
        (self.0.warmers.lock().unwrap().clone(), *self.0.reader.lock().unwrap())
    }

    pub(crate) fn most_open(&self) -> usize {
        self.0.most_open.load(Ordering::SeqCst)
    }

    fn find(&self, name: &str) -> Result<Arc<Object>, Error> {
        let objects = self.0.objects.lock().unwrap();
        objects.get(name).cloned().ok_or_else(|| Error::new(Code::NoSuchKey))
    }

    fn upload(&self, put: &PutObject) -> Outcome {
        self.0.open.fetch_add(1, Ordering::SeqCst);
        let name = format!("{}/{}", put.bucket, put.key);
        let heavy = self.0.heavy;
        Outcome::Receive(Box::new(Upload { store: self.clone(), name, data: Vec::new(), heavy }))
    }
}

fn info(object: &Object) -> ObjectInfo {
    ObjectInfo {
        size: object.data.len() as u64,
        modified: Timestamp::from_unix(1_700_000_000, 0),
        etag: ETag::opaque(1, object.data.len() as u64),
        content_type: "application/octet-stream".into(),
        metadata: Metadata::default(),
        checksums: Vec::new(),
        parts: None,
        tags: 0,
    }
}

fn unlinked(data: &[u8]) -> File {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("lobos-test-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = File::create_new(&path);
    let file = file.and_then(|_| File::options().read(true).write(true).open(&path)).unwrap();
    std::fs::remove_file(&path).unwrap();
    file.write_all_at(data, 0).unwrap();
    file
}

impl Store for Memory {
    fn call(&self, request: Request) -> Result<Outcome, Error> {
        let bucket_and_key = |r: &lobos_proto::op::GetObject| format!("{}/{}", r.bucket, r.key);
        match request {
            Request::PutObject(put) if put.key.as_str() == "refused" => {
                Err(Error::new(Code::AccessDenied))
            }
            Request::PutObject(put) => Ok(self.upload(&put)),
            Request::GetObject(get) if get.key.as_str() == "panic" => panic!("on purpose"),
            Request::GetObject(get) => {
                let name = bucket_and_key(&get);
                if name.ends_with("slow") || name.ends_with("blocking") {
                    std::thread::sleep(Duration::from_millis(500));
                }
                let object = self.find(&name)?;
                let response = get.respond(info(&object))?;
                let cut = if name.ends_with("cut") { 1000 } else { 0 };
                let end = object.data.len() - cut;
                if let Some(file) = object.file.as_ref().filter(|_| cut > 0) {
                    file.set_len(end as u64).unwrap();
                }
                let cold = name.ends_with("cold").then(AtomicU64::default);
                let panics = name.ends_with("panic-read");
                let store = self.clone();
                let source = Box::new(Handle { store, name, object, cold, end, panics });
                Ok(Outcome::Send(Response::GetObject(Box::new(response)), source))
            }
            Request::HeadObject(head) => {
                let object = self.find(&bucket_and_key(&head.0))?;
                let response = head.respond(info(&object))?;
                Ok(Outcome::Done(Response::HeadObject(Box::new(response))))
            }
            Request::DeleteObject(_) => Ok(Outcome::Done(Response::DeleteObject)),
            _ => Err(Error::new(Code::NotImplemented)),
        }
    }

    fn is_heavy(&self, request: &Request) -> bool {
        self.0.heavy || matches!(request, Request::GetObject(get) if get.key.as_str() == "slow")
    }
}

impl Source for Handle {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        assert!(!self.panics, "on purpose");
        if let Some(call) = &mut *self.store.0.on_read.lock().unwrap() {
            call(&self.name, offset);
        }
        if let Some(warm_to) = &self.cold {
            if warm_to.load(Ordering::SeqCst) <= offset {
                std::thread::sleep(Duration::from_millis(20));
            }
            self.store.0.reader.lock().unwrap().get_or_insert(std::thread::current().id());
        }
        let start = usize::try_from(offset).unwrap().min(self.end);
        // Short reads are legal, so there are some.
        let count = buf.len().min(self.end - start).min(10_007);
        buf[..count].copy_from_slice(&self.object.data[start..start + count]);
        Ok(count)
    }

    fn file(&self) -> Option<&File> {
        self.object.file.as_ref().filter(|_| self.cold.is_none() && !self.panics)
    }

    fn is_cold(&self, range: Range<u64>) -> bool {
        self.cold.as_ref().is_some_and(|to| to.load(Ordering::SeqCst) < range.end)
    }

    fn warm(&self, range: Range<u64>) {
        self.store.0.warmers.lock().unwrap().push(std::thread::current().id());
        self.cold.as_ref().unwrap().store(range.end, Ordering::SeqCst);
    }
}

impl Sink for Upload {
    fn append(&mut self, data: &[u8]) -> Result<(), Error> {
        if self.name.ends_with("/full") && self.data.len() + data.len() > 100_000 {
            return Err(Error::new(Code::StorageFull));
        }
        assert!(!self.name.ends_with("/panic-append"), "on purpose");
        self.data.extend_from_slice(data);
        Ok(())
    }

    fn commit(mut self: Box<Self>, expected: &Expected) -> Result<Response, Error> {
        assert!(!self.name.ends_with("/panic-commit"), "on purpose");
        let mut hasher = lobos_proto::digest::Hasher::new(expected.algorithms());
        hasher.update(&self.data);
        expected.check(&hasher.finish())?;
        if self.goes_with_others() {
            self.store.0.most_open.fetch_max(self.store.open_uploads(), Ordering::SeqCst);
        }
        let size = self.data.len() as u64;
        self.store.put(&self.name, std::mem::take(&mut self.data));
        let etag = ETag::opaque(1, size);
        Ok(Response::PutObject(Stored { etag, size, checksums: Vec::new() }))
    }

    fn is_heavy(&self) -> bool {
        self.heavy
    }

    fn goes_with_others(&self) -> bool {
        self.name.contains("together")
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.store.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
