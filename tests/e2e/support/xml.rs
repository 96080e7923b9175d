//! Just enough XML to read the answers of S3.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Insists on one root, everything closed, no document type and no entities but those of XML.
#[track_caller]
pub(crate) fn well_formed(text: &str) {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut roots) = (0, 0);
    loop {
        match reader.read_event().unwrap_or_else(|e| panic!("{e}: {text}")) {
            Event::Start(_) => {
                roots += i32::from(depth == 0);
                depth += 1;
            }
            Event::End(_) => depth -= 1,
            Event::Empty(_) => roots += i32::from(depth == 0),
            Event::GeneralRef(name) => {
                let known = ["amp", "lt", "gt", "quot", "apos"];
                let name: &str = name.as_ref();
                assert!(known.contains(&name) || name.starts_with('#'), "{name:?}: {text}");
            }
            Event::Text(text) => {
                assert!(!text.contains(|c: char| c < ' ' && c != '\n'), "{text:?}");
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?}: {text}"),
        }
    }
    assert_eq!((depth, roots), (0, 1), "{text}");
}

/// The texts of all elements of this name, in order; elements have no attributes here except
/// `xmlns` and never hold one of the same name.
pub(crate) fn all(text: &str, element: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(&format!("<{element}")) {
        rest = &rest[at + element.len() + 1..];
        if !rest.starts_with(['>', '/', ' ']) {
            continue;
        }
        let (tag, after) = rest.split_once('>').unwrap();
        rest = after;
        if tag.ends_with('/') {
            found.push(String::new());
            continue;
        }
        let (inner, after) = rest.split_once(&format!("</{element}>")).unwrap();
        found.push(unescape(inner));
        rest = after;
    }
    found
}

/// The character that each entity stands for.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = after.split_once(';').unwrap();
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => {
                let number = other.strip_prefix('#').unwrap();
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.unwrap()).unwrap()
            }
        });
        rest = after;
    }
    out.push_str(rest);
    out
}
