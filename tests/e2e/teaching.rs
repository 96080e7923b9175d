//! Errors that say what to do: to clients in their XML, to whoever runs the server in its log.

use std::fs;

use crate::support::server::{Runtime, Server, Setup};
use rustix::process::Signal;

on_every_runtime![missing_bucket];
on_every_runtime!(
    with std::convert::identity;
    missing_bucket_of_a_root,
    strangers_learn_no_names,
    foreign_host,
    locked_folder,
);

const SENTENCE: &str = "The specified bucket does not exist.";

fn message(server: &Server, method: &str, target: &str) -> String {
    server.request(method, target).send().expect(404).one("Message")
}

fn missing_bucket(server: &Server) {
    // Whoever asks for a bucket that is not there reads which there are, whatever the operation.
    let wanted = format!("{SENTENCE} There are: bench");
    for (method, target) in [
        ("GET", "/bensch"),
        ("GET", "/bensch/k"),
        ("PUT", "/bensch/k"),
        ("DELETE", "/bensch/k"),
        ("GET", "/bensch?location"),
        ("POST", "/bensch/k?uploads"),
    ] {
        let error = server.request(method, target).send().expect(404);
        assert_eq!(error.one("Code"), "NoSuchBucket");
        assert_eq!(error.one("Message"), wanted, "{method} {target}");
    }
    assert_eq!(server.head("/bensch/k").expect(404).text(), "");
    let copy = server.request("PUT", "/bench/k").header("x-amz-copy-source", "/bensch/k");
    assert_eq!(copy.send().expect(404).one("Message"), wanted);
}

fn missing_bucket_of_a_root(runtime: &Runtime) {
    // Under --root those that there are now are named, ten at most, and nothing that is no bucket.
    let setup = Setup::root(*runtime);
    let root = setup.home().join("root");
    fs::write(root.join("file"), "").unwrap();
    fs::create_dir(root.join(".hidden")).unwrap();
    let server = setup.start();
    assert_eq!(message(&server, "GET", "/x-1"), format!("{SENTENCE} There is none yet."));
    server.put("/a-b", "").expect(200);
    fs::create_dir(root.join("<a> & b")).unwrap();
    let both = format!("{SENTENCE} There are: &lt;a&gt; &amp; b, a-b");
    let text = server.get("/x-1").expect(404).text().to_owned();
    assert!(text.contains(&both), "{text}");
    fs::remove_dir(root.join("<a> & b")).unwrap();
    for at in 10..22 {
        server.put(&format!("/b-{at}"), "").expect(200);
    }
    let names: Vec<_> = (10..19).map(|at| format!("b-{at}")).collect();
    let wanted = format!("{SENTENCE} There are: a-b, {}, and others", names.join(", "));
    assert_eq!(message(&server, "GET", "/x-1"), wanted);
}

fn strangers_learn_no_names(runtime: &Runtime) {
    // Who has no key, and a page of another origin that asks for leave, read no name.
    let server = Setup::new(*runtime).args(&["--access-key", "A", "--secret-key", "S"]).start();
    for method in ["GET", "PUT", "POST", "DELETE"] {
        let error = server.request(method, "/bensch/k").send().expect(403);
        assert!(!error.text().contains("bench<"), "{}", error.text());
    }
    let form = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--x\r\n\
        Content-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--x--\r\n";
    let post = server.request("POST", "/bensch").body(form);
    let post = post.header("Content-Type", "multipart/form-data; boundary=x").send().expect(403);
    assert!(!post.text().contains("There are"), "{}", post.text());
    let preflight = server.request("OPTIONS", "/bensch/k").header("Origin", "https://a.example");
    let answer = preflight.header("Access-Control-Request-Method", "GET").send().expect(404);
    assert_eq!(answer.one("Message"), SENTENCE);
}

fn foreign_host(runtime: &Runtime) {
    // A name that is not ours is refused with the flag that would make it ours, and then it is.
    let setup = Setup::new(*runtime);
    let server = setup.start();
    server.store("k", "hello");
    let ask = |server: &Server, host: &str| server.request("GET", "/k").header("Host", host).send();
    let error = ask(&server, "bench.s3.example.org").expect(403).one("Message");
    let flag = "--host s3.example.org";
    assert!(error.contains(&format!("or with {flag} if 'bench' is a bucket")), "{error}");
    let error = ask(&server, "lobos:9000").expect(403).one("Message");
    assert!(error.ends_with("start with --host lobos."), "{error}");
    let setup = server.stopped();
    let server = setup.args(&flag.split(' ').collect::<Vec<_>>()).start();
    assert_eq!(ask(&server, "bench.s3.example.org").expect(200).text(), "hello");
}

fn locked_folder(runtime: &Runtime) {
    // A folder that cannot be written is said at the start, unless --read-only means it so.
    for (args, lines) in [(&[][..], 1), (&["--read-only"], 0)] {
        let mount = "mount --bind root root && mount -o remount,bind,ro root";
        let setup = Setup::root(*runtime).mount(mount).args(args);
        fs::create_dir(setup.home().join("root/bench")).unwrap();
        fs::write(setup.home().join("root/bench/k"), "hello").unwrap();
        let server = setup.start();
        assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
        let (_, log) = server.signal(Signal::TERM);
        assert_eq!(log.lines().count(), lines, "{log}");
        if lines > 0 {
            let start = "lobos: uploads will be refused: /";
            assert!(log.starts_with(start) && log.contains("/root cannot be written"), "{log}");
        }
    }
}
