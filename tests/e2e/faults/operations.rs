//! The operations that are disturbed: what each needs beforehand and the one request of it.

use lobos_digest::{Algorithm, digest};

use crate::faults::place::Place;
use crate::support::http::Request;

/// One operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// Makes what it needs; gives the name of an upload if it needs one.
    pub(crate) prepare: fn(&Place<'_>) -> String,
    /// The request, which knows that name.
    pub(crate) request: fn(&Place<'_>, &str) -> Request,
    /// Whether each key and upload is a matter of its own when it fails.
    pub(crate) each: bool,
}

const fn one(
    name: &'static str,
    prepare: fn(&Place<'_>) -> String,
    request: fn(&Place<'_>, &str) -> Request,
) -> Operation {
    Operation { name, prepare, request, each: false }
}

const fn each(
    name: &'static str,
    prepare: fn(&Place<'_>) -> String,
    request: fn(&Place<'_>, &str) -> Request,
) -> Operation {
    Operation { name, prepare, request, each: true }
}

fn nothing(_: &Place<'_>) -> String {
    String::new()
}

/// What the object `key` is with this value, as bytes: those of `big` are sent by sendfile.
pub(crate) fn body(key: &str, value: &str) -> Vec<u8> {
    value.repeat(if key.contains("small") { 100 } else { 10_000 }).into_bytes()
}

/// An upload of `key`; the metadata of `far` does not fit into an attribute of ext4.
fn put(place: &Place<'_>, key: &str, value: &str) -> Request {
    let request = place.request("PUT", key).header("x-amz-meta-v", value);
    let request = request.header("Content-Type", "text/x-test");
    let request = if key.contains("far") {
        let tags = (0..10).map(|n| format!("{n}={}", "t".repeat(250)));
        let fill = request.header("x-amz-meta-fill", "f".repeat(1900));
        fill.header("x-amz-tagging", tags.collect::<Vec<_>>().join("&"))
    } else {
        request
    };
    request.body(body(key, value))
}

fn have(place: &Place<'_>, keys: &[&str]) -> String {
    for key in keys {
        put(place, key, "old").send().expect(200);
    }
    String::new()
}

fn copy(place: &Place<'_>, from: &str, to: &str) -> Request {
    let source = format!("/{}/{from}", place.bucket);
    place.request("PUT", to).unsized_body("").header("x-amz-copy-source", source)
}

fn begin(place: &Place<'_>) -> String {
    let request = place.request("POST", "d/m?uploads").header("x-amz-meta-v", "parts");
    request.send().expect(200).one("UploadId")
}

fn part(place: &Place<'_>, id: &str, number: u32, body: &[u8]) -> Request {
    place.request("PUT", &format!("d/m?partNumber={number}&uploadId={id}")).body(body)
}

/// An upload with parts of these sizes.
fn parts(place: &Place<'_>, sizes: &[usize]) -> String {
    let id = begin(place);
    for (number, size) in (1..).zip(sizes) {
        part(place, &id, number, &vec![b'0' + number as u8; *size]).send().expect(200);
    }
    id
}

fn complete(place: &Place<'_>, id: &str, sizes: &[usize]) -> Request {
    let parts = (1_u32..).zip(sizes).map(|(number, size)| {
        let etag = digest(Algorithm::Md5, &vec![b'0' + number as u8; *size]).to_hex();
        format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
    });
    let document: String = parts.collect();
    let document = format!("<CompleteMultipartUpload>{document}</CompleteMultipartUpload>");
    place.request("POST", &format!("d/m?uploadId={id}")).body(document)
}

const EQUAL: &[usize] = &[20_000, 20_000, 3];
const MIXED: &[usize] = &[3, 20_000, 100];

const DELETIONS: &str = "<Delete><Object><Key>d/a</Key></Object><Object><Key>e//far</Key></Object>\
    <Object><Key>e/b</Key></Object></Delete>";

const TAGS: &str = "<Tagging><TagSet><Tag><Key>k</Key><Value>new</Value></Tag></TagSet></Tagging>";

const CORS: &str = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin>\
    <AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";

/// Operations that change something.
pub(crate) const WRITES: &[Operation] = &[
    one("put a new key", nothing, |p, _| put(p, "d/e/a", "new")),
    one("put over the first time", |p| have(p, &["d/a"]), |p, _| put(p, "d/a", "new")),
    one("put over again", |p| have(p, &["d/a", "d/a"]), |p, _| put(p, "d/a", "new")),
    one("put far metadata", nothing, |p, _| put(p, "d/far", "new")),
    one("put far metadata over", |p| have(p, &["far", "far"]), |p, _| put(p, "far", "new")),
    one("put aside", |p| have(p, &["a", "a//b"]), |p, _| put(p, "a//b", "new")),
    one("put under a file", |p| have(p, &["a"]), |p, _| put(p, "a/b", "new")),
    one("put a folder", nothing, |p, _| p.request("PUT", "d/f/").header("x-amz-meta-v", "new")),
    one(
        "put if it matches",
        |p| have(p, &["d/a"]),
        |p, _| {
            let old = digest(Algorithm::Md5, &body("d/a", "old")).to_hex();
            put(p, "d/a", "new").header("If-Match", format!("\"{old}\""))
        },
    ),
    one("put if absent", nothing, |p, _| put(p, "d/a", "new").header("If-None-Match", "*")),
    one(
        "append",
        |p| have(p, &["d/a"]),
        |p, _| {
            let offset = body("d/a", "old").len();
            p.request("PUT", "d/a").header("x-amz-write-offset-bytes", offset).body("more")
        },
    ),
    one("delete", |p| have(p, &["d/e/a", "b"]), |p, _| p.request("DELETE", "d/e/a")),
    one("delete far", |p| have(p, &["d/far"]), |p, _| p.request("DELETE", "d/far")),
    one("delete aside", |p| have(p, &["a//b"]), |p, _| p.request("DELETE", "a//b")),
    each(
        "delete many",
        |p| have(p, &["d/a", "e//far", "e/b"]),
        |p, _| {
            let md5 = digest(Algorithm::Md5, DELETIONS.as_bytes()).to_base64();
            p.request("POST", "?delete").header("Content-MD5", md5).body(DELETIONS)
        },
    ),
    one("copy", |p| have(p, &["d/a"]), |p, _| copy(p, "d/a", "e/b")),
    one("copy far over", |p| have(p, &["far", "d/b"]), |p, _| copy(p, "far", "d/b")),
    one(
        "copy to itself",
        |p| have(p, &["far"]),
        |p, _| copy(p, "far", "far").header("x-amz-storage-class", "STANDARD_IA"),
    ),
    one(
        "rename",
        |p| have(p, &["d/a"]),
        |p, _| p.request("PUT", "e/b?renameObject").header("x-amz-rename-source", "d/a"),
    ),
    one(
        "rename far over",
        |p| have(p, &["d/far", "b"]),
        |p, _| p.request("PUT", "b?renameObject").header("x-amz-rename-source", "d/far"),
    ),
    one("tag", |p| have(p, &["d/a"]), |p, _| p.request("PUT", "d/a?tagging").body(TAGS)),
    one("tag far", |p| have(p, &["d/far"]), |p, _| p.request("PUT", "d/far?tagging").body(TAGS)),
    one("untag far", |p| have(p, &["d/far"]), |p, _| p.request("DELETE", "d/far?tagging")),
    one("create an upload", nothing, |p, _| {
        p.request("POST", "d/m?uploads").header("x-amz-meta-v", "parts")
    }),
    one("first part", begin, |p, id| part(p, id, 1, b"one")),
    one("another part", |p| parts(p, EQUAL), |p, id| part(p, id, 4, &[b'4'; 20_000])),
    one("part of another size", |p| parts(p, EQUAL), |p, id| part(p, id, 2, b"more")),
    one(
        "part of a copy",
        |p| {
            have(p, &["d/a"]);
            begin(p)
        },
        |p, id| copy(p, "d/a", &format!("d/m?partNumber=2&uploadId={id}")),
    ),
    each("complete", |p| parts(p, EQUAL), |p, id| complete(p, id, EQUAL)),
    each(
        "complete over",
        |p| {
            have(p, &["d/m"]);
            parts(p, EQUAL)
        },
        |p, id| complete(p, id, EQUAL),
    ),
    each("complete mixed parts", |p| parts(p, MIXED), |p, id| complete(p, id, MIXED)),
    one("abort", |p| parts(p, MIXED), |p, id| p.request("DELETE", &format!("d/m?uploadId={id}"))),
    one("configure a bucket", nothing, |p, _| p.request("PUT", "?cors").body(CORS)),
    one("create a bucket", |p| p.without_bucket(), |p, _| p.request("PUT", "").unsized_body("")),
    one(
        "delete a bucket",
        |p| {
            have(p, &["a"]);
            p.request("DELETE", "a").send().expect(204);
            String::new()
        },
        |p, _| p.request("DELETE", ""),
    ),
];

/// Operations that only look.
pub(crate) const READS: &[Operation] = &[
    one("get", |p| have(p, &["d/a"]), |p, _| p.request("GET", "d/a")),
    one("get small", |p| have(p, &["d/small"]), |p, _| p.request("GET", "d/small")),
    one(
        "get a range",
        |p| have(p, &["a//b"]),
        |p, _| p.request("GET", "a//b").header("Range", "bytes=7-20000"),
    ),
    one("head far", |p| have(p, &["d/far"]), |p, _| p.request("HEAD", "d/far")),
    one("tags", |p| have(p, &["d/far"]), |p, _| p.request("GET", "d/far?tagging")),
    one("list", |p| have(p, &["d/a", "d/far", "e//b", "z"]), |p, _| p.request("GET", "")),
    one(
        "list by delimiter",
        |p| have(p, &["a/b", "a", "d/e/a", "d/far"]),
        |p, _| p.request("GET", "?list-type=2&delimiter=/&prefix=d/"),
    ),
    one("list parts", |p| parts(p, MIXED), |p, id| p.request("GET", &format!("d/m?uploadId={id}"))),
    one("list uploads", |p| parts(p, EQUAL), |p, _| p.request("GET", "?uploads")),
    one("head a bucket", nothing, |p, _| p.request("HEAD", "")),
];
