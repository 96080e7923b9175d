//! How many instructions the hot paths of the core take, each held against a bound.
//!
//! The program runs itself under valgrind, which counts: the figures do not depend on how busy or
//! how fast the machine is. Time is what the criterion benches measure.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "starts valgrind")]
#![allow(clippy::print_stdout, reason = "prints a table")]
#![allow(clippy::expect_used, reason = "what cannot be counted has failed")]

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lobos_proto::op::{ListObjects, ListedObject, ListingVersion, ObjectResponse, Overrides, Page};
use lobos_proto::{
    BucketName, Config, Connection, ETag, Metadata, Now, ObjectInfo, Request, Response, Step,
    Stored, Timestamp,
};

/// One hot path.
struct Case {
    name: &'static str,
    /// The most instructions that it may take: what was counted (rustc 1.95, glibc 2.36) and a
    /// tenth more. Where it takes less than 70 % of that, the bound must come down.
    bound: u64,
    run: fn(Rounds),
}

/// What the public interface lets one see. Parsing a head and routing it is one step there; what
/// the others take beyond the bare head is for their headers and parameters. Verifying signatures
/// is not here: valgrind hides the SHA instructions, so it would count other code than is run.
const CASES: &[Case] = &[
    Case { name: "bare GET, head to call", bound: 7_600, run: |rounds| to_call(rounds, BARE_GET) },
    Case { name: "GET of an SDK, head to call", bound: 17_300, run: |rounds| to_call(rounds, GET) },
    Case { name: "PUT of an SDK, head to call", bound: 28_800, run: |rounds| to_call(rounds, PUT) },
    Case {
        name: "ListObjectsV2, head to call",
        bound: 19_700,
        run: |rounds| to_call(rounds, LIST),
    },
    Case { name: "GetObject, answer to head", bound: 3_500, run: answer_to_get },
    Case { name: "page of 1,000 keys, answer to XML", bound: 1_160_000, run: page_to_xml },
    Case { name: "GET, whole exchange", bound: 18_100, run: whole_get },
    Case { name: "GET, whole exchange and record", bound: 20_000, run: recorded_get },
    Case { name: "PUT, whole exchange", bound: 33_700, run: whole_put },
    Case { name: "aws-chunked, 64 KiB by 1 KiB", bound: 78_300, run: aws_chunked },
    Case { name: "HTTP chunks, 64 KiB by 1 KiB", bound: 63_700, run: http_chunked },
    Case { name: "Content-Length, 64 KiB by 1 KiB", bound: 18_700, run: counted },
];

const BARE_GET: &str = "GET /bench/key HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What boto3 sends.
const GET: &str = "GET /bench/data/2026/part-00042.parquet HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\n\
    Accept-Encoding: identity\r\n\
    x-amz-checksum-mode: ENABLED\r\n\
    User-Agent: Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux lang/python#3.11.7\r\n\
    X-Amz-Date: 20260101T000000Z\r\n\
    X-Amz-Content-SHA256: UNSIGNED-PAYLOAD\r\n\
    Authorization: AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request, \
    SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, \
    Signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n\
    amz-sdk-invocation-id: 4c1b5a3e-5e0f-4f3b-9f36-0c7f1f2d3e4a\r\n\
    amz-sdk-request: attempt=1\r\n\r\n";

/// What boto3 sends for a stream, up to its body.
const PUT: &str = "PUT /bench/data/2026/part-00042.parquet HTTP/1.1\r\n\
    Host: 127.0.0.1:8080\r\n\
    Accept-Encoding: identity\r\n\
    Content-Type: application/octet-stream\r\n\
    x-amz-sdk-checksum-algorithm: CRC32\r\n\
    User-Agent: Boto3/1.43.11 md/Botocore#1.43.11 ua/2.1 os/linux lang/python#3.11.7\r\n\
    Content-Encoding: aws-chunked\r\n\
    X-Amz-Trailer: x-amz-checksum-crc32\r\n\
    X-Amz-Decoded-Content-Length: 5\r\n\
    Content-Length: 46\r\n\
    Expect: 100-continue\r\n\
    X-Amz-Date: 20260101T000000Z\r\n\
    X-Amz-Content-SHA256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\
    Authorization: AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request, \
    SignedHeaders=content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-trailer, \
    Signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n\
    amz-sdk-invocation-id: 4c1b5a3e-5e0f-4f3b-9f36-0c7f1f2d3e4a\r\n\
    amz-sdk-request: attempt=1\r\n\r\n";

/// `hello` and its CRC32.
const PUT_BODY: &str = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";

const LIST: &str = "GET /bench?list-type=2&prefix=data%2F2026%2F&delimiter=%2F&max-keys=1000&\
    encoding-type=url HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: aws-cli/2.31\r\n\r\n";

/// How often a case runs. It is prepared equally often whatever this says, so that the difference
/// of two counts is what the runs between them cost.
#[derive(Clone, Copy)]
struct Rounds(usize);

impl Rounds {
    const MAX: usize = 20;

    fn go<S>(self, prepare: impl FnMut() -> S, mut run: impl FnMut(&mut S)) {
        let mut states: Vec<S> = std::iter::repeat_with(prepare).take(Self::MAX).collect();
        states.iter_mut().take(self.0).for_each(&mut run);
        // Whether they have run must not show in what it costs to drop them.
        std::mem::forget(states);
    }
}

fn now() -> Now {
    // Midnight of 2026-01-01.
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    Now { instant: Instant::now(), wall }
}

fn connection(now: Now) -> Connection {
    Connection::new(Arc::new(Config::default()), now)
}

/// A connection whose store has been asked.
fn called(head: &str, now: Now) -> Connection {
    let mut connection = connection(now);
    let (used, step) = connection.step(head.as_bytes(), now);
    assert!(used == head.len() && matches!(step, Step::Call(_)), "{head}");
    connection
}

fn to_call(rounds: Rounds, head: &str) {
    let now = now();
    rounds.go(
        || connection(now),
        |connection| {
            let (used, step) = connection.step(black_box(head.as_bytes()), now);
            assert!(used == head.len() && matches!(black_box(step), Step::Call(_)));
        },
    );
}

fn object(now: Now) -> Response {
    let info = ObjectInfo {
        size: 32 << 10,
        modified: Timestamp::from(now.wall),
        etag: ETag::from_md5([7; 16]),
        content_type: "application/octet-stream".into(),
        metadata: Metadata::default(),
        checksums: Vec::new(),
        parts: None,
        tags: 0,
    };
    Response::GetObject(Box::new(ObjectResponse {
        info,
        range: 0..32 << 10,
        partial: false,
        part: None,
        overrides: Overrides::default(),
        checksums: true,
    }))
}

fn stored(size: u64) -> Response {
    Response::PutObject(Stored { etag: ETag::from_md5([7; 16]), size, checksums: Vec::new() })
}

/// Answers `head` with what `response` makes.
fn answer(rounds: Rounds, head: &str, response: impl Fn(Now) -> Response) {
    let now = now();
    rounds.go(
        || (called(head, now), Some(response(now))),
        |(connection, response)| {
            connection.answer(Ok(response.take().expect("each runs once")), now);
            assert!(black_box(connection.transmit()).head.starts_with(b"HTTP/1.1 200 "));
        },
    );
}

fn answer_to_get(rounds: Rounds) {
    answer(rounds, GET, object);
}

fn page_to_xml(rounds: Rounds) {
    answer(rounds, LIST, |now| {
        let key = |at| format!("data/2026/part-{at:05}.parquet");
        let object = |at: u64| ListedObject {
            key: key(at),
            size: at * 4097,
            modified: Timestamp::from(now.wall),
            etag: ETag::from_md5([7; 16]),
        };
        let request = ListObjects {
            bucket: BucketName::new("bench").expect("a valid name"),
            prefix: "data/2026/".into(),
            delimiter: Some("/".into()),
            max_keys: 1000,
            after: None,
            encode: true,
            version: ListingVersion::V2 { start_after: None, token: None, fetch_owner: false },
        };
        let objects = (0..1000).map(object).collect();
        let page = Page { request, objects, prefixes: Vec::new(), next: Some(key(999)) };
        Response::ListObjects(Box::new(page))
    });
}

/// Takes requests through one connection until the last answer is out.
fn exchange(rounds: Rounds, wire: &[&str]) {
    let now = now();
    let mut connection = connection(now);
    rounds.go(
        || (),
        |()| {
            for piece in wire {
                assert_eq!(drive(&mut connection, black_box(piece.as_bytes()), now), piece.len());
            }
        },
    );
}

/// Goes on until more is to be read; gives how much of the input was taken.
fn drive(connection: &mut Connection, input: &[u8], now: Now) -> usize {
    let mut at = 0;
    loop {
        let (used, step) = connection.step(&input[at..], now);
        at += used;
        match step {
            Step::Call(request) if matches!(*request, Request::PutObject(_)) => {
                connection.ready(now);
            }
            Step::Call(_) => connection.answer(Ok(object(now)), now),
            Step::Body(data) => _ = black_box(data),
            Step::Commit(_) => connection.answer(Ok(stored(5)), now),
            Step::Write => {
                let transmit = connection.transmit();
                let count = transmit.head.len() as u64 + transmit.body.end - transmit.body.start;
                connection.sent(count, now);
                // As a session does, which most often finds none.
                if let Some(record) = connection.take_record() {
                    black_box(record.place());
                }
            }
            Step::Read { .. } => return at,
            Step::Held(_) | Step::HalfClose | Step::Close => panic!("the connection ends"),
        }
    }
}

fn whole_get(rounds: Rounds) {
    exchange(rounds, &[GET]);
}

/// As for an access log, up to the names that it decodes.
fn recorded_get(rounds: Rounds) {
    let now = now();
    let mut connection = connection(now);
    connection.keep_records();
    rounds.go(
        || (),
        |()| {
            assert_eq!(drive(&mut connection, black_box(GET.as_bytes()), now), GET.len());
        },
    );
}

fn whole_put(rounds: Rounds) {
    exchange(rounds, &[PUT, PUT_BODY]);
}

const PAYLOAD: usize = 64 << 10;
const CHUNK: usize = 1 << 10;

/// The payload in chunks.
fn chunks(extension: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..PAYLOAD / CHUNK {
        out.extend_from_slice(format!("{CHUNK:x}{extension}\r\n").as_bytes());
        out.extend_from_slice(&[0x5a; CHUNK]);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0{extension}\r\n\r\n").as_bytes());
    out
}

/// Takes a body up to its commit, `window` bytes at a time.
fn body(rounds: Rounds, headers: &str, body: &[u8], window: usize) {
    let now = now();
    let head = format!("PUT /bench/key HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let open = || {
        let mut connection = called(&head, now);
        connection.ready(now);
        connection
    };
    rounds.go(open, |connection| {
        let (mut at, mut size) = (0, 0);
        loop {
            let end = body.len().min(at + window);
            let (used, step) = connection.step(black_box(&body[at..end]), now);
            at += used;
            match step {
                Step::Body(data) => size += black_box(data).len(),
                Step::Commit(_) => break,
                _ => assert!(used > 0, "the body does not go on"),
            }
        }
        assert_eq!((at, size), (body.len(), PAYLOAD));
    });
}

fn aws_chunked(rounds: Rounds) {
    let wire = chunks(&format!(";chunk-signature={}", "0".repeat(64)));
    let headers = format!("Content-Encoding: aws-chunked\r\nContent-Length: {}\r\n", wire.len());
    body(rounds, &headers, &wire, wire.len());
}

fn http_chunked(rounds: Rounds) {
    let wire = chunks("");
    body(rounds, "Transfer-Encoding: chunked\r\n", &wire, wire.len());
}

fn counted(rounds: Rounds) {
    body(rounds, &format!("Content-Length: {PAYLOAD}\r\n"), &[0x5a; PAYLOAD], CHUNK);
}

/// Instructions of this program with these rounds of the case, from its start to its end.
fn instructions(case: &Case, rounds: usize) -> u64 {
    let program = std::env::current_exe().expect("the program has a path");
    let mut valgrind = Command::new("valgrind");
    // What the environment says could make the C library choose other code.
    valgrind.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    // Not `rep movsb` for large copies: valgrind counts an instruction for each byte of it.
    valgrind.env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=0x40000000");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    // What it maps for a debugger has the process id in its name, which the start of a program
    // reads among its mappings.
    valgrind.arg("--vgdb=no").arg(program);
    let output = valgrind.args(["--run", case.name, &rounds.to_string()]).output();
    let output = output.expect("valgrind starts; tests/clients/setup.sh installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", case.name);
    let count = said.lines().find_map(|line| line.split_once("Collected :"));
    count.and_then(|(_, count)| count.trim().parse().ok()).expect("valgrind says what it counted")
}

/// What is wrong with a figure. Another processor has other instructions, and no bounds.
fn complaint(figure: u64, bound: u64) -> Option<&'static str> {
    if !cfg!(target_arch = "x86_64") {
        None
    } else if figure > bound {
        Some("too many: faster code, or a higher bound and why")
    } else if figure * 10 < bound * 7 {
        Some("far fewer: lower the bound")
    } else {
        None
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, name, rounds] = args.as_slice()
        && mode == "--run"
    {
        let case = CASES.iter().find(|case| case.name == name).expect("a case has this name");
        let rounds = Rounds(rounds.parse().expect("a number of rounds"));
        // The stack of a thread begins at the end of a page. That of the program begins behind its
        // environment, and how a copy on it is aligned would show in the count.
        let thread = std::thread::spawn(move || {
            // A join that waits takes more than one that comes late: let it always wait.
            std::thread::sleep(Duration::from_millis(20));
            (case.run)(rounds);
        });
        thread.join().expect("the case runs");
        return ExitCode::SUCCESS;
    }
    println!("{:36}{:>12}{:>12}", "instructions", "counted", "bound");
    let mut failed = false;
    for case in CASES {
        let half = Rounds::MAX / 2;
        let [some, all] = [half, Rounds::MAX].map(|rounds| instructions(case, rounds));
        let figure = (all - some) / half as u64;
        let complaint = complaint(figure, case.bound);
        failed |= complaint.is_some();
        println!("{:36}{figure:12}{:12}  {}", case.name, case.bound, complaint.unwrap_or_default());
    }
    ExitCode::from(u8::from(failed))
}
