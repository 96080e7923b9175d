//! Both list operations: order, prefix, delimiter, paging and every parameter.

use crate::support::http::Response;
use crate::support::server::Server;

on_every_store![
    empty,
    shape_of_v2,
    shape_of_v1,
    byte_order,
    prefix,
    delimiter,
    any_delimiter,
    delimiter_and_prefix,
    versions,
    page_ends,
    start_after,
    marker,
    max_keys,
    encoding_type,
    fetch_owner,
    changes_between_pages,
    missing_bucket,
];

on_every_runtime![pages_of_2500, pages_of_v1, pages_with_a_delimiter, special_names];

fn store_all(server: &Server, keys: &[&str]) {
    let mut connection = server.connect();
    for key in keys {
        let target = format!("/bench/{}", escape(key));
        server.request("PUT", &target).body("x").on(&mut connection).expect(200);
    }
}

fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    text.bytes()
        .map(|b| if plain(b) { char::from(b).into() } else { format!("%{b:02X}") })
        .collect()
}

fn list(server: &Server, query: &str) -> Response {
    server.get(&format!("/bench?list-type=2{query}")).expect(200)
}

fn list_v1(server: &Server, query: &str) -> Response {
    server.get(&format!("/bench?{query}")).expect(200)
}

/// The prefixes in CommonPrefixes; the Prefix of the request stands before them.
fn common(page: &Response) -> Vec<String> {
    page.all("CommonPrefixes").iter().flat_map(|inner| unwrap(inner, "Prefix")).collect()
}

fn unwrap(inner: &str, element: &str) -> Vec<String> {
    crate::support::xml::all(inner, element)
}

/// All pages of a ListObjectsV2: keys, common prefixes, and how many pages there were.
fn all_pages(server: &Server, query: &str) -> (Vec<String>, Vec<String>, usize) {
    let (mut keys, mut prefixes, mut pages) = (Vec::new(), Vec::new(), 0);
    let mut token = String::new();
    loop {
        let page = list(server, &format!("{query}{token}"));
        let (more, found) = (page.all("Key"), common(&page));
        assert_eq!(page.one("KeyCount"), (more.len() + found.len()).to_string());
        keys.extend(more);
        prefixes.extend(found);
        pages += 1;
        assert!(pages < 3000);
        if page.one("IsTruncated") == "false" {
            assert_eq!(page.all("NextContinuationToken"), Vec::<String>::new());
            return (keys, prefixes, pages);
        }
        token = format!("&continuation-token={}", escape(&page.one("NextContinuationToken")));
    }
}

fn empty(server: &Server) {
    // An empty bucket lists nothing and is not truncated.
    for page in [list(server, ""), list_v1(server, "")] {
        assert_eq!(page.header("Content-Type"), "application/xml");
        assert_eq!(page.all("Key"), Vec::<String>::new());
        assert_eq!(page.one("IsTruncated"), "false");
        assert_eq!(page.one("Name"), "bench");
        assert_eq!(page.one("MaxKeys"), "1000");
    }
    assert_eq!(list(server, "").one("KeyCount"), "0");
}

fn shape_of_v2(server: &Server) {
    // One entry has key, date, tag, size and storage class, as HeadObject has them.
    let etag = server.store("a/k", "hello").header("ETag").to_owned();
    let page = list(server, "&prefix=a%2F");
    let start = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    assert!(page.text().contains(start));
    assert_eq!(page.one("Prefix"), "a/");
    let contents = page.one("Contents");
    let one = |name| unwrap(&contents, name).remove(0);
    assert_eq!(
        (one("Key"), one("Size"), one("StorageClass")),
        ("a/k".into(), "5".into(), "STANDARD".into())
    );
    assert_eq!(page.one("ETag"), etag);
    let date = one("LastModified");
    assert!(date.len() == 24 && date.as_bytes()[10] == b'T' && date.ends_with('Z'), "{date}");
    assert_eq!(page.all("Marker"), Vec::<String>::new());
}

fn shape_of_v1(server: &Server) {
    // ListObjects echoes its marker, has no KeyCount and always has the owner.
    server.store("k", "hello");
    let page = list_v1(server, "prefix=k&marker=a");
    assert_eq!((page.one("Marker"), page.one("Prefix")), ("a".into(), "k".into()));
    assert_eq!(page.all("KeyCount"), Vec::<String>::new());
    assert_eq!(page.all("Key"), ["k"]);
    assert_eq!(page.all("Owner").len(), 1);
}

fn byte_order(server: &Server) {
    // Keys come in the order of their UTF-8 bytes, across folders.
    let mut keys = [
        "a",
        "a!",
        "a-b",
        "a.b",
        "a/b",
        "a/b/c",
        "a/b.c",
        "a0",
        "aa",
        "B",
        "b",
        "z/",
        "é",
        "日本",
        "~",
        "a b",
        "A/x",
        "a//b",
        "a/b/",
        "\u{ffff}",
        "\u{10000}",
        "a\u{1}b",
    ];
    store_all(server, &keys.map(|k| if k.ends_with('/') { "unused" } else { k }));
    server.delete("/bench/unused").expect(204);
    for key in keys.iter().filter(|k| k.ends_with('/')) {
        server.put(&format!("/bench/{key}"), "").expect(200);
    }
    keys.sort_unstable();
    assert_eq!(list(server, "&encoding-type=url").all("Key"), keys.map(escape));
    for max in [1, 2, 3, 7] {
        let query = format!("&encoding-type=url&max-keys={max}");
        assert_eq!(all_pages(server, &query).0, keys.map(escape), "{max}");
    }
}

fn prefix(server: &Server) {
    // A prefix may end anywhere in a name and in any folder.
    store_all(server, &["a/b/c", "a/bc", "a/bd/x", "ab", "b", "a/ü"]);
    for (prefix, keys) in [
        ("a", vec!["a/b/c", "a/bc", "a/bd/x", "a/ü", "ab"]),
        ("a/", vec!["a/b/c", "a/bc", "a/bd/x", "a/ü"]),
        ("a/b", vec!["a/b/c", "a/bc", "a/bd/x"]),
        ("a/b/", vec!["a/b/c"]),
        ("a/bc", vec!["a/bc"]),
        ("a/bc/", vec![]),
        ("a/%C3%BC", vec!["a/ü"]),
        ("/a", vec![]),
        ("../", vec![]),
        ("a/../", vec![]),
        ("x", vec![]),
        ("", vec!["a/b/c", "a/bc", "a/bd/x", "a/ü", "ab", "b"]),
    ] {
        assert_eq!(list(server, &format!("&prefix={prefix}")).all("Key"), keys, "{prefix}");
    }
}

fn delimiter(server: &Server) {
    // Keys behind the delimiter are rolled up into common prefixes, in order among the keys.
    store_all(server, &["a", "b/1", "b/2/3", "c", "d/x", "b.x"]);
    let page = list(server, "&delimiter=%2F");
    assert_eq!(page.all("Key"), ["a", "b.x", "c"]);
    assert_eq!(common(&page), ["b/", "d/"]);
    assert_eq!(page.one("Delimiter"), "/");
    assert_eq!(page.one("KeyCount"), "5");
    let inner = list(server, "&delimiter=/&prefix=b/");
    assert_eq!((inner.all("Key"), common(&inner)), (vec!["b/1".into()], vec!["b/2/".into()]));
    let none = list(server, "&delimiter=");
    assert_eq!(none.all("Key").len(), 6);
    assert_eq!(none.all("Delimiter"), Vec::<String>::new());
    let v1 = list_v1(server, "delimiter=/");
    assert_eq!((v1.all("Key"), common(&v1)), (page.all("Key"), common(&page)));
}

fn any_delimiter(server: &Server) {
    // A delimiter is any string, also longer than one character and across folders.
    store_all(server, &["a-b-1", "a-b-2", "a-c", "x/y-z", "x/y/z", "nodash"]);
    let page = list(server, "&delimiter=-");
    assert_eq!(
        (page.all("Key"), common(&page)),
        (vec!["nodash".into(), "x/y/z".into()], vec!["a-".into(), "x/y-".into()])
    );
    let page = list(server, "&delimiter=-b-");
    assert_eq!(common(&page), ["a-b-"]);
    let page = list(server, "&delimiter=/y");
    assert_eq!(common(&page), ["x/y"]);
    assert_eq!(page.all("Key"), ["a-b-1", "a-b-2", "a-c", "nodash"]);
}

fn delimiter_and_prefix(server: &Server) {
    // The delimiter is looked for only after the prefix; a folder object is a key of its own list.
    store_all(server, &["photos/2026/jan/a", "photos/2026/feb/b", "photos/x"]);
    server.put("/bench/photos/", "").expect(200);
    let page = list(server, "&delimiter=/&prefix=photos/");
    assert_eq!(page.all("Key"), ["photos/", "photos/x"]);
    assert_eq!(common(&page), ["photos/2026/"]);
    let page = list(server, "&delimiter=/&prefix=photos/2026/");
    assert_eq!(common(&page), ["photos/2026/feb/", "photos/2026/jan/"]);
    let page = list(server, "&delimiter=/&prefix=pho");
    assert_eq!((page.all("Key"), common(&page)), (vec![], vec!["photos/".into()]));
}

fn pages_of_2500(server: &Server) {
    // 2,500 keys come in three pages of at most 1,000, each once and in order.
    let keys: Vec<String> = (0..2500).map(|at| format!("dir{}/k{at:05}", at / 1000)).collect();
    for key in &keys {
        server.place(key, "x");
    }
    let (found, _, pages) = all_pages(server, "");
    assert_eq!(pages, 3);
    assert!(found == keys);
    let (found, _, pages) = all_pages(server, "&max-keys=333&prefix=dir1/");
    assert_eq!(pages, 4);
    assert!(found == keys[1000..2000]);
    assert_eq!(list(server, "&max-keys=5000").all("Key").len(), 1000);
}

fn pages_of_v1(server: &Server) {
    // ListObjects goes on with NextMarker, or with the last key where there is no delimiter.
    let keys: Vec<String> = (0..25).map(|at| format!("d{}/k{at:02}", at / 10)).collect();
    for key in &keys {
        server.place(key, "x");
    }
    let (mut found, mut marker) = (Vec::new(), String::new());
    loop {
        let page = list_v1(server, &format!("max-keys=7&marker={marker}"));
        found.extend(page.all("Key"));
        // As S3: only a page with a delimiter has one.
        assert_eq!(page.all("NextMarker"), Vec::<String>::new());
        if page.one("IsTruncated") == "false" {
            break;
        }
        marker = escape(found.last().unwrap());
    }
    assert!(found == keys);
    let page = list_v1(server, "max-keys=2&delimiter=/");
    assert_eq!(
        (common(&page), page.one("NextMarker")),
        (vec!["d0/".into(), "d1/".into()], "d1/".into())
    );
    let page = list_v1(server, "max-keys=2&delimiter=/&marker=d1/");
    assert_eq!((common(&page), page.one("IsTruncated")), (vec!["d2/".into()], "false".into()));
    assert_eq!(page.all("NextMarker"), Vec::<String>::new());
}

fn versions(server: &Server) {
    // ListObjectVersions shows each object as its one version, `null`; a bucket can be emptied by
    // what it tells, page by page.
    store_all(server, &["a", "b/c", "b/d", "e//f", "folder/"]);
    let page = server.get("/bench?versions&delimiter=/").expect(200);
    assert_eq!(page.all("Version").len(), 1);
    assert_eq!(common(&page), ["b/", "e/", "folder/"]);
    let (mut found, mut marker) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/bench?versions&max-keys=2{marker}")).expect(200);
        for (key, version) in page.all("Key").into_iter().zip(page.all("VersionId")) {
            server.delete(&format!("/bench/{key}?versionId={version}")).expect(204);
            found.push((key, version));
        }
        if page.one("IsTruncated") == "false" {
            break;
        }
        let (key, version) = (page.one("NextKeyMarker"), page.one("NextVersionIdMarker"));
        marker = format!("&key-marker={}&version-id-marker={version}", escape(&key));
    }
    let all = ["a", "b/c", "b/d", "e//f", "folder/"].map(|key| (key.into(), "null".into()));
    assert_eq!(found, all);
    assert_eq!(server.get("/bench?versions").expect(200).all("Version").len(), 0);
    server.get("/bench?versions&version-id-marker=null").error(400, "InvalidArgument");
    server.get("/nowhere?versions").error(404, "NoSuchBucket");
}

fn pages_with_a_delimiter(server: &Server) {
    // Keys and common prefixes share the pages, and neither comes twice.
    for at in 0..20 {
        server.place(&format!("d{at:02}/one"), "x");
        server.place(&format!("d{at:02}/two"), "x");
        server.place(&format!("d{at:02}x"), "x");
    }
    for max in [1, 3, 39, 40] {
        let (keys, prefixes, _) = all_pages(server, &format!("&delimiter=/&max-keys={max}"));
        assert_eq!(keys, (0..20).map(|at| format!("d{at:02}x")).collect::<Vec<_>>());
        assert_eq!(prefixes, (0..20).map(|at| format!("d{at:02}/")).collect::<Vec<_>>());
    }
}

fn page_ends(server: &Server) {
    // A page that ends exactly with the last key is not truncated.
    store_all(server, &["a", "b", "c/d", "c/e"]);
    assert_eq!(list(server, "&max-keys=4").one("IsTruncated"), "false");
    assert_eq!(list(server, "&max-keys=3").one("IsTruncated"), "true");
    assert_eq!(list(server, "&max-keys=3&delimiter=/").one("IsTruncated"), "false");
    assert_eq!(list(server, "&max-keys=2&delimiter=/").one("IsTruncated"), "true");
}

fn start_after(server: &Server) {
    // start-after is exclusive, need not be a key, and a token outranks it.
    store_all(server, &["a", "b/1", "b/2", "c"]);
    for (after, keys) in [
        ("a", vec!["b/1", "b/2", "c"]),
        ("b/1", vec!["b/2", "c"]),
        ("b/11", vec!["b/2", "c"]),
        ("b", vec!["b/1", "b/2", "c"]),
        ("b0", vec!["c"]),
        ("c", vec![]),
        ("", vec!["a", "b/1", "b/2", "c"]),
    ] {
        assert_eq!(list(server, &format!("&start-after={after}")).all("Key"), keys, "{after}");
    }
    let page = list(server, "&start-after=a&max-keys=1");
    assert_eq!((page.one("StartAfter"), page.all("Key")), ("a".into(), vec!["b/1".into()]));
    let token = escape(&page.one("NextContinuationToken"));
    let page = list(server, &format!("&start-after=a&continuation-token={token}"));
    assert_eq!(page.all("Key"), ["b/2", "c"]);
    assert_eq!(escape(&page.one("ContinuationToken")), token);
}

fn marker(server: &Server) {
    // A marker is exclusive and need not be a key.
    store_all(server, &["a", "b/1", "b/2", "c"]);
    for (marker, keys) in
        [("a", vec!["b/1", "b/2", "c"]), ("b/15", vec!["b/2", "c"]), ("d", vec![])]
    {
        assert_eq!(list_v1(server, &format!("marker={marker}")).all("Key"), keys, "{marker}");
    }
}

fn max_keys(server: &Server) {
    // max-keys=0 is an empty page that is not truncated; what is no number is refused.
    store_all(server, &["a", "b"]);
    let page = list(server, "&max-keys=0");
    assert_eq!((page.all("Key").len(), page.one("IsTruncated")), (0, "false".into()));
    assert_eq!((page.one("MaxKeys"), page.one("KeyCount")), ("0".into(), "0".into()));
    assert_eq!(list(server, "&max-keys=").all("Key").len(), 2);
    for bad in ["-1", "x", "1x", "99999999999999999999"] {
        for version in ["list-type=2&", ""] {
            let got = server.get(&format!("/bench?{version}max-keys={bad}"));
            got.error(400, "InvalidArgument");
        }
    }
}

fn encoding_type(server: &Server) {
    // encoding-type=url encodes every name in the answer, in both versions, and says so.
    store_all(server, &["a b/ü+%", "a b/x&<y>", "a b/z/1"]);
    let page = list(server, "&encoding-type=url&prefix=a%20b/&delimiter=/&start-after=a%20b");
    assert_eq!(page.one("EncodingType"), "url");
    assert_eq!(page.all("Key"), ["a%20b/x%26%3Cy%3E", "a%20b/%C3%BC%2B%25"]);
    assert_eq!(common(&page), ["a%20b/z/"]);
    assert_eq!(page.one("StartAfter"), "a%20b");
    assert_eq!(unwrap(page.text().split("<Contents>").next().unwrap(), "Prefix"), ["a%20b/"]);
    let page = list_v1(server, "encoding-type=url&max-keys=1&delimiter=%26&marker=a%20");
    assert_eq!((page.one("Delimiter"), page.one("Marker")), ("%26".into(), "a%20".into()));
    assert_eq!(page.one("NextMarker"), "a%20b/x%26");
    server.get("/bench?encoding-type=base64").error(400, "InvalidArgument");
}

fn special_names(server: &Server) {
    // Without encoding, names are XML text: markup is escaped and comes back the same.
    let keys = ["a&b", "a'b\"c", "a<b>", "a b", "a%20b", "a+b", "日本語", "a\\b", "a?b#c"];
    store_all(server, &keys);
    let mut sorted = keys;
    sorted.sort_unstable();
    assert_eq!(list(server, "").all("Key"), sorted);
    assert_eq!(list_v1(server, "").all("Key"), sorted);
    for key in keys {
        assert_eq!(server.get(&format!("/bench/{}", escape(key))).expect(200).text(), "x");
        assert!(server.path(key).is_file());
    }
}

fn fetch_owner(server: &Server) {
    // ListObjectsV2 names owners only when asked.
    server.store("k", "x");
    assert_eq!(list(server, "").all("Owner").len(), 0);
    assert_eq!(list(server, "&fetch-owner=false").all("Owner").len(), 0);
    assert_eq!(list(server, "&fetch-owner=true").all("Owner").len(), 1);
}

fn changes_between_pages(server: &Server) {
    // A token holds its place when keys come and go, also the one that it names.
    store_all(server, &["a", "b", "c", "d"]);
    let token = escape(&list(server, "&max-keys=2").one("NextContinuationToken"));
    server.delete("/bench/b").expect(204);
    store_all(server, &["aa", "bb"]);
    let page = list(server, &format!("&continuation-token={token}"));
    assert_eq!(page.all("Key"), ["bb", "c", "d"]);
    let broken = server.get("/bench?list-type=2&continuation-token=nonsense!");
    broken.error(400, "InvalidArgument");
}

fn missing_bucket(server: &Server) {
    // A bucket that is not there is NoSuchBucket, and an unknown version of listing is refused.
    server.get("/nothere?list-type=2").error(404, "NoSuchBucket");
    server.get("/nothere").error(404, "NoSuchBucket");
    server.get("/bench?list-type=3").error(400, "InvalidArgument");
}
