//! Web pages that a user visits must not reach the server, and read-only means it.

use crate::support::http::Request;
use crate::support::server::{Runtime, Server, Setup};
use crate::support::tree::files;

on_every_runtime![
    rebinding,
    foreign_origin,
    own_origin,
    forms,
    preflight_refused,
    fetch_metadata,
    embedding_for_all,
    objects_that_are_pages,
];
on_every_runtime!(
    with std::convert::identity;
    more_hosts,
    any_host,
    allowed_origin,
    any_origin,
    read_only,
    read_only_root,
    open_address,
);

fn rebinding(server: &Server) {
    // A name that somebody else's DNS answers is not served, whatever it looks like.
    server.store("k", "secret");
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "bench.localhost.evil.example",
        "evil.example/bench",
        "xlocalhost",
    ] {
        let get = server.request("GET", "/bench/k").header("Host", host).send();
        assert!(!get.error(403, "AccessDenied").text().contains("secret"));
        let put = server.request("PUT", "/bench/new").header("Host", host);
        put.body("x").send().error(403, "AccessDenied");
    }
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "192.168.1.2:8080"] {
        server.request("GET", "/bench/k").header("Host", host).send().expect(200);
    }
    assert_eq!(files(&server.path("")), ["k"]);
}

fn foreign_origin(server: &Server) {
    // A script of a foreign page does not write, and what it asks for no browser shows it.
    server.store("k", "secret");
    for origin in ["https://evil.example", "null", "http://localhost.evil.example", "file://"] {
        let get = server.request("GET", "/bench/k").header("Origin", origin).send();
        let get = get.expect(200);
        assert_eq!(get.find("Access-Control-Allow-Origin"), None);
        assert_eq!(get.header("Cross-Origin-Resource-Policy"), "same-origin");
        let put = server.request("PUT", "/bench/k").header("Origin", origin);
        put.body("x").send().error(403, "AccessDenied");
        let delete = server.request("DELETE", "/bench/k").header("Origin", origin);
        delete.send().error(403, "AccessDenied");
    }
    assert_eq!(server.get("/bench/k").expect(200).text(), "secret");
}

fn own_origin(server: &Server) {
    // A page of this server itself may ask it.
    server.store("k", "x");
    let origin = format!("http://{}", server.address());
    server.request("GET", "/bench/k").header("Origin", origin).send().expect(200);
}

fn forms(server: &Server) {
    // A form of a foreign page, which needs no preflight, writes nothing.
    let request = server.request("POST", "/bench").header("Origin", "https://evil.example");
    let request = request.header("Content-Type", "multipart/form-data; boundary=x");
    request.body("--x--\r\n").send().error(403, "AccessDenied");
    let request = server.request("POST", "/bench?delete").header("Origin", "null");
    let request = request.header("Content-Type", "text/plain");
    let body = "<Delete><Object><Key>k</Key></Object></Delete>";
    server.store("k", "x");
    request.body(body).send().error(403, "AccessDenied");
    assert_eq!(files(&server.path("")), ["k"]);
}

fn preflight(request: Request) -> Request {
    let request = request.header("Access-Control-Request-Method", "PUT");
    request.header("Access-Control-Request-Headers", "content-type,x-amz-meta-a")
}

fn preflight_refused(server: &Server) {
    // A preflight of a foreign page is refused, and one without an Origin is no preflight.
    let request = server.request("OPTIONS", "/bench/k").header("Origin", "https://evil.example");
    let refused = preflight(request).send().expect(403);
    assert_eq!(refused.find("Access-Control-Allow-Origin"), None);
    server.request("OPTIONS", "/bench/k").send().refusal();
}

fn fetch_metadata(server: &Server) {
    // What the browser says of a request without an Origin counts: a page of another origin
    // embeds nothing and changes nothing, and who follows its link sees the object.
    server.store("k", "secret");
    let ask = |method: &str, target: &str, site: &str, mode: &str| {
        let request = server.request(method, target).header("Sec-Fetch-Site", site);
        request.header("Sec-Fetch-Mode", mode).send()
    };
    for site in ["cross-site", "same-site", "of-tomorrow"] {
        for target in ["/bench/k", "/bench?list-type=2", "/", "/bench/none", "/nothere/k"] {
            for mode in ["no-cors", "cors", "websocket", "same-origin", ""] {
                let refused = ask("GET", target, site, mode).error(403, "AccessDenied");
                assert!(!refused.text().contains("secret"));
                ask("HEAD", target, site, mode).expect(403);
            }
        }
        for mode in ["no-cors", "navigate"] {
            ask("DELETE", "/bench/k", site, mode).error(403, "AccessDenied");
            ask("PUT", "/bench/new", site, mode).error(403, "AccessDenied");
            ask("POST", "/bench", site, mode).error(403, "AccessDenied");
        }
        assert_eq!(ask("GET", "/bench/k", site, "navigate").expect(200).text(), "secret");
        // Nor does the page of this server, if the browser says that another one is behind it.
        let own = format!("http://{}", server.address());
        let put = server.request("PUT", "/bench/new").header("Origin", own);
        put.header("Sec-Fetch-Site", site).body("x").send().error(403, "AccessDenied");
    }
    for site in ["same-origin", "none", ""] {
        ask("GET", "/bench/k", site, "no-cors").expect(200);
        ask("PUT", "/bench/k", site, "cors").expect(200);
    }
    assert_eq!(files(&server.path("")), ["k"]);
}

fn embedding_for_all(server: &Server) {
    // A rule of the bucket for all origins lets all pages embed its objects.
    server.store("k", "x");
    let rules = "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin>\
        <AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
    server.put("/bench?cors", rules).expect(200);
    let embed = |method: &str| {
        let request = server.request(method, "/bench/k").header("Sec-Fetch-Site", "cross-site");
        request.header("Sec-Fetch-Mode", "no-cors").send()
    };
    assert_eq!(embed("GET").expect(200).header("Cross-Origin-Resource-Policy"), "cross-origin");
    embed("DELETE").error(403, "AccessDenied");
    let one = rules.replace(">*<", ">https://page.example<");
    server.put("/bench?cors", one).expect(200);
    embed("GET").error(403, "AccessDenied");
}

fn objects_that_are_pages(server: &Server) {
    // What a browser would run gets a sandbox, however its type is written; all other types stay
    // as they are.
    for (kind, sandboxed) in [
        ("text/html", true),
        ("TEXT/HTML; charset=utf-8", true),
        ("text/html\t;x", true),
        ("image/svg+xml", true),
        ("application/xhtml+xml", true),
        ("application/xml", true),
        ("text/xml", true),
        ("text/xsl", true),
        ("multipart/x-mixed-replace; boundary=x", true),
        ("text/plain,text/html", true),
        ("text/html,text/plain", true),
        ("text/plain , image/svg+xml;a=b", true),
        ("text/plain", false),
        ("image/png", false),
        ("application/pdf", false),
        ("application/htmlx", false),
    ] {
        let put = server.request("PUT", "/bench/k").header("Content-Type", kind).body("x");
        put.send().expect(200);
        let got = server.get("/bench/k").expect(200);
        let policy = got.find("Content-Security-Policy");
        assert_eq!(policy, sandboxed.then_some("sandbox"), "{kind}");
        assert_eq!(got.header("X-Content-Type-Options"), "nosniff");
        let target = format!("/bench/k?response-content-type={}", kind.replace(' ', "%20"));
        server
            .request("PUT", "/bench/k")
            .header("Content-Type", "a/b")
            .body("x")
            .send()
            .expect(200);
        let got = server.get(&target.replace(['\t', '+'], "%2B"));
        let policy = got.expect(200).find("Content-Security-Policy").map(str::to_owned);
        assert!(kind.contains('\t') || policy.is_some() == sandboxed, "{kind}");
    }
}

fn any_origin(runtime: &Runtime) {
    // --cors-origin '*' lets every page in, also to embed.
    let server = Setup::new(*runtime).arg("--cors-origin=*").start();
    let put = server.request("PUT", "/bench/k").header("Origin", "https://page.example");
    put.header("Sec-Fetch-Site", "cross-site").body("x").send().expect(200);
    let embed = server.request("GET", "/bench/k").header("Sec-Fetch-Site", "cross-site");
    let got = embed.header("Sec-Fetch-Mode", "no-cors").send().expect(200);
    assert_eq!(got.header("Cross-Origin-Resource-Policy"), "cross-origin");
}

fn more_hosts(runtime: &Runtime) {
    // --host NAME is the server, and BUCKET.NAME a bucket of it.
    let server = Setup::new(*runtime).arg("--host=s3.example.org").start();
    server.store("k", "x");
    for (host, target) in [
        ("s3.example.org", "/bench/k"),
        ("S3.Example.Org:8080", "/bench/k"),
        ("bench.s3.example.org", "/k"),
        ("bench.localhost", "/k"),
    ] {
        server.request("GET", target).header("Host", host).send().expect(200);
    }
    for host in ["example.org", "bench.example.org", "evil.example"] {
        let request = server.request("GET", "/bench/k").header("Host", host);
        request.send().error(403, "AccessDenied");
    }
}

fn any_host(runtime: &Runtime) {
    // --host '*' takes every name, and none of them is a bucket.
    let server = Setup::new(*runtime).arg("--host=*").start();
    server.store("k", "x");
    server.request("GET", "/bench/k").header("Host", "any.example").send().expect(200);
}

fn allowed_origin(runtime: &Runtime) {
    // --cors-origin lets one origin read and write, with what browsers need to see.
    let origin = "https://app.example";
    let server = Setup::new(*runtime).arg("--cors-origin").arg(origin).start();
    let request = server.request("OPTIONS", "/bench/k").header("Origin", origin);
    let answer = preflight(request).send();
    assert!([200, 204].contains(&answer.status), "{answer:?}");
    assert_eq!(answer.header("Access-Control-Allow-Origin"), origin);
    assert!(answer.header("Access-Control-Allow-Methods").contains("PUT"));
    let allowed = answer.header("Access-Control-Allow-Headers").to_ascii_lowercase();
    assert!(allowed.contains("x-amz-meta-a") && allowed.contains("content-type"));
    let put = server.request("PUT", "/bench/k").header("Origin", origin).body("x").send();
    assert_eq!(put.expect(200).header("Access-Control-Allow-Origin"), origin);
    let get = server.request("GET", "/bench/k").header("Origin", origin).send().expect(200);
    let exposed = get.header("Access-Control-Expose-Headers").to_ascii_lowercase();
    assert!(exposed == "*" || exposed.contains("etag"), "{exposed}");
    let missing = server.request("GET", "/bench/none").header("Origin", origin).send();
    let missing = missing.error(404, "NoSuchKey");
    assert_eq!(missing.header("Access-Control-Allow-Origin"), origin);
    let other = server.request("GET", "/bench/k").header("Origin", "https://app.example.evil");
    assert_eq!(other.send().find("Access-Control-Allow-Origin"), None);
    let other = server.request("PUT", "/bench/k").header("Origin", "https://app.example.evil");
    other.body("y").send().error(403, "AccessDenied");
}

fn read_only(runtime: &Runtime) {
    // --read-only refuses every request that would change something, and reads go on.
    let server = Setup::new(*runtime).arg("--read-only").start();
    server.place("k", "hello");
    server.put("/bench/k", "x").error(403, "AccessDenied");
    server.put("/bench/new", "x").error(403, "AccessDenied");
    server.delete("/bench/k").error(403, "AccessDenied");
    let body = "<Delete><Object><Key>k</Key></Object></Delete>";
    server.request("POST", "/bench?delete").body(body).send().error(403, "AccessDenied");
    assert_eq!(server.get("/bench/k").expect(200).text(), "hello");
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["k"]);
    assert_eq!(files(&server.path("")), ["k"]);
}

fn read_only_root(runtime: &Runtime) {
    // Under --root, --read-only also keeps the set of buckets.
    let server = Setup::root(*runtime).arg("--read-only").start();
    std::fs::create_dir(server.home().join("root/photos")).unwrap();
    server.request("PUT", "/new").send().error(403, "AccessDenied");
    server.delete("/photos").error(403, "AccessDenied");
    assert_eq!(server.get("/").all("Name"), ["photos"]);
}

fn open_address(runtime: &Runtime) {
    // With --no-auth it listens elsewhere, and foreign names are refused there too.
    let server = Setup::new(*runtime).arg("--listen=0.0.0.0").arg("--no-auth").start();
    server.store("k", "x");
    let request = server.request("GET", "/bench/k").header("Host", "evil.example");
    request.send().error(403, "AccessDenied");
}
