//! Holds what clients see against the log of the store: every answer must have been true at some
//! moment between its request and itself, in the order of its connection.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::{Client, Sent};
use crate::request::{Condition, Fate, Kind, MAX_KEYS, Plan};
use crate::response::Answer;
use crate::store::{Change, State, Version, What};

#[path = "check/parts.rs"]
mod parts;

/// How a request was sent and answered.
pub(crate) struct Situation {
    pub(crate) owner: usize,
    /// The last change that must be seen.
    pub(crate) low: u64,
    /// All bytes of the request are out.
    pub(crate) all_sent: bool,
    /// It waits for `100 Continue` with its body.
    pub(crate) unsent_body: bool,
    /// The client has ended or stalled.
    pub(crate) cut: bool,
    pub(crate) stopping: bool,
    /// 5xx answers before.
    pub(crate) failures: usize,
}

/// Checks one answer; gives the first change at which it can have been true.
pub(crate) fn answer(state: &State, plan: &Plan, answer: &Answer, at: &Situation) -> u64 {
    let status = answer.status;
    let context = format!("#{} {} {:?} -> {status}", at.owner, plan.id, plan.kind);
    check_closing(plan, answer, at, &context);
    if plan.fate == Fate::Fine && matches!(status, 500 | 507) {
        let failures = state.accounts[at.owner].failures;
        assert!(failures > at.failures, "{context}: nothing has failed");
        return at.low;
    }
    if plan.fate != Fate::Fine || matches!(plan.kind, Kind::Other) {
        assert!(status >= 400, "{context}: it should have been refused");
        return at.low;
    }
    if status == 400 && !parts::is_refusal(plan, answer) {
        assert!(at.cut && !at.all_sent, "{context}: {}", String::from_utf8_lossy(&answer.body));
        return at.low;
    }
    let moments = at.low..=state.last();
    let found = match &plan.kind {
        Kind::Put { key, content, condition } => if status == 200 {
            put(state, plan, answer, at, &context)
        } else {
            first(moments, |n| {
                refused(status, condition.as_ref(), state.object(key, n).map(AsRef::as_ref))
            })
        }
        .inspect(|_| assert!(at.all_sent || status != 200 || content.0.is_empty(), "{context}")),
        Kind::Get { key, range, unless } => first(moments, |n| {
            let object = state.object(key, n).map(AsRef::as_ref);
            get(answer, object, *range, unless.as_deref())
        }),
        Kind::Head { key } => first(moments, |n| match state.object(key, n) {
            Some(version) => {
                let length = answer.header("content-length");
                status == 200
                    && answer.tag() == Some(version.etag.as_str())
                    && length == Some(version.data.len().to_string().as_str())
            }
            None => status == 404,
        }),
        Kind::Delete { key } => {
            assert_eq!(status, 204, "{context}");
            first(moments, |n| state.object(key, n).is_none())
        }
        Kind::DeleteMany { keys, quiet } => {
            assert_eq!(status, 200, "{context}");
            let named = answer.elements("Key");
            let expected: Vec<_> = if *quiet { Vec::new() } else { keys.clone() };
            assert_eq!(named, expected, "{context}");
            let gone = |key: &&str| first(moments.clone(), |n| state.object(key, n).is_none());
            keys.iter().map(gone).try_fold(at.low, |low, found| found.map(|n| n.max(low)))
        }
        Kind::List { prefix, after, most } => {
            assert_eq!(status, 200, "{context}");
            first(moments, |n| list(state, answer, n, (prefix, after, MAX_KEYS.min(*most))))
        }
        Kind::Multipart(of) => parts::answer(state, (plan.id, of), answer, at, &context),
        Kind::Other => Some(at.low),
    };
    found.unwrap_or_else(|| panic!("{context}: never true since change {}", at.low))
}

/// Whether the connection may, or must, stay.
fn check_closing(plan: &Plan, answer: &Answer, at: &Situation, context: &str) {
    let closes = answer.closes();
    let done = answer.status < 400 && plan.fate == Fate::Fine;
    let small = matches!(plan.kind, Kind::Head { .. } | Kind::List { .. });
    let small = small || plan.kind.means_no_body();
    if (done || small) && !plan.may_close && !at.cut && !at.stopping {
        assert!(!closes, "{context}: closes for no reason");
    }
    let broken = plan.fate == Fate::Broken && matches!(plan.kind, Kind::Other);
    if plan.closes || broken || at.unsent_body {
        assert!(closes, "{context}: the connection stays");
    }
}

fn first(moments: std::ops::RangeInclusive<u64>, fits: impl Fn(u64) -> bool) -> Option<u64> {
    moments.into_iter().find(|n| fits(*n))
}

fn put(state: &State, plan: &Plan, answer: &Answer, at: &Situation, context: &str) -> Option<u64> {
    let change = made(state, plan.id, at, context);
    let What::Stored(version) = &change.what else { panic!("{context}: not stored") };
    assert_eq!(answer.tag(), Some(version.etag.as_str()), "{context}");
    Some(change.number)
}

/// What a request has changed.
fn made<'s>(state: &'s State, id: u32, at: &Situation, context: &str) -> &'s Change {
    let change = state.changes.iter().find(|change| change.request == Some(id));
    let change = change.unwrap_or_else(|| panic!("{context}: nothing was done"));
    assert!(change.number > at.low, "{context}: done too early");
    change
}

/// Whether a condition fails on this object.
fn refused(status: u16, condition: Option<&Condition>, object: Option<&Version>) -> bool {
    match (condition, object) {
        (Some(Condition::Absent), Some(_)) => status == 412,
        (Some(Condition::Matches(tag)), Some(version)) => {
            status == 412 && tag.trim_matches('"') != version.etag.as_str()
        }
        (Some(Condition::Matches(_)), None) => status == 404,
        _ => false,
    }
}

fn get(
    answer: &Answer,
    object: Option<&Version>,
    range: Option<(usize, Option<usize>)>,
    unless: Option<&str>,
) -> bool {
    let Some(version) = object else { return answer.status == 404 };
    let (data, tag) = (&version.data, version.etag.as_str());
    if unless.is_some_and(|unless| unless.trim_matches('"') == tag) {
        return answer.status == 304 && answer.tag() == Some(tag);
    }
    let (status, part) = match range {
        None => (200, &data[..]),
        Some((start, _)) if start >= data.len() => return answer.status == 416,
        Some((start, last)) => {
            (206, &data[start..last.map_or(data.len(), |last| data.len().min(last + 1))])
        }
    };
    let described = range.is_none_or(|(start, _)| {
        let last = start + part.len() - 1;
        let expected = format!("bytes {start}-{last}/{}", data.len());
        answer.header("content-range") == Some(expected.as_str())
    });
    let same = answer.status == status && answer.tag() == Some(tag);
    assert!(!same || answer.body == part, "a torn object: {} bytes", answer.body.len());
    same && described
}

fn list(state: &State, answer: &Answer, moment: u64, of: (&str, &str, usize)) -> bool {
    let (prefix, after, most) = of;
    let objects = state.objects(moment);
    let wanted = |key: &&str| key.starts_with(prefix) && *key > after;
    let all: Vec<_> = objects.iter().filter(|(key, _)| wanted(key)).collect();
    let page = &all[..all.len().min(most)];
    let keys: Vec<_> = page.iter().map(|(key, _)| (**key).to_owned()).collect();
    let tags: Vec<_> = page.iter().map(|(_, version)| version.etag.to_string()).collect();
    let sizes: Vec<_> = page.iter().map(|(_, version)| version.data.len().to_string()).collect();
    let truncated = (all.len() > most).to_string();
    answer.elements("Key") == keys
        && answer.elements("ETag") == tags
        && answer.elements("Size") == sizes
        && answer.elements("IsTruncated") == [truncated]
}

/// Checks the whole log after the end: every change was asked for, once, and in full.
pub(crate) fn log(state: &State, clients: &[Client]) {
    assert!(state.violations.is_empty(), "{:?}", state.violations);
    for (owner, account) in state.accounts.iter().enumerate() {
        assert_eq!((account.sinks, account.sources), (0, 0), "#{owner} left something open");
    }
    let mut done = BTreeSet::new();
    let mut deletions: BTreeMap<(usize, &str), usize> = BTreeMap::new();
    for change in &state.changes {
        let Some(owner) = change.owner else { continue };
        let client = &clients[owner];
        if matches!(change.what, What::Deleted) {
            *deletions.entry((owner, change.key.as_str())).or_default() += 1;
            continue;
        }
        let sent = client.sent.iter().find(|sent| Some(sent.plan.id) == change.request);
        let sent = sent.unwrap_or_else(|| panic!("#{owner}: a change of nobody"));
        let id = sent.plan.id;
        let taken = |status| matches!(status, 200 | 204);
        assert!(sent.status.is_none_or(taken), "{id} is done, though refused");
        assert!(!state.failed.contains(&id), "{id} has failed");
        assert!(client.has_sent(sent), "{id} is done though it was cut or wrong");
        assert!(done.insert(id), "{id} is done twice");
        match &sent.plan.kind {
            Kind::Put { .. } => check_upload(state, sent, change),
            Kind::Multipart(of) => parts::change(state, (id, of), change),
            _ => panic!("{id} changes nothing"),
        }
    }
    for ((owner, key), count) in deletions {
        let client = &clients[owner];
        let asked = client.sent.iter().filter(|sent| {
            let done = sent.status.is_none_or(|status| status < 400);
            let asks = match &sent.plan.kind {
                Kind::Delete { key: own } => *own == key,
                Kind::DeleteMany { keys, .. } => keys.contains(&key),
                _ => false,
            };
            asks && done && client.has_sent(sent)
        });
        assert!(asked.count() >= count, "#{owner}: {key} was deleted unasked");
    }
}

fn check_upload(state: &State, sent: &Sent, change: &Change) {
    let id = sent.plan.id;
    let (Kind::Put { key, content, condition }, What::Stored(version)) =
        (&sent.plan.kind, &change.what)
    else {
        panic!("{id} is no upload");
    };
    assert_eq!(*key, change.key, "{id}");
    assert!(*version.data == content.0[..], "{id} is stored with other bytes");
    check_condition(state, condition.as_ref(), change, id);
}

/// Whether the condition of a write held when it was done.
fn check_condition(state: &State, condition: Option<&Condition>, change: &Change, id: u32) {
    let before = state.object(&change.key, change.number - 1);
    let held = match condition {
        None => true,
        Some(Condition::Absent) => before.is_none(),
        Some(Condition::Matches(tag)) => {
            before.is_some_and(|v| v.etag.as_str() == tag.trim_matches('"'))
        }
    };
    assert!(held, "{id} is stored against its condition");
}
