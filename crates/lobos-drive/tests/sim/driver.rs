//! The fourth driver: one session on the virtual network and clock. It holds the session to its
//! contract at every step.

use std::sync::Arc;

use lobos_drive::{Buffer, Done, Job, Need, Phase, Session};
use lobos_proto::{Config, Request, Store};

use crate::client::Sent;
use crate::network::{Cut, Got, Pipe};
use crate::request::Fate;
use crate::response::Answer;
use crate::store::{Model, id_of};
use crate::timeline::{Event, MS, Micros, Timeline};

/// No connection takes more steps than this without waiting.
const STEPS: usize = 20_000;

/// What a driver works with.
pub(crate) struct Surroundings<'w> {
    pub(crate) line: &'w mut Timeline,
    pub(crate) up: &'w mut Pipe,
    pub(crate) down: &'w mut Pipe,
    /// Buffers that are lent to one connection after the other, as they are.
    pub(crate) pool: &'w mut Vec<Buffer>,
    pub(crate) capacity: usize,
    pub(crate) store: &'w Model,
    pub(crate) sent: &'w [Sent],
}

/// What a helper thread has of a connection.
#[allow(clippy::large_enum_variant, reason = "one for each connection")]
enum Work {
    Waiting(Job),
    Finished(Done),
}

/// How this driver behaves.
struct Habits {
    read: Cut,
    write: Cut,
    /// Every so many jobs of a hundred go to a helper thread.
    threads: usize,
    /// The slowest helper.
    slowest: usize,
    /// Gives buffers back while it waits.
    reclaims: bool,
}

/// The server's side of one connection.
pub(crate) struct Driver {
    id: usize,
    session: Option<Session>,
    work: Option<Work>,
    habits: Habits,
    /// Bytes that the session got.
    received: u64,
    told_end: bool,
    /// Something is being written: whether it is `100 Continue`.
    writing: Option<bool>,
    /// The answer has begun and no store was asked since.
    answering: bool,
    /// Bytes behind the head were here when the upload was announced.
    eager: bool,
    timed_out: bool,
    /// When the next `Event::Deadline` comes.
    alarm: Option<Micros>,
    /// Where the head begins that is half here, and its deadline.
    partial: Option<(u64, Micros)>,
    half_closed: bool,
    /// What is answered from now on is the last answer.
    finishing: bool,
    /// Uploads that are half here are given up.
    leaving: bool,
    /// Final answers that are out.
    pub(crate) answers: usize,
    /// So many of them were when it was told to stop.
    told_at: Option<usize>,
    /// The server has stopped before this connection was done.
    pub(crate) is_cut: bool,
}

enum Flow {
    On,
    Wait,
    Over,
}

impl Driver {
    pub(crate) fn new(
        id: usize,
        config: Arc<Config>,
        store: Arc<dyn Store>,
        line: &mut Timeline,
    ) -> Self {
        let rng = &mut line.rng;
        let habits = Habits {
            read: Cut::any(rng),
            write: Cut::any(rng),
            threads: rng.pick(&[0, 10, 50, 100]),
            slowest: rng.pick(&[1, 50, 500, 5000]),
            reclaims: rng.chance(60),
        };
        let session = Some(Session::new(config, store, line.now()));
        Self {
            id,
            session,
            work: None,
            habits,
            received: 0,
            told_end: false,
            writing: None,
            answering: false,
            eager: false,
            timed_out: false,
            alarm: None,
            partial: None,
            half_closed: false,
            finishing: false,
            leaving: false,
            answers: 0,
            told_at: None,
            is_cut: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.session.is_none() && self.work.is_none()
    }

    /// The network has something, or room.
    pub(crate) fn wake(&mut self, around: &mut Surroundings<'_>) {
        let busy = self.work.is_some();
        if busy && around.up.is_reset() && around.line.rng.chance(50) {
            // Some drivers learn of the end while a job is out: it then comes back to nobody.
            around.line.note(self.id, format_args!("server is gone before its job"));
            self.close(around);
        } else if !busy {
            self.drive(around);
        }
    }

    /// Whether it was told to stop and closed at once, since it had nothing to answer.
    pub(crate) fn closed_at_rest(&self) -> bool {
        let idle = self.writing.is_none() && self.told_at == Some(self.answers);
        self.session.is_none() && !self.half_closed && idle
    }

    /// A deadline may have passed.
    pub(crate) fn deadline(&mut self, around: &mut Surroundings<'_>) {
        if self.alarm != Some(around.line.time) {
            return;
        }
        self.alarm = None;
        let Some(session) = self.session.as_mut().filter(|_| self.work.is_none()) else { return };
        let now = around.line.now();
        if session.deadline().is_some_and(|deadline| deadline <= now.instant) {
            around.line.note(self.id, format_args!("server times out"));
            session.timed_out(now);
            self.timed_out = true;
        } else if around.line.rng.chance(50) {
            // A timer that fires early does no harm.
            session.timed_out(now);
        }
        self.drive(around);
    }

    /// The helper thread does the job now.
    pub(crate) fn run(&mut self, around: &mut Surroundings<'_>) {
        if let Some(Work::Waiting(job)) = self.work.take() {
            around.store.state().owner = self.id;
            self.work = Some(Work::Finished(job.run()));
            let later = around.line.rng.between(0, self.habits.slowest) as u64 * MS;
            around.line.at(around.line.time + later, Event::Return(self.id));
        }
    }

    /// The helper thread brings back what it has done.
    pub(crate) fn back(&mut self, around: &mut Surroundings<'_>) {
        let Some(Work::Finished(done)) = self.work.take() else { return };
        match &mut self.session {
            Some(session) => {
                session.done(done, around.line.now());
                self.drive(around);
            }
            None => drop(done),
        }
    }

    pub(crate) fn stop(&mut self, phase: Phase, around: &mut Surroundings<'_>) {
        let Some(session) = &mut self.session else { return };
        // What is half out already could not know.
        self.finishing |= self.writing != Some(false);
        self.told_at.get_or_insert(self.answers);
        self.leaving |= phase >= Phase::Leaving;
        self.is_cut |= phase == Phase::Over;
        session.stop(phase);
        if self.work.is_none() {
            self.drive(around);
        }
    }

    /// Does whatever does not have to wait.
    fn drive(&mut self, around: &mut Surroundings<'_>) {
        for _ in 0..STEPS {
            match self.step(around) {
                Flow::On => {}
                Flow::Wait => return self.wait(around),
                Flow::Over => return self.close(around),
            }
        }
        panic!("#{} makes no progress", self.id);
    }

    fn step(&mut self, around: &mut Surroundings<'_>) -> Flow {
        let Some(session) = &mut self.session else { return Flow::Wait };
        if !session.is_lent() {
            let fresh = || Buffer::with_capacity(around.capacity);
            session.lend(around.pool.pop().unwrap_or_else(fresh));
        }
        match session.next(around.line.now()) {
            Need::Read { expect } => {
                self.check_read(expect, around);
                self.read(around)
            }
            Need::Write => self.write(around),
            Need::Work(job) => {
                self.check_work(&job, around);
                let thread = job.is_heavy() || around.line.rng.chance(self.habits.threads);
                let store = around.store;
                if thread {
                    let later = around.line.rng.between(0, self.habits.slowest) as u64 * MS;
                    self.work = Some(Work::Waiting(job));
                    around.line.at(around.line.time + later, Event::Run(self.id));
                    return Flow::Wait;
                }
                store.state().owner = self.id;
                let done = job.run();
                let now = around.line.now();
                self.session.as_mut().expect("a session").done(done, now);
                Flow::On
            }
            Need::HalfClose => {
                around.line.note(self.id, format_args!("server half-closes"));
                self.check_open(0, 0, "half-close", around.store);
                around.down.end(around.line);
                self.half_closed = true;
                Flow::On
            }
            Need::Close => Flow::Over,
        }
    }

    fn read(&mut self, around: &mut Surroundings<'_>) -> Flow {
        let session = self.session.as_mut().expect("a session");
        if around.line.rng.chance(5) {
            // The same question again has the same answer.
            let again = session.next(around.line.now());
            assert!(matches!(again, Need::Read { .. }), "another need without an event");
        }
        let got = around.up.receive(session.space(), self.habits.read, around.line);
        let now = around.line.now();
        match got {
            Got::Nothing => return Flow::Wait,
            Got::Bytes(count) => {
                session.received(count, now);
                self.received += count as u64;
                self.timed_out = false;
            }
            Got::End => {
                session.peer_closed(now);
                self.told_end = true;
            }
            Got::Reset => session.abort(),
        }
        around.line.note(self.id, format_args!("server reads {got:?}"));
        Flow::On
    }

    fn write(&mut self, around: &mut Surroundings<'_>) -> Flow {
        let session = self.session.as_mut().expect("a session");
        let output = session.transmit();
        let left = output.body.end - output.body.start;
        assert!(left > 0 || !output.head.is_empty(), "nothing to write");
        let begins = self.writing.is_none();
        let interim = *self.writing.get_or_insert_with(|| Answer::begins(output.head, 100));
        if begins && !interim && self.finishing {
            let head = String::from_utf8_lossy(output.head);
            assert!(head.contains("\r\nConnection: close\r\n"), "it does not say that it stops");
        }
        let mut bytes = output.head.to_vec();
        let room = around.line.rng.pick(&[1, 64, 4096]).min(left as usize);
        let joined = bytes.is_empty() || around.line.rng.chance(50);
        let mut failed = false;
        if left > 0 && joined {
            let start = bytes.len();
            bytes.resize(start + room, b'?');
            let source = output.source.expect("a body has a source");
            let read = source.read_at(&mut bytes[start..], output.body.start);
            let count = read.unwrap_or(0);
            failed = count == 0;
            bytes.truncate(start + count);
        }
        let most = self.habits.write.of(bytes.len(), &mut around.line.rng);
        let sent = if failed { None } else { around.down.send(&bytes[..most], around.line) };
        match sent {
            Some(0) => {}
            Some(count) => session.sent(count as u64, around.line.now()),
            None => session.abort(),
        }
        around.line.note(self.id, format_args!("server writes {sent:?} of {left} and head"));
        if sent.is_some_and(|count| count > 0) {
            self.timed_out = false;
            let output = session.transmit();
            if output.head.is_empty() && output.body.is_empty() {
                self.writing = None;
                self.answers += usize::from(!interim);
            }
        }
        self.check_write(interim, around);
        if !interim {
            (self.answering, self.eager) = (true, false);
        }
        if sent == Some(0) { Flow::Wait } else { Flow::On }
    }

    /// Waits for the network, a helper or the clock.
    fn wait(&mut self, around: &mut Surroundings<'_>) {
        let Some(session) = &mut self.session else { return };
        if self.work.is_none() {
            let deadline = session.deadline().expect("whoever waits has a deadline");
            let moment = around.line.moment(deadline);
            // Of two things in one moment the alarm may be the later one.
            let due = self.alarm == Some(around.line.time);
            assert!(moment > around.line.time || due, "a deadline that has passed already");
            if self.alarm.is_none_or(|alarm| moment < alarm) {
                self.alarm = Some(moment);
                around.line.at(moment, Event::Deadline(self.id));
            }
            self.check_patience(moment, around.sent);
        }
        if self.habits.reclaims {
            let buffer = self.session.as_mut().expect("a session").reclaim();
            let whole = buffer.capacity() == around.capacity;
            assert!(buffer.bytes().is_empty() && (whole || self.work.is_some()));
            if whole {
                around.pool.push(buffer);
            }
        }
    }

    fn close(&mut self, around: &mut Surroundings<'_>) {
        around.line.note(self.id, format_args!("server closes"));
        if self.work.is_none() {
            self.check_open(0, 0, "close", around.store);
        }
        self.session = None;
        around.down.end(around.line);
        if around.up.desert() {
            around.down.break_off(around.line);
        }
    }

    /// No more than so many sinks and sources are open.
    fn check_open(&self, sinks: usize, sources: usize, when: &str, store: &Model) {
        let account = store.state().accounts[self.id];
        assert!(account.sinks <= sinks, "{when} with an upload that nobody wants");
        assert!(account.sources <= sources, "{when} with an open source");
    }

    fn check_read(&mut self, expect: u64, around: &mut Surroundings<'_>) {
        assert!(!self.told_end, "a read behind the end");
        assert!(!self.timed_out, "nothing happens at a deadline");
        self.check_open(usize::from(!self.answering), 0, "a read", around.store);
        let session = self.session.as_mut().expect("a session");
        let unread = (around.capacity - session.space().len()) as u64;
        let at = self.received;
        let request = around.sent.iter().find(|sent| sent.start <= at && at < sent.end);
        let Some(request) = request.filter(|sent| sent.plan.fate != Fate::Broken) else { return };
        let head = request.start + request.plan.head as u64;
        if at < head {
            let partial = at - request.start;
            assert!(unread == partial || unread == 0, "{unread} bytes kept, not {partial}");
            assert_eq!(expect, 0, "a head has no length");
        } else {
            assert_eq!(unread, 0, "bytes of a body are kept");
            assert!(expect <= request.end - at, "{expect} bytes expected, more than there are");
        }
    }

    /// A head has one deadline, however it dribbles in.
    fn check_patience(&mut self, moment: Micros, sent: &[Sent]) {
        let at = self.received;
        let half = |sent: &&Sent| sent.start < at && at < sent.start + sent.plan.head as u64;
        let start = sent.iter().find(half).map(|sent| sent.start);
        let first = match (self.partial, start) {
            (Some((start, first)), Some(now)) if start == now => first,
            _ => moment,
        };
        let reading = self.writing.is_none() && !self.half_closed;
        assert!(moment <= first || !reading, "a head gets more time with each byte");
        self.partial = start.filter(|_| reading).map(|start| (start, moment));
    }

    fn check_write(&self, interim: bool, around: &Surroundings<'_>) {
        let sources = usize::from(self.writing.is_some());
        self.check_open(usize::from(interim), sources, "a write", around.store);
        assert!(!(interim && self.eager), "100 Continue though the body was here");
    }

    fn check_work(&mut self, job: &Job, around: &Surroundings<'_>) {
        match job {
            Job::Call(_, request) => {
                self.check_open(0, 0, "a call", around.store);
                (self.eager, self.answering) = (false, false);
                if let Request::PutObject(_) | Request::UploadPart(_) = &**request {
                    let id = id_of(request);
                    let sent = around.sent.iter().find(|sent| Some(sent.plan.id) == id);
                    let sent = sent.expect("an upload that was sent");
                    self.eager = self.received > sent.start + sent.plan.head as u64;
                }
            }
            Job::Append(..) | Job::Held(..) | Job::Commit(..) => {
                self.check_open(1, 0, "a job", around.store);
                assert!(!self.leaving, "an upload goes on though the server leaves");
            }
            Job::Warm(..) => panic!("only a turn knows of cold bytes"),
        }
        // The final answer comes only after this.
        assert!(matches!(job, Job::Call(..)) || !self.answering, "a job behind the answer");
    }
}
