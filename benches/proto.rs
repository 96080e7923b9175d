//! What the core costs per request: reading and routing a head, writing an answer, and both in
//! turn on one connection.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use lobos_proto::op::{ObjectResponse, Overrides};
use lobos_proto::{
    Config, Connection, Credentials, ETag, Hosts, Metadata, Now, ObjectInfo, Request, Response,
    Step, Stored, Timestamp,
};

/// What boto3 sends for GET and HEAD.
fn read(method: &str) -> Vec<u8> {
    format!(
        "{method} /bench/data/2026/part-00042.parquet HTTP/1.1\r\n\
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
         amz-sdk-request: attempt=1\r\n\r\n"
    )
    .into_bytes()
}

/// What minio-go sends without keys: nothing but the length.
fn write() -> Vec<u8> {
    b"PUT /bench/data/2026/part-00042.parquet HTTP/1.1\r\n\
      Host: 127.0.0.1:8080\r\n\
      User-Agent: MinIO (linux; amd64) minio-go/v7.0.95\r\n\
      Content-Length: 5\r\n\
      Content-Type: application/octet-stream\r\n\r\n\
      hello"
        .to_vec()
}

fn list() -> Vec<u8> {
    b"GET /bench?list-type=2&prefix=data%2F2026%2F&delimiter=%2F&max-keys=1000&encoding-type=url \
      HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: aws-cli/2.31\r\n\r\n"
        .to_vec()
}

fn now() -> Now {
    Now { instant: Instant::now(), wall: SystemTime::now() }
}

fn connection(now: Now) -> Connection {
    Connection::new(Arc::new(Config::default()), now)
}

fn object(now: Now) -> Box<ObjectResponse> {
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
    let overrides = Overrides::default();
    Box::new(ObjectResponse {
        info,
        range: 0..32 << 10,
        partial: false,
        part: None,
        overrides,
        checksums: true,
    })
}

fn stored() -> Stored {
    Stored { etag: ETag::from_md5([7; 16]), size: 5, checksums: Vec::new() }
}

fn requests(criterion: &mut Criterion) {
    let now = now();
    let mut group = criterion.benchmark_group("head to request");
    let heads = [("GET", read("GET")), ("HEAD", read("HEAD")), ("PUT", write()), ("list", list())];
    for (name, head) in heads {
        group.bench_function(name, |bencher| {
            let step = |connection: &mut Connection| {
                assert!(matches!(black_box(connection.step(&head, now)).1, Step::Call(_)));
            };
            bencher.iter_batched_ref(|| connection(now), step, BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// S3's published example of a signed GET.
const SIGNED: &[u8] = b"GET /test.txt HTTP/1.1\r\n\
    Host: examplebucket.s3.amazonaws.com\r\n\
    Range: bytes=0-9\r\n\
    x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n\
    x-amz-date: 20130524T000000Z\r\n\
    Authorization: AWS4-HMAC-SHA256 \
    Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
    SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
    Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n\r\n";

fn signatures(criterion: &mut Criterion) {
    let now = Now {
        instant: Instant::now(),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600),
    };
    let pair = Credentials {
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        read_only: false,
    };
    let hosts = Hosts { names: vec!["s3.amazonaws.com".to_owned()] };
    let mut group = criterion.benchmark_group("signed head to request");
    for (name, credentials) in [("without keys", Vec::new()), ("with keys", vec![pair])] {
        let config = Config { hosts: hosts.clone(), credentials, ..Config::default() };
        let config = Arc::new(config);
        group.bench_function(name, |bencher| {
            let step = |connection: &mut Connection| {
                assert!(matches!(black_box(connection.step(SIGNED, now)).1, Step::Call(_)));
            };
            let start = || Connection::new(Arc::clone(&config), now);
            bencher.iter_batched_ref(start, step, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let now = now();
    let head = read("GET");
    let asked = || {
        let mut connection = connection(now);
        let (_, step) = connection.step(&head, now);
        assert!(matches!(step, Step::Call(_)));
        (connection, Some(Response::GetObject(object(now))))
    };
    criterion.bench_function("answer to head", |bencher| {
        let answer = |(connection, response): &mut (Connection, Option<Response>)| {
            connection.answer(response.take().ok_or(lobos_proto::Code::InternalError.into()), now);
            black_box(connection.transmit().head.len())
        };
        bencher.iter_batched_ref(asked, answer, BatchSize::SmallInput);
    });
}

/// Goes through one request until its answer is out.
fn exchange(connection: &mut Connection, request: &[u8], now: Now) {
    let mut at = 0;
    loop {
        let (used, step) = connection.step(&request[at..], now);
        at += used;
        match step {
            Step::Call(request) => match *request {
                Request::PutObject(_) => connection.ready(now),
                Request::HeadObject(_) => {
                    connection.answer(Ok(Response::HeadObject(object(now))), now);
                }
                _ => connection.answer(Ok(Response::GetObject(object(now))), now),
            },
            Step::Body(data) => _ = black_box(data),
            Step::Commit(_) => connection.answer(Ok(Response::PutObject(stored())), now),
            Step::Write => {
                let transmit = connection.transmit();
                let count = transmit.head.len() as u64 + transmit.body.end - transmit.body.start;
                connection.sent(count, now);
            }
            Step::Read { .. } => break,
            Step::Held(_) | Step::HalfClose | Step::Close => panic!("the connection ends"),
        }
    }
    assert_eq!(at, request.len());
}

fn exchanges(criterion: &mut Criterion) {
    let now = now();
    let mut group = criterion.benchmark_group("whole exchange");
    for (name, head) in [("GET", read("GET")), ("HEAD", read("HEAD")), ("PUT", write())] {
        let mut connection = connection(now);
        group.bench_function(name, |bencher| {
            bencher.iter(|| exchange(&mut connection, &head, now));
        });
    }
    group.finish();
}

criterion_group!(benches, requests, signatures, answers, exchanges);
criterion_main!(benches);
