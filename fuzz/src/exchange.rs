//! One request without a store: what becomes of its bytes until the store would have to answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lobos_proto::{
    Code, Config, Connection, Error, Expected, Outcome, Request, Response, Sink, Source, Step,
    Store,
};

use crate::answer;
use crate::support::after;
use crate::support::dice::Dice;

/// What became of a request.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What the store is asked for.
    pub(crate) request: Option<Request>,
    /// What the sink of an upload gets.
    pub(crate) body: Vec<u8>,
    /// The upload is whole; what was promised about it.
    pub(crate) committed: Option<Expected>,
    /// What is answered without the store.
    pub(crate) answer: Vec<u8>,
    /// Bytes that were used until then.
    pub(crate) used: usize,
}

/// Holds two runs of the same bytes against each other. Which bytes of an upload came before it
/// was refused may differ.
pub(crate) fn assert_alike(whole: &Seen, cut: &Seen, cuts: &[usize]) {
    let shown = |seen: &Seen| format!("{:?} {:?}", seen.request, seen.committed);
    assert_eq!(shown(whole), shown(cut), "cut at {cuts:?}");
    let text = |seen: &Seen| String::from_utf8_lossy(&seen.answer).into_owned();
    assert_eq!(text(whole), text(cut), "cut at {cuts:?}");
    if whole.committed.is_some() {
        assert_eq!((&whole.body, whole.used), (&cut.body, cut.used), "cut at {cuts:?}");
    }
}

/// The request in one piece; what is answered without the store is an answer.
pub(crate) fn whole(config: &Arc<Config>, input: &[u8]) -> Seen {
    let seen = exchange(config, &[input], None);
    if !seen.answer.is_empty() {
        answer::check(&seen.answer);
    }
    seen
}

/// The request in one piece, in single bytes and in two other ways: all the same.
pub(crate) fn any_cut(config: &Arc<Config>, input: &[u8]) -> Seen {
    let seen = whole(config, input);
    // What `Expect` is answered depends on what has arrived.
    if input.windows(6).any(|w| w.eq_ignore_ascii_case(b"expect")) {
        return seen;
    }
    if input.len() <= 2048 {
        let singles: Vec<&[u8]> = input.chunks(1).collect();
        assert_alike(&seen, &exchange(config, &singles, None), &[]);
    }
    let mut dice = Dice::new(crate::input::hash(input));
    for most in [1, 6] {
        let cuts = dice.cuts(input.len(), most);
        let mut start = 0;
        let ends = cuts.iter().copied().chain([input.len()]);
        let pieces: Vec<&[u8]> =
            ends.map(|end| &input[std::mem::replace(&mut start, end)..end]).collect();
        assert_alike(&seen, &exchange(config, &pieces, None), &cuts);
    }
    seen
}

/// The request in one piece, to a bucket with these CORS rules.
pub(crate) fn with_rules(config: &Arc<Config>, input: &[u8], rules: &str) -> Seen {
    exchange(config, &[input], Some(rules))
}

/// Whether a page of another origin may come in.
fn asks_for_rules(request: &Request) -> bool {
    matches!(request, Request::GetBucketConfiguration(get) if get.kind.name() == "cors")
}

fn exchange(config: &Arc<Config>, pieces: &[&[u8]], rules: Option<&str>) -> Seen {
    let now = after(Duration::ZERO);
    // All begin with the same request id.
    config.connections.store(0, Ordering::Relaxed);
    let mut connection = Connection::new(Arc::clone(config), now);
    let mut pieces = pieces.iter();
    let (mut buffer, mut seen) = (Vec::new(), Seen::default());
    let mut ended = false;
    for _ in 0..100_000 {
        let (used, step) = connection.step(&buffer, now);
        assert!(used <= buffer.len(), "used {used} of {} bytes", buffer.len());
        seen.used += used;
        match step {
            Step::Read { .. } => match pieces.next() {
                Some(piece) => {
                    buffer.drain(..used);
                    buffer.extend_from_slice(piece);
                    continue;
                }
                None => {
                    assert!(!std::mem::replace(&mut ended, true), "it reads beyond the end");
                    connection.peer_closed();
                }
            },
            Step::Write => {
                let transmit = connection.transmit();
                assert!(!transmit.head.is_empty() && transmit.body.is_empty(), "no answer");
                let head = transmit.head.to_vec();
                connection.sent(head.len() as u64, now);
                if !head.starts_with(b"HTTP/1.1 100 ") {
                    seen.answer = head;
                    return seen;
                }
            }
            Step::Call(request) if asks_for_rules(&request) => {
                let rules = rules.map(|rules| Response::GetBucketConfiguration(rules.to_owned()));
                let none = || Error::new(Code::NoSuchCORSConfiguration);
                connection.answer(rules.ok_or_else(none), now);
            }
            Step::Call(request) => {
                let upload = matches!(*request, Request::PutObject(_) | Request::UploadPart(_));
                seen.request = Some(*request);
                if !upload {
                    return seen;
                }
                connection.ready(now);
            }
            Step::Body(bytes) => {
                let here = buffer[..used].as_ptr_range().end;
                assert!(!bytes.is_empty() && bytes.as_ptr_range().end == here, "other bytes");
                seen.body.extend_from_slice(bytes);
            }
            Step::Held(bytes) => seen.body.extend(bytes),
            Step::Commit(expected) => {
                seen.committed = Some(*expected);
                return seen;
            }
            Step::HalfClose => {}
            Step::Close => return seen,
        }
        buffer.drain(..used);
    }
    panic!("it goes round in circles");
}

/// One request to a store; its answer, if it is not cut short.
pub(crate) fn serve(config: &Arc<Config>, store: &dyn Store, input: &[u8]) -> Option<Vec<u8>> {
    let now = after(Duration::ZERO);
    let mut connection = Connection::new(Arc::clone(config), now);
    let (mut buffer, mut answer) = (input.to_vec(), Vec::new());
    let (mut sink, mut source): (Option<Box<dyn Sink>>, Option<Box<dyn Source>>) = (None, None);
    loop {
        let (used, step) = connection.step(&buffer, now);
        match step {
            Step::Read { .. } | Step::Close => return Some(answer),
            Step::Write => {
                let transmit = connection.transmit();
                answer.extend_from_slice(transmit.head);
                let mut at = transmit.body.start;
                // More than this is a hole, of which one piece is like the other.
                while at < transmit.body.end.min(transmit.body.start + 100_000) {
                    let mut bytes = [0; 4096];
                    match source.as_ref()?.read_at(&mut bytes, at) {
                        Ok(0) | Err(_) => return None,
                        Ok(count) => at += count as u64,
                    }
                }
                let all = transmit.head.len() as u64 + (transmit.body.end - transmit.body.start);
                connection.sent(all, now);
            }
            Step::Call(request) => match store.call(*request) {
                Ok(Outcome::Done(response)) => connection.answer(Ok(response), now),
                Ok(Outcome::Send(response, found)) => {
                    source = Some(found);
                    connection.answer(Ok(response), now);
                }
                Ok(Outcome::Receive(opened)) => {
                    sink = Some(opened);
                    connection.ready(now);
                }
                Err(error) => connection.answer(Err(error), now),
            },
            Step::Body(bytes) => {
                if let Err(error) = sink.as_mut()?.append(bytes) {
                    connection.answer(Err(error), now);
                }
            }
            Step::Held(_) | Step::HalfClose => {}
            Step::Commit(expected) => {
                let result = sink.take()?.commit(&expected);
                connection.answer(result, now);
            }
        }
        buffer.drain(..used);
    }
}
