//! Parts in any order, shape and number become one object, and nothing else is left.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod uploads;

use std::thread;

use common::{Shop, all_quirks};
use lobos_digest::{Algorithm, digest};
use lobos_fs::{Durability, EtagMode, FsStore, Options};
use lobos_proto::op::CompletedPart;
use lobos_proto::{Checksum, Code, Metadata, Parts, TagSet};
use uploads::{
    abort, begin, body, complete, create, create_request, create_with, etag_of, list_parts, part,
    part_request, uploads_request,
};

fn small() -> Options {
    Options { min_part_size: 0, ..Options::default() }
}

/// Uploads bodies in this order of their indices, completes them in theirs, and checks all.
fn round_trip(shop: &Shop, name: &str, bodies: &[Vec<u8>], order: &[usize]) {
    let upload = create(&shop.store, name);
    let mut parts = vec![None; bodies.len()];
    for at in order {
        let number = u32::try_from(at + 1).unwrap();
        parts[*at] = Some(part(&shop.store, name, &upload, number, &bodies[*at]).unwrap());
    }
    let parts: Vec<CompletedPart> = parts.into_iter().map(Option::unwrap).collect();
    finish(shop, name, &upload, &parts, &bodies.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

/// Completes an upload of these parts and checks the object and what is left.
fn finish(shop: &Shop, name: &str, upload: &str, parts: &[CompletedPart], bodies: &[&[u8]]) {
    let completed = complete(&shop.store, name, upload, parts).unwrap();
    let (response, bytes) = shop.get(name).unwrap();
    let whole = bodies.concat();
    assert!(bytes == whole, "{name}: other bytes");
    let info = response.info;
    assert_eq!(info.etag, completed.stored.etag);
    assert_eq!(info.size, completed.stored.size);
    assert_eq!(info.checksums, completed.stored.checksums);
    assert_eq!(info.parts.unwrap().count(), parts.len());
    if info.etag.as_str().len() == 32 + 2 && info.etag.as_str().ends_with("-1") {
        // Fast, or one part: both end so.
    } else {
        assert_eq!(info.etag.as_str(), etag_of(bodies));
    }
    let crc = Checksum::full(digest(Algorithm::Crc64Nvme, &whole));
    assert!(info.checksums.is_empty() || info.checksums == [crc]);
    assert_eq!(shop.page().objects.iter().find(|o| o.key == name).unwrap().etag, info.etag);
    let left: Vec<String> =
        shop.tree().into_iter().filter(|p| p.starts_with(".lobos/uploads/")).collect();
    assert_eq!(left, [".lobos/uploads/"]);
    assert_eq!(shop.leftovers(), [""; 0]);
}

#[test]
fn orders_and_shapes() {
    // Whatever the order and the sizes of the parts, the object is their bytes in a row, on every
    // kind of file system.
    let shapes: [&[usize]; 9] = [
        &[1000, 1000, 1000, 300],
        &[1000, 1000, 1000],
        &[1000, 1000, 2500],
        &[10, 900, 4, 4000, 30],
        &[5],
        &[0],
        &[700, 0, 700, 0],
        &[0, 0, 9],
        &[300_000, 300_000, 300_000, 12_345],
    ];
    for quirks in all_quirks() {
        let shop = Shop::with(small(), quirks);
        for (n, shape) in shapes.iter().enumerate() {
            let bodies: Vec<Vec<u8>> = (0..).zip(*shape).map(|(s, size)| body(s, *size)).collect();
            let forward: Vec<usize> = (0..bodies.len()).collect();
            let backward: Vec<usize> = forward.iter().rev().copied().collect();
            let mut last_first = forward.clone();
            last_first.rotate_right(1);
            let mut middle = forward.clone();
            middle.rotate_right(bodies.len() / 2);
            for (o, order) in [forward, backward, last_first, middle].iter().enumerate() {
                round_trip(&shop, &format!("d{n}/{o}"), &bodies, order);
            }
        }
        let odd = [body(1, 10), body(2, 10)];
        for name in ["a//b", "over", "over", "f/", ".lobos/x", &"k".repeat(1000)] {
            round_trip(&shop, name, &odd, &[1, 0]);
        }
        round_trip(&shop, "f/", &[Vec::new()], &[0]);
    }
}

#[test]
fn options() {
    // The object is the same for every option; fast tags are opaque and say nothing of parts.
    for etag in [EtagMode::Md5, EtagMode::Fast] {
        for durability in [Durability::Cache, Durability::Disk] {
            let shop = Shop::with(Options { etag, durability, ..small() }, Default::default());
            let bodies = [body(1, 5000), body(2, 5000), body(3, 7)];
            round_trip(&shop, "new/a", &bodies, &[2, 0, 1]);
            round_trip(&shop, "new/a", &bodies, &[0, 1, 2]);
            let info = shop.head("new/a").unwrap().info;
            assert_eq!(info.parts, Some(Parts::Uniform { count: 3, size: 5000 }));
            match etag {
                EtagMode::Md5 => {
                    let whole = digest(Algorithm::Crc64Nvme, &bodies.concat());
                    assert_eq!(info.checksums, [Checksum::full(whole)]);
                }
                EtagMode::Fast => {
                    assert!(info.etag.as_str().ends_with("-1") && info.checksums.is_empty());
                }
            }
        }
    }
}

#[test]
fn metadata() {
    // What Create said is the object's: metadata, tags and type; and it is not that of the old one.
    let shop = Shop::with(small(), Default::default());
    shop.put("a.txt", b"old");
    let said = Metadata {
        content_type: Some("text/x-own".into()),
        cache_control: Some("no-store".into()),
        user: vec![("a".into(), "1".into()), ("b".into(), "ü".repeat(3000))],
        ..Metadata::default()
    };
    let mut request = create_request("a.txt");
    request.metadata = said.clone();
    request.tags = TagSet::from_pairs(vec![("t".into(), "1".into())]);
    let upload = create_with(&shop.store, request).unwrap();
    let one = part(&shop.store, "a.txt", &upload, 1, b"one").unwrap();
    assert_eq!(shop.body("a.txt"), b"old");
    complete(&shop.store, "a.txt", &upload, &[one]).unwrap();
    let info = shop.head("a.txt").unwrap().info;
    assert_eq!((info.content_type.as_ref(), info.tags), ("text/x-own", 1));
    assert_eq!(info.metadata, Metadata { content_type: None, ..said });

    let mut request = create_request("a.txt");
    request.metadata.content_type = Some("text/plain".into());
    let upload = create_with(&shop.store, request).unwrap();
    let one = part(&shop.store, "a.txt", &upload, 1, b"one").unwrap();
    complete(&shop.store, "a.txt", &upload, &[one]).unwrap();
    let info = shop.head("a.txt").unwrap().info;
    assert_eq!((info.content_type.as_ref(), info.tags), ("text/plain", 0));
}

#[test]
fn unknown_sizes() {
    // Parts of which nobody said the size beforehand, or a wrong one, are parts all the same;
    // more than was said never reaches the next part.
    let shop = Shop::with(small(), Default::default());
    let upload = create(&shop.store, "a");
    let bodies = [body(1, 500), body(2, 500), body(3, 500)];
    let send = |number: u32, size: Option<u64>, body: &[u8]| {
        let mut request = part_request("a", &upload, number, body);
        request.size = size;
        let stored = uploads::send(&shop.store, request, body, &Default::default())?;
        Ok::<_, lobos_proto::Error>(uploads::completed(number, &stored))
    };
    let parts = [
        send(1, Some(500), &bodies[0]).unwrap(),
        send(2, None, &bodies[1]).unwrap(),
        send(3, Some(400), &bodies[2]).unwrap(),
    ];
    assert_eq!(send(2, Some(10), &body(4, 501)).unwrap_err().code(), Code::IncompleteBody);
    let short = send(4, Some(500), &body(5, 20)).unwrap();
    let all = [&bodies[0][..], &bodies[1], &bodies[2], &body(5, 20)];
    let parts = [&parts[..], &[short]].concat();
    finish(&shop, "a", &upload, &parts, &all);
}

#[test]
fn replaced() {
    // The last part with a number that came whole is the one; what fails changes nothing.
    for quirks in all_quirks() {
        let shop = Shop::with(small(), quirks);
        for (name, again) in [("same", 1000), ("smaller", 10), ("larger", 3000), ("empty", 0)] {
            let upload = create(&shop.store, name);
            let (first, last) = (body(1, 1000), body(2, 1000));
            let one = part(&shop.store, name, &upload, 1, &first).unwrap();
            let old = part(&shop.store, name, &upload, 2, &last).unwrap();
            let before = list_parts(&shop.store, name, &upload).unwrap();

            let mut torn = begin(&shop.store, part_request(name, &upload, 2, &last)).unwrap();
            torn.append(&body(9, 700)).unwrap();
            drop(torn);
            let mut torn = begin(&shop.store, part_request(name, &upload, 2, &last)).unwrap();
            torn.append(&body(9, 1000)).unwrap();
            let md5 = lobos_proto::Expected { md5: Some(common::md5(b"x")), ..Default::default() };
            assert_eq!(torn.commit(&md5).unwrap_err().code(), Code::BadDigest);
            assert_eq!(list_parts(&shop.store, name, &upload).unwrap(), before);

            let mut new = old.clone();
            for round in 3..7 {
                new = part(&shop.store, name, &upload, 2, &body(round, again)).unwrap();
            }
            let stale = complete(&shop.store, name, &upload, &[one.clone(), old]);
            assert_eq!(stale.unwrap_err().code(), Code::InvalidPart);
            finish(&shop, name, &upload, &[one, new], &[&first, &body(6, again)]);
        }
    }
}

#[test]
fn same_number_at_once() {
    // Two uploads of one part at once do not mix: each is whole, and the last one counts.
    let shop = Shop::with(small(), Default::default());
    let other = shop.another(small());
    let upload = create(&shop.store, "a");
    let bodies = [body(1, 5000), body(2, 5000), body(3, 5000)];
    let stores = [&shop.store, &other, &shop.store];
    let mut sinks: Vec<_> = stores
        .iter()
        .map(|store| begin(store, part_request("a", &upload, 1, &bodies[0])).unwrap())
        .collect();
    for at in (0..5000).step_by(500) {
        for (sink, body) in sinks.iter_mut().zip(&bodies) {
            sink.append(&body[at..at + 500]).unwrap();
        }
    }
    for (sink, body) in sinks.into_iter().zip(&bodies) {
        let answer = sink.commit(&Default::default()).unwrap();
        let lobos_proto::Response::UploadPart(stored) = answer else { panic!("{answer:?}") };
        assert_eq!(stored.etag.as_str(), common::md5(body).to_hex());
    }
    let etag = common::md5(&bodies[2]).to_hex();
    let last = CompletedPart { number: 1, etag, checksum: None };
    finish(&shop, "a", &upload, &[last], &[&bodies[2]]);
}

#[test]
fn parallel() {
    // Parts from many threads and two processes at once, each sent twice, become the object.
    for quirks in all_quirks() {
        let shop = Shop::with(small(), quirks);
        let other = shop.another(small());
        let upload = create(&shop.store, "a");
        let bodies: Vec<Vec<u8>> =
            (1..=40).map(|n| body(n, if n == 40 { 77 } else { 3000 })).collect();
        let run = |store: &FsStore, first: usize| {
            let mut parts = Vec::new();
            for at in (first..40).step_by(4).collect::<Vec<_>>().into_iter().rev() {
                let number = u32::try_from(at + 1).unwrap();
                part(store, "a", &upload, number, &bodies[at]).unwrap();
                parts.push(part(store, "a", &upload, number, &bodies[at]).unwrap());
            }
            parts
        };
        let mut parts = thread::scope(|scope| {
            let stores = [&shop.store, &other, &shop.store, &other];
            let threads: Vec<_> = (0..4)
                .zip(stores)
                .map(|(first, store)| scope.spawn(move || run(store, first)))
                .collect();
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect::<Vec<_>>()
        });
        parts.sort_by_key(|part| part.number);
        finish(&shop, "a", &upload, &parts, &bodies.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
}

#[test]
fn gaps_and_leftovers() {
    // Numbers may have gaps, and parts that are not listed are dropped, wherever they lie.
    let shop = Shop::with(small(), Default::default());
    let bodies: Vec<Vec<u8>> = (0..10).map(|n| body(n, 1000)).collect();
    let choices: [&[u32]; 6] = [&[1, 2, 3], &[2, 4], &[10], &[1, 3, 10], &[1], &[9, 10]];
    for chosen in choices {
        let upload = create(&shop.store, "a");
        let all: Vec<CompletedPart> = (1..=10)
            .map(|n| part(&shop.store, "a", &upload, n, &bodies[n as usize - 1]).unwrap())
            .collect();
        let parts: Vec<_> = chosen.iter().map(|n| all[*n as usize - 1].clone()).collect();
        let bodies: Vec<&[u8]> = chosen.iter().map(|n| &bodies[*n as usize - 1][..]).collect();
        finish(&shop, "a", &upload, &parts, &bodies);
    }
    for name in ["new/folder/a", "a/b", "x//y", ".lobos/x", &format!("{}/x", "k".repeat(300))] {
        let upload = create(&shop.store, name);
        let parts = [2, 3].map(|n| part(&shop.store, name, &upload, n, b"xyz").unwrap());
        finish(&shop, name, &upload, &parts, &[b"xyz", b"xyz"]);
    }
}

#[test]
fn restarts() {
    // Another process goes on with an upload at any point, also where one died within a part.
    let shop = Shop::with(small(), Default::default());
    let bodies = [body(1, 4000), body(2, 4000), body(3, 500)];
    let upload = create(&shop.another(small()), "a");
    let mut parts = Vec::new();
    for (number, body) in (1..).zip(&bodies) {
        let store = shop.another(small());
        let mut torn = begin(&store, part_request("a", &upload, number, body)).unwrap();
        torn.append(&body[..300]).unwrap();
        // As if it was killed: nothing is given back.
        std::mem::forget(torn);
        parts.push(part(&shop.another(small()), "a", &upload, number, body).unwrap());
    }
    assert_eq!(list_parts(&shop.another(small()), "a", &upload).unwrap().len(), 3);
    let page = uploads::uploads(&shop.another(small()), uploads_request());
    assert_eq!(page.uploads.len(), 1);
    finish(&shop, "a", &upload, &parts, &[&bodies[0], &bodies[1], &bodies[2]]);
}

#[test]
fn writers_at_the_end() {
    // A part that is under way when the upload is completed or dropped changes no byte of the
    // object, is told so, and leaves nothing.
    for quirks in all_quirks() {
        let shop = Shop::with(small(), quirks);
        for completes in [true, false] {
            let upload = create(&shop.store, "a");
            let one = part(&shop.store, "a", &upload, 1, &body(1, 1000)).unwrap();
            let request = |number| part_request("a", &upload, number, &[0; 1000]);
            let mut late: Vec<_> =
                [1, 2, 2, 3].map(|n| begin(&shop.store, request(n)).unwrap()).into();
            late[0].append(&[7; 400]).unwrap();
            late[1].append(&[7; 400]).unwrap();
            if completes {
                complete(&shop.store, "a", &upload, &[one]).unwrap();
            } else {
                abort(&shop.store, "a", &upload).unwrap();
            }
            let mut codes = Vec::new();
            for mut sink in late {
                let appended = sink.append(&[7; 500]);
                let done = appended.and_then(|()| sink.commit(&Default::default()));
                codes.push(done.unwrap_err().code());
            }
            assert_eq!(codes, [Code::NoSuchUpload; 4]);
            assert_eq!(shop.body("a"), body(1, 1000));
            let left = shop.tree().into_iter().filter(|p| p.starts_with(".lobos/uploads/"));
            assert_eq!(left.collect::<Vec<_>>(), [".lobos/uploads/"]);
        }
    }
}

#[test]
fn ten_thousand_parts() {
    // As many parts as there can be, tiny, in an order of their own, are one object.
    let shop = Shop::with(small(), Default::default());
    let upload = create(&shop.store, "a");
    let mut parts: Vec<CompletedPart> = (0..10_000_u32)
        .map(|n| {
            let number = (n * 7919) % 10_000 + 1;
            part(&shop.store, "a", &upload, number, &number.to_le_bytes()).unwrap()
        })
        .collect();
    parts.sort_by_key(|part| part.number);
    let mut seen = 0;
    while seen < 10_000 {
        let page = uploads::parts_page(&shop.store, "a", &upload, seen, 1000).unwrap();
        assert_eq!(page.truncated, seen < 9000);
        assert!(page.parts.iter().map(|p| p.number).eq(seen + 1..=seen + 1000));
        seen += 1000;
    }
    let bodies: Vec<[u8; 4]> = (1..=10_000_u32).map(u32::to_le_bytes).collect();
    let start = std::time::Instant::now();
    finish(
        &shop,
        "a",
        &upload,
        &parts,
        &bodies.iter().map(<[u8; 4]>::as_slice).collect::<Vec<_>>(),
    );
    assert!(start.elapsed().as_secs() < 5);
}
