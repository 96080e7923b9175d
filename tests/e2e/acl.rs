//! ACLs: the owner has all rights; what says so is accepted, and nothing else.

use crate::support::server::{Runtime, Server, Setup};

on_every_runtime![read, write, refused, canned_acl_headers_do_not_fail_a_put];
on_every_runtime!(with root; new_bucket);

fn root(runtime: Runtime) -> Server {
    Setup::root(runtime).start()
}

const TARGETS: [&str; 2] = ["/bench?acl", "/bench/k?acl"];

fn read(server: &Server) {
    // GetBucketAcl and GetObjectAcl tell of one grant: all rights for the owner.
    server.store("k", "hello");
    for target in TARGETS {
        let acl = server.get(target).expect(200);
        assert_eq!((acl.all("Grant").len(), acl.one("Permission")), (1, "FULL_CONTROL".into()));
        assert!(acl.text().contains("xsi:type=\"CanonicalUser\""), "{}", acl.text());
        let ids = acl.all("ID");
        assert!(ids.len() == 2 && ids[0] == ids[1] && !ids[0].is_empty(), "{ids:?}");
    }
    server.get("/bench/none?acl").error(404, "NoSuchKey");
    server.get("/nowhere?acl").error(404, "NoSuchBucket");
}

fn write(server: &Server) {
    // What is so anyhow is accepted: by name, or as the document that was read.
    server.store("k", "hello");
    for target in TARGETS {
        for canned in ["private", "bucket-owner-full-control"] {
            let request = server.request("PUT", target).header("x-amz-acl", canned);
            request.send().expect(200);
        }
        let read = server.get(target).expect(200);
        server.put(target, read.text()).expect(200);
    }
    let request = server.request("PUT", "/bench/none?acl").header("x-amz-acl", "private");
    request.send().error(404, "NoSuchKey");
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
}

fn refused(server: &Server) {
    // Rights for anybody else are not implemented; what S3 does not know is wrong.
    server.store("k", "hello");
    for target in TARGETS {
        let put = |name: &str, value: &str| server.request("PUT", target).header(name, value);
        for canned in ["public-read", "public-read-write", "authenticated-read"] {
            put("x-amz-acl", canned).send().error(501, "NotImplemented");
        }
        put("x-amz-grant-read", "id=\"a\"").send().error(501, "NotImplemented");
        put("x-amz-acl", "everybody").send().error(400, "InvalidArgument");
        let both = put("x-amz-acl", "private").header("x-amz-grant-read", "id=\"a\"");
        both.send().error(400, "InvalidRequest");
        let read = server.get(target).expect(200);
        let everybody = read.text().replace("FULL_CONTROL", "READ");
        server.put(target, &everybody).error(501, "NotImplemented");
        server.put(target, "<AccessControlPolicy/>").error(400, "MalformedACLError");
        server.request("PUT", target).send().error(400, "MissingSecurityHeader");
    }
}

fn canned_acl_headers_do_not_fail_a_put(server: &Server) {
    // Trap 11: tools send a canned ACL with each upload, out of habit.
    for canned in ["private", "bucket-owner-full-control", "public-read"] {
        let put = server.request("PUT", "/bench/k").header("x-amz-acl", canned).body(canned);
        put.send().expect(200);
        assert_eq!(server.get("/bench/k").expect(200).text(), canned);
    }
    for (name, value, status, code) in [
        ("x-amz-acl", "everybody", 400, "InvalidArgument"),
        ("x-amz-grant-read", "id=\"a\"", 501, "NotImplemented"),
    ] {
        let put = server.request("PUT", "/bench/k").header(name, value).body("other");
        put.send().error(status, code);
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "public-read");
}

fn new_bucket(server: &Server) {
    // A bucket for the owner alone can be made; one for others cannot.
    for (name, canned) in [("one", "private"), ("two", "bucket-owner-full-control")] {
        let put = server.request("PUT", &format!("/{name}")).header("x-amz-acl", canned);
        put.send().expect(200);
    }
    for (header, value) in [("x-amz-acl", "public-read"), ("x-amz-grant-write", "id=\"a\"")] {
        let put = server.request("PUT", "/three").header(header, value);
        put.send().error(501, "NotImplemented");
    }
    server.head("/three").expect(404);
}
