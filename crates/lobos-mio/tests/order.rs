//! The order in which the connections of one loop get their turns.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../../lobos-drive/tests/support/mod.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use lobos_proto::Config;
use support::client::request;
use support::store::Memory;
use support::suite::{Running, Serve, pattern};

/// More than a turn sends, and less than two.
const TURN: u64 = 900 << 10;

fn start(large: &str) -> Running {
    let store = Memory::new(false, false);
    store.put("b/small", pattern(100));
    store.put("b/blocking", pattern(100));
    store.put(large, pattern(4 << 20));
    let serve = Serve { run: lobos_mio::serve, tls: false };
    Running::start_with(serve, store, Config::default(), |server| server.threads = 1)
}

#[test]
fn newcomers_before_the_rest() {
    // A request that comes in the middle of a turn of a large answer is answered before that
    // answer goes on.
    let server = start("b/large");
    let (mut small, mut large) = (server.client(), server.client());
    assert_eq!(small.get("/b/small").status, 200);
    let (mut another, mut asked, mut waited_at) = (small.another(), false, None);
    let (seen, mut latest) = (Arc::new(Mutex::new(None)), 0);
    let told = Arc::clone(&seen);
    server.store.on_read(move |name, offset| {
        if name == "b/small" {
            *told.lock().unwrap() = waited_at.map(|from| latest - from);
            return;
        }
        latest = offset;
        // What is sent here is there before this turn ends.
        if offset >= 128 << 10 && !asked {
            asked = true;
            waited_at = Some(offset);
            another.send(request("GET", "/b/small", "").as_bytes());
        }
    });
    thread::scope(|scope| {
        scope.spawn(move || assert_eq!(large.get("/b/large").body, pattern(4 << 20)));
        assert_eq!(small.answer(false).body, pattern(100));
    });
    let waited = seen.lock().unwrap().take().unwrap();
    assert!(waited < TURN - (128 << 10), "for {waited} bytes");
    server.stop();
}

#[test]
fn newcomers_before_what_was_worked_for() {
    // A request that comes while the loop is busy is answered before the answer that a job was
    // done for meanwhile: what had to be worked for is rarely small.
    let server = start("b/slow");
    let (mut slow, mut blocking, mut small) = (server.client(), server.client(), server.client());
    let order = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&order);
    server.store.on_read(move |name, _| told.lock().unwrap().push(name.to_owned()));
    for client in [&mut slow, &mut blocking, &mut small] {
        client.get("/b/none");
    }
    // This one is done after 500 ms, on a thread of its own.
    slow.send(request("GET", "/b/slow", "").as_bytes());
    thread::sleep(Duration::from_millis(300));
    // From here on the loop does nothing for 500 ms.
    blocking.send(request("GET", "/b/blocking", "").as_bytes());
    thread::sleep(Duration::from_millis(100));
    small.send(request("GET", "/b/small", "").as_bytes());
    assert_eq!(small.answer(false).body, pattern(100));
    assert_eq!(slow.answer(false).body, pattern(4 << 20));
    let mut order = order.lock().unwrap().clone();
    order.dedup();
    assert_eq!(order, ["b/blocking", "b/small", "b/slow"]);
    server.stop();
}
