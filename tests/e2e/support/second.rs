//! Requests with a second one behind them, to see whether the server reads it as one.

use super::http::Connection;
use super::server::Server;
use super::tree::files;

/// What stands behind each request: were it read as one, there would be an object.
pub(crate) const SECOND: &str =
    "PUT /bench/second HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";

/// Characters up to U+00FF stand for the byte of that value.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// The statuses of all answers until the server closes; each is whole, each error in XML.
pub(crate) fn answers(connection: &mut Connection, shown: &str) -> Vec<u16> {
    let rest = connection.rest();
    let mut rest = &rest[..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end = rest.windows(4).position(|w| w == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("{shown}: {:?}", String::from_utf8_lossy(rest)));
        let head = String::from_utf8(rest[..end].to_vec()).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let length = head.lines().find_map(|l| l.strip_prefix("Content-Length: "));
        let length: usize = length.map_or(0, |l| l.parse().unwrap());
        let body = String::from_utf8_lossy(&rest[end + 4..end + 4 + length]).into_owned();
        assert!(status < 400 || body.contains("<Error><Code>"), "{shown}: {head}\n{body}");
        rest = &rest[end + 4 + length..];
        found.push(status);
    }
    found
}

/// Whether it is what a refused request is answered.
pub(crate) fn is_refusal(status: u16) -> bool {
    (400..500).contains(&status) || [501, 505].contains(&status)
}

/// Sends it with the second request behind it, and tells what was answered.
pub(crate) fn sent(server: &Server, request: &[u8], shown: &str) -> Vec<u16> {
    let mut connection = server.connect();
    connection.write([request, SECOND.as_bytes()].concat());
    connection.half_close();
    answers(&mut connection, shown)
}

/// Each is refused with one answer, then the connection ends, and nothing is stored.
pub(crate) fn refused(server: &Server, requests: impl IntoIterator<Item = String>) {
    for request in requests {
        let shown = request.chars().take(150).collect::<String>();
        let statuses = sent(server, &bytes(&request), &shown);
        let right = statuses.len() == 1 && is_refusal(statuses[0]);
        assert!(right, "{shown:?}: {statuses:?}");
        assert_eq!(files(&server.path("")), Vec::<String>::new(), "{shown:?}");
    }
}

/// Each is answered and the connection goes on: the second request is read where it begins.
pub(crate) fn gone_on(server: &Server, requests: impl IntoIterator<Item = String>, status: u16) {
    for request in requests {
        let shown = request.chars().take(150).collect::<String>();
        assert_eq!(sent(server, &bytes(&request), &shown), [status, 200], "{shown:?}");
        server.delete("/bench/second").expect(204);
        server.delete("/bench/a").expect(204);
    }
}

/// A PUT of `a` with these header lines, each with its line end.
pub(crate) fn put(lines: &str, body: &str) -> String {
    format!("PUT /bench/a HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{body}")
}

/// A GET of `a` with these header lines.
pub(crate) fn get(lines: &str) -> String {
    format!("GET /bench/a HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
}
