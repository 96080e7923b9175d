//! Stopping under load, without TLS and with it: what was acknowledged is there, and nothing else.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::{bytes, files};
use rustix::process::Signal;

on_every_runtime!(
    with std::convert::identity;
    loses_nothing,
    loses_nothing_by_tls,
    ends_at_the_second_signal,
    ends_at_the_second_signal_by_tls,
);

/// Longer than any grace.
const LONG: Duration = Duration::from_secs(10);

fn loses_nothing(runtime: &Runtime) {
    // SIGTERM under load: every upload that was acknowledged is whole, no other file is there, and
    // the end comes in time.
    under_load(Setup::new(*runtime).start());
}

fn loses_nothing_by_tls(runtime: &Runtime) {
    // The same by TLS.
    under_load(Setup::new(*runtime).secure().start());
}

fn ends_at_the_second_signal(runtime: &Runtime) {
    // A second signal ends it at once, whatever runs, and leaves no half upload.
    twice(Setup::new(*runtime).start());
}

fn ends_at_the_second_signal_by_tls(runtime: &Runtime) {
    // The same by TLS.
    twice(Setup::new(*runtime).secure().start());
}

/// The bytes of the `at`-th object of a writer.
fn body(writer: usize, at: usize) -> Vec<u8> {
    let size = [0, 700, 40_000, 300_000][at % 4];
    let mut body = bytes(size);
    body.extend(format!("{writer} {at}").bytes());
    body
}

/// Puts one object after the other until the server does not answer any more; how many were
/// acknowledged.
fn write(server: &Server, writer: usize, progress: &AtomicUsize) -> usize {
    let mut connection = server.connect();
    for at in 0.. {
        let target = format!("/bench/{writer}/{at}");
        let request = server.request("PUT", &target).body(body(writer, at)).bytes();
        if connection.try_write(&request).is_err() || connection.try_status() != Some(200) {
            return at;
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
    0
}

fn under_load(mut server: Server) {
    server.place("large", bytes(24 << 20));
    let progress = AtomicUsize::new(0);
    let mut half = half_upload(&server);
    let mut reader = slow_reader(&server);
    let (acknowledged, took) = std::thread::scope(|scope| {
        let (server, progress) = (&server, &progress);
        let writers: Vec<_> =
            (0..4).map(|at| scope.spawn(move || write(server, at, progress))).collect();
        let start = Instant::now();
        while progress.load(Ordering::Relaxed) < 60 {
            assert!(start.elapsed() < 3 * LONG, "too slow");
            std::thread::sleep(Duration::from_millis(5));
        }
        server.send_signal(Signal::TERM);
        let start = Instant::now();
        let counts: Vec<usize> = writers.into_iter().map(|w| w.join().unwrap()).collect();
        (counts, start.elapsed())
    });
    assert!(took < LONG, "{took:?}");
    let start = Instant::now();
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(start.elapsed() < LONG + Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(half.try_status().is_none() && reader.rest().len() < 24 << 20);
    for name in files(&server.path("")).iter().filter(|name| *name != "large") {
        let (writer, at) = name.split_once('/').unwrap();
        let wanted = body(writer.parse().unwrap(), at.parse().unwrap());
        assert!(fs::read(server.path(name)).unwrap() == wanted, "{name}");
    }
    for (writer, count) in acknowledged.into_iter().enumerate() {
        for at in 0..count {
            assert!(server.path(&format!("{writer}/{at}")).is_file(), "{writer}/{at} of {count}");
        }
    }
}

fn twice(mut server: Server) {
    server.store("k", "old");
    server.place("large", bytes(24 << 20));
    let mut half = half_upload(&server);
    let mut reader = slow_reader(&server);
    server.send_signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    server.send_signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    assert!(half.try_status().is_none() && reader.rest().len() < 24 << 20);
    assert_eq!(files(&server.path("")), ["k", "large"]);
    assert_eq!(fs::read(server.path("k")).unwrap(), b"old");
}

/// An upload whose rest does not come.
fn half_upload(server: &Server) -> crate::support::http::Connection {
    let mut connection = server.connect();
    let request = server.request("PUT", "/bench/k").body(bytes(1 << 20)).bytes();
    connection.write(&request[..request.len() / 2]);
    connection
}

/// A download that nobody reads.
fn slow_reader(server: &Server) -> crate::support::http::Connection {
    let mut connection = server.connect();
    connection.write(server.request("GET", "/bench/large").bytes());
    std::thread::sleep(Duration::from_millis(200));
    connection
}
