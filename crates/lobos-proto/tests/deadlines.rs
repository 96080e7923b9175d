//! Every patience does what it says, and every limit is reached: what is just inside it passes,
//! one more does not.

mod support;

use std::sync::Arc;
use std::time::Duration;

use lobos_proto::digest::{Algorithm, digest};
use lobos_proto::{Code, Config, Connection, Error, Step};
use support::config;
use support::driver::{Driver, Event, Wait};
use support::memory::Memory;

const IDLE: u64 = 10;
const HEAD: u64 = 20;
const STALL: u64 = 30;
const LINGER: u64 = 40;

const GET: &[u8] = b"GET /photos/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Patiences that differ, so that one cannot be taken for another.
fn patient(change: impl FnOnce(&mut Config)) -> Driver {
    let config = config(|config| {
        config.patience.idle = Duration::from_secs(IDLE);
        config.patience.head = Duration::from_secs(HEAD);
        config.patience.stall = Duration::from_secs(STALL);
        config.patience.linger = Duration::from_secs(LINGER);
        config.patience.rate = 0;
        change(config);
    });
    Driver::new(&config, &Memory::sample())
}

fn wait(driver: &mut Driver, seconds: u64) -> Wait {
    driver.wait(Duration::from_secs(seconds));
    driver.run()
}

fn send(driver: &mut Driver, bytes: impl AsRef<[u8]>) -> Wait {
    driver.receive(bytes.as_ref());
    driver.run()
}

fn text(driver: &Driver) -> String {
    String::from_utf8(driver.output()).expect("text")
}

fn put(lines: &str, body: &str) -> String {
    format!("PUT /bench/a HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n{body}")
}

/// It has answered RequestTimeout, closed its side, and closes when its patience ends.
fn has_given_up(driver: &mut Driver) {
    let said = text(driver);
    assert!(said.contains("HTTP/1.1 400 Bad Request\r\n"), "{said}");
    assert!(said.contains("\r\nConnection: close\r\n"), "{said}");
    assert!(said.contains("<Code>RequestTimeout</Code>"), "{said}");
    assert_eq!(driver.log.last(), Some(&Event::HalfClosed));
    assert_eq!(wait(driver, LINGER - 1), Wait::Read);
    assert_eq!(wait(driver, 1), Wait::Closed);
}

#[test]
fn idle() {
    // A connection without a request is closed without a word, at first and after an answer.
    let mut driver = patient(|_| {});
    assert_eq!(driver.run(), Wait::Read);
    assert_eq!(wait(&mut driver, IDLE - 1), Wait::Read);
    assert_eq!(send(&mut driver, GET), Wait::Read);
    let said = text(&driver);
    assert_eq!(wait(&mut driver, IDLE - 1), Wait::Read);
    assert_eq!(wait(&mut driver, 1), Wait::Closed);
    assert_eq!((text(&driver), driver.log.last()), (said, Some(&Event::Closed)));
}

#[test]
fn empty_lines() {
    // Empty lines are no request: they do not make the server wait longer.
    let mut driver = patient(|_| {});
    for _ in 1..IDLE {
        assert_eq!(send(&mut driver, "\r\n"), Wait::Read);
        assert_eq!(wait(&mut driver, 1), Wait::Read);
    }
    assert_eq!(wait(&mut driver, 1), Wait::Closed);
    assert_eq!(text(&driver), "");
    // Nor do halves of them.
    let mut driver = patient(|_| {});
    for at in 1..IDLE {
        let half = if at % 2 == 1 { "\r" } else { "\n" };
        assert_eq!(send(&mut driver, half), Wait::Read);
        assert_eq!(wait(&mut driver, 1), Wait::Read);
    }
    assert_eq!(wait(&mut driver, 1), Wait::Closed);
    assert_eq!(text(&driver), "");
}

#[test]
fn slow_head() {
    // A head that comes byte by byte has its time in total, and not for each byte.
    let mut driver = patient(|_| {});
    assert_eq!(wait(&mut driver, IDLE - 1), Wait::Read);
    for at in 0..usize::try_from(HEAD).expect("small") {
        assert_eq!(send(&mut driver, &GET[at..=at]), Wait::Read);
        assert_eq!(driver.log, [], "after {at} seconds");
        assert_eq!(wait(&mut driver, 1), Wait::Read);
    }
    has_given_up(&mut driver);
}

#[test]
fn stalled_upload() {
    // An upload may take long, but not stand still; then it is refused and not stored.
    let mut driver = patient(|_| {});
    assert_eq!(send(&mut driver, put("Content-Length: 9\r\n", "")), Wait::Read);
    for _ in 0..3 {
        assert_eq!(wait(&mut driver, STALL - 1), Wait::Read);
        assert_eq!(send(&mut driver, "x"), Wait::Read);
    }
    assert_eq!(wait(&mut driver, STALL - 1), Wait::Read);
    assert!(!driver.log.contains(&Event::HalfClosed));
    assert_eq!(wait(&mut driver, 1), Wait::Read);
    assert!(!driver.connection.wants_sink() && driver.store.bytes("bench", "a").is_none());
    has_given_up(&mut driver);
}

/// Patiences as [`patient`], with two bytes a second as the least: 60 of them within [`STALL`].
fn hurried() -> Driver {
    patient(|config| config.patience.rate = 2)
}

#[test]
fn trickling_upload() {
    // An upload above the least rate may take as long as it likes; one below it is refused when
    // the time without enough bytes is over, although it never stands still.
    let mut driver = hurried();
    assert_eq!(send(&mut driver, put("Content-Length: 999\r\n", "")), Wait::Read);
    for _ in 0..4 * STALL {
        assert_eq!(send(&mut driver, "xxx"), Wait::Read);
        assert_eq!(wait(&mut driver, 1), Wait::Read);
    }
    // The last of them, a second ago, made the quota full.
    for _ in 2..STALL {
        assert_eq!(send(&mut driver, "x"), Wait::Read);
        assert_eq!(wait(&mut driver, 1), Wait::Read);
        assert!(!driver.log.contains(&Event::HalfClosed));
    }
    assert_eq!(wait(&mut driver, 1), Wait::Read);
    assert!(!driver.connection.wants_sink() && driver.store.bytes("bench", "a").is_none());
    has_given_up(&mut driver);
}

#[test]
fn trickling_chunks() {
    // What frames a body is no progress as long as it is not read to its end.
    let mut driver = hurried();
    assert_eq!(send(&mut driver, put("Transfer-Encoding: chunked\r\n", "")), Wait::Read);
    for byte in "9;extension=\"0123456789012345678\r\n".as_bytes().iter().take(29) {
        assert_eq!(wait(&mut driver, 1), Wait::Read);
        assert_eq!(send(&mut driver, [*byte]), Wait::Read);
        assert!(!driver.log.contains(&Event::HalfClosed));
    }
    assert_eq!(wait(&mut driver, 1), Wait::Read);
    has_given_up(&mut driver);
}

#[test]
fn trickling_reader() {
    // The same holds for a client that reads its answer.
    let mut driver = hurried();
    driver.room = 10;
    assert_eq!(send(&mut driver, GET), Wait::Write);
    for at in 1..3 * STALL / 2 {
        assert_eq!(wait(&mut driver, 1), Wait::Write);
        driver.room = if at <= STALL { 2 } else { 1 };
        assert_eq!(driver.run(), Wait::Write, "after {at} seconds");
    }
    assert_eq!(wait(&mut driver, STALL), Wait::Closed);
}

#[test]
fn trickled_refused_body() {
    // And for the rest of a body that nobody wants.
    let mut driver = hurried();
    let request = put("Content-Length: 99\r\n", "x").replace("bench", "nowhere");
    assert_eq!(send(&mut driver, request), Wait::Read);
    for _ in 1..STALL {
        assert_eq!(wait(&mut driver, 1), Wait::Read);
        assert_eq!(send(&mut driver, "x"), Wait::Read);
    }
    assert_eq!(wait(&mut driver, 1), Wait::Closed);
}

#[test]
fn tls_where_there_is_none() {
    // The first byte of TLS is answered in plain HTTP at once, and the answer can be read.
    let mut driver = patient(|_| {});
    assert_eq!(send(&mut driver, [0x16]), Wait::Read);
    let said = text(&driver);
    assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n") && said.contains("http://"), "{said}");
    assert!(driver.connection.met_tls());
    assert_eq!(driver.log.last(), Some(&Event::HalfClosed));
    assert_eq!(wait(&mut driver, LINGER), Wait::Closed);
}

#[test]
fn refused_before_anything() {
    // A connection that is one too many is told so without a request.
    let mut driver = patient(|_| {});
    let now = driver.now;
    driver.connection.refuse(Error::new(Code::SlowDown), now);
    assert_eq!(driver.run(), Wait::Read);
    let said = text(&driver);
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains("Retry-After: 1\r\n"), "{said}");
    assert!(said.contains("<Code>SlowDown</Code>"), "{said}");
    assert_eq!(driver.log.last(), Some(&Event::HalfClosed));
    assert_eq!(send(&mut driver, GET), Wait::Read);
    assert_eq!(text(&driver), said);
}

#[test]
fn slow_sink() {
    // The time that the sink takes for a slice is not held against the client.
    let config = config(|config| {
        config.patience.stall = Duration::from_secs(STALL);
        config.patience.rate = 0;
    });
    let at = |seconds| support::after(Duration::from_secs(seconds));
    let mut connection = Connection::new(config, at(0));
    let request = put("Content-Length: 4\r\n", "ab");
    let (used, step) = connection.step(request.as_bytes(), at(0));
    assert!(matches!(step, Step::Call(_)), "{step:?}");
    connection.ready(at(0));
    let (_, step) = connection.step(&request.as_bytes()[used..], at(1));
    assert!(matches!(step, Step::Body(b"ab")), "{step:?}");
    let (_, step) = connection.step(&[], at(100));
    assert!(matches!(step, Step::Read { expect: 2 }), "{step:?}");
    assert_eq!(connection.deadline(), Some(at(100 + STALL).instant));
}

#[test]
fn stalled_document() {
    // The same holds for a document.
    let mut driver = patient(|_| {});
    let head = "POST /photos?delete HTTP/1.1\r\nHost: localhost\r\n\
                Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(send(&mut driver, head), Wait::Read);
    assert_eq!(wait(&mut driver, STALL - 1), Wait::Read);
    assert_eq!(send(&mut driver, "<"), Wait::Read);
    assert_eq!(wait(&mut driver, STALL - 1), Wait::Read);
    assert_eq!(wait(&mut driver, 1), Wait::Read);
    has_given_up(&mut driver);
}

#[test]
fn stalled_before_continue() {
    // A client that does not even take `100 Continue` is given nothing more.
    let mut driver = patient(|_| {});
    driver.room = 5;
    let head = put("Content-Length: 9\r\nExpect: 100-continue\r\n", "");
    assert_eq!(send(&mut driver, head), Wait::Write);
    assert_eq!(wait(&mut driver, STALL - 1), Wait::Write);
    assert_eq!(wait(&mut driver, 1), Wait::Closed);
    assert_eq!(text(&driver), "HTTP/");
}

#[test]
fn stalled_reader() {
    // A client that reads slowly is served; one that stops reading is closed.
    let mut driver = patient(|_| {});
    driver.room = 10;
    assert_eq!(send(&mut driver, GET), Wait::Write);
    for _ in 0..3 {
        assert_eq!(wait(&mut driver, STALL - 1), Wait::Write);
        driver.room = 1;
        assert_eq!(driver.run(), Wait::Write);
    }
    assert_eq!(wait(&mut driver, STALL), Wait::Closed);
    assert_eq!(text(&driver), "HTTP/1.1 200 ");
}

#[test]
fn stalled_refused_body() {
    // The rest of a refused body is not awaited for ever.
    let mut driver = patient(|_| {});
    let request = put("Content-Length: 9\r\n", "x").replace("bench", "nowhere");
    assert_eq!(send(&mut driver, request), Wait::Read);
    assert_eq!(wait(&mut driver, STALL - 1), Wait::Read);
    assert_eq!(send(&mut driver, "x"), Wait::Read);
    let said = text(&driver);
    assert_eq!(wait(&mut driver, STALL - 1), Wait::Read);
    assert_eq!(wait(&mut driver, 1), Wait::Closed);
    assert_eq!(text(&driver), said);
}

#[test]
fn lingering() {
    // After the last answer the client is listened to for so long in total, whatever it sends.
    let mut driver = patient(|_| {});
    assert_eq!(send(&mut driver, "nonsense\n"), Wait::Read);
    assert_eq!(driver.log.last(), Some(&Event::HalfClosed));
    for _ in 1..LINGER {
        assert_eq!(wait(&mut driver, 1), Wait::Read);
        assert_eq!(send(&mut driver, GET), Wait::Read);
    }
    assert_eq!(wait(&mut driver, 1), Wait::Closed);
}

#[test]
fn too_early() {
    // A timer that goes off before its time changes nothing.
    let mut driver = patient(|_| {});
    for piece in put("Content-Length: 5\r\n", "hello").as_bytes().chunks(1) {
        driver.connection.timed_out(driver.now);
        assert_eq!(send(&mut driver, piece), Wait::Read);
    }
    assert!(text(&driver).starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn finishing() {
    // A server that stops closes what is idle at once, and its side of the rest when it is done:
    // the client may have sent more, and must be able to read the answer before it closes.
    let done = |driver: &mut Driver, wait: Wait| {
        assert_eq!((wait, driver.log.last()), (Wait::Read, Some(&Event::HalfClosed)));
        driver.connection.peer_closed();
        assert_eq!(driver.run(), Wait::Closed);
    };
    let mut idle = patient(|_| {});
    idle.connection.finish();
    assert_eq!((idle.run(), text(&idle).as_str()), (Wait::Closed, ""));

    let mut reading = patient(|_| {});
    assert_eq!(send(&mut reading, &GET[..9]), Wait::Read);
    reading.connection.finish();
    let wait = send(&mut reading, [&GET[9..], GET].concat());
    done(&mut reading, wait);
    assert!(text(&reading).contains("\r\nConnection: close\r\n"));

    let mut upload = patient(|_| {});
    assert_eq!(send(&mut upload, put("Content-Length: 5\r\n", "hel")), Wait::Read);
    upload.connection.finish();
    let wait = send(&mut upload, "lo");
    done(&mut upload, wait);
    assert_eq!(upload.store.bytes("bench", "a").as_deref(), Some(&b"hello"[..]));
    assert!(text(&upload).contains("\r\nConnection: close\r\n"));

    let mut writing = patient(|_| {});
    writing.room = 100;
    assert_eq!(send(&mut writing, GET), Wait::Write);
    writing.connection.finish();
    writing.room = 1000;
    let wait = writing.run();
    done(&mut writing, wait);
    assert!(text(&writing).ends_with("hello world"));

    let mut dropping = patient(|_| {});
    let request = put("Content-Length: 9\r\n", "x").replace("bench", "nowhere");
    assert_eq!(send(&mut dropping, request), Wait::Read);
    dropping.connection.finish();
    assert_eq!(dropping.run(), Wait::Read);
    assert_eq!(dropping.log.last(), Some(&Event::HalfClosed));
}

/// The code of the answer to one request, and whether the connection stays.
fn answer(config: &Arc<Config>, request: &str) -> (String, bool) {
    let whole = answer_by(config, request, request.len());
    assert_eq!(whole, answer_by(config, request, 1), "{request} byte by byte");
    whole
}

fn answer_by(config: &Arc<Config>, request: &str, piece: usize) -> (String, bool) {
    let mut driver = Driver::new(config, &Memory::sample());
    let mut wait = driver.run();
    for piece in request.as_bytes().chunks(piece) {
        wait = send(&mut driver, piece);
    }
    let said = text(&driver);
    let code = said.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map_or(said.get(9..12).unwrap_or("none"), |(code, _)| code);
    let stays = wait == Wait::Read && !driver.log.contains(&Event::HalfClosed);
    (code.to_owned(), stays)
}

/// `inside` is answered with a 200, `beyond` with this error.
fn limit(config: Arc<Config>, inside: &str, beyond: &str, code: &str, stays: bool) {
    assert_eq!(answer(&config, inside), ("200".to_owned(), true));
    assert_eq!(answer(&config, beyond), (code.to_owned(), stays));
}

#[test]
fn head_limit() {
    // A head may be so long with its empty line, and one that is longer is not read to its end.
    let head = |length: usize| {
        let start = "GET /photos/a.txt HTTP/1.1\r\nHost: localhost\r\nA: ";
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    let config = || config(|config| config.limits.head = 100);
    limit(config(), &head(100), &head(101), "RequestHeaderSectionTooLarge", false);
    let endless = "x".repeat(100);
    let code = "RequestHeaderSectionTooLarge".to_owned();
    assert_eq!(answer(&config(), &endless), (code, false));
    assert_eq!(answer(&config(), &endless[1..]), ("none".to_owned(), true));
}

#[test]
fn headers_limit() {
    // So many header lines, and no more.
    let head = |count: usize| {
        let lines = "A: b\r\n".repeat(count - 1);
        format!("GET /photos/a.txt HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
    };
    let config = config(|config| config.limits.headers = 5);
    limit(config, &head(5), &head(6), "RequestHeaderSectionTooLarge", false);
}

fn delete(document: &str) -> String {
    let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
    let head = "POST /photos?delete HTTP/1.1\r\nHost: localhost\r\nContent-MD5:";
    format!("{head} {md5}\r\nContent-Length: {}\r\n\r\n{document}", document.len())
}

#[test]
fn document_limit() {
    // A document may be so long; a far longer one is refused by its length alone.
    let document = |length: usize| {
        let start = "<Delete><Object><Key>a</Key></Object></Delete>";
        delete(&format!("{start:length$}"))
    };
    let config = || config(|config| config.limits.document = 60);
    limit(config(), &document(60), &document(61), "EntityTooLarge", false);
    let long = document(121);
    let head = &long[..long.len() - 121];
    assert_eq!(answer(&config(), head), ("MalformedXML".to_owned(), true));
}

#[test]
fn object_limit() {
    // An object may be so long, whether its length is said beforehand or not.
    let length = |count: usize| put(&format!("Content-Length: {count}\r\n"), &"x".repeat(count));
    let chunked = |count: usize| {
        let body = format!("{count:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(count));
        put("Transfer-Encoding: chunked\r\n", &body)
    };
    let aws = |count: usize| {
        let body = format!("{count:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(count));
        let lines = format!("Content-Encoding: aws-chunked\r\nContent-Length: {}\r\n", body.len());
        put(&lines, &body)
    };
    let config = || config(|config| config.limits.object = 20);
    limit(config(), &length(20), &length(21), "EntityTooLarge", true);
    limit(config(), &chunked(20), &chunked(21), "EntityTooLarge", false);
    limit(config(), &aws(20), &aws(21), "EntityTooLarge", false);
}

#[test]
fn user_metadata_limit() {
    // Names and values of x-amz-meta-* together may be so long.
    let request = |count: usize| {
        let meta = format!("x-amz-meta-ab: {}\r\nx-amz-meta-c: d\r\n", "x".repeat(count - 4));
        put(&format!("{meta}Content-Length: 1\r\n"), "x")
    };
    let config = config(|config| config.limits.user_metadata = 20);
    limit(config, &request(20), &request(21), "MetadataTooLarge", true);
}

#[test]
fn delete_keys_limit() {
    // One DeleteObjects has so many keys at most.
    let request = |count: usize| {
        let keys = "<Object><Key>a</Key></Object>".repeat(count);
        delete(&format!("<Delete>{keys}</Delete>"))
    };
    let config = config(|config| config.limits.delete_keys = 3);
    limit(config, &request(3), &request(4), "MalformedXML", true);
}

#[test]
fn max_keys_limit() {
    // A page has so many keys at most, however many are asked for.
    let config = config(|config| config.limits.max_keys = 2);
    for query in ["", "&max-keys=3", "&max-keys=2"] {
        let mut driver = Driver::new(&config, &Memory::sample());
        let target = format!("/photos?list-type=2{query}");
        send(&mut driver, format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let said = text(&driver);
        assert_eq!(said.matches("<Contents>").count(), 2, "{said}");
        assert!(said.contains("<MaxKeys>2</MaxKeys>"), "{said}");
        assert!(said.contains("<IsTruncated>true</IsTruncated>"), "{said}");
    }
}

#[test]
fn chunk_limits() {
    // A line of a chunked body may be so long, and all its trailers together.
    let config = || {
        config(|config| {
            config.limits.chunk_line = 20;
            config.limits.trailers = 20;
        })
    };
    let http = |body: &str| put("Transfer-Encoding: chunked\r\n", body);
    let aws = |body: &str| {
        let lines = format!("Content-Encoding: aws-chunked\r\nContent-Length: {}\r\n", body.len());
        put(&lines, body)
    };
    let line = |count: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "y".repeat(count - 2));
    limit(config(), &http(&line(20)), &http(&line(21)), "InvalidRequest", false);
    limit(config(), &aws(&line(20)), &aws(&line(21)), "IncompleteBody", false);
    let trailer = |count: usize| format!("1\r\nx\r\n0\r\na: {}\r\n\r\n", "y".repeat(count - 3));
    limit(config(), &http(&trailer(20)), &http(&trailer(21)), "InvalidRequest", false);
    let both =
        |count: usize| format!("1\r\nx\r\n0\r\na: {}\r\nb: c\r\n\r\n", "y".repeat(count - 7));
    limit(config(), &http(&both(20)), &http(&both(21)), "MalformedTrailerError", false);
    limit(config(), &aws(&both(20)), &aws(&both(21)), "MalformedTrailerError", false);
}

#[test]
fn drain_limit() {
    // So much of a refused body is dropped for the sake of the connection, and no more.
    let config = || config(|config| config.limits.drain = 20);
    let refused = |lines: &str, body: &str| put(lines, body).replace("bench", "nowhere");
    let stays = |request: &str| answer(&config(), request).1;
    for count in [0, 1, 20, 21, 40] {
        let request = refused(&format!("Content-Length: {count}\r\n"), &"x".repeat(count));
        assert_eq!(stays(&request), count <= 20, "{count}");
    }
    for count in [1, 10, 11, 40] {
        // Ten bytes are framing.
        let body = format!("{count:02x}\r\n{}\r\n0\r\n\r\n", "x".repeat(count));
        let request = refused("Transfer-Encoding: chunked\r\n", &body);
        assert_eq!(stays(&request), body.len() <= 20, "{count}");
        let head = request.len() - body.len();
        let mut driver = Driver::new(&config(), &Memory::sample());
        for piece in [&request[..head], &request[head..head + 3], &request[head + 3..]] {
            driver.receive(piece.as_bytes());
            driver.run();
        }
        assert_eq!(driver.log.contains(&Event::HalfClosed), body.len() > 20, "{count}");
    }
}

#[test]
fn linger_limit() {
    // So much is dropped after the last answer, and then the connection is closed.
    let config = || config(|config| config.limits.linger = 20);
    let after = |pieces: &[&str]| {
        let mut driver = Driver::new(&config(), &Memory::sample());
        assert_eq!(send(&mut driver, "GET\r\n\r\n"), Wait::Read);
        pieces.iter().map(|piece| send(&mut driver, piece)).last()
    };
    let twenty = "x".repeat(20);
    assert_eq!(after(&[&twenty]), Some(Wait::Read));
    assert_eq!(after(&[&twenty, "x"]), Some(Wait::Closed));
    assert_eq!(after(&["x", &twenty]), Some(Wait::Closed));
}
