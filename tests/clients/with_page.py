"""The page for people in Chromium: looked at, searched, uploaded to and deleted from, also by keys.

With a folder as a third argument, pictures of what it looks like are left there.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import browser
import checks
import folder

BROWSER = None
PICTURES = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
# One pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8"
    "cfc000000301010018dd8db00000000049454e44ae426082"
)
LARGE = folder.body("page", (80 << 20) + 1)
# How all uploads of the page have ended.
DONE = "Array.from(document.querySelectorAll('#jobs li'), j => j.children[1].textContent).join()"
NOTE = "document.getElementById('note').textContent"


def value(expression):
    return BROWSER.run(f"return {expression}")


def until(what, expression, wanted=True):
    """Waits until an expression of the page has a value."""
    end = time.monotonic() + checks.PATIENCE
    while (got := value(expression)) != wanted:
        if time.monotonic() > end:
            note = value(NOTE)
            raise AssertionError(f"{what}: {got!r}, wanted {wanted!r}; the page says {note!r}")
        time.sleep(0.05)


def names():
    links = "document.querySelectorAll('#rows td:first-child a')"
    return value(f"Array.from({links}, a => a.textContent)")


def shows(caption):
    until("caption", "document.getElementById('caption').textContent", caption)


def picture(name):
    if PICTURES:
        time.sleep(0.3)
        BROWSER.picture(PICTURES / f"{name}.png")


def row(name):
    named = f"r.querySelector('a').textContent === {json.dumps(name)}"
    return f"Array.from(document.querySelectorAll('#rows tr')).find(r => {named})"


def press(name, label):
    """Clicks what has this text in the row of a name."""
    inside = f"Array.from({row(name)}.querySelectorAll('a, button'))"
    found = f"{inside}.find(b => b.textContent === {json.dumps(label)})"
    if BROWSER.run(f"{found}.click(); return true") is not True:
        raise AssertionError(f"nothing to click: {label} of {name}; there are {names()}")


def begin(place):
    """A person opens the address of the server and sees the buckets, the folders and the names."""
    for name, data in [("read me.txt", b"hello, reader\n"), ("one.png", PNG), ("empty", b"")]:
        folder.write(place.bucket / "shown" / name, data)
    global BROWSER
    BROWSER = browser.Browser(place)
    BROWSER.visit(place.url)
    shows("Buckets")
    folder.same("buckets", names(), ["extra", "photos"])
    picture("buckets")
    press("photos", "photos")
    shows("In photos/")
    folder.same("top", names(), ["before/", "doomed/", "many/", "shown/"])
    press("before/", "before/")
    shows("In photos/before/")
    entries = {n.split("/")[0] + "/" * ("/" in n) for n in (*folder.NAMES, *folder.LARGE)}
    folder.same("names", sorted(names()), sorted(entries))
    folder.same("title", BROWSER.call("/title", method="GET"), "photos/before – Lobos")
    # A name with everything that a URL changes leads to its own folder.
    press("日本/", "日本/")
    shows("In photos/before/日本/")
    BROWSER.call("/back", {})
    shows("In photos/before/")
    BROWSER.visit(BROWSER.call("/url", method="GET"))
    shows("In photos/before/")
    until("names", "document.querySelectorAll('#rows tr').length", len(entries))
    picture("folder")


def pages(place):
    """A long folder comes by pages, forth and back, each name once."""
    BROWSER.visit(f"{place.url}/photos/doomed/")
    seen = []
    for page in range(1, 6):
        until("page", "document.getElementById('count').textContent", f"200 on page {page}")
        seen += names()
        more = value("!document.getElementById('more').disabled")
        folder.same(f"more after page {page}", more, page < 5)
        if more:
            BROWSER.click("#more")
    folder.same("names", [f"doomed/{name}" for name in seen], folder.doomed_keys())
    BROWSER.click("#back")
    until("page", "document.getElementById('count').textContent", "200 on page 4")
    folder.same("page 4", names(), seen[600:800])


def search(place):
    """The field of the search shows what begins so."""
    BROWSER.type("#prefix", "012")
    until("found", "document.getElementById('count').textContent", "10 on page 1")
    assert all(name.startswith("012") for name in names()), names()
    BROWSER.type("#prefix", "zz")
    until("found", "document.getElementById('count').textContent", "Nothing here")


def previews(place):
    """Text and pictures are shown with what is known of them; other files only with that."""
    BROWSER.visit(f"{place.url}/photos/shown/")
    until("names", "document.querySelectorAll('#rows tr').length", 3)
    press("read me.txt", "read me.txt")
    until("text", "document.querySelector('#preview pre')?.textContent", "hello, reader\n")
    facts = value("document.getElementById('facts').textContent")
    for fact in ["shown/read me.txt", "14 bytes", "text/plain"]:
        assert fact in facts, facts
    picture("text")
    with urllib.request.urlopen(value("document.getElementById('get').href")) as answer:
        folder.same("download", answer.read(), b"hello, reader\n")
    BROWSER.press(browser.ESCAPE)
    press("one.png", "one.png")
    until("picture", "document.querySelector('#preview img')?.naturalWidth", 1)
    BROWSER.press(browser.ESCAPE)
    press("empty", "empty")
    until("dialog", "document.getElementById('shown').open")
    folder.same("preview", value("document.getElementById('preview').childElementCount"), 0)
    BROWSER.press(browser.ESCAPE)


def uploads(place):
    """A small file and one in parts are stored as they are, and a dropped one where it belongs."""
    small = place.local / "small +ü.txt"
    large = place.local / "large.bin"
    small.write_bytes(b"small")
    large.write_bytes(LARGE)
    BROWSER.type("#files", f"{small}\n{large}")
    until("uploads", DONE, "Done,Done")
    checks.stored(place, f"shown/{small.name}", b"small")
    checks.stored(place, "shown/large.bin", LARGE)
    until("names", "document.querySelectorAll('#rows tr').length", 5)
    picture("uploads")
    drop = """
        const data = new DataTransfer(); data.items.add(new File(['dropped'], 'dropped.json'));
        const event = {dataTransfer: data, bubbles: true, cancelable: true};
        for (const kind of ['dragover', 'drop'])
            document.body.dispatchEvent(new DragEvent(kind, event));
        return true"""
    assert BROWSER.run(drop)
    until("uploads", DONE, "Done,Done,Done")
    checks.stored(place, "shown/dropped.json", b"dropped")
    with urllib.request.urlopen(f"{place.url}/photos/shown/dropped.json") as answer:
        folder.same("type", answer.headers["content-type"], "application/json")


def folders_and_deletes(place):
    """A new folder is made; what is to be deleted is asked for once and gone, and no is no."""
    BROWSER.click("#new")
    BROWSER.type("#answer", "fresh\n")
    until("folder", f"!!({row('fresh/')})")
    assert (place.bucket / "shown/fresh").is_dir()
    press("dropped.json", "Delete")
    asked = "document.getElementById('question').textContent"
    until("question", asked, "Delete shown/dropped.json?")
    picture("question")
    BROWSER.press(browser.ESCAPE)
    assert (place.bucket / "shown/dropped.json").exists()
    # Asked again before the page is told that the question was closed.
    button = f"Array.from({row('dropped.json')}.querySelectorAll('button'))"
    button += ".find(b => b.textContent === 'Delete')"
    close = "document.getElementById('ask').close()"
    assert BROWSER.run(f"const b = {button}; b.click(); {close}; b.click(); return true")
    BROWSER.click("#yes")
    until("gone", f"!({row('dropped.json')})")
    assert not (place.bucket / "shown/dropped.json").exists()


def keyboard(place):
    """Everything can be reached without a mouse: from the list into a folder, and to a file."""
    BROWSER.visit(f"{place.url}/photos/")
    until("names", "document.querySelectorAll('#rows tr').length", 4)
    focused = "document.activeElement.textContent"
    for _ in range(20):
        BROWSER.press(browser.TAB)
        if value(focused) == "shown/":
            break
    BROWSER.press(browser.ENTER)
    shows("In photos/shown/")
    until("focus", "document.activeElement.id", "list")
    for _ in range(20):
        BROWSER.press(browser.TAB)
        if value(focused) == "read me.txt":
            break
    BROWSER.press(browser.ENTER)
    until("text", "document.querySelector('#preview pre')?.textContent", "hello, reader\n")
    BROWSER.press(browser.ESCAPE)
    until("focus", focused, "read me.txt")


def errors(place):
    """A bucket that is not there is said to be so, in words."""
    BROWSER.visit(f"{place.url}/missing/")
    until("note", f"{NOTE}.startsWith('The specified bucket does not exist.')")


def dark(place):
    """At night the page is dark."""
    light = value("getComputedStyle(document.body).backgroundColor")
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    command = {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}}
    BROWSER.call("/goog/cdp/execute", command)
    BROWSER.visit(f"{place.url}/photos/shown/")
    until("names", "document.querySelectorAll('#rows tr').length", 6)
    assert value("getComputedStyle(document.body).backgroundColor") != light
    picture("dark")


def keys(place):
    """Where requests must be signed the page asks for the key and makes links that need none."""
    env = {"LOBOS_ACCESS_KEY": "KEY", "LOBOS_SECRET_KEY": "hush/+=ü"}
    command = [os.environ["LOBOS_BINARY"], "--port", "0", "--root", place.bucket.parent]
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    try:
        lines = iter(server.stdout.readline, "")
        url = next(line.split()[-1] for line in lines if line.startswith("listening on"))
        BROWSER.visit(f"{url}/photos/shown/")
        until("question", "document.getElementById('login').open")
        picture("login")
        BROWSER.type("#access", "KEY")
        BROWSER.type("#secret", "wrong\n")
        until("again", f"{NOTE}.startsWith('The request signature')")
        BROWSER.visit(f"{url}/photos/shown/")
        BROWSER.type("#access", "KEY")
        BROWSER.type("#secret", "hush/+=ü\n")
        until("names", "document.querySelectorAll('#rows tr').length", 6)
        press("read me.txt", "read me.txt")
        until("text", "document.querySelector('#preview pre')?.textContent", "hello, reader\n")
        BROWSER.press(browser.ESCAPE)
        BROWSER.type("#files", str(place.local / "large.bin"))
        (place.bucket / "shown/large.bin").unlink()
        until("upload", DONE, "Done")
        checks.stored(place, "shown/large.bin", LARGE)
        for name in ["read me.txt", "small +ü.txt"]:
            link = urllib.parse.urljoin(url, value(f"{row(name)}.querySelector('a').href"))
            assert "X-Amz-Signature=" in link, link
            with urllib.request.urlopen(link) as answer:
                folder.same(name, answer.read(), (place.bucket / "shown" / name).read_bytes())
    finally:
        server.kill()
        server.wait()


def end(place):
    """Nothing of the uploads is left."""
    left = [p for p in (place.bucket / ".lobos").rglob("*") if p.is_file()]
    folder.same("left", left, [])
    BROWSER.close()


if __name__ == "__main__":
    checks.steps(
        begin,
        pages,
        search,
        previews,
        uploads,
        folders_and_deletes,
        keyboard,
        errors,
        dark,
        keys,
        end,
    )
