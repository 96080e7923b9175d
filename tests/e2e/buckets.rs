//! Buckets: made, listed and removed under `--root`, named by `--dir`, found in path and Host.

use std::fs;

use crate::support::server::{Runtime, Server, Setup};

on_every_runtime!(
    with root;
    create_list_delete,
    create_refused,
    delete_only_when_empty,
    folders_are_buckets,
    list_pages,
);
on_every_runtime![
    head,
    location,
    versioning,
    object_lock,
    no_bucket_can_be_made,
    virtual_host,
    bucket_behind_a_slash_in_host,
    trailing_slash,
];
on_every_runtime!(with std::convert::identity; names_of_dirs, relative_dirs, several_dirs);

on_every_runtime!(with in_a_region; region);

fn root(runtime: Runtime) -> Server {
    Setup::root(runtime).start()
}

fn create_list_delete(server: &Server) {
    // A bucket is a folder: made by PUT, listed with its date, removed by DELETE.
    assert_eq!(server.get("/").expect(200).all("Name"), Vec::<String>::new());
    let made = server.request("PUT", "/photos").send().expect(200);
    assert_eq!(made.header("Location"), "/photos");
    server.request("PUT", "/a.b-c/").send().expect(200);
    assert!(server.home().join("root/photos").is_dir());
    let list = server.get("/").expect(200);
    assert_eq!(list.header("Content-Type"), "application/xml");
    let start = "<ListAllMyBucketsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    assert!(list.text().contains(start));
    assert_eq!(list.all("Name"), ["a.b-c", "photos"]);
    assert!(list.all("CreationDate").iter().all(|d| d.len() == 24 && d.ends_with('Z')));
    assert_eq!(list.all("Owner").len(), 1);
    server.put("/photos/k", "x").expect(200);
    assert_eq!(fs::read(server.home().join("root/photos/k")).unwrap(), b"x");
    server.delete("/a.b-c").expect(204);
    server.head("/a.b-c").expect(404);
    assert_eq!(server.get("/").all("Name"), ["photos"]);
}

fn create_refused(server: &Server) {
    // Names that S3 does not allow are refused; so is a bucket that is there already.
    for name in
        ["ab", "Photos", "a_b", "a..b", "192.168.5.4", "-ab", "ab-", "xn--a", "..", ".lobos"]
    {
        let refused = server.request("PUT", &format!("/{name}")).send().expect(400).refusal();
        let code = refused.one("Code");
        assert!(["InvalidBucketName", "InvalidArgument"].contains(&code.as_str()), "{code}");
    }
    assert_eq!(fs::read_dir(server.home().join("root")).unwrap().count(), 0);
    server.request("PUT", "/photos").send().expect(200);
    server.put("/photos/k", "x").expect(200);
    server.request("PUT", "/photos").send().error(409, "BucketAlreadyOwnedByYou");
    server.get("/photos/k").expect(200);
    let body = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                <LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    server.put("/europe", body).expect(200);
    server.put("/broken", "<CreateBucket").error(400, "MalformedXML");
    assert_eq!(server.get("/").all("Name"), ["europe", "photos"]);
}

fn delete_only_when_empty(server: &Server) {
    // A bucket that holds any object stays; what the server made for itself does not count.
    server.delete("/photos").error(404, "NoSuchBucket");
    server.request("PUT", "/photos").send().expect(200);
    for key in ["k", "a/b", "d/", "a//b"] {
        let target = format!("/photos/{key}");
        server.put(&target, if key == "d/" { "" } else { "x" }).expect(200);
        server.delete("/photos").error(409, "BucketNotEmpty");
        server.delete(&target).expect(204);
    }
    server.put("/photos/k", "one").expect(200);
    server.put("/photos/k", "two").expect(200);
    server.delete("/photos/k").expect(204);
    server.delete("/photos").expect(204);
    assert!(!server.home().join("root/photos").exists());
}

fn folders_are_buckets(server: &Server) {
    // Folders made by anyone are buckets at once; files and hidden folders are none.
    let root = server.home().join("root");
    fs::create_dir(root.join("My Photos")).unwrap();
    fs::write(root.join("My Photos/k"), "x").unwrap();
    fs::create_dir(root.join(".hidden")).unwrap();
    fs::write(root.join("file"), "x").unwrap();
    assert_eq!(server.get("/").all("Name"), ["My Photos"]);
    assert_eq!(server.get("/My%20Photos/k").expect(200).text(), "x");
    server.get("/file?list-type=2").error(404, "NoSuchBucket");
    server.get("/.hidden?list-type=2").refusal();
    fs::remove_dir_all(root.join("My Photos")).unwrap();
    server.get("/My%20Photos/k").error(404, "NoSuchBucket");
}

fn list_pages(server: &Server) {
    // max-buckets, prefix and continuation-token of ListBuckets.
    for name in ["aa1", "aa2", "aa3", "bb1"] {
        server.request("PUT", &format!("/{name}")).send().expect(200);
    }
    let page = server.get("/?max-buckets=2&prefix=aa").expect(200);
    assert_eq!(page.all("Name"), ["aa1", "aa2"]);
    let token = page.one("ContinuationToken");
    let target = format!("/?max-buckets=2&prefix=aa&continuation-token={}", escape(&token));
    let page = server.get(&target).expect(200);
    assert_eq!(page.all("Name"), ["aa3"]);
    assert_eq!(page.all("ContinuationToken"), Vec::<String>::new());
}

fn escape(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

fn head(server: &Server) {
    // HeadBucket tells a bucket from none, with its region.
    let found = server.head("/bench").expect(200);
    assert_eq!(found.header("x-amz-bucket-region"), "us-east-1");
    server.head("/nothere").expect(404);
}

fn location(server: &Server) {
    // GetBucketLocation answers us-east-1, which is an empty element, however it is asked.
    for target in ["/bench?location", "/bench/?location=", "/bench/?location"] {
        let got = server.get(target).expect(200);
        assert_eq!(got.one("LocationConstraint"), "");
    }
    server.get("/nothere?location").error(404, "NoSuchBucket");
}

fn region(server: &Server) {
    // The region of the server is that of its buckets, wherever it is told.
    assert_eq!(server.get("/bench?location").expect(200).one("LocationConstraint"), "eu-west-1");
    assert_eq!(server.head("/bench").expect(200).header("x-amz-bucket-region"), "eu-west-1");
    assert_eq!(server.get("/").expect(200).all("BucketRegion"), Vec::<String>::new());
    let page = server.get("/?bucket-region=eu-west-1").expect(200);
    assert_eq!(
        (page.all("Name"), page.one("BucketRegion")),
        (vec!["bench".into()], "eu-west-1".into())
    );
    let none: [String; 0] = [];
    assert_eq!(server.get("/?bucket-region=us-east-1").expect(200).all("Name"), none);
}

fn in_a_region(runtime: Runtime) -> Server {
    Setup::new(runtime).arg("--region").arg("eu-west-1").start()
}

fn versioning(server: &Server) {
    // A bucket never has versions, and cannot be given any.
    let got = server.get("/bench?versioning").expect(200);
    assert!(got.text().contains("<VersioningConfiguration"));
    assert_eq!(got.all("Status"), Vec::<String>::new());
    server.get("/nothere?versioning").error(404, "NoSuchBucket");
    let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    server.put("/bench?versioning", body).error(501, "NotImplemented");
}

fn object_lock(server: &Server) {
    // No bucket has an object lock.
    let code = "ObjectLockConfigurationNotFoundError";
    server.get("/bench?object-lock").error(404, code);
    server.get("/nothere?object-lock").error(404, "NoSuchBucket");
}

fn no_bucket_can_be_made(server: &Server) {
    // Without --root the folders are given: buckets are neither made nor removed.
    assert_eq!(server.get("/").all("Name"), ["bench"]);
    let refused = server.request("PUT", "/other").send().refusal();
    assert_ne!(refused.status, 404);
    server.request("PUT", "/bench").send().error(409, "BucketAlreadyOwnedByYou");
    server.delete("/bench").refusal();
    assert!(server.path("").is_dir());
    assert!(!server.home().join("other").exists());
}

fn virtual_host(server: &Server) {
    // The bucket may stand in the Host, before `localhost` or `s3.localhost`, in any case.
    let port = server.address().port();
    for host in ["bench.localhost", "bench.s3.localhost", "bench.LocalHost"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            let put = server.request("PUT", "/a/k").header("Host", &host).body(&host);
            put.send().expect(200);
            let got = server.request("GET", "/a/k").header("Host", &host).send().expect(200);
            assert_eq!(got.text(), host);
            let list = server.request("GET", "/?list-type=2").header("Host", &host).send();
            assert_eq!(list.expect(200).all("Key"), ["a/k"]);
            server.request("HEAD", "/").header("Host", &host).send().expect(200);
        }
    }
    assert_eq!(server.get("/bench/a/k").expect(200).text(), format!("bench.LocalHost:{port}"));
    let none = server.request("GET", "/k").header("Host", "nothere.localhost").send();
    none.error(404, "NoSuchBucket");
    let path = server.request("GET", "/bench/a/k").header("Host", "s3.localhost").send();
    path.expect(200);
}

fn bucket_behind_a_slash_in_host(server: &Server) {
    // LMCache sends its URL as Host: `localhost:8080/bench` with the target `/KEY`.
    let host = "localhost:8080/bench";
    let target = "/model%40world%40-123%40bfloat16";
    server.request("PUT", target).header("Host", host).body("kv").send().expect(200);
    let got = server.request("GET", target).header("Host", host).send().expect(200);
    assert_eq!(got.text(), "kv");
    let list = server.request("GET", "/?list-type=2").header("Host", host).send().expect(200);
    assert_eq!(list.all("Key"), ["model@world@-123@bfloat16"]);
    assert!(server.path("model@world@-123@bfloat16").is_file());
    server.get(&format!("/bench{target}")).expect(200);
}

fn trailing_slash(server: &Server) {
    // `/bench/` is the bucket, not an object without a name.
    server.store("k", "x");
    assert_eq!(server.get("/bench/?list-type=2").expect(200).all("Key"), ["k"]);
    assert_eq!(server.get("/bench/").expect(200).all("Key"), ["k"]);
    server.head("/bench/").expect(200);
    server.put("/bench/", "x").refusal();
    server.get("/bench").expect(200);
}

fn names_of_dirs(runtime: &Runtime) {
    // NAME=DIR names the bucket; without NAME it is the folder's own, whatever it holds.
    let setup = Setup::bare(*runtime);
    let home = setup.home().to_owned();
    for name in ["photos", "raw", "My Music", "smith, j"] {
        fs::create_dir(home.join(name)).unwrap();
        fs::write(home.join(name).join("k"), name).unwrap();
    }
    let server = setup
        .arg("--dir=photos")
        .arg("--dir")
        .arg("camera=raw")
        .arg("-d")
        .arg("My Music/")
        .arg("-d")
        .arg("smith, j")
        .start();
    assert_eq!(server.get("/").all("Name"), ["My Music", "camera", "photos", "smith, j"]);
    assert_eq!(server.get("/camera/k").expect(200).text(), "raw");
    assert_eq!(server.get("/My%20Music/k").expect(200).text(), "My Music");
    server.get("/raw/k").error(404, "NoSuchBucket");
}

fn relative_dirs(runtime: &Runtime) {
    // `.` and paths that end in `..` or a slash take the name of the folder that they are.
    for dir in ["photos/.", "photos/./", "photos/x/..", "photos/x/../", "photos/../photos/"] {
        let setup = Setup::bare(*runtime);
        fs::create_dir_all(setup.home().join("photos/x")).unwrap();
        let server = setup.arg("--dir").arg(dir).start();
        assert_eq!(server.get("/").all("Name"), ["photos"], "{dir}");
    }
}

fn several_dirs(runtime: &Runtime) {
    // Two folders are two buckets that do not see each other.
    let setup = Setup::new(*runtime);
    let other = setup.home().join("other");
    fs::create_dir(&other).unwrap();
    let server = setup.arg("--dir").arg(&other).start();
    server.store("k", "one");
    server.put("/other/k", "two").expect(200);
    assert_eq!(server.get("/bench/k").text(), "one");
    assert_eq!(server.get("/other?list-type=2").all("Key"), ["k"]);
    server.delete("/bench/k").expect(204);
    assert_eq!(server.get("/other/k").expect(200).text(), "two");
}
