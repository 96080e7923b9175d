//! What the log has of each request, and what it never has.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::server::{PATIENCE, Runtime, Server, Setup, lobos};

on_every_runtime!(
    with std::convert::identity;
    every_request,
    json,
    nothing_is_forged,
    no_secrets,
    failures_by_default,
    filter,
    cut_off,
    by_tls,
    nobody_reads,
);

/// The lines of requests that the log of a server has, once it has ended.
fn lines(server: Server) -> Vec<String> {
    let (_, log) = server.signal(Signal::TERM);
    log.lines().filter(|line| !line.starts_with("lobos: ")).map(str::to_owned).collect()
}

fn access(runtime: Runtime, more: &[&str]) -> Server {
    Setup::new(runtime).args(&["--log", "access"]).args(more).start()
}

fn every_request(runtime: &Runtime) {
    // A line for each request in its order: who, what, how it ended, bytes, time and id.
    let server = access(*runtime, &[]);
    // On one connection: a line is written when the answer is out, which its client may have
    // seen before.
    let mut connection = server.connect();
    let put = server.request("PUT", "/bench/a/b%20c.txt").body("hello").on(&mut connection);
    for (method, target, status) in [
        ("GET", "/bench/a/b%20c.txt", 200),
        ("HEAD", "/bench/a/b%20c.txt", 200),
        ("GET", "/bench/none", 404),
        ("GET", "/bench?list-type=2", 200),
        ("DELETE", "/bench/a/b%20c.txt", 204),
    ] {
        server.request(method, target).on(&mut connection).expect(status);
    }
    connection.write("BOGUS\r\n\r\n");
    connection.response("GET").refusal();
    let lines = lines(server);
    let expected = [
        "PUT PutObject \"bench/a/b c.txt\" 200 - in=5 out=0 ms=",
        "GET GetObject \"bench/a/b c.txt\" 200 - in=0 out=5 ms=",
        "HEAD HeadObject \"bench/a/b c.txt\" 200 - in=0 out=0 ms=",
        "GET GetObject \"bench/none\" 404 NoSuchKey in=0 out=",
        "GET ListObjectsV2 \"bench\" 200 - in=0 out=",
        "DELETE DeleteObject \"bench/a/b c.txt\" 204 - in=0 out=0 ms=",
        "- - \"\" 400 ",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
        let (client, rest) = rest.split_once(' ').unwrap();
        assert!(client.starts_with("127.0.0.1:"), "{line}");
        assert!(rest.starts_with(expected), "{line}: {expected}");
        assert!(!line.ends_with("cut"), "{line}");
    }
    let id = format!(" id={}", put.header("x-amz-request-id"));
    assert!(lines[0].ends_with(&id), "{} in {}", id, lines[0]);
}

fn json(runtime: &Runtime) {
    // With --log-format json each line is an object, warnings and requests alike, and a program
    // finds in it what the client sent.
    let server = access(*runtime, &["--log-format", "json"]);
    server.store("a%07%22%0A%C3%BC", "hello");
    let gone = server.get("/bench/x%5C").error(404, "NoSuchKey");
    let (_, log) = server.signal(Signal::TERM);
    let values: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let requests: Vec<&Value> = values.iter().filter(|v| v.get("method").is_some()).collect();
    assert_eq!(requests.len(), 2, "{log}");
    let of = |method: &str| *requests.iter().find(|v| v["method"] == method).unwrap();
    let [put, get] = [of("PUT"), of("GET")];
    assert_eq!((&put["operation"], &put["bucket"]), (&"PutObject".into(), &"bench".into()));
    assert_eq!(put["key"], "a\u{7}\"\nü");
    assert_eq!((&put["status"], &put["bytes_in"]), (&200.into(), &5.into()));
    assert_eq!((&put["level"], &put["complete"]), (&"info".into(), &true.into()));
    assert!(put["duration_seconds"].as_f64().unwrap() < 30.0);
    assert!(put["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&get["key"], &get["error"]), (&"x\\".into(), &"NoSuchKey".into()));
    assert_eq!(get["request_id"], gone.header("x-amz-request-id"));
    assert_eq!(get["bytes_out"], gone.body.len());
    for other in values.iter().filter(|v| v.get("method").is_none()) {
        assert!(other["message"].is_string() && other["level"].is_string(), "{log}");
    }
}

fn nothing_is_forged(runtime: &Runtime) {
    // Whatever a key holds, it stays on its line, within its quotes, and moves no cursor.
    let server = access(*runtime, &[]);
    let keys =
        ["x%0Alobos:%20forged", "%22%20200%20-%20in=9", "%1B%5B2J", "%C2%9B31m", "%E2%80%AEx"];
    for key in keys {
        server.get(&format!("/bench/{key}")).error(404, "NoSuchKey");
    }
    server.get("/bench/a%0ab%ff").refusal();
    let (_, log) = server.signal(Signal::TERM);
    assert!(!log.contains("\nlobos: forged"), "{log}");
    let lines: Vec<&str> = log.lines().filter(|line| !line.starts_with("lobos: ")).collect();
    assert_eq!(lines.len(), keys.len() + 1, "{log}");
    for line in lines {
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line:?}");
        assert_eq!(line.replace("\\\"", "").matches('"').count(), 2, "{line}");
    }
}

fn no_secrets(runtime: &Runtime) {
    // Signatures, tokens and other parameters are in no line, however a request ends.
    let server = access(*runtime, &["--access-key", "AK", "--secret-key", "sesame"]);
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20260101%2Fus-east-1%2Fs3\
                 %2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60\
                 &X-Amz-SignedHeaders=host&X-Amz-Signature=hidden1&X-Amz-Security-Token=hidden2";
    server.get(&format!("/bench/x?{query}")).expect(403);
    let header = "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/s3/aws4_request, \
                  SignedHeaders=host, Signature=hidden3";
    server.request("GET", "/bench/y").header("Authorization", header).send().expect(403);
    server.request("GET", "/bench/y").header("Authorization", "hidden4").send().refusal();
    server.raw("GET http://user:hidden5@localhost/bench/z?hidden6 HTTP/1.1\r\n\r\n").refusal();
    let lines = lines(server);
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let log = lines.join("\n");
    assert!(!log.contains("hidden") && !log.contains("sesame"), "{log}");
    assert!(log.contains("\"bench/x\" 403 "), "{log}");
}

/// The bucket can only be read, which the server does not know.
fn read_only(runtime: Runtime) -> Setup {
    Setup::new(runtime).mount("mount --bind bench bench && mount -o remount,bind,ro bench")
}

fn failures_by_default(runtime: &Runtime) {
    // Without any flag the log has what the disk refused, with operation, bucket, key, id and
    // cause, and nothing of what is the client's own fault.
    let server = read_only(*runtime).start();
    server.get("/bench/none").error(404, "NoSuchKey");
    let refused = server.put("/bench/some/key", "hello");
    assert!(refused.status >= 400, "{refused:?}");
    let id = refused.header("x-amz-request-id").to_owned();
    let lines = lines(server);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let wanted = ["PutObject \"bench/some/key\"", "cause=\"Read-only file system", &id];
    for part in wanted {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    let server = read_only(*runtime).args(&["--log", "off"]).start();
    assert!(server.put("/bench/key", "hello").status >= 400);
    assert_eq!(self::lines(server), Vec::<String>::new());
}

fn filter(runtime: &Runtime) {
    // --log-filter says more or less of single operations than --log does.
    let server = access(*runtime, &["--log-filter", "Head*=off,PutObject=errors"]);
    server.store("a", "1");
    server.head("/bench/a").expect(200);
    server.head("/bench").expect(200);
    server.get("/bench/a").expect(200);
    let lines = lines(server);
    assert!(lines.len() == 1 && lines[0].contains(" GetObject "), "{lines:#?}");
    let server = Setup::new(*runtime).args(&["--log-filter", "PutObject=access"]).start();
    server.store("a", "1");
    server.get("/bench/a").expect(200);
    let lines = self::lines(server);
    assert!(lines.len() == 1 && lines[0].contains(" PutObject "), "{lines:#?}");
}

fn cut_off(runtime: &Runtime) {
    // A request whose client goes away has its line, too.
    let server = access(*runtime, &[]);
    let request = server.request("PUT", "/bench/half").body([b'x'; 1000]).head();
    let mut connection = server.connect();
    connection.write(request);
    connection.write([b'x'; 100]);
    // So that it is in the server when the end comes.
    std::thread::sleep(Duration::from_millis(200));
    connection.reset();
    let mut idle = server.connect();
    idle.write("GET /bench");
    std::thread::sleep(Duration::from_millis(200));
    drop(idle);
    server.get("/bench/half").error(404, "NoSuchKey");
    let lines = lines(server);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let expected = "PUT PutObject \"bench/half\" - - in=100 out=0 ms=";
    assert!(lines[0].contains(expected) && lines[0].ends_with(" cut"), "{}", lines[0]);
}

fn by_tls(runtime: &Runtime) {
    // By TLS the bytes of the body are counted, and not those of its records.
    let server = Setup::new(*runtime).args(&["--log", "access"]).secure().start();
    let mut connection = server.connect();
    server.request("PUT", "/bench/a").body([b'x'; 300_000]).on(&mut connection).expect(200);
    server.request("GET", "/bench/a").on(&mut connection).expect(200);
    let lines = lines(server);
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].contains(" 200 - in=300000 out=0 "), "{}", lines[0]);
    assert!(lines[1].contains(" 200 - in=0 out=300000 "), "{}", lines[1]);
}

fn nobody_reads(runtime: &Runtime) {
    // When nobody reads standard error, requests are served as ever; what is lost is counted, and
    // said as soon as somebody reads.
    let home = tempfile::tempdir().unwrap();
    let mut command: Command = lobos();
    command.args(["--port", "0", "--log", "access", "--runtime", runtime.0, "--threads", "2"]);
    command.arg("--root").arg(home.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = std::io::BufReader::new(child.stdout.take().unwrap());
    let url = std::io::BufRead::lines(out)
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned));
    let address = url.unwrap().parse().unwrap();
    let mut connection = crate::support::http::Connection::new(address);
    let key = "k".repeat(1000);
    let request = crate::support::http::Request::new(address, "HEAD", &format!("/none/{key}"));
    let start = Instant::now();
    for _ in 0..3000 {
        request.on(&mut connection).expect(404);
    }
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
    let pid = rustix::process::Pid::from_child(&child);
    let mut err = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut err, &mut text).unwrap();
        text
    });
    std::thread::sleep(Duration::from_millis(200));
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let text = reader.join().unwrap();
    let whole = text.lines().filter(|line| line.contains(&key)).count();
    let said = text.lines().find_map(|line| {
        line.strip_prefix("lobos: ")?
            .strip_suffix(" lines of the log were lost, since nobody read it")
    });
    let lost: usize = said.unwrap_or_else(|| panic!("not said: {whole} lines")).parse().unwrap();
    assert_eq!(whole + lost, 3000);
}
