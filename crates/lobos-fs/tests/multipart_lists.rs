//! Listings of uploads and parts, uploads that expire, and what DeleteBucket makes of them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod uploads;

use std::fs::{self, File, FileTimes};
use std::path::Path;
use std::time::{Duration, SystemTime};

use common::{BUCKET, Shop, all_quirks, bucket};
use lobos_digest::{Algorithm, digest};
use lobos_fs::{FsStore, Layout, Options};
use lobos_proto::op::{CompletedPart, DeleteBucket, ListMultipartUploads, UploadsPage};
use lobos_proto::{ChecksumType, Code, Expected, Request, Store};
use uploads::{
    abort, body, complete, create, create_request, create_with, list_parts, part, part_request,
    parts_page, send, uploads, uploads_request,
};

/// Keys with prefixes, as in the answer.
fn names(page: &UploadsPage) -> (Vec<&str>, Vec<&str>) {
    let keys = page.uploads.iter().map(|upload| upload.key.as_str()).collect();
    (keys, page.prefixes.iter().map(String::as_str).collect())
}

#[test]
fn uploads_in_order() {
    // Uploads come by key and then by time, with what Create named, and only those under way.
    let shop = Shop::new();
    assert_eq!(names(&uploads(&shop.store, uploads_request())), (vec![], vec![]));
    let mut ids = Vec::new();
    for key in ["b", "a/1", "b", "ü", "a", "a//x", "b"] {
        ids.push(create(&shop.store, key));
    }
    let mut request = create_request("c");
    request.checksum = Some(Algorithm::Sha1);
    request.checksum_type = Some(ChecksumType::Composite);
    create_with(&shop.store, request).unwrap();
    let page = uploads(&shop.another(Options::default()), uploads_request());
    assert_eq!(names(&page).0, ["a", "a//x", "a/1", "b", "b", "b", "c", "ü"]);
    let of_b: Vec<&str> = page.uploads[3..6].iter().map(|u| u.upload.as_str()).collect();
    assert_eq!(of_b, [&ids[0], &ids[2], &ids[6]]);
    assert!(
        page.uploads.windows(2).all(|w| w[0].key < w[1].key || w[0].initiated < w[1].initiated)
    );
    let sums: Vec<_> = page.uploads.iter().map(|u| (u.checksum, u.checksum_type)).collect();
    assert_eq!(sums[6], (Some(Algorithm::Sha1), Some(ChecksumType::Composite)));
    assert_eq!(sums[5], (None, None));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    assert!(page.uploads.iter().all(|u| u.initiated.secs().abs_diff(now) < 60));

    let one = part(&shop.store, "a", &ids[4], 1, b"x").unwrap();
    complete(&shop.store, "a", &ids[4], &[one]).unwrap();
    abort(&shop.store, "b", &ids[2]).unwrap();
    let page = uploads(&shop.store, uploads_request());
    assert_eq!(names(&page).0, ["a//x", "a/1", "b", "b", "c", "ü"]);
    assert_eq!(shop.keys(), ["a"], "uploads are no objects");
}

#[test]
fn pages_of_uploads() {
    // Pages of every size tell all uploads and prefixes once, and in the order of one page.
    let shop = Shop::new();
    for key in ["a", "d/1", "d/2", "d/2", "e/x/1", "e/x/2", "f", "f", "f", "g/"] {
        create(&shop.store, key);
    }
    for (prefix, delimiter) in [("", None), ("", Some("/")), ("d/", Some("/")), ("e", Some("x"))] {
        let base = ListMultipartUploads {
            prefix: prefix.into(),
            delimiter: delimiter.map(Into::into),
            ..uploads_request()
        };
        let whole = uploads(&shop.store, base.clone());
        assert_eq!(whole.next, None);
        match (prefix, delimiter) {
            ("", Some("/")) => {
                assert_eq!(names(&whole), (vec!["a", "f", "f", "f"], vec!["d/", "e/", "g/"]));
            }
            ("d/", _) => assert_eq!(names(&whole), (vec!["d/1", "d/2", "d/2"], vec![])),
            ("e", _) => assert_eq!(names(&whole), (vec![], vec!["e/x"])),
            _ => assert_eq!(whole.uploads.len(), 10),
        }
        for size in 1..=11 {
            let (mut found, mut prefixes) = (Vec::new(), Vec::new());
            let mut request = ListMultipartUploads { max_uploads: size, ..base.clone() };
            loop {
                let page = uploads(&shop.store, request.clone());
                let count = page.uploads.len() + page.prefixes.len();
                assert!(count <= size as usize && (count > 0 || page.next.is_none()));
                found.extend(page.uploads);
                prefixes.extend(page.prefixes);
                let Some((key, upload)) = page.next else { break };
                (request.key_marker, request.upload_marker) = (key, upload);
            }
            assert_eq!(found, whole.uploads, "{size}");
            assert_eq!(prefixes, whole.prefixes, "{size}");
        }
    }
    let none = uploads(&shop.store, ListMultipartUploads { max_uploads: 0, ..uploads_request() });
    assert_eq!((names(&none), &none.next), ((vec![], vec![]), &None));
    let after = |key: &str| {
        let key_marker = key.into();
        uploads(&shop.store, ListMultipartUploads { key_marker, ..uploads_request() }).uploads.len()
    };
    assert_eq!((after("d/2"), after("d/"), after("zzz")), (6, 9, 0));
}

#[test]
fn pages_of_parts() {
    // Parts come by number in pages of any size, with what is known of each.
    let shop = Shop::new();
    let upload = create(&shop.store, "a");
    assert_eq!(list_parts(&shop.store, "a", &upload).unwrap(), []);
    for n in [9999, 3, 1, 500, 10_000, 2] {
        part(&shop.store, "a", &upload, n, &body(n, n as usize % 70)).unwrap();
    }
    let whole = list_parts(&shop.store, "a", &upload).unwrap();
    assert!(whole.iter().map(|p| p.number).eq([1, 2, 3, 500, 9999, 10_000]));
    for part in &whole {
        let body = body(part.number, part.number as usize % 70);
        assert_eq!(
            (part.size, part.etag.as_str()),
            (body.len() as u64, common::md5(&body).to_hex().as_str())
        );
    }
    for size in 1..8 {
        let (mut found, mut marker) = (Vec::new(), 0);
        loop {
            let page = parts_page(&shop.store, "a", &upload, marker, size).unwrap();
            assert!(page.parts.len() == size as usize || !page.truncated);
            found.extend(page.parts);
            if !page.truncated {
                break;
            }
            marker = found.last().unwrap().number;
        }
        assert_eq!(found, whole);
    }
    let none = parts_page(&shop.store, "a", &upload, 0, 0).unwrap();
    assert!(none.parts.is_empty() && !none.truncated);
    let beyond = parts_page(&shop.store, "a", &upload, u32::MAX, 10).unwrap();
    assert!(beyond.parts.is_empty() && !beyond.truncated);
}

fn age(path: &Path, by: Duration) {
    let times = FileTimes::new().set_modified(SystemTime::now() - by);
    File::open(path).unwrap().set_times(times).unwrap();
}

#[test]
fn expiry() {
    // An upload to which no part came for long enough is gone when a process first works with
    // uploads, and so is what a crash left; all others stay.
    let day = Duration::from_secs(86_400);
    let options = Options { expire_uploads: day, ..Options::default() };
    let shop = Shop::with(options, Default::default());
    let ids = ["stale", "half", "fresh"].map(|key| create(&shop.store, key));
    for (id, key) in ids.iter().zip(["stale", "half", "fresh"]) {
        part(&shop.store, key, id, 1, b"one").unwrap();
    }
    let folder = |id: &str| shop.path(&format!(".lobos/uploads/{id}"));
    age(&folder(&ids[0]).join("head"), day + Duration::from_secs(60));
    fs::remove_file(folder(&ids[1]).join("head")).unwrap();
    age(&folder(&ids[1]), Duration::from_secs(7200));
    age(&folder(&ids[2]).join("head"), day - Duration::from_secs(60));
    let making = "a".repeat(48);
    fs::create_dir(folder(&making)).unwrap();
    fs::create_dir(folder("foreign")).unwrap();

    let list = |store: &FsStore| uploads(store, uploads_request()).uploads.len();
    assert_eq!(list(&shop.store), 2, "this process has just looked");
    let other = shop.another(options);
    list_parts(&other, "stale", &ids[0]).unwrap();
    assert_eq!(list(&other), 1);
    for (path, stays) in [
        (&ids[0], false),
        (&ids[1], false),
        (&ids[2], true),
        (&making, true),
        (&"foreign".to_owned(), true),
    ] {
        assert_eq!(folder(path).exists(), stays, "{path}");
    }
    let late = list_parts(&shop.store, "stale", &ids[0]).unwrap_err();
    assert_eq!(late.code(), Code::NoSuchUpload);
    let one = part(&shop.store, "fresh", &ids[2], 1, b"two").unwrap();
    complete(&other, "fresh", &ids[2], &[one]).unwrap();
}

#[test]
fn parts_keep_uploads() {
    // A new part makes an old upload young again.
    let day = Duration::from_secs(86_400);
    let options = Options { expire_uploads: day, ..Options::default() };
    let shop = Shop::with(options, Default::default());
    let upload = create(&shop.store, "a");
    age(&shop.path(&format!(".lobos/uploads/{upload}/head")), 2 * day);
    part(&shop.store, "a", &upload, 1, b"one").unwrap();
    assert_eq!(uploads(&shop.another(options), uploads_request()).uploads.len(), 1);
}

#[test]
fn deleted_buckets() {
    // A bucket in which only uploads are under way can be deleted, as on S3, and they are gone.
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(BUCKET)).unwrap();
    let layout = Layout::Root(dir.path().into());
    let store = FsStore::open(layout, Options::default()).unwrap();
    let upload = create(&store, "a");
    part(&store, "a", &upload, 1, b"x").unwrap();
    let mut late = uploads::begin(&store, part_request("a", &upload, 2, b"y")).unwrap();
    store.call(Request::DeleteBucket(DeleteBucket { bucket: bucket() })).unwrap();
    assert!(!dir.path().join(BUCKET).exists());
    let done = late.append(b"y").and_then(|()| late.commit(&Default::default()));
    assert_eq!(done.unwrap_err().code(), Code::NoSuchUpload);
    let refused = part(&store, "a", &upload, 1, b"x").unwrap_err();
    assert_eq!(refused.code(), Code::NoSuchBucket);
    assert!(!dir.path().join(BUCKET).exists());
}

#[test]
fn most_metadata() {
    // 10,000 parts, each with the longest checksum, are known of the object afterwards, wherever
    // metadata is kept.
    for quirks in all_quirks().into_iter().filter(|q| !q.no_tmpfile) {
        let shop = Shop::with(Options { min_part_size: 0, ..Options::default() }, quirks);
        let mut request = create_request("a");
        request.checksum = Some(Algorithm::Sha512);
        request.checksum_type = Some(ChecksumType::Composite);
        let upload = create_with(&shop.store, request).unwrap();
        let most = if quirks.no_xattrs { 10_000 } else { 2_000 };
        let verified = |n: u32| {
            let body = n.to_le_bytes();
            let mut request = part_request("a", &upload, n, &body);
            request.checksum = Some(Algorithm::Sha512);
            let checksum = Some(digest(Algorithm::Sha512, &body));
            let expected = Expected { checksum, ..Expected::default() };
            uploads::completed(n, &send(&shop.store, request, &body, &expected).unwrap())
        };
        let parts: Vec<CompletedPart> = (1..=most).map(verified).collect();
        complete(&shop.store, "a", &upload, &parts).unwrap();
        let info = shop.head("a").unwrap().info;
        assert_eq!(info.checksums[0].parts, Some(most));
        let kept = info.parts.unwrap();
        assert!(kept.iter(info.size).zip(1..=most).all(|(part, n)| {
            part.checksum == Some(digest(Algorithm::Sha512, &n.to_le_bytes())) && part.number == n
        }));
        assert_eq!(kept.count(), most as usize);
    }
}
