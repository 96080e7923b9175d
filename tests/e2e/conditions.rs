//! Conditional writes and deletes: what a client has not seen is not replaced and not removed.

use crate::support::http::{Request, Response};
use crate::support::server::Server;
use crate::support::tree::files;
use lobos_digest::{Algorithm, digest};

on_every_store![delete_if_match, delete_missing, delete_size_and_time, delete_many,];

on_every_runtime![delete_nonsense, one_of_all_wins];

fn delete(server: &Server, key: &str) -> Request {
    server.request("DELETE", &format!("/bench/{key}"))
}

fn delete_objects(server: &Server, objects: &str) -> Response {
    let document = format!("<Delete>{objects}</Delete>");
    let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
    server.request("POST", "/bench?delete").header("Content-MD5", md5).body(document).send()
}

fn delete_if_match(server: &Server) {
    // Only the object that the client has seen is removed, or any with `*`.
    for key in ["k", "d/k", "a//b"] {
        let etag = server.store(key, "first").header("ETag").to_owned();
        server.store(key, "second");
        let refused = delete(server, key).header("If-Match", &etag).send();
        let refused = refused.error(412, "PreconditionFailed");
        assert_eq!(refused.one("Condition"), "If-Match");
        assert_eq!(server.get(&format!("/bench/{key}")).text(), "second");
        let etag = server.head(&format!("/bench/{key}")).header("ETag").to_owned();
        delete(server, key).header("If-Match", &etag).send().expect(204);
        server.head(&format!("/bench/{key}")).expect(404);
        server.store(key, "third");
        delete(server, key).header("If-Match", "*").send().expect(204);
    }
    assert_eq!(server.get("/bench?list-type=2").all("Key"), Vec::<String>::new());
}

fn delete_missing(server: &Server) {
    // Where there is nothing, a delete with If-Match is 404, and any other a success.
    for value in ["*", "\"x\""] {
        delete(server, "none").header("If-Match", value).send().error(404, "NoSuchKey");
    }
    delete(server, "none").header("x-amz-if-match-size", 5).send().expect(204);
    let time = "Sun, 06 Nov 1994 08:49:37 GMT";
    delete(server, "none").header("x-amz-if-match-last-modified-time", time).send().expect(204);
    let request = server.request("DELETE", "/nowhere/k").header("If-Match", "*");
    request.send().error(404, "NoSuchBucket");
    assert!(!server.path(".lobos").exists());
}

fn delete_size_and_time(server: &Server) {
    // The size and the second of the last change are conditions too, alone and together.
    let (size, time) = ("x-amz-if-match-size", "x-amz-if-match-last-modified-time");
    server.store("k", "hello");
    let modified = server.head("/bench/k").header("Last-Modified").to_owned();
    let other = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (name, value) in [(size, "4"), (time, other), (time, "1994-11-06T08:49:37.000Z")] {
        let refused = delete(server, "k").header(name, value).send();
        assert_eq!(refused.error(412, "PreconditionFailed").one("Condition"), name);
    }
    delete(server, "k").header(size, 5).header(time, other).send().expect(412);
    delete(server, "k").header(size, 5).header(time, &modified).send().expect(204);
    server.head("/bench/k").expect(404);
}

fn delete_nonsense(server: &Server) {
    // A condition that cannot be read is refused: to remove all the same would be a wrong success.
    server.store("k", "hello");
    for (name, value) in [
        ("x-amz-if-match-size", "five"),
        ("x-amz-if-match-size", "-5"),
        ("x-amz-if-match-last-modified-time", "yesterday"),
    ] {
        delete(server, "k").header(name, value).send().error(400, "InvalidArgument");
    }
    assert_eq!(files(&server.path("")), ["k"]);
}

fn delete_many(server: &Server) {
    // Each key of a multi-delete has its own conditions, and its own error.
    let etag = server.store("a", "1").header("ETag").replace('"', "&quot;");
    server.store("b", "22");
    server.store("c", "333");
    let modified = server.head("/bench/c").header("Last-Modified").to_owned();
    let answer = delete_objects(
        server,
        &format!(
            "<Object><Key>b</Key><ETag>{etag}</ETag></Object>\
             <Object><Key>a</Key><ETag>{etag}</ETag></Object>\
             <Object><Key>a</Key><ETag>*</ETag></Object>\
             <Object><Key>b</Key><Size>1</Size></Object>\
             <Object><Key>c</Key><Size>3</Size>\
             <LastModifiedTime>{modified}</LastModifiedTime></Object>"
        ),
    );
    let answer = answer.expect(200);
    assert_eq!(answer.all("Key"), ["b", "a", "a", "b", "c"]);
    assert_eq!(answer.all("Deleted").len(), 2);
    assert_eq!(answer.all("Code"), ["PreconditionFailed", "NoSuchKey", "PreconditionFailed"]);
    assert_eq!(answer.all("Message").len(), 3);
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["b"]);
    let bad = "<Object><Key>b</Key><Size>two</Size></Object>";
    delete_objects(server, bad).error(400, "MalformedXML");
}

fn one_of_all_wins(server: &Server) {
    // Of a write, a copy, a rename, an append and a delete of one object as it was, each with
    // If-Match, exactly one is done.
    for round in 0..10 {
        let key = format!("/bench/race{round}");
        let etag = server.put(&key, "first").expect(200).header("ETag").to_owned();
        server.put("/bench/from", "copied").expect(200);
        server.put("/bench/moved", "moved").expect(200);
        let put = || server.request("PUT", &key).header("If-Match", &etag);
        let requests = [
            put().body("put"),
            put().header("x-amz-copy-source", "/bench/from"),
            put().header("x-amz-write-offset-bytes", 5).body("appended"),
            server.request("DELETE", &key).header("If-Match", &etag),
            server
                .request("PUT", &format!("{key}?renameObject"))
                .header("x-amz-rename-source", "moved")
                .header("If-Match", &etag),
        ];
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let sent: Vec<_> =
                requests.iter().map(|request| scope.spawn(|| request.send().status)).collect();
            sent.into_iter().map(|sent| sent.join().unwrap()).collect()
        });
        let won = statuses.iter().filter(|status| [200, 204].contains(*status)).count();
        assert_eq!(won, 1, "{statuses:?}");
        let lost = |status: &u16| [200, 204, 400, 404, 409, 412].contains(status);
        assert!(statuses.iter().all(lost), "{statuses:?}");
    }
}
