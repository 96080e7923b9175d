//! DeleteObjects: up to 1,000 keys in one request.

use crate::support::http::{Request, Response};
use crate::support::server::Server;
use crate::support::tree::files;
use lobos_digest::{Algorithm, digest};

on_every_store![
    quiet,
    missing_keys,
    thousand,
    too_many,
    special_names,
    control_characters,
    bad_keys,
    digests,
    malformed,
    missing_bucket,
];

on_every_runtime![answers_each_key, versions, folders];

fn document(keys: &[&str]) -> String {
    let objects: String =
        keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>")
}

fn post(server: &Server, document: &str) -> Request {
    let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
    server.request("POST", "/bench?delete").header("Content-MD5", md5).body(document)
}

fn delete(server: &Server, keys: &[&str]) -> Response {
    post(server, &document(keys)).send().expect(200)
}

fn answers_each_key(server: &Server) {
    // Each key is removed and named in the answer, in order; others stay.
    for key in ["a", "b/c", "d"] {
        server.store(key, "x");
    }
    let answer = delete(server, &["b/c", "a"]);
    assert_eq!(answer.header("Content-Type"), "application/xml");
    let start = "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    assert!(answer.text().contains(start), "{}", answer.text());
    assert_eq!(answer.all("Deleted").len(), 2);
    assert_eq!(answer.all("Key"), ["b/c", "a"]);
    assert_eq!(files(&server.path("")), ["d"]);
}

fn quiet(server: &Server) {
    // In quiet mode only errors are answered.
    server.store("a", "x");
    let document = "<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object>\
                    <Object><Key>../b</Key></Object></Delete>";
    let answer = post(server, document).send().expect(200);
    assert_eq!(answer.all("Deleted"), Vec::<String>::new());
    assert_eq!(answer.all("Key"), ["../b"]);
    assert_eq!(answer.all("Error").len(), 1);
    server.head("/bench/a").expect(404);
}

fn missing_keys(server: &Server) {
    // A key that is not there counts as deleted, also twice in one request.
    server.store("a", "x");
    let answer = delete(server, &["none", "a", "a", "no/folder/k"]);
    assert_eq!(answer.all("Deleted").len(), 4);
    assert_eq!(answer.all("Error"), Vec::<String>::new());
}

fn thousand(server: &Server) {
    // 1,000 keys go in one request, and the folders that held them go with them.
    let keys: Vec<String> = (0..1000).map(|at| format!("d{}/k{at}", at % 7)).collect();
    let mut connection = server.connect();
    for key in &keys {
        let request = server.request("PUT", &format!("/bench/{key}")).body("x");
        request.on(&mut connection).expect(200);
    }
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(delete(server, &names).all("Deleted").len(), 1000);
    assert_eq!(server.get("/bench?list-type=2").one("KeyCount"), "0");
    assert!(!server.path("d0").exists());
}

fn too_many(server: &Server) {
    // 1,001 keys are MalformedXML and none is removed.
    server.store("k", "x");
    post(server, &document(&["k"; 1001])).send().error(400, "MalformedXML");
    server.get("/bench/k").expect(200);
    post(server, &document(&[])).send().error(400, "MalformedXML");
}

fn special_names(server: &Server) {
    // Keys in XML are text: entities, spaces and any character name the object that they spell.
    for (target, key) in [
        ("a%26b", "a&amp;b"),
        ("a%3Cb%3E", "a&lt;b&#62;"),
        ("%20a%20", " a "),
        ("a%2Bb%25", "a+b%"),
        ("%C3%BC", "&#xFC;"),
        ("%E6%97%A5", "日"),
        ("a//b", "a//b"),
        ("c%26d", "<![CDATA[c&d]]>"),
    ] {
        server.store(target, "x");
        let answer = delete(server, &[key]);
        assert_eq!(answer.all("Error"), Vec::<String>::new(), "{key}");
        server.get(&format!("/bench/{target}")).error(404, "NoSuchKey");
    }
}

fn control_characters(server: &Server) {
    // Keys with control characters are spelled with references, in the request and in the answer.
    server.store("a%01%0D%0Ab", "x");
    let answer = delete(server, &["a&#x1;&#13;&#xA;b"]);
    assert!(answer.text().contains("<Deleted><Key>a&#x1;&#xd;&#xa;b</Key></Deleted>"));
    server.get("/bench/a%01%0D%0Ab").error(404, "NoSuchKey");
}

fn versions(server: &Server) {
    // The version `null` is the object, and is told back; there is no other.
    for key in ["a", "b"] {
        server.store(key, "x");
    }
    let object =
        |key, version| format!("<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>");
    let document = format!("<Delete>{}{}</Delete>", object("a", "null"), object("b", "1"));
    let answer = post(server, &document).send().expect(200);
    assert_eq!(answer.all("VersionId"), ["null", "1"]);
    assert_eq!((answer.all("Deleted").len(), answer.one("Code")), (1, "NoSuchVersion".into()));
    assert_eq!(files(&server.path("")), ["b"]);
}

fn bad_keys(server: &Server) {
    // A key that cannot be one is an error of its own, and the others are removed.
    std::fs::write(server.home().join("secret"), "x").unwrap();
    server.store("a", "x");
    let long = "k".repeat(1025);
    let answer = delete(server, &["../secret", "a", "b/../../secret", &long, ""]);
    assert_eq!(answer.all("Deleted").len(), 1);
    let errors = answer.all("Error");
    assert_eq!(errors.len(), 4);
    assert!(errors[0].contains("<Key>../secret</Key>"));
    assert!(errors.iter().all(|e| e.contains("<Code>") && e.contains("<Message>")));
    assert!(errors[2].contains("<Code>KeyTooLongError</Code>"));
    assert!(server.home().join("secret").exists());
}

fn digests(server: &Server) {
    // The document is verified before anything is removed.
    server.store("k", "x");
    let document = document(&["k"]);
    let crc = |text: &str| digest(Algorithm::Crc32, text.as_bytes()).to_base64();
    let sha = |text: &str| digest(Algorithm::Sha256, text.as_bytes()).to_hex();
    let md5 = |text: &str| digest(Algorithm::Md5, text.as_bytes()).to_base64();
    for (name, value, code) in [
        ("Content-MD5", md5("other"), "BadDigest"),
        ("Content-MD5", "nonsense".into(), "InvalidDigest"),
        ("x-amz-checksum-crc32", crc("other"), "BadDigest"),
        ("x-amz-content-sha256", sha("other"), "XAmzContentSHA256Mismatch"),
    ] {
        let request = server.request("POST", "/bench?delete").header(name, &value).body(&document);
        let request = match name {
            "x-amz-content-sha256" => request.header("Content-MD5", md5(&document)),
            _ => request,
        };
        request.send().error(400, code);
        server.get("/bench/k").expect(200);
    }
    // Without one it is not taken for whole; the digest of a signature is none of these.
    let request = server.request("POST", "/bench?delete").body(&document);
    let refused = request.send().error(400, "InvalidRequest");
    let words = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
    assert_eq!(refused.one("Message"), words);
    let signed = request.header("x-amz-content-sha256", sha(&document));
    signed.send().error(400, "InvalidRequest");
    let request = server.request("POST", "/bench?delete");
    let request = request.header("x-amz-checksum-crc32", crc(&document));
    let request = request.header("x-amz-content-sha256", sha(&document));
    assert_eq!(request.body(&document).send().expect(200).all("Deleted").len(), 1);
}

fn malformed(server: &Server) {
    // What is no Delete document is MalformedXML and removes nothing.
    server.store("k", "x");
    for document in [
        "",
        "k",
        "<Delete>",
        "<Delete><Object><Key>k</Key></Object>",
        "<Delete><Object></Object></Delete>",
        "<Other><Object><Key>k</Key></Object></Other>",
        "<Delete><Object><Key>k</Object></Key></Delete>",
        "<Delete><Object><Key>k</Key></Object></Delete><Delete/>",
        "<Delete><Object><Key>&undefined;</Key></Object></Delete>",
        "<!DOCTYPE d [<!ENTITY e \"k\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
    ] {
        post(server, document).send().error(400, "MalformedXML");
        assert_eq!(server.get("/bench/k").expect(200).text(), "x", "{document}");
    }
    let large = format!("<Delete>{}</Delete>", " ".repeat(3 << 20));
    post(server, &large).send().refusal();
}

fn folders(server: &Server) {
    // A folder's name is no object: what is beneath it stays.
    server.store("d/k", "x");
    server.place("mine/k", "x");
    let answer = delete(server, &["d", "d/", "mine", "mine/"]);
    assert_eq!(answer.all("Deleted").len(), 4);
    assert_eq!(files(&server.path("")), ["d/k", "mine/k"]);
}

fn missing_bucket(server: &Server) {
    // A bucket that is not there is NoSuchBucket.
    let document = document(&["k"]);
    let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
    let request = server.request("POST", "/nothere?delete").header("Content-MD5", md5);
    request.body(document).send().error(404, "NoSuchBucket");
}
