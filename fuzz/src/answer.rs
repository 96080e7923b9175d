//! Whether what was answered is HTTP, and XML where it says so: nothing that a client sent may
//! break out of its place there.

use crate::well_formed::well_formed;

/// Checks one answer whose request was not HEAD, or whose body is left out.
pub(crate) fn check(answer: &[u8]) {
    let shown = String::from_utf8_lossy(answer);
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer has a head");
    // Values of metadata can have any bytes beyond ASCII.
    let head = String::from_utf8_lossy(&answer[..end]);
    let body = &answer[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    assert!(status.starts_with("HTTP/1.1 ") && status.len() > 12, "no status line: {shown}");
    let (mut length, mut xml) = (0, false);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line}"));
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        assert!(!name.is_empty() && name.bytes().all(token), "no header: {line}");
        let odd = |c: char| c.is_ascii_control() && c != '\t';
        assert!(!value.contains(odd), "an odd value: {line:?}");
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().expect("a length is a number");
        }
        xml |= name.eq_ignore_ascii_case("content-type") && value == "application/xml";
    }
    assert!(body.is_empty() || body.len() == length, "{length} is not the length: {shown}");
    if xml && !body.is_empty() {
        well_formed(std::str::from_utf8(body).expect("XML is UTF-8"));
    }
}
