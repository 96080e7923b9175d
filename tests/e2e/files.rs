//! The folder beneath: files from before, changes behind the server's back, links and special
//! files, names of every kind, and what the server leaves in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::{bytes, files, set_modified, state};
use rustix::fs::{CWD, FileType, Mode, mknodat};

on_every_runtime![
    files_from_before,
    reads_write_nothing,
    changes_are_seen,
    no_stale_tag,
    replaced_by_a_folder,
    special_files,
    links,
    names,
    any_key,
    long_names,
    folder_and_file_of_one_name,
    own_folder_is_hidden,
    prune,
    prune_keeps_what_a_person_made,
    kept_mode,
    readers_see_whole_objects,
    shrinking_file,
    growing_file,
    no_trace_of_refused_uploads,
    unreadable_file,
    folder_is_gone,
];
on_every_runtime!(with std::convert::identity; followed_links, fast_etags, durable);

fn files_from_before(server: &Server) {
    // A file that anyone put there is an object: guessed type, its date, a tag that stays.
    server.place("a/cat.jpg", "meow");
    set_modified(&server.path("a/cat.jpg"), 784_111_777);
    let got = server.get("/bench/a/cat.jpg").expect(200);
    assert_eq!(got.text(), "meow");
    assert_eq!(got.header("Content-Type"), "image/jpeg");
    assert_eq!(got.header("Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    let etag = got.header("ETag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with("-1\"") && etag.len() == 36, "{etag}");
    assert_eq!(server.head("/bench/a/cat.jpg").header("ETag"), etag);
    let page = server.get("/bench?list-type=2").expect(200);
    assert_eq!((page.one("Key"), page.one("ETag")), ("a/cat.jpg".into(), etag));
    assert_eq!(page.one("LastModified"), "1994-11-06T08:49:37.000Z");
}

fn reads_write_nothing(server: &Server) {
    // Reading and listing touch no file and no folder.
    server.place("a/b/c", bytes(100_000));
    server.place("d", "x");
    fs::create_dir(server.path("empty")).unwrap();
    let before = state(&server.path(""));
    let all = [
        ("GET", "/"),
        ("GET", "/bench"),
        ("GET", "/bench?list-type=2&delimiter=/"),
        ("GET", "/bench/a/b/c"),
        ("HEAD", "/bench/a/b/c"),
        ("GET", "/bench/none/none"),
        ("GET", "/bench/a//b"),
        ("GET", "/bench?location"),
        ("DELETE", "/bench/none/none"),
        ("DELETE", "/bench/a//b"),
        ("PUT", "/bench/a?acl"),
    ];
    for (method, target) in all {
        server.request(method, target).send();
    }
    assert_eq!(state(&server.path("")), before);
}

fn changes_are_seen(server: &Server) {
    // What anyone changes in the folder is in the very next answer, also in lists.
    let keys = || server.get("/bench?list-type=2").all("Key");
    let mut names: Vec<String> = Vec::new();
    for at in 0..20 {
        let name = format!("d/{at:02}");
        server.place(&name, format!("content {at}"));
        names.push(name.clone());
        assert_eq!(keys(), names);
        assert_eq!(server.get(&format!("/bench/{name}")).text(), format!("content {at}"));
    }
    for at in 0..10 {
        fs::remove_file(server.path(&names.remove(at))).unwrap();
        assert_eq!(keys(), names);
    }
    fs::rename(server.path("d"), server.path("e")).unwrap();
    assert!(keys().iter().all(|key| key.starts_with("e/")));
    server.get("/bench/d/01").error(404, "NoSuchKey");
}

fn no_stale_tag(server: &Server) {
    // A file that was changed behind the server's back never has the tag of its old content.
    let etag = server.store("k", "hello").header("ETag").to_owned();
    let asks = |server: &Server| {
        let tag = server.head("/bench/k").header("ETag").to_owned();
        assert_eq!(server.get("/bench?list-type=2").one("ETag"), tag);
        tag
    };
    fs::write(server.path("k"), "HELLO").unwrap();
    assert_ne!(asks(server), etag);
    server.store("k", "hello");
    assert_eq!(asks(server), etag);
    fs::write(server.home().join("other"), "olleh").unwrap();
    fs::rename(server.home().join("other"), server.path("k")).unwrap();
    assert_ne!(asks(server), etag);
    let request = server.request("GET", "/bench/k").header("If-Match", etag);
    request.send().error(412, "PreconditionFailed");
}

fn replaced_by_a_folder(server: &Server) {
    // A file that becomes a folder is no object any more, and the other way round.
    server.store("k", "x");
    fs::remove_file(server.path("k")).unwrap();
    server.place("k/inside", "y");
    server.get("/bench/k").error(404, "NoSuchKey");
    assert_eq!(server.get("/bench/k/inside").expect(200).text(), "y");
    fs::remove_dir_all(server.path("k")).unwrap();
    server.place("k", "z");
    assert_eq!(server.get("/bench/k").expect(200).text(), "z");
    server.get("/bench/k/inside").error(404, "NoSuchKey");
}

fn special_files(server: &Server) {
    // FIFOs and sockets are no objects: they never block a request and are never listed.
    let mode = Mode::from_raw_mode(0o644);
    mknodat(CWD, server.path("fifo"), FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(server.path("socket")).unwrap();
    server.place("k", "x");
    for name in ["fifo", "socket"] {
        server.get(&format!("/bench/{name}")).error(404, "NoSuchKey");
        server.head(&format!("/bench/{name}")).expect(404);
    }
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["k"]);
}

fn links(server: &Server) {
    // A link that stays inside is followed, one that leads out is no object and not listed.
    fs::create_dir(server.home().join("outside")).unwrap();
    fs::write(server.home().join("outside/secret"), "secret").unwrap();
    server.place("d/k", "inside");
    symlink("d/k", server.path("in")).unwrap();
    symlink("../outside/secret", server.path("out")).unwrap();
    symlink(server.home().join("outside/secret"), server.path("absolute")).unwrap();
    symlink("../outside", server.path("dir")).unwrap();
    symlink("loop", server.path("loop")).unwrap();
    symlink("nowhere", server.path("broken")).unwrap();
    symlink("/proc/self/root", server.path("magic")).unwrap();
    assert_eq!(server.get("/bench/in").expect(200).text(), "inside");
    for name in ["out", "absolute", "dir/secret", "loop", "broken", "magic/etc/passwd"] {
        server.get(&format!("/bench/{name}")).error(404, "NoSuchKey");
    }
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["d/k", "in"]);
    // A name that nobody else has: other people use /tmp too.
    let stray = std::env::temp_dir().join(format!("lobos-links-{}", server.address().port()));
    assert!(!stray.exists());
    for name in ["dir/new".to_owned(), format!("magic{}", stray.display())] {
        server.put(&format!("/bench/{name}"), "x");
    }
    assert!(!stray.exists());
    server.delete("/bench/dir/secret");
    assert_eq!(files(&server.home().join("outside")), ["secret"]);
}

fn followed_links(runtime: &Runtime) {
    // With --follow-symlinks, links that lead out are followed.
    let server = Setup::new(*runtime).arg("--follow-symlinks").start();
    fs::create_dir(server.home().join("outside")).unwrap();
    fs::write(server.home().join("outside/k"), "outside").unwrap();
    symlink("../outside/k", server.path("out")).unwrap();
    symlink(server.home().join("outside"), server.path("dir")).unwrap();
    assert_eq!(server.get("/bench/out").expect(200).text(), "outside");
    assert_eq!(server.get("/bench/dir/k").expect(200).text(), "outside");
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["dir/k", "out"]);
}

fn names(server: &Server) {
    // Names with spaces, percent signs, plus signs and any script are the same on both sides.
    for (target, name) in [
        ("a%20b", "a b"),
        ("100%25", "100%"),
        ("%2541", "%41"),
        ("a+b", "a+b"),
        ("a%2Bc", "a+c"),
        ("%C3%BC%20%E6%97%A5", "ü 日"),
        ("u%CC%88", "u\u{308}"),
        ("(a)[b]{c}", "(a)[b]{c}"),
        ("a%0Ab", "a\nb"),
        ("%22'%5C", "\"'\\"),
        ("a;b,c=d:e@f!$*~", "a;b,c=d:e@f!$*~"),
        ("%3F%23%26", "?#&"),
        ("-rf", "-rf"),
        ("...", "..."),
        ("d%2Fe", "d/e"),
    ] {
        server.store(target, name);
        assert_eq!(fs::read(server.path(name)).unwrap(), name.as_bytes(), "{name}");
        server.place(name, "from outside");
        assert_eq!(server.get(&format!("/bench/{target}")).expect(200).text(), "from outside");
        server.delete(&format!("/bench/{target}")).expect(204);
        assert!(!server.path(name).exists(), "{name}");
    }
}

fn any_key(server: &Server) {
    // Keys that no folder can hold side by side are all there, each with its own bytes.
    let long = "l".repeat(1024);
    let keys = [
        "a",
        "a/",
        "a/b",
        "a/b/",
        "a/b/c",
        "/a",
        "//",
        "a//b",
        "a///",
        "b//",
        "b",
        "/",
        ".lobos/x",
        ".lobos",
        "..a",
        "c/.lobos/x",
        &long,
    ];
    for order in [keys.to_vec(), keys.iter().rev().copied().collect()] {
        for key in &order {
            server.put(&format!("/bench/{key}"), format!("body of {key}")).expect(200);
        }
        for key in &order {
            let got = server.get(&format!("/bench/{key}")).expect(200);
            assert_eq!(got.text(), format!("body of {key}"));
            let size = server.head(&format!("/bench/{key}")).header("Content-Length").to_owned();
            assert_eq!(size, got.body.len().to_string());
        }
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(server.get("/bench?list-type=2").all("Key"), sorted);
        for (at, key) in order.iter().enumerate() {
            server.delete(&format!("/bench/{key}")).expect(204);
            server.get(&format!("/bench/{key}")).error(404, "NoSuchKey");
            let left = order.len() - at - 1;
            assert_eq!(server.get("/bench?list-type=2").all("Key").len(), left, "{key}");
        }
    }
}

fn long_names(server: &Server) {
    // A name of 255 bytes is a file; a longer segment and a key of 1,024 bytes are kept, too.
    for key in [
        "s".repeat(255),
        "s".repeat(256),
        format!("{}/{}", "d".repeat(300), "k"),
        "e/".repeat(511) + "kk",
        "ü".repeat(512),
    ] {
        server.store(&key.replace('ü', "%C3%BC"), "x");
        let found = server.get("/bench?list-type=2").all("Key");
        assert!(found.contains(&key), "{key}");
        server.delete(&format!("/bench/{}", key.replace('ü', "%C3%BC"))).expect(204);
    }
    assert_eq!(server.get("/bench?list-type=2").one("KeyCount"), "0");
}

fn folder_and_file_of_one_name(server: &Server) {
    // A person's folder `a` and an object `a` live side by side.
    server.place("a/inside", "inside");
    server.store("a", "object");
    assert_eq!(server.get("/bench/a").expect(200).text(), "object");
    assert_eq!(server.get("/bench/a/inside").expect(200).text(), "inside");
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["a", "a/inside"]);
    assert!(server.path("a").is_dir());
    server.place("f", "file");
    server.store("f/k", "beneath");
    assert_eq!(server.get("/bench/f").expect(200).text(), "file");
    assert_eq!(server.get("/bench/f/k").expect(200).text(), "beneath");
    assert!(server.path("f").is_file());
}

fn own_folder_is_hidden(server: &Server) {
    // What is in `.lobos` can be neither read, listed, written nor deleted as objects.
    server.store("a//b", "aside");
    let own: Vec<String> =
        files(&server.path("")).into_iter().filter(|name| name.starts_with(".lobos")).collect();
    assert!(!own.is_empty());
    for name in &own {
        server.get(&format!("/bench/{name}")).error(404, "NoSuchKey");
        server.delete(&format!("/bench/{name}")).expect(204);
    }
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["a//b"]);
    assert_eq!(server.get("/bench?list-type=2&prefix=.lobos").one("KeyCount"), "0");
    assert_eq!(server.get("/bench/a//b").expect(200).text(), "aside");
}

fn prune(server: &Server) {
    // Folders that only uploads made are gone with the last object in them.
    server.store("a/b/c/one", "x");
    server.store("a/b/two", "x");
    server.delete("/bench/a/b/c/one").expect(204);
    assert!(!server.path("a/b/c").exists());
    assert!(server.path("a/b").is_dir());
    server.delete("/bench/a/b/two").expect(204);
    assert!(!server.path("a").exists());
    server.store("a/b/c/one", "again");
    assert_eq!(server.get("/bench/a/b/c/one").expect(200).text(), "again");
}

fn prune_keeps_what_a_person_made(server: &Server) {
    // A folder that somebody else made stays, also when it is empty; so does the bucket.
    fs::create_dir_all(server.path("mine/deep")).unwrap();
    server.store("mine/deep/new/k", "x");
    server.delete("/bench/mine/deep/new/k").expect(204);
    assert!(!server.path("mine/deep/new").exists());
    assert!(server.path("mine/deep").is_dir());
    server.store("k", "x");
    server.delete("/bench/k").expect(204);
    assert!(server.path("").is_dir());
}

fn kept_mode(server: &Server) {
    // New files have the rights that any program's new files have, and no execute bits.
    server.store("k", "x");
    let plain = server.home().join("plain");
    fs::write(&plain, "x").unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&server.path("k")), mode(&plain));
}

fn readers_see_whole_objects(server: &Server) {
    // While an object is overwritten all the time, each GET has one version, whole.
    let version = |at: u8| vec![b'a' + at; 50_000 + usize::from(at) * 1000];
    server.store("k", version(0));
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut connection = server.connect();
            for at in 0..60 {
                let request = server.request("PUT", "/bench/k").body(version(at % 20));
                request.on(&mut connection).expect(200);
            }
        });
        let mut connection = server.connect();
        while !writer.is_finished() {
            let got = server.request("GET", "/bench/k").on(&mut connection).expect(200);
            assert!(got.body == version(got.body[0] - b'a'));
        }
    });
}

fn shrinking_file(server: &Server) {
    // A file that is cut while it is sent ends the connection before its promised length. What is
    // on its way then may read as zeros, since the kernel sends the pages themselves.
    let body = bytes(32 << 20);
    server.place("big", &body);
    let mut connection = server.connect();
    connection.write(server.request("GET", "/bench/big").bytes());
    assert_eq!(connection.response_head().header("Content-Length"), body.len().to_string());
    let first = connection.read(1 << 20);
    fs::File::options().write(true).open(server.path("big")).unwrap().set_len(100).unwrap();
    let got = [first, connection.rest()].concat();
    assert!(got.len() < body.len(), "{} bytes", got.len());
    assert!(got.iter().zip(&body).all(|(got, sent)| got == sent || *got == 0));
    assert_eq!(server.head("/bench/big").expect(200).header("Content-Length"), "100");
}

fn growing_file(server: &Server) {
    // A file that grows while it is sent is sent as long as it was, and the connection goes on.
    let body = bytes(16 << 20);
    server.place("log", &body);
    let mut connection = server.connect();
    connection.write(server.request("GET", "/bench/log").bytes());
    connection.response_head();
    let first = connection.read(1 << 20);
    let mut file = fs::File::options().append(true).open(server.path("log")).unwrap();
    std::io::Write::write_all(&mut file, b"one more line").unwrap();
    let rest = connection.read(body.len() - first.len());
    assert!([first, rest].concat() == body);
    let head = server.request("HEAD", "/bench/log").on(&mut connection).expect(200);
    assert_eq!(head.header("Content-Length"), (body.len() + 13).to_string());
}

fn no_trace_of_refused_uploads(server: &Server) {
    // An upload that fails leaves no file, no folder and nothing in `.lobos/tmp`.
    let request = server
        .request("PUT", "/bench/new/folder/k")
        .header("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==");
    request.body(bytes(300_000)).send().error(400, "BadDigest");
    server.store("old", "old");
    let request = server.request("PUT", "/bench/old").header("x-amz-checksum-crc32", "AAAAAA==");
    request.body(bytes(300_000)).send().error(400, "BadDigest");
    assert_eq!(files(&server.path("")), ["old"]);
    assert!(!server.path("new").exists());
}

fn unreadable_file(server: &Server) {
    // A file that the server may not read is AccessDenied and ends nothing. Root reads anything.
    server.place("k", "x");
    fs::set_permissions(server.path("k"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(server.path("k")).is_err() {
        server.get("/bench/k").error(403, "AccessDenied");
    }
    server.store("other", "y");
    assert_eq!(server.get("/bench/other").expect(200).text(), "y");
}

fn folder_is_gone(server: &Server) {
    // When the folder of a bucket is taken away, requests fail in words and the server goes on.
    server.store("k", "x");
    fs::rename(server.path(""), server.home().join("moved")).unwrap();
    fs::remove_dir_all(server.home().join("moved")).unwrap();
    let status = server.get("/bench/k").status;
    assert!([404, 500].contains(&status), "{status}");
    let status = server.put("/bench/k", "x").status;
    assert!([404, 500].contains(&status), "{status}");
    server.get("/").expect(200);
}

fn fast_etags(runtime: &Runtime) {
    // With --etag fast every tag is opaque, changes with each PUT, and is the same in all answers.
    let server = Setup::new(*runtime).arg("--etag=fast").start();
    let mut seen = Vec::new();
    for _ in 0..20 {
        let etag = server.store("k", "hello").header("ETag").to_owned();
        assert!(etag.ends_with("-1\"") && etag.len() == 36, "{etag}");
        assert!(!seen.contains(&etag));
        assert_eq!(server.head("/bench/k").header("ETag"), etag);
        assert_eq!(server.get("/bench?list-type=2").one("ETag"), etag);
        seen.push(etag);
    }
    let request =
        server.request("PUT", "/bench/k").header("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==");
    request.body("x").send().error(400, "BadDigest");
}

fn durable(runtime: &Runtime) {
    // With --durability disk everything works as without.
    let server = Setup::new(*runtime).arg("--durability=disk").start();
    for key in ["k", "a/b/c", "a//b", "k"] {
        server.store(key, key);
        assert_eq!(server.get(&format!("/bench/{key}")).expect(200).text(), key);
    }
    for key in ["k", "a/b/c", "a//b"] {
        server.delete(&format!("/bench/{key}")).expect(204);
    }
    assert_eq!(server.get("/bench?list-type=2").one("KeyCount"), "0");
}
