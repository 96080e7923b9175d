//! Links, hard links and special files, also ones that change while requests run: nothing outside
//! of the bucket is read, written or removed, and nothing waits.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::dice::Dice;
use crate::support::http::{Connection, Request};
use crate::support::server::Server;
use crate::support::tree::{bytes, files, state};
use rustix::fs::{
    CWD, FileType, Mode, RenameFlags, XattrFlags, getxattr, mknodat, renameat_with, setxattr,
};

on_every_runtime![
    links_out_of_the_bucket,
    a_file_that_becomes_a_link,
    a_folder_that_becomes_a_link,
    a_folder_that_becomes_a_link_during_an_upload,
    own_folder_is_a_link,
    own_folders_inside_are_links,
    hard_links,
    special_files_never_block,
    a_file_that_becomes_special,
    attributes_that_others_wrote,
];

const SECRET: &str = "what nobody may read";

/// Folders and files beside the bucket that no request may read or change.
fn outside(server: &Server) -> std::path::PathBuf {
    let outside = server.home().join("outside");
    fs::create_dir_all(outside.join("d")).unwrap();
    for name in ["k", "d/k", "secret"] {
        fs::write(outside.join(name), SECRET).unwrap();
    }
    outside
}

/// Every operation that takes a key, on `key`: none gives the secret away.
fn ask_all(server: &Server, key: &str) {
    let target = format!("/bench/{key}");
    let with = |method: &str, query: &str| server.request(method, &format!("{target}{query}"));
    let copy = |source: &str, to: &str| {
        server.request("PUT", to).header("x-amz-copy-source", source).body("")
    };
    let form = format!(
        "--e\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n{key}\r\n--e\r\n\
         Content-Disposition: form-data; name=\"file\"\r\n\r\nform\r\n--e--\r\n"
    );
    let post = server.request("POST", "/bench").body(form);
    let document = format!("<Delete><Object><Key>{key}</Key></Object></Delete>");
    let md5 = lobos_digest::digest(lobos_digest::Algorithm::Md5, document.as_bytes()).to_base64();
    let source = target.clone();
    let requests: Vec<Request> = vec![
        with("GET", ""),
        with("GET", "").header("Range", "bytes=0-3"),
        with("GET", "?attributes").header("x-amz-object-attributes", "ETag,ObjectSize"),
        with("GET", "?tagging"),
        with("GET", "?acl"),
        copy(&source, "/bench/copied"),
        copy("/bench/mine", &target),
        server
            .request("PUT", "/bench/renamed?renameObject")
            .header("x-amz-rename-source", &source)
            .body(""),
        server
            .request("PUT", &format!("{target}?renameObject"))
            .header("x-amz-rename-source", "/bench/mine")
            .body(""),
        with("PUT", "").body("put"),
        with("PUT", "").header("x-amz-write-offset-bytes", SECRET.len()).body("appended"),
        with("PUT", "?tagging")
            .body("<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
        post.header("Content-Type", "multipart/form-data; boundary=e"),
        server.request("POST", "/bench?delete").header("Content-MD5", md5).body(document),
        with("DELETE", ""),
        with("DELETE", "?tagging"),
        with("PUT", "/below/it").body("x"),
        with("DELETE", "/below/it"),
        server.request("GET", "/bench?list-type=2"),
        server.request("GET", &format!("/bench?prefix={key}")),
        server.request("GET", &format!("/bench?prefix={key}/&delimiter=/")),
    ];
    for request in requests {
        let answer = request.send();
        let text = String::from_utf8_lossy(&answer.body);
        let head = String::from_utf8_lossy(&request.head()).into_owned();
        assert!(answer.status < 500 || answer.status == 501, "{head}{text}");
        assert!(!text.contains("nobody") && !text.contains("what"), "{head}{text}");
    }
    server.request("HEAD", &target).send();
    let upload = with("POST", "?uploads").body("").send();
    if upload.status == 200 {
        let id = upload.one("UploadId");
        let part = with("PUT", &format!("?partNumber=1&uploadId={id}")).body("part").send();
        let copied = with("PUT", &format!("?partNumber=1&uploadId={id}"))
            .header("x-amz-copy-source", &source);
        let copied = copied.body("").send();
        assert!(!copied.text().contains("what"));
        if let Some(etag) = part.find("ETag") {
            let part = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
            let document = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
            with("POST", &format!("?uploadId={id}")).body(document).send();
        }
        with("DELETE", &format!("?uploadId={id}")).send();
    }
}

fn links_out_of_the_bucket(server: &Server) {
    // Through a link that leads out no operation reads, writes, renames, tags or removes anything.
    let outside = outside(server);
    let before = state(&outside);
    server.place("mine", "mine");
    for (name, target) in [
        ("file", outside.join("k")),
        ("relative", Path::new("../outside/k").to_owned()),
        ("folder", outside.clone()),
        ("up", Path::new("..").to_owned()),
        ("proc", Path::new("/proc/self/root").join(outside.strip_prefix("/").unwrap())),
        ("cwd", Path::new("/proc/self/cwd").join("outside")),
        ("root", Path::new("/").to_owned()),
    ] {
        symlink(&target, server.path(name)).unwrap();
    }
    symlink("file", server.path("twice")).unwrap();
    let deep = format!("root{}", outside.display());
    for key in [
        "file",
        "relative",
        "twice",
        "folder/k",
        "folder/new",
        "folder/d/k",
        "up/outside/k",
        "proc/k",
        "cwd/k",
        "folder",
        "folder/",
        &format!("{deep}/k"),
        &format!("{deep}/new"),
    ] {
        ask_all(server, key);
        assert_eq!(state(&outside), before, "{key}");
        // A link itself is an entry of the bucket, which may go.
        for (name, target) in [("file", "k"), ("relative", "k"), ("folder", "")] {
            if fs::symlink_metadata(server.path(name)).is_err() {
                symlink(outside.join(target), server.path(name)).unwrap();
            }
        }
        server.place("mine", "mine");
    }
}

/// Exchanges two names as fast as it can, as long as the requests run.
fn flipping(one: &Path, other: &Path, requests: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE);
            }
        });
        // Also when they fail: else the thread would never end.
        struct Ends<'a>(&'a AtomicBool);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _ends = Ends(&over);
        requests();
    });
}

fn a_file_that_becomes_a_link(server: &Server) {
    // A file and a link that leads out change places all the time: what is behind is never served.
    let outside = outside(server);
    server.place("d/k", "mine");
    server.place("mine", "mine");
    let link = server.home().join("link");
    symlink(outside.join("k"), &link).unwrap();
    let before = fs::read(outside.join("k")).unwrap();
    flipping(&server.path("d/k"), &link, || {
        let mut connection = server.connect();
        let mut found = 0;
        for _ in 0..300 {
            let got = server.request("GET", "/bench/d/k").on(&mut connection);
            assert!([200, 404].contains(&got.status), "{}", got.status);
            assert!(got.status == 404 || got.text() == "mine", "{}", got.text());
            found += u32::from(got.status == 200);
            let copy =
                server.request("PUT", "/bench/copied").header("x-amz-copy-source", "/bench/d/k");
            copy.body("").on(&mut connection);
            let copied = server.request("GET", "/bench/copied").on(&mut connection);
            assert!(copied.status == 404 || copied.text() == "mine");
            let listed = server.request("GET", "/bench?prefix=d/").on(&mut connection).expect(200);
            let sizes = listed.all("Size");
            assert!(sizes.is_empty() || sizes == ["4"], "{sizes:?}");
        }
        assert!(found > 0, "never there");
        for _ in 0..100 {
            server.request("PUT", "/bench/d/k").body("mine").on(&mut connection);
        }
    });
    assert_eq!(fs::read(outside.join("k")).unwrap(), before);
}

fn a_folder_that_becomes_a_link(server: &Server) {
    // A folder and a link that leads out change places all the time: every operation stays inside.
    let outside = outside(server);
    server.place("d/k", "mine");
    server.place("mine", "mine");
    let link = server.home().join("link");
    symlink(&outside, &link).unwrap();
    let before: Vec<_> = ["k", "d/k", "secret"].map(|n| fs::read(outside.join(n)).unwrap()).into();
    flipping(&server.path("d"), &link, || {
        for _ in 0..12 {
            for key in ["d/k", "d/d/k", "d/new", "d/e/f/new"] {
                ask_all(server, key);
            }
            server.put("/bench/d/k", "mine");
        }
    });
    assert_eq!(files(&outside), ["d/k", "k", "secret"]);
    let after: Vec<_> = ["k", "d/k", "secret"].map(|n| fs::read(outside.join(n)).unwrap()).into();
    assert_eq!(after, before);
}

fn a_folder_that_becomes_a_link_during_an_upload(server: &Server) {
    // The folder of an upload is replaced by a link between its first and its last byte.
    let outside = outside(server);
    let before = state(&outside);
    for key in ["d/k", "d/new", "d/e/new"] {
        fs::create_dir_all(server.path("d")).unwrap();
        let body = bytes(300_000);
        let request = server.request("PUT", &format!("/bench/{key}")).body(&body).bytes();
        let mut connection = server.connect();
        let (start, end) = request.split_at(request.len() - 100_000);
        connection.write(start);
        std::thread::sleep(Duration::from_millis(50));
        fs::rename(server.path("d"), server.path("moved")).unwrap();
        symlink(&outside, server.path("d")).unwrap();
        connection.write(end);
        let answer = connection.response("PUT");
        assert!(answer.status < 500, "{answer:?}");
        assert_eq!(state(&outside), before, "{key}");
        if answer.status == 200 {
            assert!(server.get(&format!("/bench/{key}")).expect(200).body == body, "{key}");
        }
        server.delete(&format!("/bench/{key}"));
        assert_eq!(state(&outside), before, "{key}");
        fs::remove_file(server.path("d")).unwrap();
        fs::remove_dir_all(server.path("moved")).unwrap();
    }
}

fn own_folder_is_a_link(server: &Server) {
    // A `.lobos` that leads out is not used: what needs it fails in words, and nothing is written.
    let outside = outside(server);
    let before = state(&outside);
    symlink(&outside, server.path(".lobos")).unwrap();
    server.place("k", "old");
    for key in ["k", "a//b", "new", ".lobos/k", ".lobos/secret"] {
        ask_all(server, key);
        assert_eq!(state(&outside), before, "{key}");
    }
    server.request("PUT", "/bench?cors").body("<CORSConfiguration/>").send();
    assert_eq!(state(&outside), before);
}

fn own_folders_inside_are_links(server: &Server) {
    // The same for what is in `.lobos`: uploads, temporary files, keys aside, metadata.
    let outside = outside(server);
    let before = state(&outside);
    fs::create_dir(server.path(".lobos")).unwrap();
    for name in ["tmp", "uploads", "aside", "meta", "config"] {
        symlink(&outside, server.path(".lobos").join(name)).unwrap();
    }
    server.place("k", "old");
    for key in ["k", "a//b", "new", "a/"] {
        ask_all(server, key);
        assert_eq!(state(&outside), before, "{key}");
    }
    let rule =
        "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>";
    server.put("/bench?cors", format!("<CORSConfiguration>{rule}</CORSConfiguration>"));
    server.delete("/bench?cors");
    assert_eq!(state(&outside), before);
}

fn hard_links(server: &Server) {
    // A PUT, copy, append, rename or DELETE over a name leaves the bytes of its other names alone.
    let other = server.home().join("other");
    for way in ["put", "append", "copy", "rename", "multipart", "delete"] {
        server.place("k", "old");
        server.place("mine", "mine");
        fs::hard_link(server.path("k"), &other).unwrap();
        let k = server.request("PUT", "/bench/k");
        match way {
            "put" => k.body("new").send().expect(200),
            "append" => k.header("x-amz-write-offset-bytes", 3).body("new").send().expect(200),
            "copy" => k.header("x-amz-copy-source", "/bench/mine").body("").send().expect(200),
            "rename" => {
                let rename = server.request("PUT", "/bench/k?renameObject").body("");
                rename.header("x-amz-rename-source", "/bench/mine").send().expect(200)
            }
            "multipart" => {
                let upload =
                    server.request("POST", "/bench/k?uploads").body("").send().one("UploadId");
                let part = server.put(&format!("/bench/k?partNumber=1&uploadId={upload}"), "new");
                let etag = part.header("ETag");
                let part = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
                let body = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
                let target = format!("/bench/k?uploadId={upload}");
                server.request("POST", &target).body(body).send().expect(200)
            }
            _ => server.delete("/bench/k").expect(204),
        };
        assert_eq!(fs::read(&other).unwrap(), b"old", "{way}");
        assert!(!server.path("k").exists() || server.path("k").metadata().unwrap().nlink() == 1);
        fs::remove_file(&other).unwrap();
        server.delete("/bench/k").expect(204);
    }
}

/// An answer that does not wait for anybody.
fn at_once(connection: &mut Connection, request: &Request, method: &str) -> u16 {
    let start = Instant::now();
    connection.write(request.bytes());
    let status = connection.response(method).status;
    assert!(start.elapsed() < Duration::from_secs(10), "{method} waits");
    status
}

fn special_files_never_block(server: &Server) {
    // FIFOs and sockets, also behind links and in folders, are missing in every operation; a PUT
    // takes the place of one, and nobody is ever waited for.
    server.place("mine", "mine");
    fs::create_dir(server.path("d")).unwrap();
    let mode = Mode::from_raw_mode(0o644);
    let fifo = |name: &str| mknodat(CWD, server.path(name), FileType::Fifo, mode, 0).unwrap();
    fifo("d/fifo");
    symlink("d/fifo", server.path("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(server.path("d/socket")).unwrap();
    symlink("/dev/zero", server.path("zero")).unwrap();
    symlink("/dev/tty", server.path("tty")).unwrap();
    for name in ["d/fifo", "d/socket", "link", "zero", "tty"] {
        let mut connection = server.connect();
        let target = format!("/bench/{name}");
        for method in ["GET", "HEAD"] {
            let request = server.request(method, &target);
            assert_eq!(at_once(&mut connection, &request, method), 404, "{method} {name}");
        }
        for target in ["/bench/copied", "/bench/mine"] {
            let copy =
                server.request("PUT", target).header("x-amz-copy-source", format!("/bench/{name}"));
            assert_eq!(at_once(&mut connection, &copy.body(""), "PUT"), 404, "{name}");
        }
        for query in ["?tagging", "?acl", "?attributes"] {
            let request = server.request("GET", &format!("{target}{query}"));
            let request = request.header("x-amz-object-attributes", "ETag");
            assert_eq!(at_once(&mut connection, &request, "GET"), 404, "{query} {name}");
        }
    }
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["mine"]);
    server.put("/bench/d/fifo", "now a file").expect(200);
    assert_eq!(server.get("/bench/d/fifo").expect(200).text(), "now a file");
}

fn a_file_that_becomes_special(server: &Server) {
    // A file that was served a moment ago and is a FIFO now is missing, and nobody waits for it.
    server.place("k", "mine");
    let fifo = server.home().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    flipping(&server.path("k"), &fifo, || {
        let mut connection = server.connect();
        for _ in 0..500 {
            let request = server.request("GET", "/bench/k");
            let got = request.on(&mut connection);
            assert!(got.status == 404 || got.text() == "mine", "{}", got.status);
        }
    });
}

fn byte(dice: &mut Dice) -> u8 {
    u8::try_from(dice.below(256)).unwrap()
}

fn attributes_that_others_wrote(server: &Server) {
    // Whatever another program has made of the attributes of a file and of what is in `.lobos`,
    // its bytes are served, nothing is a failure of the server, and no request waits.
    let mut dice = Dice::new(u64::from(server.address().port()));
    let put = server.request("PUT", "/bench/k").header("x-amz-meta-a", "b");
    let put = put.header("x-amz-tagging", "a=b").header("Content-Language", "de");
    put.body("hello").send().expect(200);
    let path = server.path("k");
    let mut good = vec![0; 4096];
    let length = getxattr(&path, "user.lobos", &mut good[..]).unwrap();
    good.truncate(length);
    let mut connection = server.connect();
    for at in 0..good.len() {
        // What has a meaning in a head, and what no name, no value, or no header has.
        for byte in *b"\0\n\r :\x01\x7f" {
            let mut value = good.clone();
            value[at] = byte;
            setxattr(&path, "user.lobos", &value, XattrFlags::empty()).unwrap();
            let got = server.request("GET", "/bench/k").on(&mut connection);
            assert_eq!((got.status, got.text()), (200, "hello"), "{value:?}");
        }
    }
    for round in 0..150 {
        let mut value = good.clone();
        match round % 3 {
            0 => value.truncate(dice.below(value.len())),
            1 => value = (0..dice.below(200)).map(|_| byte(&mut dice)).collect(),
            _ => {}
        }
        for _ in 0..dice.below(4) {
            if !value.is_empty() {
                let at = dice.below(value.len());
                value[at] = byte(&mut dice);
            }
        }
        setxattr(&path, "user.lobos", &value, XattrFlags::empty()).unwrap();
        for (method, target) in [
            ("GET", "/bench/k"),
            ("HEAD", "/bench/k"),
            ("GET", "/bench/k?partNumber=1"),
            ("GET", "/bench/k?tagging"),
            ("GET", "/bench/k?attributes"),
            ("GET", "/bench?list-type=2"),
        ] {
            let names = "ETag,Checksum,ObjectParts,ObjectSize";
            let request = server.request(method, target).header("x-amz-checksum-mode", "ENABLED");
            let request = request.header("x-amz-object-attributes", names);
            let got = request.on(&mut connection);
            assert!(got.status < 500, "{method} {target} {value:?}: {}", got.status);
            let whole = method == "GET" && target == "/bench/k";
            assert!(!whole || got.text() == "hello", "{value:?}");
        }
    }
    server.place(".lobos/meta/x", "nonsense");
    server.place(".lobos/config/cors", "<nonsense");
    server.place(".lobos/uploads/x/head", "nonsense");
    server.place(".lobos/aside/%zz/x", "nonsense");
    server.place(".lobos/tmp/x", "nonsense");
    for target in ["/bench/k", "/bench?list-type=2", "/bench?uploads", "/bench/k?uploadId=x"] {
        let got = server.request("GET", target).on(&mut connection);
        assert!(got.status < 500, "{target}: {}", got.status);
    }
    server.put("/bench/k", "new").expect(200);
    assert_eq!(server.get("/bench/k").expect(200).text(), "new");
}
