//! Which system calls a request costs: the hot paths make no others, and none of them twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::support::http::Connection;
use crate::support::server::{Runtime, Server};
use crate::support::strace::Tracer;

on_every_runtime!(with std::convert::identity; hot_paths);

const REQUESTS: usize = 200;

/// How a runtime waits and wakes a thread that does; the look whether a descriptor that is closed
/// is open, in builds for tests; whether the bytes of a file are in memory, where sending was slow,
/// as it is under strace.
const OTHERS: &[&str] = &[
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_ctl",
    "timerfd_settime",
    "futex",
    "read",
    "fcntl",
    "preadv2",
];

/// What is done every few milliseconds, such as looking whether a bucket is still the folder that
/// its path names, is done less often than this.
const NOW_AND_THEN: usize = REQUESTS / 2;

fn hot_paths(runtime: &Runtime) {
    // A HEAD looks at the file once, whether it has metadata or not; a GET opens, looks, sends and
    // closes; a PUT makes a file that has no name, fills it and gives it one, and over an object
    // gives it that of the object then.
    let server = Server::start(*runtime);
    server.place("small", vec![b'x'; 1 << 10]);
    server.place("large", vec![b'x'; 32 << 10]);
    let mut connection = server.connect();
    let body = vec![b'y'; 32 << 10];
    let kept = server.request("PUT", "/bench/kept").header("x-amz-meta-a", "1").body(&body);
    kept.on(&mut connection).expect(200);
    // Their last change is long enough ago for the next one to have another time.
    std::thread::sleep(Duration::from_millis(30));
    let mut at = 0;
    let mut put = |connection: &mut Connection| {
        at += 1;
        let request = server.request("PUT", &format!("/bench/new-{at}"));
        request.body(&body).on(connection).expect(200);
    };
    let ask = |method: &'static str, key: &'static str| {
        let server = &server;
        move |connection: &mut Connection| {
            server.request(method, &format!("/bench/{key}")).on(connection).expect(200);
        }
    };
    let get = ["recvfrom", "openat2", "fstat", "sendto", "sendfile", "close"];
    for key in ["large", "kept"] {
        check(&server, &mut connection, ask("HEAD", key), &["recvfrom", "statx", "sendto"]);
        check(&server, &mut connection, ask("GET", key), &get);
    }
    let get = ["recvfrom", "openat2", "fstat", "pread64", "sendto", "close"];
    check(&server, &mut connection, ask("GET", "small"), &get);
    let put_calls = [
        &["recvfrom", "newfstatat", "openat2", "write", "fsetxattr", "utimensat"][..],
        &["fstat", "statx", "linkat", "close", "sendto"],
    ];
    check(&server, &mut connection, &mut put, &put_calls.concat());
    let over = |connection: &mut Connection| {
        server.request("PUT", "/bench/kept").body(&body).on(connection).expect(200);
    };
    // Where a name is, and then the new file in its place.
    let over_calls = [put_calls[0], put_calls[1], &["newfstatat", "renameat"]].concat();
    check(&server, &mut connection, over, &over_calls);
}

/// Asks again and again, and counts.
#[track_caller]
fn check(
    server: &Server,
    connection: &mut Connection,
    mut ask: impl FnMut(&mut Connection),
    wanted: &[&str],
) {
    (0..3).for_each(|_| ask(connection));
    let tracer = Tracer::attach(server, &[]);
    (0..REQUESTS).for_each(|_| ask(connection));
    let lines = tracer.detach();
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &lines {
        let call = line.split_whitespace().nth(1).and_then(|call| call.split_once('('));
        *made.entry(call.map_or("", |(name, _)| name)).or_default() += 1;
    }
    let by_name: BTreeSet<&str> = wanted.iter().copied().collect();
    for name in by_name {
        let count = made.remove(name).unwrap_or(0);
        let times = REQUESTS * wanted.iter().filter(|other| **other == name).count();
        let more = times..=times + NOW_AND_THEN;
        assert!(more.contains(&count), "{name} {count} times, {times} were to be");
    }
    made.retain(|name, count| *count > NOW_AND_THEN && !OTHERS.contains(name) && !name.is_empty());
    assert_eq!(made, BTreeMap::new(), "for {REQUESTS} requests");
}
