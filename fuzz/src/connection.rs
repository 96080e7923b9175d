//! A whole connection with a store in memory: any bytes in any pieces have the same answers and
//! effects; and whatever arrives, fails or happens, each step is sound and it comes to an end.

use std::sync::Arc;
use std::time::Duration;

use lobos_proto::Config;

use crate::input::{Input, hash};
use crate::support::config;
use crate::support::dice::Dice;
use crate::support::driver::{Driver, Event, Wait};
use crate::support::memory::Memory;
use crate::support::notation;

/// Each connection has its own, so that all begin with the same request id.
fn small() -> Arc<Config> {
    config(|config| {
        let limits = &mut config.limits;
        (limits.head, limits.headers, limits.document, limits.object) = (1000, 16, 600, 500);
        (limits.user_metadata, limits.delete_keys, limits.max_keys) = (60, 3, 3);
        (limits.form, limits.fields) = (400, 4);
        (limits.chunk_line, limits.trailers, limits.drain, limits.linger) = (90, 90, 90, 200);
    })
}

/// Two bytes that decide what else happens, and the bytes of the client.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let seed = input.word() as u64;
    let bytes = input.rest();
    // What `Expect` is answered depends on what has arrived, so there the pieces matter.
    let expects = bytes.windows(6).any(|w| w.eq_ignore_ascii_case(b"expect"));
    if !expects {
        let whole = play(bytes, &[]);
        let mut dice = Dice::new(hash(data));
        for most in [1, 8, 60] {
            let cuts = dice.cuts(bytes.len(), most);
            let cut = play(bytes, &cuts);
            let shown = |log: &[Event]| notation::write(log, false);
            assert_eq!(shown(&whole.0), shown(&cut.0), "cut at {cuts:?}");
            assert!(whole == cut, "cut at {cuts:?} the store has seen something else");
        }
    }
    disturbed(bytes, seed);
}

/// What happens in the end, and what is stored then.
fn play(input: &[u8], cuts: &[usize]) -> (Vec<Event>, String) {
    let mut driver = Driver::new(&small(), &Memory::sample());
    let mut start = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        driver.receive(&input[start..end]);
        driver.run();
        start = end;
    }
    driver.connection.peer_closed();
    assert_eq!(driver.run(), Wait::Closed);
    (driver.log, driver.store.dump())
}

fn disturbed(input: &[u8], seed: u64) {
    let mut dice = Dice::new(seed);
    let mut driver = Driver::new(&small(), &Memory::sample());
    driver.dice = Some(dice.clone());
    driver.trouble = dice.once_in(2);
    let calm = dice.once_in(3);
    let mut rest = input;
    let mut wait = None;
    while wait != Some(Wait::Closed) && !(rest.is_empty() && wait == Some(Wait::Read)) {
        if wait == Some(Wait::Read) || dice.once_in(6) {
            let (piece, left) = rest.split_at(dice.below(rest.len().min(60) + 1));
            driver.receive(piece);
            rest = left;
        }
        if wait == Some(Wait::Write) && dice.once_in(4) {
            driver.wait(Duration::from_secs(31));
        }
        if !calm {
            disturb(&mut driver, &mut dice);
        }
        wait = driver.step();
    }
    driver.room = u64::MAX;
    if dice.once_in(2) {
        driver.connection.peer_closed();
    }
    // Without a word from the client, time alone ends every connection.
    for _ in 0..4 {
        driver.run();
        driver.wait(Duration::from_secs(75));
    }
    assert_eq!(driver.run(), Wait::Closed, "it never ends");
    let output = driver.output();
    assert!(output.iter().zip(b"HTTP/1.1 ").all(|(is, should)| is == should), "it says nonsense");
}

fn disturb(driver: &mut Driver, dice: &mut Dice) {
    match dice.below(120) {
        0 => driver.connection.finish(),
        1 => driver.connection.peer_closed(),
        2 => driver.connection.abort(),
        3 => driver.connection.timed_out(driver.now),
        4..8 => driver.wait(Duration::from_secs(dice.below(40) as u64)),
        8..12 => driver.room = dice.below(300) as u64,
        12..24 => driver.room = u64::MAX,
        _ => {}
    }
}
