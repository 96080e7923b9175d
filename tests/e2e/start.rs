//! Starting in a minute: buckets and roots that are made, temporary ones, everything from the
//! environment, what programs are told when it is ready, and whether it is well.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::certificate;
use crate::support::http::Request;
use crate::support::server::{PATIENCE, Runtime, Setup, lobos, run};
use crate::support::tree::bytes;
use rustix::process::{Pid, Signal, kill_process};

on_every_runtime!(
    with std::convert::identity;
    buckets_at_the_start,
    temporary_root,
    temporary_root_at_the_second_signal,
    temporary_roots_of_the_dead,
    ready_as_json,
    all_from_the_environment,
    keys_of_minio,
    all_of_minio,
    healthy,
    healthy_by_tls,
    tells_the_service_manager,
);

/// A server that was started by hand, killed when dropped.
struct Started {
    child: Child,
    out: BufReader<ChildStdout>,
    /// The first line, of JSON.
    line: String,
}

impl Started {
    /// Starts it on a free port and waits for its line.
    fn new(command: &mut Command) -> Self {
        command.args(["--port", "0", "--ready", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut out, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
        out.read_line(&mut line).unwrap();
        if line.is_empty() {
            let output = child.wait_with_output().unwrap();
            panic!("not ready: {}", String::from_utf8_lossy(&output.stderr));
        }
        Self { child, out, line }
    }

    /// What stands behind the name, without quotes.
    fn value(&self, name: &str) -> &str {
        let start = format!("\"{name}\":");
        let (_, rest) = self.line.split_once(&start).unwrap_or_else(|| panic!("{}", self.line));
        let end = if rest.starts_with('[') { "]" } else { ",\"" };
        let value = rest.split(end).next().unwrap().trim_end_matches("}\n");
        value.trim_start_matches('[').trim_matches('"')
    }

    fn request(&self, method: &str, target: &str) -> Request {
        let address = self.value("url").strip_prefix("http://").unwrap().parse().unwrap();
        Request::new(address, method, target)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end: the exit code, the rest of stdout, and stderr.
    fn ended(mut self) -> (Option<i32>, String, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (status.code(), out, err)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// The one line on stderr of a healthcheck that failed with exit code 1.
#[track_caller]
fn unwell(output: &Output) -> String {
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    err
}

#[track_caller]
fn well(output: &Output) {
    let said = format!("{:?}{:?}", output.stdout, output.stderr);
    assert_eq!((output.status.code(), said.as_str()), (Some(0), "[][]"));
}

fn buckets_at_the_start(runtime: &Runtime) {
    // --bucket makes a bucket under --root and leaves one that is there as it is; both are served.
    let setup = Setup::root(*runtime).args(&["--bucket", "one-b,old", "--bucket", "two"]);
    fs::create_dir(setup.home().join("root/old")).unwrap();
    fs::write(setup.home().join("root/old/k"), "kept").unwrap();
    let server = setup.start();
    assert_eq!(server.get("/").expect(200).all("Name"), ["old", "one-b", "two"]);
    assert_eq!(server.get("/old/k").expect(200).text(), "kept");
    server.put("/one-b/k", "x").expect(200);
    assert!(server.said().iter().any(|line| line.ends_with("one-b, old, two")));
    let again = server.restarted();
    assert_eq!(again.get("/one-b/k").expect(200).text(), "x");
}

fn temporary_root(runtime: &Runtime) {
    // --temp serves a folder of $TMPDIR, for its user alone, that goes with all that is in it at
    // SIGTERM and SIGINT, and also when the start fails.
    let home = tempfile::tempdir().unwrap();
    let temp = |command: &mut Command| {
        command.env("TMPDIR", home.path()).args(["--temp", "--runtime", runtime.0]);
        command.args(["--bucket", "test"]);
    };
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = lobos();
        temp(&mut command);
        let server = Started::new(&mut command);
        let root = PathBuf::from(server.value("root"));
        let name = root.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!("lobos-temp-{}-", server.value("pid"))), "{name}");
        assert_eq!(root.parent(), Some(home.path()));
        assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
        server.request("PUT", "/test/a/b//c").body(bytes(100_000)).send().expect(200);
        server.request("PUT", "/another").send().expect(200);
        assert_eq!(names(&root), ["another", "test"]);
        server.signal(signal);
        assert_eq!(server.ended(), (Some(0), String::new(), String::new()));
        assert_eq!(names(home.path()), [""; 0]);
    }
    let mut command = lobos();
    temp(&mut command);
    let failed = run(command.args(["--listen", "203.0.113.7", "--no-auth"]));
    assert_eq!((failed.status.code(), names(home.path())), (Some(2), vec![]));
}

fn temporary_root_at_the_second_signal(runtime: &Runtime) {
    // A second signal ends it at once, and an upload that runs leaves nothing behind.
    let home = tempfile::tempdir().unwrap();
    let mut command = lobos();
    command.env("TMPDIR", home.path()).args(["--temp", "--bucket=test", "--runtime", runtime.0]);
    let server = Started::new(&mut command);
    let request = server.request("PUT", "/test/k").body(bytes(1 << 20)).bytes();
    let address = server.value("url").strip_prefix("http://").unwrap();
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut connection, &request[..300_000]).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(100));
    server.signal(Signal::TERM);
    assert_eq!(server.ended().0, Some(0));
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    assert_eq!(names(home.path()), [""; 0]);
}

fn temporary_roots_of_the_dead(runtime: &Runtime) {
    // The root of a server that was killed goes when the next one starts; one that is served stays.
    let home = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = lobos();
        command.env("TMPDIR", home.path()).args(["--temp", "--bucket=test"]);
        Started::new(command.args(["--runtime", runtime.0]))
    };
    let (killed, lives) = (start(), start());
    for server in [&killed, &lives] {
        server.request("PUT", "/test/a/b").body("x").send().expect(200);
    }
    let dead = PathBuf::from(killed.value("root"));
    assert_eq!(names(home.path()).len(), 2);
    killed.signal(Signal::KILL);
    killed.ended();
    assert!(dead.join("test/a/b").exists());
    let next = start();
    let begun = Instant::now();
    while dead.exists() {
        assert!(begun.elapsed() < PATIENCE, "it stays");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(names(home.path()).len(), 2);
    for server in [lives, next] {
        server.request("PUT", "/test/c").body("x").send().expect(200);
        server.signal(Signal::TERM);
        assert_eq!(server.ended(), (Some(0), String::new(), String::new()));
    }
    assert_eq!(names(home.path()), [""; 0]);
}

fn ready_as_json(runtime: &Runtime) {
    // --ready json prints one line with all that a program needs, when it serves, and nothing else.
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("s");
    let mut command = lobos();
    command.args(["--runtime", runtime.0, "--bucket", "b-1,b-2", "--root"]).arg(home.path());
    command.arg("--listen").arg(format!("127.0.0.1,127.0.0.2,unix:{}", socket.display()));
    let server = Started::new(&mut command);
    assert!(server.line.starts_with("{\"ready\":true,") && server.line.ends_with("}\n"));
    let port = server.value("port");
    assert_eq!(server.value("url"), format!("http://127.0.0.1:{port}"));
    let urls = server.value("urls").replace('"', "");
    let path = socket.display();
    assert_eq!(urls, format!("http://127.0.0.1:{port},http://127.0.0.2:{port},unix:{path}"));
    assert_eq!(server.value("pid"), server.child.id().to_string());
    assert_eq!(server.value("socket"), socket.to_str().unwrap());
    assert_eq!(server.value("root"), home.path().canonicalize().unwrap().to_str().unwrap());
    assert_eq!(server.value("buckets"), "b-1\",\"b-2");
    server.request("GET", "/b-1").send().expect(200);
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), (Some(0), String::new(), String::new()));
}

fn all_from_the_environment(runtime: &Runtime) {
    // Without any argument, as a container starts it: a root that is missing is made, and so are
    // its buckets.
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("data");
    let mut command = lobos();
    command.env("LOBOS_ROOT", &root).env("LOBOS_BUCKET", "test,more").env("LOBOS_NO_AUTH", "1");
    command.env("LOBOS_LISTEN", "0.0.0.0").env("LOBOS_RUNTIME", runtime.0);
    command.env("LOBOS_PORT", "0").env("LOBOS_READY", "json");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
    out.read_line(&mut line).unwrap();
    let server = Started { child, out, line };
    assert_eq!(names(&root), ["more", "test"]);
    let address = format!("127.0.0.1:{}", server.value("port")).parse().unwrap();
    Request::new(address, "PUT", "/test/k").body("x").send().expect(200);
    assert_eq!(fs::read(root.join("test/k")).unwrap(), b"x");
}

fn keys_of_minio(runtime: &Runtime) {
    // MinIO's variables ask for keys, as --access-key does, and its health URLs for none.
    let mut command = lobos();
    command.env("MINIO_ROOT_USER", "minioadmin").env("MINIO_ROOT_PASSWORD", "hidden");
    let server = Started::new(command.args(["--temp", "--bucket=minio", "--runtime", runtime.0]));
    assert_eq!(server.request("GET", "/").send().expect(403).one("Code"), "AccessDenied");
    for name in ["live", "ready", "cluster"] {
        let health = server.request("GET", &format!("/minio/health/{name}")).send().expect(200);
        assert_eq!(health.text(), "");
    }
    server.request("GET", "/minio/health/other").send().expect(403);
    server.request("PUT", "/minio/health/live").body("x").send().expect(403);
    drop(server);
    let server = Started::new(lobos().args(["--temp", "--bucket=minio", "--runtime", runtime.0]));
    server.request("GET", "/minio/health/live").send().expect(200);
    server.request("PUT", "/minio/health/live").body("an object").send().expect(200);
    assert_eq!(server.request("GET", "/minio/health/live").send().expect(200).text(), "an object");
    server.request("DELETE", "/minio/health/live").send().expect(204);
    assert_eq!(server.request("HEAD", "/minio/health/live").send().expect(200).text(), "");
}

fn all_of_minio(runtime: &Runtime) {
    // With nothing but MinIO's variables, as its container and its service are set up: folder,
    // address, region, and keys in files; a folder that MinIO has written itself is told.
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("data");
    fs::create_dir_all(root.join("photos")).unwrap();
    fs::write(root.join("photos/k"), "x").unwrap();
    for (name, text) in [("user", "minioadmin\n"), ("word", "hidden\n")] {
        fs::write(home.path().join(name), text).unwrap();
    }
    let start = || {
        let mut command = lobos();
        command.current_dir(home.path()).args(["--runtime", runtime.0]);
        command.env("MINIO_ROOT_USER_FILE", "user").env("MINIO_ROOT_PASSWORD_FILE", "word");
        command.env("MINIO_VOLUMES", &root).env("MINIO_ADDRESS", ":9000");
        Started::new(command.env("MINIO_SITE_REGION", "eu-west-1"))
    };
    let server = start();
    assert_eq!(server.value("root"), root.canonicalize().unwrap().to_str().unwrap());
    let url = server.value("url").to_owned();
    let port = server.value("port");
    assert_eq!(url, format!("http://0.0.0.0:{port}"));
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    Request::new(address, "GET", "/photos/k").send().expect(403);
    let curl = |region: &str| {
        let signer = format!("aws:amz:{region}:s3");
        let url = format!("http://127.0.0.1:{port}/photos/k");
        let hash = "x-amz-content-sha256: UNSIGNED-PAYLOAD";
        let args = ["-s", "-u", "minioadmin:hidden", "--aws-sigv4", &signer, "-H", hash, &url];
        String::from_utf8(Command::new("curl").args(args).output().unwrap().stdout).unwrap()
    };
    assert_eq!(curl("eu-west-1"), "x");
    assert!(curl("us-east-1").contains("eu-west-1"));
    let mut check = lobos();
    well(&run(check.env("MINIO_ADDRESS", format!(":{port}")).arg("healthcheck")));
    server.signal(Signal::TERM);
    assert_eq!(server.ended().2, "");
    fs::create_dir(root.join(".minio.sys")).unwrap();
    let server = start();
    server.signal(Signal::TERM);
    assert!(server.ended().2.contains("MinIO keeps its objects in /"));
}

fn healthy(runtime: &Runtime) {
    // `lobos healthcheck` is content with a server that answers, also with one that asks for keys,
    // at a URL or where the variables of the server say; and with nothing else.
    for keys in [&[][..], &["--access-key", "A", "--secret-key", "S"]] {
        let server = Setup::new(*runtime).args(keys).start();
        let port = server.address().port().to_string();
        let check = |url: &str| run(lobos().args(["healthcheck", url]));
        well(&check(&format!("http://127.0.0.1:{port}")));
        well(&check(&format!("http://localhost:{port}/")));
        well(&run(lobos().arg("healthcheck").env("LOBOS_PORT", &port)));
        let mut everywhere = lobos();
        everywhere.env("LOBOS_LISTEN", "0.0.0.0").env("LOBOS_PORT", &port);
        well(&run(everywhere.arg("healthcheck")));
        let error = unwell(&check(&format!("https://127.0.0.1:{port}")));
        assert!(error.contains("does not answer"), "{error}");
        let url = format!("http://127.0.0.1:{port}");
        drop(server);
        assert!(unwell(&check(&url)).contains(&format!("{url} does not answer")));
    }
}

fn healthy_by_tls(runtime: &Runtime) {
    // It speaks TLS where the variables of the server name a certificate, and believes any.
    let server = Setup::new(*runtime).secure().start();
    let port = server.address().port().to_string();
    well(&run(lobos().args(["healthcheck", &format!("https://localhost:{port}")])));
    let home = tempfile::tempdir().unwrap();
    certificate::copy_to(home.path());
    let mut command = lobos();
    command.env("LOBOS_TLS_CERT", home.path().join("server.pem"));
    command.env("LOBOS_TLS_KEY", home.path().join("server.key")).env("LOBOS_PORT", &port);
    well(&run(command.arg("healthcheck")));
    let error = unwell(&run(lobos().args(["healthcheck", &format!("http://localhost:{port}")])));
    assert!(error.contains("http and https do not fit"), "{error}");
}

fn tells_the_service_manager(runtime: &Runtime) {
    // It says READY=1 once it listens, and STOPPING=1 when it begins to end.
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let message = || {
        let mut bytes = [0; 100];
        let count = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..count].to_vec()).unwrap()
    };
    let mut command = lobos();
    command.env("NOTIFY_SOCKET", &path).args(["--temp", "--runtime", runtime.0]);
    let server = Started::new(&mut command);
    assert_eq!(message(), "READY=1");
    server.request("GET", "/").send().expect(200);
    server.signal(Signal::TERM);
    assert_eq!(message(), "STOPPING=1");
    assert_eq!(server.ended().0, Some(0));
}

#[test]
fn other_servers_are_not_well() {
    // Whoever answers without a sign of S3, or not in HTTP, is named.
    for (answer, words) in [
        ("HTTP/1.1 200 OK\r\nServer: other\r\n\r\n", "is no S3 server"),
        ("SSH-2.0-OpenSSH\r\n", "speaks no HTTP"),
        ("", "closes without an answer"),
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            assert_ne!(socket.read(&mut [0; 4096]).unwrap(), 0);
            std::io::Write::write_all(&mut socket, answer.as_bytes()).unwrap();
        });
        let error = unwell(&run(lobos().args(["healthcheck", &url])));
        assert!(error.starts_with(&format!("lobos: {url} ")) && error.contains(words), "{error}");
        server.join().unwrap();
    }
    // One that stands still: the kernel takes the connection, and nothing comes back.
    let still = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", still.local_addr().unwrap());
    let start = Instant::now();
    let error = unwell(&run(lobos().args(["healthcheck", &url])));
    assert!(error.contains("within 5 s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    let error = unwell(&run(lobos().args(["healthcheck", "localhost:8080"])));
    assert!(error.contains("is no URL such as http://127.0.0.1:8080"), "{error}");
}

#[test]
fn wrong_starts() {
    // What cannot be started so is one line that says how it can.
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("d")).unwrap();
    for (args, variables, words) in [
        (&["--bucket", "b-1"][..], &[][..], "lobos --temp"),
        (&["--bucket", "b-1", "--dir", "d"], &[], "--bucket makes buckets under --root or --temp"),
        (&["--bucket", "b-1", "--root", "d", "--read-only"], &[], "with --read-only none is made"),
        (&["--root", "none/x"], &[], "cannot make the folder none/x: the one that it would be in"),
        (&["--root", "none", "--read-only"], &[], "no such folder: none; make it first"),
        (&[], &[("LOBOS_ROOT", "d"), ("LOBOS_TEMP", "1")], "only one of LOBOS_DIR, LOBOS_ROOT"),
        (&["--temp"], &[("MINIO_ROOT_USER", "x")], "MINIO_ROOT_USER and MINIO_ROOT_PASSWORD go"),
        (
            &["--temp"],
            &[("MINIO_ROOT_USER_FILE", "none")],
            "MINIO_ROOT_USER_FILE: cannot read none",
        ),
        (&["--temp"], &[("MINIO_ADDRESS", "minio:9000")], "an IP address with a port is needed"),
        (&[], &[("MINIO_VOLUMES", "/disk{1...4}")], "Lobos serves one folder of this machine"),
        (&["--temp"], &[("TMPDIR", "/none")], "cannot make a temporary folder in /none"),
        (&["--temp", "--listen", "unix:none/s"], &[], "there is no folder for the socket none/s"),
    ] {
        let mut command = lobos();
        command.current_dir(home.path()).env("TMPDIR", home.path()).args(args);
        let output = run(command.envs(variables.iter().copied()));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.starts_with("lobos: ") && error.contains(words), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert_eq!(names(home.path()), ["d"]);
}

#[test]
fn wrong_words() {
    // A folder without its flag, and a name that no bucket can have, are told what to do.
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("photos")).unwrap();
    for (args, words) in [
        (&["photos"][..], "lobos: to serve that folder: lobos --dir photos\n"),
        (&["server", "/data"], "lobos --root DIR"),
        (&["--temp", "--bucket", "Photos"], "3 to 63 lower-case letters"),
        (&["--temp", "--listen", "0.0.0.0:80"], "the port goes to --port"),
        (&["--prot", "1"], "a similar argument exists: '--port'"),
        (&["helthcheck"], "a similar subcommand exists: 'healthcheck'"),
    ] {
        let output = run(lobos().current_dir(home.path()).args(args));
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(words), "{args:?}: {error}");
    }
}
