//! Uploads by the forms of browsers: whole, in chunks, with policies, signed, and refused.

use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::{bytes, files};
use data_encoding::BASE64;
use lobos_digest::{Algorithm, digest};

on_every_runtime![
    round_trip,
    large_file_in_chunks,
    partial_delimiters,
    metadata_and_tags,
    answers,
    policies,
    sizes,
    refused_forms_store_nothing,
    cut_off,
    trap_10_filename_and_redirect,
];
on_every_runtime!(with std::convert::identity; signed, signed_by_a_reader, read_only);

/// A form with these fields and this file.
fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut form = Vec::new();
    let start = "--edge\r\nContent-Disposition: form-data; name=";
    for (name, value) in fields {
        form.extend(format!("{start}\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    form.extend(format!("{start}\"file\"; filename=\"some file.txt\"\r\n").bytes());
    form.extend_from_slice(b"Content-Type: text/x-other\r\n\r\n");
    form.extend_from_slice(file);
    form.extend_from_slice(b"\r\n--edge--\r\n");
    form
}

fn request(server: &Server) -> Request {
    let request = server.request("POST", "/bench");
    request.header("Content-Type", "multipart/form-data; boundary=edge")
}

fn post(server: &Server, fields: &[(&str, &str)], file: &[u8]) -> Response {
    request(server).body(form(fields, file)).send()
}

fn policy(conditions: &str) -> String {
    let json = format!("{{\"expiration\":\"2099-01-01T00:00:00Z\",\"conditions\":[{conditions}]}}");
    BASE64.encode(json.as_bytes())
}

fn round_trip(server: &Server) {
    // A form stores its file under its key, as a plain file, on a connection that stays.
    let mut connection = server.connect();
    for size in [0, 1, 1000, 100_000, 300_000, 2 << 20] {
        let body = bytes(size);
        let posted = request(server).body(form(&[("key", "a/b")], &body)).on(&mut connection);
        let posted = posted.expect(204);
        let got = server.request("GET", "/bench/a/b").on(&mut connection).expect(200);
        assert!(got.body == body, "{size}");
        assert_eq!(got.header("ETag"), posted.header("ETag"));
    }
    assert_eq!(files(&server.path("")), ["a/b"]);
}

fn large_file_in_chunks(server: &Server) {
    // As warp sends it: a form in HTTP chunks, whose ends may be anywhere.
    let body = bytes(1 << 20);
    let form = form(&[("key", "k")], &body);
    for size in [1021, 65_536, 3 << 20] {
        let request = request(server).header("Transfer-Encoding", "chunked");
        request.unsized_body(crate::support::chunked::http(&form, size)).send().expect(204);
        assert!(server.get("/bench/k").body == body, "{size}");
        server.delete("/bench/k");
    }
}

fn partial_delimiters(server: &Server) {
    // What only looks like the end of the file is a part of it, wherever the network cuts it.
    let mut body = b"\r\n--edge-\r\n--edg\r\r\n--edged\r\n--edge\n--".repeat(20);
    body.extend_from_slice(b"\r\n--edg");
    let bytes = request(server).body(form(&[("key", "k")], &body)).bytes();
    for piece in [1, 7, 64] {
        let mut connection = server.connect();
        let pause = std::time::Duration::from_micros(50);
        connection.write_in_pieces(&bytes, piece, pause);
        connection.response("POST").expect(204);
        assert!(server.get("/bench/k").body == body, "{piece}");
    }
}

fn metadata_and_tags(server: &Server) {
    // Fields are what headers are to a PUT.
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let crc = digest(Algorithm::Crc32, b"hello").to_base64();
    let fields = [
        ("key", "k"),
        ("Content-Type", "text/html; charset=utf-8"),
        ("Cache-Control", "no-cache"),
        ("x-amz-meta-Some-Name", "\u{fc} x"),
        ("acl", "private"),
        ("tagging", tags),
        ("x-amz-checksum-crc32", crc.as_str()),
    ];
    let posted = post(server, &fields, b"hello").expect(204);
    assert_eq!(posted.header("x-amz-checksum-crc32"), crc);
    let head = server.head("/bench/k").expect(200);
    assert_eq!(head.header("Content-Type"), "text/html; charset=utf-8");
    assert_eq!(head.header("Cache-Control"), "no-cache");
    assert_eq!(head.header("x-amz-meta-some-name"), "\u{fc} x");
    assert_eq!(head.header("x-amz-tagging-count"), "1");
    assert_eq!(server.get("/bench/k?tagging").expect(200).one("Value"), "b");
    let wrong = [("key", "k"), ("x-amz-checksum-crc32", crc.as_str())];
    post(server, &wrong, b"other").error(400, "BadDigest");
    assert_eq!(server.get("/bench/k").text(), "hello");
}

fn answers(server: &Server) {
    // The answer is what the form asks for, and says where the object is.
    let place = format!("http://{}/bench/a%20b", server.address());
    for (asked, status) in [("200", 200), ("201", 201), ("204", 204), ("302", 204), ("", 204)] {
        let answer = post(server, &[("key", "a b"), ("success_action_status", asked)], b"x");
        let answer = answer.expect(status);
        assert_eq!(answer.header("Location"), place, "{asked}");
        if status == 201 {
            assert_eq!((answer.one("Location"), answer.one("Key")), (place.clone(), "a b".into()));
            assert_eq!(answer.one("Bucket"), "bench");
            assert_eq!(answer.one("ETag"), answer.header("ETag"));
        }
    }
}

fn trap_10_filename_and_redirect(server: &Server) {
    // A form POST expands ${filename} and redirects.
    let to = ("success_action_redirect", "http://app.example/done?a=b");
    let answer = post(server, &[("key", "up/${filename}"), to], b"x").expect(303);
    let etag = answer.header("ETag").trim_matches('"');
    let place = format!(
        "http://app.example/done?a=b&bucket=bench&key=up%2Fsome%20file.txt&etag=%22{etag}%22"
    );
    assert_eq!(answer.header("Location"), place);
    assert_eq!(files(&server.path("")), ["up/some file.txt"]);
    // What is no URL is not a place to send anybody.
    let to = ("success_action_redirect", "javascript:alert(1)");
    post(server, &[("key", "k"), to], b"x").expect(204);
}

fn policies(server: &Server) {
    // Who sends a policy is held to it, also where no keys are asked for.
    let policy = policy(r#"{"bucket":"bench"},["starts-with","$key","up/"]"#);
    let policy = ("policy", policy.as_str());
    post(server, &[("key", "up/k"), policy], b"x").expect(204);
    let denied = |fields: &[(&str, &str)], why: &str| {
        let denied = post(server, fields, b"x").error(403, "AccessDenied");
        assert_eq!(denied.one("Message"), format!("Invalid according to Policy: {why}"));
    };
    let condition = r#"Policy Condition failed: ["starts-with", "$key", "up/"]"#;
    denied(&[("key", "k"), policy], condition);
    denied(&[("key", "up/k"), ("acl", "private"), policy], "Extra input fields: acl");
    let old = BASE64.encode(b"{\"expiration\":\"2020-01-01T00:00:00.000Z\",\"conditions\":[]}");
    denied(&[("key", "k"), ("policy", &old)], "Policy expired.");
    post(server, &[("key", "k"), ("policy", "e30=")], b"x").error(400, "InvalidPolicyDocument");
    assert_eq!(files(&server.path("")), ["up/k"]);
}

fn sizes(server: &Server) {
    // A policy may say how large the file is.
    let policy = policy(r#"["eq","$key","k"],["content-length-range",10,20]"#);
    let fields = [("key", "k"), ("policy", policy.as_str())];
    post(server, &fields, &[b'x'; 9]).error(400, "EntityTooSmall");
    post(server, &fields, &[b'x'; 21]).error(400, "EntityTooLarge");
    post(server, &fields, &bytes(3 << 20)).error(400, "EntityTooLarge");
    assert!(files(&server.path("")).is_empty());
    for size in [10, 20] {
        post(server, &fields, &vec![b'x'; size]).expect(204);
    }
}

fn refused_forms_store_nothing(server: &Server) {
    // What is not a form with a key and a file is refused in S3's words, and leaves nothing.
    let no_key = post(server, &[("x", "y")], b"x").error(400, "InvalidArgument");
    assert!(no_key.one("Message").starts_with("Bucket POST must contain a field named 'key'."));
    let body = "--edge\r\nContent-Disposition: form-data; name=key\r\n\r\nk\r\n--edge--\r\n";
    let no_file = request(server).body(body).send().error(400, "InvalidArgument");
    assert_eq!(no_file.one("Message"), "POST requires exactly one file upload per request.");
    let other = server.request("POST", "/bench").header("Content-Type", "text/plain");
    let other = other.body("x").send().error(412, "PreconditionFailed");
    let condition = "Bucket POST must be of the enclosure-type multipart/form-data";
    assert_eq!(other.one("Condition"), condition);
    let open = form(&[("key", "k")], b"x");
    let open = &open[..open.len() - 4];
    request(server).body(open).send().error(400, "MalformedPOSTRequest");
    request(server).body("nothing").send().error(400, "MalformedPOSTRequest");
    let much = "y".repeat(30 << 10);
    let much = post(server, &[("key", "k"), ("x-ignore-it", &much)], b"x");
    much.error(400, "MaxPostPreDataLengthExceededError");
    for key in ["../k", "a/../../k", ".", "a\0b"] {
        post(server, &[("key", key)], b"x").error(400, "InvalidArgument");
    }
    let header = post(server, &[("key", "k"), ("x-amz-meta-a", "b\r\nEvil: c")], b"x");
    header.error(400, "InvalidArgument");
    let nowhere = server.request("POST", "/nothere");
    let nowhere = nowhere.header("Content-Type", "multipart/form-data; boundary=edge");
    nowhere.body(form(&[("key", "k")], b"x")).send().error(404, "NoSuchBucket");
    assert!(files(&server.path("")).is_empty());
}

fn cut_off(server: &Server) {
    // A form whose client goes away stores nothing, and what was there stays.
    server.store("k", "old");
    let bytes = request(server).body(form(&[("key", "k")], &[b'x'; 5000])).bytes();
    for cut in [bytes.len() - 5100, bytes.len() - 300, bytes.len() - 1] {
        let mut connection = server.connect();
        connection.write(&bytes[..cut]);
        connection.half_close();
        connection.response("POST").error(400, "IncompleteBody");
        assert_eq!(server.get("/bench/k").text(), "old");
    }
    assert_eq!(files(&server.path("")), ["k"]);
}

/// The signature of a policy in version 2 (HMAC-SHA1, RFC 2104).
fn signature(secret: &str, policy: &str) -> String {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(secret.bytes()).for_each(|(b, key)| *b ^= key);
        block.to_vec()
    };
    let inner = digest(Algorithm::Sha1, &[pad(0x36), policy.into()].concat());
    digest(Algorithm::Sha1, &[pad(0x5c), inner.bytes().to_vec()].concat()).to_base64()
}

fn signed(runtime: &Runtime) {
    // With keys a form must carry a policy that one of them has signed; then it may come from the
    // page of anybody.
    let setup = Setup::new(*runtime).arg("--access-key=AKID").arg("--secret-key=secret-of-AKID");
    let server = setup.start();
    let policy = policy(r#"["starts-with","$key","up/"]"#);
    let right = signature("secret-of-AKID", &policy);
    let send = |fields: &[(&str, &str)]| {
        let request = request(&server).header("Origin", "https://page.example");
        request.body(form(fields, b"x")).send()
    };
    let (key, policy) = (("key", "up/k"), ("policy", policy.as_str()));
    let access = ("AWSAccessKeyId", "AKID");
    send(&[key]).error(403, "AccessDenied");
    send(&[key, policy]).error(403, "AccessDenied");
    let wrong = signature("another", policy.1);
    send(&[key, policy, access, ("signature", &wrong)]).error(403, "SignatureDoesNotMatch");
    let other = [key, policy, ("AWSAccessKeyId", "OTHER"), ("signature", &right)];
    send(&other).error(403, "InvalidAccessKeyId");
    send(&[("key", "k"), policy, access, ("signature", &right)]).error(403, "AccessDenied");
    assert!(files(&server.path("")).is_empty());
    let stored = send(&[key, policy, access, ("signature", &right)]).expect(204);
    assert_eq!(stored.find("Access-Control-Allow-Origin"), None);
    assert_eq!(files(&server.path("")), ["up/k"]);
}

fn signed_by_a_reader(runtime: &Runtime) {
    // A key that may only read signs no form.
    let setup = Setup::new(*runtime);
    let file = setup.home().join("keys");
    std::fs::write(&file, "AKID:secret-of-AKID:ro\nOTHER:secret-of-OTHER\n").unwrap();
    let server = setup.arg("--credentials").arg(file).start();
    let policy = policy(r#"["eq","$key","k"]"#);
    let send = |access: &str| {
        let right = signature(&format!("secret-of-{access}"), &policy);
        let policy = ("policy", policy.as_str());
        post(
            &server,
            &[("key", "k"), policy, ("AWSAccessKeyId", access), ("signature", &right)],
            b"x",
        )
    };
    send("AKID").error(403, "AccessDenied");
    assert!(files(&server.path("")).is_empty());
    send("OTHER").expect(204);
}

fn read_only(runtime: &Runtime) {
    // --read-only refuses forms too.
    let server = Setup::new(*runtime).arg("--read-only").start();
    post(&server, &[("key", "k")], b"x").error(403, "AccessDenied");
    assert!(files(&server.path("")).is_empty());
}
