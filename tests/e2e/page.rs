//! What a browser sees that opens an address of the server, and who else never sees it.

use crate::support::http::{Request, Response};
use crate::support::server::{Runtime, Server, Setup};

on_every_runtime![page_for_browsers, nobody_else];
on_every_runtime!(with std::convert::identity; with_keys, without_page);

/// What Chromium and Firefox ask for when somebody opens an address.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

fn open(server: &Server, target: &str) -> Response {
    browser(server, target).send()
}

fn browser(server: &Server, target: &str) -> Request {
    server.request("GET", target).header("Accept", BROWSER)
}

fn is_page(answer: &Response) -> bool {
    answer.find("Content-Type").is_some_and(|kind| kind.starts_with("text/html"))
}

fn page_for_browsers(server: &Server) {
    // The addresses of the server, of a bucket and of a folder show a browser the same page, which
    // runs its own script and no other and is framed by nobody. Files come as they are.
    server.store("a/b.txt", "text");
    let page = open(server, "/").expect(200);
    for target in ["/bench", "/bench/", "/bench/a/", "/bench/none/", "/nobucket/"] {
        let other = open(server, target).expect(200);
        assert!(is_page(&other) && other.text() == page.text(), "{target}");
    }
    let policy = page.header("Content-Security-Policy");
    for rule in ["default-src 'none'", "script-src 'sha256-", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(page.header("X-Content-Type-Options"), "nosniff");
    assert_eq!(page.header("Cache-Control"), "no-store");
    let head = server.request("HEAD", "/").header("Accept", BROWSER).send().expect(200);
    assert!(is_page(&head) && head.header("Content-Length") == page.header("Content-Length"));
    assert_eq!(open(server, "/bench/a/b.txt").expect(200).text(), "text");
    let foreign = browser(server, "/").header("Host", "evil.example").send();
    assert!(!is_page(&foreign.error(403, "AccessDenied")));
}

fn nobody_else(server: &Server) {
    // A request with a query, a signature or another method, or one for anything but HTML first,
    // gets S3's answer; so does Java's own client, which asks for HTML, too.
    server.store("a/", "");
    let credential = "AWS AKID:c2lnbmF0dXJl";
    let java = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2";
    let get = |target: &str| server.request("GET", target);
    for request in [
        browser(server, "/").header("Authorization", credential),
        browser(server, "/bench?list-type=2"),
        browser(server, "/bench?location"),
        browser(server, "/bench/?AWSAccessKeyId=a&Signature=b&Expires=99999999999"),
        browser(server, "/").header("Host", "bench.localhost"),
        get("/"),
        get("/").header("Accept", "*/*"),
        get("/").header("Accept", "application/xml, text/html"),
        get("/").header("Accept", java).header("User-Agent", "Java/17.0.15"),
        get("/bench/a/"),
    ] {
        let answer = request.send();
        assert!(!is_page(&answer.expect(200)));
    }
    let post = server.request("POST", "/bench").header("Accept", BROWSER).body("x").send();
    assert!(!is_page(&post));
}

fn with_keys(runtime: &Runtime) {
    // Where requests must be signed, the page comes without: it asks for the key. What it then
    // asks for is refused as ever.
    let keys = ["--access-key", "AKID", "--secret-key", "hush-hush"];
    let server = Setup::new(*runtime).args(&keys).start();
    let page = open(&server, "/").expect(200);
    assert!(is_page(&page) && page.text().contains(" data-keys "));
    assert!(!page.text().contains("AKID") && !page.text().contains("hush"));
    browser(&server, "/?x=1").send().error(403, "AccessDenied");
    server.get("/").error(403, "AccessDenied");
}

fn without_page(runtime: &Runtime) {
    // With --no-page a browser gets what every client gets; with --read-only the page knows.
    let server = Setup::new(*runtime).arg("--no-page").start();
    assert!(!is_page(&open(&server, "/").expect(200)));
    let server = Setup::new(*runtime).arg("--read-only").start();
    assert!(open(&server, "/").expect(200).text().contains(" data-read-only "));
}
