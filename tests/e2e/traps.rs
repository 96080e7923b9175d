//! The thirteen traps of S3's real clients: what breaks them where a server deviates. Each is one
//! test, on every runtime.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::chunked::{self, Form};
use crate::support::http::{Request, Response};
use crate::support::server::{Server, Setup};
use crate::support::sign;
use crate::support::tree::bytes;
use lobos_digest::{Algorithm, digest};

on_every_runtime![
    trap_01_the_outer_chunks_end_is_consumed_too,
    trap_02_any_sign_of_aws_chunked_is_enough_and_never_kept,
    trap_03_reads_that_say_streaming_have_no_body_and_empty_objects_have_no_range,
    trap_04_encoding_type_url_is_echoed_and_honoured_everywhere,
    trap_05_empty_and_unknown_parameters,
    trap_06_folders_are_no_objects_and_folder_objects_are,
    trap_07_whole_seconds_copy_conditions_and_one_winner,
    trap_08_complete_in_every_dialect,
    trap_09_the_checksum_that_was_sent_comes_back,
    trap_11_harmless_headers_and_presigned_queries,
    trap_12_the_tags_of_an_untagged_source_are_an_empty_set,
    trap_13_heads_and_small_lists_by_the_thousand,
];

on_every_runtime![
    with |runtime| Setup::new(runtime).arg("--cors-origin").arg(PAGE).start();
    trap_10_pages_read_headers_errors_and_post_forms,
];

/// Where the page of trap 10 comes from.
const PAGE: &str = "https://page.example";

fn crc32(bytes: &[u8]) -> String {
    digest(Algorithm::Crc32, bytes).to_base64()
}

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

fn trap_01_the_outer_chunks_end_is_consumed_too(server: &Server) {
    // The AWS SDK for C++ sends aws-chunked in HTTP chunks: nothing is answered before the last
    // HTTP chunk is read, and nothing of it is taken for the next request.
    let payload = bytes(3000);
    let value = digest(Algorithm::Crc64Nvme, &payload).to_base64();
    let line = format!("x-amz-checksum-crc64nvme:{value}");
    let inner = chunked::aws(Form::UnsignedTrailer, &payload, 1000, &[&line]);
    let put = |key: &str| {
        let request = server.request("PUT", key).header("Transfer-Encoding", "chunked");
        let request = request.header("Content-Encoding", "aws-chunked");
        let request = request.header("x-amz-decoded-content-length", payload.len());
        let request = request.header("x-amz-trailer", "x-amz-checksum-crc64nvme");
        request.unsized_body(chunked::http(&inner, 700)).bytes()
    };
    let mut connection = server.connect();
    let one = put("/bench/one");
    let (start, end) = one.split_at(one.len() - "0\r\n\r\n".len());
    connection.write(start);
    assert!(connection.is_silent());
    let next = server.request("GET", "/bench/one").bytes();
    connection.write([end, &put("/bench/two"), &next].concat());
    for _ in 0..2 {
        let stored = connection.response("PUT").expect(200);
        assert_eq!(stored.header("x-amz-checksum-crc64nvme"), value);
    }
    assert!(connection.response("GET").expect(200).body == payload);
    assert!(connection.is_silent());
    // The same after a refusal: a wrong checksum is known before the last HTTP chunk.
    let wrong = digest(Algorithm::Crc64Nvme, b"other").to_base64();
    let bad = String::from_utf8_lossy(&put("/bench/bad")).replace(&value, &wrong);
    assert_ne!(bad, String::from_utf8_lossy(&put("/bench/bad")));
    let bytes = put("/bench/bad");
    let at = bytes.windows(value.len()).position(|w| w == value.as_bytes()).unwrap();
    let bytes = [&bytes[..at], wrong.as_bytes(), &bytes[at + value.len()..]].concat();
    connection.write([bytes, next].concat());
    connection.response("PUT").error(400, "BadDigest");
    assert!(connection.response("GET").expect(200).body == payload);
}

fn trap_02_any_sign_of_aws_chunked_is_enough_and_never_kept(server: &Server) {
    // Signed chunks come also without `Content-Encoding: aws-chunked`; each of the three signs is
    // enough, and `aws-chunked` is never the encoding of an object.
    let payload = bytes(5000);
    let length = payload.len().to_string();
    let decoded = ("x-amz-decoded-content-length", length.as_str());
    let encoding = ("Content-Encoding", "aws-chunked");
    for form in [Form::Signed, Form::SignedTrailer, Form::UnsignedTrailer] {
        let streaming = ("x-amz-content-sha256", form.name());
        let body = chunked::aws(form, &payload, 4096, &[]);
        for signs in [
            &[streaming, decoded][..],
            &[streaming, decoded, encoding],
            &[streaming, decoded, ("Content-Encoding", "aws-chunked,gzip")],
            &[encoding],
            &[decoded],
        ] {
            let put = with(server.request("PUT", "/bench/k"), signs).body(&body);
            put.send().expect(200);
            let got = server.get("/bench/k").expect(200);
            assert!(got.body == payload, "{signs:?}");
            let gzip = signs.iter().any(|(_, value)| value.contains("gzip"));
            assert_eq!(got.find("Content-Encoding"), gzip.then_some("gzip"));
        }
    }
}

fn trap_03_reads_that_say_streaming_have_no_body_and_empty_objects_have_no_range(server: &Server) {
    // The AWS CRT sends STREAMING-UNSIGNED-PAYLOAD-TRAILER with reads, asks every object by range
    // first, and an empty one again by partNumber=1, which an ordinary object has too.
    let streaming = ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    server.store("k", "hello");
    server.store("empty", "");
    let mut connection = server.connect();
    for method in ["GET", "HEAD"] {
        let request = with(server.request(method, "/bench/k"), &[streaming]);
        request.on(&mut connection).expect(200);
    }
    let first = [streaming, ("Range", "bytes=0-8388607")];
    let got = with(server.request("GET", "/bench/k"), &first).on(&mut connection).expect(206);
    assert_eq!((got.text(), got.header("Content-Range")), ("hello", "bytes 0-4/5"));
    assert!(!got.header("ETag").is_empty());
    let got = with(server.request("GET", "/bench/empty"), &first).on(&mut connection);
    let got = got.error(416, "InvalidRange");
    assert_eq!(got.header("Content-Type"), "application/xml");
    assert_eq!(got.one("ActualObjectSize"), "0");
    for (key, status, text) in [("empty", 200, ""), ("k", 206, "hello")] {
        for method in ["HEAD", "GET"] {
            let target = format!("/bench/{key}?partNumber=1");
            let got = server.request(method, &target).on(&mut connection).expect(status);
            assert_eq!(got.header("Content-Length"), text.len().to_string());
            assert!(method == "HEAD" || got.text() == text);
        }
    }
}

fn trap_04_encoding_type_url_is_echoed_and_honoured_everywhere(server: &Server) {
    // With encoding-type=url every name in a listing is encoded, in both versions.
    for key in ["a%20b/1%2B", "a%20b/2%2B", "a%20b/3%2B/x", "a%20b/4%2B/x"] {
        server.store(key, "x");
    }
    let list = |query: &str| {
        let page = server.get(&format!("/bench?encoding-type=url&{query}")).expect(200);
        assert_eq!(page.one("EncodingType"), "url");
        page
    };
    let prefix = "prefix=a%20b%2F&delimiter=%2B%2F";
    let page = list(&format!("{prefix}&marker=a%20b%2F1%2B&max-keys=2"));
    assert_eq!(page.all("Key"), ["a%20b/2%2B"]);
    assert_eq!(page.one("Delimiter").to_uppercase(), "%2B/");
    assert_eq!(page.one("Marker"), "a%20b/1%2B");
    assert_eq!(page.one("NextMarker"), "a%20b/3%2B/");
    assert_eq!(page.all("Prefix"), ["a%20b/", "a%20b/3%2B/"]);
    let page = list(&format!("list-type=2&{prefix}&start-after=a%20b%2F2%2B"));
    assert_eq!(page.all("Key"), Vec::<String>::new());
    assert_eq!(page.one("StartAfter"), "a%20b/2%2B");
    assert_eq!(page.all("Prefix"), ["a%20b/", "a%20b/3%2B/", "a%20b/4%2B/"]);
    let plain = server.get("/bench?list-type=2&prefix=a%20b%2F1").expect(200);
    assert_eq!((plain.all("Key"), plain.all("EncodingType")), (vec!["a b/1+".to_owned()], vec![]));
}

fn trap_05_empty_and_unknown_parameters(server: &Server) {
    // `?uploads=` is `?uploads`; an empty prefix or delimiter is none; max-keys=0 is an empty page;
    // a parameter that nobody knows changes nothing.
    for key in ["a/1", "b"] {
        server.put(&format!("/bench/{key}?x-id=PutObject"), "x").expect(200);
    }
    let create = server.request("POST", "/bench/k?uploads=").send().expect(200);
    let upload = create.one("UploadId");
    let listed = server.get("/bench?uploads=").expect(200);
    assert_eq!(listed.all("UploadId"), [upload]);
    for version in ["", "list-type=2&"] {
        let page = server.get(&format!("/bench?{version}prefix=&delimiter=")).expect(200);
        assert_eq!(page.all("Key"), ["a/1", "b"]);
        assert_eq!(page.all("CommonPrefixes").len(), 0);
        let none = server.get(&format!("/bench?{version}max-keys=0")).expect(200);
        assert_eq!((none.all("Key").len(), none.one("IsTruncated").as_str()), (0, "false"));
    }
    let got = server.get("/bench/b?x-id=GetObject&tomorrow=1").expect(200);
    assert_eq!(got.text(), "x");
    server.delete("/bench/b?x-id=DeleteObject").expect(204);
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["a/1"]);
}

fn trap_06_folders_are_no_objects_and_folder_objects_are(server: &Server) {
    // A folder's name is 404 and clients look under it; `PUT d/` makes an object, and its DELETE
    // leaves what is in the folder.
    server.store("d/inside", "x");
    for method in ["HEAD", "GET"] {
        server.request(method, "/bench/d").send().expect(404);
        server.request(method, "/bench/d/").send().expect(404);
    }
    for version in ["", "list-type=2&"] {
        let page = server.get(&format!("/bench?{version}prefix=d/&max-keys=1")).expect(200);
        assert_eq!(page.all("Key"), ["d/inside"]);
    }
    server.store("d/", "");
    assert_eq!(server.head("/bench/d/").expect(200).header("Content-Length"), "0");
    server.head("/bench/d").expect(404);
    server.delete("/bench/d/").expect(204);
    server.head("/bench/d/").expect(404);
    assert_eq!(server.get("/bench/d/inside").expect(200).text(), "x");
}

fn trap_07_whole_seconds_copy_conditions_and_one_winner(server: &Server) {
    // If-Modified-Since of the very second is 304; the conditions of a copy fail with 412 and
    // never with 304; of many If-None-Match: * one wins.
    let etag = server.store("k", "hello").header("ETag").to_owned();
    let modified = server.head("/bench/k").header("Last-Modified").to_owned();
    let read = |name: &str, value: &str| {
        with(server.request("GET", "/bench/k"), &[(name, value)]).send().status
    };
    assert_eq!(read("If-Modified-Since", &modified), 304);
    assert_eq!(read("If-Unmodified-Since", &modified), 200);
    assert_eq!(read("If-None-Match", &etag), 304);
    for (condition, value) in [
        ("x-amz-copy-source-if-none-match", etag.as_str()),
        ("x-amz-copy-source-if-modified-since", &modified),
        ("x-amz-copy-source-if-match", "\"other\""),
        ("x-amz-copy-source-if-unmodified-since", "Thu, 01 Jan 1998 00:00:00 GMT"),
    ] {
        let copy = server.request("PUT", "/bench/copy").header("x-amz-copy-source", "/bench/k");
        copy.header(condition, value).body("").send().error(412, "PreconditionFailed");
    }
    server.head("/bench/copy").expect(404);
    let race = |at: usize| {
        let put = server.request("PUT", "/bench/lock").header("If-None-Match", "*");
        put.body(format!("{at}")).send()
    };
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..8).map(|at| scope.spawn(move || race(at))).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let winners: Vec<_> = (0..8).filter(|at| answers[*at].status == 200).collect();
    assert_eq!(winners.len(), 1);
    assert!(answers.iter().all(|a| [200, 409, 412].contains(&a.status)));
    assert_eq!(server.get("/bench/lock").expect(200).text(), winners[0].to_string());
}

/// Begins an upload of `/bench/k` in parts.
fn create(server: &Server) -> String {
    server.request("POST", "/bench/k?uploads").send().expect(200).one("UploadId")
}

fn part(server: &Server, upload: &str, number: usize, body: &[u8]) -> Request {
    let target = format!("/bench/k?partNumber={number}&uploadId={upload}");
    server.request("PUT", &target).body(body)
}

fn trap_08_complete_in_every_dialect(server: &Server) {
    // Complete is taken with ETags in any quotes or none, with and without a namespace, with its
    // elements in any order, with checksums besides, and under any Content-Type; and parts may
    // bring a CRC32 though nobody said so at the beginning.
    let body = b"the only part";
    let crc = crc32(body);
    let wrap = |inner: &str| format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>");
    for dialect in 0..6 {
        let upload = create(server);
        let sent = part(server, &upload, 1, body).header("x-amz-checksum-crc32", &crc);
        let sent = sent.send().expect(200);
        assert_eq!(sent.header("x-amz-checksum-crc32"), crc);
        let etag = sent.header("ETag").trim_matches('"').to_owned();
        let one = |etag: &str| {
            wrap(&format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"))
        };
        let (document, kind) = match dialect {
            0 => (one(&format!("&quot;{etag}&quot;")), "application/xml"),
            1 => (one(&format!("&#34;{etag}&#34;")), "application/octet-stream"),
            2 => (one(&etag), "text/plain"),
            3 => (one(&format!("\"{etag}\"")), "application/x-www-form-urlencoded"),
            4 => {
                let inner = format!("<Part><ETag>{etag}</ETag><PartNumber>1</PartNumber></Part>");
                let space = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
                let document = wrap(&inner).replacen("Upload>", &format!("Upload{space}>"), 1);
                (format!("<?xml version=\"1.0\"?>\n{document}\n"), "text/xml")
            }
            _ => {
                let crc = format!("<ChecksumCRC32>{crc}</ChecksumCRC32>");
                let inner = format!("<Part>{crc}<PartNumber> 1 </PartNumber><ETag>{etag}</ETag>");
                (wrap(&format!("{inner}</Part>")), "")
            }
        };
        let target = format!("/bench/k?uploadId={upload}");
        let complete = server.request("POST", &target).header("Content-Type", kind);
        let complete = complete.body(&document).send();
        assert_eq!(complete.status, 200, "{document}: {}", complete.text());
        assert!(complete.one("ETag").ends_with("-1\""), "{}", complete.text());
        assert_eq!(server.get("/bench/k").expect(200).body, body);
        server.delete("/bench/k").expect(204);
    }
}

fn trap_09_the_checksum_that_was_sent_comes_back(server: &Server) {
    // Clients compare the checksum in the answer to a PUT or a part with the one that they sent.
    let upload = create(server);
    for algorithm in Algorithm::ALL {
        let (name, value) = (algorithm.header(), digest(algorithm, b"hello").to_base64());
        let put = server.request("PUT", "/bench/k").header(name, &value).body("hello");
        assert_eq!(put.send().expect(200).header(name), value);
        let sent = part(server, &upload, 1, b"hello").header(name, &value);
        assert_eq!(sent.send().expect(200).header(name), value);
    }
}

fn trap_10_pages_read_headers_errors_and_post_forms(server: &Server) {
    // A page may ask for any headers and read those that matter, on errors too; its form names the
    // object after the file and leads on to another page.
    server.store("k", "hello");
    let asked = "authorization, x-amz-date, x-amz-meta-a, content-type";
    let preflight = server
        .request("OPTIONS", "/bench/k")
        .header("Origin", PAGE)
        .header("Access-Control-Request-Method", "PUT")
        .header("Access-Control-Request-Headers", asked);
    let allowed = preflight.send().expect(200);
    let headers = allowed.header("Access-Control-Allow-Headers").to_ascii_lowercase();
    assert!(asked.split(", ").all(|name| headers.contains(name)), "{headers}");
    assert!(allowed.header("Access-Control-Allow-Methods").contains("PUT"));
    for (target, status) in
        [("/bench/k", 200), ("/bench/none", 404), ("/bench/k?partNumber=0", 400)]
    {
        let got = server.request("GET", target).header("Origin", PAGE).send().expect(status);
        assert_eq!(got.header("Access-Control-Allow-Origin"), PAGE, "{target}");
        let exposed = got.header("Access-Control-Expose-Headers").to_ascii_lowercase();
        let names = ["etag", "content-range", "x-amz-meta-a", "x-amz-checksum-crc32"];
        assert!(exposed == "*" || names.iter().all(|n| exposed.contains(n)), "{exposed}");
    }
    let field = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.txt\"\r\n\
                Content-Type: text/plain\r\n\r\nmeow\r\n--x--\r\n";
    let next = "http://127.0.0.1/done?a=b";
    let body = field("key", "from/${filename}") + &field("success_action_redirect", next) + file;
    let post = server.request("POST", "/bench").header("Origin", PAGE);
    let post = post.header("Content-Type", "multipart/form-data; boundary=x").body(body).send();
    assert_eq!(post.status, 303, "{:?}", post.headers);
    let location = post.header("Location");
    assert!(location.starts_with(next) && location.contains("key=from"), "{location}");
    assert_eq!(server.get("/bench/from/cat.txt").expect(200).text(), "meow");
}

fn trap_11_harmless_headers_and_presigned_queries(server: &Server) {
    // Storage class, SSE-S3 and canned ACLs fail no PUT, `Upgrade: h2c` is ignored, and without
    // keys any presigned query does, of both versions, with response-* overrides.
    let headers = [
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-acl", "public-read"),
        ("Upgrade", "h2c"),
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
    ];
    with(server.request("PUT", "/bench/k"), &headers).body("hello").send().expect(200);
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let date = sign::basic(0);
    let day = &date[..8];
    let v4 = format!(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=any%2F{day}%2Feu-west-1%2Fs3%2F\
         aws4_request&X-Amz-Date={date}&X-Amz-Expires=600&X-Amz-SignedHeaders=host\
         &X-Amz-Signature={}",
        "0".repeat(64)
    );
    let v2 = format!("AWSAccessKeyId=any&Signature=AAAA%3D&Expires={}", secs + 600);
    for query in [v4, v2] {
        let over = "response-content-type=text%2Fcsv&response-cache-control=no-store";
        let got = server.get(&format!("/bench/k?{over}&{query}")).expect(200);
        assert_eq!((got.text(), got.header("Content-Type")), ("hello", "text/csv"));
        assert_eq!(got.header("Cache-Control"), "no-store");
        server.put(&format!("/bench/signed?{query}"), "x").expect(200);
        server.delete(&format!("/bench/signed?{query}")).expect(204);
    }
    let late = format!("/bench/k?AWSAccessKeyId=any&Signature=AAAA%3D&Expires={}", secs - 600);
    server.get(&late).error(403, "AccessDenied");
}

fn trap_12_the_tags_of_an_untagged_source_are_an_empty_set(server: &Server) {
    // The aws cli reads the tags of what it copies in parts, and takes an error for a failure.
    server.store("k", "hello");
    let tags = server.get("/bench/k?tagging").expect(200);
    assert_eq!((tags.all("TagSet").len(), tags.all("Tag").len()), (1, 0), "{}", tags.text());
    server.get("/bench/none?tagging").error(404, "NoSuchKey");
}

fn trap_13_heads_and_small_lists_by_the_thousand(server: &Server) {
    // s3fs-fuse sends 15,000 HEADs in a small session, table formats 1,000 lists: they may come
    // all at once on one connection, and each has its own answer.
    for at in 0..10 {
        server.store(&format!("d{at}/k"), vec![b'x'; at]);
    }
    let mut connection = server.connect();
    for _ in 0..20 {
        let mut all = Vec::new();
        for at in 0..100 {
            let (dir, missing) = (at % 10, if at % 3 == 0 { "x" } else { "" });
            all.extend(server.request("HEAD", &format!("/bench/d{dir}/k{missing}")).bytes());
            let list = format!("/bench?list-type=2&prefix=d{dir}/&max-keys=1&delimiter=/");
            all.extend(server.request("GET", &list).bytes());
        }
        connection.write(all);
        for at in 0..100 {
            let head = connection.response("HEAD");
            if at % 3 == 0 {
                head.expect(404);
            } else {
                assert_eq!(head.expect(200).header("Content-Length"), (at % 10).to_string());
            }
            let list = connection.response("GET").expect(200);
            assert_eq!(list.all("Key"), [format!("d{}/k", at % 10)]);
        }
    }
}
