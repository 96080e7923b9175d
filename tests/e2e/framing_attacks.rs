//! Bodies, trailers and heads that go too far, and what a connection does after each.

use crate::support::second::{SECOND, answers, bytes, get, gone_on, is_refusal, put, refused};
use crate::support::server::Server;
use crate::support::tree::files;

on_every_store![
    chunks,
    trailers,
    aws_chunks,
    large_heads,
    large_framings,
    expectations,
    upgrades,
    refusals_are_no_desync,
    persistence,
    targets,
    hosts,
    repeated_headers,
];

on_every_runtime![bodies_are_no_requests];

fn chunked(body: &str) -> String {
    put("Transfer-Encoding: chunked\r\n", body)
}

fn chunks(server: &Server) {
    // A chunk is 1 to 16 hex digits, extensions, CRLF, so many bytes, CRLF (section 7.1).
    let sizes = [
        "",
        "x",
        "g",
        "-1",
        "+1",
        "0x1",
        "0X1",
        "x1",
        "1h",
        " 1",
        "\t1",
        "1 ",
        "1\t",
        "1 1",
        "1,1",
        "1.0",
        "1_0",
        "\u{b}1",
        "1\u{b}",
        "1\u{c}",
        "1\0",
        "\u{a0}1",
        "1\u{a0}",
        "\u{b9}",
        "\"1\"",
        "00000000000000001",
        "10000000000000000",
        "ffffffffffffffff1",
        "fffffffffffffffff",
        "100000000000000000000000000000001",
        "1;a\0",
        "1;a\u{1}",
        "1;a\u{7f}",
        "1;a\rb",
        "1\r",
        "1\r;a",
        "1;a=\"\r\nx",
        "%31",
        "0 1",
        "one",
    ];
    refused(server, sizes.map(|size| chunked(&format!("{size}\r\nx\r\n0\r\n\r\n"))));
    let bodies = [
        "1\nx\r\n0\r\n\r\n",
        "1\rx\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1\r\nx\r0\r\n\r\n",
        "1\r\nx0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "2\r\nx\r\n0\r\n\r\n",
        "1\r\n\r\nx\r\n0\r\n\r\n",
        "1;a\nx\r\n0\r\n\r\n",
        "1\r\nx\r\n0\n\r\n",
        "1\r\nx\r\n0\r\r\n\r\n",
        "1\r\nx\r\n;\r\n\r\n",
        "\r\n1\r\nx\r\n0\r\n\r\n",
        "1\r\nx\r\n-0\r\n\r\n",
    ];
    refused(server, bodies.map(chunked));
    // The last chunk is there and its empty line is not: what follows is no trailer.
    refused(
        server,
        ["1\r\nx\r\n0\r\n", "1\r\nx\r\n0\r\nx\r\n", "1\r\nx\r\n0\r\n0\r\n"].map(chunked),
    );
}

fn trailers(server: &Server) {
    // Trailers are header lines, and none that says how a request is framed, routed or let in
    // (RFC 9110, section 6.5.1).
    let lines = [
        "no colon",
        ": x",
        "a b: c",
        "a : b",
        " a: b",
        "\ta: b",
        "a: b\r\n folded",
        "a: b\0",
        "a\0: b",
        "a: \u{1}",
        "a: b\rc",
        "\u{ff}: b",
        "Content-Length: 1",
        "content-length: 0",
        "Transfer-Encoding: chunked",
        "transfer-encoding: identity",
        "Host: localhost",
        "Authorization: AWS4-HMAC-SHA256 x",
        "Content-Encoding: gzip",
        "Content-Type: text/html",
        "Content-Range: bytes 0-0/1",
        "Trailer: a",
        "Connection: close",
        "Expect: 100-continue",
        "Origin: http://localhost",
        "x-amz-copy-source: /bench/k",
        "x-amz-content-sha256: x",
        "x-amz-date: x",
        "x-amz-meta-a: b",
        "If-Match: *",
        "x-amz-decoded-content-length: 1",
    ];
    let with = |lines: &str| chunked(&format!("1\r\nx\r\n0\r\n{lines}\r\n"));
    refused(server, lines.map(|line| with(&format!("{line}\r\n"))));
    refused(
        server,
        [with(&"a: b\r\n".repeat(10_000)), with(&format!("a: {}\r\n", "b".repeat(9000)))],
    );
    refused(server, [with(&"a:\r\n".repeat(200))]);
}

fn aws_chunks(server: &Server) {
    // The same inside aws-chunked; what stands behind its end is no request and no object.
    let with = |inner: &str| {
        let length = inner.len();
        put(&format!("Content-Encoding: aws-chunked\r\nContent-Length: {length}\r\n"), inner)
    };
    let bodies = [
        "",
        "x",
        "1",
        "1\r\n",
        "1\r\nx",
        "1\r\nx\r\n",
        "1\r\nx\r\n0",
        "-1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "1\nx\n0\n\n",
        "2\r\nx\r\n0\r\n\r\n",
        "1\r\nxx\r\n0\r\n\r\n",
        "10000000000000000\r\nx",
        "ffffffffffffffff\r\nx",
        "0\r\n\r\n0\r\n\r\n",
        "1\r\nx\r\n0\r\n\r\nmore",
        " 1\r\nx\r\n0\r\n\r\n",
    ];
    for body in bodies.iter().skip(1) {
        let request = [bytes(&with(body)), bytes(SECOND)].concat();
        let mut connection = server.connect();
        connection.write(request);
        connection.half_close();
        let statuses = answers(&mut connection, body);
        assert!(is_refusal(statuses[0]), "{body:?}: {statuses:?}");
        assert!(!server.path("a").exists(), "{body:?}");
    }
    // A request inside the body, also one that the chunks would end before.
    let inner = format!("1\r\nx\r\n0\r\n\r\n{SECOND}");
    refused(server, [with(&inner)]);
}

fn large_heads(server: &Server) {
    // A head beyond the limits is refused in words, wherever its length sits.
    let long = "x".repeat(1 << 20);
    let lines = "A: b\r\n".repeat(100_000);
    refused(
        server,
        [
            format!("GET /bench/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            format!("GET /bench/a?{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            format!("GET http://localhost/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            format!("{long} /bench/a HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            format!("GET /bench/a HTTP/1.1{long}\r\nHost: localhost\r\n\r\n"),
            get(&format!("A: {long}\r\n")),
            get(&format!("{long}: b\r\n")),
            get(&format!("A:{}b\r\n", " ".repeat(1 << 20))),
            get(&format!("Host: {long}\r\n")),
            get(&format!("Content-Length: {}1\r\n", "0".repeat(1 << 20))),
            get(&lines),
            get(&"A: b\r\n".repeat(300)),
            "\r\n".repeat(1 << 19),
            "x".repeat(1 << 20),
        ],
    );
}

fn large_framings(server: &Server) {
    // Framing beyond the limits is refused, and never kept in memory.
    let long = "x".repeat(1 << 20);
    refused(
        server,
        [
            chunked(&format!("1;{long}\r\nx\r\n0\r\n\r\n")),
            chunked(&format!("1;a=\"{long}\"\r\nx\r\n0\r\n\r\n")),
            chunked(&format!("{}1\r\nx\r\n0\r\n\r\n", "0".repeat(1 << 20))),
            chunked(&format!("1\r\nx\r\n0\r\n{long}: b\r\n\r\n")),
            chunked(&format!("1\r\nx\r\n0\r\na: {long}\r\n\r\n")),
            chunked(&format!("1\r\nx\r\n0\r\n{}\r\n", "a: b\r\n".repeat(100_000))),
            chunked(&format!("1\r\n{long}")),
        ],
    );
}

fn expectations(server: &Server) {
    // An expectation that nobody knows is not met (RFC 9110, section 10.1.1).
    let values = ["200-ok", "100-continue, other", "100", "continue", "100-continue;q=1", "x"];
    for value in values {
        let request = put(&format!("Expect: {value}\r\nContent-Length: 1\r\n"), "");
        let mut connection = server.connect();
        connection.write(request);
        connection.response("PUT").error(417, "ExpectationFailed");
        connection.half_close();
        assert!(connection.is_closed(), "{value}");
    }
    assert_eq!(files(&server.path("")), Vec::<String>::new());
    // Upper case, and the old version, which has no expectations.
    let mut connection = server.connect();
    connection.write(put("Expect: 100-Continue\r\nContent-Length: 1\r\n", ""));
    assert_eq!(connection.interim(), 100);
    connection.write("x");
    connection.response("PUT").expect(200);
    let mut old = server.connect();
    old.write("PUT /bench/a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx");
    old.response("PUT").expect(200);
    assert!(old.is_closed());
}

fn upgrades(server: &Server) {
    // An offer to speak another protocol is not taken: the request counts, as HTTP/1.1.
    let h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    let ws = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n\
              Sec-WebSocket-Version: 13\r\n";
    gone_on(server, [h2c, ws].map(get), 404);
    gone_on(server, [h2c, ws].map(|l| put(&format!("{l}Content-Length: 1\r\n"), "x")), 200);
    // What a client that believes in it sends next is refused.
    let mut connection = server.connect();
    connection.write(format!("{}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{SECOND}", get(h2c)));
    connection.half_close();
    assert_eq!(answers(&mut connection, "h2c"), [404, 505]);
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn bodies_are_no_requests(server: &Server) {
    // The body of any request, wanted or not, is never read as a request.
    let length = SECOND.len();
    let chunks = format!("{length:x}\r\n{SECOND}\r\n0\r\n\r\n");
    server.place("k", "hello");
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PATCH", "TRACE", "get", "X"] {
        for target in
            ["/bench/none", "/bench", "/", "/nothere/k", "/bench/a?uploads=x", "/%zz", "*"]
        {
            let start = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
            for request in [
                format!("{start}Content-Length: {length}\r\n\r\n{SECOND}"),
                format!("{start}Transfer-Encoding: chunked\r\n\r\n{chunks}"),
                format!("{start}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n{SECOND}"),
            ] {
                let last = "GET /bench/k HTTP/1.1\r\nHost: localhost\r\n\r\n";
                let mut connection = server.connect();
                connection.write(request.clone() + last);
                let first = connection.response(method);
                if first.find("Connection") != Some("close") {
                    assert_eq!(connection.response("GET").expect(200).text(), "hello");
                }
                connection.half_close();
                assert!(connection.is_closed(), "{request}");
                assert!(!server.path("second").exists(), "{request}");
            }
        }
    }
}

fn refusals_are_no_desync(server: &Server) {
    // A refusal with a whole body before it leaves the connection where the next request begins.
    let body = format!("{}{}", SECOND, "y".repeat(1000));
    let length = body.len();
    let rows = [
        ("PUT /nothere/k HTTP/1.1\r\nHost: localhost\r\n", 404),
        ("PUT /bench/a HTTP/1.1\r\nHost: evil.example\r\n", 403),
        ("PUT /bench/a HTTP/1.1\r\nHost: a b\r\n", 400),
        ("PUT /bench/%zz HTTP/1.1\r\nHost: localhost\r\n", 400),
        ("PUT /bench/../x HTTP/1.1\r\nHost: localhost\r\n", 400),
        ("PUT /bench/a HTTP/1.1\r\nHost: localhost\r\nContent-MD5: AAAA\r\n", 400),
        ("PUT /bench/a HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n", 403),
        ("PUT /bench/a?tomorrow HTTP/1.1\r\nHost: localhost\r\n", 501),
        ("POST /bench HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n", 412),
        ("POST /bench?delete HTTP/1.1\r\nHost: localhost\r\n", 400),
        ("PATCH /bench/a HTTP/1.1\r\nHost: localhost\r\n", 405),
        ("PUT bench/a HTTP/1.1\r\nHost: localhost\r\n", 400),
    ];
    for (head, status) in rows {
        let requests = [
            format!("{head}Content-Length: {length}\r\n\r\n{body}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
        ];
        for request in requests {
            let mut connection = server.connect();
            connection.write(request.clone() + &get(""));
            connection.half_close();
            assert_eq!(answers(&mut connection, &request), [status, 404], "{request}");
        }
    }
    assert_eq!(files(&server.path("")), Vec::<String>::new());
}

fn persistence(server: &Server) {
    // `close` wins over `keep-alive`, in both versions and any case; HTTP/1.0 closes by default.
    for (version, value, stays) in [
        ("1.1", "keep-alive", true),
        ("1.1", "x, y", true),
        ("1.1", "CLOSE", false),
        ("1.1", "keep-alive, close", false),
        ("1.1", "close, keep-alive", false),
        ("1.1", "x,close ,y", false),
        ("1.0", "x", false),
        ("1.0", "Keep-Alive", true),
        ("1.0", "close, keep-alive", false),
        ("1.0", "keep-alive\r\nConnection: close", false),
        ("1.1", "keep-alive\r\nConnection: close", false),
    ] {
        let request = format!(
            "GET /bench/a HTTP/{version}\r\nHost: localhost\r\nConnection: {value}\r\n\r\n"
        );
        let mut connection = server.connect();
        connection.write(request.repeat(2));
        connection.half_close();
        let statuses = answers(&mut connection, value);
        assert_eq!(statuses.len(), if stays { 2 } else { 1 }, "{version} {value}");
    }
}

fn targets(server: &Server) {
    // A target is a path or an absolute http URL; the other forms are for proxies.
    for target in [
        "*",
        "bench/a",
        "a",
        "?a",
        "#",
        "localhost",
        "localhost:80",
        "//",
        "///",
        "http:",
        "http:/",
        "http://",
        "http:///bench/a",
        "http://?a",
        "http:bench/a",
        "http:/bench/a",
        "http://:80/bench/a",
        "http://a@localhost/bench/a",
        "http://localhost:x/bench/a",
        "http://evil.example/bench/a",
        "http://localhost@evil.example/bench/a",
        "http://localhost\\@evil.example/bench/a",
        "http://localhost#/bench/a",
        "https://localhost/bench/a",
        "ftp://localhost/bench/a",
        "file:///etc/passwd",
        "javascript:x",
        "/bench/a#b",
        "/#",
        "/bench/%",
        "/bench/%a",
        "/bench/%0g",
        "/bench/%%30",
        "/bench/%u0061",
        "/bench/%c0%ae",
        "/bench/%ed%a0%80",
        "/bench/%f5%80%80%80",
        "/bench/%fe",
        "/bench/a%00",
        "/bench?prefix=%",
        "/bench?%zz=a",
        "/bench?prefix=%c0%80",
        "\\bench\\a",
        "|",
        "/\u{2e}\u{2e}/bench",
    ] {
        for method in ["GET", "PUT", "DELETE", "POST"] {
            let request = format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
            );
            server.raw(&request).refusal();
        }
    }
    for method in ["CONNECT", "TRACE"] {
        for target in ["localhost:80", "*", "/", "/bench", "/bench/a", "http://localhost/bench/a"] {
            let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            server.raw(request).error(405, "MethodNotAllowed");
        }
    }
    assert_eq!(files(server.home()), Vec::<String>::new());
}

fn hosts(server: &Server) {
    // One Host, that is a host and ours, whatever the target says besides.
    for host in [
        "",
        " ",
        "a b",
        "localhost, localhost",
        "localhost,evil.example",
        "localhost evil.example",
        "evil.example",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost:",
        "localhost:x",
        "localhost:80:80",
        "localhost:-1",
        "localhost:+80",
        "localhost:99999",
        ":80",
        "[::1",
        "::1]",
        "[::1]x",
        "[]",
        "[evil.example]",
        "localhost\\evil.example",
        "localhost?evil.example",
        "localhost#evil.example",
        "evil.example#.localhost",
        "evil.example?.localhost",
        "http://localhost",
        "localhost..",
        ".localhost",
        "..localhost",
        "\"localhost\"",
        "*",
        "127.0.0.1.evil.example",
        "127.0.0.1,evil.example",
        "0x7f.1.evil.example",
        "\u{ff}",
        "local\u{e9}host",
        "localhost\u{b7}evil.example",
        "localhost%00.evil.example",
        "localhost%2eevil.example",
    ] {
        for line in ["GET /bench HTTP/1.1", "GET /bench HTTP/1.0"] {
            let request = format!("{line}\r\nHost: {host}\r\n\r\n");
            let response = server.raw(bytes(&request));
            let harmless =
                host == "localhost:" || (host.trim().is_empty() && line.ends_with("1.0"));
            assert!(harmless || is_refusal(response.status), "{request:?}");
        }
    }
    for line in
        ["GET /bench HTTP/1.1", "GET /bench HTTP/1.0", "GET http://localhost/bench HTTP/1.1"]
    {
        for second in ["localhost", "LOCALHOST", "evil.example", ""] {
            let request = format!("{line}\r\nHost: localhost\r\nhost: {second}\r\n\r\n");
            server.raw(request).error(400, "InvalidRequest");
        }
    }
    server.raw("GET /bench HTTP/1.1\r\n\r\n").error(400, "InvalidRequest");
    server.raw("GET http://localhost/bench HTTP/1.1\r\n\r\n").error(400, "InvalidRequest");
}

fn repeated_headers(server: &Server) {
    // A header that decides something and stands twice is not guessed at.
    server.place("k", "hello");
    let tries = [
        ("PUT", "x-amz-copy-source: /bench/k\r\nx-amz-copy-source: /bench/other"),
        ("PUT", "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==\r\nContent-MD5: AAAAAAAAAAAAAAAAAAAAAA=="),
        ("PUT", "If-None-Match: *\r\nIf-None-Match: \"a\""),
        ("PUT", "Origin: http://localhost\r\nOrigin: https://evil.example"),
        ("PUT", "Authorization: a\r\nAuthorization: b"),
        ("PUT", "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-content-sha256: a"),
        ("PUT", "x-amz-decoded-content-length: 1\r\nx-amz-decoded-content-length: 2"),
        ("PUT", "Expect: 100-continue\r\nExpect: other"),
    ];
    for (method, lines) in tries {
        let head = format!(
            "{method} /bench/a HTTP/1.1\r\nHost: localhost\r\n{lines}\r\nContent-Length: 0\r\n\r\n"
        );
        let statuses = server.raw(&head).refusal().status;
        assert!(is_refusal(statuses), "{lines}");
        assert!(!server.path("a").exists(), "{lines}");
    }
}
