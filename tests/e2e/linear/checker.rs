//! Whether a history of one key is linearizable: whether every operation can have happened at one
//! moment between its request and its answer (Wing and Gong 1993), by a search that remembers where
//! it has been (Lowe 2017).

use std::collections::HashSet;

/// The bytes of an object, which no two writes have in common; `None` for no object.
pub(crate) type Value = Option<String>;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Get,
    /// Only whether there is an object.
    Look,
    Put(String),
    PutIfAbsent(String),
    /// The bytes that the client has seen, and the new ones.
    PutIfMatch(String, String),
    Delete,
    DeleteIfMatch(String),
    /// The length at which these bytes belong.
    Append(usize, String),
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// Of a GET.
    Read(Value),
    Present(bool),
    /// The condition did not hold, since there was another object or, for a length, another length.
    Refused,
    /// There was no object to hold against a condition.
    Missing,
    /// Nothing was changed, for whatever reason.
    Nothing,
    /// None, or an error: nobody knows what was done, or will be.
    Unknown,
}

/// One operation, with the moments of its request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) action: Action,
    pub(crate) answer: Answer,
}

/// Whether there is an order; `first` is what was there before all.
pub(crate) fn is_linearizable(first: Value, events: &[Event]) -> bool {
    // What may have been done or not can have any place, and so costs most: first without those
    // that nobody has seen.
    let seen: Vec<Event> = events.iter().filter(|event| is_seen(event, events)).cloned().collect();
    has_order(&first, seen) || has_order(&first, events.to_vec())
}

/// Whether it is known to be done, or its bytes were read.
fn is_seen(event: &Event, events: &[Event]) -> bool {
    let new = match (&event.answer, &event.action) {
        (Answer::Unknown, Action::Put(new) | Action::PutIfAbsent(new)) => new,
        (Answer::Unknown, Action::PutIfMatch(_, new) | Action::Append(_, new)) => new,
        _ => return true,
    };
    events.iter().any(
        |event| matches!(&event.answer, Answer::Read(Some(text)) if text.contains(new.as_str())),
    )
}

fn has_order(first: &Value, mut events: Vec<Event>) -> bool {
    for event in events.iter_mut().filter(|event| event.answer == Answer::Unknown) {
        event.answered = u64::MAX;
    }
    events.sort_by_key(|event| event.asked);
    let mut search = Search { events: &events, been: HashSet::new() };
    search.go_on(&mut vec![false; events.len()], 0, first)
}

struct Search<'e> {
    events: &'e [Event],
    /// Which events were done, and what was there then.
    been: HashSet<(Vec<bool>, Value)>,
}

impl Search<'_> {
    /// Whether the events that are not `done` can follow; all before `start` are.
    fn go_on(&mut self, done: &mut Vec<bool>, start: usize, value: &Value) -> bool {
        let mut start = start;
        while done.get(start) == Some(&true) {
            start += 1;
        }
        let known = |(event, done): (&Event, &bool)| *done || event.answer == Answer::Unknown;
        if self.events.iter().zip(done.iter()).skip(start).all(known) {
            return true;
        }
        if !self.been.insert((done[start..].to_vec(), value.clone())) {
            return false;
        }
        // Whoever asked after somebody else was answered comes after him.
        let mut latest = u64::MAX;
        for at in start..self.events.len() {
            let event = &self.events[at];
            if event.asked > latest {
                break;
            }
            if done[at] {
                continue;
            }
            latest = latest.min(event.answered);
            if let Some(next) = happen(&event.action, &event.answer, value) {
                done[at] = true;
                if self.go_on(done, start, &next) {
                    return true;
                }
                done[at] = false;
            }
        }
        false
    }
}

/// What is there after an operation that was answered so; `None` if it cannot have been.
fn happen(action: &Action, answer: &Answer, value: &Value) -> Option<Value> {
    let same = |fits: bool| fits.then(|| value.clone());
    let full = |text: &String| Some(Some(text.clone()));
    // What it does if it does anything.
    let (holds, effect) = match action {
        Action::Get => return same(*answer == Answer::Read(value.clone())),
        Action::Look => return same(*answer == Answer::Present(value.is_some())),
        Action::Put(new) => (true, full(new)),
        Action::PutIfAbsent(new) => (value.is_none(), full(new)),
        Action::PutIfMatch(old, new) => (value.as_ref() == Some(old), full(new)),
        Action::Delete => (true, Some(None)),
        Action::DeleteIfMatch(old) => (value.as_ref() == Some(old), Some(None)),
        Action::Append(at, more) => {
            let old = value.clone().unwrap_or_default();
            (old.len() == *at, Some(Some(old + more)))
        }
    };
    let against_tag = matches!(action, Action::PutIfMatch(..) | Action::DeleteIfMatch(_));
    let is_missing = against_tag && value.is_none();
    match answer {
        Answer::Done | Answer::Unknown => effect.filter(|_| holds),
        Answer::Refused => same(!holds && !is_missing),
        Answer::Missing => same(is_missing),
        Answer::Nothing => same(true),
        Answer::Read(_) | Answer::Present(_) => None,
    }
}
