//! Uploads in parts from Create to Complete, as clients send them, and what is read of the object
//! by its parts.

use std::fmt::Write;
use std::fs;

use crate::support::chunked::{self, Form};
use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::bytes;
use lobos_digest::{Algorithm, digest};

on_every_runtime![
    with small;
    round_trip,
    metadata,
    bodies,
    replaced,
    refused_lists,
    documents,
    sizes,
    conditions,
    repeated,
    aborted,
    parts_in_pages,
    uploads_in_pages,
    in_parallel,
    composite,
    full_object,
    checksums_of_no_name,
    wrong_checksums,
    by_part_number,
    attributes,
    host_style,
];

on_every_runtime![too_small, large];

/// Parts may be of any size.
fn small(runtime: Runtime) -> Server {
    Setup::new(runtime).arg("--min-part-size=0").start()
}

/// An upload under way.
struct Upload<'s> {
    server: &'s Server,
    key: &'s str,
    id: String,
    /// Number, tag and checksum elements of each part.
    parts: Vec<(u32, String, String)>,
}

impl<'s> Upload<'s> {
    fn new(server: &'s Server, key: &'s str) -> Self {
        Self::with(server, key, &[])
    }

    fn with(server: &'s Server, key: &'s str, headers: &[(&str, &str)]) -> Self {
        let mut request = server.request("POST", &format!("/bench/{key}?uploads"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let created = request.send().expect(200);
        assert_eq!((created.one("Bucket"), created.one("Key")), ("bench".into(), key.into()));
        Self { server, key, id: created.one("UploadId"), parts: Vec::new() }
    }

    fn request(&self, method: &str, query: &str) -> Request {
        let target = format!("/bench/{}?uploadId={}{query}", self.key, self.id);
        self.server.request(method, &target)
    }

    fn part(&self, number: u32) -> Request {
        self.request("PUT", &format!("&partNumber={number}"))
    }

    /// Remembers what Complete needs of a part that was stored.
    fn take(&mut self, number: u32, stored: &Response) {
        let mut sums = String::new();
        for algorithm in Algorithm::ALL {
            if let Some(value) = stored.find(algorithm.header()) {
                write!(sums, "<{0}>{value}</{0}>", algorithm.element()).unwrap();
            }
        }
        self.parts.retain(|(other, ..)| *other != number);
        self.parts.push((number, stored.header("ETag").to_owned(), sums));
        self.parts.sort();
    }

    fn put(&mut self, number: u32, body: impl AsRef<[u8]>) -> Response {
        let stored = self.part(number).body(body).send().expect(200);
        self.take(number, &stored);
        stored
    }

    fn document(&self) -> String {
        let parts = self.parts.iter().map(|(number, etag, sums)| {
            let etag = etag.replace('"', "&quot;");
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{sums}</Part>")
        });
        let parts: String = parts.collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    }

    fn complete(&self) -> Request {
        self.request("POST", "").body(self.document())
    }

    /// Complete with these parts: numbers and tags.
    fn complete_with(&self, parts: &[(&str, &str)]) -> Response {
        let parts = parts.iter().map(|(number, etag)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        });
        let parts: String = parts.collect();
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        self.request("POST", "").body(document).send()
    }
}

/// The tag of an object of these parts, as S3 makes it.
fn etag(parts: &[&[u8]]) -> String {
    let md5s = parts.iter().flat_map(|part| digest(Algorithm::Md5, part).bytes().to_vec());
    let all = digest(Algorithm::Md5, &md5s.collect::<Vec<_>>());
    format!("\"{}-{}\"", all.to_hex(), parts.len())
}

fn round_trip(server: &Server) {
    // Parts in any order become their bytes in a row, an ordinary file, and the upload is gone.
    let bodies = [bytes(70_000), bytes(70_000), bytes(3)];
    let mut upload = Upload::new(server, "d/k");
    for number in [3, 1, 2] {
        upload.put(number, &bodies[number as usize - 1]);
    }
    server.get("/bench/d/k").error(404, "NoSuchKey");
    assert!(server.get("/bench").one("IsTruncated") == "false");
    let done = upload.complete().send().expect(200);
    assert_eq!(done.one("Location"), format!("http://{}/bench/d/k", server.address()));
    let tag = etag(&[&bodies[0], &bodies[1], &bodies[2]]);
    assert_eq!((done.one("Bucket"), done.one("ETag")), ("bench".to_owned(), tag.clone()));
    let got = server.get("/bench/d/k").expect(200);
    assert_eq!((got.header("ETag"), &got.body), (tag.as_str(), &bodies.concat()));
    assert_eq!(fs::read(server.path("d/k")).unwrap(), bodies.concat());
    upload.part(1).body("late").send().error(404, "NoSuchUpload");
    assert!(server.get("/bench?uploads").all("Upload").is_empty());
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["d/k"]);
}

fn metadata(server: &Server) {
    // What Create says of the object is answered with it; what the object before had is gone.
    let old = server.request("PUT", "/bench/k.txt").header("x-amz-meta-old", "1").body("old");
    old.send().expect(200);
    let mut upload = Upload::with(
        server,
        "k.txt",
        &[
            ("Content-Type", "text/x-mine"),
            ("Cache-Control", "no-store"),
            ("x-amz-meta-a", "b"),
            ("x-amz-tagging", "c=d&e=f"),
        ],
    );
    upload.put(1, "new");
    assert_eq!(server.get("/bench/k.txt").text(), "old");
    upload.complete().send().expect(200);
    let got = server.get("/bench/k.txt").expect(200);
    assert_eq!(got.text(), "new");
    assert_eq!(got.header("Content-Type"), "text/x-mine");
    assert_eq!(got.header("Cache-Control"), "no-store");
    assert_eq!((got.header("x-amz-meta-a"), got.find("x-amz-meta-old")), ("b", None));
    assert_eq!(got.header("x-amz-tagging-count"), "2");
    assert_eq!(server.get("/bench/k.txt?tagging").all("Key"), ["c", "e"]);
}

fn bodies(server: &Server) {
    // A part is the same in every framing, and a promise that is not kept stores none.
    let body = bytes(100_000);
    let mut upload = Upload::new(server, "k");
    upload.put(1, &body);
    for (number, form) in [(2, Form::Signed), (3, Form::SignedTrailer), (4, Form::UnsignedTrailer)]
    {
        let name = Algorithm::Crc64Nvme.header();
        let line = format!("{name}:{}", digest(Algorithm::Crc64Nvme, &body).to_base64());
        let lines = if form == Form::Signed { &[][..] } else { &[line.as_str()][..] };
        let mut request = upload.part(number);
        request = request.header("x-amz-content-sha256", form.name());
        request = request.header("x-amz-decoded-content-length", body.len());
        if form != Form::Signed {
            request = request.header("x-amz-trailer", name);
        }
        let framed = chunked::aws(form, &body, 8192, lines);
        let stored = request.body(framed).send().expect(200);
        assert_eq!(stored.find(name).is_some(), form != Form::Signed);
        // Complete names no checksums here: Create named no algorithm.
        upload.parts.push((number, stored.header("ETag").to_owned(), String::new()));
    }
    let http = upload.part(5).header("Transfer-Encoding", "chunked");
    let stored = http.unsized_body(chunked::http(&body, 5000)).send().expect(200);
    upload.take(5, &stored);
    let wrong = digest(Algorithm::Md5, b"other").to_base64();
    upload.part(6).header("Content-MD5", wrong).body(&body).send().error(400, "BadDigest");
    let listed = server.get(&format!("/bench/k?uploadId={}", upload.id)).expect(200);
    assert_eq!(listed.all("PartNumber"), ["1", "2", "3", "4", "5"]);
    upload.complete().send().expect(200);
    assert_eq!(server.get("/bench/k").body, body.repeat(5));
}

fn replaced(server: &Server) {
    // The last part with a number counts, and the tag of the one before is no part any more.
    let mut upload = Upload::new(server, "k");
    let old = upload.put(1, "first").header("ETag").to_owned();
    upload.put(1, "second, and longer");
    upload.complete_with(&[("1", &old)]).error(400, "InvalidPart");
    upload.complete().send().expect(200);
    assert_eq!(server.get("/bench/k").text(), "second, and longer");
}

fn refused_lists(server: &Server) {
    // A list that is wrong changes nothing: not in order, unknown, empty, or no document.
    server.store("k", "old");
    let mut upload = Upload::new(server, "k");
    upload.put(1, "one");
    upload.put(3, "three");
    let (one, three) = (upload.parts[0].1.clone(), upload.parts[1].1.clone());
    let list = |parts: &[(&str, &str)]| upload.complete_with(parts);
    list(&[("3", &three), ("1", &one)]).error(400, "InvalidPartOrder");
    list(&[("1", &one), ("1", &one)]).error(400, "InvalidPartOrder");
    let refused = list(&[("1", &one), ("2", &one)]).error(400, "InvalidPart");
    assert_eq!(refused.one("PartNumber"), "2");
    list(&[("1", &three)]).error(400, "InvalidPart");
    list(&[("1", "nonsense")]).error(400, "InvalidPart");
    list(&[("10001", &one)]).error(400, "InvalidPart");
    list(&[("0", &one)]).error(400, "InvalidArgument");
    list(&[]).error(400, "MalformedXML");
    let document = |body: &str| upload.request("POST", "").body(body).send();
    for bad in ["", "nonsense", "<Complete/>", "<CompleteMultipartUpload>"] {
        document(bad).error(400, "MalformedXML");
    }
    let gone = server.request("POST", "/bench/k?uploadId=gone").body(upload.document());
    gone.send().error(404, "NoSuchUpload");
    let other = server.request("POST", &format!("/bench/other?uploadId={}", upload.id));
    other.body(upload.document()).send().error(404, "NoSuchUpload");
    assert_eq!(server.get("/bench/k").text(), "old");
    upload.complete().send().expect(200);
    assert_eq!(server.get("/bench/k").text(), "onethree");
}

fn documents(server: &Server) {
    // Trap 8: tags in any quotes, any name space, order and type, and elements that nobody knows.
    for (number, etag) in ["&quot;TAG&quot;", "&#34;TAG&#34;", "\"TAG\"", "TAG"].iter().enumerate()
    {
        let key = format!("k{number}");
        let mut upload = Upload::new(server, &key);
        upload.put(7, "seven");
        let etag = etag.replace("TAG", upload.parts[0].1.trim_matches('"'));
        let document = format!(
            "<?xml version='1.0'?>\n<a:CompleteMultipartUpload xmlns:a='urn:x'>\n <a:Part>\
             <a:Checksum/><a:ETag> {etag} </a:ETag>\n<a:PartNumber> 7 </a:PartNumber></a:Part>\
             <a:More>1</a:More></a:CompleteMultipartUpload>\n"
        );
        let request = upload.request("POST", "").header("Content-Type", "text/plain");
        request.body(document).send().expect(200);
        assert_eq!(server.get(&format!("/bench/{key}")).text(), "seven");
    }
}

fn sizes(server: &Server) {
    // x-amz-mp-object-size is what the object must have.
    let mut upload = Upload::new(server, "k");
    upload.put(1, "12345");
    let sized = |size: &str| upload.complete().header("x-amz-mp-object-size", size).send();
    for wrong in ["4", "0", "-1", "x"] {
        sized(wrong).error(400, "InvalidRequest");
    }
    sized("5").expect(200);
}

fn conditions(server: &Server) {
    // If-None-Match: * and If-Match hold for Complete as for PUT, and a refusal keeps the upload.
    let tag = server.store("k", "old").header("ETag").to_owned();
    let mut upload = Upload::new(server, "k");
    upload.put(1, "new");
    let none = upload.complete().header("If-None-Match", "*");
    none.send().error(412, "PreconditionFailed");
    let other = upload.complete().header("If-Match", "\"x\"");
    other.send().error(412, "PreconditionFailed");
    assert_eq!(server.get("/bench/k").text(), "old");
    upload.complete().header("If-Match", tag).send().expect(200);
    assert_eq!(server.get("/bench/k").text(), "new");
    let mut fresh = Upload::new(server, "fresh");
    fresh.put(1, "new");
    fresh.complete().header("If-Match", "\"x\"").send().error(404, "NoSuchKey");
    fresh.complete().header("If-None-Match", "*").send().expect(200);
}

fn repeated(server: &Server) {
    // A client that lost the answer asks again and gets the same one.
    let mut upload = Upload::new(server, "k");
    upload.put(1, "once");
    let first = upload.complete().send().expect(200);
    let again = upload.complete().send().expect(200);
    assert_eq!(first.text(), again.text());
}

fn aborted(server: &Server) {
    // What is dropped leaves nothing, neither for clients nor on the disk; the object stays.
    server.store("k", "old");
    let mut upload = Upload::new(server, "k");
    upload.put(1, bytes(100_000));
    upload.request("DELETE", "").send().expect(204);
    upload.request("DELETE", "").send().error(404, "NoSuchUpload");
    upload.request("GET", "").send().error(404, "NoSuchUpload");
    upload.complete().send().error(404, "NoSuchUpload");
    upload.part(2).body("late").send().error(404, "NoSuchUpload");
    assert_eq!(server.get("/bench/k").text(), "old");
    let left = fs::read_dir(server.path(".lobos/uploads")).into_iter().flatten();
    assert_eq!(left.count(), 0);
}

fn parts_in_pages(server: &Server) {
    // ListParts tells each part once, whatever the size of the page.
    let mut upload = Upload::new(server, "k");
    for number in [1, 4, 9, 10_000] {
        upload.put(number, number.to_string());
    }
    let (mut marker, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let query = format!("&max-parts=3&part-number-marker={marker}");
        let page = upload.request("GET", &query).send().expect(200);
        assert_eq!((page.one("UploadId"), page.one("MaxParts")), (upload.id.clone(), "3".into()));
        seen.extend(page.all("PartNumber").into_iter().zip(page.all("ETag")));
        marker = page.one("NextPartNumberMarker");
        if page.one("IsTruncated") == "false" {
            break;
        }
    }
    let parts = upload.parts.iter().map(|(number, etag, _)| (number.to_string(), etag.clone()));
    assert_eq!(seen, parts.collect::<Vec<_>>());
    upload.request("GET", "&max-parts=x").send().error(400, "InvalidArgument");
}

fn uploads_in_pages(server: &Server) {
    // ListMultipartUploads tells each upload and common prefix once, in pages of any size.
    let keys = ["a%20b", "a%20b", "d/1", "d/2", "e"];
    let uploads = keys.map(|key| {
        let created = server.request("POST", &format!("/bench/{key}?uploads")).send();
        created.expect(200).one("UploadId")
    });
    let query = "/bench?uploads&encoding-type=url&delimiter=/";
    let all = server.get(query).expect(200);
    assert_eq!(all.all("Key"), ["a%20b", "a%20b", "e"]);
    assert_eq!(all.all("UploadId"), [&uploads[0], &uploads[1], &uploads[4]].map(String::as_str));
    assert_eq!(all.all("CommonPrefixes"), ["<Prefix>d/</Prefix>"]);
    for size in 1..5 {
        let (mut next, mut seen) = (String::new(), Vec::new());
        loop {
            let page = server.get(&format!("{query}&max-uploads={size}{next}")).expect(200);
            seen.extend(page.all("UploadId"));
            seen.extend(page.all("CommonPrefixes"));
            if page.one("IsTruncated") == "false" {
                break;
            }
            let (key, upload) = (page.one("NextKeyMarker"), page.one("NextUploadIdMarker"));
            next = format!("&key-marker={key}&upload-id-marker={upload}");
        }
        seen.sort();
        let mut want = [all.all("UploadId"), all.all("CommonPrefixes")].concat();
        want.sort();
        assert_eq!(seen, want, "pages of {size}");
    }
    let under = server.get("/bench?uploads&prefix=d/").expect(200);
    assert_eq!(under.all("Key"), ["d/1", "d/2"]);
}

fn in_parallel(server: &Server) {
    // Parts that come at once on many connections become the object (elbencho: any order and size).
    let mut upload = Upload::new(server, "k");
    let bodies: Vec<_> = (0..12_u8).map(|n| vec![n; 40_000]).collect();
    std::thread::scope(|scope| {
        let send = |(number, body): (u32, &Vec<u8>)| {
            let request = upload.part(number).body(body);
            scope.spawn(move || (number, request.send().expect(200)))
        };
        let sent: Vec<_> = (1..).zip(&bodies).map(send).collect();
        let stored: Vec<_> = sent.into_iter().map(|thread| thread.join().unwrap()).collect();
        for (number, stored) in &stored {
            upload.take(*number, stored);
        }
    });
    upload.complete().send().expect(200);
    assert_eq!(server.get("/bench/k").body, bodies.concat());
}

const PARTS: [&[u8]; 3] = [b"hello", b" multipart ", b"world"];

/// Uploads PARTS with a checksum of each.
fn summed<'s>(
    server: &'s Server,
    key: &'s str,
    algorithm: Algorithm,
    kind: Option<&str>,
) -> Upload<'s> {
    let mut headers = vec![("x-amz-checksum-algorithm", algorithm.name())];
    headers.extend(kind.map(|kind| ("x-amz-checksum-type", kind)));
    let mut upload = Upload::with(server, key, &headers);
    for (number, part) in (1..).zip(PARTS) {
        let sum = digest(algorithm, part).to_base64();
        let request = upload.part(number).header(algorithm.header(), &sum).body(part);
        let stored = request.send().expect(200);
        assert_eq!(stored.header(algorithm.header()), sum);
        upload.take(number, &stored);
    }
    upload
}

fn with_checksums(server: &Server, target: &str) -> Response {
    server.request("GET", target).header("x-amz-checksum-mode", "ENABLED").send()
}

fn composite(server: &Server) {
    // The checksum of the checksums of the parts, with their number, of every algorithm.
    for algorithm in Algorithm::ALL.into_iter().filter(|a| *a != Algorithm::Crc64Nvme) {
        let upload = summed(server, "k", algorithm, None);
        let sums = PARTS.iter().flat_map(|part| digest(algorithm, part).bytes().to_vec());
        let sum = digest(algorithm, &sums.collect::<Vec<_>>()).to_base64();
        let request = upload.complete().header(algorithm.header(), format!("{sum}-3"));
        let done = request.header("x-amz-checksum-type", "COMPOSITE").send().expect(200);
        assert_eq!(done.one(algorithm.element()), format!("{sum}-3"));
        assert_eq!(done.one("ChecksumType"), "COMPOSITE");
        let got = with_checksums(server, "/bench/k").expect(200);
        assert_eq!(got.header(algorithm.header()), format!("{sum}-3"));
        assert_eq!(got.header("x-amz-checksum-type"), "COMPOSITE");
        let part = with_checksums(server, "/bench/k?partNumber=2").expect(206);
        assert_eq!(part.header(algorithm.header()), digest(algorithm, PARTS[1]).to_base64());
    }
}

fn full_object(server: &Server) {
    // The CRC of all bytes, though no byte is read again; a part is read with its own.
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
        let upload = summed(server, "k", algorithm, Some("FULL_OBJECT"));
        let sum = digest(algorithm, &PARTS.concat()).to_base64();
        let done = upload.complete().header(algorithm.header(), &sum).send().expect(200);
        assert_eq!(done.one(algorithm.element()), sum);
        assert_eq!(done.one("ChecksumType"), "FULL_OBJECT");
        let got = with_checksums(server, "/bench/k").expect(200);
        assert_eq!(got.header(algorithm.header()), sum);
        let part = with_checksums(server, "/bench/k?partNumber=2").expect(206);
        assert_eq!(part.header(algorithm.header()), digest(algorithm, PARTS[1]).to_base64());
        assert_eq!(part.header("x-amz-checksum-type"), "FULL_OBJECT");
    }
}

fn checksums_of_no_name(server: &Server) {
    // Trap 8: parts with a CRC32 though Create named no algorithm are taken, in Complete too.
    let mut upload = Upload::new(server, "k");
    for (number, part) in (1..).zip(PARTS) {
        let sum = digest(Algorithm::Crc32, part).to_base64();
        let request = upload.part(number).header("x-amz-checksum-crc32", sum).body(part);
        upload.take(number, &request.send().expect(200));
    }
    assert!(upload.document().contains("ChecksumCRC32"));
    upload.complete().send().expect(200);
    assert_eq!(server.get("/bench/k").body, PARTS.concat());
}

fn wrong_checksums(server: &Server) {
    // A checksum that does not fit stores no part and makes no object.
    let sha256 = |bytes: &[u8]| digest(Algorithm::Sha256, bytes).to_base64();
    let upload = summed(server, "k", Algorithm::Sha256, None);
    let wrong = upload.part(1).header("x-amz-checksum-sha256", sha256(b"x")).body("hello");
    wrong.send().error(400, "BadDigest");
    let document = upload.document().replace(&sha256(PARTS[0]), &sha256(b"x"));
    upload.request("POST", "").body(document).send().error(400, "InvalidPart");
    let wrong = format!("{}-3", sha256(b"x"));
    let request = upload.complete().header("x-amz-checksum-sha256", wrong);
    request.send().error(400, "BadDigest");
    let request = upload.complete().header("x-amz-checksum-type", "FULL_OBJECT");
    request.send().error(400, "InvalidRequest");
    server.get("/bench/k").error(404, "NoSuchKey");
    upload.complete().send().expect(200);
}

fn by_part_number(server: &Server) {
    // partNumber gives each part as a range with their count, also of an object that came whole.
    let mut upload = Upload::new(server, "k");
    for (number, part) in [2, 5, 7].into_iter().zip(PARTS) {
        upload.put(number, part);
    }
    upload.complete().send().expect(200);
    let mut start = 0;
    for (number, part) in (1..).zip(PARTS) {
        let got = server.get(&format!("/bench/k?partNumber={number}")).expect(206);
        let last = start + part.len() - 1;
        assert_eq!((got.header("x-amz-mp-parts-count"), got.body.as_slice()), ("3", part));
        assert_eq!(got.header("Content-Range"), format!("bytes {start}-{last}/21"));
        assert_eq!(got.header("ETag"), etag(&PARTS));
        start = last + 1;
    }
    assert_eq!(server.get("/bench/k").expect(200).find("x-amz-mp-parts-count"), None);
    let beyond = server.get("/bench/k?partNumber=4").error(416, "InvalidPartNumber");
    assert_eq!(
        (beyond.one("ActualPartCount"), beyond.one("PartNumberRequested")),
        ("3".into(), "4".into())
    );
    server.head("/bench/k?partNumber=4").expect(416);
    server.store("whole", "whole");
    let got = server.get("/bench/whole?partNumber=1").expect(206);
    assert_eq!((got.text(), got.find("x-amz-mp-parts-count")), ("whole", None));
    // The bytes of the parts are no longer those after somebody has written the file.
    server.place("k", "not what it was");
    assert_eq!(server.get("/bench/k?partNumber=1").text(), "not what it was");
    server.get("/bench/k?partNumber=2").error(416, "InvalidPartNumber");
}

fn attributes(server: &Server) {
    // GetObjectAttributes tells what is asked for, and pages of the parts that have checksums.
    summed(server, "k", Algorithm::Sha1, None).complete().send().expect(200);
    let ask = |attributes: &str| {
        let request = server.request("GET", "/bench/k?attributes");
        request.header("x-amz-object-attributes", attributes)
    };
    let all = ask("ETag,Checksum,ObjectParts,StorageClass,ObjectSize").send().expect(200);
    assert_eq!(format!("\"{}\"", all.one("ETag")), etag(&PARTS));
    assert_eq!((all.one("ObjectSize"), all.one("PartsCount")), ("21".into(), "3".into()));
    assert_eq!(all.all("PartNumber"), ["1", "2", "3"]);
    assert_eq!(all.all("Size"), ["5", "11", "5"]);
    let sum = digest(Algorithm::Sha1, PARTS[0]).to_base64();
    assert!(all.all("ChecksumSHA1").contains(&sum));
    assert!(!all.header("Last-Modified").is_empty());
    let page = ask("ObjectParts").header("x-amz-max-parts", 1);
    let page = page.header("x-amz-part-number-marker", 1).send().expect(200);
    assert_eq!(
        (page.all("PartNumber"), page.one("IsTruncated")),
        (vec!["2".into()], "true".into())
    );
    ask("").send().error(400, "InvalidRequest");
    ask("Size").send().error(400, "InvalidArgument");
    let missing = server.request("GET", "/bench/missing?attributes");
    missing.header("x-amz-object-attributes", "ETag").send().error(404, "NoSuchKey");
}

fn host_style(server: &Server) {
    // The Location is where the client has its object.
    let host = format!("bench.localhost:{}", server.address().port());
    let ask = |method, target: &str| server.request(method, target).header("Host", &host);
    let id = ask("POST", "/k%20k?uploads").send().expect(200).one("UploadId");
    let target = format!("/k%20k?uploadId={id}");
    let stored = ask("PUT", &format!("{target}&partNumber=1")).body("x").send().expect(200);
    let tag = stored.header("ETag");
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    let done = ask("POST", &target).body(document).send().expect(200);
    assert_eq!(done.one("Location"), format!("http://{host}/k%20k"));
}

fn too_small(server: &Server) {
    // A part of less than 5 MiB that is not the last one is EntityTooSmall, and can be replaced.
    let mut upload = Upload::new(server, "k");
    let full = bytes(5 << 20);
    upload.put(1, &full[1..]);
    upload.put(2, "last");
    let refused = upload.complete().send().error(400, "EntityTooSmall");
    assert_eq!(refused.one("PartNumber"), "1");
    upload.put(1, &full);
    upload.complete().send().expect(200);
    let got = server.get("/bench/k").expect(200);
    assert_eq!(got.body, [&full[..], b"last"].concat());
}

fn large(server: &Server) {
    // Parts of 8 MiB as the AWS CRT sends them, read back in ranges of 8 MiB.
    let part = bytes(8 << 20);
    let mut upload = Upload::new(server, "k");
    for number in [2, 1] {
        upload.put(number, &part);
    }
    upload.put(3, "end");
    upload.complete().send().expect(200);
    let size = 2 * part.len() + 3;
    for (number, range) in ["0-8388607", "8388608-16777215", "16777216-25165823"].iter().enumerate()
    {
        let request = server.request("GET", "/bench/k").header("Range", format!("bytes={range}"));
        let got = request.header("If-Match", etag(&[&part, &part, b"end"])).send().expect(206);
        assert!(got.header("Content-Range").ends_with(&format!("/{size}")));
        assert!(got.body == if number < 2 { &part[..] } else { b"end" });
    }
}
