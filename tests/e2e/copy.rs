//! CopyObject, RenameObject and appends, on the wire and on disk.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::http::Request;
use crate::support::server::{Server, Setup};
use crate::support::tree::files;
use lobos_digest::{Algorithm, digest};

on_every_runtime![
    copies,
    replaced_metadata,
    onto_itself,
    source_encodings,
    odd_keys,
    source_conditions,
    target_conditions,
    refused_sources,
    checksums,
    large,
    not_torn,
    renames,
    rename_conditions,
    rename_twice,
    appends,
    append_refusals,
];

fn copy(server: &Server, source: &str, target: &str) -> Request {
    server.request("PUT", target).header("x-amz-copy-source", source)
}

fn rename(server: &Server, source: &str, target: &str) -> Request {
    let target = format!("{target}?renameObject");
    server.request("PUT", &target).header("x-amz-rename-source", source)
}

fn append(server: &Server, offset: usize, body: &str) -> Request {
    let request = server.request("PUT", "/bench/log").body(body);
    request.header("x-amz-write-offset-bytes", offset)
}

fn copies(server: &Server) {
    // A copy is answered with its tag and time, and has all that the source has.
    let request = server.request("PUT", "/bench/d/a.txt").header("Cache-Control", "no-store");
    let request = request.header("x-amz-meta-one", "1").header("Content-Type", "text/x-own");
    let request = request.header("x-amz-website-redirect-location", "/there");
    request.body("hello").send().expect(200);
    let answer = copy(server, "/bench/d/a.txt", "/bench/e/b.bin").send().expect(200);
    assert_eq!(answer.header("Content-Type"), "application/xml");
    let start = "<CopyObjectResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    assert!(answer.text().contains(start), "{}", answer.text());
    assert_eq!(answer.one("ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    let time = answer.one("LastModified");
    assert!(time.ends_with('Z') && time.len() == 24, "{time}");
    let got = server.get("/bench/e/b.bin").expect(200);
    assert_eq!((got.text(), got.header("ETag")), ("hello", answer.one("ETag").as_str()));
    assert_eq!(got.header("Content-Type"), "text/x-own");
    assert_eq!(got.header("Cache-Control"), "no-store");
    assert_eq!(got.header("x-amz-meta-one"), "1");
    assert_eq!(got.find("x-amz-website-redirect-location"), None);
    assert_eq!(files(&server.path("")), ["d/a.txt", "e/b.bin"]);
    assert_eq!(fs::read(server.path("e/b.bin")).unwrap(), b"hello");
}

fn replaced_metadata(server: &Server) {
    // With REPLACE the headers of the copy count and none of the source's; an unknown directive is
    // refused.
    let request = server.request("PUT", "/bench/a").header("x-amz-meta-old", "1");
    request.header("Expires", "never").body("hello").send().expect(200);
    let request = copy(server, "bench/a", "/bench/b").header("x-amz-meta-new", "2");
    let request = request.header("Content-Type", "text/new");
    request.clone().send().expect(200);
    assert_eq!(server.head("/bench/b").header("x-amz-meta-old"), "1");
    assert_eq!(server.head("/bench/b").find("x-amz-meta-new"), None);
    let replace = "x-amz-metadata-directive";
    request.clone().header(replace, "REPLACE").send().expect(200);
    let head = server.head("/bench/b").expect(200);
    assert_eq!(head.header("x-amz-meta-new"), "2");
    assert_eq!((head.find("x-amz-meta-old"), head.find("Expires")), (None, None));
    assert_eq!(head.header("Content-Type"), "text/new");
    for header in [replace, "x-amz-tagging-directive"] {
        request.clone().header(header, "OTHER").send().error(400, "InvalidArgument");
    }
}

fn onto_itself(server: &Server) {
    // A copy onto itself needs a change, and then changes the metadata and the time, not the bytes.
    let etag = server.store("a", "hello").header("ETag").to_owned();
    let same = copy(server, "/bench/a", "/bench/a");
    let message = same.send().error(400, "InvalidRequest").one("Message");
    assert!(message.starts_with("This copy request is illegal"), "{message}");
    let change = same.header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-a", "1");
    assert_eq!(change.send().expect(200).one("ETag"), etag);
    let got = server.get("/bench/a").expect(200);
    assert_eq!((got.text(), got.header("x-amz-meta-a")), ("hello", "1"));
}

fn source_encodings(server: &Server) {
    // A source may be encoded in any way, and `+` is a space, as S3 reads it.
    server.store("d%20x/a%2Bb%25%C3%BC", "hello");
    for source in [
        "bench/d x/a%2Bb%25\u{fc}",
        "/bench/d+x/a%2bb%25%C3%BC",
        "bench/d%20x%2Fa%2Bb%25%C3%BC",
        "%2Fbench%2Fd%20x%2Fa%2Bb%25%C3%BC",
        "%62ench/d%20x/a%2Bb%25%C3%BC?versionId=null",
    ] {
        copy(server, source, "/bench/b").send().expect(200);
        assert_eq!(server.get("/bench/b").expect(200).text(), "hello", "{source}");
        server.delete("/bench/b").expect(204);
    }
}

fn odd_keys(server: &Server) {
    // Keys that are no paths and folders are copied like any other.
    for target in ["/bench/a//b", "/bench//x", "/bench/f/", "/bench/g"] {
        server.put(target, if target.ends_with('/') { "" } else { "hello" }).expect(200);
    }
    for (source, target) in
        [("a//b", "c//d"), ("/x", "y"), ("g", "h//"), ("f/", "i/"), ("f/", "empty"), ("g", "g/h")]
    {
        copy(server, &format!("/bench/{source}"), &format!("/bench/{target}")).send().expect(200);
        let expected = server.get(&format!("/bench/{source}")).expect(200);
        assert_eq!(server.get(&format!("/bench/{target}")).expect(200).text(), expected.text());
    }
}

fn source_conditions(server: &Server) {
    // The four conditions about the source fail with 412 and never with 304.
    let stored = server.store("a", "hello");
    let etag = stored.header("ETag").to_owned();
    let (before, after) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 2095 08:49:37 GMT");
    for (headers, status) in [
        (vec![("match", etag.as_str())], 200),
        (vec![("match", "\"x\"")], 412),
        (vec![("none-match", "\"x\"")], 200),
        (vec![("none-match", &etag)], 412),
        (vec![("modified-since", before)], 200),
        (vec![("modified-since", after)], 412),
        (vec![("unmodified-since", after)], 200),
        (vec![("unmodified-since", before)], 412),
        (vec![("match", &etag), ("unmodified-since", before)], 200),
        (vec![("none-match", &etag), ("modified-since", before)], 412),
    ] {
        let mut request = copy(server, "/bench/a", "/bench/b");
        for (name, value) in &headers {
            request = request.header(&format!("x-amz-copy-source-if-{name}"), value);
        }
        match status {
            200 => drop(request.send().expect(200)),
            _ => drop(request.send().error(412, "PreconditionFailed")),
        }
        let there = server.delete("/bench/b").expect(204);
        assert_eq!(there.status, 204, "{headers:?}");
    }
}

fn target_conditions(server: &Server) {
    // If-None-Match and If-Match are about what is at the target.
    server.store("a", "new");
    let etag = server.store("b", "old").header("ETag").to_owned();
    let copy = |target: &str| copy(server, "/bench/a", target);
    copy("/bench/b").header("If-None-Match", "*").send().error(412, "PreconditionFailed");
    copy("/bench/b").header("If-Match", "\"x\"").send().error(412, "PreconditionFailed");
    copy("/bench/c").header("If-Match", &etag).send().error(404, "NoSuchKey");
    assert_eq!(server.get("/bench/b").text(), "old");
    copy("/bench/b").header("If-Match", &etag).send().expect(200);
    copy("/bench/c").header("If-None-Match", "*").send().expect(200);
    assert_eq!((server.get("/bench/b").text(), server.get("/bench/c").text()), ("new", "new"));
}

fn refused_sources(server: &Server) {
    // A source that is not there, or no source at all, changes nothing; a traversal is refused.
    fs::write(server.home().join("secret"), "x").unwrap();
    std::os::unix::fs::symlink(server.home().join("secret"), server.path("out")).unwrap();
    for (source, status, code) in [
        ("/bench/none", 404, "NoSuchKey"),
        ("/nowhere/a", 404, "NoSuchBucket"),
        ("/bench", 400, "InvalidArgument"),
        ("", 400, "InvalidArgument"),
        ("/bench/%zz", 400, "InvalidArgument"),
        ("/bench/../secret", 400, "InvalidArgument"),
        ("/bench/%2e%2e/secret", 400, "InvalidArgument"),
        ("/bench%2F..%2Fsecret", 400, "InvalidArgument"),
        ("/../secret", 400, "InvalidBucketName"),
        ("/bench/out", 404, "NoSuchKey"),
        ("/bench/a?versionId=1", 404, "NoSuchVersion"),
        ("arn:aws:s3:eu-west-1:1:accesspoint/p/object/k", 501, "NotImplemented"),
    ] {
        copy(server, source, "/bench/b").send().error(status, code);
        server.head("/bench/b").expect(404);
    }
}

fn checksums(server: &Server) {
    // A checksum goes with the copy, and another can be asked for.
    let crc = digest(Algorithm::Crc32c, b"hello").to_base64();
    let request = server.request("PUT", "/bench/a").header("x-amz-checksum-crc32c", &crc);
    request.body("hello").send().expect(200);
    let answer = copy(server, "/bench/a", "/bench/b").send().expect(200);
    assert_eq!((answer.one("ChecksumCRC32C"), answer.one("ChecksumType")), {
        (crc, "FULL_OBJECT".to_owned())
    });
    let ask = |name: &str| {
        copy(server, "/bench/a", "/bench/b").header("x-amz-checksum-algorithm", name).send()
    };
    let sha = digest(Algorithm::Sha256, b"hello").to_base64();
    assert_eq!(ask("SHA256").expect(200).one("ChecksumSHA256"), sha);
    ask("SHA3").error(400, "InvalidRequest");
    let head = server.request("HEAD", "/bench/b").header("x-amz-checksum-mode", "ENABLED").send();
    assert_eq!(head.header("x-amz-checksum-sha256"), sha);
    assert_eq!(head.find("x-amz-checksum-crc32c"), None);
}

fn large(server: &Server) {
    // A large file is copied whole and leaves the connection to others meanwhile.
    let body = (0..12_000_000_u32).map(|n| (n / 7 % 251) as u8).collect::<Vec<_>>();
    fs::write(server.path("a"), &body).unwrap();
    let answer = copy(server, "/bench/a", "/bench/b").send().expect(200);
    let md5 = digest(Algorithm::Md5, &body).to_hex();
    assert_eq!(answer.one("ETag"), format!("\"{md5}\""));
    assert!(fs::read(server.path("b")).unwrap() == body);
}

fn not_torn(server: &Server) {
    // Readers of a key that is copied to and appended to see whole objects only.
    for (key, byte) in [("a", "a"), ("b", "b")] {
        server.store(key, byte.repeat(300_000));
    }
    server.store("log", "l".repeat(1000));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..30 {
                let source = if round % 2 == 0 { "/bench/a" } else { "/bench/b" };
                copy(server, source, "/bench/c").send().expect(200);
                append(server, 1000 * (round + 1), &"l".repeat(1000)).send().expect(200);
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let got = server.get("/bench/c");
                let whole = got.body.iter().all(|b| *b == got.body[0]) && got.body.len() == 300_000;
                assert!(whole || got.status == 404, "{}", got.body.len());
                assert_eq!(server.get("/bench/log").expect(200).body.len() % 1000, 0);
            }
        });
        writer.join().unwrap();
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(server.get("/bench/log").body.len(), 31_000);
}

fn renames(server: &Server) {
    // A rename moves the file, and all that is known of it, under the new key.
    let request = server.request("PUT", "/bench/d/a").header("x-amz-meta-a", "1");
    let etag = request.body("hello").send().expect(200).header("ETag").to_owned();
    let time = server.head("/bench/d/a").header("Last-Modified").to_owned();
    for (source, target) in [
        ("d/a", "/bench/e/b"),
        ("bench/e/b", "/bench/x//y"),
        ("x%2F%2Fy", "/bench/e"),
        ("/bench/e", "/bench/e/f"),
    ] {
        let answer = rename(server, source, target).send().expect(200);
        assert_eq!(answer.body, b"");
        let got = server.get(target).expect(200);
        assert_eq!((got.text(), got.header("ETag")), ("hello", etag.as_str()));
        assert_eq!((got.header("x-amz-meta-a"), got.header("Last-Modified")), ("1", time.as_str()));
    }
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["e/f"]);
    assert!(!server.path("d").exists());
    rename(server, "none", "/bench/b").send().error(404, "NoSuchKey");
    rename(server, "e/f", "/bench/g/").send().error(501, "NotImplemented");
    rename(server, "", "/bench/b").send().error(400, "InvalidRequest");
    rename(server, "../secret", "/bench/b").send().error(400, "InvalidArgument");
    server.request("PUT", "/bench?renameObject").send().refusal();
}

fn rename_conditions(server: &Server) {
    // A rename overwrites, unless it is told not to.
    let etag = server.store("a", "1").header("ETag").to_owned();
    server.store("b", "2");
    let to_b = || rename(server, "a", "/bench/b");
    to_b().header("If-None-Match", "*").send().error(412, "PreconditionFailed");
    to_b().header("If-Match", &etag).send().error(412, "PreconditionFailed");
    let wrong = to_b().header("x-amz-rename-source-if-match", "\"x\"").send();
    wrong.error(412, "PreconditionFailed");
    assert_eq!((server.get("/bench/a").text(), server.get("/bench/b").text()), ("1", "2"));
    to_b().header("x-amz-rename-source-if-match", &etag).send().expect(200);
    assert_eq!(server.get("/bench/b").text(), "1");
    server.head("/bench/a").expect(404);
}

fn rename_twice(server: &Server) {
    // A client that asks again with its token gets the same answer; a token of another request is
    // refused.
    server.store("a", "1");
    let first = rename(server, "a", "/bench/b").header("x-amz-client-token", "t-1");
    first.send().expect(200);
    first.send().expect(200);
    let other = rename(server, "b", "/bench/c").header("x-amz-client-token", "t-1");
    other.send().error(400, "IdempotencyParameterMismatch");
    assert_eq!(files(&server.path("")), ["b"]);
}

fn appends(server: &Server) {
    // An object grows at its end, and the answer tells its size; a CRC is that of the whole.
    let crc = |text: &str| digest(Algorithm::Crc64Nvme, text.as_bytes()).to_base64();
    let name = "x-amz-checksum-crc64nvme";
    let answer = append(server, 0, "one ").header(name, crc("one ")).send().expect(200);
    assert_eq!(answer.header("x-amz-object-size"), "4");
    let answer = append(server, 4, "two").header(name, crc("two")).send().expect(200);
    assert_eq!(answer.header("x-amz-object-size"), "7");
    assert_eq!(answer.header(name), crc("one two"));
    let request = server.request("GET", "/bench/log").header("x-amz-checksum-mode", "ENABLED");
    let got = request.send().expect(200);
    assert_eq!((got.text(), got.header(name)), ("one two", crc("one two").as_str()));
    assert_eq!(got.header("ETag"), answer.header("ETag"));
    assert_eq!(fs::read(server.path("log")).unwrap(), b"one two");
}

fn append_refusals(server: &Server) {
    // Bytes for another place, for none and with a wrong digest leave the object as it is.
    append(server, 5, "x").send().error(400, "InvalidWriteOffset");
    server.head("/bench/log").expect(404);
    server.store("log", "hello");
    for offset in [0, 4, 6] {
        append(server, offset, "x").send().error(400, "InvalidWriteOffset");
    }
    append(server, 5, "").send().error(400, "InvalidRequest");
    append(server, 5, "x").header("x-amz-meta-a", "1").send().error(400, "InvalidRequest");
    append(server, 5, "x")
        .header("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=")
        .send()
        .error(400, "BadDigest");
    append(server, 5, "x").header("If-Match", "\"x\"").send().error(412, "PreconditionFailed");
    let request = server.request("PUT", "/bench/log").body("x");
    let request = request.header("x-amz-write-offset-bytes", "five");
    request.send().error(400, "InvalidArgument");
    assert_eq!(server.get("/bench/log").text(), "hello");
}

mod buckets {
    use super::*;

    on_every_runtime![with |runtime| Setup::root(runtime).start(); other_bucket];

    fn other_bucket(server: &Server) {
        // A copy goes from bucket to bucket.
        server.put("/one", "").expect(200);
        server.put("/two", "").expect(200);
        server.put("/one/a", "hello").expect(200);
        copy(server, "/one/a", "/two/d/b").send().expect(200);
        assert_eq!(server.get("/two/d/b").expect(200).text(), "hello");
        server.head("/one/d/b").expect(404);
        copy(server, "/one/a", "/three/b").send().error(404, "NoSuchBucket");
    }
}
