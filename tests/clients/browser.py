"""One chromium, driven by the WebDriver protocol."""

import base64
import contextlib
import json
import os
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request

import checks

DRIVER = "/usr/bin/chromedriver"
BINARY = "/usr/bin/chromium"
# What WebDriver calls an element.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"


class Browser:
    """A window without a screen; every name below `example` is this machine."""

    def __init__(self, place):
        home = tempfile.mkdtemp(dir=place.local)
        flags = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += ["--host-resolver-rules=MAP *.example 127.0.0.1", "--disable-background-networking"]
        flags += [f"--user-data-dir={home}/profile", "--window-size=1100,800"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")
        options = {"binary": BINARY, "args": flags}
        always = {"goog:chromeOptions": options, "timeouts": {"script": 20000, "pageLoad": 20000}}
        env = {**checks.ENV, "HOME": home, "TMPDIR": home}
        self.driver = subprocess.Popen(
            [DRIVER, "--port=0"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in self.driver.stdout:
            if "started successfully on port " in line:
                port = int(line.rsplit(" ", 1)[1].strip().rstrip("."))
                break
        threading.Thread(target=self.driver.stdout.read, daemon=True).start()
        self.base = f"http://127.0.0.1:{port}/session"
        self.base += "/" + self.call("", {"capabilities": {"alwaysMatch": always}})["sessionId"]

    def call(self, path, value=None, method="POST"):
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()[:1000].decode()) from None

    def visit(self, url):
        self.call("/url", {"url": url})

    def text(self):
        return self.run("return document.documentElement.textContent")

    def run(self, body, *values):
        """The value of an async function (url, key) with that body; None if it fails."""
        script = f"""
            const done = arguments[arguments.length - 1];
            const [url, key] = arguments;
            (async () => {{ {body} }})().then(done, () => done(null));"""
        return self.call("/execute/async", {"script": script, "args": list(values)})

    def find(self, selector):
        """The element of this CSS selector; there must be one."""
        return self.call("/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call(f"/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.call(f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys):
        """Keys as they come from the keyboard, to whatever has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.call("/screenshot", method="GET")))

    def close(self):
        with contextlib.suppress(OSError):
            self.call("", method="DELETE")
        self.driver.terminate()
        self.driver.wait(10)
