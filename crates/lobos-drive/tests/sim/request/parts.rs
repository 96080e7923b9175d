//! The requests for uploads in parts.

use std::fmt::Write;

use lobos_proto::digest::{Algorithm, digest};

use super::{
    Condition, Content, Draft, Fate, Framing, Kind, Plan, any_key, condition, encoded,
    finish_bodiless, finish_body, finish_upload,
};
use crate::rng::Rng;
use crate::store::BUCKET;

/// The largest part.
const PART: usize = 900;

/// The numbers of parts.
pub(crate) const NUMBERS: [u32; 4] = [1, 2, 3, 10_000];

/// A request for an upload in parts.
#[derive(Clone, Debug)]
pub(crate) struct Multipart {
    pub(crate) key: &'static str,
    /// The name of the upload, without what this request has put behind it.
    pub(crate) upload: String,
    pub(crate) step: Step,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Begin,
    Part { number: u32, content: Content },
    Copy { number: u32, source: &'static str, first: usize, last: usize },
    Complete { parts: Vec<(u32, String)>, condition: Option<Condition> },
    Abort,
    List { after: u32, most: usize },
}

/// An upload that is, or was, under way.
pub(crate) struct Known {
    pub(crate) key: &'static str,
    pub(crate) name: String,
    /// Its parts in order, with their tags.
    pub(crate) parts: Vec<(u32, String)>,
    pub(crate) over: bool,
}

/// The tag of a part.
pub(crate) fn tag(content: &[u8]) -> String {
    digest(Algorithm::Md5, content).to_hex()
}

/// Any request. Most are for uploads that are under way, of this client or another.
pub(crate) fn any(id: u32, known: &super::Known, rng: &mut Rng) -> Plan {
    let over = rng.chance(8);
    let uploads: Vec<_> = known.uploads.iter().filter(|upload| upload.over == over).collect();
    if uploads.is_empty() && !over {
        return begin(id, rng);
    }
    let none = Known { key: any_key(rng), name: "0-0".into(), parts: Vec::new(), over: true };
    let upload = if uploads.is_empty() { &none } else { rng.pick(&uploads) };
    // What is put to the wrong key is put to no upload.
    let key = if rng.chance(3) { any_key(rng) } else { upload.key };
    let made = upload.parts.len();
    match rng.between(0, 99) {
        0..=2 => begin(id, rng),
        3..=40 => part(id, key, upload, rng),
        41..=50 => copy(id, key, upload, rng),
        51..=60 => list(id, key, upload, rng),
        61..=64 => {
            let draft = Draft::new("DELETE", key, &query(upload, id, ""), rng);
            finish_bodiless(draft, id, kind(key, upload, Step::Abort), Fate::Fine, rng)
        }
        _ if made < 2 && rng.chance(50) => part(id, key, upload, rng),
        _ => complete(id, key, upload, known, rng),
    }
}

fn kind(key: &'static str, upload: &Known, step: Step) -> Kind {
    Kind::Multipart(Multipart { key, upload: upload.name.clone(), step })
}

/// The number of the request stands behind the name of the upload, which is as it was sent.
fn query(upload: &Known, id: u32, more: &str) -> String {
    format!("?uploadId={}%2F{id}{more}", upload.name)
}

fn begin(id: u32, rng: &mut Rng) -> Plan {
    let key = any_key(rng);
    let mut draft = Draft::new("POST", key, "?uploads", rng);
    draft.line("x-amz-meta-id", &id.to_string());
    let flaws = [("x-amz-checksum-type", "FULL_OBJECT"), ("Origin", "https://page.example")];
    let flaw = rng.chance(8).then(|| rng.pick(&flaws));
    flaw.iter().for_each(|(name, value)| draft.line(name, value));
    let fate = if flaw.is_some() { Fate::Refused } else { Fate::Fine };
    let begun = Multipart { key, upload: String::new(), step: Step::Begin };
    finish_bodiless(draft, id, Kind::Multipart(begun), fate, rng)
}

fn part(id: u32, key: &'static str, upload: &Known, rng: &mut Rng) -> Plan {
    let number = rng.pick(&NUMBERS);
    let flaw = rng.chance(4).then(|| rng.pick(&["0", "10001", "1x", "-1", ""]));
    let named = flaw.map_or_else(|| number.to_string(), str::to_owned);
    let query = query(upload, id, &format!("&partNumber={named}"));
    let draft = Draft::new("PUT", key, &query, rng);
    let fate = if flaw.is_some() { Fate::Refused } else { Fate::Fine };
    let kind = |content| kind(key, upload, Step::Part { number, content });
    finish_upload(draft, id, PART, fate, kind, rng)
}

fn copy(id: u32, key: &'static str, upload: &Known, rng: &mut Rng) -> Plan {
    let (number, source) = (rng.pick(&NUMBERS), any_key(rng));
    let query = query(upload, id, &format!("&partNumber={number}"));
    let mut draft = Draft::new("PUT", key, &query, rng);
    draft.line("x-amz-copy-source", &format!("/{BUCKET}/{}", encoded(source)));
    // Copies of copies are not to grow without an end.
    let first = rng.pick(&[0, 1, 100]);
    let largest = rng.pick(&[10, 300, PART]);
    let last = first + rng.between(0, largest - 1);
    draft.line("x-amz-copy-source-range", &format!("bytes={first}-{last}"));
    let kind = kind(key, upload, Step::Copy { number, source, first, last });
    finish_bodiless(draft, id, kind, Fate::Fine, rng)
}

fn list(id: u32, key: &'static str, upload: &Known, rng: &mut Rng) -> Plan {
    let (after, most) = (rng.pick(&[0, 0, 1, 3]), rng.pick(&[1, 2, 1000]));
    let query = query(upload, id, &format!("&max-parts={most}&part-number-marker={after}"));
    let draft = Draft::new("GET", key, &query, rng);
    finish_bodiless(draft, id, kind(key, upload, Step::List { after, most }), Fate::Fine, rng)
}

fn complete(
    id: u32,
    key: &'static str,
    upload: &Known,
    known: &super::Known,
    rng: &mut Rng,
) -> Plan {
    let mut parts = upload.parts.clone();
    if rng.chance(20) && parts.len() > 1 {
        parts.remove(rng.between(0, parts.len() - 1));
    }
    let mut fate = Fate::Fine;
    let flaw = rng.between(0, 30);
    match flaw {
        0 => parts.reverse(),
        1 => parts.push((NUMBERS[1], tag(b"nobody's"))),
        2 => parts.push((9999, tag(b""))),
        3 => parts.extend(parts.first().cloned()),
        4 => parts.iter_mut().for_each(|(_, tag)| tag.make_ascii_uppercase()),
        5 => parts.iter_mut().for_each(|(number, _)| *number = 10_001 - *number),
        _ => {}
    }
    if rng.chance(3) && parts.len() > 1 {
        // Each with the tag of the other.
        let (a, b) = parts.split_at_mut(1);
        std::mem::swap(&mut a[0].1, &mut b[0].1);
    }
    let mut xml = String::from("<CompleteMultipartUpload>");
    for (number, tag) in &parts {
        let quote = rng.pick(&["", "\"", "&quot;"]);
        let tag = format!("<ETag>{quote}{tag}{quote}</ETag>");
        let _ = write!(xml, "<Part><PartNumber>{number}</PartNumber>{tag}</Part>");
    }
    xml.push_str(if flaw == 6 { "</Complete>" } else { "</CompleteMultipartUpload>" });
    if flaw == 6 || parts.is_empty() {
        fate = Fate::Refused;
    }
    let mut draft = Draft::new("POST", key, &query(upload, id, ""), rng);
    let condition = condition(&mut draft, key, known, rng);
    draft.expects = rng.chance(20);
    let framing = Framing::beside(xml.into_bytes(), rng);
    if fate == Fate::Fine || framing.fate == Fate::Broken {
        fate = framing.fate;
    }
    let kind = kind(key, upload, Step::Complete { parts, condition });
    finish_body(draft, framing, id, kind, fate)
}
