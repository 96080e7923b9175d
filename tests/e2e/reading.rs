//! Ranges, part numbers and conditions: which bytes an answer has, and whether it has any.

use std::fs;

use crate::support::server::Server;
use crate::support::tree::{bytes, set_modified};

on_every_store![
    ranges,
    ignored_ranges,
    unsatisfiable_ranges,
    range_of_an_empty_object,
    part_number,
    if_match,
    if_none_match,
    not_modified,
    put_if_match,
    one_winner,
    range_with_if_match,
    if_range,
];

on_every_runtime![ranges_of_a_large_object, dates, precedence, put_if_none_match];

fn ranges(server: &Server) {
    // Every satisfiable form of Range gives 206, the clamped bytes and a Content-Range.
    server.store("k", "0123456789");
    for (range, bytes, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-5", "2345", "bytes 2-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=7-999", "789", "bytes 7-9/10"),
        ("bytes=0-8388607", "0123456789", "bytes 0-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ("bytes=9-99999999999999999999", "9", "bytes 9-9/10"),
    ] {
        for method in ["GET", "HEAD"] {
            let request = server.request(method, "/bench/k").header("Range", range);
            let got = request.send().expect(206);
            assert_eq!(got.header("Content-Range"), content_range);
            assert_eq!(got.header("Content-Length"), bytes.len().to_string());
            assert!(method == "HEAD" || got.text() == bytes, "{range}");
        }
    }
}

fn ranges_of_a_large_object(server: &Server) {
    // Ranges across block borders of a large file are the same bytes as in the file.
    let body = bytes(3_000_000);
    server.place("big", &body);
    let mut connection = server.connect();
    for (first, last) in [(0, 262_143), (262_143, 262_144), (1_000_001, 2_999_998), (0, 2_999_999)]
    {
        let request = server.request("GET", "/bench/big");
        let request = request.header("Range", format!("bytes={first}-{last}"));
        let got = request.on(&mut connection).expect(206);
        assert!(got.body == body[first..=last], "{first}-{last}");
    }
}

fn ignored_ranges(server: &Server) {
    // A Range that cannot be read, or asks for several pieces, gives the whole object.
    server.store("k", "0123456789");
    for range in ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=-", "nonsense"] {
        let got = server.request("GET", "/bench/k").header("Range", range).send().expect(200);
        assert_eq!(got.text(), "0123456789", "{range}");
        assert_eq!(got.find("Content-Range"), None);
    }
}

fn unsatisfiable_ranges(server: &Server) {
    // A range beyond the end is InvalidRange and tells the size.
    server.store("k", "0123456789");
    for range in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"] {
        let request = server.request("GET", "/bench/k").header("Range", range);
        let got = request.send().error(416, "InvalidRange");
        assert_eq!(got.one("ActualObjectSize"), "10");
        assert_eq!(got.header("Content-Range"), "bytes */10");
        assert!(got.one("RangeRequested").starts_with("bytes="));
    }
    server.request("HEAD", "/bench/k").header("Range", "bytes=10-").send().expect(416);
}

fn range_of_an_empty_object(server: &Server) {
    // Any range of nothing is 416 with size 0: the AWS CRT then asks for part 1 and gets it.
    server.store("k", "");
    let request = server.request("GET", "/bench/k").header("Range", "bytes=0-8388607");
    assert_eq!(request.send().error(416, "InvalidRange").one("ActualObjectSize"), "0");
    let part = server.get("/bench/k?partNumber=1");
    assert!([200, 206].contains(&part.status), "{part:?}");
    assert!(part.body.is_empty());
}

fn part_number(server: &Server) {
    // An object of one PUT has the part 1, which is all of it, and no other.
    server.store("k", "0123456789");
    let got = server.get("/bench/k?partNumber=1").expect(206);
    assert_eq!(got.text(), "0123456789");
    assert_eq!(got.header("Content-Range"), "bytes 0-9/10");
    server.get("/bench/k?partNumber=2").error(416, "InvalidPartNumber");
    for bad in ["0", "10001", "x", "-1"] {
        server.get(&format!("/bench/k?partNumber={bad}")).error(400, "InvalidArgument");
    }
    let both = server.request("GET", "/bench/k?partNumber=1").header("Range", "bytes=0-1");
    both.send().error(400, "InvalidRequest");
}

fn if_match(server: &Server) {
    // If-Match reads only the object that has one of these tags.
    let etag = server.store("k", "hello").header("ETag").to_owned();
    let bare = etag.trim_matches('"');
    for value in [&etag, bare, "*", &format!("\"other\", {etag}")] {
        server.request("GET", "/bench/k").header("If-Match", value).send().expect(200);
    }
    for value in ["\"other\"", &format!("W/{etag}")] {
        let request = server.request("GET", "/bench/k").header("If-Match", value);
        let got = request.send().error(412, "PreconditionFailed");
        assert_eq!(got.one("Condition"), "If-Match");
        server.request("HEAD", "/bench/k").header("If-Match", value).send().expect(412);
    }
    let none = server.request("GET", "/bench/none").header("If-Match", &etag);
    none.send().error(404, "NoSuchKey");
}

fn if_none_match(server: &Server) {
    // If-None-Match answers 304 for the object that the client has already.
    let etag = server.store("k", "hello").header("ETag").to_owned();
    for value in [etag.clone(), "*".into(), format!("W/{etag}"), format!("\"x\", {etag}")] {
        server.request("GET", "/bench/k").header("If-None-Match", &value).send().expect(304);
        server.request("HEAD", "/bench/k").header("If-None-Match", value).send().expect(304);
    }
    server.request("GET", "/bench/k").header("If-None-Match", "\"x\"").send().expect(200);
}

fn dates(server: &Server) {
    // Dates compare by whole seconds, in every format of HTTP; what is no date is ignored.
    server.place("k", "hello");
    set_modified(&server.path("k"), 784_111_777);
    let ask = |header, value| server.request("GET", "/bench/k").header(header, value).send().status;
    assert_eq!(server.head("/bench/k").header("Last-Modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    for same in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        assert_eq!(ask("If-Modified-Since", same), 304, "{same}");
        assert_eq!(ask("If-Unmodified-Since", same), 200, "{same}");
    }
    assert_eq!(ask("If-Modified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"), 200);
    assert_eq!(ask("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:36 GMT"), 412);
    assert_eq!(ask("If-Modified-Since", "yesterday"), 200);
    assert_eq!(ask("If-Unmodified-Since", "yesterday"), 200);
}

fn not_modified(server: &Server) {
    // A 304 has no body, has ETag and Last-Modified, and the connection goes on.
    let etag = server.store("k", "hello").header("ETag").to_owned();
    let mut connection = server.connect();
    for _ in 0..3 {
        let request = server.request("GET", "/bench/k").header("If-None-Match", &etag);
        let got = request.on(&mut connection).expect(304);
        assert_eq!(got.header("ETag"), etag);
        assert!(got.find("Last-Modified").is_some());
    }
    assert_eq!(server.request("GET", "/bench/k").on(&mut connection).expect(200).text(), "hello");
}

fn precedence(server: &Server) {
    // Tags decide before dates (RFC 9110, section 13.2.2, and S3's GetObject page).
    server.place("k", "hello");
    set_modified(&server.path("k"), 1_000_000_000);
    let etag = server.head("/bench/k").header("ETag").to_owned();
    let (before, after) = ("Mon, 01 Jan 2001 00:00:00 GMT", "Tue, 01 Jan 2002 00:00:00 GMT");
    for (headers, status) in [
        ([("If-Match", etag.as_str()), ("If-Unmodified-Since", before)], 200),
        ([("If-None-Match", &etag), ("If-Modified-Since", before)], 304),
        ([("If-None-Match", "\"x\""), ("If-Modified-Since", after)], 200),
        ([("If-Match", "\"x\""), ("If-None-Match", &etag)], 412),
    ] {
        let request = headers
            .iter()
            .fold(server.request("GET", "/bench/k"), |request, (n, v)| request.header(n, v));
        request.send().expect(status);
    }
}

fn put_if_none_match(server: &Server) {
    // If-None-Match: * stores only what is not there yet; no other value is allowed.
    let put = |value: &str, body: &str| {
        server.request("PUT", "/bench/d/k").header("If-None-Match", value).body(body).send()
    };
    put("*", "first").expect(200);
    put("*", "second").error(412, "PreconditionFailed");
    assert_eq!(server.get("/bench/d/k").text(), "first");
    put("\"x\"", "third").error(501, "NotImplemented");
    assert_eq!(fs::read(server.path("d/k")).unwrap(), b"first");
}

fn put_if_match(server: &Server) {
    // If-Match stores only over the object that the client has seen.
    let etag = server.store("k", "first").header("ETag").to_owned();
    let put = |key: &str, value: &str, body: &str| {
        let request = server.request("PUT", &format!("/bench/{key}"));
        request.header("If-Match", value).body(body).send()
    };
    put("k", "\"other\"", "second").error(412, "PreconditionFailed");
    assert_eq!(server.get("/bench/k").text(), "first");
    put("k", &etag, "second").expect(200);
    put("k", &etag, "third").error(412, "PreconditionFailed");
    assert_eq!(server.get("/bench/k").text(), "second");
    put("none", &etag, "x").error(404, "NoSuchKey");
    server.head("/bench/none").expect(404);
}

fn one_winner(server: &Server) {
    // Of many that create a key at once exactly one wins, and its bytes are what is there.
    for round in 0..5 {
        let statuses: Vec<(usize, u16)> = std::thread::scope(|scope| {
            let put = |at: usize| {
                let request = server.request("PUT", &format!("/bench/race{round}"));
                let request = request.header("If-None-Match", "*").body(format!("writer {at}"));
                (at, request.send().status)
            };
            let writers: Vec<_> = (0..8).map(|at| scope.spawn(move || put(at))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let won: Vec<_> = statuses.iter().filter(|(_, status)| *status == 200).collect();
        assert_eq!(won.len(), 1, "{statuses:?}");
        assert!(statuses.iter().all(|(_, status)| [200, 409, 412].contains(status)));
        let got = server.get(&format!("/bench/race{round}")).expect(200);
        assert_eq!(got.text(), format!("writer {}", won[0].0));
    }
}

fn range_with_if_match(server: &Server) {
    // s3transfer and the AWS CRT read in ranges under If-Match: a changed object is 412, not a mix.
    let etag = server.store("k", "0123456789").header("ETag").to_owned();
    let ask = || {
        let request = server.request("GET", "/bench/k").header("Range", "bytes=5-");
        request.header("If-Match", &etag).send()
    };
    assert_eq!(ask().expect(206).text(), "56789");
    server.store("k", "abcdefghij");
    ask().error(412, "PreconditionFailed");
}

fn if_range(server: &Server) {
    // If-Range gives the range of the object that the client knows, and all of any other one.
    let stored = server.store("k", "0123456789");
    let (tag, time) =
        (stored.header("ETag"), server.head("/bench/k").header("Last-Modified").to_owned());
    let get = |value: &str| {
        server
            .request("GET", "/bench/k")
            .header("Range", "bytes=2-4")
            .header("If-Range", value)
            .send()
    };
    for same in [tag, &time] {
        assert_eq!(get(same).expect(206).text(), "234", "{same}");
    }
    for other in ["\"x\"", &format!("W/{tag}"), "Sun, 06 Nov 1994 08:49:37 GMT", "nonsense"] {
        assert_eq!(get(other).expect(200).text(), "0123456789", "{other}");
    }
    server.store("k", "abcdefghij");
    assert_eq!(get(tag).expect(200).text(), "abcdefghij");
}
