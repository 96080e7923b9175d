//! Servers with keys: strangers get nothing by any operation, keys that may only read change
//! nothing, and a signature is good for exactly what it was made for.

use std::fs;

use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};
use crate::support::sign::{Signed, Signer, basic, sha256};
use crate::support::tree::state;

const OWNER: Signer<'static> =
    Signer { access_key: "owner", secret_key: "secret-of-owner", region: "us-east-1" };
const READER: Signer<'static> =
    Signer { access_key: "reader", secret_key: "secret:of:reader", region: "us-east-1" };

fn keys(runtime: Runtime) -> Server {
    let setup = Setup::new(runtime);
    let file = setup.home().join("keys");
    fs::write(&file, "owner:secret-of-owner\nreader:secret:of:reader:ro\n").unwrap();
    setup.arg("--credentials").arg(file).start()
}

on_every_runtime![with keys;
    strangers,
    readers,
    presigned_by_a_reader,
    headers_that_are_not_signed,
    signed_headers_as_they_were_sent,
    components_of_the_header,
    clocks,
    presigned_for_one_method,
    chunks_of_another_upload,
    chunks_that_end_early,
];
on_every_runtime!(with std::convert::identity; read_only_and_keys);

/// Every operation that S3 knows: method, path, query (sorted and encoded), body.
fn operations() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin>\
        <AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>";
    vec![
        ("GET", "/", "", ""),
        ("HEAD", "/bench", "", ""),
        ("GET", "/bench", "", ""),
        ("GET", "/bench", "list-type=2", ""),
        ("GET", "/bench", "versions=", ""),
        ("GET", "/bench", "uploads=", ""),
        ("GET", "/bench", "location=", ""),
        ("GET", "/bench", "acl=", ""),
        ("GET", "/bench", "cors=", ""),
        ("GET", "/bench", "policy=", ""),
        ("GET", "/bench", "tagging=", ""),
        ("GET", "/bench/k", "", ""),
        ("HEAD", "/bench/k", "", ""),
        ("GET", "/bench/k", "acl=", ""),
        ("GET", "/bench/k", "attributes=", ""),
        ("GET", "/bench/k", "tagging=", ""),
        ("GET", "/bench/k", "torrent=", ""),
        ("GET", "/bench/none", "", ""),
        ("GET", "/nothere/k", "", ""),
        ("PUT", "/another", "", ""),
        ("PUT", "/bench", "cors=", rules),
        ("PUT", "/bench", "tagging=", tags),
        ("PUT", "/bench", "policy=", "{}"),
        ("PUT", "/bench", "versioning=", "<VersioningConfiguration/>"),
        ("DELETE", "/bench", "", ""),
        ("DELETE", "/bench", "cors=", ""),
        ("DELETE", "/bench", "tagging=", ""),
        ("POST", "/bench", "delete=", delete),
        ("POST", "/bench", "", "x"),
        ("PUT", "/bench/k", "", "new"),
        ("PUT", "/bench/new", "", "new"),
        ("PUT", "/bench/k", "tagging=", tags),
        ("PUT", "/bench/k", "acl=", ""),
        ("DELETE", "/bench/k", "", ""),
        ("DELETE", "/bench/k", "tagging=", ""),
        ("POST", "/bench/k", "uploads=", ""),
        ("PUT", "/bench/k", "partNumber=1&uploadId=x", "part"),
        ("POST", "/bench/k", "uploadId=x", "<CompleteMultipartUpload/>"),
        ("DELETE", "/bench/k", "uploadId=x", ""),
        ("PUT", "/bench/k", "renameObject=", ""),
        ("POST", "/bench/k", "select=", ""),
        ("POST", "/bench/k", "restore=", ""),
        ("PATCH", "/bench/k", "", ""),
    ]
}

fn is_read(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

fn whole(path: &str, query: &str) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn signed(
    keys: Signer<'_>,
    server: &Server,
    target: (&str, &str, &str),
    headers: &[(&str, &str)],
    payload: &str,
) -> Signed {
    let request = Request::new(server.address(), target.0, &whole(target.1, target.2));
    keys.sign(request, target, &server.address().to_string(), headers, payload)
}

fn send(keys: Signer<'_>, server: &Server, target: (&str, &str, &str), body: &str) -> Response {
    signed(keys, server, target, &[], &sha256(body.as_bytes())).request.body(body).send()
}

fn strangers(server: &Server) {
    // Without a signature every operation is refused alike, whether there is such a thing or not.
    server.place("k", "secret");
    let before = state(server.home());
    for (method, path, query, body) in operations() {
        let target = whole(path, query);
        let plain = server.request(method, &target).body(body);
        let bearer = plain.clone().header("Authorization", "Bearer x");
        let basic = plain.clone().header("Authorization", "Basic b3duZXI6c2VjcmV0LW9mLW93bmVy");
        let empty = plain.clone().header("Authorization", "");
        for request in [plain, bearer, basic, empty] {
            let answer = request.send();
            assert!([400, 403].contains(&answer.status), "{method} {target}: {}", answer.status);
            let text = String::from_utf8_lossy(&answer.body);
            assert!(!text.contains("secret-of-owner") && !text.contains("ListBucket"), "{text}");
        }
        let answer = server.request(method, &target).body(body).send();
        assert_eq!(answer.status, 403, "{method} {target}");
    }
    let options = server.request("OPTIONS", "/bench/k").header("Origin", "https://page.example");
    options.header("Access-Control-Request-Method", "PUT").send().expect(403);
    server.request("OPTIONS", "/bench/k").send().expect(400).refusal();
    assert_eq!(state(server.home()), before);
}

fn readers(server: &Server) {
    // A key that may only read reads everything and changes nothing by any operation.
    server.place("k", "secret");
    let before = state(server.home());
    for (method, path, query, body) in operations() {
        let answer = send(READER, server, (method, path, query), body);
        if is_read(method) {
            assert_ne!(answer.status, 403, "{method} {path} {query}");
        } else {
            let answer = answer.error(403, "AccessDenied");
            assert_eq!(answer.one("Message"), "This access key may only read.");
        }
    }
    let copy = [("x-amz-copy-source", "/bench/k")];
    let target = ("PUT", "/bench/copy", "");
    let answer = signed(READER, server, target, &copy, &sha256(b"")).request.body("").send();
    answer.error(403, "AccessDenied");
    let streaming = [("x-amz-decoded-content-length", "3")];
    let payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let chunks = signed(READER, server, ("PUT", "/bench/k", ""), &streaming, payload);
    let body = chunks.chunks(b"new", 1 << 16, None);
    chunks.request.body(body).send().error(403, "AccessDenied");
    assert_eq!(state(server.home()), before);
    assert_eq!(send(READER, server, ("GET", "/bench/k", ""), "").expect(200).text(), "secret");
    send(OWNER, server, ("PUT", "/bench/k", ""), "new").expect(200);
    assert_eq!(send(READER, server, ("GET", "/bench/k", ""), "").expect(200).text(), "new");
}

fn presigned_by_a_reader(server: &Server) {
    // A URL that a reader has signed reads, too, and writes nothing.
    server.place("k", "secret");
    let host = server.address().to_string();
    let url = READER.presign("/bench/k", &host, 0, 60);
    assert_eq!(server.get(&url).expect(200).text(), "secret");
    for method in ["PUT", "DELETE"] {
        let url = READER.presign_for(method, "/bench/k", &host, 0, 60);
        server.request(method, &url).body("new").send().error(403, "AccessDenied");
    }
    let url = OWNER.presign_for("PUT", "/bench/k", &host, 0, 60);
    server.request("PUT", &url).body("new").send().expect(200);
    assert_eq!(fs::read(server.path("k")).unwrap(), b"new");
}

fn headers_that_are_not_signed(server: &Server) {
    // What somebody adds on the way is refused: x-amz-* headers that are not signed.
    server.place("k", "secret");
    let before = state(server.home());
    for (name, value) in [
        ("x-amz-meta-a", "b"),
        ("x-amz-acl", "private"),
        ("x-amz-copy-source", "/bench/k"),
        ("X-Amz-Tagging", "a=b"),
        ("x-amz-security-token", "x"),
        ("x-amz-rename-source", "/bench/k"),
    ] {
        let put = signed(OWNER, server, ("PUT", "/bench/new", ""), &[], &sha256(b"x")).request;
        let answer = put.header(name, value).body("x").send().error(403, "AccessDenied");
        assert_eq!(answer.one("HeadersNotSigned"), name.to_ascii_lowercase());
        let url = OWNER.presign_for("PUT", "/bench/new", &server.address().to_string(), 0, 60);
        let put = server.request("PUT", &url).header(name, value).body("x");
        put.send().error(403, "AccessDenied");
    }
    assert_eq!(state(server.home()), before);
}

fn signed_headers_as_they_were_sent(server: &Server) {
    // A signed header that is missing, changed or there once more breaks the signature; the order
    // of the lines does not matter.
    let headers = [("x-amz-meta-a", "1"), ("x-amz-meta-b", "2")];
    let target = ("PUT", "/bench/new", "");
    let whole = || signed(OWNER, server, target, &headers, &sha256(b"x")).request.body("x");
    let without = |name: &str| {
        let bytes = String::from_utf8(whole().bytes()).unwrap();
        let lines = bytes.split("\r\n").filter(|line| !line.starts_with(&format!("{name}:")));
        lines.collect::<Vec<_>>().join("\r\n")
    };
    server.raw(without("x-amz-meta-a")).error(403, "SignatureDoesNotMatch");
    server.raw(without("x-amz-content-sha256")).error(400, "InvalidRequest");
    server.raw(without("x-amz-date")).error(403, "AccessDenied");
    let again = |name: &str, value: &str| whole().header(name, value).send();
    again("x-amz-meta-a", "1").error(403, "SignatureDoesNotMatch");
    again("x-amz-meta-b", "").error(403, "SignatureDoesNotMatch");
    again("x-amz-date", &basic(0)).error(400, "InvalidRequest");
    again("x-amz-content-sha256", "UNSIGNED-PAYLOAD").error(400, "InvalidRequest");
    again("Authorization", "AWS owner:x").error(400, "InvalidRequest");
    let text = String::from_utf8(whole().bytes()).unwrap();
    server.raw(text.replace("meta-a: 1", "meta-a: 3")).error(403, "SignatureDoesNotMatch");
    server.raw(text.replace("/bench/new", "/bench/other")).error(403, "SignatureDoesNotMatch");
    server.raw(text.replace("PUT /", "POST /")).error(403, "SignatureDoesNotMatch");
    assert!(!server.path("new").exists() && !server.path("other").exists());
    let (first, rest) = text.split_once("\r\n").unwrap();
    let (head, body) = rest.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    lines.reverse();
    server.raw(format!("{first}\r\n{}\r\n\r\n{body}", lines.join("\r\n"))).expect(200);
    assert!(server.path("new").exists());
}

fn components_of_the_header(server: &Server) {
    // An Authorization header that is not whole, or that names another day, service, region or
    // key, is refused in words.
    server.place("k", "secret");
    let request = signed(OWNER, server, ("GET", "/bench/k", ""), &[], &sha256(b"")).request;
    let text = String::from_utf8(request.bytes()).unwrap();
    server.raw(&text).expect(200);
    let day = &basic(0)[..8];
    for (part, other) in [
        ("Credential=owner/", "Credential=nobody/"),
        ("Credential=owner/", "Credential=reader/"),
        ("Credential=owner/", "Credential=/"),
        ("Credential=owner/", "Credential=owner/x/"),
        (day, "20130524"),
        ("/us-east-1/", "/eu-west-1/"),
        ("/us-east-1/", "//"),
        ("/s3/", "/ec2/"),
        ("/s3/", "/S3/"),
        ("/aws4_request", "/aws4"),
        ("/aws4_request", ""),
        ("SignedHeaders=host;", "SignedHeaders="),
        ("SignedHeaders=host;", "SignedHeaders=HOST;"),
        ("SignedHeaders=host;", "SignedHeaders=host;host;"),
        ("SignedHeaders=host;", "SignedHeaders=host;accept;"),
        ("SignedHeaders=", "Headers="),
        ("Credential=", "Credentials="),
        ("Signature=", "Signatur="),
        ("Signature=", "Signature=0"),
        ("Signature=", "Signature=, x="),
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA1 "),
        ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256,"),
        ("AWS4-HMAC-SHA256 ", "aws4-hmac-sha256 "),
        ("AWS4-HMAC-SHA256 ", ""),
    ] {
        let (head, authorization) = text.split_once("Authorization: ").unwrap();
        let other = authorization.replacen(part, other, 1);
        assert_ne!(authorization, other, "{part}");
        let answer = server.raw(format!("{head}Authorization: {other}"));
        assert!([400, 403].contains(&answer.status), "{other}: {}", answer.status);
        assert!(!answer.refusal().text().contains("secret"), "{other}");
    }
}

fn clocks(server: &Server) {
    // A signature is good for 15 minutes before and after it was made, and a URL as long as it
    // says, a week at most.
    server.place("k", "secret");
    let host = server.address().to_string();
    let url = |age, expires| server.get(&OWNER.presign("/bench/k", &host, age, expires));
    url(0, 604_800).expect(200);
    url(0, 604_801).error(400, "AuthorizationQueryParametersError");
    url(100, 99).error(403, "AccessDenied");
    url(5, 0).error(403, "AccessDenied");
    let at = |age: i64| {
        let request = Request::new(server.address(), "GET", "/bench/k");
        OWNER.sign_at(request, ("GET", "/bench/k", ""), &host, age).send()
    };
    at(14 * 60).expect(200);
    at(-14 * 60).expect(200);
    at(16 * 60).error(403, "RequestTimeTooSkewed");
    at(-16 * 60).error(403, "RequestTimeTooSkewed");
    at(365 * 86_400).error(403, "RequestTimeTooSkewed");
}

fn presigned_for_one_method(server: &Server) {
    // A URL is good for the method, path, host and query that were signed, and nothing else.
    server.place("k", "secret");
    let host = server.address().to_string();
    for made_for in ["GET", "HEAD", "PUT", "DELETE", "POST"] {
        let url = OWNER.presign_for(made_for, "/bench/k", &host, 0, 60);
        for method in ["GET", "HEAD", "PUT", "DELETE", "POST"] {
            if method != made_for {
                let request = server.request(method, &url);
                let request = if method == "PUT" { request.body("x") } else { request };
                request.send().expect(403);
            }
        }
    }
    let url = OWNER.presign("/bench/k", &host, 0, 60);
    for more in ["&versionId=null", "&tagging", "&response-content-type=text/html", "&a"] {
        server.get(&format!("{url}{more}")).error(403, "SignatureDoesNotMatch");
    }
    let other = server.request("GET", &url).header("Host", "localhost");
    other.send().error(403, "SignatureDoesNotMatch");
    server.get(&url.replace("/k?", "/K?")).error(403, "SignatureDoesNotMatch");
    server.get(&url.replace("Expires=60", "Expires=600")).error(403, "SignatureDoesNotMatch");
    let both = signed(OWNER, server, ("GET", "/bench/k", ""), &[], &sha256(b"")).request;
    let text = String::from_utf8(both.bytes()).unwrap().replace("/bench/k ", &format!("{url} "));
    server.raw(text).error(400, "InvalidArgument");
    assert_eq!(fs::read(server.path("k")).unwrap(), b"secret");
}

/// An upload of `body` in chunks of `size`: the request, and its chunks.
fn chunked(server: &Server, path: &str, body: &[u8], size: usize) -> (Request, Vec<Vec<u8>>) {
    let length = body.len().to_string();
    let headers = [("x-amz-decoded-content-length", length.as_str())];
    let payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let signed = signed(OWNER, server, ("PUT", path, ""), &headers, payload);
    let all = signed.chunks(body, size, None);
    let mut chunks = Vec::new();
    let mut rest = &all[..];
    let head = format!("{size:x};chunk-signature=").len() + 64 + 2;
    while rest.len() > head + size {
        let (chunk, more) = rest.split_at(head + size + 2);
        chunks.push(chunk.to_vec());
        rest = more;
    }
    chunks.push(rest.to_vec());
    (signed.request, chunks)
}

fn chunks_of_another_upload(server: &Server) {
    // A chunk counts once, in its place, in its upload: none is taken twice, earlier, later, or
    // from an upload of the same bytes a moment ago.
    let body: Vec<u8> = [[b'a'; 8192], [b'b'; 8192], [b'a'; 8192]].concat();
    let (_, older) = chunked(server, "/bench/older", &body, 8192);
    let refused = |chunks: &[&[u8]], put: Request| {
        let answer = put.body(chunks.concat()).send();
        assert!([400, 403].contains(&answer.status), "{}", answer.status);
        assert!(!server.path("k").exists());
    };
    for order in
        [[0, 0, 2, 3], [0, 2, 1, 3], [1, 0, 2, 3], [0, 1, 1, 3], [2, 1, 0, 3], [0, 1, 0, 3]]
    {
        let (put, chunks) = chunked(server, "/bench/k", &body, 8192);
        assert_eq!(chunks.len(), 4);
        refused(&order.map(|at| &chunks[at][..]), put);
    }
    for foreign in 0..4 {
        let (put, chunks) = chunked(server, "/bench/k", &body, 8192);
        let mixed = [0, 1, 2, 3].map(|at| if at == foreign { &older[at][..] } else { &chunks[at] });
        refused(&mixed, put);
    }
    let (put, chunks) = chunked(server, "/bench/k", &body, 8192);
    put.body(chunks.concat()).send().expect(200);
    assert_eq!(fs::read(server.path("k")).unwrap(), body);
}

fn chunks_that_end_early(server: &Server) {
    // An upload in signed chunks that ends anywhere before its last byte is not stored.
    let body = vec![b'a'; 20_000];
    let (put, chunks) = chunked(server, "/bench/k", &body, 8192);
    let all = chunks.concat();
    let last = chunks[2].len();
    for cut in [all.len() - last, all.len() - 89, all.len() - 60, all.len() - 5, 9000, 40] {
        // As if that were all of it, and as a client that goes away.
        let (again, chunks) = chunked(server, "/bench/k", &body, 8192);
        let all = chunks.concat();
        again.clone().body(&all[..cut]).send().refusal();
        let mut connection = server.connect();
        connection.write(&again.body(&all).bytes()[..]);
        drop(connection);
        let (again, chunks) = chunked(server, "/bench/k", &body, 8192);
        let whole = again.body(chunks.concat()).bytes();
        let mut connection = server.connect();
        connection.write(&whole[..whole.len() - all.len() + cut]);
        connection.half_close();
        connection.response("PUT").error(400, "IncompleteBody");
    }
    put.body(&all[..all.len() - 2]).send();
}

fn read_only_and_keys(runtime: &Runtime) {
    // --read-only counts for every key, whatever the file says of it.
    let setup = Setup::new(*runtime);
    let file = setup.home().join("keys");
    fs::write(&file, "owner:secret-of-owner:rw\nreader:secret:of:reader:ro\n").unwrap();
    let server = setup.arg("--credentials").arg(file).arg("--read-only").start();
    server.place("k", "secret");
    for keys in [OWNER, READER] {
        let answer = send(keys, &server, ("PUT", "/bench/k", ""), "new");
        let answer = answer.error(403, "AccessDenied");
        assert_eq!(answer.one("Message"), "This server is read-only.");
        send(keys, &server, ("GET", "/bench/k", ""), "").expect(200);
    }
    assert_eq!(fs::read(server.path("k")).unwrap(), b"secret");
}
