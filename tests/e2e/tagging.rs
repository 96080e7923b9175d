//! Tags of objects and buckets, as clients put and read them.

use crate::support::http::Response;
use crate::support::server::Server;

on_every_runtime![
    empty_tag_set_for_an_object_without_tags,
    object_tags,
    tags_with_the_upload,
    refused,
    as_many_as_can_be,
    bucket_tags,
];

fn tagging(pairs: &[(&str, &str)]) -> String {
    let tag =
        |(key, value): &(&str, &str)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    let tags: String = pairs.iter().map(tag).collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

fn tags(response: &Response) -> Vec<(String, String)> {
    response.all("Key").into_iter().zip(response.all("Value")).collect()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

fn empty_tag_set_for_an_object_without_tags(server: &Server) {
    // Trap 12: aws cli v2 asks for the tags of what it copies, and an error ends the copy.
    server.store("k", "hello");
    let none = server.get("/bench/k?tagging").expect(200);
    assert_eq!(none.header("Content-Type"), "application/xml");
    assert!(none.text().contains("<TagSet></TagSet>"), "{}", none.text());
    server.get("/bench/none?tagging").error(404, "NoSuchKey");
    server.get("/nowhere/none?tagging").error(404, "NoSuchBucket");
}

fn object_tags(server: &Server) {
    // Tags are put, read, replaced and removed, and the object stays what it was.
    for key in ["k", "d/e", "a//b", "folder/"] {
        server.put(&format!("/bench/{key}"), "").expect(200);
        let target = format!("/bench/{key}?tagging");
        let before = server.head(&format!("/bench/{key}")).expect(200);
        for new in [&[("b c", "x/y"), ("a", "")][..], &[("ü", "文")], &[]] {
            server.put(&target, tagging(new)).expect(200);
            assert_eq!(tags(&server.get(&target).expect(200)), owned(new));
        }
        server.put(&target, tagging(&[("a", "b")])).expect(200);
        server.delete(&target).expect(204);
        server.delete(&target).expect(204);
        assert_eq!(tags(&server.get(&target).expect(200)), owned(&[]));
        let after = server.head(&format!("/bench/{key}")).expect(200);
        for name in ["ETag", "Last-Modified", "Content-Length"] {
            assert_eq!(after.header(name), before.header(name));
        }
    }
    server.put("/bench/none?tagging", tagging(&[("a", "b")])).error(404, "NoSuchKey");
    server.delete("/bench/none?tagging").error(404, "NoSuchKey");
}

fn tags_with_the_upload(server: &Server) {
    // x-amz-tagging gives an object its tags, and the next PUT without it takes them.
    let put = |header: &str| {
        server.request("PUT", "/bench/k").header("x-amz-tagging", header).body("x").send()
    };
    put("b=1&a%20c=d%2Be&f").expect(200);
    let expected = owned(&[("b", "1"), ("a c", "d+e"), ("f", "")]);
    assert_eq!(tags(&server.get("/bench/k?tagging")), expected);
    put("a=1&a=2").error(400, "InvalidArgument");
    put("a!=1").error(400, "InvalidTag");
    assert_eq!(tags(&server.get("/bench/k?tagging")), expected);
    server.store("k", "x");
    assert_eq!(tags(&server.get("/bench/k?tagging")), owned(&[]));
}

fn refused(server: &Server) {
    // What S3 refuses is refused with its words, and the tags stay as they are.
    server.store("k", "x");
    server.put("/bench/k?tagging", tagging(&[("a", "b")])).expect(200);
    let eleven: Vec<_> = "abcdefghijk".split("").filter(|key| !key.is_empty()).collect();
    let eleven: Vec<_> = eleven.into_iter().map(|key| (key, "")).collect();
    for (document, code, message) in [
        (tagging(&eleven), "BadRequest", "Object tags cannot be greater than 10"),
        (
            tagging(&[("a", "1"), ("a", "2")]),
            "InvalidTag",
            "Cannot provide multiple Tags with the same key",
        ),
        (tagging(&[("", "1")]), "InvalidTag", "The TagKey you have provided is invalid"),
        (
            tagging(&[(&"k".repeat(129), "")]),
            "InvalidTag",
            "The TagKey you have provided is invalid",
        ),
        (
            tagging(&[("a", &"v".repeat(257))]),
            "InvalidTag",
            "The TagValue you have provided is invalid",
        ),
        ("<Tagging>".into(), "MalformedXML", ""),
        ("<TagSet/>".into(), "MalformedXML", ""),
    ] {
        let response = server.put("/bench/k?tagging", &document).error(400, code);
        assert!(response.text().contains(message), "{}", response.text());
    }
    assert_eq!(tags(&server.get("/bench/k?tagging")), owned(&[("a", "b")]));
}

fn as_many_as_can_be(server: &Server) {
    // Ten tags of 128 and 256 characters fit, wherever the file system keeps them.
    server.store("k", "x");
    let pairs: Vec<_> =
        (0..10).map(|n| (format!("{n}{}", "k".repeat(127)), "文".repeat(256))).collect();
    let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    server.put("/bench/k?tagging", tagging(&pairs)).expect(200);
    assert_eq!(tags(&server.get("/bench/k?tagging")), owned(&pairs));
    assert_eq!(server.get("/bench/k").expect(200).text(), "x");
}

fn bucket_tags(server: &Server) {
    // A bucket has up to 50 tags of its own; without any it says NoSuchTagSet.
    server.get("/bench?tagging").error(404, "NoSuchTagSet");
    let fifty: Vec<_> = (0..51).map(|n| n.to_string()).collect();
    let fifty: Vec<_> = fifty.iter().map(|key| (key.as_str(), "v")).collect();
    server.put("/bench?tagging", tagging(&fifty)).error(400, "BadRequest");
    server.put("/bench?tagging", tagging(&fifty[1..])).expect(204);
    assert_eq!(tags(&server.get("/bench?tagging").expect(200)), owned(&fifty[1..]));
    server.delete("/bench?tagging").expect(204);
    server.get("/bench?tagging").error(404, "NoSuchTagSet");
    server.get("/nowhere?tagging").error(404, "NoSuchBucket");
}
