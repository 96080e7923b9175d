//! Documents: any bytes are refused or read, wherever they are cut; and keys, tags and part numbers
//! that were put into a document by the book come out of it as they were.

use std::sync::{Arc, LazyLock};

use lobos_digest::{Algorithm, digest};
use lobos_proto::{Config, Key, Request};

use crate::input::Input;
use crate::support::config;
use crate::{answer, exchange};

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| config(|_| {}));

/// Every request with a document.
const REQUESTS: [&str; 16] = [
    "POST /bench?delete",
    "POST /bench/k?uploadId=u",
    "PUT /fresh",
    "PUT /bench/k?tagging",
    "PUT /bench?tagging",
    "PUT /bench?cors",
    "PUT /bench?acl",
    "PUT /bench/k?acl",
    "PUT /bench?versioning",
    "PUT /bench?encryption",
    "PUT /bench?ownershipControls",
    "PUT /bench?publicAccessBlock",
    "PUT /bench?requestPayment",
    "PUT /bench?accelerate",
    "PUT /bench?notification",
    "PUT /bench?object-lock",
];

/// A byte that says which request, and the document; with its high bit a document is built, and
/// with the one below the document is the CORS rules that a bucket has.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let which = input.byte();
    if which & 0xc0 == 0x40 {
        let Ok(rules) = std::str::from_utf8(input.rest()) else { return };
        for request in ["OPTIONS", "GET", "PUT"] {
            let head = format!(
                "{request} /bench/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nOrigin: \
                 https://x.app.example\r\nAccess-Control-Request-Method: PUT\r\n\
                 Access-Control-Request-Headers: x-amz-date, content-type\r\n\r\n"
            );
            let seen = exchange::with_rules(&CONFIG, head.as_bytes(), rules);
            if !seen.answer.is_empty() {
                answer::check(&seen.answer);
            }
        }
    } else if which & 0x80 == 0 {
        let request = REQUESTS[usize::from(which) % REQUESTS.len()];
        exchange::any_cut(&CONFIG, &with(request, input.rest()));
    } else {
        match which % 3 {
            0 => deletes(&mut input),
            1 => completes(&mut input),
            _ => tags(&mut input),
        }
    }
}

fn with(request: &str, document: &[u8]) -> Vec<u8> {
    let (length, md5) = (document.len(), digest(Algorithm::Md5, document).to_base64());
    let head = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nContent-MD5: {md5}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), document].concat()
}

fn ask(request: &str, document: &str) -> Request {
    let seen = exchange::whole(&CONFIG, &with(request, document.as_bytes()));
    let answer = String::from_utf8_lossy(&seen.answer);
    seen.request.unwrap_or_else(|| panic!("refused: {document:?} {answer}"))
}

fn deletes(input: &mut Input<'_>) {
    let quiet = input.byte() & 1 != 0;
    let style = input.byte();
    let mut names = Vec::new();
    while !input.is_empty() && names.len() < 20 {
        names.push(text(input.piece(60)));
    }
    if names.is_empty() {
        return;
    }
    let object = |name: &String| format!("<Object><Key>{}</Key></Object>", escape(name, style));
    let objects: String = names.iter().map(object).collect();
    let space = if style & 1 != 0 { " \n\t" } else { "" };
    let document = format!("<Delete>{space}<Quiet>{quiet}</Quiet>{space}{objects}{space}</Delete>");
    let Request::DeleteObjects(asked) = ask(REQUESTS[0], &document) else { panic!("another") };
    assert_eq!((asked.quiet, asked.keys.len()), (quiet, names.len()));
    for (key, name) in asked.keys.iter().zip(&names) {
        assert_eq!(&key.name, name, "{document:?}");
        let fits = Key::new(name.as_str());
        assert_eq!(key.key.as_ref().ok(), fits.as_ref().ok(), "{document:?}");
    }
}

fn completes(input: &mut Input<'_>) {
    let style = input.byte();
    let mut parts = Vec::new();
    while !input.is_empty() && parts.len() < 20 {
        parts.push((1 + input.below(10_000), input.below(65_536)));
    }
    if parts.is_empty() {
        return;
    }
    let quote = ["", "&quot;", "&#34;", "\""][usize::from(style % 4)];
    let part = |(number, tag): &(usize, usize)| {
        let (number, tag) = (
            format!("<PartNumber>{number}</PartNumber>"),
            format!("<ETag>{quote}{tag:032x}{quote}</ETag>"),
        );
        let [one, other] = if style & 8 != 0 { [number, tag] } else { [tag, number] };
        format!("<Part>{one}{other}</Part>")
    };
    let parts_xml: String = parts.iter().map(part).collect();
    let document = format!("<CompleteMultipartUpload>{parts_xml}</CompleteMultipartUpload>");
    let Request::CompleteMultipartUpload(asked) = ask(REQUESTS[1], &document) else {
        panic!("another")
    };
    let found: Vec<_> = asked.parts.iter().map(|p| (p.number as usize, p.etag.clone())).collect();
    let should: Vec<_> = parts.iter().map(|(n, tag)| (*n, format!("{tag:032x}"))).collect();
    assert_eq!(found, should, "{document:?}");
}

fn tags(input: &mut Input<'_>) {
    let style = input.byte();
    let word = |bytes: &[u8]| -> String {
        let letters = b"abcXYZ019 +-=._:/@";
        bytes.iter().map(|b| char::from(letters[usize::from(*b) % letters.len()])).collect()
    };
    let count = input.below(11);
    let tags: Vec<_> = (0..count)
        .map(|n| (format!("{n}{}", word(input.piece(20))), word(input.piece(20))))
        .collect();
    let tag = |(key, value): &(String, String)| {
        let (key, value) = (escape(key, style), escape(value, style));
        format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
    };
    let set: String = tags.iter().map(tag).collect();
    let document = format!("<Tagging><TagSet>{set}</TagSet></Tagging>");
    let Request::PutObjectTagging(asked) = ask(REQUESTS[3], &document) else { panic!("another") };
    assert_eq!(asked.tags.unwrap_or_default().pairs(), tags, "{document:?}");
}

/// Text that XML 1.0 can have, without what its line ends become.
fn text(bytes: &[u8]) -> String {
    let is_text = |c: &char| *c == '\t' || *c == '\n' || (*c >= ' ' && !matches!(c, '\u{fffe}'..));
    String::from_utf8_lossy(bytes).chars().filter(is_text).collect()
}

/// In one of the ways of writing it.
fn escape(text: &str, style: u8) -> String {
    if style & 2 != 0 && !text.contains("]]>") && !text.is_empty() {
        return format!("<![CDATA[{text}]]>");
    }
    let reference = |c: char| match style & 4 {
        0 => format!("&#{};", u32::from(c)),
        _ => format!("&#x{:x};", u32::from(c)),
    };
    let one = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        c if style & 16 != 0 && !c.is_ascii_alphanumeric() => reference(c),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}
