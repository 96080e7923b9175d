//! A session without a socket: what comes in, what goes out, and what the store sees.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;

use lobos_drive::{Buffer, Done, Job, Need, Phase, Session, SystemClock};
use lobos_proto::{Clock, Code, Error, Now};
use support::store::Memory;

const CAPACITY: usize = 70 << 10;

fn now() -> Now {
    SystemClock.now()
}

fn session(store: &Memory) -> Session {
    let mut session = Session::new(Arc::default(), Arc::new(store.clone()), now());
    session.lend(Buffer::with_capacity(CAPACITY));
    session
}

fn feed(session: &mut Session, bytes: &[u8]) {
    session.space()[..bytes.len()].copy_from_slice(bytes);
    session.received(bytes.len(), now());
}

/// Goes on until it waits for bytes or closes, and says what it wrote.
fn run(session: &mut Session) -> (Vec<u8>, bool) {
    let mut written = Vec::new();
    loop {
        match session.next(now()) {
            Need::Read { .. } => return (written, true),
            Need::Close => return (written, false),
            Need::HalfClose => {}
            Need::Work(job) => session.done(job.run(), now()),
            Need::Write => {
                let output = session.transmit();
                written.extend_from_slice(output.head);
                let mut body =
                    vec![0; usize::try_from(output.body.end - output.body.start).unwrap()];
                let mut done = 0;
                while done < body.len() {
                    let offset = output.body.start + done as u64;
                    done += output.source.unwrap().read_at(&mut body[done..], offset).unwrap();
                }
                let count = (output.head.len() + body.len()) as u64;
                written.extend(body);
                session.sent(count, now());
            }
        }
    }
}

/// The job that comes next.
fn job(session: &mut Session) -> Job {
    match session.next(now()) {
        Need::Work(job) => job,
        _ => panic!("no job"),
    }
}

fn put(key: &str, size: usize) -> Vec<u8> {
    let length = format!("Content-Length: {size}\r\n");
    support::client::request("PUT", &format!("/b/{key}"), &length).into_bytes()
}

#[test]
fn small() {
    // A connection costs a few hundred bytes.
    let size = size_of::<Session>();
    assert!(size <= 768, "{size}");
}

#[test]
fn conversation() {
    // What is put is there, and what is got is what was put, with other requests behind it.
    let store = Memory::default();
    let mut session = session(&store);
    let mut bytes = put("k", 5);
    bytes.extend(b"hello");
    bytes.extend(support::client::request("GET", "/b/k", "").bytes());
    feed(&mut session, &bytes);
    let (written, open) = run(&mut session);
    let text = String::from_utf8_lossy(&written);
    assert!(open && text.starts_with("HTTP/1.1 200 ") && text.ends_with("\r\n\r\nhello"), "{text}");
    assert_eq!(store.get("b/k"), Some(b"hello".to_vec()));
    assert!(session.transmit().source.is_none(), "no open file stays");
}

#[test]
fn lending() {
    // A buffer that is taken back at any moment takes no byte along.
    let store = Memory::default();
    let mut session = session(&store);
    let mut bytes = put("k", 10);
    bytes.extend(b"0123456789");
    for byte in &bytes {
        feed(&mut session, &[*byte]);
        run(&mut session);
        assert_eq!(session.reclaim().capacity(), CAPACITY);
        assert!(!session.is_lent() && session.reclaim().capacity() == 0);
        session.lend(Buffer::with_capacity(CAPACITY));
    }
    assert_eq!(store.get("b/k"), Some(b"0123456789".to_vec()));
}

#[test]
fn buffer_with_a_job() {
    // While a job has the buffer there is none to take back; then it is the same one again.
    let store = Memory::default();
    let mut session = session(&store);
    let mut bytes = put("k", 4);
    bytes.extend(b"datarest");
    feed(&mut session, &bytes);
    let opened = job(&mut session).run();
    session.done(opened, now());
    let append = job(&mut session);
    let Job::Append(_, buffer, range) = &append else { panic!("no append") };
    assert_eq!(&buffer.bytes()[range.clone()], b"data");
    assert!(session.is_busy() && session.is_receiving() && session.deadline().is_none());
    assert_eq!((session.is_lent(), session.reclaim().capacity()), (false, 0));
    session.done(append.run(), now());
    assert_eq!((session.is_lent(), session.reclaim().capacity()), (true, CAPACITY));
}

#[test]
fn held_bytes() {
    // What looked like the end of a form's file goes to the sink as soon as it is known to be
    // content; an upload is half here meanwhile.
    let store = Memory::default();
    let mut session = session(&store);
    let head = "Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n";
    feed(&mut session, support::client::request("POST", "/b", head).as_bytes());
    let disposition = "--x\r\nContent-Disposition: form-data; name=";
    let fields = format!("{disposition}key\r\n\r\nk\r\n{disposition}file\r\n\r\nab\r\n--");
    feed(&mut session, format!("{:x}\r\n{fields}\r\n", fields.len()).as_bytes());
    run(&mut session);
    feed(&mut session, b"3\r\nc\r\n\r\n5\r\n--x--\r\n0\r\n\r\n");
    let held = job(&mut session);
    assert!(matches!(&held, Job::Held(_, bytes) if bytes == b"\r\n--") && !held.is_heavy());
    assert!(session.is_busy() && session.is_receiving() && session.is_lent());
    session.done(held.run(), now());
    let (written, _) = run(&mut session);
    assert!(written.starts_with(b"HTTP/1.1 204 "), "{}", String::from_utf8_lossy(&written));
    assert_eq!(store.get("b/k"), Some(b"ab\r\n--c".to_vec()));
}

#[test]
fn refused_append() {
    // A sink that refuses bytes is dropped before the refusal is written.
    let store = Memory::default();
    let mut session = session(&store);
    feed(&mut session, &put("k", 1000));
    feed(&mut session, b"some");
    let opened = job(&mut session).run();
    session.done(opened, now());
    let Job::Append(sink, buffer, _) = job(&mut session) else { panic!("no append") };
    let full = Err(Error::new(Code::StorageFull));
    session.done(Done::Appended(sink, buffer, full), now());
    assert_eq!(store.open_uploads(), 0);
    let (written, _) = run(&mut session);
    assert!(written.starts_with(b"HTTP/1.1 507 "));
}

#[test]
fn refusal_of_the_core() {
    // An upload that the core gives up leaves nothing open while the client reads why.
    let store = Memory::default();
    let mut session = session(&store);
    let head = support::client::request("PUT", "/b/k", "Transfer-Encoding: chunked\r\n");
    feed(&mut session, head.as_bytes());
    feed(&mut session, b"4\r\ndata\r\nnonsense\r\n");
    loop {
        match session.next(now()) {
            Need::Work(job) => session.done(job.run(), now()),
            Need::Write => break,
            _ => panic!("neither work nor an answer"),
        }
    }
    assert!(session.transmit().head.starts_with(b"HTTP/1.1 400 "));
    assert_eq!(store.open_uploads(), 0);
}

#[test]
fn abort_while_a_job_is_out() {
    // What a late job brings back to an aborted session is dropped, and it closes.
    let store = Memory::default();
    for steps in 0..3 {
        let mut session = session(&store);
        feed(&mut session, &put("k", 4));
        feed(&mut session, b"data");
        for _ in 0..steps {
            let done = job(&mut session).run();
            session.done(done, now());
        }
        let late = job(&mut session);
        session.abort();
        session.done(late.run(), now());
        assert!(matches!(session.next(now()), Need::Close));
        assert_eq!(store.open_uploads(), 0, "{steps}");
    }
}

#[test]
fn vanished_client() {
    // A body that ends early is stored nowhere.
    let store = Memory::default();
    let mut session = session(&store);
    feed(&mut session, &put("k", 10));
    feed(&mut session, b"half");
    run(&mut session);
    session.peer_closed(now());
    let (written, open) = run(&mut session);
    assert!(!open && written.starts_with(b"HTTP/1.1 400 "));
    assert_eq!((store.open_uploads(), store.get("b/k")), (0, None));
}

#[test]
fn stopping() {
    // An idle session closes when the server stops; an upload may finish until it is too late,
    // also one that is only being opened then.
    let store = Memory::default();
    let mut idle = session(&store);
    idle.stop(Phase::Running);
    assert!(matches!(idle.next(now()), Need::Read { .. }));
    idle.stop(Phase::Finishing);
    assert!(matches!(idle.next(now()), Need::Close));

    let mut upload = session(&store);
    feed(&mut upload, &put("k", 4));
    let (_, open) = run(&mut upload);
    upload.stop(Phase::Finishing);
    assert!(open && matches!(upload.next(now()), Need::Read { expect: 4 }));
    feed(&mut upload, b"data");
    let (written, open) = run(&mut upload);
    assert!(open && written.starts_with(b"HTTP/1.1 200 "), "until the client has read the answer");
    upload.peer_closed(now());
    assert!(!run(&mut upload).1);

    let mut late = session(&store);
    feed(&mut late, &put("late", 4));
    let opening = job(&mut late);
    late.stop(Phase::Leaving);
    late.done(opening.run(), now());
    assert!(matches!(late.next(now()), Need::Close));
    assert_eq!((store.open_uploads(), store.get("b/late")), (0, None));
}

#[test]
fn panics_in_the_store() {
    // A store that panics answers InternalError, in every kind of job.
    let store = Memory::default();
    let mut session = session(&store);
    feed(&mut session, support::client::request("GET", "/b/panic", "").as_bytes());
    let (written, open) = run(&mut session);
    assert!(open && written.starts_with(b"HTTP/1.1 500 "));
    feed(&mut session, &put("panic-append", 4));
    feed(&mut session, b"data");
    let (written, _) = run(&mut session);
    assert!(written.starts_with(b"HTTP/1.1 500 "));
    assert_eq!(store.open_uploads(), 0);
}

#[test]
#[should_panic(expected = "a job is out")]
fn one_job_at_a_time() {
    // Nobody asks for more while a job is out.
    let mut session = session(&Memory::default());
    feed(&mut session, &put("k", 4));
    let _job = job(&mut session);
    let _ = session.next(now());
}

/// Keeps method, thread and completeness of all that has ended.
#[derive(Default)]
struct Ears(std::sync::Mutex<Vec<(String, usize, bool)>>);

impl lobos_drive::Observer for Ears {
    fn ended(&self, end: &lobos_drive::Ended<'_>) {
        let heard = (end.record.method.to_owned(), end.thread, end.record.whole);
        self.0.lock().unwrap().push(heard);
    }
}

#[test]
fn observed() {
    // An observer hears of each request once: when its answer is out, or when the session ends.
    let (store, ears) = (Memory::default(), Arc::new(Ears::default()));
    let mut session = session(&store);
    session.observe(ears.clone(), 3);
    let mut bytes = put("k", 5);
    bytes.extend(b"hello");
    bytes.extend(support::client::request("GET", "/b/k", "").bytes());
    bytes.extend(put("half", 5));
    feed(&mut session, &bytes);
    run(&mut session);
    let heard = |whole: &[(&str, bool)]| {
        let all: Vec<_> = whole.iter().map(|(m, w)| ((*m).to_owned(), 3, *w)).collect();
        assert_eq!(*ears.0.lock().unwrap(), all);
    };
    heard(&[("PUT", true), ("GET", true)]);
    drop(session);
    heard(&[("PUT", true), ("GET", true), ("PUT", false)]);
}
