//! XML as S3 speaks it: a small writer, and a reader that refuses what S3 never sends.

use std::fmt::Display;
use std::io::Write;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::{Code, Error, Timestamp};

/// The namespace of S3's answers.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A document under construction.
#[derive(Debug)]
pub(crate) struct Xml {
    /// UTF-8 always; as bytes, since checking again what was made of digits costs a long listing
    /// more than writing it.
    out: Vec<u8>,
}

impl Xml {
    pub(crate) fn new() -> Self {
        Self { out: Vec::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") }
    }

    /// For a whole document that was written before.
    pub(crate) fn empty() -> Self {
        Self { out: Vec::new() }
    }

    /// A document whose root has S3's namespace.
    pub(crate) fn s3(root: &str) -> Self {
        let mut xml = Self::new();
        let _ = write!(xml.out, "<{root} xmlns=\"{NAMESPACE}\">");
        xml
    }

    pub(crate) fn open(&mut self, name: &str) {
        for part in ["<", name, ">"] {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    pub(crate) fn close(&mut self, name: &str) {
        for part in ["</", name, ">"] {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    /// An element with text, escaped.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        escape(&mut self.out, text);
        self.close(name);
    }

    /// An element with a sentence for people: S3 leaves quotation marks in it as they are, and
    /// minio-go looks for them so.
    pub(crate) fn sentence(&mut self, name: &str, text: &str) {
        self.open(name);
        for (at, part) in text.split('"').enumerate() {
            self.raw(if at == 0 { "" } else { "\"" });
            escape(&mut self.out, part);
        }
        self.close(name);
    }

    /// Text in the element that is open, escaped.
    pub(crate) fn content(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    /// An element with a value that needs no escaping.
    pub(crate) fn display(&mut self, name: &str, value: impl Display) {
        self.open(name);
        let _ = write!(self.out, "{value}");
        self.close(name);
    }

    /// An element with a moment, as S3's XML has it.
    pub(crate) fn time(&mut self, name: &str, time: Timestamp) {
        self.open(name);
        self.out.extend_from_slice(&time.iso8601());
        self.close(name);
    }

    /// Room for so many bytes more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.out.reserve(bytes);
    }

    /// XML that was written before.
    pub(crate) fn raw(&mut self, xml: &str) {
        self.out.extend_from_slice(xml.as_bytes());
    }

    /// A value that needs no escaping, and what stands between it and the next.
    pub(crate) fn part(&mut self, ascii: &[u8], then: &str) {
        self.out.extend_from_slice(ascii);
        self.out.extend_from_slice(then.as_bytes());
    }

    pub(crate) fn finish(self) -> String {
        String::from_utf8(self.out).unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.out
    }
}

/// Escapes for element text. Control characters become references, as S3 writes them: clients
/// that cannot take those ask for encoding-type=url.
fn escape(out: &mut Vec<u8>, text: &str) {
    // Most text has none of them, nor the first byte of the two that are no characters.
    let odd = |b: u8| b < b' ' || matches!(b, b'&' | b'<' | b'>' | b'"' | 0xef);
    if !text.bytes().fold(false, |any, b| any | odd(b)) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let entity = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\u{fffe}' | '\u{ffff}' => "",
            c if c < ' ' => "",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + c.len_utf8();
        if entity.is_empty() {
            let _ = write!(out, "&#x{:x};", u32::from(c));
        } else {
            out.extend_from_slice(entity.as_bytes());
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
}

/// An element: its local name, its text, its children.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

/// No document of S3 is deeper.
const DEPTH: usize = 16;

/// No document of S3 has more elements: 10,000 parts with a number, a tag and all ten checksums.
const ELEMENTS: usize = 130_001;

impl Element {
    /// Reads a document of one root. Attributes and namespaces are ignored.
    ///
    /// # Errors
    /// `MalformedXML`: not well-formed, not UTF-8, a document type, an unknown entity, deeper than
    /// 16, more than 130,001 elements, a value that stands twice.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::new(Code::MalformedXML);
        let text = std::str::from_utf8(document).map_err(|_| malformed())?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let mut open: Vec<Element> = Vec::new();
        let mut root = None;
        let mut left = ELEMENTS;
        loop {
            let event = reader.read_event().map_err(|_| malformed())?;
            if matches!(event, Event::Start(_) | Event::Empty(_)) {
                left = left.checked_sub(1).ok_or_else(malformed)?;
            }
            match event {
                Event::Start(start) => {
                    if open.len() >= DEPTH || root.is_some() {
                        return Err(malformed());
                    }
                    open.push(Self::named(start.local_name().as_ref()));
                }
                Event::Empty(start) => {
                    let element = Self::named(start.local_name().as_ref());
                    Self::end(element, &mut open, &mut root).ok_or_else(malformed)?;
                }
                Event::End(_) => {
                    let element = open.pop().ok_or_else(malformed)?;
                    Self::end(element, &mut open, &mut root).ok_or_else(malformed)?;
                }
                Event::Text(text) => add(&mut open, &text).ok_or_else(malformed)?,
                Event::CData(text) => add(&mut open, &text).ok_or_else(malformed)?,
                Event::GeneralRef(entity) => {
                    let text = resolve(&entity).ok_or_else(malformed)?;
                    add(&mut open, &text).ok_or_else(malformed)?;
                }
                Event::DocType(_) => return Err(malformed()),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        root.filter(|_| open.is_empty()).ok_or_else(malformed)
    }

    /// The text of the first child of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&str> {
        self.children.iter().find(|child| child.name == name).map(|child| child.text.as_str())
    }

    /// As a document of S3: white space between elements, and attributes, are not kept.
    pub(crate) fn document(&self) -> Xml {
        let mut xml = Xml::s3(&self.name);
        self.inner(&mut xml);
        xml.close(&self.name);
        xml
    }

    fn inner(&self, xml: &mut Xml) {
        if self.children.is_empty() {
            escape(&mut xml.out, &self.text);
        }
        for child in &self.children {
            xml.open(&child.name);
            child.inner(xml);
            xml.close(&child.name);
        }
    }

    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Whether a value stands there twice: nobody knows which one counts.
    fn is_ambiguous(&self) -> bool {
        // Of these there may be many.
        let many = ["AllowedHeader", "AllowedMethod", "AllowedOrigin", "ExposeHeader"];
        let is_value = |child: &&Self| child.children.is_empty();
        let values = self.children.iter().filter(is_value).map(|child| child.name.as_str());
        let mut names: Vec<_> = values.filter(|name| !many.contains(name)).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
    }

    fn end(element: Self, open: &mut [Self], root: &mut Option<Self>) -> Option<()> {
        if element.is_ambiguous() {
            return None;
        }
        match open.last_mut() {
            Some(parent) => parent.children.push(element),
            None if root.is_none() => *root = Some(element),
            None => return None,
        }
        Some(())
    }
}

fn add(open: &mut [Element], text: &str) -> Option<()> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return None,
    }
    Some(())
}

/// The five entities of XML and character references; no others are known.
fn resolve(entity: &str) -> Option<String> {
    let Some(number) = entity.strip_prefix('#') else {
        return quick_xml::escape::resolve_predefined_entity(entity).map(str::to_owned);
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (number, 10),
    };
    // Rust's parser takes a sign, XML none.
    let digits = Some(digits).filter(|digits| !digits.starts_with('+'))?;
    let code = u32::from_str_radix(digits, radix).ok()?;
    char::from_u32(code).filter(|c| *c != '\0').map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        // Any text that is written reads back the same.
        for text in ["", "a<b>&\"c'", "ü €", " \t\n\r x ", "\u{1}\u{1f}", "]]>", "&amp;"] {
            let mut xml = Xml::s3("R");
            xml.text("K", text);
            xml.close("R");
            let read = Element::parse(xml.finish().as_bytes()).unwrap();
            assert_eq!((read.name.as_str(), read.child("K")), ("R", Some(text)));
        }
    }

    #[test]
    fn reading() {
        // Namespaces, comments and CDATA do not matter; order and nesting are kept.
        let document =
            br#"<?xml version="1.0"?><!-- c --><s:D xmlns:s="x"><O><Key>a&#x2F;b</Key></O>
            <O><Key><![CDATA[<c>]]></Key></O><Quiet/></s:D>"#;
        let read = Element::parse(document).unwrap();
        let keys: Vec<_> = read.children.iter().map(|o| o.child("Key")).collect();
        assert_eq!(keys, [Some("a/b"), Some("<c>"), None]);
    }

    #[test]
    fn written_again() {
        // A document that was read is written with the same elements and texts.
        let read =
            Element::parse(b"<s:A xmlns:s='x' b='c'>\n<B> &lt; </B> <C><D/></C></s:A>").unwrap();
        let again = read.document().finish();
        assert!(again.ends_with("<B> &lt; </B><C><D></D></C></A>"), "{again}");
        assert_eq!(Element::parse(again.as_bytes()).unwrap().children, read.children[..]);
    }

    #[test]
    fn refusals() {
        // What is not one well-formed document without a document type is MalformedXML.
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "<a></a><b></b>",
            "<a>&unknown;</a>",
            "<a>&#0;</a>",
            "<a>&#xd800;</a>",
            "<a>&#+65;</a>",
            "<a>&#x+41;</a>",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<!DOCTYPE a><a/>",
            "<a",
            "<a><b>1</b><b>2</b></a>",
            "<a><b>1</b><c/><s:b/></a>",
            "<a><b><c>1</c><c>1</c></b></a>",
            &deep,
        ] {
            assert_eq!(
                Element::parse(bad.as_bytes()).unwrap_err().code(),
                Code::MalformedXML,
                "{bad}"
            );
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
        let many = |more| format!("<a>{}{more}</a>", "<b><c/></b>".repeat(ELEMENTS / 2));
        assert!(Element::parse(many("").as_bytes()).is_ok());
        assert!(Element::parse(many("<d/>").as_bytes()).is_err());
    }
}
