//! Web pages of other origins: the CORS rules of a bucket, preflights, and what pages may do.

use crate::support::http::Response;
use crate::support::server::{Runtime, Server, Setup};

on_every_runtime![
    configuration,
    refused_configurations,
    preflights,
    preflights_without_rules,
    reads,
    writes,
    trap_10_cors_headers,
];
on_every_runtime!(with std::convert::identity; option_before_rules, kept_over_a_restart);

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><ID>app</ID><AllowedOrigin>https://*.app.example</AllowedOrigin>\
    <AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
    <AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <ExposeHeader>x-amz-meta-a</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>\
    </CORSConfiguration>";

const APP: &str = "https://a.app.example";
const OTHER: &str = "https://evil.example";

fn put_rules(server: &Server, rules: &str) -> Response {
    server.put("/bench?cors", rules)
}

fn preflight(server: &Server, origin: &str, method: &str, headers: &str) -> Response {
    let request = server.request("OPTIONS", "/bench/k").header("Origin", origin);
    let request = request.header("Access-Control-Request-Method", method);
    match headers {
        "" => request.send(),
        _ => request.header("Access-Control-Request-Headers", headers).send(),
    }
}

fn ask(server: &Server, method: &str, target: &str, origin: &str) -> Response {
    let request = server.request(method, target).header("Origin", origin);
    if method == "PUT" { request.body("new").send() } else { request.send() }
}

fn configuration(server: &Server) {
    // The rules of a bucket come back as they were put, until they are deleted; no file shows.
    server.get("/bench?cors").error(404, "NoSuchCORSConfiguration");
    put_rules(server, RULES).expect(200);
    let kept = server.get("/bench?cors").expect(200);
    assert_eq!(kept.all("AllowedOrigin"), ["https://*.app.example", "*"]);
    assert_eq!(kept.all("AllowedMethod"), ["GET", "PUT", "GET"]);
    assert_eq!((kept.one("ID"), kept.one("MaxAgeSeconds")), ("app".into(), "600".into()));
    assert!(server.get("/bench?list-type=2").all("Key").is_empty());
    server.delete("/bench?cors").expect(204);
    server.get("/bench?cors").error(404, "NoSuchCORSConfiguration");
}

fn refused_configurations(server: &Server) {
    // What S3 refuses is refused, and the rules that were there stay.
    put_rules(server, RULES).expect(200);
    let method = put_rules(server, &RULES.replace(">PUT<", ">PATCH<"));
    let message = method.error(400, "InvalidRequest").one("Message");
    assert!(message.ends_with("Unsupported method is PATCH"), "{message}");
    put_rules(server, &RULES.replace("*.app", "*.*")).error(400, "InvalidRequest");
    put_rules(server, "<CORSConfiguration/>").error(400, "MalformedXML");
    put_rules(server, "<CORSConfiguration>").error(400, "MalformedXML");
    assert_eq!(server.get("/bench?cors").expect(200).all("ID"), ["app"]);
}

fn preflights(server: &Server) {
    // A preflight is answered by the first rule that allows all of it, and by none else.
    put_rules(server, RULES).expect(200);
    let answer = preflight(server, APP, "PUT", "Content-Type, x-amz-meta-a").expect(200);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), APP);
    assert_eq!(answer.header("Access-Control-Allow-Methods"), "GET, PUT");
    let headers = answer.header("Access-Control-Allow-Headers").to_ascii_lowercase();
    assert!(headers.contains("content-type") && headers.contains("x-amz-meta-a"), "{headers}");
    assert_eq!(answer.header("Access-Control-Expose-Headers"), "ETag, x-amz-meta-a");
    assert_eq!(answer.header("Access-Control-Max-Age"), "600");
    assert_eq!(answer.header("Access-Control-Allow-Credentials"), "true");
    assert!(answer.header("Vary").contains("Origin"));
    let answer = preflight(server, OTHER, "GET", "").expect(200);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
    assert_eq!(answer.find("Access-Control-Allow-Credentials"), None);
    for (origin, method, headers) in
        [(APP, "DELETE", ""), (OTHER, "PUT", ""), (OTHER, "GET", "x-other"), ("null", "PUT", "")]
    {
        let refused = preflight(server, origin, method, headers).error(403, "AccessForbidden");
        assert!(refused.one("Message").starts_with("CORSResponse: This CORS request is not"));
        assert_eq!(refused.find("Access-Control-Allow-Origin"), None);
    }
}

fn preflights_without_rules(server: &Server) {
    // Without rules no page is let in; what is no preflight is told so.
    let refused = preflight(server, APP, "GET", "").error(403, "AccessForbidden");
    assert_eq!(refused.one("Message"), "CORSResponse: CORS is not enabled for this bucket.");
    let nowhere = server.request("OPTIONS", "/nothere/k").header("Origin", APP);
    let nowhere = nowhere.header("Access-Control-Request-Method", "GET");
    nowhere.send().error(404, "NoSuchBucket");
    let plain = server.request("OPTIONS", "/bench/k").send().error(400, "BadRequest");
    let message = "Insufficient information. Origin request header needed.";
    assert_eq!(plain.one("Message"), message);
    let half = server.request("OPTIONS", "/bench/k").header("Origin", APP).send();
    let message = half.error(400, "BadRequest").one("Message");
    assert_eq!(message, "Invalid Access-Control-Request-Method: null");
}

fn reads(server: &Server) {
    // Reading is always served, and a browser shows it only to a page that a rule lets in.
    server.store("k", "secret");
    for target in ["/bench/k", "/bench?list-type=2", "/"] {
        let answer = ask(server, "GET", target, OTHER).expect(200);
        assert_eq!(answer.find("Access-Control-Allow-Origin"), None, "{target}");
    }
    let resource = ask(server, "GET", "/bench/k", OTHER);
    assert_eq!(resource.header("Cross-Origin-Resource-Policy"), "same-origin");
    put_rules(server, RULES).expect(200);
    let answer = ask(server, "GET", "/bench/k", OTHER).expect(200);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), "*");
    let answer = ask(server, "HEAD", "/bench/k", OTHER).expect(200);
    assert_eq!(answer.find("Access-Control-Allow-Origin"), None);
    let own = format!("http://{}", server.address());
    let answer = ask(server, "GET", "/bench/k", &own).expect(200);
    assert_eq!(answer.find("Access-Control-Allow-Origin"), None);
}

fn writes(server: &Server) {
    // A page changes only what a rule or the option allows, and a form is a write.
    server.store("k", "old");
    let tries = [("PUT", "/bench/k"), ("DELETE", "/bench/k"), ("PUT", "/bench?cors")];
    let refused = |origin: &str| {
        for (method, target) in tries {
            let refused = ask(server, method, target, origin).error(403, "AccessDenied");
            assert_eq!(refused.find("Access-Control-Allow-Origin"), None);
        }
        let form = server.request("POST", "/bench").header("Origin", origin);
        let form = form.header("Content-Type", "multipart/form-data; boundary=x");
        let body = "--x\r\nContent-Disposition: form-data; name=key\r\n\r\nk\r\n\
            --x\r\nContent-Disposition: form-data; name=file\r\n\r\nnew\r\n--x--\r\n";
        form.body(body).send().error(403, "AccessDenied");
    };
    for origin in [OTHER, "null", "file://", "http://localhost.evil.example", ""] {
        refused(origin);
    }
    put_rules(server, RULES).expect(200);
    refused(OTHER);
    ask(server, "DELETE", "/bench/k", APP).error(403, "AccessDenied");
    assert_eq!(server.get("/bench/k").text(), "old");
    assert_eq!(server.get("/bench?cors").all("ID"), ["app"]);
    let put = ask(server, "PUT", "/bench/k", APP).expect(200);
    assert_eq!(put.header("Access-Control-Allow-Origin"), APP);
    assert_eq!(server.get("/bench/k").text(), "new");
    assert_eq!(server.get("/bench?list-type=2").all("Key"), ["k"]);
}

fn trap_10_cors_headers(server: &Server) {
    // Allow-Headers as asked, Expose-Headers as configured, CORS headers on 4xx too.
    put_rules(server, RULES).expect(200);
    let asked = "authorization,x-amz-content-sha256,x-amz-date,x-amz-user-agent";
    let answer = preflight(server, APP, "PUT", asked).expect(200);
    let allowed = answer.header("Access-Control-Allow-Headers").replace(' ', "");
    assert_eq!(allowed, asked);
    let missing = ask(server, "GET", "/bench/none", APP).error(404, "NoSuchKey");
    assert_eq!(missing.header("Access-Control-Allow-Origin"), APP);
    assert_eq!(missing.header("Access-Control-Expose-Headers"), "ETag, x-amz-meta-a");
    let range = server.request("GET", "/bench/none").header("Origin", APP);
    let range = range.header("Range", "bytes=0-1").send().expect(404);
    assert_eq!(range.header("Access-Control-Allow-Origin"), APP);
}

fn option_before_rules(runtime: &Runtime) {
    // --cors-origin lets its origin do anything, whatever the rules of the bucket say.
    let server = Setup::new(*runtime).arg("--cors-origin").arg(OTHER).start();
    put_rules(&server, RULES).expect(200);
    let answer = preflight(&server, OTHER, "DELETE", "x-any").expect(200);
    assert_eq!(answer.header("Access-Control-Allow-Origin"), OTHER);
    ask(&server, "PUT", "/bench/k", OTHER).expect(200);
    ask(&server, "DELETE", "/bench/k", OTHER).expect(204);
    preflight(&server, APP, "DELETE", "").error(403, "AccessForbidden");
}

fn kept_over_a_restart(runtime: &Runtime) {
    // The rules belong to the folder and not to the process.
    let server = Setup::new(*runtime).start();
    put_rules(&server, RULES).expect(200);
    let dir = server.path("");
    let again = Setup::bare(*runtime).arg("--dir").arg(&dir).start();
    assert_eq!(again.get("/bench?cors").expect(200).all("ID"), ["app"]);
}
