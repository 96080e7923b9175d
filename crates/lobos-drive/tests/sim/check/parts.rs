//! Uploads in parts: nobody sees anything of them before they are complete, and then all of it.

use std::collections::BTreeMap;

use super::{Situation, check_condition, first, made, refused};
use crate::request::parts::{Multipart, Step, tag};
use crate::request::{Kind, MAX_KEYS, Plan};
use crate::response::Answer;
use crate::store::{Change, State, What};

/// An upload as the log has it.
struct Upload<'s> {
    key: &'s str,
    /// The last bytes of each number.
    parts: BTreeMap<u32, &'s [u8]>,
}

/// The upload of a request after change `number`, if it was under way then, at its key.
fn upload<'s>(state: &'s State, of: &Multipart, number: u64) -> Option<Upload<'s>> {
    let mut found: Option<Upload<'s>> = None;
    for change in &state.changes[..number as usize] {
        match &change.what {
            What::Begun(name) if *name == of.upload => {
                found = Some(Upload { key: &change.key, parts: BTreeMap::new() });
            }
            What::Part(name, number, part) if *name == of.upload => {
                let found = found.as_mut().expect("a part of an upload that is under way");
                found.parts.insert(*number, &part.data);
            }
            What::Completed(name, _) | What::Aborted(name) if *name == of.upload => found = None,
            _ => {}
        }
    }
    found.filter(|upload| upload.key == of.key)
}

/// The bytes of a source that a part is copied from.
fn source<'s>(state: &'s State, step: &Step, number: u64) -> Option<&'s [u8]> {
    match step {
        Step::Copy { source, .. } => state.object(source, number).map(|version| &version.data[..]),
        _ => None,
    }
}

/// What is wrong with the parts of a Complete.
fn flaw(upload: &Upload<'_>, step: &Step) -> Option<&'static str> {
    let Step::Complete { parts, .. } = step else { return None };
    let known = |(number, etag): &(u32, String)| {
        upload.parts.get(number).is_some_and(|data| tag(data) == *etag)
    };
    if !parts.is_sorted_by(|a, b| a.0 < b.0) {
        Some("InvalidPartOrder")
    } else if !parts.iter().all(known) {
        Some("InvalidPart")
    } else {
        None
    }
}

/// The code of a refusal.
fn code(answer: &Answer) -> String {
    answer.elements("Code").pop().unwrap_or_default()
}

/// Whether a 400 is for what was asked, and not for how.
pub(super) fn is_refusal(plan: &Plan, answer: &Answer) -> bool {
    let Kind::Multipart(of) = &plan.kind else { return false };
    match of.step {
        Step::Complete { .. } => code(answer).starts_with("InvalidPart"),
        Step::Copy { .. } => code(answer) == "InvalidArgument",
        _ => false,
    }
}

/// Checks one answer; gives the first change at which it can have been true.
pub(super) fn answer(
    state: &State,
    (id, of): (u32, &Multipart),
    answer: &Answer,
    at: &Situation,
    context: &str,
) -> Option<u64> {
    let moments = at.low..=state.last();
    if answer.status >= 400 {
        let code = code(answer);
        return first(moments, |n| refusal(state, of, (answer.status, &code), n));
    }
    let expected = if matches!(of.step, Step::Abort) { 204 } else { 200 };
    assert_eq!(answer.status, expected, "{context}");
    if let Step::List { after, most } = of.step {
        return first(moments, |n| {
            upload(state, of, n).is_some_and(|upload| list(&upload, of, answer, (after, most)))
        });
    }
    let empty = matches!(&of.step, Step::Part { content, .. } if content.0.is_empty());
    let bodiless = !matches!(of.step, Step::Part { .. } | Step::Complete { .. });
    assert!(at.all_sent || empty || bodiless, "{context}: before all was sent");
    let change = made(state, id, at, context);
    let named = |name, value: &str| assert_eq!(answer.elements(name), [value], "{context}");
    match (&of.step, &change.what) {
        (Step::Begin, What::Begun(name)) => {
            named("UploadId", name);
            named("Key", of.key);
        }
        (Step::Part { content, .. }, What::Part(..)) => {
            assert_eq!(answer.tag(), Some(tag(&content.0).as_str()), "{context}");
        }
        (Step::Copy { .. }, What::Part(_, _, part)) => {
            named("ETag", &format!("\"{}\"", tag(&part.data)));
        }
        (Step::Complete { .. }, What::Completed(_, version)) => {
            named("ETag", &version.etag.to_string());
            named("Key", of.key);
        }
        (Step::Abort, What::Aborted(_)) => {}
        _ => panic!("{context}: something else was done"),
    }
    Some(change.number)
}

/// Whether a refusal was right after change `n`.
fn refusal(state: &State, of: &Multipart, (status, code): (u16, &str), n: u64) -> bool {
    if matches!(of.step, Step::Begin) {
        return false;
    }
    let Some(upload) = upload(state, of, n) else { return (status, code) == (404, "NoSuchUpload") };
    match &of.step {
        Step::Complete { condition, .. } => {
            let object = state.object(of.key, n).map(AsRef::as_ref);
            let condition = refused(status, condition.as_ref(), object);
            match code {
                "PreconditionFailed" | "NoSuchKey" => condition,
                _ => status == 400 && flaw(&upload, &of.step) == Some(code),
            }
        }
        Step::Copy { last, .. } => match source(state, &of.step, n) {
            None => (status, code) == (404, "NoSuchKey"),
            Some(data) => *last >= data.len() && (status, code) == (400, "InvalidArgument"),
        },
        _ => false,
    }
}

fn list(upload: &Upload<'_>, of: &Multipart, answer: &Answer, (after, most): (u32, usize)) -> bool {
    let all: Vec<_> = upload.parts.iter().filter(|(number, _)| **number > after).collect();
    let page = &all[..all.len().min(most).min(MAX_KEYS)];
    let numbers: Vec<_> = page.iter().map(|(number, _)| number.to_string()).collect();
    let tags: Vec<_> = page.iter().map(|(_, data)| format!("\"{}\"", tag(data))).collect();
    let sizes: Vec<_> = page.iter().map(|(_, data)| data.len().to_string()).collect();
    let next = numbers.last().map_or("0", String::as_str);
    answer.elements("PartNumber") == numbers
        && answer.elements("ETag") == tags
        && answer.elements("Size") == sizes
        && answer.elements("NextPartNumberMarker") == [next]
        && answer.elements("IsTruncated") == [(page.len() < all.len()).to_string()]
        && answer.elements("Key") == [of.key]
}

/// Checks a change that a request has made: that this was asked for, and could be done.
pub(super) fn change(state: &State, (id, of): (u32, &Multipart), change: &Change) {
    assert_eq!(of.key, change.key, "{id}");
    if let (Step::Begin, What::Begun(_)) = (&of.step, &change.what) {
        return;
    }
    let before = upload(state, of, change.number - 1);
    let before = before.unwrap_or_else(|| panic!("{id} is done without its upload"));
    match (&of.step, &change.what) {
        (Step::Part { number, content }, What::Part(name, stored, part)) => {
            assert_eq!((name, stored), (&of.upload, number), "{id}");
            assert!(*part.data == content.0[..], "{id} is a part with other bytes");
        }
        (Step::Copy { number, first, last, .. }, What::Part(name, stored, part)) => {
            assert_eq!((name, stored), (&of.upload, number), "{id}");
            let bytes = source(state, &of.step, change.number - 1);
            let bytes = bytes.and_then(|bytes| bytes.get(*first..=*last));
            assert!(Some(&*part.data) == bytes, "{id} is a copy of something else");
        }
        (Step::Complete { parts, condition }, What::Completed(name, version)) => {
            assert_eq!(*name, of.upload, "{id}");
            assert_eq!(flaw(&before, &of.step), None, "{id} is complete though it cannot be");
            let bytes: Vec<u8> =
                parts.iter().flat_map(|(number, _)| before.parts[number]).copied().collect();
            assert!(*version.data == bytes[..], "{id} is complete with other bytes");
            check_condition(state, condition.as_ref(), change, id);
        }
        (Step::Abort, What::Aborted(name)) => assert_eq!(*name, of.upload, "{id}"),
        _ => panic!("{id} has done something else"),
    }
}
