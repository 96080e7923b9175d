//! Whatever is on the disk: attributes, files of `.lobos` and names in it that others wrote or that
//! are half there. Every operation answers something, and the answer is sound.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use lobos_digest::{Algorithm, digest};
use lobos_fs::{FsStore, Layout, Options, Quirks};
use lobos_proto::Config;
use rustix::fs::XattrFlags;

use crate::input::Input;
use crate::keys::place;
use crate::support::config;
use crate::{answer, exchange, late};

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| config(|_| {}));

/// The object that is looked at has this content.
const CONTENT: &[u8] = b"0123456789abcdef";

/// Requests for an object; `BODY` says that a small one follows.
const OBJECT: [&str; 14] = [
    "HEAD /b/a",
    "GET /b/a",
    "GET /b/a?partNumber=1",
    "GET /b/a?partNumber=2",
    "GET /b/a?attributes",
    "GET /b/a?tagging",
    "GET /b?list-type=2",
    "GET /b?versions",
    "PUT /b/copy COPY",
    "PUT /b/a?tagging TAGS",
    "GET /b/a?acl",
    "PUT /b/a APPEND",
    "PUT /b/a?renameObject RENAME",
    "DELETE /b/copy",
];

/// A byte for the kind, then what is there.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte() % 5;
    let quirks = Quirks { no_xattrs: kind == 1, ..Quirks::default() };
    let dir = place();
    let bucket = dir.path().join("b");
    fs::create_dir(&bucket).expect("a folder");
    let layout = Layout::Dirs(vec![("b".into(), bucket.clone())]);
    let options = Options { min_part_size: 1, ..Options::default() };
    let store = FsStore::open_with(layout, options, quirks).expect("it is there");
    let shop = Shop { store, bucket };
    match kind {
        0 => shop.attribute(&mut input),
        1 => shop.beside(&mut input),
        2 => shop.upload(&mut input),
        3 => shop.names(&mut input),
        _ => shop.configurations(&mut input),
    }
    late::end(shop.store, Some(dir));
}

struct Shop {
    store: FsStore,
    bucket: PathBuf,
}

impl Shop {
    fn ask(&self, line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let (target, what) = match line.rsplit_once(' ') {
            Some((target, what)) if !what.starts_with('/') => (target, what),
            _ => (line, ""),
        };
        let (headers, body): (_, &[u8]) = match what {
            "COPY" => ("x-amz-copy-source: b/a\r\n", b""),
            "RENAME" => ("x-amz-rename-source: b/copy\r\n", b""),
            "APPEND" => ("x-amz-write-offset-bytes: 16\r\n", b"more"),
            "TAGS" => ("", b"<Tagging><TagSet><Tag><Key>k</Key><Value/></Tag></TagSet></Tagging>"),
            _ => (headers, body),
        };
        let head = format!(
            "{target} HTTP/1.1\r\nHost: localhost\r\nx-amz-checksum-mode: ENABLED\r\n\
             x-amz-object-attributes: ETag,Checksum,ObjectParts,ObjectSize\r\n{headers}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let request = [head.as_bytes(), body].concat();
        let answer = exchange::serve(&CONFIG, &self.store, &request).unwrap_or_default();
        // A GET of an object goes on with its bytes, which are not here.
        if !answer.is_empty() {
            answer::check(&answer);
        }
        answer
    }

    fn objects(&self) {
        OBJECT.iter().for_each(|line| drop(self.ask(line, "", b"")));
    }

    /// The attribute of a file, with a stamp that fits if the first bit says so.
    fn attribute(&self, input: &mut Input<'_>) {
        let stamped = input.byte() & 1 != 0;
        self.ask("PUT /b/a", "", CONTENT);
        let path = self.bucket.join("a");
        let value = packed(&path, stamped, input.rest());
        if rustix::fs::setxattr(&path, "user.lobos", &value, XattrFlags::empty()).is_ok() {
            self.objects();
        }
    }

    /// The same in a file beside the tree.
    fn beside(&self, input: &mut Input<'_>) {
        let stamped = input.byte() & 1 != 0;
        self.ask("PUT /b/a", "x-amz-meta-a: b\r\n", CONTENT);
        let meta = fs::read_dir(self.bucket.join(".lobos/meta")).expect("it has one");
        let value = packed(&self.bucket.join("a"), stamped, input.rest());
        for entry in meta {
            fs::write(entry.expect("it is there").path(), &value).expect("it is ours");
        }
        self.objects();
    }

    /// The head of an upload of two parts.
    fn upload(&self, input: &mut Input<'_>) {
        self.ask("PUT /b/a", "", CONTENT);
        let answer = self.ask("POST /b/k?uploads", "x-amz-meta-a: b\r\n", b"");
        let answer = String::from_utf8(answer).expect("text");
        let id = answer.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next());
        let id = id.expect("an id").to_owned();
        let tags = ["1", "2"].map(|part| {
            let target = format!("PUT /b/k?partNumber={part}&uploadId={id}");
            let answer = String::from_utf8(self.ask(&target, "", CONTENT)).expect("text");
            let tag = answer.split("\r\nETag: \"").nth(1).and_then(|rest| rest.split('"').next());
            tag.unwrap_or_default().to_owned()
        });
        let head = self.bucket.join(".lobos/uploads").join(&id).join("head");
        let mut bytes = fs::read(&head).expect("it is there");
        change(&mut bytes, input);
        fs::write(&head, &bytes).expect("it is ours");
        let part = |n: usize| {
            format!("<Part><PartNumber>{n}</PartNumber><ETag>{}</ETag></Part>", tags[n - 1])
        };
        let both =
            format!("<CompleteMultipartUpload>{}{}</CompleteMultipartUpload>", part(1), part(2));
        let third = format!("PUT /b/k?partNumber=3&uploadId={id}");
        self.ask(&format!("GET /b/k?uploadId={id}"), "", b"");
        self.ask("GET /b?uploads", "", b"");
        self.ask(&third, "", b"other");
        self.ask(&third, "x-amz-copy-source: b/a\r\n", b"");
        self.ask(&format!("PUT /b/k?partNumber=1&uploadId={id}"), "", b"shorter");
        self.ask(&format!("GET /b/k?uploadId={id}"), "", b"");
        self.ask(&format!("POST /b/k?uploadId={id}"), "", both.as_bytes());
        self.ask("GET /b/k?partNumber=2", "", b"");
        self.ask("GET /b/k?attributes", "", b"");
        self.ask(&format!("POST /b/k?uploadId={id}"), "", both.as_bytes());
        self.ask(&format!("DELETE /b/k?uploadId={id}"), "", b"");
    }

    /// Files and folders of any names where ours are.
    fn names(&self, input: &mut Input<'_>) {
        for _ in 0..8 {
            let kind = input.byte();
            let folders = ["aside", "uploads", "meta", "tmp", "config", "lock", "aside/dx", "."];
            let folder = self.bucket.join(".lobos").join(folders[usize::from(kind >> 1) % 8]);
            let odd = |b: &u8| *b == b'/' || *b == 0;
            let name: Vec<u8> = input.piece(60).iter().filter(|b| !odd(b)).copied().collect();
            let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&name);
            if name.is_empty() || name == "." || name == ".." {
                continue;
            }
            let _ = fs::create_dir_all(&folder);
            let _ = match kind & 1 {
                0 => fs::write(folder.join(name), input.piece(20)),
                _ => fs::create_dir(folder.join(name)),
            };
        }
        self.ask("PUT /b/a", "x-amz-meta-a: b\r\n", CONTENT);
        self.ask("PUT /b/a//b", "If-None-Match: *\r\n", CONTENT);
        self.ask("GET /b?uploads", "", b"");
        self.ask("POST /b/k?uploads", "", b"");
        self.ask("GET /b?list-type=2&encoding-type=url&max-keys=1", "", b"");
        self.objects();
    }

    fn configurations(&self, input: &mut Input<'_>) {
        let folder = self.bucket.join(".lobos/config");
        fs::create_dir_all(&folder).expect("it is ours");
        let names = ["cors", "tagging", "versioning", "encryption", "ownershipControls"];
        let name = input.pick(&names);
        fs::write(folder.join(name), input.rest()).expect("it is ours");
        self.ask(&format!("GET /b?{name}"), "", b"");
        self.ask("GET /b/a", "Origin: https://x.example\r\n", b"");
        self.ask(&format!("DELETE /b?{name}"), "", b"");
    }
}

/// Metadata: the version, a stamp of the file, and any fields.
fn packed(path: &Path, stamped: bool, fields: &[u8]) -> Vec<u8> {
    use std::os::unix::fs::MetadataExt;
    if !stamped {
        return fields.to_vec();
    }
    let meta = fs::metadata(path).expect("it is there");
    let nanos = meta.mtime() as u64 * 1_000_000_000 + meta.mtime_nsec() as u64;
    let mut value = vec![1, 1, 24, 0];
    for number in [nanos, meta.size(), meta.ino()] {
        value.extend(number.to_le_bytes());
    }
    value.extend_from_slice(fields);
    value
}

/// Changes the head of an upload: any bytes, or fields of its slots, whose sums are made right.
fn change(bytes: &mut Vec<u8>, input: &mut Input<'_>) {
    let slots = 256;
    match input.byte() % 3 {
        0 => *bytes = input.rest().to_vec(),
        1 => {
            let at = input.word() % bytes.len().max(1);
            let new = input.rest();
            let end = (at + new.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&new[..end - at]);
        }
        _ => {
            // Numbers of the control part, then fields of a slot.
            for _ in 0..input.below(3) {
                let (at, new) = (8 + input.below(20), input.take(8));
                let end = (at + new.len()).min(27);
                bytes[at..end].copy_from_slice(&new[..end - at]);
            }
            let slot = slots + 256 * input.below(3);
            if bytes.len() < slot + 256 {
                bytes.resize(slot + 256, 0);
            }
            for _ in 0..input.below(4) {
                let (at, new) = (4 + input.below(60), input.take(8));
                bytes[slot + at..][..new.len()].copy_from_slice(new);
            }
            let crc = digest(Algorithm::Crc32, &bytes[slot + 4..slot + 256]);
            bytes[slot..slot + 4].copy_from_slice(crc.bytes());
        }
    }
}
