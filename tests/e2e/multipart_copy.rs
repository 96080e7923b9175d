//! Parts that are copied from objects, as clients copy what is larger than one request may be.

use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::bytes;
use lobos_digest::{Algorithm, digest};

on_every_runtime![
    with small;
    joined,
    ranges,
    source_names,
    conditions,
    checksums,
    refusals,
];

/// Parts may be of any size.
fn small(runtime: Runtime) -> Server {
    Setup::new(runtime).arg("--min-part-size=0").start()
}

/// Begins an upload of the object `k`.
fn begin(server: &Server) -> String {
    server.request("POST", "/bench/k?uploads").send().expect(200).one("UploadId")
}

fn copy(server: &Server, id: &str, number: u32, source: &str) -> Request {
    let target = format!("/bench/k?uploadId={id}&partNumber={number}");
    server.request("PUT", &target).header("x-amz-copy-source", source)
}

fn complete(server: &Server, id: &str, parts: &[(u32, String)]) -> Response {
    let parts = parts.iter().map(|(number, etag)| {
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    });
    let parts: String = parts.collect();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    server.request("POST", &format!("/bench/k?uploadId={id}")).body(document).send()
}

fn md5(bytes: &[u8]) -> String {
    format!("\"{}\"", digest(Algorithm::Md5, bytes).to_hex())
}

fn joined(server: &Server) {
    // An object is made of others and of bytes that are sent; its own old bytes may be among them.
    let (first, second) = (bytes(100_000), bytes(50_001));
    server.store("a", &first);
    server.store("k", &second);
    let id = begin(server);
    let mut parts = Vec::new();
    for (number, source, body) in [(1, "bench/a", &first), (2, "/bench/k", &second)] {
        let copied = copy(server, &id, number, source).send().expect(200);
        assert_eq!(copied.one("ETag"), md5(body));
        assert!(copied.one("LastModified").ends_with('Z'));
        parts.push((number, copied.one("ETag")));
    }
    let target = format!("/bench/k?uploadId={id}&partNumber=3");
    let stored = server.put(&target, "sent").expect(200);
    parts.push((3, stored.header("ETag").to_owned()));
    complete(server, &id, &parts).expect(200);
    assert_eq!(server.get("/bench/k").body, [&first[..], &second, b"sent"].concat());
    assert_eq!(server.get("/bench/a").body, first);
}

fn ranges(server: &Server) {
    // The first and the last byte of a range count, and none beyond the end is made up.
    let body = bytes(10_000);
    server.store("a", &body);
    let id = begin(server);
    let range = |range: &str| {
        copy(server, &id, 1, "bench/a").header("x-amz-copy-source-range", range).send()
    };
    for (first, last) in [(0, 0), (0, 9999), (1, 4097), (9999, 9999)] {
        let copied = range(&format!("bytes={first}-{last}")).expect(200);
        assert_eq!(copied.one("ETag"), md5(&body[first..=last]));
    }
    for bad in ["bytes=0-10000", "bytes=10000-10000", "bytes=5-4", "bytes=5-", "bytes=-5", "0-5"] {
        range(bad).error(400, "InvalidArgument");
    }
    let copied = range("bytes=100-199").expect(200);
    complete(server, &id, &[(1, copied.one("ETag"))]).expect(200);
    assert_eq!(server.get("/bench/k").body, body[100..200]);
}

fn source_names(server: &Server) {
    // The source is found however its name is encoded.
    server.place("d/ü b+c.txt", "odd");
    let id = begin(server);
    for source in [
        "bench/d/%C3%BC%20b%2Bc.txt",
        "/bench/d/%C3%BC+b%2Bc.txt",
        "bench%2Fd%2F%C3%BC%20b%2Bc.txt",
        "/bench/d/%C3%BC%20b%2Bc.txt?versionId=null",
    ] {
        let copied = copy(server, &id, 1, source).send().expect(200);
        assert_eq!(copied.one("ETag"), md5(b"odd"), "{source}");
    }
}

fn conditions(server: &Server) {
    // Trap 7: conditions on the source fail with 412, never with 304.
    let tag = server.store("a", "body").header("ETag").to_owned();
    let id = begin(server);
    let seen = server.head("/bench/a").header("Last-Modified").to_owned();
    let (past, future) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let ask = |name: &str, value: &str| {
        copy(server, &id, 1, "bench/a").header(&format!("x-amz-copy-source-{name}"), value).send()
    };
    for (name, right, wrong) in [
        ("if-match", tag.as_str(), "\"x\""),
        ("if-none-match", "\"x\"", tag.as_str()),
        ("if-modified-since", past, seen.as_str()),
        ("if-unmodified-since", future, past),
    ] {
        ask(name, right).expect(200);
        ask(name, wrong).error(412, "PreconditionFailed");
    }
}

fn checksums(server: &Server) {
    // A part that is copied has the checksum that the upload has, and the object has it then.
    server.store("a", "hello");
    let create = server.request("POST", "/bench/k?uploads");
    let create = create.header("x-amz-checksum-algorithm", "SHA256");
    let id = create.send().expect(200).one("UploadId");
    let copied = copy(server, &id, 1, "bench/a").send().expect(200);
    let sum = copied.one("ChecksumSHA256");
    assert_eq!(sum, digest(Algorithm::Sha256, b"hello").to_base64());
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag>\
         <ChecksumSHA256>{sum}</ChecksumSHA256></Part></CompleteMultipartUpload>",
        copied.one("ETag")
    );
    let done = server.request("POST", &format!("/bench/k?uploadId={id}")).body(document);
    assert!(done.send().expect(200).one("ChecksumSHA256").ends_with("-1"));
}

fn refusals(server: &Server) {
    // What is not there is not copied, and no part is left of it.
    server.store("a", "body");
    let id = begin(server);
    copy(server, &id, 1, "bench/missing").send().error(404, "NoSuchKey");
    copy(server, &id, 1, "nowhere/a").send().error(404, "NoSuchBucket");
    copy(server, &id, 1, "bench").send().error(400, "InvalidArgument");
    copy(server, &id, 1, "bench/../a").send().error(400, "InvalidArgument");
    copy(server, &id, 0, "bench/a").send().error(400, "InvalidArgument");
    copy(server, &id, 10_001, "bench/a").send().error(400, "InvalidArgument");
    copy(server, "gone", 1, "bench/a").send().error(404, "NoSuchUpload");
    let listed = server.get(&format!("/bench/k?uploadId={id}")).expect(200);
    assert!(listed.all("Part").is_empty());
}
