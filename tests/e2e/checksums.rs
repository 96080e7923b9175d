//! Digests that a client promises: right ones are kept and given back, wrong ones store nothing.

use crate::support::chunked::{self, Form};
use crate::support::http::{Request, Response};
use crate::support::server::{Server, Setup};
use lobos_digest::{Algorithm, digest};

on_every_store![
    every_combination,
    signed_trailers,
    no_empty_line_after_a_trailer,
    wrong_keeps_the_old_object,
    malformed_values,
    two_at_once,
    named_algorithms,
    missing_trailer,
    content_md5,
    content_sha256,
    checksum_mode,
    never_on_a_range,
];

on_every_runtime![default_checksum, gone_after_a_change];

on_every_runtime![with |runtime| Setup::new(runtime).arg("--etag").arg("fast").start();
    nothing_is_hashed];

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

/// By what a body is known to be aws-chunked.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// x-amz-content-sha256, with all that the SDKs send besides.
    Sha256(Form),
    /// Content-Encoding alone.
    Encoding,
    /// x-amz-decoded-content-length alone.
    Length,
}

/// Every framing of a body, `None` being no aws-chunked.
const SIGNS: [Option<Sign>; 6] = [
    None,
    Some(Sign::Sha256(Form::UnsignedTrailer)),
    Some(Sign::Sha256(Form::Signed)),
    Some(Sign::Sha256(Form::SignedTrailer)),
    Some(Sign::Encoding),
    Some(Sign::Length),
];

/// BODY with this checksum, in the header or in the trailer, and `nested` in HTTP chunks.
fn framed(
    server: &Server,
    sign: Option<Sign>,
    (trailer, nested): (bool, bool),
    (name, value): (&str, &str),
) -> Request {
    let mut request = server.request("PUT", "/bench/k");
    let (named, lines) = if trailer {
        request = request.header("x-amz-trailer", name);
        (format!("{name}:{value}"), 1)
    } else {
        request = request.header(name, value);
        (String::new(), 0)
    };
    let line = [named.as_str()];
    let aws = |form| chunked::aws(form, BODY, 16, &line[..lines]);
    let body = match sign {
        None => BODY.to_vec(),
        Some(Sign::Sha256(form)) => {
            request = request
                .header("x-amz-content-sha256", form.name())
                .header("Content-Encoding", "aws-chunked")
                .header("x-amz-decoded-content-length", BODY.len());
            aws(form)
        }
        Some(Sign::Encoding) => {
            request = request.header("Content-Encoding", "aws-chunked");
            aws(Form::UnsignedTrailer)
        }
        Some(Sign::Length) => {
            request = request.header("x-amz-decoded-content-length", BODY.len());
            aws(Form::UnsignedTrailer)
        }
    };
    if nested {
        let request = request.header("Transfer-Encoding", "chunked");
        return request.unsized_body(chunked::http(&body, 33));
    }
    request.body(body)
}

/// What a GET and a HEAD in checksum mode say.
fn kept(server: &Server, name: &str) -> Option<(String, String)> {
    let ask = |method| {
        let request = server.request(method, "/bench/k").header("x-amz-checksum-mode", "ENABLED");
        let got = request.send().expect(200);
        let value = got.find(name).map(str::to_owned);
        value.map(|value| (value, got.header("x-amz-checksum-type").to_owned()))
    };
    let got = ask("GET");
    assert_eq!(ask("HEAD"), got);
    got
}

fn every_combination(server: &Server) {
    // Every algorithm, in a header and in a trailer, in every framing: a right value is kept and
    // given back, a wrong or malformed one stores nothing and leaves the object before it.
    for algorithm in Algorithm::ALL {
        let (name, right) = (algorithm.header(), base64(algorithm));
        for sign in SIGNS {
            for (trailer, nested) in [(false, false), (false, true), (true, false), (true, true)] {
                if trailer && sign.is_none() {
                    continue;
                }
                let old = server.store("k", "old");
                let put =
                    |value: &str| framed(server, sign, (trailer, nested), (name, value)).send();
                let refused = put(&wrong(algorithm)).error(400, "BadDigest");
                let words = "you specified did not match the calculated checksum.";
                assert_eq!(refused.one("Message"), format!("The {} {words}", algorithm.name()));
                let refused = put("AAA=").error(400, "InvalidRequest");
                let place = if trailer { "trailing header" } else { "header" };
                let words = format!("Value for {name} {place} is invalid.");
                assert_eq!(refused.one("Message"), words, "{sign:?}");
                let got = server.get("/bench/k").expect(200);
                assert_eq!((got.text(), got.header("ETag")), ("old", old.header("ETag")));
                let stored = put(&right).expect(200);
                assert_eq!(stored.header(name), right, "{sign:?} {trailer} {nested}");
                assert_eq!(stored.header("x-amz-checksum-type"), "FULL_OBJECT");
                assert_eq!(kept(server, name), Some((right.clone(), "FULL_OBJECT".to_owned())));
                let got = server.get("/bench/k").expect(200);
                assert_eq!((&got.body[..], got.find("Content-Encoding")), (BODY, None));
            }
        }
    }
}

fn no_empty_line_after_a_trailer(server: &Server) {
    // Some clients leave out the empty line that ends the trailers.
    let line = format!("x-amz-checksum-crc32:{}", base64(Algorithm::Crc32));
    let mut body = chunked::aws(Form::UnsignedTrailer, BODY, 16, &[&line]);
    body.truncate(body.len() - 2);
    let request = server.request("PUT", "/bench/k").header("x-amz-trailer", "x-amz-checksum-crc32");
    let request = request.header("Content-Encoding", "aws-chunked").body(body);
    let stored = request.send().expect(200);
    assert_eq!(stored.header("x-amz-checksum-crc32"), base64(Algorithm::Crc32));
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

fn named_algorithms(server: &Server) {
    // What x-amz-sdk-checksum-algorithm and x-amz-checksum-algorithm name is what comes, or the
    // request is wrong; alone the second asks for a checksum that the server computes.
    let crc32 = ("x-amz-checksum-crc32", base64(Algorithm::Crc32));
    let refused = |headers: &[(&str, &str)], words: &str| {
        let request = headers.iter().fold(put(server), |r, (name, value)| r.header(name, value));
        let message = request.send().error(400, "InvalidRequest").one("Message");
        assert!(message.contains(words), "{message}");
    };
    let sdk = "x-amz-sdk-checksum-algorithm";
    for name in [sdk, "x-amz-checksum-algorithm"] {
        let invalid = format!("Value for {name} header is invalid.");
        refused(&[(name, "SHA256"), (crc32.0, &crc32.1)], &invalid);
        refused(&[(name, "CRC16")], "Checksum algorithm provided is unsupported.");
        refused(&[(name, "CRC16"), (crc32.0, &crc32.1)], "Checksum algorithm provided");
        for right in ["CRC32", "crc32"] {
            put(server).header(name, right).header(crc32.0, &crc32.1).send().expect(200);
        }
        let trailer = framed(server, SIGNS[1], (true, false), (crc32.0, &crc32.1));
        trailer.clone().header(name, "CRC32").send().expect(200);
        trailer.header(name, "CRC32C").send().error(400, "InvalidRequest");
    }
    refused(&[(sdk, "CRC32")], "no corresponding x-amz-checksum-* or x-amz-trailer headers");
    let request = put(server).header("x-amz-checksum-algorithm", "SHA256").send().expect(200);
    assert_eq!(request.header("x-amz-checksum-sha256"), base64(Algorithm::Sha256));
    refused(&[("x-amz-trailer", "x-amz-checksum-crc16")], "x-amz-trailer header is not supported");
    let both = [("x-amz-trailer", "x-amz-checksum-sha1"), (crc32.0, &*crc32.1)];
    refused(&both, "Expecting a single x-amz-checksum- header.");
}

fn missing_trailer(server: &Server) {
    // A trailer that was announced and does not come stores nothing.
    let form = Form::UnsignedTrailer;
    put_with_trailer(server, form, "x-amz-checksum-crc32", &[]).expect(400).refusal();
    let name = "x-amz-checksum-crc32c";
    let line = format!("{name}:{}", base64(Algorithm::Crc32c));
    put_with_trailer(server, form, "x-amz-checksum-crc32", &[&line]).expect(400).refusal();
    let refused = put_with_trailer(server, Form::SignedTrailer, name, &[""]);
    refused.error(400, "MalformedTrailerError");
    let unnamed = chunked::aws(form, BODY, 16, &[&line]);
    let request = server.request("PUT", "/bench/k").header("Content-Encoding", "aws-chunked");
    request.body(unnamed).send().error(400, "MalformedTrailerError");
    server.get("/bench/k").error(404, "NoSuchKey");
}

fn default_checksum(server: &Server) {
    // An upload without a checksum gets a CRC64NVME, as S3 does it since December 2024.
    let name = "x-amz-checksum-crc64nvme";
    let value = base64(Algorithm::Crc64Nvme);
    let md5 = base64(Algorithm::Md5);
    for request in [put(server), put(server).header("Content-MD5", md5)] {
        let stored = request.send().expect(200);
        assert_eq!(stored.header(name), value);
        assert_eq!(stored.header("x-amz-checksum-type"), "FULL_OBJECT");
        assert_eq!(kept(server, name), Some((value.clone(), "FULL_OBJECT".to_owned())));
    }
    let folder = server.put("/bench/d/", "").expect(200);
    assert_eq!(folder.header(name), "AAAAAAAAAAA=");
    put(server).header("x-amz-checksum-crc32", base64(Algorithm::Crc32)).send().expect(200);
    assert_eq!(kept(server, name), None);
}

fn nothing_is_hashed(server: &Server) {
    // With --etag fast only what a client asks for is computed.
    let name = "x-amz-checksum-crc64nvme";
    assert_eq!(put(server).send().expect(200).find(name), None);
    assert_eq!(kept(server, name), None);
    let value = base64(Algorithm::Crc64Nvme);
    put(server).header(name, &value).send().expect(200);
    assert_eq!(kept(server, name), Some((value, "FULL_OBJECT".to_owned())));
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
