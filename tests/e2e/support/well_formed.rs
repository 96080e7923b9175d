//! Whether an answer is XML; the fuzz targets ask the same.

use quick_xml::Reader;
use quick_xml::events::Event;

/// One root element, everything closed, and only references that XML has.
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
            Event::Text(_) | Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?} in an answer: {text}"),
        }
    }
    assert_eq!((depth, roots), (0, 1), "{text}");
}
