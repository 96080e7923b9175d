//! A virtual client: what it sends, when it misbehaves, and what it makes of the answers.

use std::collections::BTreeMap;

use lobos_drive::Phase;

use crate::check;
use crate::network::{Cut, Got, Pipe};
use crate::request::parts::{self, Multipart, Step};
use crate::request::{self, Fate, KEYS, Kind, Known, Plan};
use crate::response::Answer;
use crate::rng::Rng;
use crate::store::{Model, What};
use crate::timeline::{Event, MS, Micros, Timeline};

/// One request on its way.
pub(crate) struct Sent {
    pub(crate) plan: Plan,
    /// Offsets in the stream of the connection.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The last change of the store before the first byte went out.
    pub(crate) first: u64,
    pub(crate) status: Option<u16>,
}

/// How a client may go wrong with one of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// FIN in the middle, but it reads on.
    End,
    /// RST in the middle.
    Reset,
    /// It closes its socket in the middle.
    Leave,
    /// It sends no more, but reads on.
    Stall,
    /// It never reads again.
    Deaf,
    /// It sleeps for about as long as the server waits.
    Sleep,
}

struct Habits {
    /// Requests that may be under way at once.
    depth: usize,
    /// Reads only while it has nothing to send.
    blocking: bool,
    /// Sends a little now and then.
    dribbles: bool,
    cut: Cut,
    /// Goes on sending a body that was refused.
    stubborn: bool,
    /// Waits only so long for `100 Continue`.
    impatient: Option<Micros>,
    think: usize,
    /// So many of a hundred requests are about uploads in parts.
    multipart: usize,
    /// FIN as soon as its last request is out, or after the last answer, or never.
    last: Last,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    EndAtOnce,
    EndLater,
    Wait,
}

/// What a client works with.
pub(crate) struct Reach<'w> {
    pub(crate) line: &'w mut Timeline,
    pub(crate) up: &'w mut Pipe,
    pub(crate) down: &'w mut Pipe,
    pub(crate) store: &'w Model,
    /// How far the server is on its way out.
    pub(crate) phase: Phase,
    /// The server stopped while it had nothing to answer, and closed at once.
    pub(crate) at_rest: bool,
    /// How long the server waits for the next request.
    pub(crate) idle: Micros,
}

pub(crate) struct Client {
    id: usize,
    pub(crate) sent: Vec<Sent>,
    stream: Vec<u8>,
    /// Bytes of the stream that are out.
    pub(crate) out: usize,
    inbox: Vec<u8>,
    answered: usize,
    /// Behind this offset it waits for `100 Continue`, until then.
    hold: Option<(usize, Option<Micros>)>,
    /// `100 Continue` came for the request that is to be answered.
    continued: bool,
    left: usize,
    habits: Habits,
    trouble: Option<(usize, Trouble)>,
    trouble_at: Option<usize>,
    troubled: bool,
    /// No request is made before.
    wake: Micros,
    idle_since: Micros,
    /// The answer said that it is the last one.
    last: bool,
    /// Much of the body was not wanted: the server may give up reading it.
    unwanted: bool,
    ended: bool,
    /// It sent a request just as the server stopped, which had answered all and closed: the RST
    /// takes what it had not read of those answers. Only who sends ahead can lose any.
    raced: bool,
    pub(crate) over: bool,
    /// What the store has answered so far was true at this change or later.
    floor: u64,
    /// 5xx answers so far.
    failures: usize,
    tags: Vec<(&'static str, String)>,
}

impl Client {
    pub(crate) fn new(id: usize, line: &mut Timeline) -> Self {
        let rng = &mut line.rng;
        let blocking = rng.chance(25);
        let habits = Habits {
            depth: if blocking { 1 } else { rng.pick(&[1, 1, 2, 4]) },
            blocking,
            dribbles: !blocking && rng.chance(10),
            cut: Cut::any(rng),
            stubborn: rng.chance(60),
            impatient: rng.chance(40).then(|| rng.between(0, 300) as u64 * MS),
            think: rng.pick(&[0, 0, 50, 1000]),
            multipart: rng.pick(&[0, 40, 90]),
            last: rng.pick(&[Last::EndAtOnce, Last::EndLater, Last::Wait]),
        };
        let left = rng.between(1, 6);
        let kinds = [
            Trouble::End,
            Trouble::Reset,
            Trouble::Leave,
            Trouble::Stall,
            Trouble::Deaf,
            Trouble::Sleep,
        ];
        let trouble = rng.chance(45).then(|| (rng.between(0, left - 1), rng.pick(&kinds)));
        Self {
            id,
            sent: Vec::new(),
            stream: Vec::new(),
            out: 0,
            inbox: Vec::new(),
            answered: 0,
            hold: None,
            continued: false,
            left,
            habits,
            trouble,
            trouble_at: None,
            troubled: false,
            wake: rng.between(0, 200) as u64 * MS,
            idle_since: 0,
            last: false,
            unwanted: false,
            ended: false,
            raced: false,
            over: false,
            floor: 0,
            failures: 0,
            tags: Vec::new(),
        }
    }

    /// Does whatever it can do now.
    pub(crate) fn act(&mut self, reach: &mut Reach<'_>) {
        self.receive(reach);
        if !self.over {
            self.plan(reach);
            self.transmit(reach);
        }
        if self.habits.blocking && !self.over {
            self.receive(reach);
        }
        if !self.over && !self.ended {
            self.conclude(reach);
        }
    }

    fn is_in(&self, trouble: Trouble) -> bool {
        self.troubled && self.trouble.is_some_and(|(_, own)| own == trouble)
    }

    fn limit(&self) -> usize {
        let hold = self.hold.map_or(usize::MAX, |(at, _)| at);
        self.stream.len().min(hold).min(self.trouble_at.unwrap_or(usize::MAX))
    }

    fn plan(&mut self, reach: &mut Reach<'_>) {
        while self.left > 0
            && !self.ended
            && !self.last
            && self.hold.is_none()
            && self.trouble_at.is_none()
            && self.sent.last().is_none_or(|sent| !sent.plan.closes)
            && self.sent.len() - self.answered < self.habits.depth
        {
            if reach.line.time < self.wake {
                reach.line.at(self.wake, Event::Client(self.id));
                return;
            }
            self.left -= 1;
            let index = self.sent.len();
            let id = (self.id * 100 + index) as u32;
            let known = Known { tags: self.tags.clone(), uploads: self.uploads(reach.store) };
            let plan = request::any(id, &known, self.habits.multipart, &mut reach.line.rng);
            let start = self.stream.len();
            self.stream.extend_from_slice(&plan.wire);
            let end = self.stream.len();
            let at = reach.line.time;
            reach
                .line
                .note(self.id, format_args!("client plans {id}: {:?} {:?}", plan.fate, plan.kind));
            if plan.expects && end > start + plan.head {
                let until = self.habits.impatient.map(|patience| at + patience);
                self.hold = Some((start + plan.head, until));
                until.into_iter().for_each(|t| reach.line.at(t, Event::Client(self.id)));
            }
            if let Some((_, trouble)) = self.trouble.filter(|(request, _)| *request == index) {
                match trouble {
                    Trouble::Sleep => {}
                    Trouble::Deaf => {
                        self.troubled = true;
                        reach.line.at(at + 20_000 * MS, Event::Client(self.id));
                    }
                    _ => self.trouble_at = Some(reach.line.rng.between(start + 1, end)),
                }
            }
            let (start, end) = (start as u64, end as u64);
            self.sent.push(Sent { plan, start, end, first: 0, status: None });
        }
    }

    /// Clients tell each other of uploads and parts; of those that it has only just sent this one
    /// knows, too.
    fn uploads(&self, store: &Model) -> Vec<parts::Known> {
        let state = store.state();
        let begun = state.changes.iter().filter_map(|change| match &change.what {
            What::Begun(name) => Some((name, KEYS.into_iter().find(|key| *key == change.key)?)),
            _ => None,
        });
        let known = |(name, key): (&String, &'static str)| {
            let pending = state.pending.get(name);
            let mut parts: BTreeMap<u32, String> = BTreeMap::new();
            let there = pending.into_iter().flat_map(|pending| &pending.parts);
            parts.extend(there.map(|(number, part)| (*number, part.etag.as_str().to_owned())));
            for sent in &self.sent[self.answered..] {
                if let Kind::Multipart(Multipart { upload, step, .. }) = &sent.plan.kind
                    && upload == name
                    && let Step::Part { number, content } = step
                {
                    parts.insert(*number, parts::tag(&content.0));
                }
            }
            let parts = parts.into_iter().collect();
            parts::Known { key, name: name.clone(), parts, over: pending.is_none() }
        };
        begun.map(known).collect()
    }

    fn transmit(&mut self, reach: &mut Reach<'_>) {
        if self.hold.is_some_and(|(_, until)| until.is_some_and(|t| t <= reach.line.time)) {
            self.hold = None;
        }
        while self.out < self.limit() && !self.ended {
            let most = (self.limit() - self.out).min(1460);
            let piece = if self.habits.dribbles { most.min(40) } else { most };
            let piece = self.habits.cut.of(piece, &mut reach.line.rng).max(piece.min(20));
            let from = self.out;
            let Some(count) = reach.up.send(&self.stream[from..from + piece], reach.line) else {
                return self.finish(reach, true);
            };
            self.out += count;
            for sent in self.sent.iter_mut().rev() {
                if sent.start >= from as u64 && sent.start < self.out as u64 {
                    sent.first = reach.store.state().last();
                }
            }
            if count == 0 {
                break;
            }
            if self.habits.dribbles {
                let pause = self.pause(&mut reach.line.rng);
                reach.line.at(reach.line.time + pause, Event::Client(self.id));
                break;
            }
        }
        if self.trouble_at == Some(self.out) && !self.troubled {
            self.troubled = true;
            let trouble = self.trouble.map(|(_, trouble)| trouble);
            reach.line.note(self.id, format_args!("client in trouble: {trouble:?}"));
            match trouble {
                Some(Trouble::End) => self.end(reach),
                Some(Trouble::Reset) => {
                    self.over = true;
                    reach.down.desert();
                    reach.up.break_off(reach.line);
                }
                Some(Trouble::Leave) => self.close(reach),
                _ => {}
            }
        }
    }

    /// A head has a time of its own; a body may take long, if only something comes.
    fn pause(&self, rng: &mut Rng) -> Micros {
        let out = self.out as u64;
        let heads = |sent: &Sent| sent.start < out && out < sent.start + sent.plan.head as u64;
        let longest = if self.sent.iter().any(heads) || rng.chance(80) { 40 } else { 1500 };
        rng.between(10, longest) as u64 * MS
    }

    /// Whether it is time to part.
    fn conclude(&mut self, reach: &mut Reach<'_>) {
        if self.is_in(Trouble::Deaf) {
            if reach.line.time >= 20_000 * MS + self.wake {
                self.over = true;
                reach.down.desert();
                reach.up.break_off(reach.line);
            }
            return;
        }
        let pending = self.out < self.stream.len();
        if self.last && pending && !self.habits.stubborn {
            // It has its answer and does not care for the rest.
            self.close(reach);
        } else if self.left == 0 && !pending && !self.is_in(Trouble::Stall) {
            let answered = self.answered == self.sent.len();
            match self.habits.last {
                Last::EndAtOnce => self.end(reach),
                Last::EndLater if answered => self.end(reach),
                _ => {}
            }
        }
    }

    fn receive(&mut self, reach: &mut Reach<'_>) {
        let mut space = [0; 2048];
        while !self.over && !self.is_in(Trouble::Deaf) {
            if self.habits.blocking && self.out < self.limit() && !self.ended {
                return;
            }
            match reach.down.receive(&mut space, Cut::Whole, reach.line) {
                Got::Nothing => return,
                Got::Bytes(count) => {
                    self.inbox.extend_from_slice(&space[..count]);
                    self.take_answers(reach);
                }
                Got::End => self.finish(reach, false),
                Got::Reset => self.finish(reach, true),
            }
        }
    }

    fn take_answers(&mut self, reach: &mut Reach<'_>) {
        loop {
            let sent = self.sent.get(self.answered).filter(|sent| sent.start < self.out as u64);
            let Some(sent) = sent else {
                assert!(self.inbox.is_empty(), "#{}: an answer to nothing", self.id);
                return;
            };
            assert!(!self.last || self.inbox.is_empty(), "#{}: bytes behind the last", self.id);
            // Nobody knows of half a head that it is one of HEAD.
            let whole = self.out as u64 >= sent.start + sent.plan.head as u64;
            let to_head = whole && matches!(sent.plan.kind, Kind::Head { .. });
            let Some((answer, used)) = Answer::read(&self.inbox, to_head) else { return };
            self.inbox.drain(..used);
            reach.line.note(self.id, format_args!("client gets {}", answer.status));
            if answer.status < 200 {
                assert_eq!(answer.status, 100);
                assert!(sent.plan.expects && !self.continued, "an unexpected 100 Continue");
                self.continued = true;
                self.hold = None;
            } else {
                self.take_answer(&answer, reach);
            }
        }
    }

    fn take_answer(&mut self, answer: &Answer, reach: &mut Reach<'_>) {
        let index = self.answered;
        let end = self.sent[index].end;
        let cut = self.ended || self.is_in(Trouble::Stall);
        let situation = check::Situation {
            owner: self.id,
            low: self.sent[index].first.max(self.floor),
            all_sent: self.out as u64 >= self.sent[index].end,
            unsent_body: self.hold.is_some_and(|(at, _)| at == self.out && at as u64 <= end),
            cut,
            stopping: reach.phase > Phase::Running,
            failures: self.failures,
        };
        let sent = &mut self.sent[index];
        sent.status = Some(answer.status);
        self.floor = check::answer(&reach.store.state(), &sent.plan, answer, &situation);
        self.failures +=
            usize::from(answer.status >= 500 && answer.status != 501 && answer.status != 505);
        if let Some((key, tag)) = seen(&sent.plan, answer) {
            self.tags.push((key, tag));
        }
        let body = sent.plan.wire.len() - sent.plan.head;
        let dropped = answer.status >= 400 || sent.plan.kind.means_no_body();
        let broken = sent.plan.fate == Fate::Broken;
        self.unwanted = dropped && (broken || body > request::DRAIN);
        self.last = answer.closes();
        self.answered += 1;
        self.continued = false;
        self.idle_since = reach.line.time;
        let asleep = self.trouble == Some((self.answered, Trouble::Sleep));
        let pause = if asleep { reach.line.rng.between(2000, 9000) } else { 0 };
        self.troubled |= asleep;
        let think = reach.line.rng.between(0, self.habits.think) + pause;
        self.wake = reach.line.time + think as u64 * MS;
    }

    /// The server has closed.
    fn finish(&mut self, reach: &mut Reach<'_>, reset: bool) {
        reach.line.note(self.id, format_args!("client sees the end, reset: {reset}"));
        if self.is_in(Trouble::Deaf) {
            return self.close(reach);
        }
        let cuts = reach.store.state().accounts[self.id].cuts;
        let stopping = reach.phase > Phase::Running;
        let excused =
            self.last || self.unwanted || stopping || cuts > 0 || self.is_in(Trouble::Sleep);
        let next = self.sent.get(self.answered).filter(|sent| sent.start < self.out as u64);
        match next {
            // Half a head is not worth an answer.
            Some(sent)
                if self.is_in(Trouble::End)
                    && (self.out as u64) < sent.start + sent.plan.head as u64 =>
            {
                assert!(self.inbox.is_empty(), "half an answer");
            }
            Some(sent) => assert!(excused, "#{}: no answer to {:?}", self.id, sent.plan.id),
            None if self.ended || excused || self.is_in(Trouble::Stall) => {}
            None => {
                let waited = reach.line.time - self.idle_since;
                assert!(waited + 100 * MS >= reach.idle, "#{}: closed while idle", self.id);
            }
        }
        let partial = !self.inbox.is_empty();
        let upload = next.is_some_and(|sent| sent.plan.kind.is_upload());
        let left = reach.phase == Phase::Over || (reach.phase == Phase::Leaving && upload);
        self.raced = reset && reach.at_rest && reach.up.delivered < self.out as u64;
        let lost = cuts > 0 || left || self.raced;
        assert!(!partial || lost, "#{}: a cut answer", self.id);
        self.close(reach);
    }

    fn end(&mut self, reach: &mut Reach<'_>) {
        reach.line.note(self.id, format_args!("client sends FIN"));
        self.ended = true;
        reach.up.end(reach.line);
    }

    fn close(&mut self, reach: &mut Reach<'_>) {
        self.over = true;
        reach.up.end(reach.line);
        if reach.down.desert() {
            reach.up.break_off(reach.line);
        }
    }

    pub(crate) fn is_blocking(&self) -> bool {
        self.habits.blocking
    }

    /// Whether it got so many answers, or has gone before, or could not read them any more.
    pub(crate) fn has_got(&self, answers: usize) -> bool {
        let left = [Trouble::Reset, Trouble::Leave, Trouble::Deaf];
        let left = left.into_iter().any(|trouble| self.is_in(trouble));
        self.answered >= answers || self.raced || left
    }

    /// Whether all bytes of a request went out that mean something.
    pub(crate) fn has_sent(&self, sent: &Sent) -> bool {
        let head = sent.start + sent.plan.head as u64;
        let end = if sent.plan.kind.means_no_body() { head } else { sent.end };
        self.out as u64 >= end && sent.plan.fate == Fate::Fine
    }
}

/// The tag of an object that an answer tells.
fn seen(plan: &Plan, answer: &Answer) -> Option<(&'static str, String)> {
    match &plan.kind {
        Kind::Put { key, .. } | Kind::Get { key, .. } => {
            Some((key, format!("\"{}\"", answer.tag()?)))
        }
        Kind::Multipart(Multipart { key, step: Step::Complete { .. }, .. }) => {
            answer.elements("ETag").pop().map(|tag| (*key, tag))
        }
        _ => None,
    }
}
