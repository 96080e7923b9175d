//! The published examples of both versions (S3 API reference), each as a whole request, and that
//! no byte of them can be changed.

use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::http::body::{Body, Piece, Promise};
use crate::http::head::Framing;
use crate::http::target::Target;
use crate::{Credentials, Limits};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn config() -> Config {
    let secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned();
    let pair = Credentials { access_key: KEY.to_owned(), secret_key, read_only: false };
    Config { credentials: vec![pair], region: Some("us-east-1".to_owned()), ..Config::default() }
}

/// So many seconds after 1970.
#[allow(clippy::disallowed_methods, reason = "an Instant cannot be made in another way")]
fn at(secs: u64) -> Now {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
    Now { instant: Instant::now(), wall }
}

/// 24 May 2013, the day of all examples of version 4.
const DAY_V4: u64 = 1_369_353_600;

/// Checks a request of these lines at that time; `bucket` is the one that the host names.
fn ask(lines: &[String], bucket: Option<&str>, secs: u64) -> Result<Verified, Error> {
    let text = format!("{}\r\n\r\n", lines.join("\r\n"));
    Head::parse(text.as_bytes(), &Limits::default(), |head| {
        let target = Target::parse(head.target)?;
        let query = Query::parse(target.query)?;
        let asked = Asked { head, path: target.path, query: &query, bucket, form: false };
        check(&asked, &config(), at(secs))
    })?
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// A request of version 4 with this signature over these headers.
fn v4(first: &str, headers: &[&str], signed: &str, signature: &str) -> Vec<String> {
    let mut all = lines(&[&format!("{first} HTTP/1.1")]);
    all.extend(lines(headers));
    all.push(format!(
        "Authorization: AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders={signed},Signature={signature}"
    ));
    all
}

fn single_chunk() -> Vec<Vec<String>> {
    let host = "Host: examplebucket.s3.amazonaws.com";
    let date = "x-amz-date: 20130524T000000Z";
    let empty = format!("x-amz-content-sha256: {EMPTY}");
    let plain = "host;x-amz-content-sha256;x-amz-date";
    vec![
        v4(
            "GET /test.txt",
            &[host, "Range: bytes=0-9", &empty, date],
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        v4(
            "PUT /test%24file.text",
            &[
                host,
                "Date: Fri, 24 May 2013 00:00:00 GMT",
                date,
                "x-amz-storage-class: REDUCED_REDUNDANCY",
                "x-amz-content-sha256: \
                 44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ],
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        v4(
            "GET /?lifecycle",
            &[host, date, &empty],
            plain,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        v4(
            "GET /?max-keys=2&prefix=J",
            &[host, date, &empty],
            plain,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ]
}

fn presigned() -> Vec<String> {
    lines(&[
        "GET /test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F\
         20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400\
         &X-Amz-SignedHeaders=host&X-Amz-Signature=\
         aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404 HTTP/1.1",
        "Host: examplebucket.s3.amazonaws.com",
    ])
}

/// Each with the bucket that its host names.
fn version_2() -> Vec<(Vec<String>, Option<&'static str>)> {
    let request = |first: &str, headers: &[&str], time: &str, signature: &str| {
        let mut all = lines(&[&format!("{first} HTTP/1.1"), "Host: s3.amazonaws.com"]);
        all.extend(lines(headers));
        all.push(format!("Date: {time} +0000"));
        all.push(format!("Authorization: AWS {KEY}:{signature}"));
        all
    };
    let (puppy, bucket) = ("/photos/puppy.jpg", Some("awsexamplebucket1"));
    let get = request(
        &format!("GET {puppy}"),
        &[],
        "Tue, 27 Mar 2007 19:36:42",
        "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
    );
    let put = request(
        &format!("PUT {puppy}"),
        &["Content-Type: image/jpeg"],
        "Tue, 27 Mar 2007 21:15:45",
        "iqRzw+ileNPu1fhspnRs8nOjjIA=",
    );
    let list = request("GET /", &[], "Tue, 27 Mar 2007 19:42:41", "m0WP8eCtspQl5Ahe6L1SozdX9YA=");
    let acl =
        request("GET /?acl", &[], "Tue, 27 Mar 2007 19:44:46", "82ZHiFIjc+WbcwFKGUVEQspPn+0=");
    let upload = request(
        "PUT /db-backup.dat.gz",
        &[
            "x-amz-acl: public-read",
            "content-type: application/x-download",
            "Content-MD5: 4gJE4saaMU4BqNR0kLY+lw==",
            "X-Amz-Meta-ReviewedBy: joe@johnsmith.net",
            "X-Amz-Meta-ReviewedBy: jane@johnsmith.net",
            "X-Amz-Meta-FileChecksum: 0x02661779",
            "X-Amz-Meta-ChecksumAlgorithm: crc32",
        ],
        "Tue, 27 Mar 2007 21:06:08",
        "ilyl83RwaSoYIEdixDQcA4OnAnc=",
    );
    let buckets =
        request("GET /", &[], "Wed, 28 Mar 2007 01:29:59", "qGdzdERIC03wnaRNKh6OqZehG9s=");
    let unicode = request(
        "GET /dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
        &[],
        "Wed, 28 Mar 2007 01:49:49",
        "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
    );
    let query = lines(&[
        "GET /photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&\
         Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620 HTTP/1.1",
        "Host: s3.amazonaws.com",
    ]);
    vec![
        (get, bucket),
        (put, bucket),
        (list, bucket),
        (acl, bucket),
        (upload, Some("static.johnsmith.net")),
        (buckets, None),
        (unicode, None),
        (query, Some("johnsmith")),
    ]
}

/// The time of a request of version 2 in seconds.
fn time_v2(request: &[String]) -> u64 {
    let date = request.iter().find_map(|line| line.strip_prefix("Date: "));
    date.map_or(1_175_139_620, |date| date::any(date).unwrap().secs())
}

/// The examples of bodies in chunks: head, seed and body.
fn chunked(trailer: bool) -> (Vec<String>, Vec<u8>) {
    let (form, signatures) = if trailer {
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            [
                "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
                "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
            ],
        )
    } else {
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            [
                "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
            ],
        )
    };
    let content = format!("x-amz-content-sha256: {form}");
    let mut headers = vec![
        "Host: s3.amazonaws.com",
        "x-amz-date: 20130524T000000Z",
        "x-amz-storage-class: REDUCED_REDUNDANCY",
        &content,
        "Content-Encoding: aws-chunked",
        "x-amz-decoded-content-length: 66560",
        "Content-Length: 66824",
    ];
    let signed = if trailer {
        headers.push("x-amz-trailer: x-amz-checksum-crc32c");
        "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;\
         x-amz-storage-class;x-amz-trailer"
    } else {
        "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
         x-amz-decoded-content-length;x-amz-storage-class"
    };
    let [seed, first, second, last] = signatures;
    let (large, small) = ("a".repeat(65_536), "a".repeat(1024));
    let mut body = format!(
        "10000;chunk-signature={first}\r\n{large}\r\n400;chunk-signature={second}\r\n{small}\r\n\
         0;chunk-signature={last}\r\n"
    );
    if trailer {
        body.push_str(
            "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
             d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
        );
    }
    body.push_str("\r\n");
    (v4("PUT /examplebucket/chunkObject.txt", &headers, signed, seed), body.into_bytes())
}

/// How many bytes the object has, and the trailer that came.
fn read(head: &[String], body: &[u8], trailer: bool) -> Result<usize, Code> {
    let chain = ask(head, None, DAY_V4).map_err(|e| e.code())?.chain;
    assert!(chain.is_some());
    let trailer = trailer.then_some(lobos_digest::Algorithm::Crc32c);
    let promise = Promise { aws: true, trailer, chain, ..Promise::default() };
    let mut reader = Body::new(Framing::Length(body.len() as u64), promise, 1 << 20);
    let (mut at, mut decoded) = (0, 0);
    loop {
        let piece = reader.next(&body[at..], &Limits::default()).map_err(|e| e.code())?;
        at += piece.0;
        match piece.1 {
            Piece::Data(data) => decoded += data.len(),
            Piece::End => {
                reader.expected().map_err(|e| e.code())?;
                return Ok(decoded);
            }
            Piece::Need(_) => panic!("all of it is here"),
        }
    }
}

#[test]
fn published() {
    // Every published example of a request is right as it stands.
    for request in single_chunk() {
        ask(&request, None, DAY_V4).unwrap_or_else(|e| panic!("{request:?}: {e:?}"));
    }
    ask(&presigned(), None, DAY_V4 + 86_400).unwrap();
    for (request, bucket) in version_2() {
        let now = time_v2(&request);
        ask(&request, bucket, now).unwrap_or_else(|e| panic!("{request:?}: {e:?}"));
    }
}

#[test]
fn chunks() {
    // The published bodies are whole, and no byte of a chunk, signature or trailer can change.
    for trailer in [false, true] {
        let (head, body) = chunked(trailer);
        assert_eq!(read(&head, &body, trailer), Ok(66_560));
        let frame = body.len() - 400..body.len() - 4;
        let changed = [0, 1, 20, 80, 90, 100, 65_000].into_iter().chain(frame);
        for at in changed {
            let mut body = body.clone();
            body[at] ^= 1;
            // A shorter trailer is read as an unknown one, or the form is broken.
            assert!(read(&head, &body, trailer).is_err(), "byte {at} of {}", body.len());
        }
        for at in [85, 60_000, 65_536 + 200] {
            let mut body = body.clone();
            body[at] ^= 1;
            let code = read(&head, &body, trailer);
            assert_eq!(code, Err(Code::SignatureDoesNotMatch), "byte {at}");
        }
        let text = String::from_utf8(body).unwrap();
        let unsigned = text.replace("x-amz-trailer-signature", "x-amz-other");
        assert_eq!(read(&head, unsigned.as_bytes(), trailer).is_ok(), !trailer);
        let naked = text.replace(";chunk-signature=", ";chunk=");
        assert_eq!(read(&head, naked.as_bytes(), trailer), Err(Code::IncompleteBody));
    }
}

/// The request with each byte changed that the signature covers.
fn changed(request: &[String]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (number, line) in request.iter().enumerate() {
        let start = line.find(": ").map_or(0, |colon| colon + 2);
        let end = line.strip_suffix(" HTTP/1.1").unwrap_or(line).len();
        for at in start..end {
            let mut bytes = line.clone().into_bytes();
            bytes[at] ^= 1;
            let mut copy = request.to_vec();
            copy[number] = String::from_utf8(bytes).unwrap();
            all.push(copy);
        }
    }
    all
}

#[test]
fn unchangeable() {
    // A request of which one signed byte is another is refused.
    let (chunked, _) = chunked(true);
    let signed = |line: &String| !line.starts_with("Content-Length");
    let chunked = chunked.into_iter().filter(signed).collect();
    let v4 = single_chunk().into_iter().chain([presigned(), chunked]).map(|r| (r, None));
    let (mut refused, mut right) = (0, 0);
    for (request, bucket) in v4.chain(version_2()) {
        let v4 = !request.iter().any(|line| line.contains("AWS AKIA") || line.contains("AWSAcc"));
        let now = if v4 { DAY_V4 } else { time_v2(&request) };
        ask(&request, bucket, now).unwrap();
        right += 1;
        for changed in changed(&request) {
            // Version 2 signs the bucket, not the host.
            let host = v4 || changed[1] == request[1];
            assert_eq!(ask(&changed, bucket, now).is_ok(), !host, "{changed:?}");
            refused += 1;
        }
        let mut more = request.clone();
        more.insert(1, "x-amz-meta-more: 1".to_owned());
        assert!(ask(&more, bucket, now).is_err());
        let other = request.iter().map(|line| line.replacen(" /", " /x", 1)).collect::<Vec<_>>();
        assert!(ask(&other, bucket, now).is_err());
        let first = request[0].replace(" HTTP", if v4 { "?a= HTTP" } else { "?acl HTTP" });
        let query = [&[first], &request[1..]].concat();
        assert!(request[0].contains('?') || ask(&query, bucket, now).is_err());
    }
    assert!(right == 14 && refused > 2000, "{right} {refused}");
}

#[test]
fn anything() {
    // Whatever stands in the Authorization header and in the query, the answer is a 4xx or 501.
    let words = [
        "AWS4-HMAC-SHA256",
        "AWS",
        " ",
        ",",
        "=",
        "/",
        ";",
        ":",
        "%2F",
        "%",
        "+",
        "&",
        "\u{e9}",
        "Credential=",
        "SignedHeaders=",
        "Signature=",
        "AKIAIOSFODNN7EXAMPLE",
        "20130524",
        "us-east-1",
        "s3",
        "aws4_request",
        "host",
        "X-Amz-Algorithm=",
        "X-Amz-Credential=",
        "X-Amz-Date=",
        "X-Amz-Expires=",
        "X-Amz-SignedHeaders=",
        "X-Amz-Signature=",
        "20130524T000000Z",
        "604800",
        "-1",
        "99999999999999999999",
        "AWSAccessKeyId=",
        "Expires=",
        "0",
        "f0e8bdb8",
    ];
    let mut state = 1_u64;
    let mut dice = |sides: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % sides
    };
    for _ in 0..50_000 {
        let mut text = || (0..dice(20)).map(|_| words[dice(words.len())]).collect::<String>();
        let (header, query) = (text(), text().replace([' ', '\u{e9}'], ""));
        let request = lines(&[
            &format!("GET /b/k?{query} HTTP/1.1"),
            "Host: h",
            "x-amz-date: 20130524T000000Z",
            &format!("x-amz-content-sha256: {EMPTY}"),
            &format!("Authorization: {header}"),
        ]);
        for request in [&request[..], &request[..4]] {
            let status = ask(request, None, DAY_V4).unwrap_err().code().status();
            assert!((400..500).contains(&status) || status == 501);
        }
    }
}
