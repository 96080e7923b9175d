//! How bodies are delimited: lengths, chunks, aws-chunked, pieces, ends that come too early, and
//! what a connection does after each.

use std::fs;
use std::time::Duration;

use crate::support::chunked::{self, Form};
use crate::support::http::Request;
use crate::support::server::Server;
use crate::support::tree::{bytes, files};
use lobos_digest::{Algorithm, digest};

on_every_store![
    aws_chunked,
    aws_chunked_without_its_encoding,
    aws_chunked_keeps_other_encodings,
    aws_chunked_in_http_chunks,
    aws_chunked_in_pieces,
    aws_chunked_of_nothing,
    aws_chunked_of_another_length,
    aws_chunked_malformed,
    http_chunked,
    http_chunked_in_pieces,
    a_body_in_pieces,
    chunks_that_end_early,
    no_length,
    continue_accepted,
    continue_not_awaited,
    continue_refused,
    continue_before_nested_chunks,
    bodies_nobody_asked_for,
    keep_alive,
    pipelining,
    http_1_0,
    connection_close,
    refused_bodies,
    refused_large_body,
    many_at_once,
];

on_every_runtime![a_body_that_ends_early, half_close_after_the_request];

const FORMS: [Form; 3] = [Form::Signed, Form::SignedTrailer, Form::UnsignedTrailer];

fn framed(server: &Server, form: Form, payload: &[u8], size: usize) -> Request {
    server
        .request("PUT", "/bench/k")
        .header("x-amz-content-sha256", form.name())
        .header("Content-Encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", payload.len())
        .body(chunked::aws(form, payload, size, &[]))
}

/// The bytes as they lie in the folder, or as a store without files gives them.
fn stored(server: &Server) -> Vec<u8> {
    fs::read(server.path("k")).unwrap_or_else(|_| server.get("/bench/k").expect(200).body)
}

fn aws_chunked(server: &Server) {
    // The stored bytes are the payload and never the framing, whatever the chunk size.
    let mut connection = server.connect();
    for form in FORMS {
        for (length, size) in [(1, 1), (32_768, 32_768), (300_000, 65_536), (1000, 7)] {
            let payload = bytes(length);
            framed(server, form, &payload, size).on(&mut connection).expect(200);
            assert!(stored(server) == payload, "{form:?} {length} {size}");
            let got = server.request("GET", "/bench/k").on(&mut connection).expect(200);
            assert_eq!(got.find("Content-Encoding"), None);
            assert!(got.body == payload);
        }
    }
}

fn aws_chunked_without_its_encoding(server: &Server) {
    // Any one of the three signs of aws-chunked is enough; but who says STREAMING in
    // x-amz-content-sha256 must say the length too, as for S3.
    let payload = bytes(5000);
    let put = || server.request("PUT", "/bench/k").header("X-Amz-Date", "20260101T000000Z");
    let streaming = || put().header("x-amz-content-sha256", Form::Signed.name());
    let signed = chunked::aws(Form::Signed, &payload, 4096, &[]);
    streaming().body(&signed).send().error(411, "MissingContentLength");
    let unsigned = chunked::aws(Form::UnsignedTrailer, &payload, 4096, &[]);
    for request in [
        streaming().header("x-amz-decoded-content-length", 5000).body(&signed),
        put().header("Content-Encoding", "aws-chunked").body(&unsigned),
        put().header("x-amz-decoded-content-length", 5000).body(&unsigned),
    ] {
        request.send().expect(200);
        assert!(stored(server) == payload);
    }
}

fn aws_chunked_keeps_other_encodings(server: &Server) {
    // Only `aws-chunked` is taken off Content-Encoding; the rest belongs to the object.
    for (sent, kept) in [
        ("aws-chunked,gzip", Some("gzip")),
        ("gzip, aws-chunked", Some("gzip")),
        ("aws-chunked", None),
        ("gzip", Some("gzip")),
    ] {
        let put = server.request("PUT", "/bench/k").header("Content-Encoding", sent);
        let body = if sent == "gzip" { b"abc".to_vec() } else { chunked::http(b"abc", 2) };
        put.body(body).send().expect(200);
        let got = server.get("/bench/k").expect(200);
        assert_eq!((got.find("Content-Encoding"), got.text()), (kept, "abc"), "{sent}");
    }
}

fn aws_chunked_in_http_chunks(server: &Server) {
    // The AWS SDK for C++ sends aws-chunked inside HTTP chunks: both ends are consumed.
    let payload = bytes(100_000);
    let mut connection = server.connect();
    for (inner, outer) in [(65_536, 8192), (100, 7777), (100_000, 200_000)] {
        let body = chunked::aws(Form::UnsignedTrailer, &payload, inner, &[]);
        let request = server.request("PUT", "/bench/k").header("Transfer-Encoding", "chunked");
        let request = request.header("Content-Encoding", "aws-chunked");
        let request = request.unsized_body(chunked::http(&body, outer));
        request.on(&mut connection).expect(200);
        assert!(stored(server) == payload);
        server.request("HEAD", "/bench/k").on(&mut connection).expect(200);
    }
}

fn aws_chunked_in_pieces(server: &Server) {
    // Where the network cuts a framed body makes no difference.
    let payload = bytes(600);
    for form in FORMS {
        let request = framed(server, form, &payload, 250);
        let mut connection = server.connect();
        connection.write_in_pieces(&request.bytes(), 1, Duration::ZERO);
        connection.response("PUT").expect(200);
        connection.write_in_pieces(&request.bytes(), 97, Duration::from_millis(3));
        connection.response("PUT").expect(200);
        assert!(stored(server) == payload);
    }
}

fn aws_chunked_of_nothing(server: &Server) {
    // An empty object in aws-chunked is only a last chunk.
    for form in FORMS {
        framed(server, form, b"", 1).send().expect(200);
        assert!(stored(server).is_empty());
    }
}

fn aws_chunked_of_another_length(server: &Server) {
    // x-amz-decoded-content-length is a promise: more or less stores nothing.
    for promised in [99, 101, 0] {
        let request = server.request("PUT", "/bench/k").header("Content-Encoding", "aws-chunked");
        let request = request.header("x-amz-decoded-content-length", promised);
        request.body(chunked::http(&bytes(100), 64)).send().expect(400).refusal();
        server.get("/bench/k").error(404, "NoSuchKey");
    }
}

fn aws_chunked_malformed(server: &Server) {
    // A framing that is broken, or that ends before the body does or after it, stores nothing.
    let whole = chunked::aws(Form::Signed, b"hello", 5, &[]);
    let cut = &whole[..whole.len() - 4];
    let longer = [whole.clone(), b"more".to_vec()].concat();
    for body in [cut, &longer, b"5;chunk-signature=00\r\nhelloX\r\n0\r\n\r\n", b"zz\r\n", b"hello"]
    {
        let request = server.request("PUT", "/bench/k");
        let request = request.header("x-amz-content-sha256", Form::Signed.name());
        let request = request.header("x-amz-decoded-content-length", 5);
        request.body(body).send().expect(400).refusal();
        server.get("/bench/k").error(404, "NoSuchKey");
    }
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn http_chunked(server: &Server) {
    // A plain chunked body, with extensions and trailers, is stored without its framing.
    let put = || server.request("PUT", "/bench/k").header("Transfer-Encoding", "chunked");
    for (body, payload) in [
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("005;a=b;c=\"d\"\r\nhello\r\n6\r\n world\r\n0;x\r\n\r\n", "hello world"),
        ("A\r\n0123456789\r\n0\r\nX-Trailer: y\r\n\r\n", "0123456789"),
        ("0\r\n\r\n", ""),
    ] {
        put().unsized_body(body).send().expect(200);
        assert_eq!(stored(server), payload.as_bytes());
    }
}

fn http_chunked_in_pieces(server: &Server) {
    // Where the network cuts a chunked body makes no difference.
    let payload = bytes(500);
    let request = server.request("PUT", "/bench/k").header("Transfer-Encoding", "chunked");
    let request = request.unsized_body(chunked::http(&payload, 200)).bytes();
    let mut connection = server.connect();
    for size in [1, 2, 3, 50] {
        connection.write_in_pieces(&request, size, Duration::ZERO);
        connection.response("PUT").expect(200);
        assert!(stored(server) == payload);
    }
}

fn a_body_in_pieces(server: &Server) {
    // A slow client gets its object stored like a fast one.
    let payload = bytes(200_000);
    let request = server.request("PUT", "/bench/k").body(&payload).bytes();
    let mut connection = server.connect();
    connection.write_in_pieces(&request, 20_011, Duration::from_millis(5));
    connection.response("PUT").expect(200);
    assert!(stored(server) == payload);
}

fn a_body_that_ends_early(server: &Server) {
    // A client that stops in the middle stores nothing and the old object stays.
    server.store("k", "old");
    for (key, sent) in [("k", 0), ("k", 700_000), ("new", 0), ("new", 700_000)] {
        let request = server.request("PUT", &format!("/bench/{key}")).body(bytes(1 << 20));
        let mut connection = server.connect();
        connection.write(&request.bytes()[..request.head().len() + sent]);
        connection.half_close();
        connection.response("PUT").error(400, "IncompleteBody");
        assert!(connection.is_closed());
        assert_eq!(stored(server), b"old");
        assert!(!server.path("new").exists());
    }
    assert_eq!(files(&server.path("")), ["k"]);
}

fn chunks_that_end_early(server: &Server) {
    // The same for chunked bodies: only the last chunk makes an object.
    for body in ["5\r\nhello\r\n", "5\r\nhel", "5\r\nhello\r\n0\r\n", "5\r\nhello\r\n0", "5"] {
        let request = server.request("PUT", "/bench/k").header("Transfer-Encoding", "chunked");
        let mut connection = server.connect();
        connection.write(request.unsized_body(body).bytes());
        connection.half_close();
        connection.response("PUT").expect(400).refusal();
        assert!(connection.is_closed());
    }
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn no_length(server: &Server) {
    // A PUT that says nothing about its length is MissingContentLength, and no empty object.
    server.request("PUT", "/bench/k").unsized_body("").send().error(411, "MissingContentLength");
    server.get("/bench/k").error(404, "NoSuchKey");
}

fn continue_accepted(server: &Server) {
    // Expect: 100-continue gets its 100 before any of the body is sent, then the answer.
    let mut connection = server.connect();
    for method in ["PUT", "PUT"] {
        let request = server.request(method, "/bench/k").header("Expect", "100-continue");
        let request = request.body("hello");
        connection.write(request.head());
        assert_eq!(connection.interim(), 100);
        connection.write("hello");
        connection.response(method).expect(200);
    }
    assert_eq!(stored(server), b"hello");
}

fn continue_not_awaited(server: &Server) {
    // A client that does not wait for the 100 is served all the same.
    let request = server.request("PUT", "/bench/k").header("Expect", "100-continue").body("hello");
    let mut connection = server.connect();
    connection.write(request.bytes());
    let mut answer = connection.response_head();
    if answer.status == 100 {
        answer = connection.response_head();
    }
    assert_eq!(answer.status, 200);
    assert_eq!(stored(server), b"hello");
}

fn continue_refused(server: &Server) {
    // An upload that cannot be taken is refused before its body is sent.
    for (target, name, value, code) in [
        ("/nothere/k", "x-a", "b", "NoSuchBucket"),
        ("/bench/k", "Content-MD5", "nonsense", "InvalidDigest"),
        ("/bench/k?annotation", "x-a", "b", "NotImplemented"),
    ] {
        let request = server.request("PUT", target).header("Expect", "100-continue");
        let mut connection = server.connect();
        connection.write(request.header(name, value).body(bytes(1 << 20)).head());
        let refused = connection.response("PUT").refusal();
        assert_eq!(refused.one("Code"), code);
        assert!(connection.is_closed());
    }
}

fn continue_before_nested_chunks(server: &Server) {
    // Parts of the AWS SDK for C++: no length at all, 100-continue, a trailer in nested framings.
    let payload = bytes(150_000);
    let value = digest(Algorithm::Crc64Nvme, &payload).to_base64();
    let trailer = format!("{}:{value}", Algorithm::Crc64Nvme.header());
    let body = chunked::aws(Form::UnsignedTrailer, &payload, 65_536, &[&trailer]);
    let request = server.request("PUT", "/bench/k").header("Transfer-Encoding", "chunked");
    let request = request.header("Content-Encoding", "aws-chunked");
    let request = request.header("x-amz-trailer", Algorithm::Crc64Nvme.header());
    let request = request.header("Expect", "100-continue").unsized_body("");
    let mut connection = server.connect();
    for _ in 0..2 {
        connection.write(request.head());
        assert_eq!(connection.interim(), 100);
        connection.write(chunked::http(&body, 8191));
        connection.response("PUT").expect(200);
        assert!(stored(server) == payload);
    }
}

fn bodies_nobody_asked_for(server: &Server) {
    // A body on a request that needs none is passed over and is not the next request.
    server.store("k", "hello");
    let mut connection = server.connect();
    let inner = server.request("DELETE", "/bench/k").bytes();
    for method in ["GET", "HEAD"] {
        let request = server.request(method, "/bench/k");
        request.clone().body(&inner).on(&mut connection).expect(200);
        let request = request.header("Transfer-Encoding", "chunked");
        request.unsized_body(chunked::http(&inner, 9)).on(&mut connection).expect(200);
    }
    server.request("DELETE", "/bench/none").body(&inner).on(&mut connection).expect(204);
    assert_eq!(server.request("GET", "/bench/k").on(&mut connection).expect(200).text(), "hello");
}

fn keep_alive(server: &Server) {
    // One connection serves many requests, errors among them.
    let mut connection = server.connect();
    for at in 0..50 {
        let body = format!("body {at}");
        server.request("PUT", "/bench/k").body(&body).on(&mut connection).expect(200);
        let got = server.request("GET", "/bench/k").on(&mut connection).expect(200);
        assert_eq!(got.text(), body);
        server.request("GET", "/bench/none").on(&mut connection).expect(404);
        server.request("HEAD", "/bench/none").on(&mut connection).expect(404);
        server.request("GET", "/bench/k?torrent").on(&mut connection).expect(501);
    }
}

fn pipelining(server: &Server) {
    // Requests that are sent without waiting are answered in their order.
    let ask = |method: &str, body: &str| {
        let request = server.request(method, "/bench/k");
        if method == "PUT" { request.body(body).bytes() } else { request.bytes() }
    };
    let all = [
        ask("PUT", "one"),
        ask("GET", ""),
        ask("HEAD", ""),
        ask("PUT", "two"),
        ask("GET", ""),
        ask("DELETE", ""),
        ask("GET", ""),
    ];
    for size in [usize::MAX, 11] {
        let mut connection = server.connect();
        connection.write_in_pieces(&all.concat(), size.min(1 << 20), Duration::ZERO);
        connection.response("PUT").expect(200);
        assert_eq!(connection.response("GET").expect(200).text(), "one");
        assert_eq!(connection.response("HEAD").expect(200).header("Content-Length"), "3");
        connection.response("PUT").expect(200);
        assert_eq!(connection.response("GET").expect(200).text(), "two");
        connection.response("DELETE").expect(204);
        connection.response("GET").error(404, "NoSuchKey");
    }
}

fn http_1_0(server: &Server) {
    // HTTP/1.0 needs no Host, gets its answer, and the connection ends unless it asks to go on.
    server.store("k", "hello");
    let mut connection = server.connect();
    connection.write("GET /bench/k HTTP/1.0\r\n\r\n");
    assert_eq!(connection.response("GET").expect(200).text(), "hello");
    assert!(connection.is_closed());
    let mut connection = server.connect();
    for _ in 0..2 {
        connection.write("GET /bench/k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let got = connection.response("GET").expect(200);
        if !got.find("Connection").unwrap_or_default().eq_ignore_ascii_case("keep-alive") {
            assert!(connection.is_closed());
            break;
        }
    }
}

fn connection_close(server: &Server) {
    // `Connection: close` is obeyed, and said back.
    server.store("k", "hello");
    let mut connection = server.connect();
    let request = server.request("GET", "/bench/k").header("Connection", "Close");
    let got = request.on(&mut connection).expect(200);
    assert!(got.header("Connection").eq_ignore_ascii_case("close"));
    assert!(connection.is_closed());
}

fn half_close_after_the_request(server: &Server) {
    // A client that closes its side after the last request still gets every answer.
    server.place("big", bytes(2_000_000));
    let mut connection = server.connect();
    let get = server.request("GET", "/bench/big").bytes();
    connection.write([server.request("PUT", "/bench/k").body("x").bytes(), get].concat());
    connection.half_close();
    connection.response("PUT").expect(200);
    assert!(connection.response("GET").expect(200).body == bytes(2_000_000));
    assert!(connection.is_closed());
}

fn refused_bodies(server: &Server) {
    // After a refusal the small body is passed over and the connection goes on.
    let mut connection = server.connect();
    for size in [10, 100_000] {
        let request = server.request("PUT", "/nothere/k").body(bytes(size));
        request.on(&mut connection).error(404, "NoSuchBucket");
        server.request("PUT", "/bench/k").body("x").on(&mut connection).expect(200);
    }
    let framed = framed(server, Form::UnsignedTrailer, &bytes(100), 10);
    framed.header("Content-MD5", "nonsense").on(&mut connection).error(400, "InvalidDigest");
    server.request("PUT", "/bench/k").body("x").on(&mut connection).expect(200);
}

fn refused_large_body(server: &Server) {
    // A client that sends a large body without waiting reads the error and not a reset.
    let request = server.request("PUT", "/nothere/k").body(bytes(16 << 20));
    let mut connection = server.connect();
    connection.write(request.bytes());
    connection.response("PUT").error(404, "NoSuchBucket");
}

fn many_at_once(server: &Server) {
    // Many connections at once each get their own bytes.
    std::thread::scope(|scope| {
        for at in 0..32 {
            scope.spawn(move || {
                let mut connection = server.connect();
                let target = format!("/bench/many/{at}");
                let body = bytes(at * 3001);
                for _ in 0..10 {
                    server.request("PUT", &target).body(&body).on(&mut connection).expect(200);
                    let got = server.request("GET", &target).on(&mut connection).expect(200);
                    assert!(got.body == body);
                }
            });
        }
    });
}
