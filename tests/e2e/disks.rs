//! Disks that are full, read-only or taken away, and descriptors that have run out: the right error
//! in XML, the old objects whole, nothing left behind, and all is well when the fault is over.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::{bytes, files};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

on_every_runtime!(
    with std::convert::identity;
    full,
    read_only,
);

on_every_runtime![no_descriptors, folder_replaced, folder_replaced_while_writing];

on_every_runtime![with |runtime| Setup::root(runtime).start(); bucket_replaced];

/// File systems of a few MiB over the folder of all buckets. Only root may mount a disk; what
/// anybody may mount in a name space of his own is in memory.
fn small_disks() -> Vec<&'static str> {
    let mut all = vec!["mount -t tmpfs -o size=4m none root"];
    if rustix::process::geteuid().is_root() {
        all.push("truncate -s 6M disk && mkfs.ext4 -q disk && mount -o loop disk root");
    }
    all
}

/// The old objects, as every reader must find them whatever happens.
struct Old<'s> {
    server: &'s Server,
    keys: Vec<String>,
}

impl<'s> Old<'s> {
    fn new(server: &'s Server) -> Self {
        server.request("PUT", "/bench").unsized_body("").send().expect(200);
        let keys = ["d/a", "a//b", "far"].map(str::to_owned).to_vec();
        for key in &keys {
            put(server, key, &bytes(10_000)).send().expect(200);
        }
        Self { server, keys }
    }

    /// Nobody sees anything but them and the keys that begin with `fill`.
    #[track_caller]
    fn check(&self) {
        let listed = self.server.get("/bench").expect(200).all("Key");
        let mut listed: Vec<_> = listed.into_iter().filter(|k| !k.starts_with("fill")).collect();
        listed.sort();
        let mut keys = self.keys.clone();
        keys.sort();
        assert_eq!(listed, keys);
        for key in &self.keys {
            let got = self.server.get(&format!("/bench/{key}")).expect(200);
            assert_eq!((got.body, got.headers.len() > 5), (bytes(10_000), true), "{key}");
        }
        let temporary = |name: &String| name.contains(".lobos/tmp/") || name.contains(".lobos-tmp");
        let all = files(&self.server.seen().join("root"));
        assert!(!all.iter().any(temporary), "{all:?}");
    }
}

fn put(server: &Server, key: &str, body: &[u8]) -> Request {
    let request = server.request("PUT", &format!("/bench/{key}")).body(body);
    if !key.contains("far") {
        return request;
    }
    // More than an attribute of ext4 holds.
    let tags: Vec<_> = (0..10).map(|n| format!("{n}={}", "t".repeat(250))).collect();
    let request = request.header("x-amz-meta-fill", "f".repeat(1900));
    request.header("x-amz-tagging", tags.join("&"))
}

/// An upload of `k` that waits for its part.
fn upload(server: &Server) -> String {
    let created = server.request("POST", "/bench/fill-m?uploads").send().expect(200);
    format!("/bench/fill-m?uploadId={}", created.one("UploadId"))
}

/// Every kind of write that needs room; `large` does not fit.
fn writes(server: &Server, upload: &str, large: &[u8]) -> Vec<(&'static str, Request)> {
    let copy = |key: &str| {
        let request = server.request("PUT", &format!("/bench/{key}")).unsized_body("");
        request.header("x-amz-copy-source", "/bench/fill-0")
    };
    let chunked = crate::support::chunked::http(large, 50_000);
    let chunked_put = server.request("PUT", "/bench/d/new").unsized_body(chunked);
    vec![
        ("append", put(server, "d/a", large).header("x-amz-write-offset-bytes", 10_000)),
        ("put over", put(server, "d/a", large)),
        ("put a new key", put(server, "d/e/f/new", large)),
        ("put in chunks", chunked_put.header("Transfer-Encoding", "chunked")),
        ("put aside", put(server, "a//b", large)),
        ("put far", put(server, "far", large)),
        ("copy", copy("d/new")),
        ("copy over", copy("d/a")),
        ("part", server.request("PUT", &format!("{upload}&partNumber=1")).body(large)),
    ]
}

const TAGS: &str = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>";

fn is_full(response: Response) -> bool {
    response.status == 507 && response.one("Code") == "StorageFull"
}

fn full(runtime: &Runtime) {
    // On a full disk every write that needs room is StorageFull, whatever it is; what is there
    // stays whole and can be read, listed and deleted, and then there is room again.
    for mount in small_disks() {
        let server = Setup::root(*runtime).arg("--min-part-size=0").mount(mount).start();
        let old = Old::new(&server);
        let upload = upload(&server);
        let mut fills = 0;
        for size in [1 << 20, 200 << 10, 20 << 10, 4000, 1] {
            while put(&server, &format!("fill-{fills}"), &bytes(size)).send().status == 200 {
                fills += 1;
                assert!(fills < 3000, "{mount}");
            }
        }
        for _ in 0..2 {
            for (name, request) in writes(&server, &upload, &bytes(2 << 20)) {
                let response = request.send();
                assert!(is_full(response), "{mount}: {name}");
                old.check();
            }
        }
        // These may still find a little room.
        for _ in 0..40 {
            let tag = server.request("PUT", "/bench/fill-0?tagging").body(TAGS).send();
            assert!(tag.status == 200 || is_full(tag), "{mount}");
            let bucket = server.request("PUT", "/other").unsized_body("").send();
            assert!([200, 409].contains(&bucket.status) || is_full(bucket), "{mount}");
            let begun = server.request("POST", "/bench/fill-m?uploads").send();
            assert!(begun.status == 200 || is_full(begun), "{mount}");
        }
        old.check();
        for number in (0..fills).step_by(2) {
            server.delete(&format!("/bench/fill-{number}")).expect(204);
        }
        for (name, request) in writes(&server, &upload, &bytes(5000)) {
            if !name.starts_with("copy") {
                assert_eq!(request.send().status, 200, "{mount}: {name}");
            }
        }
    }
}

/// The file system, or where only root may do that the mount.
fn remount(server: &Server, how: &str) {
    let whole = format!("mount -o remount,{how} root 2>/dev/null");
    server.inside(&format!("{{ {whole} || mount -o remount,bind,{how} root; }}"));
}

fn read_only(runtime: &Runtime) {
    // A disk that becomes read-only under the server, as ext4 does after an error, is AccessDenied
    // for every change and serves what it has; when it can be written again, so can the bucket.
    for mount in small_disks() {
        let server = Setup::root(*runtime).arg("--min-part-size=0").mount(mount).start();
        let old = Old::new(&server);
        put(&server, "fill-0", b"x").send().expect(200);
        let upload = upload(&server);
        let denied = |response: Response| response.error(403, "AccessDenied");
        remount(&server, "ro");
        for (name, request) in writes(&server, &upload, &bytes(5000)) {
            assert_eq!(request.send().status, 403, "{name}");
            denied(request.send());
        }
        denied(server.delete("/bench/d/a"));
        denied(server.request("PUT", "/other").unsized_body("").send());
        denied(server.request("POST", "/bench/m?uploads").send());
        denied(server.delete(&upload));
        old.check();
        remount(&server, "rw");
        server.delete(&upload).expect(204);
        server.delete("/bench/fill-0").expect(204);
        old.check();
        put(&server, "d/a", b"new").send().expect(200);
    }
}

/// The most descriptors that the server may have from now on.
fn limit(server: &Server, most: u64) {
    let pid = Pid::from_raw(server.pid().try_into().unwrap());
    // It has what this process has, too.
    let limit = Rlimit { current: Some(most), maximum: getrlimit(Resource::Nofile).maximum };
    prlimit(pid, Resource::Nofile, limit).unwrap();
}

/// The number that the next descriptor of the server would have.
fn lowest_free(server: &Server) -> u64 {
    let fds = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let numbers = fds.map(|fd| fd.unwrap().file_name().to_str().unwrap().parse().unwrap());
    let numbers: HashSet<u64> = numbers.collect();
    (0..).find(|number| !numbers.contains(number)).unwrap()
}

fn no_descriptors(server: &Server) {
    // Without a free descriptor those who come hear SlowDown, and so do those who are there and ask
    // for what needs one; nobody waits, and with descriptors all goes on, on the same connections.
    server.store("k", "hello");
    let mut there = server.connect();
    server.request("GET", "/bench/k").on(&mut there).expect(200);
    for _ in 0..3 {
        // Those of connections that have ended are closed soon.
        std::thread::sleep(Duration::from_millis(200));
        limit(server, lowest_free(server));
        for _ in 0..5 {
            let refused = server.request("PUT", "/bench/new").body(bytes(100_000)).attempt();
            let refused = refused.unwrap().expect(503);
            assert_eq!(refused.one("Code"), "SlowDown");
            assert_eq!(refused.header("Connection"), "close");
        }
        for (method, target) in [("GET", "/bench/k"), ("PUT", "/bench/n"), ("GET", "/bench")] {
            let refused = server.request(method, target).on(&mut there).expect(503);
            assert_eq!(refused.one("Code"), "SlowDown", "{method} {target}");
        }
        limit(server, 1000);
        let got = server.request("GET", "/bench/k").on(&mut there).expect(200);
        assert_eq!(got.text(), "hello");
        assert_eq!(server.get("/bench").expect(200).all("Key"), ["k"]);
    }
    assert_eq!(files(&server.path("")), ["k"]);
}

fn folder_replaced(server: &Server) {
    // What the path of a bucket names now is the bucket: another folder with other objects, at
    // once; a file or nothing is no bucket; and a link to a folder is one, as at the start.
    let (bench, moved) = (server.path(""), server.home().join("moved"));
    server.store("k", "first");
    server.store("k", "second");
    let gone = || {
        for (method, target) in
            [("GET", "/bench/k"), ("PUT", "/bench/k"), ("DELETE", "/bench/k"), ("GET", "/bench")]
        {
            std::thread::sleep(Duration::from_millis(25));
            server.request(method, target).send().error(404, "NoSuchBucket");
        }
    };
    fs::rename(&bench, &moved).unwrap();
    gone();
    fs::write(bench.with_file_name("bench"), "a file").unwrap();
    gone();
    fs::remove_file(bench.with_file_name("bench")).unwrap();
    fs::create_dir(&bench).unwrap();
    server.get("/bench/k").error(404, "NoSuchKey");
    server.store("k", "third");
    server.store("k", "fourth");
    assert_eq!(server.get("/bench/k").expect(200).text(), "fourth");
    fs::remove_dir_all(&bench).unwrap();
    std::os::unix::fs::symlink(&moved, bench.with_file_name("bench")).unwrap();
    assert_eq!(server.get("/bench/k").expect(200).text(), "second");
    server.store("k", "fifth");
    fs::remove_file(bench.with_file_name("bench")).unwrap();
    fs::rename(&moved, &bench).unwrap();
    assert_eq!(server.get("/bench").expect(200).all("Key"), ["k"]);
    assert_eq!(server.get("/bench/k").expect(200).text(), "fifth");
}

fn folder_replaced_while_writing(server: &Server) {
    // An upload whose bucket is removed and made again meanwhile is NoSuchBucket, not a success
    // that nobody can find; the next one is stored in what is there now.
    for key in ["k", "d/k"] {
        server.store(key, "old");
        let request = server.request("PUT", &format!("/bench/{key}")).body(bytes(300_000));
        let (whole, head) = (request.bytes(), request.head().len());
        let mut connection = server.connect();
        connection.write(&whole[..head + 100_000]);
        // It has begun once there is a file without a name.
        let open = || {
            let fds = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
            fds.map_while(Result::ok).any(|fd| {
                fs::read_link(fd.path()).is_ok_and(|name| name.to_string_lossy().contains("/#"))
            })
        };
        while !open() {
            std::thread::sleep(Duration::from_millis(1));
        }
        fs::remove_dir_all(server.path("")).unwrap();
        fs::create_dir(server.path("")).unwrap();
        connection.write(&whole[head + 100_000..]);
        connection.response("PUT").error(404, "NoSuchBucket");
        assert_eq!(files(&server.path("")), [""; 0]);
        server.store(key, "new");
        server.delete(&format!("/bench/{key}")).expect(204);
    }
}

fn bucket_replaced(server: &Server) {
    // Under --root a link that leads out is no bucket, nor is a file.
    server.request("PUT", "/photos").unsized_body("").send().expect(200);
    server.put("/photos/k", "x").expect(200);
    let (photos, outside) = (server.home().join("root/photos"), server.home().join("outside"));
    fs::rename(&photos, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &photos).unwrap();
    for round in 0..2 {
        server.get("/photos/k").error(404, "NoSuchBucket");
        server.put("/photos/k", "y").error(404, "NoSuchBucket");
        server.get("/photos").error(404, "NoSuchBucket");
        assert_eq!(server.get("/").expect(200).all("Name"), [""; 0]);
        let made = server.request("PUT", "/photos").unsized_body("").send();
        made.error(409, "BucketAlreadyExists");
        fs::remove_file(&photos).unwrap();
        if round == 0 {
            fs::write(&photos, "a file").unwrap();
        }
    }
    assert_eq!(fs::read(outside.join("k")).unwrap(), b"x");
    fs::rename(&outside, &photos).unwrap();
    assert_eq!(server.get("/photos/k").expect(200).text(), "x");
}
