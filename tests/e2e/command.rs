//! The command itself: flags, what it prints, errors and exit codes, and how it ends.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStringExt as _;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::support::server::{Runtime, Server, Setup, lobos, run};
use crate::support::tree::{bytes, files};
use rustix::process::Signal;

on_every_runtime![says_its_options, listens_on_a_free_port,];
on_every_runtime!(
    with std::convert::identity;
    port_taken,
    ends_on_signals,
    finishes_downloads,
    finishes_uploads,
    leaves_half_uploads,
    idle_connections_do_not_hold_it,
    restart_finds_everything,
    killed_while_writing,
    environment,
    one_thread,
    many_threads,
);

/// The one line on stderr of a start that failed.
#[track_caller]
fn failure(output: &Output) -> String {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    assert_eq!(out, "");
    err
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn says_its_options(server: &Server) {
    // It prints what it serves and how, and the URL in the last line.
    let said = server.said().join("\n");
    assert!(said.contains("bench = "), "{said}");
    for word in ["2 threads", "md5", "cache"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let url = format!("listening on http://{}", server.address());
    assert_eq!(server.said().last(), Some(&url));
}

fn listens_on_a_free_port(server: &Server) {
    // --port 0 takes a free port of the loopback address and serves at once.
    assert_eq!(server.address().ip().to_string(), "127.0.0.1");
    assert_ne!(server.address().port(), 0);
    server.get("/").expect(200);
}

fn port_taken(runtime: &Runtime) {
    // A second Lobos on the port fails with one line and does not share it.
    let server = Setup::new(*runtime).start();
    let port = server.address().port().to_string();
    let mut command = lobos();
    command.args(["--port", &port, "--runtime", runtime.0, "--dir"]).arg(server.path(""));
    assert_eq!(failure(&run(&mut command)), format!("lobos: port {port} is in use\n"));
    for _ in 0..20 {
        server.get("/bench").expect(200);
    }
}

fn ends_on_signals(runtime: &Runtime) {
    // SIGTERM and SIGINT end it at once when nothing runs, with exit code 0 and a silent log.
    for signal in [Signal::TERM, Signal::INT] {
        let server = Setup::new(*runtime).start();
        server.store("k", "x");
        let start = Instant::now();
        let (status, log) = server.signal(signal);
        assert_eq!((status.code(), log.as_str()), (Some(0), ""));
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    }
}

fn finishes_downloads(runtime: &Runtime) {
    // A download that runs is finished; new connections are not taken.
    let mut server = Setup::new(*runtime).start();
    let body = bytes(24 << 20);
    server.place("big", &body);
    let mut connection = server.connect();
    connection.write(server.request("GET", "/bench/big").bytes());
    connection.response_head();
    let mut got = connection.read(1 << 20);
    server.send_signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    got.extend(connection.read(body.len() - got.len()));
    assert!(got == body);
    assert_eq!(server.ended().0.code(), Some(0));
}

fn finishes_uploads(runtime: &Runtime) {
    // An upload whose rest comes soon is stored and acknowledged.
    let mut server = Setup::new(*runtime).start();
    let body = bytes(1 << 20);
    let request = server.request("PUT", "/bench/k").body(&body).bytes();
    let mut connection = server.connect();
    connection.write(&request[..request.len() / 2]);
    std::thread::sleep(Duration::from_millis(100));
    server.send_signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    connection.write(&request[request.len() / 2..]);
    connection.response("PUT").expect(200);
    assert!(connection.is_closed());
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(fs::read(server.path("k")).unwrap() == body);
}

fn leaves_half_uploads(runtime: &Runtime) {
    // An upload whose rest does not come is given up after two seconds, and leaves no trace.
    let mut server = Setup::new(*runtime).start();
    server.store("k", "old");
    let mut connections = Vec::new();
    for key in ["k", "new/folder/k"] {
        let request = server.request("PUT", &format!("/bench/{key}")).body(bytes(1 << 20)).bytes();
        let mut connection = server.connect();
        connection.write(&request[..request.len() / 2]);
        connections.push(connection);
    }
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    server.send_signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert_eq!(files(&server.path("")), ["k"]);
    assert_eq!(fs::read(server.path("k")).unwrap(), b"old");
}

fn idle_connections_do_not_hold_it(runtime: &Runtime) {
    // Connections that wait for nothing are closed at once.
    let mut server = Setup::new(*runtime).start();
    let mut connections: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for connection in &mut connections[..10] {
        server.request("GET", "/bench").on(connection).expect(200);
    }
    let start = Instant::now();
    server.send_signal(Signal::TERM);
    assert_eq!(server.ended().0.code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(connections[0].is_closed());
}

fn restart_finds_everything(runtime: &Runtime) {
    // After a restart every object, with its metadata, is as it was.
    let server = Setup::new(*runtime).start();
    let request = server.request("PUT", "/bench/a//b").header("x-amz-meta-a", "b").body("aside");
    request.send().expect(200);
    let request = server.request("PUT", "/bench/k").header("Content-Type", "x/y").body("hello");
    let etag = request.send().expect(200).header("ETag").to_owned();
    let again = copy_of(&server);
    drop(server);
    let setup = Setup::bare(*runtime).arg("--dir").arg(again.path().join("bench"));
    let server = setup.start();
    let got = server.get("/bench/a//b").expect(200);
    assert_eq!((got.text(), got.header("x-amz-meta-a")), ("aside", "b"));
    let got = server.get("/bench/k").expect(200);
    assert_eq!((got.header("Content-Type"), got.header("ETag")), ("x/y", etag.as_str()));
}

/// Moves the folder of the bucket to where it outlives the server.
fn copy_of(server: &Server) -> tempfile::TempDir {
    let other = tempfile::tempdir_in(server.home().parent().unwrap()).unwrap();
    fs::rename(server.path(""), other.path().join("bench")).unwrap();
    other
}

fn killed_while_writing(runtime: &Runtime) {
    // After kill -9 each key has its old or its new bytes, whole, and the next start is clean.
    for round in 0..3 {
        let server = Setup::new(*runtime).start();
        let version = |letter: u8| vec![letter; 400_000];
        for key in ["a", "b", "c"] {
            server.store(key, version(b'o'));
        }
        std::thread::scope(|scope| {
            for key in ["a", "b", "c"] {
                let request = server.request("PUT", &format!("/bench/{key}")).body(version(b'n'));
                scope.spawn(move || std::panic::catch_unwind(|| request.send()).ok());
            }
            std::thread::sleep(Duration::from_millis(round * 2));
            server.send_signal(Signal::KILL);
        });
        let again = copy_of(&server);
        drop(server);
        let setup = Setup::bare(*runtime).arg("--dir").arg(again.path().join("bench"));
        let server = setup.start();
        for key in ["a", "b", "c"] {
            let got = server.get(&format!("/bench/{key}")).expect(200).body;
            assert!(got == version(b'o') || got == version(b'n'), "{} bytes", got.len());
        }
        assert_eq!(server.get("/bench?list-type=2").all("Key"), ["a", "b", "c"]);
    }
}

fn environment(runtime: &Runtime) {
    // Each flag can come from the environment, and a flag outranks its variable.
    let home = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        fs::create_dir(home.path().join(name)).unwrap();
    }
    let mut command = lobos();
    command.current_dir(home.path()).env("LOBOS_DIR", "one,second=two");
    command.env("LOBOS_PORT", "0").env("LOBOS_RUNTIME", "no such runtime");
    let output =
        run(command.args(["--runtime", runtime.0, "--listen", "203.0.113.7", "--no-auth"]));
    assert_eq!(failure(&output), "lobos: 203.0.113.7 is no address of this machine\n");
    let output = run(lobos().current_dir(home.path()).env("LOBOS_DIR", "one,none"));
    assert_eq!(failure(&output), "lobos: no such folder: none; make it first: mkdir none\n");
    let output = run(lobos().arg("--dir").arg(home.path()).env("LOBOS_RUNTIME", "x"));
    assert!(failure(&output).contains("invalid value 'x' for '--runtime"));
}

fn one_thread(runtime: &Runtime) {
    // One event loop serves many connections; a pinned one as well.
    let server = Setup::new(*runtime).arg("--threads=1").arg("-c");
    many_connections(&server.start());
}

fn many_threads(runtime: &Runtime) {
    // More event loops than cores do no harm.
    many_connections(&Setup::new(*runtime).arg("--threads=9").arg("-c").start());
}

fn many_connections(server: &Server) {
    let mut connections: Vec<_> = (0..64).map(|_| server.connect()).collect();
    for (at, connection) in connections.iter_mut().enumerate() {
        let request = server.request("PUT", &format!("/bench/{at}")).body(at.to_string());
        request.on(connection).expect(200);
    }
    for (at, connection) in connections.iter_mut().enumerate().rev() {
        let got = server.request("GET", &format!("/bench/{at}")).on(connection).expect(200);
        assert_eq!(got.text(), at.to_string());
    }
}

#[test]
fn errors_at_start() {
    // What cannot be served is one line that says what to do, and exit code 2.
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("file"), "x").unwrap();
    fs::create_dir_all(home.path().join("a/photos")).unwrap();
    fs::create_dir_all(home.path().join("b/photos")).unwrap();
    fs::create_dir(home.path().join(".hidden")).unwrap();
    for (args, words) in [
        (&[][..], "no folder to serve; for example: lobos --dir photos"),
        (&["--dir", "none"], "no such folder: none"),
        (&["--root", "none/x"], "cannot make the folder none/x"),
        (&["--dir", "file"], "not a folder: file"),
        (&["-d", "a/photos", "-d", "b/photos"], "would both be the bucket 'photos'"),
        (&["-d", ".hidden"], "has no name for a bucket"),
        (&["-d", "a", "--listen", "0.0.0.0"], "--no-auth"),
        (&["-d", "a", "--access-key", "A"], "--access-key and --secret-key go together"),
        (&["-d", "a", "--credentials", "none"], "cannot read none: "),
        (&["-d", "a", "--credentials", "file"], "line 1 of file is not ACCESS:SECRET"),
    ] {
        let error = failure(&run(lobos().current_dir(home.path()).args(args)));
        assert!(error.starts_with("lobos: ") && error.contains(words), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn wrong_flags() {
    // Flags that are wrong are named, with exit code 2.
    for args in [
        &["--port", "x"][..],
        &["--unheard-of"],
        &["--runtime", "async-std"],
        &["--dir"],
        &["--dir", "a", "--root", "b"],
        &["stray"],
        &["--threads", "0"],
    ] {
        let error = failure(&run(lobos().args(args)));
        assert!(error.starts_with("error: "), "{error}");
        assert!(error.contains(args[0]) || args[0] == "--dir", "{error}");
    }
}

#[test]
fn index_says_when_it_is_whole() {
    // With an index the log says once how many names there are, and the first lines that it is.
    let setup = Setup::new(Runtime("mio")).arg("-e").arg("-r").arg("60");
    for key in ["a", "d/b", "d/c"] {
        let path = setup.home().join("bench").join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let server = setup.start();
    assert!(server.said().iter().any(|line| line.contains("in memory, read again every 60 s")));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(server.get("/bench").expect(200).all("Key").len(), 3);
    let (_, log) = server.signal(Signal::TERM);
    assert!(log.starts_with("lobos: index whole: 4 names in 2 folders, "), "{log}");
    assert_eq!(log.lines().count(), 1);
}

#[test]
fn names_left_out_are_counted() {
    // Names that no key can have are left out, the page is full without them, and the log says so.
    let server = Setup::new(Runtime("mio")).start();
    for at in 0..5_u8 {
        server.place(&format!("d/{at}"), "x");
        let name = OsString::from_vec(vec![b'a' + at, 0xff]);
        fs::write(server.path("d").join(name), "").unwrap();
    }
    let page = server.get("/bench?list-type=2&prefix=d/&max-keys=5").expect(200);
    assert_eq!((page.all("Key").len(), page.one("IsTruncated")), (5, "false".into()));
    let (_, log) = server.signal(Signal::TERM);
    assert_eq!(log, "lobos: not listed, since not UTF-8: 5 names beside \"0\"\n");
}

#[test]
fn default_port_taken() {
    // Without --port, a taken 8080 is named together with the way out.
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("photos")).unwrap();
    // Whoever has it, it is taken.
    let _holder = TcpListener::bind(("127.0.0.1", 8080));
    let error = failure(&run(lobos().current_dir(home.path()).args(["--dir", "photos"])));
    assert!(error.starts_with("lobos: port 8080 is in use; "), "{error}");
    assert!(error.contains("--port 0"), "{error}");
}

#[test]
fn help_and_version() {
    // --help begins with what it is, shows examples and every flag; --version names the version.
    let help = run(lobos().arg("--help"));
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    assert!(help.starts_with("Makes any directory an S3 bucket"), "{help}");
    for word in ["lobos --dir photos", "--root", "LOBOS_PORT", "aws --endpoint-url"] {
        assert!(help.contains(word), "{word}");
    }
    let version = run(lobos().arg("--version"));
    assert_eq!(text(&version.stdout), format!("lobos {}\n", env!("CARGO_PKG_VERSION")));
}
