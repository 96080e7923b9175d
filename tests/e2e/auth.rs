//! Servers with access keys: who is let in, with what, and that nothing is stored for others.

use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};
use crate::support::sign::{Signed, Signer, sha256};

const KEYS: Signer<'static> =
    Signer { access_key: "somebody", secret_key: "not/for+others", region: "eu-west-1" };

fn keys(runtime: Runtime) -> Server {
    let setup = Setup::new(runtime).arg("--access-key").arg(KEYS.access_key);
    setup.arg("--secret-key").arg(KEYS.secret_key).arg("--region").arg(KEYS.region).start()
}

on_every_runtime![with keys;
    signed_requests,
    others,
    signed_chunks,
    presigned_urls,
    forms,
    region,
];

/// A request of these keys, signed over these headers, too.
fn sign(
    keys: Signer<'_>,
    server: &Server,
    target: (&str, &str, &str),
    headers: &[(&str, &str)],
    payload: &str,
) -> Signed {
    let (method, path, query) = target;
    let whole = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let request = Request::new(server.address(), method, &whole);
    keys.sign(request, target, &server.address().to_string(), headers, payload)
}

/// A request without a body.
fn ask(server: &Server, method: &str, path: &str, query: &str) -> Response {
    sign(KEYS, server, (method, path, query), &[], &sha256(b"")).request.send()
}

fn put(keys: Signer<'_>, server: &Server, path: &str, body: &[u8], hash: &str) -> Response {
    sign(keys, server, ("PUT", path, ""), &[], hash).request.body(body).send()
}

fn signed_requests(server: &Server) {
    // Who has a key reads, writes, lists and deletes; the body must be the one that was signed.
    let body = vec![7; 300_000];
    put(KEYS, server, "/bench/a%20b", &body, &sha256(&body)).expect(200);
    put(KEYS, server, "/bench/c", &body, "UNSIGNED-PAYLOAD").expect(200);
    assert_eq!(ask(server, "GET", "/bench/a%20b", "").expect(200).body, body);
    let list = ask(server, "GET", "/bench", "delimiter=%2F&list-type=2&prefix=").expect(200);
    assert_eq!(list.all("Key"), ["a b", "c"]);
    let other = put(KEYS, server, "/bench/c", b"other", &sha256(&body));
    other.error(400, "XAmzContentSHA256Mismatch");
    assert_eq!(std::fs::read(server.path("c")).unwrap(), body);
    ask(server, "DELETE", "/bench/c", "").expect(204);
    ask(server, "HEAD", "/bench/c", "").expect(404);
}

fn others(server: &Server) {
    // Nobody else learns or changes anything, not even whether a bucket is there.
    server.place("secret", "mine");
    let missing = "/nowhere/a";
    for path in ["/", "/bench", "/bench/secret", "/bench?location", missing, "/bench?max-keys=x"] {
        server.get(path).error(403, "AccessDenied");
    }
    server.put("/bench/new", "theirs").error(403, "AccessDenied");
    server.put("/bench/secret", vec![0; 1 << 20]).error(403, "AccessDenied");
    server.delete("/bench/secret").error(403, "AccessDenied");
    let wrong = Signer { secret_key: "x", ..KEYS };
    let refused = put(wrong, server, "/bench/new", b"theirs", "UNSIGNED-PAYLOAD");
    let refused = refused.error(403, "SignatureDoesNotMatch");
    assert_eq!(refused.one("AWSAccessKeyId"), "somebody");
    let unknown = Signer { access_key: "nobody", ..KEYS };
    let refused = put(unknown, server, "/bench/new", b"theirs", "UNSIGNED-PAYLOAD");
    refused.error(403, "InvalidAccessKeyId");
    let far = Signer { region: "us-east-1", ..KEYS };
    let refused = put(far, server, "/bench/new", b"theirs", "UNSIGNED-PAYLOAD");
    let refused = refused.error(400, "AuthorizationHeaderMalformed");
    assert_eq!(refused.one("Region"), "eu-west-1");
    assert_eq!(std::fs::read_dir(server.path("")).unwrap().count(), 1);
    assert_eq!(std::fs::read(server.path("secret")).unwrap(), b"mine");
}

/// Uploads 300,000 bytes in chunks of 64 KiB; the signature of chunk `wrong` is another's.
fn upload(server: &Server, wrong: Option<usize>) -> Response {
    let body: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let length = body.len().to_string();
    let headers =
        [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", &length[..])];
    let payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let signed = sign(KEYS, server, ("PUT", "/bench/chunks", ""), &headers, payload);
    let chunks = signed.chunks(&body, 64 << 10, wrong);
    signed.request.body(chunks).send()
}

fn signed_chunks(server: &Server) {
    // A body in signed chunks is stored if every one is right, the last and empty one, too.
    for wrong in 0..6 {
        upload(server, Some(wrong)).error(403, "SignatureDoesNotMatch");
        assert_eq!(std::fs::read_dir(server.path("")).unwrap().count(), 0, "chunk {wrong}");
    }
    upload(server, None).expect(200);
    let stored = std::fs::read(server.path("chunks")).unwrap();
    assert!(stored.len() == 300_000 && stored[250..252] == [250, 0]);
    upload(server, Some(5)).error(403, "SignatureDoesNotMatch");
    assert_eq!(std::fs::read(server.path("chunks")).unwrap(), stored);
}

fn presigned_urls(server: &Server) {
    // A URL is good for what it was signed for, for as long as it says.
    server.place("a", "hello");
    let host = server.address().to_string();
    let url = KEYS.presign("/bench/a", &host, 50, 60);
    assert_eq!(server.get(&url).expect(200).body, b"hello");
    server.delete(&url).error(403, "SignatureDoesNotMatch");
    server.get(&url.replace("/a?", "/b?")).error(403, "SignatureDoesNotMatch");
    let late = server.get(&KEYS.presign("/bench/a", &host, 61, 60)).error(403, "AccessDenied");
    assert_eq!(late.one("Message"), "Request has expired");
    assert!(server.path("a").exists());
}

fn forms(server: &Server) {
    // What looks like a form but is none is not let in without a signature, and neither is a
    // form without one.
    server.place("a", "hello");
    let kind = "multipart/form-data; boundary=x";
    let document = "<Delete><Object><Key>a</Key></Object></Delete>";
    for target in ["/bench?delete", "/bench/a?uploads", "/bench/a", "/", "/bench?delete&acl"] {
        let post = server.request("POST", target).header("Content-Type", kind).body(document);
        post.send().error(403, "AccessDenied");
    }
    let part = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = [part("key", "new"), part("file", "theirs"), "--x--\r\n".to_owned()].concat();
    let post = server.request("POST", "/bench").header("Content-Type", kind).body(form);
    post.send().error(403, "AccessDenied");
    assert_eq!(std::fs::read_dir(server.path("")).unwrap().count(), 1);
}

fn region(server: &Server) {
    // The region is said where clients ask for it; the secret is not said when it starts.
    let location = ask(server, "GET", "/bench", "location=").expect(200);
    assert_eq!(location.one("LocationConstraint"), "eu-west-1");
    let bucket = ask(server, "HEAD", "/bench", "").expect(200);
    assert_eq!(bucket.header("x-amz-bucket-region"), "eu-west-1");
    assert!(!server.said().iter().any(|line| line.contains(KEYS.secret_key)));
}
