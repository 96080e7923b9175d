"""What the client tests share: the place, a clean environment, and steps that name themselves."""

import pathlib
import subprocess
import sys
import time
import urllib.parse

import folder

BUCKET = "photos"
EXTRA = "extra"
CLIENTS = pathlib.Path(__file__).resolve().parents[2] / "target" / "clients" / "venv" / "bin"
# Nothing that the machine sets for a client of another server reaches the clients here.
ENV = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "AWS_ACCESS_KEY_ID": "any-key",
    "AWS_SECRET_ACCESS_KEY": "any-secret",
    "AWS_DEFAULT_REGION": "eu-south-2",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "1",
    "AWS_PAGER": "",
}
# A GET that hangs on a FIFO ends by this limit; one that answers "at once" is far below it.
PATIENCE = 20
AT_ONCE = 8


class Place:
    """Where the server is, what it serves, and a folder for local files."""

    def __init__(self, url, home):
        self.url = url
        self.bucket = home / BUCKET
        self.local = home / "local"
        self.local.mkdir(exist_ok=True)
        self.env = {**ENV, "HOME": str(self.local)}


def place():
    """The place that the command line names: URL HOME."""
    return Place(sys.argv[1].rstrip("/"), pathlib.Path(sys.argv[2]).resolve())


def encode(key, safe="/"):
    return urllib.parse.quote(key, safe=safe)


def run(place, *command, fails=False, stdin=None):
    """Runs a client in its clean environment and gives its output; fails=True wants an error."""
    done = subprocess.run(
        [str(word) for word in command],
        env=place.env,
        cwd=place.local,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        timeout=6 * PATIENCE,
        check=False,
    )
    if (done.returncode != 0) != fails:
        said = (done.stdout[-3000:] + done.stderr[-3000:]).decode(errors="replace")
        raise AssertionError(f"{command} ended with {done.returncode}: {said}")
    return done.stderr if fails else done.stdout


def stored(place, key, data):
    """The file of this key on the server's disk has exactly these bytes."""
    found = folder.sha((place.bucket / key).read_bytes())
    folder.same(f"{key} on disk", found, folder.sha(data))


def at_once(call, *args, **named):
    """Calls, and fails if that took long: nothing may wait for a FIFO's other end."""
    start = time.monotonic()
    result = call(*args, **named)
    took = time.monotonic() - start
    assert took < AT_ONCE, f"{args} took {took:.1f} s"
    return result


def steps(*functions):
    """Runs the steps in order; the output names the one that failed and how long each took."""
    where = place()
    for function in functions:
        start = time.monotonic()
        print(f"{function.__name__}:", end=" ", flush=True)
        function(where)
        print(f"{time.monotonic() - start:.2f} s", flush=True)
