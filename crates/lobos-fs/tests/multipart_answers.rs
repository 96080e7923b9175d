//! What is answered to Complete, Abort and UploadPartCopy, and that a refusal changes nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod uploads;

use std::sync::Barrier;
use std::thread;

use common::{Shop, all_quirks, mounted};
use lobos_digest::{Algorithm, digest};
use lobos_fs::{EtagMode, FsStore, Layout, Options};
use lobos_proto::op::{AbortMultipartUpload, CompletedPart, UploadPart};
use lobos_proto::s3::condition::{ReadConditions, Tags};
use lobos_proto::{
    Checksum, ChecksumType, Code, Error, Expected, Outcome, Request, Store, Timestamp,
};
use uploads::{
    abort, begin, body, complete, complete_request, complete_with, copy_part, copy_request, create,
    create_request, create_with, etag_of, key, list_parts, part, part_request, send,
    uploads_request,
};

fn small() -> Options {
    Options { min_part_size: 0, ..Options::default() }
}

fn code<T>(result: Result<T, Error>) -> Code {
    result.err().expect("it was not refused").code()
}

fn no_uploads(shop: &Shop) -> bool {
    !shop.tree().iter().any(|p| p.starts_with(".lobos/uploads/") && p != ".lobos/uploads/")
}

#[test]
fn refusals() {
    // Each wrong list of parts has its code, and none touches the upload or the old object.
    let shop = Shop::new();
    shop.put("a", b"old");
    let upload = create(&shop.store, "a");
    let large = body(1, 5 << 20);
    let one = part(&shop.store, "a", &upload, 1, &large).unwrap();
    let two = part(&shop.store, "a", &upload, 2, b"small").unwrap();
    let three = part(&shop.store, "a", &upload, 3, b"last").unwrap();
    let before = shop.tree();
    let other = |number, etag: &str| CompletedPart { number, etag: etag.into(), checksum: None };
    let wrong_checksum = || {
        let checksum = Some(digest(Algorithm::Crc64Nvme, b"other"));
        CompletedPart { checksum, ..one.clone() }
    };
    for (parts, expected) in [
        (vec![], Code::MalformedXML),
        (vec![two.clone(), one.clone()], Code::InvalidPartOrder),
        (vec![one.clone(), one.clone()], Code::InvalidPartOrder),
        (vec![one.clone(), other(2, &one.etag)], Code::InvalidPart),
        (vec![one.clone(), other(4, &one.etag)], Code::InvalidPart),
        (vec![one.clone(), other(10_000, &one.etag)], Code::InvalidPart),
        (vec![other(1, ""), two.clone()], Code::InvalidPart),
        (vec![wrong_checksum(), two.clone()], Code::InvalidPart),
        (vec![one.clone(), two.clone(), three], Code::EntityTooSmall),
    ] {
        assert_eq!(code(complete(&shop.store, "a", &upload, &parts)), expected, "{parts:?}");
        assert_eq!((shop.body("a"), shop.tree()), (b"old".to_vec(), before.clone()));
    }
    let sized = |size| {
        let mut request = complete_request("a", &upload, &[one.clone(), two.clone()]);
        request.size = Some(size);
        complete_with(&shop.store, request)
    };
    assert_eq!(code(sized(5)), Code::InvalidRequest);
    assert_eq!(sized((5 << 20) + 5).unwrap().stored.size, (5 << 20) + 5);
}

#[test]
fn hostile_names() {
    // Whatever a client sends as an upload, it is NoSuchUpload and no path; so is the upload of
    // another key, and one whose head is gone, of which an abort removes the rest.
    let shop = Shop::new();
    let upload = create(&shop.store, "a");
    let before = shop.tree();
    let headless = shop.path(&format!(".lobos/uploads/{}", "0".repeat(48)));
    std::fs::create_dir_all(&headless).unwrap();
    std::fs::write(headless.join("p1-0000000000000000"), "x").unwrap();
    let long = "a".repeat(100_000);
    let bad = [
        "",
        ".",
        "..",
        "../x",
        "/",
        "/etc",
        "a/../b",
        "\0",
        &upload[1..],
        &long,
        "ü",
        "head",
        &upload.to_uppercase(),
        &format!("{}\0", &upload[..47]),
        &format!("{upload}/"),
        &format!("../uploads/{upload}"),
        &"0".repeat(48),
        &"f".repeat(48),
    ];
    let one = CompletedPart { number: 1, etag: "x".into(), checksum: None };
    let all = |name: &str, upload: &str| {
        let request = part_request(name, upload, 1, b"x");
        assert_eq!(begin(&shop.store, request).err().unwrap().code(), Code::NoSuchUpload);
        let parts = [one.clone()];
        assert_eq!(code(complete(&shop.store, name, upload, &parts)), Code::NoSuchUpload);
        assert_eq!(code(abort(&shop.store, name, upload)), Code::NoSuchUpload);
        assert_eq!(code(list_parts(&shop.store, name, upload)), Code::NoSuchUpload);
        shop.put("source", b"x");
        let copy = copy_request(name, upload, 1, "source", None);
        assert_eq!(code(copy_part(&shop.store, copy)), Code::NoSuchUpload);
        shop.delete("source");
    };
    bad.iter().for_each(|upload| all("a", upload));
    all("b", &upload);
    let after = shop.tree();
    assert!(before.iter().all(|path| after.contains(path)), "{before:?} {after:?}");
    assert!(!headless.exists());
    abort(&shop.store, "a", &upload).unwrap();
}

#[test]
fn conditions() {
    // If-None-Match and If-Match hold for Complete as for PUT, and a refusal keeps the upload.
    for quirks in all_quirks() {
        let shop = Shop::with(small(), quirks);
        let upload = create(&shop.store, "a");
        let parts = [(1, 1000), (2, 1000), (3, 10)]
            .map(|(n, size)| part(&shop.store, "a", &upload, n, &body(n, size)).unwrap());
        let with = |absent: bool, matches: Option<&str>, parts: &[CompletedPart]| {
            let mut request = complete_request("a", &upload, parts);
            request.conditions.absent = absent;
            request.conditions.matches = matches.map(Tags::parse);
            complete_with(&shop.store, request)
        };
        assert_eq!(code(with(false, Some("\"x\""), &parts)), Code::NoSuchKey);
        let old = shop.put("a", b"old");
        let before = shop.tree();
        assert_eq!(code(with(true, None, &parts)), Code::PreconditionFailed);
        assert_eq!(code(with(true, None, &parts[..2])), Code::PreconditionFailed);
        assert_eq!(code(with(false, Some("x"), &parts)), Code::PreconditionFailed);
        assert_eq!((shop.body("a"), shop.tree()), (b"old".to_vec(), before));
        assert_eq!(list_parts(&shop.store, "a", &upload).unwrap().len(), 3);
        with(false, Some(old.etag.as_str()), &parts).unwrap();
        assert_eq!(shop.body("a"), [body(1, 1000), body(2, 1000), body(3, 10)].concat());

        let upload = create(&shop.store, "new");
        let one = part(&shop.store, "new", &upload, 1, b"1").unwrap();
        let mut request = complete_request("new", &upload, &[one]);
        request.conditions.absent = true;
        complete_with(&shop.store, request).unwrap();
        assert!(no_uploads(&shop));
    }
}

#[test]
fn lost_races() {
    // Where a condition turns out wrong only in the last moment the upload is as it was: of many
    // uploads with If-None-Match: * one wins, and the others can be completed without.
    for quirks in all_quirks() {
        let shop = Shop::with(small(), quirks);
        let uploads: Vec<_> = (0..6_u32)
            .map(|n| {
                let upload = create(&shop.store, "a");
                let parts = [1, 2]
                    .map(|number| part(&shop.store, "a", &upload, number, &body(n, 3000)).unwrap());
                (upload, parts, [body(n, 3000), body(n, 3000)].concat())
            })
            .collect();
        let start = Barrier::new(uploads.len());
        let won: Vec<bool> = thread::scope(|scope| {
            let run = |(upload, parts, _): &(String, [CompletedPart; 2], Vec<u8>)| {
                let mut request = complete_request("a", upload, parts);
                request.conditions.absent = true;
                start.wait();
                match complete_with(&shop.store, request) {
                    Ok(_) => true,
                    Err(e) => {
                        assert_eq!(e.code(), Code::PreconditionFailed);
                        false
                    }
                }
            };
            let threads: Vec<_> =
                uploads.iter().map(|upload| scope.spawn(move || run(upload))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let winner = won.iter().position(|won| *won).unwrap();
        assert!(shop.body("a") == uploads[winner].2);
        for ((upload, parts, whole), _) in uploads.iter().zip(won).filter(|(_, won)| !won) {
            complete(&shop.store, "a", upload, parts).unwrap();
            assert!(shop.body("a") == *whole);
        }
        assert!(no_uploads(&shop));
        let metas = shop.tree().into_iter().filter(|p| p.starts_with(".lobos/meta/")).count();
        assert_eq!(metas, if quirks.no_xattrs { 2 } else { 0 });
    }
}

#[test]
fn repeated() {
    // A Complete that is repeated is answered as the first, until the object is another one.
    let shop = Shop::with(small(), Default::default());
    let upload = create(&shop.store, "a");
    let parts = [1, 2].map(|n| part(&shop.store, "a", &upload, n, &body(n, 1000)).unwrap());
    let first = complete(&shop.store, "a", &upload, &parts).unwrap();
    for store in [&shop.store, &shop.another(small())] {
        assert_eq!(complete(store, "a", &upload, &parts).unwrap(), first);
    }
    assert_eq!(code(abort(&shop.store, "a", &upload)), Code::NoSuchUpload);
    let late = begin(&shop.store, part_request("a", &upload, 1, b"x"));
    assert_eq!(late.err().unwrap().code(), Code::NoSuchUpload);
    shop.put("a", b"other");
    assert_eq!(code(complete(&shop.store, "a", &upload, &parts)), Code::NoSuchUpload);
}

#[test]
fn died_within() {
    // A process that died after the object was made and before the upload was removed: Complete
    // says what there is, and removes the rest; a file that is gone otherwise is InvalidPart.
    let shop = Shop::with(small(), Default::default());
    for died in [true, false] {
        let upload = create(&shop.store, "a");
        let parts = [1, 2].map(|n| part(&shop.store, "a", &upload, n, &body(n, 1000)).unwrap());
        let folder = shop.path(&format!(".lobos/uploads/{upload}"));
        let head = std::fs::read(folder.join("head")).unwrap();
        if died {
            let first = complete(&shop.store, "a", &upload, &parts).unwrap();
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("head"), head).unwrap();
            assert_eq!(complete(&shop.store, "a", &upload, &parts).unwrap(), first);
        } else {
            std::fs::write(folder.join("d1000"), body(1, 1500)).unwrap();
            assert_eq!(code(complete(&shop.store, "a", &upload, &parts)), Code::InvalidPart);
            std::fs::remove_file(folder.join("d1000")).unwrap();
            assert_eq!(code(complete(&shop.store, "a", &upload, &parts)), Code::InvalidPart);
            abort(&shop.store, "a", &upload).unwrap();
        }
        assert!(no_uploads(&shop));
    }
}

#[test]
fn many_at_once() {
    // Of many Completes of one upload at once, in two processes, each has the same answer or
    // finds no upload, and the object is whole.
    for quirks in all_quirks() {
        let shop = Shop::with(small(), quirks);
        let layout = Layout::Dirs(vec![(common::BUCKET.into(), shop.dir.path().into())]);
        let other = FsStore::open_with(layout, small(), quirks).unwrap();
        for (round, unequal) in (0..6).map(|round| (round, round % 2)) {
            let upload = create(&shop.store, "a");
            let sizes = [2000, 2000 + unequal * 100, 30];
            let bodies = [0, 1, 2].map(|n| body(round * 3 + n, sizes[n as usize] as usize));
            let parts = [1, 2, 3]
                .map(|n| part(&shop.store, "a", &upload, n, &bodies[n as usize - 1]).unwrap());
            let start = Barrier::new(8);
            let answers: Vec<_> = thread::scope(|scope| {
                let run = |n: usize| {
                    let store = if n < 4 { &shop.store } else { &other };
                    start.wait();
                    complete(store, "a", &upload, &parts).map_err(|e| e.code())
                };
                let threads: Vec<_> = (0..8).map(|n| scope.spawn(move || run(n))).collect();
                threads.into_iter().map(|t| t.join().unwrap()).collect()
            });
            assert!(shop.body("a") == bodies.concat(), "{quirks:?}");
            let etag = etag_of(&[&bodies[0], &bodies[1], &bodies[2]]);
            for answer in answers {
                assert_eq!(answer.unwrap().stored.etag.as_str(), etag);
            }
            assert!(no_uploads(&shop));
        }
    }
}

/// Uploads parts with checksums; wrong ones are refused. Where the checksum is of all bytes the
/// second part comes without one, which is computed then; where it is of those of the parts it is
/// refused.
fn verified_parts(
    shop: &Shop,
    upload: &str,
    (algorithm, kind): (Algorithm, ChecksumType),
    bodies: &[Vec<u8>],
) -> Vec<CompletedPart> {
    let mut parts = Vec::new();
    for (n, body) in (1..).zip(bodies) {
        let mut request = part_request("a", upload, n, body);
        let sum = digest(algorithm, body);
        let mut expected = Expected { checksum: Some(sum), ..Expected::default() };
        request.checksum = Some(algorithm);
        if n == 2 {
            let silent = UploadPart { checksum: None, ..request.clone() };
            if kind == ChecksumType::FullObject {
                (request, expected) = (silent, Expected::default());
            } else {
                let refused = send(&shop.store, silent, body, &Expected::default());
                assert_eq!(code(refused), Code::InvalidRequest);
            }
        }
        let stored = send(&shop.store, request.clone(), body, &expected).unwrap();
        assert_eq!(stored.checksum, Some(sum));
        parts.push(uploads::completed(n, &stored));
        let wrong = Expected { checksum: Some(digest(algorithm, b"")), ..expected };
        request.checksum = Some(algorithm);
        assert_eq!(code(send(&shop.store, request, body, &wrong)), Code::BadDigest);
    }
    parts
}

#[test]
fn checksums() {
    // Every algorithm and kind: parts are verified and answered, the object has the checksum that
    // S3 gives it, and what Complete says of it must be right.
    let bodies = [body(1, 3000), body(2, 3000), body(3, 5)];
    let refs: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    for etag in [EtagMode::Md5, EtagMode::Fast] {
        let shop = Shop::with(Options { etag, ..small() }, Default::default());
        for algorithm in Algorithm::ALL {
            for kind in [ChecksumType::Composite, ChecksumType::FullObject] {
                let crc = matches!(algorithm.name(), "CRC32" | "CRC32C" | "CRC64NVME");
                let composite = kind == ChecksumType::Composite;
                if if composite { algorithm == Algorithm::Crc64Nvme } else { !crc } {
                    continue;
                }
                let mut request = create_request("a");
                request.checksum = Some(algorithm);
                request.checksum_type = Some(kind);
                let upload = create_with(&shop.store, request).unwrap();
                let parts = verified_parts(&shop, &upload, (algorithm, kind), &bodies);
                let listed = list_parts(&shop.store, "a", &upload).unwrap();
                assert!(listed.iter().zip(&bodies).all(|(part, body)| {
                    part.checksum == Some(digest(algorithm, body)) && part.size == body.len() as u64
                }));
                let sums: Vec<u8> =
                    refs.iter().flat_map(|b| digest(algorithm, b).bytes().to_vec()).collect();
                let right = match kind {
                    ChecksumType::FullObject => Checksum::full(digest(algorithm, &bodies.concat())),
                    ChecksumType::Composite => {
                        Checksum { digest: digest(algorithm, &sums), parts: Some(3) }
                    }
                };
                let with = |checksum, kind| {
                    let mut request = complete_request("a", &upload, &parts);
                    request.checksum = Some(checksum);
                    request.checksum_type = kind;
                    complete_with(&shop.store, request)
                };
                let wrong = Checksum { digest: digest(algorithm, b"x"), ..right };
                assert_eq!(code(with(wrong, Some(kind))), Code::BadDigest);
                let other =
                    if composite { ChecksumType::FullObject } else { ChecksumType::Composite };
                assert_eq!(code(with(right, Some(other))), Code::InvalidRequest);
                if composite {
                    let bare: Vec<_> = parts
                        .iter()
                        .map(|p| CompletedPart { checksum: None, ..p.clone() })
                        .collect();
                    let refused = complete(&shop.store, "a", &upload, &bare);
                    assert_eq!(code(refused), Code::InvalidRequest);
                }
                let mut foreign = parts.clone();
                let of =
                    if algorithm == Algorithm::Sha1 { Algorithm::Md5 } else { Algorithm::Sha1 };
                foreign[1].checksum = Some(digest(of, &bodies[1]));
                let refused = complete(&shop.store, "a", &upload, &foreign).unwrap_err();
                assert_eq!(refused.code(), Code::BadDigest);
                assert!(refused.sentence().contains(" you specified for part 2 did not match"));
                let stored = with(right, Some(kind)).unwrap().stored;
                assert_eq!(stored.checksums, [right]);
                let info = shop.head("a").unwrap().info;
                assert_eq!(info.checksums, [right]);
                let kept: Vec<_> = info.parts.unwrap().iter(info.size).collect();
                assert!(kept.iter().zip(&listed).all(|(a, b)| a.checksum == b.checksum));
            }
        }
    }
}

#[test]
fn checksum_of_no_name() {
    // Parts with a checksum though Create named none are accepted, and the object has the
    // CRC64NVME that S3 gives it; another than the one that was named is refused.
    let shop = Shop::with(small(), Default::default());
    for algorithm in [None, Some(Algorithm::Crc32), Some(Algorithm::Crc64Nvme)] {
        let upload = create(&shop.store, "a");
        let mut request = part_request("a", &upload, 1, b"hello");
        request.checksum = algorithm;
        let stored = send(&shop.store, request, b"hello", &Expected::default()).unwrap();
        assert_eq!(stored.checksum, algorithm.map(|a| digest(a, b"hello")));
        let parts = [uploads::completed(1, &stored)];
        let right = Checksum::full(digest(Algorithm::Crc64Nvme, b"hello"));
        let mut request = complete_request("a", &upload, &parts);
        request.checksum = Some(Checksum::full(digest(Algorithm::Crc64Nvme, b"x")));
        assert_eq!(code(complete_with(&shop.store, request)), Code::BadDigest);
        assert_eq!(complete(&shop.store, "a", &upload, &parts).unwrap().stored.checksums, [right]);
    }
    let mut request = create_request("a");
    request.checksum = Some(Algorithm::Sha256);
    request.checksum_type = Some(ChecksumType::Composite);
    let upload = create_with(&shop.store, request).unwrap();
    let mut request = part_request("a", &upload, 1, b"x");
    request.checksum = Some(Algorithm::Crc32);
    let refused = begin(&shop.store, request).err().unwrap();
    assert_eq!(refused.code(), Code::InvalidRequest);
    assert!(refused.sentence().ends_with("Type: sha256, actual checksum Type: crc32"));
}

#[test]
fn copies() {
    // A part is the bytes of an object, or of a range of it; conditions on the source fail with
    // 412 and never 304, and a range that the source does not have is refused.
    for etag in [EtagMode::Md5, EtagMode::Fast] {
        for quirks in all_quirks() {
            let shop = Shop::with(Options { etag, ..small() }, quirks);
            let source = body(1, 200_000);
            let stored = shop.put("source", &source);
            shop.put("empty", b"");
            let upload = create(&shop.store, "a");
            let copy = |number, source: &str, range| {
                let request = copy_request("a", &upload, number, source, range);
                copy_part(&shop.store, request).map(|part| {
                    let etag = part.etag.as_str().into();
                    CompletedPart { number, etag, checksum: part.checksum }
                })
            };
            let parts = [
                copy(1, "source", Some((0, 99_999))).unwrap(),
                copy(2, "source", Some((100_000, 199_999))).unwrap(),
                copy(3, "source", None).unwrap(),
                copy(4, "empty", None).unwrap(),
                copy(5, "source", Some((7, 7))).unwrap(),
            ];
            if etag == EtagMode::Md5 {
                assert_eq!(parts[2].etag, common::md5(&source).to_hex());
            }
            for range in [(0, 200_000), (200_000, 200_000), (5, 4), (0, u64::MAX)] {
                assert_eq!(code(copy(1, "source", Some(range))), Code::InvalidArgument);
            }
            assert_eq!(code(copy(1, "empty", Some((0, 0)))), Code::InvalidArgument);
            assert_eq!(code(copy(1, "none", None)), Code::NoSuchKey);
            let now = shop.head("source").unwrap().info.modified;
            let tag = Some(Tags::parse(stored.etag.as_str()));
            for conditions in [
                ReadConditions { if_match: Some(Tags::parse("x")), ..Default::default() },
                ReadConditions { if_none_match: tag, ..Default::default() },
                ReadConditions { if_modified_since: Some(now), ..Default::default() },
                ReadConditions {
                    if_unmodified_since: Some(Timestamp { nanos: 1 }),
                    ..Default::default()
                },
            ] {
                let mut request = copy_request("a", &upload, 1, "source", None);
                request.source.conditions = conditions;
                assert_eq!(code(copy_part(&shop.store, request)), Code::PreconditionFailed);
            }
            complete(&shop.store, "a", &upload, &parts).unwrap();
            assert!(shop.body("a") == [&source[..], &source, &source[7..8]].concat());
            assert!(no_uploads(&shop));
        }
    }
}

#[test]
fn large_sources() {
    // More than 5 GiB are no part; a range of it is.
    let shop = Shop::with(Options { etag: EtagMode::Fast, ..small() }, Default::default());
    let file = std::fs::File::create(shop.path("large")).unwrap();
    file.set_len((5 << 30) + 1).unwrap();
    let upload = create(&shop.store, "a");
    let copy = |range| copy_part(&shop.store, copy_request("a", &upload, 1, "large", range));
    assert_eq!(code(copy(None)), Code::InvalidRequest);
    assert_eq!(code(copy(Some((0, 5 << 30)))), Code::InvalidRequest);
    copy(Some((5 << 30, 5 << 30))).unwrap();
}

#[test]
fn aborts() {
    // What is dropped leaves nothing; x-amz-if-match-initiated-time must be right.
    let shop = Shop::with(small(), Default::default());
    let upload = create(&shop.store, "a");
    for n in [3, 1, 2] {
        part(&shop.store, "a", &upload, n, &body(n, 10 * n as usize)).unwrap();
    }
    let page = uploads::uploads(&shop.store, uploads_request());
    let initiated = page.uploads[0].initiated;
    let with = |initiated: Timestamp| {
        let request = AbortMultipartUpload {
            bucket: common::bucket(),
            key: key("a"),
            upload: upload.clone(),
            initiated: Some(initiated),
        };
        shop.store.call(Request::AbortMultipartUpload(request))
    };
    let moved = |by: i64| Timestamp { nanos: initiated.nanos.saturating_add_signed(by) };
    assert_eq!(code(with(moved(-1_000_000_000))), Code::PreconditionFailed);
    assert_eq!(list_parts(&shop.store, "a", &upload).unwrap().len(), 3);
    // A time to come is no condition.
    assert!(matches!(with(moved(3_600_000_000_000)), Ok(Outcome::Done(_))));
    assert!(no_uploads(&shop));
    assert_eq!(code(abort(&shop.store, "a", &upload)), Code::NoSuchUpload);
}

#[test]
fn full_disk() {
    // A part for which there is no room is StorageFull and leaves the old one; a Complete that
    // has to copy more than fits leaves the upload, and without copying it needs no room.
    mounted("full_disk", "-t tmpfs -o size=1m none", |dir| {
        let layout = Layout::Dirs(vec![(common::BUCKET.into(), dir.into())]);
        let store = FsStore::open(layout, small()).unwrap();
        let (old, upload) = (body(1, 300 << 10), create(&store, "a"));
        part(&store, "a", &upload, 1, &old).unwrap();
        let two = part(&store, "a", &upload, 2, &body(2, 300 << 10)).unwrap();
        let refused = part(&store, "a", &upload, 1, &body(3, 600 << 10));
        assert_eq!(code(refused), Code::StorageFull);
        let refused = part(&store, "a", &upload, 3, &body(3, 600 << 10));
        assert_eq!(code(refused), Code::StorageFull);
        assert_eq!(list_parts(&store, "a", &upload).unwrap().len(), 2);
        complete(&store, "a", &upload, &[two]).unwrap();
        assert_eq!(common::get(&store, "a").unwrap().1, body(2, 300 << 10));
        common::delete(&store, "a").unwrap();

        let upload = create(&store, "a");
        let bodies = [&old[..], &body(2, 300 << 10), &body(3, 250 << 10)];
        let parts =
            [1, 2, 3].map(|n| part(&store, "a", &upload, n, bodies[n as usize - 1]).unwrap());
        let but_first = complete(&store, "a", &upload, &parts[1..]);
        assert_eq!(code(but_first), Code::StorageFull);
        assert_eq!(list_parts(&store, "a", &upload).unwrap().len(), 3);
        complete(&store, "a", &upload, &parts).unwrap();
        assert!(common::get(&store, "a").unwrap().1 == bodies.concat());
    });
}
