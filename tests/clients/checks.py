"""What the client tests share: the place, a clean environment, and steps that name themselves."""

import pathlib
import subprocess
import sys
import time
import traceback
import urllib.parse

import folder

BUCKET = "photos"
EXTRA = "extra"
INSTALLED = pathlib.Path(__file__).resolve().parents[2] / "target" / "clients"
CLIENTS = INSTALLED / "venv" / "bin"
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
        trusted = home / "server.pem"
        if trusted.exists():  # the server speaks HTTPS
            ENV.update({name: str(trusted) for name in ("AWS_CA_BUNDLE", "CURL_CA_BUNDLE")})
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


class Client:
    """One S3 client, as `rounds` needs it; what a client cannot do stays None."""

    def __init__(self, put, get, listed=None, delete=None, copy=None):
        self.put = put  # (key, data)
        self.get = get  # key -> data; raises if there is none
        self.listed = listed  # prefix -> all keys below it
        self.delete = delete  # key
        self.copy = copy  # (key, key)


# One byte over two parts of 8 MiB, which is four of 5 MiB: every client sends it in parts.
PARTS = folder.body("parts", (16 << 20) + 1)


def rounds(place, client, at, without=(), uncopied=(), parts="in parts.bin", large=PARTS, before=True):
    """Every awkward name and a large object: put, on the disk, get, list, copy and delete.

    `without` are parts of names that the client itself cannot say, `uncopied` of those that it
    cannot copy, with the reason beside them; `parts` is the name of the large one.
    """
    names = [n for n in folder.NAMES if not any(part in n for part in without)]
    wanted = {f"{at}/{name}": folder.body(name) for name in names}
    wanted |= {f"{at}/empty.bin": b"", f"{at}/{parts}": large}
    for key, data in wanted.items():
        client.put(key, data)
        stored(place, key, data)
    for key, data in wanted.items():
        folder.same(f"get {key}", folder.sha(client.get(key)), folder.sha(data))
    if before:
        for name in names:
            data = (place.bucket / "before" / name).read_bytes()
            folder.same(f"before/{name}", folder.sha(client.get(f"before/{name}")), folder.sha(data))
    if client.listed:
        folder.same("list", sorted(client.listed(f"{at}/"), key=str.encode), in_order(wanted))
        folder.same("pages", sorted(client.listed("many/"), key=str.encode), folder.many_keys())
    if client.copy:
        copied = ("plain.txt", "with some spaces.txt", parts)
        for name in (n for n in copied if not any(part in n for part in uncopied)):
            client.copy(f"{at}/{name}", f"{at}-copy/{name}")
            stored(place, f"{at}-copy/{name}", wanted[f"{at}/{name}"])
    missing(client, f"{at}/missing")
    if client.delete:
        for key in wanted:
            client.delete(key)
        folder.same("after the deletes", folder.tree(place.bucket / at), {})
        missing(client, f"{at}/plain.txt")


def in_order(keys):
    return sorted(keys, key=str.encode)


def missing(client, key):
    """A get of what is not there is an error and never an empty object."""
    try:
        data = client.get(key)
    except Exception:
        return
    raise AssertionError(f"{key} is not there, but a get gave {data[:100]!r}")


def at_once(call, *args, **named):
    """Calls, and fails if that took long: nothing may wait for a FIFO's other end."""
    start = time.monotonic()
    result = call(*args, **named)
    took = time.monotonic() - start
    assert took < AT_ONCE, f"{args} took {took:.1f} s"
    return result


def steps(*functions):
    """Runs the steps in order; names those that failed, with why, and how long each took."""
    where = place()
    failed = []
    for function in functions:
        start = time.monotonic()
        print(f"{function.__name__}:", end=" ", flush=True)
        try:
            function(where)
        except Exception:
            failed.append(function.__name__)
            print("FAILED", flush=True)
            traceback.print_exc(file=sys.stdout)
            continue
        print(f"{time.monotonic() - start:.2f} s", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
