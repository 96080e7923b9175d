//! Digests that a client promises: right ones are kept and given back, wrong ones store nothing.

#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not right")]

#[macro_use]
mod support;

use lobos_digest::{Algorithm, digest};
use support::chunked::{self, Form};
use support::http::{Request, Response};
use support::server::Server;

on_every_runtime![
    every_header,
    every_trailer,
    signed_trailers,
    wrong_keeps_the_old_object,
    malformed_values,
    two_at_once,
    missing_trailer,
    content_md5,
    content_sha256,
    checksum_mode,
    never_on_a_range,
    gone_after_a_change,
];

const BODY: &[u8] = b"The quick brown fox jumps over the lazy dog";

fn base64(algorithm: Algorithm) -> String {
    digest(algorithm, BODY).to_base64()
}

/// A value of the right shape that fits other bytes.
fn wrong(algorithm: Algorithm) -> String {
    digest(algorithm, b"something else").to_base64()
}

fn put(server: &Server) -> Request {
    server.request("PUT", "/bench/k").body(BODY)
}

/// BODY with a trailer, as the SDKs frame it.
fn put_with_trailer(server: &Server, form: Form, name: &str, lines: &[&str]) -> Response {
    server
        .request("PUT", "/bench/k")
        .header("x-amz-content-sha256", form.name())
        .header("Content-Encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", BODY.len())
        .header("x-amz-trailer", name)
        .body(chunked::aws(form, BODY, 16, lines))
        .send()
}

fn every_header(server: &Server) {
    // Each x-amz-checksum-* header is verified, answered, kept, and given back in checksum mode.
    for algorithm in Algorithm::ALL {
        let (name, value) = (algorithm.header(), base64(algorithm));
        let wrong = put(server).header(name, wrong(algorithm)).send();
        wrong.error(400, "BadDigest");
        server.get("/bench/k").error(404, "NoSuchKey");
        let right = put(server).header(name, &value).send().expect(200);
        assert_eq!(right.header(name), value);
        let ask = server.request("GET", "/bench/k").header("x-amz-checksum-mode", "ENABLED");
        assert_eq!(ask.send().expect(200).header(name), value);
        server.delete("/bench/k").expect(204);
    }
}

fn every_trailer(server: &Server) {
    // Each x-amz-checksum-* trailer is verified before anything is visible.
    for algorithm in Algorithm::ALL {
        let name = algorithm.header();
        let send = |value: String| {
            let line = format!("{name}:{value}");
            put_with_trailer(server, Form::UnsignedTrailer, name, &[&line])
        };
        send(wrong(algorithm)).error(400, "BadDigest");
        server.get("/bench/k").error(404, "NoSuchKey");
        assert_eq!(send(base64(algorithm)).expect(200).header(name), base64(algorithm));
        let got = server.get("/bench/k").expect(200);
        assert_eq!(got.body, BODY);
        assert_eq!(got.find("Content-Encoding"), None);
        server.delete("/bench/k").expect(204);
    }
}

fn signed_trailers(server: &Server) {
    // Trailers of signed uploads are read as minio-go writes them: a LF before the CRLF.
    let name = Algorithm::Crc64Nvme.header();
    for line in [
        format!("{name}:{}", base64(Algorithm::Crc64Nvme)),
        format!("{name}:{}\n", base64(Algorithm::Crc64Nvme)),
        format!("X-Amz-Checksum-Crc64nvme: {} ", base64(Algorithm::Crc64Nvme)),
    ] {
        put_with_trailer(server, Form::SignedTrailer, name, &[&line]).expect(200);
        assert_eq!(server.get("/bench/k").expect(200).body, BODY);
    }
    let line = format!("{name}:{}\n", wrong(Algorithm::Crc64Nvme));
    put_with_trailer(server, Form::SignedTrailer, name, &[&line]).error(400, "BadDigest");
}

fn wrong_keeps_the_old_object(server: &Server) {
    // A refused upload leaves the object before it as it was, with its tag and metadata.
    let old = server.request("PUT", "/bench/k").header("x-amz-meta-a", "b").body("old").send();
    put(server).header("x-amz-checksum-crc32", wrong(Algorithm::Crc32)).send().expect(400);
    put(server).header("Content-MD5", wrong(Algorithm::Md5)).send().expect(400);
    put(server).header("x-amz-content-sha256", "0".repeat(64)).send().expect(400);
    let got = server.get("/bench/k").expect(200);
    assert_eq!(got.text(), "old");
    assert_eq!(got.header("ETag"), old.header("ETag"));
    assert_eq!(got.header("x-amz-meta-a"), "b");
}

fn malformed_values(server: &Server) {
    // A value that cannot be a digest is a 400 of its own and stores nothing.
    for (name, value) in [
        ("x-amz-checksum-crc32", "nonsense!"),
        ("x-amz-checksum-crc32", "AAAA"),
        ("x-amz-checksum-crc32", ""),
        ("x-amz-checksum-sha256", "AAAAAA=="),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAA=="),
    ] {
        let refused = put(server).header(name, value).send().expect(400).refusal();
        assert_ne!(refused.one("Code"), "BadDigest", "{name}: {value}");
    }
    for md5 in ["nonsense", "", "AAAA", "d41d8cd98f00b204e9800998ecf8427e"] {
        put(server).header("Content-MD5", md5).send().error(400, "InvalidDigest");
    }
    for sha256 in ["nonsense", "00", "STREAMING-SOMETHING-NEW"] {
        let request = put(server).header("x-amz-content-sha256", sha256);
        request.header("x-amz-decoded-content-length", BODY.len()).send().expect(400).refusal();
    }
    server.get("/bench/k").error(404, "NoSuchKey");
}

fn two_at_once(server: &Server) {
    // Two checksum headers are refused, as S3 does: "Expecting a single x-amz-checksum- header".
    let request = put(server).header("x-amz-checksum-crc32", base64(Algorithm::Crc32));
    let request = request.header("x-amz-checksum-sha1", base64(Algorithm::Sha1));
    request.send().error(400, "InvalidRequest");
    server.get("/bench/k").error(404, "NoSuchKey");
}

fn missing_trailer(server: &Server) {
    // A trailer that was announced and does not come stores nothing.
    let form = Form::UnsignedTrailer;
    put_with_trailer(server, form, "x-amz-checksum-crc32", &[]).expect(400).refusal();
    let name = "x-amz-checksum-crc32c";
    let line = format!("{name}:{}", base64(Algorithm::Crc32c));
    put_with_trailer(server, form, "x-amz-checksum-crc32", &[&line]).expect(400).refusal();
    server.get("/bench/k").error(404, "NoSuchKey");
}

fn content_md5(server: &Server) {
    // Content-MD5 is verified; a wrong one is BadDigest.
    put(server).header("Content-MD5", wrong(Algorithm::Md5)).send().error(400, "BadDigest");
    server.get("/bench/k").error(404, "NoSuchKey");
    put(server).header("Content-MD5", base64(Algorithm::Md5)).send().expect(200);
    assert_eq!(server.get("/bench/k").expect(200).body, BODY);
}

fn content_sha256(server: &Server) {
    // x-amz-content-sha256 with a hash is verified; UNSIGNED-PAYLOAD promises nothing.
    let name = "x-amz-content-sha256";
    let hex = |bytes: &[u8]| digest(Algorithm::Sha256, bytes).to_hex();
    let refused = put(server).header(name, hex(b"other")).send();
    refused.error(400, "XAmzContentSHA256Mismatch");
    server.get("/bench/k").error(404, "NoSuchKey");
    put(server).header(name, hex(BODY)).send().expect(200);
    put(server).header(name, hex(BODY).to_uppercase()).send().expect(200);
    put(server).header(name, "UNSIGNED-PAYLOAD").send().expect(200);
    server.request("GET", "/bench/k").header(name, hex(b"")).send().expect(200);
    let crt = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    server.request("GET", "/bench/k").header(name, crt).send().expect(200);
}

fn checksum_mode(server: &Server) {
    // Checksums come back only in checksum mode, with their type, on GET and HEAD.
    let name = "x-amz-checksum-sha256";
    put(server).header(name, base64(Algorithm::Sha256)).send().expect(200);
    for method in ["GET", "HEAD"] {
        let plain = server.request(method, "/bench/k").send().expect(200);
        assert_eq!(plain.find(name), None);
        let asked = server.request(method, "/bench/k").header("x-amz-checksum-mode", "ENABLED");
        let asked = asked.send().expect(200);
        assert_eq!(asked.header(name), base64(Algorithm::Sha256));
        assert_eq!(asked.header("x-amz-checksum-type"), "FULL_OBJECT");
    }
}

fn never_on_a_range(server: &Server) {
    // A part of an object never carries the checksum of the whole: clients would refuse it.
    let name = "x-amz-checksum-crc32";
    put(server).header(name, base64(Algorithm::Crc32)).send().expect(200);
    let ask = server.request("GET", "/bench/k").header("x-amz-checksum-mode", "ENABLED");
    let got = ask.header("Range", "bytes=0-4").send().expect(206);
    assert_eq!(got.find(name), None);
    assert_eq!(got.text(), "The q");
}

fn gone_after_a_change(server: &Server) {
    // No checksum is answered for bytes that somebody else wrote; other metadata stays.
    let name = "x-amz-checksum-crc32";
    let request = put(server).header(name, base64(Algorithm::Crc32));
    let etag = request.header("x-amz-meta-a", "b").send().expect(200).header("ETag").to_owned();
    server.place("k", "changed behind the server's back");
    let ask = server.request("GET", "/bench/k").header("x-amz-checksum-mode", "ENABLED");
    let got = ask.send().expect(200);
    assert_eq!(got.find(name), None);
    assert_ne!(got.header("ETag"), etag);
    assert_eq!(got.header("x-amz-meta-a"), "b");
    assert_eq!(got.text(), "changed behind the server's back");
}
