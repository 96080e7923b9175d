//! A bucket on a file system by FUSE, which can do less than ext4 and which others change without
//! the kernel's knowledge, as they do the folders of NFS, virtiofs and Docker Desktop.

use std::fs;
use std::path::PathBuf;

use crate::support::server::{Runtime, Server, Setup};
use crate::support::strace::Tracer;

on_every_runtime![
    with std::convert::identity;
    objects,
    full_when_closed,
    changed_behind,
    refreshed,
];

/// More names than a listing keeps without a watch.
const NAMES: usize = 1500;

/// `bench` is what bindfs makes of the folder `behind`. It ends with the server.
const MOUNT: &str = "mkdir -p behind bench
    setpriv --pdeathsig KILL bindfs -f -o attr_timeout=0,entry_timeout=0 behind bench &
    while ! grep -q ' fuse ' /proc/self/mounts; do sleep 0.01; done";

fn start(runtime: Runtime, args: &[&str]) -> (Server, PathBuf) {
    let setup = Setup::new(runtime).args(args).mount(MOUNT);
    let behind = setup.home().join("behind");
    fs::create_dir(&behind).unwrap();
    for number in 0..NAMES {
        fs::write(behind.join(format!("many-{number:0>50}")), "x").unwrap();
    }
    (setup.start(), behind)
}

fn objects(runtime: &Runtime) {
    // What a PUT is answered is what everybody gets afterwards, though this file system takes no
    // file without a name, no rename that spares what is there, and no time of change alone.
    let (server, behind) = start(*runtime, &[]);
    let etag = server.store("d/k", "hello").header("ETag").to_owned();
    assert_eq!(etag, "\"5d41402abc4b2a76b9719d911017c592\"");
    let got = server.get("/bench/d/k").expect(200);
    assert_eq!((got.text(), got.header("ETag")), ("hello", &*etag));
    assert_eq!(server.head("/bench/d/k").header("ETag"), etag);
    assert_eq!(server.get("/bench?list-type=2&prefix=d/").one("ETag"), etag);
    let absent = server.request("PUT", "/bench/d/k").header("If-None-Match", "*");
    absent.body("other").send().error(412, "PreconditionFailed");
    let replace = server.request("PUT", "/bench/d/k").header("If-Match", &etag);
    replace.body("other").send().expect(200);
    assert_eq!(fs::read(behind.join("d/k")).unwrap(), b"other");
    server.delete("/bench/d/k").expect(204);
    assert!(!behind.join("d").exists());
}

fn full_when_closed(runtime: &Runtime) {
    // NFS and the like tell only at a close that there was no room for what was written: the
    // client is told, the old object stays, and nothing else is left.
    let (server, behind) = start(*runtime, &["--min-part-size", "0"]);
    server.store("k", "old");
    let upload = server.request("POST", "/bench/p?uploads").send().expect(200).one("UploadId");
    let part = format!("/bench/p?partNumber=1&uploadId={upload}");
    let calls = ["trace=close".to_owned(), "inject=close:error=EDQUOT".to_owned()];
    let tracer = Tracer::attach(&server, &calls);
    let answers =
        [server.put("/bench/k", "new"), server.put("/bench/new", "new"), server.put(&part, "new")];
    tracer.detach();
    for answer in answers {
        assert_eq!(answer.expect(507).one("Code"), "StorageFull");
    }
    assert_eq!(fs::read(behind.join("k")).unwrap(), b"old");
    assert!(!behind.join("new").exists());
    assert_eq!(server.get(&format!("/bench/p?uploadId={upload}")).expect(200).all("Part").len(), 0);
    server.put("/bench/k", "new").expect(200);
    assert_eq!(fs::read(behind.join("k")).unwrap(), b"new");
}

/// What a listing has: how many keys, and the size of `f`.
fn listed(server: &Server) -> (usize, Option<String>) {
    let (mut count, mut size, mut token) = (0, None, String::new());
    loop {
        let page = server.get(&format!("/bench?list-type=2{token}")).expect(200);
        let keys = page.all("Key");
        let sizes = page.all("Size");
        count += keys.len();
        size = keys.iter().position(|key| key == "f").map(|at| sizes[at].clone()).or(size);
        match page.all("NextContinuationToken").first() {
            Some(next) => token = format!("&continuation-token={next}"),
            None => return (count, size),
        }
    }
}

fn changed_behind(runtime: &Runtime) {
    // What others do to the files is in the very next listing, with the index and without it.
    for args in [&[][..], &["--enable-lobos-index"]] {
        let (server, behind) = start(*runtime, args);
        assert_eq!(listed(&server), (NAMES, None));
        for round in 1..=5 {
            fs::write(behind.join("f"), "y".repeat(round)).unwrap();
            assert_eq!(listed(&server), (NAMES + 1, Some(round.to_string())), "{args:?}");
            fs::write(behind.join(format!("g{round}")), "y").unwrap();
            assert_eq!(listed(&server).0, NAMES + 2, "{args:?}");
            fs::remove_file(behind.join(format!("g{round}"))).unwrap();
            assert_eq!(listed(&server).0, NAMES + 1, "{args:?}");
        }
    }
}

fn refreshed(runtime: &Runtime) {
    // An index that is read again every second knows of it within some seconds.
    let (server, behind) = start(*runtime, &["--lobos-index-refresh-sec", "1"]);
    assert_eq!(listed(&server).0, NAMES);
    fs::write(behind.join("f"), "yy").unwrap();
    let start = std::time::Instant::now();
    while listed(&server) != (NAMES + 1, Some("2".to_owned())) {
        assert!(start.elapsed().as_secs() < 30, "it is not read again");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
