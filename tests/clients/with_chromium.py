"""Chromium against the server: what pages of strangers, of rebound names and of friends can do."""

import http.server
import subprocess
import sys
import threading
import time
import urllib.request

import browser
import checks
import folder

SECRET = "what no page of a stranger may read"
RULES = (
    "<CORSConfiguration><CORSRule><AllowedOrigin>{}</AllowedOrigin>"
    "<AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>"
    "<AllowedMethod>POST</AllowedMethod><AllowedMethod>DELETE</AllowedMethod>"
    "<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>"
    "</CORSRule></CORSConfiguration>"
)
# One pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8"
    "cfc000000301010018dd8db00000000049454e44ae426082"
)

# Each is the body of an async function of (url, key) on a page; it gives true if the page reached
# what it wanted, as far as a page can see that.
READS = {
    "fetch": "const r = await fetch(`${url}/photos/${key}`); return (await r.text()) != null",
    "fetch without cors": """
        const r = await fetch(`${url}/photos/${key}`, {mode: 'no-cors'}); return r.type != null""",
    "listing": "const r = await fetch(`${url}/photos?list-type=2`); return (await r.text()) != null",
    "image": """
        return await new Promise(done => { const image = new Image();
        image.onload = () => done(true); image.onerror = () => done(false);
        image.src = `${url}/photos/pixel.png`; })""",
    "script": """
        return await new Promise(done => { const script = document.createElement('script');
        script.onload = () => done(true); script.onerror = () => done(false);
        script.src = `${url}/photos/script.js`; document.head.append(script); })""",
    "XHR": """
        return await new Promise(done => { const xhr = new XMLHttpRequest();
        xhr.onload = () => done(true); xhr.onerror = () => done(false);
        xhr.open('GET', `${url}/photos/${key}`); xhr.send(); })""",
}
WRITES = {
    "fetch PUT": """
        const r = await fetch(`${url}/photos/${key}`, {method: 'PUT', body: 'page'});
        return r.ok""",
    "fetch PUT with headers": """
        const headers = {'x-amz-meta-a': 'b', 'Content-Type': 'text/plain'};
        const r = await fetch(`${url}/photos/${key}`, {method: 'PUT', body: 'page', headers});
        return r.ok""",
    "XHR upload": """
        return await new Promise(done => { const xhr = new XMLHttpRequest();
        xhr.upload.onprogress = () => {};
        xhr.onload = () => done(xhr.status == 200); xhr.onerror = () => done(false);
        xhr.open('PUT', `${url}/photos/${key}`); xhr.send('page'); })""",
    "form data": """
        const form = new FormData(); form.append('key', key);
        form.append('file', new Blob(['page']), 'name');
        const r = await fetch(`${url}/photos`, {method: 'POST', body: form}); return r.ok""",
    "form": """
        const frame = document.createElement('iframe'); frame.name = 'frame' + key;
        document.body.append(frame);
        const form = document.createElement('form');
        form.method = 'post'; form.enctype = 'multipart/form-data';
        form.action = `${url}/photos`; form.target = frame.name;
        const field = (name, value) => { const input = document.createElement('input');
            input.name = name; input.value = value; form.append(input); };
        field('key', key); field('success_action_status', '201');
        const file = document.createElement('input'); file.type = 'file'; file.name = 'file';
        const data = new DataTransfer(); data.items.add(new File(['page'], 'name'));
        file.files = data.files; form.append(file); document.body.append(form);
        const over = new Promise(done => frame.onload = done);
        form.submit(); await over; return true""",
}
# Ways that only attack: nothing of them ever counts.
ATTACKS = {
    "fetch POST without cors": """
        const form = new FormData(); form.append('key', key);
        form.append('file', new Blob(['page']), 'name');
        await fetch(`${url}/photos`, {method: 'POST', body: form, mode: 'no-cors'});""",
    "fetch PUT without cors": """
        await fetch(`${url}/photos/${key}`, {method: 'PUT', body: 'page', mode: 'no-cors'});""",
    "beacon": """
        const form = new FormData(); form.append('key', key);
        form.append('file', new Blob(['page']), 'name');
        navigator.sendBeacon(`${url}/photos`, form);
        await new Promise(done => setTimeout(done, 500));""",
    "plain form": """
        const body = `<Delete><Object><Key>secret.txt</Key></Object></Delete>`;
        await fetch(`${url}/photos?delete`, {method: 'POST', body, mode: 'no-cors'});""",
    "multipart upload": """
        await fetch(`${url}/photos/${key}?uploads`, {method: 'POST', mode: 'no-cors'});""",
    "fetch DELETE": "await fetch(`${url}/photos/secret.txt`, {method: 'DELETE'});",
    "rules": "await fetch(`${url}/photos?cors`, {method: 'DELETE'});",
    "websocket": """
        await new Promise(done => { const s = new WebSocket(url.replace('http', 'ws') + '/photos');
        s.onerror = s.onclose = done; });""",
}


class Pages(http.server.BaseHTTPRequestHandler):
    """Empty pages, under any name, and one with a link to the object."""

    def do_GET(self):
        body = b"<!doctype html><title>page</title><body>"
        if self.path.startswith("/link?"):
            body += f'<a id="link" href="{self.path[6:]}">link</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def ask(url, method, data=None, headers=None):
    """A request of no browser."""
    request = urllib.request.Request(url, data, headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def begin():
    """The browser, the pages, and what there is to be read."""
    place = checks.place()
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    window = browser.Browser(place)
    for name, data, kind in [
        ("secret.txt", SECRET.encode(), "text/plain"),
        ("pixel.png", PNG, "image/png"),
        ("script.js", b"window.ran = true", "text/javascript"),
    ]:
        ask(f"{place.url}/photos/{name}", "PUT", data, {"Content-Type": kind})
    html = b"<script>fetch('/photos/active',{method:'PUT',body:'x'});document.title='ran'</script>"
    for kind in ["text/html", "image/svg+xml", "text/plain,text/html"]:
        name = kind.replace("/", "-").replace(",", "-")
        data = html if "html" in kind else (
            b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("/photos/active",'
            b'{method:"PUT",body:"x"})</script></svg>'
        )
        ask(f"{place.url}/photos/{name}", "PUT", data, {"Content-Type": kind})
    return place, window, pages.server_address[1]


PLACE = BROWSER = PORT = None


def page(name):
    return f"http://{name}.example:{PORT}"


def files():
    """What is stored; also what the server keeps for itself, but no empty folders."""
    root = PLACE.bucket
    found = [p for p in root.rglob("*") if p.is_file() and not p.is_symlink()]
    return {p.relative_to(root).as_posix(): folder.sha(p.read_bytes()) for p in found}


def nothing_reached(url, ways, expected):
    before = files()
    for number, (name, body) in enumerate(ways.items()):
        got = BROWSER.run(body, url, f"evil-{number}")
        if expected is not None and got not in expected:
            raise AssertionError(f"{name}: the page got {got}")
        folder.same(f"stored after {name}", files(), before)


def pages_of_strangers(_):
    """Nothing that a page of another origin tries is stored, and nothing is shown to it."""
    BROWSER.visit(page("stranger") + "/")
    reads = {**READS}
    # A page may ask so, and is refused: what it gets says nothing.
    opaque = reads.pop("fetch without cors")
    nothing_reached(PLACE.url, reads, [None, False])
    nothing_reached(PLACE.url, {"fetch without cors": opaque}, [None, True])
    # A form that is sent has reached a page that says why not.
    sent = {"form": WRITES["form"]}
    nothing_reached(PLACE.url, {k: v for k, v in WRITES.items() if k not in sent}, [None, False])
    nothing_reached(PLACE.url, sent, [True])
    nothing_reached(PLACE.url, ATTACKS, None)
    if BROWSER.run("return window.ran === true"):
        raise AssertionError("the script ran")


def names_of_this_machine(_):
    """A page of another port of this machine is a stranger, too."""
    BROWSER.visit(f"http://127.0.0.1:{PORT}/")
    nothing_reached(PLACE.url, {k: v for k, v in WRITES.items() if k != "form"}, [None, False])
    nothing_reached(PLACE.url, ATTACKS, None)
    nothing_reached(PLACE.url, {"image": READS["image"], "script": READS["script"]}, [False])


def rebound_names(_):
    """A name that its owner lets point here is the same origin to the browser, and is refused."""
    port = PLACE.url.rsplit(":", 1)[1]
    rebound = f"http://rebound.example:{port}"
    BROWSER.visit(f"{rebound}/photos/secret.txt")
    text = BROWSER.text()
    if SECRET in text or "AccessDenied" not in text:
        raise AssertionError(text)
    for name, body in {"fetch": READS["fetch"], "listing": READS["listing"]}.items():
        read = body.replace("!= null", "")
        got = BROWSER.run(read, rebound, "secret.txt")
        if got is None or SECRET in got or "AccessDenied" not in got:
            raise AssertionError(f"{name}: {got}")
    writes = {k: v for k, v in WRITES.items() if k != "form"}
    nothing_reached(rebound, writes, [None, False])
    nothing_reached(rebound, ATTACKS, None)


def active_objects(_):
    """An object that is a page runs no script, so it cannot act as a page of the server."""
    for name in ["text-html", "image-svg+xml", "text-plain-text-html"]:
        before = files()
        BROWSER.visit(f"{PLACE.url}/photos/{name}")
        time.sleep(0.5)
        if BROWSER.call("/title", method="GET") == "ran":
            raise AssertionError(f"{name} ran")
        folder.same(f"stored after {name}", files(), before)


def links_are_followed(_):
    """Who follows a link of any page sees the object."""
    BROWSER.visit(f"{page('stranger')}/link?{PLACE.url}/photos/secret.txt")
    BROWSER.run("setTimeout(() => document.getElementById('link').click(), 0)")
    for _ in range(50):
        if SECRET in BROWSER.text():
            return
        time.sleep(0.1)
    raise AssertionError(BROWSER.text())


def let_in(url, name):
    """Everything that pages do works from a page that is let in, and is stored."""
    BROWSER.visit(page(name) + "/")
    for number, (way, body) in enumerate(WRITES.items()):
        key = f"{name}-{number}"
        if not BROWSER.run(body, url, key):
            raise AssertionError(f"{way} failed")
        checks.stored(PLACE, key, b"page")
        got = BROWSER.run(
            "const r = await fetch(`${url}/photos/${key}`);"
            "return [await r.text(), r.headers.get('ETag') != null]",
            url,
            key,
        )
        folder.same(f"{way} read back", got, ["page", True])
        gone = "const r = await fetch(`${url}/photos/${key}`, {method: 'DELETE'}); return r.status"
        folder.same(f"{way} deleted", BROWSER.run(gone, url, key), 204)
        assert not (PLACE.bucket / key).exists()


def rules_of_the_bucket(_):
    """The CORS rules of a bucket let in the pages that they name, and nobody else."""
    ask(f"{PLACE.url}/photos?cors", "PUT", RULES.format(page("friend")).encode())
    let_in(PLACE.url, "friend")
    pages_of_strangers(_)
    # Its rules are not a page's to change.
    BROWSER.visit(page("friend") + "/")
    before = files()
    BROWSER.run(ATTACKS["rules"], PLACE.url, "")
    folder.same("stored", files(), before)
    ask(f"{PLACE.url}/photos?cors", "DELETE")


def option_of_the_server(_):
    """--cors-origin lets in the pages of one origin."""
    command = [sys.argv[3], "--port", "0", "--dir", str(PLACE.bucket)]
    command += ["--cors-origin", page("app")]
    server = subprocess.Popen(command, env={}, stdout=subprocess.PIPE, text=True)
    try:
        url = next(
            line.split("listening on ")[1].strip()
            for line in server.stdout
            if "listening on " in line
        )
        let_in(url, "app")
        BROWSER.visit(page("stranger") + "/")
        writes = {k: v for k, v in WRITES.items() if k != "form"}
        nothing_reached(url, writes, [None, False])
        nothing_reached(url, ATTACKS, None)
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    PLACE, BROWSER, PORT = begin()
    try:
        checks.steps(
            pages_of_strangers,
            names_of_this_machine,
            rebound_names,
            active_objects,
            links_are_followed,
            rules_of_the_bucket,
            option_of_the_server,
        )
    finally:
        BROWSER.close()
