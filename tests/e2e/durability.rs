//! `--durability disk`, as strace sees it: what is synced, in which order, and what an error of
//! the disk does. That nothing is lost when the power fails is shown by `tests/powercut.py`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use crate::support::server::{Runtime, Server, Setup};
use crate::support::strace::Tracer;

on_every_runtime!(with std::convert::identity; syncs, aborts, no_syncs, failed_syncs);

/// All that makes something durable or visible, or removes it.
const CALLS: &str = "trace=fsync,fdatasync,sync,syncfs,sync_file_range,linkat,renameat,renameat2,\
                     unlinkat,mkdirat";

/// A server that is watched, and how much of its trace was read.
struct Traced {
    server: Server,
    read: usize,
}

impl Traced {
    fn start(runtime: Runtime, durability: &str) -> Self {
        let setup = Setup::new(runtime).arg(format!("--durability={durability}"));
        Self { server: setup.traced(&["-e", CALLS]).start(), read: 0 }
    }

    /// What was called since the last time: `fsync x` is one of the folder `x` in the bucket, and
    /// `fsync -` that of a file that has no name yet, or one in `.lobos`. strace has written it
    /// before the thread goes on.
    fn calls(&mut self) -> Vec<String> {
        let text = fs::read_to_string(self.server.home().join("trace")).unwrap();
        let new = text[self.read..].to_owned();
        self.read = text.len();
        new.lines().filter_map(|line| call(line, self.server.path("").to_str().unwrap())).collect()
    }
}

fn call(line: &str, bucket: &str) -> Option<String> {
    let (_, call) = line.split_once(' ')?;
    let (name, rest) = call.trim_start().split_once('(')?;
    let path = rest.split_once('<')?.1.split_once('>')?.0;
    let path = path.strip_prefix(bucket.trim_end_matches('/'))?.trim_start_matches('/');
    let hidden = path.starts_with('#') || path.contains("/#") || path.starts_with(".lobos");
    Some(format!("{name} {}", if hidden { "-" } else { path }))
}

/// The bytes are on the disk before the object has its name, and the name before the answer.
#[track_caller]
fn check(calls: &[String], syncs: &[&str]) {
    let found: Vec<&str> = calls.iter().filter_map(|call| call.strip_prefix("fsync ")).collect();
    assert_eq!(found, syncs, "{calls:?}");
    let is_naming = |call: &&String| call.starts_with("linkat") || call.starts_with("renameat");
    let naming = calls.iter().position(|call| is_naming(&call)).unwrap();
    assert_eq!(calls.iter().position(|call| call == "fsync -"), Some(0), "{calls:?}");
    assert!(naming > 0 && calls.last().unwrap().starts_with("fsync"), "{calls:?}");
}

fn syncs(runtime: &Runtime) {
    // A PUT syncs its file before it has a name and its folder after that, and the folder of each
    // folder that it makes; so does a copy. What is removed or renamed is followed by a sync of
    // the folder that it was in. Tags are beside their file before it points there.
    let mut traced = Traced::start(*runtime, "disk");
    traced.server.store("a", "1");
    check(&traced.calls(), &["-", ""]);
    // The first that replaces something makes `.lobos/tmp`.
    traced.server.store("a", "2");
    traced.calls();
    traced.server.store("a", "3");
    check(&traced.calls(), &["-", ""]);
    traced.server.store("x/y/a", "4");
    check(&traced.calls(), &["-", "", "x", "x/y"]);
    let copy = traced.server.request("PUT", "/bench/x/copy");
    copy.header("x-amz-copy-source", "/bench/a").send().expect(200);
    check(&traced.calls(), &["-", "x"]);
    traced.server.delete("/bench/x/y/a").expect(204);
    // `x` is not empty.
    let removed = ["unlinkat x/y", "fsync x/y", "unlinkat x", "fsync x", "unlinkat "];
    assert_eq!(traced.calls(), removed);
    let rename = traced.server.request("PUT", "/bench/b?renameObject");
    rename.header("x-amz-rename-source", "x/copy").send().expect(200);
    let renamed = ["renameat2 x", "fsync ", "fsync x", "unlinkat ", "fsync "];
    assert_eq!(traced.calls(), renamed);
    let tags = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";
    traced.server.put("/bench/b?tagging", tags.replace('v', "w")).expect(200);
    traced.calls();
    traced.server.put("/bench/b?tagging", tags).expect(200);
    let synced: Vec<String> = traced.calls().into_iter().filter(|c| c.contains("sync")).collect();
    assert_eq!(synced, ["fsync -", "fsync -", "fsync b"]);
}

fn aborts(runtime: &Runtime) {
    // What drops an upload is on the disk before that is acknowledged, as with a DELETE, and where
    // it cannot be it is not.
    let mut traced = Traced::start(*runtime, "disk");
    let upload = begin(&traced.server);
    let part = format!("/bench/k?partNumber=1&uploadId={upload}");
    traced.server.put(&part, "part").expect(200);
    traced.calls();
    traced.server.delete(&format!("/bench/k?uploadId={upload}")).expect(204);
    let calls = traced.calls();
    let last = calls.iter().rposition(|call| call == "unlinkat -").unwrap();
    assert_eq!(calls[last + 1..], ["fsync -"], "{calls:?}");

    let server = Setup::new(*runtime).arg("--durability=disk").start();
    let upload = begin(&server);
    let _tracer = Tracer::attach(&server, &["inject=fsync:error=EIO".into()]);
    server.delete(&format!("/bench/k?uploadId={upload}")).expect(500);
}

fn begin(server: &Server) -> String {
    server.request("POST", "/bench/k?uploads").body("").send().expect(200).one("UploadId")
}

fn no_syncs(runtime: &Runtime) {
    // Without it nothing waits for the disk.
    let mut traced = Traced::start(*runtime, "cache");
    for key in ["a", "a", "x/y"] {
        traced.server.store(key, "1");
    }
    traced.server.delete("/bench/x/y").expect(204);
    let calls = traced.calls();
    assert!(calls.contains(&"unlinkat x".to_owned()), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains("sync")), "{calls:?}");
}

fn failed_syncs(runtime: &Runtime) {
    // What could not be synced is not acknowledged, whatever the disk says of it, and if it was
    // the file then the old object is still there.
    for error in ["EIO", "ENOSPC", "EROFS"] {
        for which in [1, 2] {
            let inject = format!("inject=fsync:error={error}:when={which}");
            let setup = Setup::new(*runtime).arg("--durability=disk");
            let server = setup.traced(&["-e", &inject]).start();
            server.place("k", "old");
            let answer = server.put("/bench/k", "new");
            assert!(answer.status >= 400, "{error} {which}: {}", answer.status);
            let now = server.get("/bench/k").expect(200).body;
            assert!(now == b"old" || which == 2 && now == b"new", "{error} {which}");
        }
    }
}
