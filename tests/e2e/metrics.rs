//! Metrics and health on the port of their own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use rustix::process::Signal;

use crate::support::server::{PATIENCE, Runtime, Server, Setup};

on_every_runtime!(
    with setup;
    counts,
    gauges,
    well_formed,
    health,
    elsewhere,
);

fn setup(runtime: Runtime) -> Server {
    Setup::new(runtime).args(&["--admin-listen", "0"]).start()
}

mod limited {
    use super::*;

    on_every_runtime!(
        with |runtime| {
            let args = ["--admin-listen", "0", "--cache-limit", "1MiB"];
            Setup::new(runtime).args(&args).start()
        };
        evictions
    );

    fn evictions(server: &Server) {
        // What goes so that the others fit is gone for clients too, and counted.
        for key in ["first", "second", "third"] {
            server.store(key, vec![b'x'; 400 << 10]);
        }
        let bytes = f64::from(400 << 10);
        let found = until(server, |found| found["lobos_evicted_objects_total"] == 1.0);
        assert_eq!(found["lobos_evicted_bytes_total"], bytes);
        assert_eq!((found["lobos_cache_bytes"], found["lobos_cache_objects"]), (2.0 * bytes, 2.0));
        server.get("/bench/first").error(404, "NoSuchKey");
        for key in ["second", "third"] {
            assert_eq!(server.get(&format!("/bench/{key}")).expect(200).body.len(), 400 << 10);
        }
    }
}

/// Where the server said that its metrics are.
fn admin(server: &Server) -> SocketAddr {
    let url = server.said().iter().find_map(|line| line.strip_prefix("metrics"));
    let url = url.unwrap().trim().strip_prefix("http://").unwrap();
    url.strip_suffix("/metrics").unwrap().parse().unwrap()
}

/// Head and body of an answer.
fn ask(address: SocketAddr, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn scrape(server: &Server) -> BTreeMap<String, f64> {
    let (head, body) = ask(admin(server), "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let samples = body.lines().filter(|line| !line.starts_with('#'));
    let split = samples.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    split.collect()
}

/// What was scraped once it is so.
fn until(server: &Server, is_so: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
    let start = Instant::now();
    loop {
        let found = scrape(server);
        if is_so(&found) {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{found:#?}");
    }
}

/// All requests.
fn total(found: &BTreeMap<String, f64>) -> f64 {
    let counts = found.iter().filter(|(name, _)| name.starts_with("lobos_requests_total"));
    counts.map(|(_, count)| count).sum()
}

fn counts(server: &Server) {
    // Requests are counted by operation and status, with their bytes, times and errors.
    server.store("a", vec![b'x'; 1000]);
    let mut connection = server.connect();
    for _ in 0..3 {
        server.request("GET", "/bench/a").on(&mut connection).expect(200);
    }
    server.request("GET", "/bench/a").header("Range", "bytes=0-9").on(&mut connection).expect(206);
    server.get("/bench/none").error(404, "NoSuchKey");
    server.raw("BOGUS\r\n\r\n").refusal();
    // A request counts when its last byte is sent, which its client may have seen before.
    let last = "lobos_requests_total{operation=\"Unknown\",status=\"400\"}";
    let found = until(server, |found| found.contains_key(last) && total(found) == 7.0);
    for (name, value) in [
        ("lobos_requests_total{operation=\"PutObject\",status=\"200\"}", 1.0),
        ("lobos_requests_total{operation=\"GetObject\",status=\"200\"}", 3.0),
        ("lobos_requests_total{operation=\"GetObject\",status=\"206\"}", 1.0),
        ("lobos_requests_total{operation=\"GetObject\",status=\"404\"}", 1.0),
        ("lobos_requests_total{operation=\"Unknown\",status=\"400\"}", 1.0),
        ("lobos_errors_total{code=\"NoSuchKey\"}", 1.0),
        ("lobos_request_duration_seconds_count{operation=\"GetObject\"}", 5.0),
        ("lobos_request_duration_seconds_bucket{operation=\"GetObject\",le=\"+Inf\"}", 5.0),
        ("lobos_request_bytes_total{operation=\"PutObject\"}", 1000.0),
        ("lobos_response_bytes_total{operation=\"PutObject\"}", 0.0),
        ("lobos_requests_cut_total", 0.0),
        ("lobos_connections_total", 4.0),
        ("lobos_log_lines_lost_total", 0.0),
    ] {
        assert_eq!(found.get(name), Some(&value), "{name} in {found:#?}");
    }
    let sent = found["lobos_response_bytes_total{operation=\"GetObject\"}"];
    assert!(sent > 3010.0 && sent < 4000.0, "{sent}");
    let sum = found["lobos_request_duration_seconds_sum{operation=\"GetObject\"}"];
    assert!(sum > 0.0 && sum < PATIENCE.as_secs_f64(), "{sum}");
}

fn gauges(server: &Server) {
    // Open connections and uploads are those of the moment, and the process is this one.
    let mut connection = server.connect();
    server.request("HEAD", "/bench").on(&mut connection).expect(200);
    let begun = server.request("POST", "/bench/big?uploads").send().expect(200);
    let found = scrape(server);
    assert!(found["lobos_connections"] >= 1.0, "{found:#?}");
    assert_eq!(found["lobos_uploads_open"], 1.0);
    assert_eq!(found["lobos_heavy_jobs"], 0.0);
    assert_eq!(
        found[&format!("lobos_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))],
        1.0
    );
    assert!(found["process_resident_memory_bytes"] > 1e6);
    assert!(found["process_open_fds"] > 5.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let age = now.as_secs_f64() - found["process_start_time_seconds"];
    assert!((-5.0..300.0).contains(&age), "{age}");
    let target = format!("/bench/big?uploadId={}", begun.one("UploadId"));
    server.delete(&target).expect(204);
    assert_eq!(scrape(server)["lobos_uploads_open"], 0.0);
    if found.contains_key("lobos_index_names") {
        server.store("one", "1");
        assert!(found.contains_key("lobos_index_folders"));
    }
}

fn well_formed(server: &Server) {
    // Every sample stands in the family that was announced before it, once, and the buckets of a
    // histogram never fall.
    server.store("a", "1");
    server.get("/bench/a").expect(200);
    server.head("/bench/a").expect(200);
    until(server, |found| total(found) == 3.0);
    let (head, body) = ask(admin(server), "/metrics");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(body.ends_with('\n'));
    let (mut family, mut kind, mut families) = ("", "", Vec::new());
    let (mut seen, mut last) = (Vec::new(), 0.0);
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap();
            assert!(!families.contains(&family), "{family} twice");
            families.push(family);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert_eq!(of == "counter", name.ends_with("_total"), "{line}");
            kind = of;
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            let bare = name.split('{').next().unwrap();
            let suffix = bare.strip_prefix(family).unwrap_or_else(|| panic!("{line} in {family}"));
            let suffixes = ["_bucket", "_sum", "_count"];
            assert_eq!(kind == "histogram", suffixes.contains(&suffix), "{line}");
            if suffix == "_bucket" {
                assert!(value >= last || name.contains("5e-05"), "{line}");
                last = value;
            }
            assert!(!seen.contains(&name), "{name} twice");
            seen.push(name);
        }
    }
    assert!(seen.len() > 50, "{}", seen.len());
}

fn health(server: &Server) {
    // Alive and ready while it serves; when it stops it is alive and takes no new requests.
    let address = admin(server);
    assert!(ask(address, "/health").0.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(ask(address, "/ready").0.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(ask(address, "/bench/").0.starts_with("HTTP/1.1 404 "));
    let mut upload = server.connect();
    upload.write(server.request("PUT", "/bench/half").body([b'x'; 1000]).head());
    upload.write([b'x'; 100]);
    while scrape(server)["lobos_connections"] < 1.0 {}
    std::thread::sleep(std::time::Duration::from_millis(200));
    server.send_signal(Signal::TERM);
    loop {
        let head = ask(address, "/ready").0;
        if head.starts_with("HTTP/1.1 503 ") {
            break;
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    }
    assert!(ask(address, "/health").0.starts_with("HTTP/1.1 200 OK\r\n"));
}

fn elsewhere(server: &Server) {
    // The port for metrics has no objects, and that of objects no metrics.
    server.store("a", "1");
    assert!(ask(admin(server), "/bench/a").0.starts_with("HTTP/1.1 404 "));
    server.get("/metrics").error(404, "NoSuchBucket");
    server.get("/health").error(404, "NoSuchBucket");
}
