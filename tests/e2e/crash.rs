//! Killed at any moment: what was acknowledged is there and whole, everything else is as before
//! or as wanted, and nothing is left that is neither.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::support::crash::{Client, SHARED, Version, shared_is_whole};
use crate::support::dice::Dice;
use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree;
use rustix::process::Signal;

on_every_runtime!(with std::convert::identity; killed);

const CLIENTS: usize = 6;

/// On each runtime; `LOBOS_KILLS` says another number.
const KILLS: usize = 67;

fn killed(runtime: &Runtime) {
    // After each of many kills: bytes, entity tag, metadata and tags of every key are those that
    // were acknowledged last, or those of the one request that was under way, all of them or
    // none; a listing shows these objects and nothing else; and no file is left that is neither.
    let kills = std::env::var("LOBOS_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let dice = &mut Dice::new(kills as u64);
    let mut server = Setup::new(*runtime).args(&["--min-part-size", "0"]).start();
    let mut clients: Vec<Client> = (0..CLIENTS).map(Client::new).collect();
    for _ in 0..kills {
        let (moment, address) =
            (Duration::from_micros(dice.below(60_000) as u64), server.address());
        clients = std::thread::scope(|scope| {
            let run = |client: Client| scope.spawn(move || client.run(address));
            let running: Vec<_> = clients.into_iter().map(run).collect();
            std::thread::sleep(moment);
            server.send_signal(Signal::KILL);
            running.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        server = server.restarted();
        nothing_is_left(&server);
        for client in &mut clients {
            client.settle(&mut |key| look(&server, key));
            client.complete_again(server.address());
        }
        check_shared(&server, clients.iter().any(|client| client.wrote_shared));
        check_listing(&server, &clients);
        check_uploads(&server, &clients);
    }
    let sum = |of: fn(&Client) -> usize| -> usize { clients.iter().map(of).sum() };
    let (acknowledged, broken) = (sum(|client| client.acknowledged), sum(|client| client.broken));
    assert!(acknowledged > 5 * kills, "{acknowledged} requests in {kills} runs");
    assert!(broken > kills / 2, "{broken} of them were under way in {kills} kills");
}

/// All that changes names and metadata.
const CALLS: [&str; 5] = ["linkat", "renameat", "renameat2", "unlinkat", "fsetxattr"];

const KEYS: [&str; 3] = ["x/k", "y/k", "y/other"];

/// What is done with the first of them, whose metadata does not fit into an attribute on ext4.
const CHANGES: [(&str, &str, &str); 5] = [
    ("PUT", "/bench/x/k", ""),
    ("PUT", "/bench/x/k?tagging", ""),
    ("DELETE", "/bench/x/k", ""),
    ("PUT", "/bench/y/k?renameObject", "x/k"),
    ("PUT", "/bench/y/other?renameObject", "x/k"),
];

#[test]
fn killed_at_each_step() {
    // Killed before any of the calls of a change: the object is as before or as wanted, with its
    // metadata, and nothing is left that is neither.
    let mut server = Setup::new(Runtime("mio")).start();
    let mut steps = 0;
    for change in CHANGES {
        let (before, wanted, mut seen, mut done);
        (server, before, wanted, _) = kill_at(server, change, "linkat", 1000);
        assert!(before != wanted, "{change:?}");
        for call in CALLS {
            for time in 1.. {
                (server, _, seen, done) = kill_at(server, change, call, time);
                let allowed = seen == wanted || (!done && seen == before);
                assert!(allowed, "{change:?}, {call} {time}: {}", short(&seen));
                if done {
                    break;
                }
                steps += 1;
            }
        }
    }
    assert!(steps > 15, "{steps}");
}

#[test]
fn killed_on_a_mount() {
    // Killed before any of the calls that replace an object on a mount inside the bucket, or bring
    // one there: the next start leaves no temporary file, there or elsewhere, and the object is
    // one of the two.
    let mount = "mkdir -p side bench/m && mount --bind side bench/m";
    let mut setup = Setup::new(Runtime("mio")).mount(mount);
    let mut left = 0;
    for call in ["linkat", "renameat", "unlinkat", "symlinkat"] {
        for time in 1.. {
            let inject = format!("inject={call}:signal=SIGKILL:when={time}");
            let expressions = ["-e", &format!("trace={call}"), "-e", &inject];
            let mut server = setup.start();
            for key in ["m/deep/k", "k"] {
                server.put(&format!("/bench/{key}"), "old").expect(200);
            }
            server.send_signal(Signal::TERM);
            server.ended();
            server = server.stopped().traced(&expressions).start();
            let [put, moved] = [
                server.request("PUT", "/bench/m/deep/k").body("new"),
                server.request("PUT", "/bench/m/deep/k?renameObject").body(""),
            ];
            let moved = moved.header("x-amz-rename-source", "k");
            let done = [put, moved].into_iter().all(|request| {
                let mut connection = server.connect();
                connection.write(request.header("Connection", "close").bytes());
                connection.rest().starts_with(b"HTTP/1.1 200")
            });
            left += tree::files(&server.home().join("side")).len() - 1;
            server = server.restarted();
            nothing_is_left(&server);
            let files = tree::files(&server.home().join("side"));
            assert_eq!(files, ["deep/k"], "{call} {time}");
            let body = server.get("/bench/m/deep/k").expect(200).body;
            assert!(body == b"new" || body == b"old", "{call} {time}");
            server.send_signal(Signal::TERM);
            server.ended();
            setup = server.stopped();
            if done {
                break;
            }
        }
    }
    assert!(left > 0, "no death left anything to remove");
}

type Objects = Vec<Option<Version>>;

/// The server afterwards, what there was before and after, and whether it was done.
fn kill_at(
    mut server: Server,
    (method, target, from): (&str, &str, &str),
    call: &str,
    time: usize,
) -> (Server, Objects, Objects, bool) {
    for key in KEYS {
        server.delete(&format!("/bench/{key}")).expect(204);
    }
    large(server.request("PUT", "/bench/x/k"), "old").send().expect(200);
    let before = objects(&server);
    let inject = format!("inject={call}:signal=SIGKILL:when={time}");
    // It must not have to clean up, or that is where it would be killed.
    server.send_signal(Signal::TERM);
    server.ended();
    server = server.stopped().traced(&["-e", &format!("trace={call}"), "-e", &inject]).start();
    let mut connection = server.connect();
    let request = server.request(method, target).header("Connection", "close");
    let request = match (method, from) {
        ("DELETE", _) => request,
        (_, "") if target.ends_with("tagging") => {
            let tag = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag>";
            request.body(format!("{tag}</TagSet></Tagging>"))
        }
        (_, "") => large(request, "new"),
        _ => request.header("x-amz-rename-source", from),
    };
    connection.write(request.bytes());
    let done = connection.rest().starts_with(b"HTTP/1.1 20");
    server = server.restarted();
    nothing_is_left(&server);
    let seen = objects(&server);
    (server, before, seen, done)
}

fn short(objects: &[Option<Version>]) -> String {
    let short = |v: &Version| (v.body.clone(), v.large.len(), v.tags.len(), v.etag.clone());
    format!("{:?}", objects.iter().map(|v| v.as_ref().map(short)).collect::<Vec<_>>())
}

/// With more metadata than fits into an attribute on ext4.
fn large(request: Request, text: &str) -> Request {
    let tags: Vec<String> = (0..10).map(|at| format!("k{at}={}", text.repeat(80))).collect();
    let request = request.header("x-amz-tagging", tags.join("&"));
    request.header("x-amz-meta-large", text.repeat(600)).body(text)
}

/// What there is.
fn objects(server: &Server) -> Objects {
    KEYS.iter().map(|key| look(server, key)).collect()
}

/// The object as a client sees it.
fn look(server: &Server, key: &str) -> Option<Version> {
    let target = format!("/bench/{key}");
    let got = server.get(&target);
    if got.status == 404 {
        return None;
    }
    let got = got.expect(200);
    let tags = match got.find("x-amz-tagging-count") {
        None => Vec::new(),
        Some(_) => {
            let tags = server.get(&format!("{target}?tagging")).expect(200);
            tags.all("Key").into_iter().zip(tags.all("Value")).collect()
        }
    };
    let text = |name| got.find(name).unwrap_or_default().to_owned();
    Some(Version {
        seed: text("x-amz-meta-seed"),
        large: text("x-amz-meta-large"),
        kind: text("Content-Type"),
        etag: got.find("ETag").map(str::to_owned),
        body: got.body,
        tags,
    })
}

/// The key that all clients write has one whole version of one of them.
fn check_shared(server: &Server, written: bool) {
    let got = server.get(&format!("/bench/{SHARED}"));
    assert!(got.status == 200 || !written, "an acknowledged object is lost: {}", got.status);
    assert!(got.status != 200 || shared_is_whole(&got), "mixed: {:?}", got.headers);
}

fn list(server: &Server, query: &str) -> Response {
    server.get(&format!("/bench?{query}")).expect(200)
}

fn check_listing(server: &Server, clients: &[Client]) {
    let listed = list(server, "list-type=2");
    let sizes = listed.all("Size").into_iter().map(|size| size.parse().unwrap());
    let mut listed: BTreeMap<String, u64> = listed.all("Key").into_iter().zip(sizes).collect();
    listed.remove(SHARED);
    assert_eq!(listed, clients.iter().flat_map(Client::sizes).collect());
}

/// An upload that was completed is no more; others can go on, or be dropped as here.
fn check_uploads(server: &Server, clients: &[Client]) {
    let uploads = list(server, "uploads");
    for (key, id) in uploads.all("Key").into_iter().zip(uploads.all("UploadId")) {
        let target = format!("/bench/{key}?uploadId={id}");
        assert!(!clients.iter().any(|client| client.completed.contains(&target)), "{target}");
        server.delete(&target).expect(204);
    }
    assert!(list(server, "uploads").all("Key").is_empty());
}

/// The server has removed what the dead one has left before it answers anybody.
fn nothing_is_left(server: &Server) {
    let bucket = server.path("");
    let names: Vec<String> = tree::state(&bucket).into_keys().collect();
    let inode = |name: &String| std::fs::metadata(bucket.join(name)).unwrap().ino();
    let inodes: BTreeSet<u64> = names.iter().map(inode).collect();
    let has_owner = |meta: &str| {
        let inode = meta.split_once('-').and_then(|(n, _)| u64::from_str_radix(n, 16).ok());
        inode.is_some_and(|inode| inodes.contains(&inode))
    };
    let is_left = |name: &&String| {
        name.starts_with(".lobos/tmp/")
            || name.contains(".lobos-tmp-")
            || name.strip_prefix(".lobos/meta/").is_some_and(|meta| !has_owner(meta))
    };
    let left: Vec<&String> = names.iter().filter(is_left).collect();
    assert!(left.is_empty(), "{left:?}");
}
