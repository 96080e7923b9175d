//! Uploads that are cut, by the end of a connection or its reset, in every framing and at every
//! place: nothing is stored, the old object stays, and nothing is left of what came.

use crate::support::chunked::{self, Form};
use crate::support::http::{Connection, Request};
use crate::support::server::Server;
use crate::support::tree::{bytes, files};

on_every_runtime![ended, reset, parts];

/// The same upload in every framing, with its body as it is on the wire.
fn framings(server: &Server, target: &str, payload: &[u8]) -> Vec<(String, Request)> {
    let put = || server.request("PUT", target);
    let mut all = vec![
        ("plain".to_owned(), put().body(payload)),
        ("waiting".to_owned(), put().header("Expect", "100-continue").body(payload)),
        (
            "chunked".to_owned(),
            put().header("Transfer-Encoding", "chunked").unsized_body(chunked::http(payload, 9000)),
        ),
    ];
    for form in [Form::Signed, Form::SignedTrailer, Form::UnsignedTrailer] {
        let trailers: &[&str] = match form {
            Form::Signed => &[],
            Form::SignedTrailer | Form::UnsignedTrailer => &["x-amz-checksum-crc32:AAAAAA=="],
        };
        let framed = chunked::aws(form, payload, 9000, trailers);
        let aws = || {
            let request = put().header("x-amz-content-sha256", form.name());
            let request = request.header("Content-Encoding", "aws-chunked");
            request.header("x-amz-decoded-content-length", payload.len())
        };
        all.push((format!("{form:?}"), aws().body(&framed)));
        let nested = aws().header("Transfer-Encoding", "chunked");
        let nested = nested.unsized_body(chunked::http(&framed, 7000));
        all.push((format!("{form:?} in chunks"), nested));
    }
    all
}

/// Cuts every framing at many places in this way.
fn cut(server: &Server, target: &str, end: impl Fn(Connection)) {
    for payload in [bytes(20_000), bytes(400_000)] {
        for (name, request) in framings(server, target, &payload) {
            let (whole, head) = (request.bytes(), request.head().len());
            let body = whole.len() - head;
            for at in [0, 1, body / 3, body - 30, body - 3, body - 1] {
                let mut connection = server.connect();
                connection.write(&whole[..head + at]);
                end(connection);
                assert_eq!(server.get("/bench/k").expect(200).text(), "old", "{name} {at}");
            }
        }
    }
}

fn ended(server: &Server) {
    // A client that ends its side in the middle gets no success.
    server.store("k", "old");
    cut(server, "/bench/k", |mut connection| {
        connection.half_close();
        let answer = connection.rest();
        let answer = String::from_utf8_lossy(&answer);
        let last = answer.rsplit("HTTP/1.1 ").next().unwrap();
        assert!(last.is_empty() || last.starts_with('4') || last.starts_with("100"), "{answer}");
    });
    assert_eq!(files(&server.path("")), ["k"]);
}

fn reset(server: &Server) {
    // A client that vanishes leaves nothing, whenever it does.
    server.store("k", "old");
    cut(server, "/bench/k", Connection::reset);
    let start = std::time::Instant::now();
    while files(&server.path("")) != ["k"] {
        assert!(
            start.elapsed() < crate::support::server::PATIENCE,
            "{:?}",
            files(&server.path(""))
        );
    }
}

fn parts(server: &Server) {
    // The same of a part: the one that was there stays, and the upload completes with it.
    server.store("k", "old");
    let id = server.request("POST", "/bench/k?uploads").send().expect(200).one("UploadId");
    let upload = format!("/bench/k?uploadId={id}");
    let target = format!("{upload}&partNumber=1");
    let etag = server.put(&target, "the part").expect(200).header("ETag").to_owned();
    cut(server, &target, Connection::reset);
    cut(server, &target, |mut connection| {
        connection.half_close();
        connection.rest();
    });
    assert_eq!(server.get(&upload).expect(200).all("ETag"), [etag.as_str()]);
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    server.request("POST", &upload).body(document).send().expect(200);
    assert_eq!(server.get("/bench/k").expect(200).text(), "the part");
    assert_eq!(files(&server.path("")), ["k"]);
}
