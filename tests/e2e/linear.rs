//! Clients that write the same keys at once see one object that changes step by step: every history
//! of a key is linearizable, also across crashes, failing disks, and two servers on one folder.
//!
//! `LOBOS_SEED=n` repeats what the clients of one run ask; when, nobody can repeat.

#[path = "linear/checker.rs"]
mod checker;
#[path = "linear/clients.rs"]
mod clients;

use std::time::Duration;

use crate::support::dice::Dice;
use crate::support::server::{Runtime, Server, Setup};
use crate::support::strace::Tracer;
use checker::{Action, Answer, Event, is_linearizable};
use clients::History;
use rustix::process::Signal;

on_every_runtime!(with std::convert::identity; histories, two_servers, crashes, failing_disk);

fn event(asked: u64, answered: u64, action: Action, answer: Answer) -> Event {
    Event { asked, answered, action, answer }
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn read(asked: u64, answered: u64, value: &str) -> Event {
    let value = Some(text(value)).filter(|value| !value.is_empty());
    event(asked, answered, Action::Get, Answer::Read(value))
}

fn put(asked: u64, answered: u64, value: &str) -> Event {
    event(asked, answered, Action::Put(text(value)), Answer::Done)
}

fn swap(asked: u64, answered: u64, old: &str, new: &str) -> Event {
    event(asked, answered, Action::PutIfMatch(text(old), text(new)), Answer::Done)
}

fn append(asked: u64, answered: u64, at: usize, answer: Answer) -> Event {
    event(asked, answered, Action::Append(at, text("+")), answer)
}

fn lost(asked: u64, action: Action) -> Event {
    event(asked, 0, action, Answer::Unknown)
}

#[test]
fn what_cannot_be() {
    // The checker refuses what no one object can do.
    let absent = |asked, answered, value: &str| {
        event(asked, answered, Action::PutIfAbsent(text(value)), Answer::Done)
    };
    let delete = |asked, answered, answer| event(asked, answered, Action::Delete, answer);
    let histories = [
        ("a stale read", vec![put(0, 1, "a"), put(2, 3, "b"), read(4, 5, "a")]),
        ("a write that vanishes", vec![put(0, 1, "a"), read(2, 3, "")]),
        ("bytes of nobody", vec![put(0, 1, "a"), read(2, 3, "x")]),
        ("back and forth", vec![put(0, 9, "a"), read(1, 2, "a"), read(3, 4, "")]),
        ("a lost update", vec![put(0, 1, "a"), swap(2, 9, "a", "b"), swap(3, 8, "a", "c")]),
        ("two firsts", vec![absent(0, 5, "a"), absent(1, 6, "b")]),
        ("a read before the write", vec![read(0, 1, "a"), put(2, 3, "a")]),
        ("undead", vec![put(0, 1, "a"), delete(2, 3, Answer::Done), read(4, 5, "a")]),
        (
            "two appends in one place",
            vec![put(0, 1, "a"), append(2, 9, 1, Answer::Done), append(3, 8, 1, Answer::Done)],
        ),
        ("refused for nothing", vec![put(0, 1, "a"), append(2, 3, 1, Answer::Refused)]),
        ("never written, then seen", vec![lost(5, Action::Put(text("a"))), read(0, 1, "a")]),
        ("two orders", vec![put(0, 9, "a"), put(0, 9, "b"), read(10, 11, "a"), read(12, 13, "b")]),
    ];
    for (name, events) in histories {
        assert!(!is_linearizable(None, &events), "{name}");
    }
}

#[test]
fn what_can_be() {
    // The checker takes what is only unusual.
    let lost_put = lost(0, Action::Put(text("a")));
    let histories = [
        ("either order", vec![put(0, 9, "a"), put(0, 9, "b"), read(10, 11, "a")]),
        ("seen before it is answered", vec![put(0, 9, "a"), read(1, 2, "a"), read(3, 4, "a")]),
        ("not yet seen", vec![put(0, 9, "a"), read(1, 2, ""), read(3, 4, "a")]),
        ("done without an answer", vec![lost_put.clone(), read(1, 2, ""), read(3, 4, "a")]),
        ("never done", vec![lost_put, read(1, 2, ""), read(3, 4, "")]),
        ("a chain", vec![put(0, 1, "a"), swap(2, 9, "b", "c"), swap(3, 8, "a", "b")]),
    ];
    for (name, events) in histories {
        assert!(is_linearizable(None, &events), "{name}");
    }
}

#[test]
fn long_histories() {
    // A history of clients that ran one after the other and looked as if at once is taken; with
    // the answer of one read put in the place of an earlier one it is not.
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let (mut events, mut value) = (Vec::new(), String::new());
        for number in 0..400_u64 {
            // Up to four at once.
            let around = |dice: &mut Dice| dice.below(15) as u64;
            let (asked, answered) =
                (number * 10 - around(&mut dice).min(number), number * 10 + around(&mut dice));
            if dice.below(2) == 0 {
                value = number.to_string();
                events.push(put(asked, answered, &value));
            } else {
                events.push(read(asked, answered, &value));
            }
        }
        assert!(is_linearizable(None, &events), "{seed}");
        let last = events.iter().rposition(|event| matches!(event.action, Action::Get)).unwrap();
        let early = events.iter().find(|event| matches!(event.action, Action::Get)).unwrap();
        events[last].answer = early.answer.clone();
        assert!(!is_linearizable(None, &events), "{seed}");
    }
}

fn seed() -> u64 {
    std::env::var("LOBOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let seed = u64::from(std::process::id());
        let text = format!("LOBOS_SEED={seed}\n");
        std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
        seed
    })
}

fn start(runtime: Runtime) -> Server {
    Setup::new(runtime).arg("--min-part-size=0").start()
}

fn histories(runtime: &Runtime) {
    // Of many clients at once each key has a history that one object can have.
    let server = start(*runtime);
    let mut history = History::new();
    clients::run(&mut history, &[&server], seed(), 250);
    history.check();
    assert!(history.known() > 1000, "{}", history.known());
}

fn two_servers(runtime: &Runtime) {
    // The same with two servers on one folder.
    let server = start(*runtime);
    let other = server.second();
    let mut history = History::new();
    clients::warm_up(&mut history, &server);
    clients::run(&mut history, &[&server, &other], seed(), 250);
    history.check();
    assert!(history.known() > 1000, "{}", history.known());
}

fn crashes(runtime: &Runtime) {
    // The same when the process is killed in the middle, again and again: what was acknowledged is
    // there, and what was not was done whole or not at all.
    let mut server = start(*runtime);
    let mut history = History::new();
    let mut dice = Dice::new(seed());
    for _ in 0..5 {
        let (seed, pause) = (dice.below(1 << 30) as u64, dice.below(100) as u64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50 + pause));
                server.send_signal(Signal::KILL);
            });
            clients::run(&mut history, &[&server], seed, usize::MAX);
        });
        server = server.restarted();
        clients::run(&mut history, &[&server], seed + 1, 10);
    }
    history.check();
    assert!(history.known() > 300, "{}", history.known());
}

fn failing_disk(runtime: &Runtime) {
    // The same while many a call of the disk fails: what has failed was done whole or not at all.
    let server = start(*runtime);
    let mut history = History::new();
    let calls = [
        "inject=linkat,renameat,unlinkat,mkdirat:error=EIO:when=3+7",
        "inject=openat2,openat,fstat,statx,newfstatat:error=EIO:when=20+41",
        "inject=pwrite64,utimensat,fsetxattr,fgetxattr:error=ENOSPC:when=5+19",
    ];
    let tracer = Tracer::attach(&server, &calls.map(str::to_owned));
    clients::run(&mut history, &[&server], seed(), 60);
    tracer.detach();
    clients::run(&mut history, &[&server], seed() + 1, 20);
    history.check();
    assert!(history.unknown() > 20, "{}", history.unknown());
    assert!(history.known() > 300, "{}", history.known());
}
