//! Requests whose end two parsers could see differently, each with a second request behind it: the
//! first is refused in XML, the second is never taken for one.

use crate::support::second::{SECOND, bytes, get, gone_on, is_refusal, put, refused, sent};
use crate::support::server::Server;
use crate::support::tree::files;

on_every_store![
    lengths,
    codings,
    lengths_and_codings,
    harmless_spellings,
    line_ends,
    header_lines,
    request_lines,
    first_lines_that_are_no_request,
    versions,
];

const CHUNKED: &str = "1\r\nx\r\n0\r\n\r\n";

/// What is no length.
const LENGTHS: &[&str] = &[
    "1, 1",
    "1,1",
    "1, 2",
    ",1",
    "1,",
    "1;1",
    "+1",
    "-1",
    "-0",
    "+0",
    "0x1",
    "0X1",
    "1e0",
    "1.0",
    "1_0",
    "0b1",
    "0o1",
    "1 1",
    "1\t1",
    "\"1\"",
    "'1'",
    "1h",
    "\u{b9}",
    "\u{a0}1",
    "\u{d9}\u{a1}",
    "\u{ef}\u{bc}\u{91}",
    "",
    " ",
    "\t",
    "NaN",
    "inf",
    "null",
    "true",
    "one",
    "1;q=1",
    "1\u{b}",
    "\u{c}1",
    "1\0",
    "\u{0}1",
    "1\u{85}",
    "18446744073709551616",
    "18446744073709551617",
    "99999999999999999999999999",
    "-18446744073709551615",
    "9223372036854775808",
    "18446744073709551615",
    "5368709121",
];

fn lengths(server: &Server) {
    // A Content-Length is digits and nothing else, and there is one (RFC 9112, section 6.3).
    refused(server, LENGTHS.iter().map(|value| put(&format!("Content-Length: {value}\r\n"), "x")));
    let lines = [
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 0\r\nContent-Length: 1\r\n",
        "Content-Length: 1\r\ncontent-length: 0\r\n",
        "Content-Length: 1\r\nContent-Length:\r\n",
        "Content-Length : 1\r\n",
        "Content-Length\t: 1\r\n",
        " Content-Length: 1\r\n",
        "A: b\r\n Content-Length: 1\r\n",
        "Content-Length\0: 1\r\n",
        "Content-Length:\r\n 1\r\n",
        "Content-Length: 0\r\n 1\r\n",
        "Content-Length: 1\nContent-Length: 2\r\n",
        "Content-Length: 1\rContent-Length: 2\r\n",
        "Content-Length\r\n: 1\r\n",
        "Content Length: 1\r\n",
    ];
    refused(server, lines.map(|lines| put(lines, "x")));
}

/// What is not `chunked`.
const CODINGS: &[&str] = &[
    "xchunked",
    "chunkedx",
    "x-chunked",
    "chunke",
    "chun ked",
    "cow",
    "identity",
    "gzip",
    "deflate",
    "compress",
    "br",
    "none",
    "0",
    "",
    " ",
    "\"chunked\"",
    "'chunked'",
    "(chunked)",
    "chunked;",
    "chunked;a=b",
    "chunked; q=0.5",
    "chunked,chunked",
    "chunked, chunked",
    ",chunked",
    "chunked,",
    "chunked, identity",
    "identity, chunked",
    "gzip, chunked",
    "chunked, gzip",
    "trailers, chunked",
    "chunked gzip",
    "\u{b}chunked",
    "chunked\u{b}",
    "\u{c}chunked",
    "\0chunked",
    "chunked\0",
    "\u{85}chunked",
    "\u{a0}chunked",
    "chunked\u{a0}",
    "chun\rked",
    "chunked\r",
    "\u{e1}\u{9a}\u{80}chunked",
];

fn codings(server: &Server) {
    // A Transfer-Encoding is `chunked` and nothing else, and only in HTTP/1.1 (section 6.1).
    refused(
        server,
        CODINGS.iter().map(|value| put(&format!("Transfer-Encoding: {value}\r\n"), CHUNKED)),
    );
    let lines = [
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "\tTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding\u{b}: chunked\r\n",
        "Transfer-Encoding\0: chunked\r\n",
        "Transfer-Encoding\r: chunked\r\n",
        "Transfer-Encoding\u{a0}: chunked\r\n",
        "Transfer Encoding: chunked\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding:\r\n\tchunked\r\n",
        "Transfer-Encoding: gzip\r\n , chunked\r\n",
        "A: b\r\n Transfer-Encoding: chunked\r\n",
        "A: b\nTransfer-Encoding: chunked\r\n",
        "A: b\rTransfer-Encoding: chunked\r\n",
        "A: b\r\rTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
    ];
    refused(server, lines.map(|lines| put(lines, CHUNKED)));
    for lines in [
        "Transfer-Encoding: chunked\r\n",
        "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let old = format!("PUT /bench/a HTTP/1.0\r\nHost: localhost\r\n{lines}\r\n{CHUNKED}");
        refused(server, [old]);
    }
}

fn lengths_and_codings(server: &Server) {
    // Both at once are refused, in every order, spelling and method.
    let lines = [
        "Content-Length: 11\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 11\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 11\r\n",
        "Transfer-Encoding: xchunked\r\nContent-Length: 11\r\n",
        "Transfer-Encoding:\r\nContent-Length: 11\r\n",
        "transfer-encoding: CHUNKED\r\ncontent-LENGTH: 11\r\n",
        "Content-Length: 11\r\nA: b\r\nTransfer-Encoding: chunked\r\nContent-Length: 11\r\n",
        "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
    ];
    for method in ["PUT", "GET", "HEAD", "POST", "DELETE", "OPTIONS", "TRACE", "X"] {
        let with = |lines: &str| put(lines, CHUNKED).replacen("PUT", method, 1);
        for lines in lines {
            let shown = format!("{method} {lines}");
            let mut connection = server.connect();
            connection.write([bytes(&with(lines)), bytes(SECOND)].concat());
            let head = connection.response_head();
            assert!(is_refusal(head.status), "{shown}: {head:?}");
            assert_eq!(head.header("Connection"), "close", "{shown}");
        }
    }
    assert_eq!(files(&server.path("")), Vec::<String>::new());
    refused(server, lines.map(|lines| put(lines, CHUNKED)));
}

fn harmless_spellings(server: &Server) {
    // What RFC 9110 allows is no attack: case, spaces and tabs around values, leading zeros.
    let lines = [
        "content-length: 1\r\n",
        "CONTENT-LENGTH:1\r\n",
        "Content-Length: \t 1 \t\r\n",
        "Content-Length: 0001\r\n",
        "Content-Length: 00000000000000000000000000001\r\n",
        "Content-Length: 1\r\nContent_Length: 9\r\nContent-Length-: 9\r\nXContent-Length: 9\r\n",
    ];
    gone_on(server, lines.map(|lines| put(lines, "x")), 200);
    let lines = [
        "transfer-encoding: chunked\r\n",
        "Transfer-Encoding:chunked\r\n",
        "Transfer-Encoding: \t CHUNKED\t\r\n",
        "Transfer-Encoding: chunked\r\nTransfer_Encoding: identity\r\nTE: trailers\r\n",
    ];
    gone_on(server, lines.map(|lines| put(lines, CHUNKED)), 200);
    let chunks =
        ["01\r\nx\r\n00\r\n\r\n", "1;a\r\nx\r\n0;b=\"c\"\r\n\r\n", "1\r\nx\r\n0\r\nA: b\r\n\r\n"];
    gone_on(server, chunks.map(|body| put("Transfer-Encoding: chunked\r\n", body)), 200);
    let before =
        ["\r\n", "\r\n\r\n\r\n"].map(|lines| lines.to_owned() + &put("Content-Length: 1\r\n", "x"));
    gone_on(server, before, 200);
}

fn line_ends(server: &Server) {
    // CR and LF stand together at the end of a line and nowhere else (section 2.2).
    let whole = get("A: b\r\nC: d\r\n");
    let mut spoiled = Vec::new();
    for (at, _) in whole.match_indices("\r\n") {
        for end in ["\n", "\r", "\n\r", "\r\r\n", "\r\n\n", "\u{b}\r\n\u{b}", "\r \n"] {
            // An empty line in the place of a line's end is the end of a head, or none at all.
            spoiled.push(format!("{}{end}{}", &whole[..at], &whole[at + 2..]));
        }
    }
    for request in spoiled {
        let statuses = sent(server, &bytes(&request), &request);
        assert!(!statuses.is_empty(), "{request:?}");
        assert!(statuses.iter().all(|status| is_refusal(*status)), "{request:?}: {statuses:?}");
        assert_eq!(files(&server.path("")), Vec::<String>::new(), "{request:?}");
    }
}

fn header_lines(server: &Server) {
    // A header line is a token, a colon at once, and a value without control characters.
    let mut lines: Vec<String> = [
        "no colon",
        ": no name",
        " : x",
        "A b: c",
        "A\tb: c",
        "A: b\r\n folded",
        "A: b\r\n\tfolded",
        "A:\r\n b",
        " A: b",
        "\tA: b",
        "A : b",
        "A\t: b",
        "=: b",
        "A=b",
        "\u{ff}: b",
        "\u{c3}\u{bc}: b",
    ]
    .map(String::from)
    .to_vec();
    for odd in "\0\u{1}\u{7}\u{8}\u{b}\u{c}\u{1b}\u{1f}\u{7f}".chars() {
        lines.push(format!("A: b{odd}c"));
        lines.push(format!("A: {odd}"));
        lines.push(format!("A{odd}: b"));
        lines.push(format!("{odd}A: b"));
    }
    for odd in "\"(),/:;<=>?@[\\]{}".chars().filter(|c| *c != ':') {
        lines.push(format!("A{odd}: b"));
    }
    refused(server, lines.iter().map(|line| get(&format!("{line}\r\n"))));
    // Bytes over 0x7f in a value are text of somebody (RFC 9110, section 5.5).
    gone_on(server, [get("A: \u{ff}\u{80}\u{a0}\r\n")], 404);
}

fn request_lines(server: &Server) {
    // The request line has a method, a target and a version with one space between them.
    let mut lines: Vec<String> = [
        "GET  /bench/a HTTP/1.1",
        "GET /bench/a  HTTP/1.1",
        "GET /bench/a HTTP/1.1 ",
        " GET /bench/a HTTP/1.1",
        "\tGET /bench/a HTTP/1.1",
        "GET\t/bench/a\tHTTP/1.1",
        "GET /bench/a\tHTTP/1.1",
        "GET\u{b}/bench/a HTTP/1.1",
        "GET /bench/a\u{c}HTTP/1.1",
        "GET /bench/a HTTP/1.1 HTTP/1.1",
        "GET /a b c HTTP/1.1",
        "GET HTTP/1.1",
        "GET  HTTP/1.1",
        "GET /bench/a",
        "GET",
        "GET ",
        "/bench/a HTTP/1.1",
        "HTTP/1.1",
        "HTTP/1.1 200 OK",
        "",
        "GET: /bench/a HTTP/1.1",
        "GET /bench/a HTTP/1.1\0",
        "\0GET /bench/a HTTP/1.1",
        "G\0T /a HTTP/1.1",
        "GET /bench/a HTTP",
        "GET /bench/a HTTP/",
        "GET /bench/a 1.1",
        "G(T /bench/a HTTP/1.1",
        "G@T /bench/a HTTP/1.1",
        "\u{ff} /bench/a HTTP/1.1",
        "G\u{e4}T /bench/a HTTP/1.1",
        "\"GET\" /bench/a HTTP/1.1",
        "GET /bench/a\u{ff} HTTP/1.1",
        "GET /\u{c3} HTTP/1.1",
    ]
    .map(String::from)
    .to_vec();
    for odd in "\0\u{1}\u{8}\u{b}\u{c}\u{1b}\u{7f}".chars() {
        lines.push(format!("GET /bench/{odd} HTTP/1.1"));
        lines.push(format!("GET /bench/a?{odd} HTTP/1.1"));
        lines.push(format!("G{odd}T /bench/a HTTP/1.1"));
    }
    // Empty lines before a request are allowed; then this is no request line.
    let with = |line: &str| format!("{line}\r\nHost: localhost\r\n\r\n");
    refused(server, lines.iter().map(|line| with(line)));
}

fn first_lines_that_are_no_request(server: &Server) {
    // What cannot become a request is refused at once: nobody waits for the rest of it.
    for noise in [
        "GET /bench/a\r\n",
        "GET\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "SSH-2.0-x\r\n",
        "PRI * HTTP/2.0\r\n",
        "GET /bench/a HTTP/0.9\r\n",
        "GET /bench/a HTTP/3\r\n",
        "\0",
        " ",
        "\u{80}",
        "{\"a\": 1}\r\n",
        "EHLO x\r\n",
        "*1\r\n",
    ] {
        for request in [noise.to_owned(), format!("\r\n{noise}")] {
            let mut connection = server.connect();
            connection.write(bytes(&request));
            connection.response("GET").refusal();
            assert!(connection.is_closed(), "{request:?}");
        }
    }
}

fn versions(server: &Server) {
    // HTTP/1.0 and HTTP/1.1 are spoken, in these eight characters.
    let versions = [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/2.0",
        "HTTP/2",
        "HTTP/3.0",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/1.1.1",
        "HTTP/1.10",
        "HTTP/01.1",
        "HTTP/1.01",
        "HTTP/1,1",
        "HTTP/1 1",
        "HTTP/+1.1",
        "HTTP/-1.1",
        "HTTP/x.y",
        "http/1.1",
        "Http/1.1",
        "HTTPS/1.1",
        "HTP/1.1",
        "XHTTP/1.1",
        "ICY/1.1",
        "RTSP/1.0",
        "HTTP 1.1",
        "HTTP//1.1",
        "HTTP\\1.1",
        "HTTP/1.1x",
    ];
    refused(server, versions.map(|v| format!("GET /bench/a {v}\r\nHost: localhost\r\n\r\n")));
    refused(server, ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()]);
}
