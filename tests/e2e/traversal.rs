//! Names that try to leave the bucket, in every spelling and by every way into the store: nothing
//! outside is read, listed, written or removed, and neither is what the server keeps for itself.

use std::fs;

use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::{files, state};
use lobos_digest::{Algorithm, digest};

on_every_runtime![
    keys,
    copy_sources,
    rename_sources,
    delete_objects,
    form_keys,
    form_file_names,
    listings,
    upload_ids,
    bucket_names,
    names_that_only_look_so,
    own_folder,
    own_folder_by_other_names,
];
on_every_runtime!(with std::convert::identity; bucket_names_of_a_root);

const SECRET: &str = "what nobody may read";

/// Ways to write `../secret`, percent-encoded for a URL.
const SPELLINGS: [&str; 24] = [
    "../secret",
    "%2e%2e/secret",
    ".%2e/secret",
    "%2E./secret",
    "..%2fsecret",
    "..%2Fsecret",
    "%2e%2e%2fsecret",
    "a/../../secret",
    "a/%2e%2e/%2e%2e/secret",
    "a%2f..%2f..%2fsecret",
    "./../secret",
    "a/./../../secret",
    "/../secret",
    "//../secret",
    "%2f..%2fsecret",
    "..//secret",
    "../../bench/../secret",
    "..",
    "../",
    ".",
    "./secret",
    "a/..",
    "a/.",
    "../secret/",
];

/// The same, in bytes that are no UTF-8: overlong, cut off, surrogates.
const BROKEN: [&str; 8] = [
    "%c0%ae%c0%ae/secret",
    "%c0%2e%c0%2e/secret",
    "%e0%80%ae%e0%80%ae/secret",
    "..%c0%afsecret",
    "..%c1%9csecret",
    "..%e0%80%afsecret",
    "%f0%80%80%ae./secret",
    "%ed%a0%80/../secret",
];

fn outside(server: &Server) {
    fs::write(server.home().join("secret"), SECRET).unwrap();
    fs::create_dir(server.home().join("other")).unwrap();
    fs::write(server.home().join("other/k"), SECRET).unwrap();
    server.place("mine", "mine");
    server.place("a/k", "mine");
}

/// All that is outside of the bucket, which no request may change.
fn rest(server: &Server) -> Vec<(String, String)> {
    let is_outside = |(name, _): &(String, String)| !name.starts_with("bench") && !name.is_empty();
    state(server.home()).into_iter().filter(is_outside).collect()
}

/// It gives nothing away, and is an answer.
#[track_caller]
fn harmless(answer: &Response, shown: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains("nobody") && !text.contains("<Key>secret"), "{shown}: {text}");
    assert!(answer.status < 500 || answer.status == 501, "{shown}: {}", answer.status);
}

fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        out.push(char::from(u8::from_str_radix(&after[..2], 16).unwrap()));
        rest = &after[2..];
    }
    out + rest
}

fn keys(server: &Server) {
    // In the path of a URL, for every method and operation.
    outside(server);
    let before = rest(server);
    let mine = files(&server.path(""));
    for spelling in SPELLINGS.iter().chain(&BROKEN) {
        for start in ["/bench/", "/bench//", "http://localhost/bench/", "http://bench.localhost/"] {
            for (method, query) in [
                ("GET", ""),
                ("HEAD", ""),
                ("PUT", ""),
                ("DELETE", ""),
                ("POST", ""),
                ("GET", "?tagging"),
                ("GET", "?acl"),
                ("GET", "?attributes"),
                ("PUT", "?tagging"),
                ("PUT", "?renameObject"),
                ("POST", "?uploads"),
                ("PUT", "?partNumber=1&uploadId=x"),
                ("POST", "?uploadId=x"),
                ("DELETE", "?uploadId=x"),
            ] {
                let target = format!("{start}{spelling}{query}");
                let request = server.request(method, &target);
                let request = request.header("x-amz-rename-source", "/bench/mine");
                let request = request.header("x-amz-object-attributes", "ETag");
                let answer = request.body(SECRET).send();
                harmless(&answer, &target);
                assert!(answer.status >= 400, "{method} {target}: {}", answer.status);
            }
        }
    }
    assert_eq!(rest(server), before);
    assert_eq!(files(&server.path("")), mine);
}

/// A copy from this source, as an object and as a part.
fn copies(server: &Server, source: &str) -> Vec<Response> {
    let upload = server.request("POST", "/bench/parts?uploads").body("").send().one("UploadId");
    let part = format!("/bench/parts?partNumber=1&uploadId={upload}");
    let copy = |to: &str| server.request("PUT", to).header("x-amz-copy-source", source).body("");
    let answers = vec![copy("/bench/copied").send(), copy(&part).send()];
    server.delete(&format!("/bench/parts?uploadId={upload}")).expect(204);
    answers
}

fn copy_sources(server: &Server) {
    // In x-amz-copy-source, for a copy and for the copy of a part.
    outside(server);
    let before = rest(server);
    for spelling in SPELLINGS.iter().chain(&BROKEN) {
        for start in ["bench/", "/bench/", "/bench%2F", "bench/a/../", "", "/", "../", "other/"] {
            let source = format!("{start}{spelling}");
            for answer in copies(server, &source) {
                harmless(&answer, &source);
                assert!(answer.status >= 400, "{source}: {}", answer.status);
            }
        }
    }
    for source in
        ["/etc/passwd", "file:///etc/passwd", "other/k", "../other/k", "/bench/../other/k"]
    {
        for answer in copies(server, source) {
            answer.refusal();
        }
    }
    assert!(!server.path("copied").exists());
    assert_eq!(rest(server), before);
}

fn rename_sources(server: &Server) {
    // In x-amz-rename-source.
    outside(server);
    let before = rest(server);
    for spelling in SPELLINGS.iter().chain(&BROKEN) {
        for start in ["", "/", "/bench/", "bench/"] {
            let source = format!("{start}{spelling}");
            let rename = server.request("PUT", "/bench/renamed?renameObject").body("");
            let answer = rename.header("x-amz-rename-source", &source).send();
            harmless(&answer, &source);
            assert!(answer.status >= 400, "{source}: {}", answer.status);
        }
    }
    assert!(!server.path("renamed").exists());
    assert_eq!(rest(server), before);
}

fn delete(server: &Server, key: &str) -> Response {
    let document = format!("<Delete><Object><Key>{key}</Key></Object></Delete>");
    let md5 = digest(Algorithm::Md5, document.as_bytes()).to_base64();
    server.request("POST", "/bench?delete").header("Content-MD5", md5).body(document).send()
}

fn delete_objects(server: &Server) {
    // In the XML of DeleteObjects, also as character references and CDATA.
    outside(server);
    let before = rest(server);
    let mine = files(&server.path(""));
    for spelling in SPELLINGS {
        let plain = decoded(spelling);
        let references: String = plain.bytes().map(|b| format!("&#{b};")).collect();
        for key in [plain.clone(), references, format!("<![CDATA[{plain}]]>"), format!("\n{plain}")]
        {
            let answer = delete(server, &key);
            harmless(&answer, &key);
            assert!(
                answer.status == 400 || answer.all("Error").len() == 1 || key.starts_with('\n')
            );
        }
    }
    for broken in ["\u{0}", "&#0;", "..&#0;/secret", "%2e%2e/secret", "..\\secret"] {
        harmless(&delete(server, broken), broken);
    }
    assert_eq!(rest(server), before);
    assert_eq!(files(&server.path("")), mine);
}

fn form(server: &Server, key: &str, file: &str) -> Response {
    let part = "--e\r\nContent-Disposition: form-data; name=";
    let body = format!(
        "{part}\"key\"\r\n\r\n{key}\r\n{part}\"file\"; filename=\"{file}\"\r\n\r\nform\r\n--e--\r\n"
    );
    let post = server.request("POST", "/bench").body(body);
    post.header("Content-Type", "multipart/form-data; boundary=e").send()
}

fn form_keys(server: &Server) {
    // In the key of a POST form, where it stands decoded.
    outside(server);
    let before = rest(server);
    let mine = files(&server.path(""));
    for spelling in SPELLINGS {
        let answer = form(server, &decoded(spelling), "name");
        harmless(&answer, spelling);
        assert_eq!(answer.status, 400, "{spelling}");
    }
    form(server, "a\0b", "name").refusal();
    assert_eq!(rest(server), before);
    assert_eq!(files(&server.path("")), mine);
}

fn form_file_names(server: &Server) {
    // In the name of the file that ${filename} stands for: what is before its last slash is no
    // part of it, and the rest is a name in the bucket or none.
    outside(server);
    let before = rest(server);
    for spelling in SPELLINGS {
        for key in ["${filename}", "a/${filename}", "a/b/${filename}"] {
            let answer = form(server, key, &decoded(spelling));
            harmless(&answer, spelling);
            assert!([204, 400].contains(&answer.status), "{key} {spelling}: {}", answer.status);
        }
    }
    let known = ["a/", "a/b/", "a/b/secret", "a/k", "a/secret", "mine", "secret"];
    assert_eq!(server.get("/bench?list-type=2").all("Key"), known);
    // `..` in two halves is no way out either, and other systems' paths are names.
    form(server, ".${filename}", ".").refusal();
    form(server, "../${filename}", "secret").refusal();
    form(server, "${filename}", "C:\\\\windows\\\\k").expect(204);
    assert_eq!(rest(server), before);
}

fn listings(server: &Server) {
    // In prefix, delimiter, marker, start-after, key-marker and continuation tokens.
    outside(server);
    let token = server.get("/bench?list-type=2&max-keys=1").one("NextContinuationToken");
    let before = rest(server);
    for spelling in SPELLINGS.iter().chain(&BROKEN).chain(&["%00", "a%00", "%2f", "/", "//"]) {
        for query in [
            format!("prefix={spelling}"),
            format!("list-type=2&prefix={spelling}"),
            format!("list-type=2&prefix={spelling}&delimiter=/"),
            format!("list-type=2&delimiter={spelling}"),
            format!("list-type=2&start-after={spelling}"),
            format!("marker={spelling}"),
            format!("versions&prefix={spelling}&key-marker={spelling}"),
            format!("uploads&prefix={spelling}&key-marker={spelling}&upload-id-marker={spelling}"),
            format!("list-type=2&continuation-token={spelling}"),
            format!("list-type=2&continuation-token={token}{spelling}"),
        ] {
            let answer = server.get(&format!("/bench?{query}"));
            harmless(&answer, &query);
            if answer.status == 200 {
                let known = ["a/k", "mine"].map(String::from);
                assert!(answer.all("Key").iter().all(|key| known.contains(key)), "{query}");
            }
        }
    }
    assert_eq!(rest(server), before);
}

fn upload_ids(server: &Server) {
    // In the id of a multipart upload: none leads to another folder.
    outside(server);
    let upload = server.request("POST", "/bench/k?uploads").body("").send().one("UploadId");
    let before = rest(server);
    let mine = files(&server.path(""));
    let ids = SPELLINGS.iter().chain(&BROKEN).map(|s| s.replace('&', "%26"));
    let more = [
        format!("../uploads/{upload}"),
        format!("{upload}/../{upload}"),
        format!("{upload}/"),
        format!("./{upload}"),
        format!("{upload}%00"),
        format!("{upload}%2f..%2f..%2ftmp"),
        "%00".into(),
        "a".repeat(5000),
        "..%2f..%2fa".into(),
    ];
    for id in ids.chain(more) {
        for (method, query) in [
            ("PUT", format!("partNumber=1&uploadId={id}")),
            ("GET", format!("uploadId={id}")),
            ("POST", format!("uploadId={id}")),
            ("DELETE", format!("uploadId={id}")),
        ] {
            let document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>\
                <ETag>a</ETag></Part></CompleteMultipartUpload>";
            let answer = server.request(method, &format!("/bench/k?{query}")).body(document).send();
            harmless(&answer, &id);
            assert!((400..500).contains(&answer.status), "{method} {id}: {}", answer.status);
        }
    }
    assert_eq!(rest(server), before);
    assert_eq!(files(&server.path("")), mine);
    server.get(&format!("/bench/k?uploadId={upload}")).expect(200);
}

/// Names that no bucket has.
const BUCKETS: [&str; 22] = [
    "..",
    ".",
    "%2e%2e",
    "%2e",
    "..%2f",
    "..%2fother",
    "%2fother",
    "bench%2f..%2fother",
    "bench%2f",
    "%2f",
    "%00",
    "bench%00",
    ".lobos",
    "%2elobos",
    "..%5cother",
    "%c0%ae%c0%ae",
    "other",
    "secret",
    "~",
    "C:",
    "bench.",
    "BENCH",
];

fn ask_buckets(server: &Server, names: &[&str]) {
    for name in names {
        for (method, rest) in [
            ("GET", ""),
            ("GET", "?list-type=2"),
            ("HEAD", ""),
            ("GET", "/k"),
            ("PUT", "/k"),
            ("DELETE", "/k"),
            ("DELETE", ""),
            ("GET", "/secret"),
            ("POST", "?delete"),
        ] {
            let target = format!("/{name}{rest}");
            let request: Request = server.request(method, &target).body("x");
            let answer = request.send();
            harmless(&answer, &target);
            assert!((400..500).contains(&answer.status), "{method} {target}: {}", answer.status);
        }
        if !name.contains(['%', '~', ':']) {
            let answer = server.request("GET", "/k").header("Host", format!("localhost/{name}"));
            harmless(&answer.send(), name);
            let answer = server.request("GET", "/k").header("Host", format!("{name}.localhost"));
            harmless(&answer.send(), name);
        }
    }
}

fn bucket_names(server: &Server) {
    // As the name of the bucket, in the path and in the host.
    outside(server);
    let before = state(server.home());
    ask_buckets(server, &BUCKETS);
    assert_eq!(state(server.home()), before);
}

fn bucket_names_of_a_root(runtime: &Runtime) {
    // The same where every folder is a bucket; none is made outside or under an odd name.
    let server = Setup::root(*runtime).start();
    outside(&server);
    fs::create_dir(server.home().join("root/photos")).unwrap();
    fs::create_dir(server.home().join("root/.lobos")).unwrap();
    std::os::unix::fs::symlink("../other", server.home().join("root/linked")).unwrap();
    let before = state(server.home());
    ask_buckets(&server, &BUCKETS);
    ask_buckets(&server, &["linked"]);
    for name in BUCKETS.iter().filter(|name| !["other", "secret"].contains(name)) {
        let made = server.request("PUT", &format!("/{name}")).body("").send();
        assert!((400..500).contains(&made.status), "{name}: {}", made.status);
    }
    server.request("PUT", "/linked").body("").send().refusal();
    assert_eq!(state(server.home()), before);
    assert_eq!(server.get("/").all("Name"), ["photos"]);
}

fn names_that_only_look_so(server: &Server) {
    // What is a path elsewhere is a name here: it stays in the bucket and comes back as it was.
    outside(server);
    let before = rest(server);
    for key in [
        "..%5csecret",
        "%5c..%5csecret",
        "%252e%252e/secret",
        "..%252fsecret",
        "%25c0%25ae",
        ".../secret",
        "..;/secret",
        "..%20/secret",
        "..%09/secret",
        "a/..b/k",
        "..a",
        "a..",
        "a./k.",
        "a%20/k%20",
        "C:/secret",
        "C:%5csecret",
        "file:%2f%2fsecret",
        "%ef%bc%8e%ef%bc%8e/secret",
        "%e2%80%a4%e2%80%a4/secret",
        "%ef%bc%8fsecret",
        "~/secret",
        "$HOME",
        "%7croot",
        "-rf",
        "*",
        "%0a../secret",
        "CON",
        "k:stream",
        "//secret",
        "/etc/passwd",
        "%2fetc%2fpasswd",
    ] {
        server.store(key, key);
        assert_eq!(server.get(&format!("/bench/{key}")).expect(200).text(), key);
        server.delete(&format!("/bench/{key}")).expect(204);
        server.get(&format!("/bench/{key}")).error(404, "NoSuchKey");
        assert_eq!(rest(server), before, "{key}");
    }
}

fn own_folder(server: &Server) {
    // What the server keeps in `.lobos` is reached by no key, bucket, source, prefix or form.
    server.store("a//b", "aside");
    server
        .put(
            "/bench?cors",
            "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin>\
        <AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
        )
        .expect(200);
    server.request("POST", "/bench/k?uploads").body("").send().expect(200);
    let own = |server: &Server| -> Vec<String> {
        let all = files(&server.path("")).into_iter();
        all.filter(|name| name.starts_with(".lobos/")).collect()
    };
    let kept = own(server);
    assert!(kept.len() >= 3, "{kept:?}");
    let content = |name: &str| fs::read(server.path(name)).unwrap();
    let before: Vec<_> = kept.iter().map(|name| content(name)).collect();
    for name in &kept {
        let rest = name.strip_prefix(".lobos/").unwrap();
        for start in
            [".lobos/", ".LOBOS/", ".Lobos/", "%2elobos/", ".lobos%2f", ".%6cobos/", ".lobos//"]
        {
            let key = format!("{start}{}", rest.replace('%', "%25"));
            server.get(&format!("/bench/{key}")).error(404, "NoSuchKey");
            server.head(&format!("/bench/{key}")).expect(404);
            server.delete(&format!("/bench/{key}")).expect(204);
            let copy = server
                .request("PUT", "/bench/copied")
                .header("x-amz-copy-source", format!("bench/{key}"));
            copy.body("").send().error(404, "NoSuchKey");
            let rename = server.request("PUT", "/bench/copied?renameObject").body("");
            let renamed = rename.header("x-amz-rename-source", format!("/bench/{key}")).send();
            assert!(renamed.status >= 400, "{key}");
            delete(server, &key);
        }
        for key in [format!("./{name}"), format!("a/../{name}"), format!("/../bench/{name}")] {
            server.get(&format!("/bench/{key}")).refusal();
        }
    }
    for prefix in [".lobos", ".lobos/", ".LOBOS/", ".lobos/uploads/", ".lobos//"] {
        for query in ["", "&delimiter=/"] {
            let listed = server.get(&format!("/bench?prefix={prefix}{query}")).expect(200);
            assert_eq!(listed.all("Key").len() + listed.all("CommonPrefixes").len(), 0, "{prefix}");
        }
    }
    assert_eq!(own(server), kept);
    assert_eq!(kept.iter().map(|name| content(name)).collect::<Vec<_>>(), before);
    // Objects of such names are kept, and not in its place.
    for key in [".lobos", ".lobos/", ".lobos/uploads", ".LOBOS/tmp/k", ".lobos/config/cors"] {
        server.put(&format!("/bench/{key}"), "x").expect(200);
        assert_eq!(server.get(&format!("/bench/{key}")).expect(200).text(), "x");
        form(server, key, "name").expect(204);
        server.delete(&format!("/bench/{key}")).expect(204);
    }
    assert_eq!(kept.iter().map(|name| content(name)).collect::<Vec<_>>(), before);
}

fn own_folder_by_other_names(server: &Server) {
    // Names that a file system may take for `.lobos` lead there no more than that: links in their
    // place stand for a file system that folds names. Objects of such names are kept aside.
    server.store("a//b", "aside");
    server.request("POST", "/bench/k?uploads").body("").send().expect(200);
    let all = || files(&server.path("")).into_iter();
    let own = || all().filter(|name| name.starts_with(".lobos/")).collect::<Vec<_>>();
    let kept = own();
    assert!(kept.len() >= 2, "{kept:?}");
    let before: Vec<_> = kept.iter().map(|name| fs::read(server.path(name)).unwrap()).collect();
    for spelling in [
        ".LOBOS",
        ".loboſ",
        ".LOBOſ",
        ".lo\u{200b}bos",
        "\u{feff}.lobos",
        ".lobos\u{ad}",
        "．ｌｏｂｏｓ",
        ".lobos.",
        ".lobos ",
        ".lobos:x",
        "LOBOS~1",
    ] {
        std::os::unix::fs::symlink(".lobos", server.path(spelling)).unwrap();
        let coded: String = spelling.bytes().map(|b| format!("%{b:02x}")).collect();
        for name in &kept {
            let rest = name.strip_prefix(".lobos/").unwrap();
            let key = format!("{coded}/{}", rest.replace('%', "%25"));
            server.get(&format!("/bench/{key}")).error(404, "NoSuchKey");
            server.head(&format!("/bench/{key}")).expect(404);
            server.delete(&format!("/bench/{key}")).expect(204);
            let copy = server.request("PUT", "/bench/copied");
            let copy = copy.header("x-amz-copy-source", format!("bench/{key}"));
            copy.body("").send().error(404, "NoSuchKey");
            server.put(&format!("/bench/{key}"), "x").expect(200);
            assert_eq!(server.get(&format!("/bench/{key}")).expect(200).text(), "x");
            server.delete(&format!("/bench/{key}")).expect(204);
        }
        for prefix in [coded.clone(), format!("{coded}/"), format!("{coded}/uploads/")] {
            let listed = server.get(&format!("/bench?prefix={prefix}")).expect(200);
            assert_eq!(listed.all("Key").len(), 0, "{prefix}");
        }
        assert_eq!(own(), kept, "{spelling}");
        fs::remove_file(server.path(spelling)).unwrap();
    }
    let now: Vec<_> = kept.iter().map(|name| fs::read(server.path(name)).unwrap()).collect();
    assert_eq!(now, before);
    for ordinary in [".lobosé", "lobos", ".lobos2", "d/.loboſ"] {
        let coded: String = ordinary.bytes().map(|b| format!("%{b:02x}")).collect();
        server.put(&format!("/bench/{}", coded.replace("%2f", "/")), "x").expect(200);
        assert_eq!(fs::read(server.path(ordinary)).unwrap(), b"x");
    }
}
