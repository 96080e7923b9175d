//! Conversations that nobody planned: valid requests with damage, cut anywhere, while the store
//! fails and the server stops. `LOBOS_SEED=n` replays one of them.

#![allow(clippy::disallowed_methods, reason = "what a test reads, the core does not")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use lobos_proto::Config;
use support::config;
use support::dice::{Dice, cases};
use support::driver::{Driver, Event, Wait};
use support::memory::Memory;
use support::notation;

const CASES: u64 = cases(20_000);

/// Every operation and every framing; `|` is CRLF and `@` a Host line.
const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1|@|",
    "HEAD /photos HTTP/1.1|@|",
    "GET /photos/?location= HTTP/1.1|@|",
    "GET /photos?versioning HTTP/1.1|@|",
    "GET /photos?object-lock HTTP/1.1|@|",
    "GET /photos?delimiter=/&max-keys=2&marker=albums/ HTTP/1.1|@|",
    "GET /photos?list-type=2&encoding-type=url&start-after=b HTTP/1.1|@|",
    "GET /photos/a.txt HTTP/1.1|@|",
    "GET /photos/a.txt HTTP/1.0|Connection: keep-alive||",
    "GET /a.txt HTTP/1.1|Host: photos.localhost|Range: bytes=2-5|Connection: close||",
    "GET /photos/empty?partNumber=1 HTTP/1.1|@If-None-Match: \"x\"||",
    "HEAD /photos/missing HTTP/1.1|@|",
    "PUT /fresh HTTP/1.1|@|",
    "PUT /fresh HTTP/1.1|@Content-Length: 28||<CreateBucketConfiguration/>",
    "DELETE /bench HTTP/1.1|@|",
    "DELETE /photos/a.txt HTTP/1.1|@|",
    "POST /photos?delete HTTP/1.1|@Content-MD5: GLVjMfi9jy48uG0WRfDaYQ==|\
     Content-Length: 50||\
     <Delete><Object><Key>empty</Key></Object></Delete>",
    "POST /photos?delete HTTP/1.1|@Content-MD5: GLVjMfi9jy48uG0WRfDaYQ==|\
     Transfer-Encoding: chunked||\
     32|<Delete><Object><Key>empty</Key></Object></Delete>|0||",
    "PUT /bench/a HTTP/1.1|@Content-Length: 5||hello",
    "PUT /bench/a HTTP/1.1|@Content-Length: 5|Content-MD5: XUFAKrxLKna5cZ2REBfFkg==||hello",
    "PUT /bench/a HTTP/1.1|@x-amz-checksum-crc32: NhCmhg==|Content-Length: 5||hello",
    "PUT /bench/a HTTP/1.1|@If-None-Match: *|Transfer-Encoding: chunked||5;a=b|hello|0|T: x||",
    "PUT /bench/a HTTP/1.1|@Content-Encoding: aws-chunked|x-amz-trailer: x-amz-checksum-crc32|\
     Content-Length: 46||5|hello|0|x-amz-checksum-crc32:NhCmhg==||",
    "PUT /bench/a HTTP/1.1|@Content-Encoding: aws-chunked|x-amz-decoded-content-length: 5|\
     Transfer-Encoding: chunked||6|5|hel|9|lo|0|||0||",
    "PUT /nowhere/a HTTP/1.1|@Content-Length: 30||012345678901234567890123456789",
    "PUT /nowhere/a HTTP/1.1|@Content-Length: 90||0123456789",
    "OPTIONS /photos/a.txt HTTP/1.1|@Origin: http://localhost||",
    "POST /bench HTTP/1.1|@Content-Type: multipart/form-data; boundary=B|Content-Length: 118|\
     |--B|Content-Disposition: form-data; name=\"key\"||k|--B|Content-Disposition: form-data\
     ; name=file||hello|--B--|",
    "POST /bench HTTP/1.1|@Content-Type: multipart/form-data; boundary=B|Transfer-Encoding: c\
     hunked||2|--|3a|B|Content-Disposition: form-data; name=\"key\"||k|--B|C|-5||35|-B|Conten\
     t-Disposition: form-data; name=file||a|-|3|-b\r|4|\n--B|4|--||0||",
    "OPTIONS /bench/a HTTP/1.1|@Origin: https://x.app.example|Access-Control-Request-Method: PUT||",
    "PUT /bench/a HTTP/1.1|@Origin: https://x.app.example|Content-Length: 5||hello",
    "PUT /photos/a HTTP/1.1|@Origin: https://x.app.example|Content-Length: 5||hello",
    "GET /bench/a HTTP/1.1|@Origin: null||",
    "PATCH /photos/a.txt?acl HTTP/1.1|@Content-Length: 3||abc",
    "||GET /photos/page.html HTTP/1.1|@|",
    "GET /photos/a.txt HTTP/1.1|@Range: bytes=2-5|If-Range: \"x\"||",
    "GET /photos/composite?partNumber=3 HTTP/1.1|@x-amz-checksum-mode: ENABLED||",
    "GET /photos/single?attributes HTTP/1.1|@x-amz-object-attributes: ETag,ObjectParts||",
    "POST /photos/a.txt?uploads HTTP/1.1|@x-amz-checksum-algorithm: CRC32||",
    "PUT /photos/a.txt?partNumber=1&uploadId=plain HTTP/1.1|@Content-Length: 5||hello",
    "POST /photos/a.txt?uploadId=plain HTTP/1.1|@Content-Length: 104||\
     <CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part>\
     </CompleteMultipartUpload>",
    "GET /photos/a.txt?uploadId=sums&max-parts=2 HTTP/1.1|@|",
    "GET /photos?uploads&delimiter=/&max-uploads=1 HTTP/1.1|@|",
    "DELETE /photos/a.txt?uploadId=plain HTTP/1.1|@|",
];

/// Requests whose answers depend on what has arrived when.
const EXPECTING: &[&str] = &[
    "PUT /bench/a HTTP/1.1|@Expect: 100-continue|Content-Length: 5||hello",
    "PUT /nowhere/a HTTP/1.1|@Expect: 100-continue|Content-Length: 5||hello",
    "POST /photos?delete HTTP/1.1|@Content-MD5: GLVjMfi9jy48uG0WRfDaYQ==|\
     Expect: 100-continue|Content-Length: 50||\
     <Delete><Object><Key>empty</Key></Object></Delete>",
];

/// What damage inserts.
const PIECES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    " ",
    ":",
    "0\r\n\r\n",
    "5\r\n",
    "\0",
    "%",
    "/",
    "?",
    "<",
    "&",
    "ffffffffffffffff\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Range: bytes=1-\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Encoding: aws-chunked\r\n",
    "Connection: close\r\n",
    "x-amz-decoded-content-length: 5\r\n",
    "x-amz-trailer: x-amz-checksum-crc32\r\n",
    "HTTP/1.0",
    "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n",
    "HEAD ",
    "PUT ",
    "&uploads",
    "--B",
    "\r\n--B--",
    "\r\n--B\r\n",
    "Origin: https://x.app.example\r\n",
    "Content-Type: multipart/form-data; boundary=B\r\n",
];

fn small() -> Arc<Config> {
    config(|config| {
        let limits = &mut config.limits;
        (limits.head, limits.headers, limits.document, limits.object) = (400, 8, 120, 40);
        (limits.user_metadata, limits.delete_keys, limits.max_keys) = (20, 3, 3);
        (limits.form, limits.fields) = (200, 3);
        (limits.chunk_line, limits.trailers, limits.drain, limits.linger) = (40, 60, 40, 100);
    })
}

fn bytes(text: &str) -> Vec<u8> {
    text.replace('@', "Host: localhost|").replace('|', "\r\n").into_bytes()
}

/// One to four requests, most of them damaged; sometimes nothing but noise.
fn input(dice: &mut Dice, expecting: bool) -> Vec<u8> {
    if dice.once_in(20) {
        return (0..dice.below(500)).map(|_| dice.below(256) as u8).collect();
    }
    let mut input = Vec::new();
    for _ in 0..=dice.below(4) {
        let among = if expecting && dice.once_in(4) { EXPECTING } else { REQUESTS };
        let request: &&str = dice.pick(among);
        input.extend(bytes(request));
    }
    for _ in 0..dice.below(4) {
        let at = dice.below(input.len());
        let end = (at + 1 + dice.below(9)).min(input.len());
        match dice.below(6) {
            0 => input[at] = dice.below(256) as u8,
            1 => input[at] ^= 1 << dice.below(8),
            2 => drop(input.drain(at..end)),
            3 => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            _ => drop(input.splice(at..at, dice.pick(PIECES).bytes())),
        }
        if input.is_empty() {
            break;
        }
    }
    input
}

fn seeds() -> Box<dyn Iterator<Item = u64>> {
    match std::env::var("LOBOS_SEED") {
        Ok(seed) => Box::new(std::iter::once(seed.parse().expect("a number"))),
        Err(_) => Box::new(0..CASES),
    }
}

/// Something that the world around the connection may do at any moment.
fn disturb(driver: &mut Driver, dice: &mut Dice) {
    match dice.below(120) {
        0 => driver.connection.finish(),
        1 => driver.connection.peer_closed(),
        2 => driver.connection.abort(),
        3 => driver.connection.timed_out(driver.now),
        4..8 => driver.wait(Duration::from_secs(dice.below(40) as u64)),
        8..12 => driver.room = dice.below(300) as u64,
        12..24 => driver.room = u64::MAX,
        _ => {}
    }
}

/// Whether it is the start of an answer.
fn is_http(output: &[u8]) -> bool {
    output.iter().zip(b"HTTP/1.1 ").all(|(is, should)| is == should)
}

#[test]
fn anything() {
    // Whatever arrives, fails or happens, each step is sound and every connection comes to an end.
    for seed in seeds() {
        let run = std::panic::AssertUnwindSafe(|| one(seed));
        if let Err(panic) = std::panic::catch_unwind(run) {
            let known = panic.downcast_ref::<String>().map(String::as_str);
            let known = known.or_else(|| panic.downcast_ref::<&str>().copied());
            panic!("LOBOS_SEED={seed}: {}", known.unwrap_or("it failed"));
        }
    }
}

fn one(seed: u64) {
    let mut dice = Dice::new(seed);
    let input = input(&mut dice, true);
    let mut driver = Driver::new(&small(), &Memory::sample());
    driver.dice = Some(dice.clone());
    driver.trouble = dice.once_in(2);
    let calm = dice.once_in(3);
    let mut rest = input.as_slice();
    let mut wait = None;
    while wait != Some(Wait::Closed) && !(rest.is_empty() && wait == Some(Wait::Read)) {
        if wait == Some(Wait::Read) || dice.once_in(6) {
            let (piece, left) = rest.split_at(dice.below(rest.len().min(60) + 1));
            driver.receive(piece);
            rest = left;
        }
        if wait == Some(Wait::Write) && dice.once_in(4) {
            driver.wait(Duration::from_secs(31));
        }
        if !calm {
            disturb(&mut driver, &mut dice);
        }
        wait = driver.step();
    }
    driver.room = u64::MAX;
    if dice.once_in(2) {
        driver.connection.peer_closed();
    }
    // Without a word from the client, time alone ends every connection.
    for _ in 0..4 {
        driver.run();
        driver.wait(Duration::from_secs(75));
    }
    assert_eq!(driver.run(), Wait::Closed, "it never ends");
    assert!(is_http(&driver.output()), "it says nonsense");
}

#[test]
fn cuts_do_not_matter() {
    // Damaged requests have the same answers and effects however they are cut.
    for seed in seeds().take(5_000) {
        let mut dice = Dice::new(seed);
        let input = input(&mut dice, false);
        let cuts = dice.cuts(input.len(), 8);
        let whole = play(&input, &[]);
        let cut = play(&input, &cuts);
        let shown = |log: &[Event]| notation::write(log, false);
        assert_eq!(shown(&whole.0), shown(&cut.0), "LOBOS_SEED={seed}, cut at {cuts:?}");
        assert!(whole == cut, "LOBOS_SEED={seed}: the store has seen something else");
    }
}

/// What happens in the end, and what is stored then.
fn play(input: &[u8], cuts: &[usize]) -> (Vec<Event>, String) {
    let mut driver = Driver::new(&small(), &Memory::sample());
    let mut start = 0;
    for end in cuts.iter().copied().chain([input.len()]) {
        driver.receive(&input[start..end]);
        driver.run();
        start = end;
    }
    driver.connection.peer_closed();
    assert_eq!(driver.run(), Wait::Closed);
    (driver.log, driver.store.dump())
}
