//! What a connection tells of each request when it has ended.

mod support;

use lobos_proto::Code;
use lobos_proto::op::Operation;
use support::config;
use support::dice::{Dice, cases};
use support::driver::{Driver, Wait};
use support::memory::Memory;

/// Status 0 stands for none.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    method: String,
    operation: Option<Operation>,
    place: (Option<String>, Option<String>),
    status: u16,
    code: Option<Code>,
    bytes: (u64, u64),
    whole: bool,
}

fn driver() -> Driver {
    let mut driver = Driver::new(&config(|c| c.limits.head = 2000), &Memory::sample());
    driver.connection.keep_records();
    driver
}

fn taken(driver: &mut Driver) -> Option<Line> {
    driver.connection.take_record().map(|record| Line {
        method: record.method.to_owned(),
        operation: record.operation,
        place: record.place(),
        status: record.status.unwrap_or_default(),
        code: record.error.map(lobos_proto::Error::code),
        bytes: (record.received, record.sent),
        whole: record.whole,
    })
}

/// What was told while these bytes were served.
fn serve(driver: &mut Driver, bytes: impl AsRef<[u8]>) -> Vec<Line> {
    driver.receive(bytes.as_ref());
    let mut lines = Vec::new();
    loop {
        let wait = driver.step();
        lines.extend(taken(driver));
        if wait.is_some() {
            return lines;
        }
    }
}

fn line(
    (method, operation): (&str, Operation),
    key: Option<&str>,
    status: u16,
    bytes: (u64, u64),
) -> Line {
    Line {
        method: method.into(),
        operation: Some(operation),
        place: (Some("bench".into()), key.map(Into::into)),
        status,
        code: None,
        bytes,
        whole: true,
    }
}

const PUT: &str = "PUT /bench/a%20b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
const GET: &str = "GET /a%20b?x=secret HTTP/1.1\r\nHost: bench.localhost:80\r\n\r\n";
const CHUNKED: &str = "PUT /bench/c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\
    Expect: 100-continue\r\n\r\n";

#[test]
fn each_once() {
    // Requests in one piece are told one by one, each when its last byte is out, with the bytes of
    // bodies and of nothing else.
    let mut driver = driver();
    let lines = serve(&mut driver, [PUT, GET].concat());
    let (put, get) = (("PUT", Operation::PutObject), ("GET", Operation::GetObject));
    let expected = [line(put, Some("a b"), 200, (5, 0)), line(get, Some("a b"), 200, (0, 5))];
    assert_eq!(lines, expected);
    assert_eq!(taken(&mut driver), None);
    assert_eq!(serve(&mut driver, CHUNKED), []);
    let lines = serve(&mut driver, "5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(lines, [line(put, Some("c"), 200, (15, 0))]);
}

#[test]
fn cut_anywhere() {
    // Where the input is cut and how little goes out at a time changes nothing.
    let whole = serve(&mut driver(), [PUT, GET].concat());
    for seed in 0..cases(200) {
        let mut driver = driver();
        let mut dice = Dice::new(seed);
        driver.dice = Some(Dice::new(seed));
        let mut lines = Vec::new();
        let wire = [PUT, GET].concat();
        let mut rest = wire.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(1 + dice.below(rest.len()));
            lines.extend(serve(&mut driver, piece));
            rest = after;
        }
        assert_eq!(lines, whole, "{seed}");
    }
}

#[test]
fn refusals() {
    // What is refused is told with its error, and with as much as was known.
    let mut driver = driver();
    let get = "GET /bench/none HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let lines = serve(&mut driver, get);
    assert_eq!((lines[0].status, lines[0].code), (404, Some(Code::NoSuchKey)));
    assert!(lines[0].bytes.1 > 50, "the XML counts: {lines:?}");
    let complete =
        "POST /bench/k?uploadId=u HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";
    let lines = serve(&mut driver, complete);
    assert_eq!(lines[0].operation, Some(Operation::CompleteMultipartUpload));
    assert_eq!((lines[0].status, lines[0].bytes.0), (400, 1));
    let head = "HEAD /bench/none HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let lines = serve(&mut driver, head);
    assert_eq!(lines[0].operation, Some(Operation::HeadObject));
    assert_eq!((lines[0].status, lines[0].bytes), (404, (0, 0)));
    let odd = "GET /bench/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let lines = serve(&mut driver, odd);
    assert_eq!((lines[0].operation, lines[0].place.clone()), (None, (None, None)));
    let lines = serve(&mut driver, "BOGUS\r\n\r\n");
    assert_eq!((lines[0].method.as_str(), lines[0].status, lines[0].whole), ("", 400, true));
}

#[test]
fn forms() {
    // The key of a form stands in its body.
    let fields = "--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk/é\r\n\
        --x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nhello\r\n--x--\r\n";
    let head = format!(
        "POST /bench HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=x\r\n\r\n",
        fields.len()
    );
    let lines = serve(&mut driver(), head + fields);
    let bytes = (fields.len() as u64, 0);
    assert_eq!(lines, [line(("POST", Operation::PostObject), Some("k/é"), 204, bytes)]);
}

#[test]
fn vanished() {
    // A client that goes in the middle is told of once; one that asked for nothing is not.
    let mut driver = driver();
    let lines = serve(&mut driver, &PUT[..PUT.len() - 2]);
    assert_eq!(lines, []);
    driver.connection.abort();
    let put = ("PUT", Operation::PutObject);
    let expected = Line { whole: false, ..line(put, Some("a b"), 0, (3, 0)) };
    assert_eq!(taken(&mut driver), Some(expected));
    assert_eq!(taken(&mut driver), None);
    for nothing in ["", "GET /ben"] {
        let mut driver = self::driver();
        assert_eq!(serve(&mut driver, nothing), []);
        driver.connection.abort();
        assert_eq!(taken(&mut driver), None);
    }
}

#[test]
fn half_an_answer() {
    // Of an answer that is not read to its end as many bytes are told as went out.
    let mut driver = driver();
    serve(&mut driver, PUT);
    driver.receive(GET.as_bytes());
    driver.room = 20;
    assert_eq!(driver.run(), Wait::Write);
    driver.room = u64::MAX;
    let head = driver.connection.transmit().head.len() as u64;
    driver.connection.sent(head + 2, driver.now);
    driver.connection.abort();
    let get = ("GET", Operation::GetObject);
    let expected = Line { whole: false, ..line(get, Some("a b"), 200, (0, 2)) };
    assert_eq!(taken(&mut driver), Some(expected));
}

#[test]
fn nothing_is_kept_unasked() {
    // Without anybody who wants records there are none.
    let mut driver = Driver::new(&config(|_| {}), &Memory::sample());
    assert_eq!(serve(&mut driver, PUT), []);
    driver.connection.abort();
    assert_eq!(taken(&mut driver), None);
}
