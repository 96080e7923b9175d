//! What it costs to take the framing off 1 MiB of a body, through a whole connection.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lobos_proto::{Config, Connection, ETag, Now, Response, Step, Stored};

const PAYLOAD: usize = 1 << 20;

/// What a driver reads at once.
const WINDOW: usize = 256 << 10;

/// The payload in chunks of `size`.
fn chunks(payload: &[u8], size: usize, extension: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in payload.chunks(size) {
        out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("0{extension}\r\n\r\n").as_bytes());
    out
}

fn request(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("PUT /bench/key HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Each framing of the same payload, with its name.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let payload = vec![0x5a; PAYLOAD];
    let signature = format!(";chunk-signature={}", "0".repeat(64));
    let aws = |size, extension: &str| {
        let body = chunks(&payload, size, extension);
        request(
            &format!("Content-Encoding: aws-chunked\r\nContent-Length: {}\r\n", body.len()),
            &body,
        )
    };
    let http = "Transfer-Encoding: chunked\r\n";
    let nested = chunks(&chunks(&payload, 64 << 10, ""), 8 << 10, "");
    let nested = request(&format!("{http}Content-Encoding: aws-chunked\r\n"), &nested);
    vec![
        ("Content-Length", request(&format!("Content-Length: {PAYLOAD}\r\n"), &payload)),
        ("aws-chunked, 64 KiB, signed", aws(64 << 10, &signature)),
        ("aws-chunked, 8 KiB, signed", aws(8 << 10, &signature)),
        ("aws-chunked, 1 MiB", aws(PAYLOAD, "")),
        ("HTTP chunks of 8 KiB", request(http, &chunks(&payload, 8 << 10, ""))),
        ("aws-chunked in HTTP chunks", nested),
    ]
}

/// Takes one upload through the connection; gives the size of what was in it.
fn upload(connection: &mut Connection, wire: &[u8], now: Now) -> usize {
    let (mut at, mut size) = (0, 0);
    let mut window = WINDOW;
    loop {
        let end = wire.len().min(at + window);
        let (used, step) = connection.step(&wire[at..end], now);
        at += used;
        window = WINDOW;
        match step {
            Step::Call(_) => connection.ready(now),
            Step::Body(data) => size += black_box(data).len(),
            Step::Commit(_) => {
                let etag = ETag::from_md5([7; 16]);
                let stored = Stored { etag, size: size as u64, checksums: Vec::new() };
                connection.answer(Ok(Response::PutObject(stored)), now);
            }
            Step::Write => {
                let count = connection.transmit().head.len() as u64;
                connection.sent(count, now);
            }
            Step::Read { .. } if at == wire.len() => return size,
            Step::Read { .. } => window = 2 * WINDOW,
            Step::Held(_) | Step::HalfClose | Step::Close => panic!("the upload was refused"),
        }
    }
}

fn chunked(criterion: &mut Criterion) {
    let now = Now { instant: Instant::now(), wall: SystemTime::now() };
    let mut group = criterion.benchmark_group("1 MiB");
    group.throughput(Throughput::Bytes(PAYLOAD as u64));
    for (name, wire) in requests() {
        let mut connection = Connection::new(Arc::new(Config::default()), now);
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(upload(&mut connection, &wire, now), PAYLOAD));
        });
    }
    group.finish();
}

criterion_group!(benches, chunked);
criterion_main!(benches);
