#!/usr/bin/env python3
"""Measures listings of a million names: benches/listing.py [--index] [--names N] [--tree NAME]

Trees are made once beneath --where. Every server gets the same requests over plain HTTP on one
kept connection; quoted are wall time, CPU time of the server (utime + stime) and its peak of
resident memory. All keys are checked: all there, in order, once. A step that takes longer than
--limit gives a dash. versitygw and rclone (1.65 or later) take part where they are on the PATH.
"""

import argparse
import concurrent.futures
import csv
import hashlib
import hmac
import html
import http.client
import os
import pathlib
import re
import shutil
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parent.parent
VENV = TOP / "target" / "listing" / "venv"
BOTO3 = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
TICKS = os.sysconf("SC_CLK_TCK")
KEY, SECRET = "any-key", "any-secret"
# In no order, as real folders are: 7,777,777 has no factor in common with a power of ten.
STRIDE = 7_777_777


class OutOfTime(Exception):
    """A step took longer than it may."""


TREES = {
    "flat": lambda names: [f"part-{at // 100_000}_object-{at:08}" for at in range(names)],
    "folders": lambda names: [f"d{at // 1000:05}/object-{at % 1000:04}" for at in range(names)],
    "single": lambda names: [f"d{at:07}/only" for at in range(names // 10)],
}
# A prefix in the middle, made of the key there.
MIDDLE = {"flat": slice(-3), "folders": slice(7), "single": slice(6)}


def make(root, tree, keys):
    """Makes the files once; a mark beside the tree says that all are there."""
    mark = root.parent / f"{tree}-{len(keys)}.made"
    if mark.exists():
        return
    shutil.rmtree(root / tree, ignore_errors=True)
    for old in root.parent.glob(f"{tree}-*.made"):
        old.unlink()
    for folder in {f"{root}/{tree}/{key}".rpartition("/")[0] for key in keys}:
        os.makedirs(folder)
    for at in range(len(keys)):
        path = f"{root}/{tree}/{keys[at * STRIDE % len(keys)]}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
    mark.touch()


def make_probe(root):
    """A folder of ten, and an object to get."""
    (root / "probe" / "d").mkdir(parents=True, exist_ok=True)
    for at in range(10):
        (root / "probe" / "d" / str(at)).write_bytes(b"x")
    (root / "probe" / "small").write_bytes(bytes(32 << 10))


# The servers.


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def start(words, port):
    """A server as a process, and whether it listens."""
    null = subprocess.DEVNULL
    child = subprocess.Popen(words, stdin=null, stdout=null, stderr=null)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return child, True
        if child.poll() is not None:
            break
        time.sleep(0.05)
    return child, False


class Server:
    """A process that serves a tree and the folder of the probe, alone in the folder `root`."""

    def __init__(self, command, root, tree):
        self.port = free_port()
        self.links = tempfile.TemporaryDirectory(prefix="links-", dir=root.parent)
        places = {"tree": root / tree, "probe": root / "probe"}
        for place in places.values():
            pathlib.Path(self.links.name, place.name).symlink_to(place)
        words = [word.format(port=self.port, root=self.links.name, **places) for word in command]
        self.child, listens = start(words, self.port)
        if not listens:
            self.stop()
            raise SystemExit(f"{words} does not listen")

    def stop(self):
        self.child.kill()
        self.child.wait()
        self.links.cleanup()

    def cpu(self):
        """Seconds of CPU so far."""
        text = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.child.pid}/clear_refs").write_text("5")

    def memory(self, which="VmHWM"):
        """MiB: the peak of resident memory, or `VmRSS` of now."""
        text = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(rf"{which}:\s+(\d+)", text)[1]) / 1024

    def settle(self, until):
        """Waits until it has nothing to do."""
        last = -1
        while self.cpu() > last:
            last = self.cpu()
            time.sleep(0.5)
            if time.monotonic() > until:
                raise OutOfTime


def commands(given):
    """The servers that are here and how to start them on the folders {tree} and {probe}."""
    lobos = [given.lobos, "--dir", "{tree}", "--dir", "{probe}", "--port", "{port}"]
    found = {"lobos": lobos + (["-e"] if given.index else [])}
    if shutil.which("versitygw"):
        keys = ["--access", KEY, "--secret", SECRET, "--quiet", "--keep-alive"]
        found["versitygw"] = ["versitygw", "--port", "127.0.0.1:{port}", *keys, "posix", "{root}"]
    if shutil.which("rclone"):
        rclone = ["rclone", "serve", "s3"]
        # Older ones print the help of `rclone serve` for what they do not have.
        if b"serve s3" in subprocess.run([*rclone, "--help"], capture_output=True).stdout:
            # Without a hash for the ETag: else it reads every file that it lists.
            keys = ["--auth-key", f"{KEY},{SECRET}", "--copy-links", "--etag-hash", ""]
            found["rclone"] = [*rclone, "--addr", "127.0.0.1:{port}", *keys, "{root}"]
    return {name: found[name] for name in given.servers or found if name in found}


class Connection:
    """One kept connection with signed requests."""

    def __init__(self, server, until):
        self.host, self.until = f"127.0.0.1:{server.port}", until
        self.http = http.client.HTTPConnection(self.host)

    def send(self, method, path, **query):
        """Sends a request."""
        self.http.timeout = left = self.until - time.monotonic()
        if left <= 0:
            raise OutOfTime
        if self.http.sock:
            self.http.sock.settimeout(left)
        quote = {"quote_via": urllib.parse.quote, "safe": ""}
        text = urllib.parse.urlencode(sorted(query.items()), **quote)
        headers = sign(method, path, text, self.host)
        self.http.request(method, f"{path}?{text}" if text else path, headers=headers)

    def ask(self, method, path, **query):
        """The body of an answer with status 200."""
        self.send(method, path, **query)
        try:
            answer = self.http.getresponse()
            body = answer.read()
        except TimeoutError as late:
            raise OutOfTime from late
        if answer.status != 200:
            raise SystemExit(f"{method} {path} {query}: {answer.status} {body[:500]}")
        return body

    def page(self, bucket, token=None, **query):
        """Keys, common prefixes and the token for what follows."""
        more = {"continuation-token": token} if token else {}
        body = self.ask("GET", f"/{bucket}", **{"list-type": "2"}, **more, **query).decode()
        prefixes = re.findall(r"<CommonPrefixes><Prefix>([^<]*)", body)
        token = re.search(r"<NextContinuationToken>([^<]+)", body)
        return re.findall(r"<Key>([^<]*)", body), prefixes, html.unescape(token[1]) if token else ""

    def all(self, bucket, **query):
        """All pages."""
        token = None
        while token != "":
            keys, prefixes, token = self.page(bucket, token, **query)
            yield keys or prefixes


def sign(method, path, query, host):
    """The headers of signature version 4."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    lines = f"host:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{now}\n"
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = f"{method}\n{path}\n{query}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    auth = f"Credential={KEY}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    named = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD", "x-amz-date": now}
    return {"Authorization": f"AWS4-HMAC-SHA256 {auth}", **named}


# The steps: each is called with a run and says how often it did what it measures, and a note.


class Run:
    """One step on one tree of one server."""

    def __init__(self, server, tree, keys, given):
        self.server, self.tree, self.keys, self.given = server, tree, keys, given
        self.until = time.monotonic() + given.limit
        self.connection = Connection(server, self.until)

    def same(self, found, expected):
        if found != expected:
            wrong = next((pair for pair in zip(found, expected) if pair[0] != pair[1]), "")
            raise SystemExit(f"{self.tree}: {len(found)} keys, not {len(expected)}; {wrong}")

    def repeat(self, times, call):
        """Calls that often, or for a few seconds; gives how often it was."""
        end = time.monotonic() + min(self.given.limit / 4, 5)
        for count in range(1, times + 1):
            call()
            if time.monotonic() > end:
                break
        return count


def first(run):
    """The first page of a server that was just started."""
    run.same(run.connection.page(run.tree)[0], run.keys[:1000])
    return 1, ""


def middle(run):
    """A page of 1,000 from the middle."""
    at = len(run.keys) // 2
    expected = run.keys[at + 1 : at + 1001]
    page = lambda: run.connection.page(run.tree, **{"start-after": run.keys[at]})[0]  # noqa: E731
    return run.repeat(300, lambda: run.same(page(), expected)), ""


def pages(run):
    """All pages; `times` is how many there were."""
    found = list(run.connection.all(run.tree))
    run.same([key for page in found for key in page], run.keys)
    return len(found), f"{len(run.keys)} keys"


def paginator(run):
    """All pages by boto3, which itself takes most of the time."""
    import boto3
    import botocore.config

    config = botocore.config.Config(read_timeout=run.given.limit, retries={"max_attempts": 0})
    named = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
    s3 = boto3.client("s3", endpoint_url=f"http://{run.connection.host}", config=config, **named)
    found, count = [], 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=run.tree):
        found += [entry["Key"] for entry in page.get("Contents", ())]
        count += 1
        if time.monotonic() > run.until:
            raise OutOfTime
    run.same(found, run.keys)
    return count, f"{len(found)} keys"


def delimiter(run):
    """A page with delimiter=/."""
    expected = list(dict.fromkeys(key[: key.find("/") + 1] or key for key in run.keys))[:1000]

    page = lambda: next(run.connection.all(run.tree, delimiter="/"))  # noqa: E731
    return run.repeat(100, lambda: run.same(page(), expected)), ""


def prefix(run):
    """A page of what begins with a prefix in the middle."""
    wanted = run.keys[len(run.keys) // 2][MIDDLE[run.tree]]
    expected = [key for key in run.keys if key.startswith(wanted)][:1000]
    page = lambda: run.connection.page(run.tree, prefix=wanted)[0]  # noqa: E731
    return run.repeat(300, lambda: run.same(page(), expected)), f"{len(expected)} keys"


def probe(run):
    """prefix=d/&max-keys=1 in a folder of ten, as some clients send it a thousand times."""
    query = {"prefix": "d/", "max-keys": "1"}
    return run.repeat(3000, lambda: run.same(run.connection.page("probe", **query)[0], ["d/0"])), ""


def head(run):
    """HeadObject, to compare with the probe."""
    return run.repeat(3000, lambda: run.connection.ask("HEAD", "/probe/d/0")), ""


def clients(run):
    """Many clients page at once, each from another place, for ten seconds."""
    end = min(time.monotonic() + 10, run.until)
    count = 100

    def one(number):
        own, pages = Connection(run.server, run.until), 0
        query = {"start-after": run.keys[len(run.keys) * number // count]}
        while time.monotonic() < end:
            for _ in own.all(run.tree, **query):
                pages += 1
                if time.monotonic() > end:
                    break
        return pages

    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return sum(pool.map(one, range(count))), f"{count} clients"


def gets(run):
    """GET of 32 KiB, alone and while the first page of a fresh server is built."""
    get = lambda: timed(lambda: run.connection.ask("GET", "/probe/small"))  # noqa: E731
    quiet, busy = sorted(get() for _ in range(500)), []
    other, start = Connection(run.server, run.until), time.monotonic()
    other.send("GET", f"/{run.tree}", **{"list-type": "2"})
    while not select.select([other.http.sock], [], [], 0)[0]:
        busy.append(get())
    took = time.monotonic() - start
    busy.sort()
    p99 = [times[len(times) * 99 // 100] * 1000 for times in (quiet, busy)]
    note = f"p99 {p99[0]:.2f} ms alone, {p99[1]:.2f} ms beside a page of {took * 1000:.0f} ms"
    return len(busy), f"{note}, worst {busy[-1] * 1000:.2f} ms"


CREATE = """
import os, sys, time
start, at = time.monotonic(), 0
while True:
    os.close(os.open(f"{sys.argv[1]}/zz-busy-{at:08}", os.O_CREAT | os.O_WRONLY))
    at += 1
    time.sleep(max(0, start + at / 1000 - time.monotonic()))
"""


def busy(run):
    """All pages while another process makes 1,000 files a second in the flat folder."""
    folder = run.given.where / "root" / run.tree
    query = {"start-after": run.keys[len(run.keys) // 2]}
    quiet = [timed(lambda: run.connection.page(run.tree, **query)) for _ in range(100)]
    other = subprocess.Popen([sys.executable, "-c", CREATE, folder])
    time.sleep(1)
    try:
        times, found, start = [], [], time.monotonic()
        for page in run.connection.all(run.tree):
            times.append(time.monotonic() - start)
            found += page
            start = time.monotonic()
    except OutOfTime:
        if not times:
            raise
    finally:
        other.kill()
        other.wait()
        for made in folder.glob("zz-busy-*"):
            made.unlink()
    old = [key for key in found if not key.startswith("zz-busy-")]
    run.same(old, run.keys[: len(old)] if run.until < time.monotonic() else run.keys)
    before, beside = statistics.median(quiet) * 1000, statistics.median(times) * 1000
    note = f"page {before:.2f} ms quiet, {beside:.2f} ms busy ({beside / before:.1f} times)"
    return len(times), f"{note}, worst {max(times) * 1000:.1f} ms, {len(found) - len(old)} new"


def timed(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start


EVERY = (first, middle, pages, paginator, delimiter, prefix)
STEPS = {"flat": (*EVERY, probe, head, clients, gets, busy), "folders": EVERY, "single": EVERY}
# These want a server that has seen nothing.
COLD = (first, gets)


def measure(run, step):
    """One row of figures."""
    server = run.server
    server.forget_peak()
    start, cpu = time.monotonic(), server.cpu()
    try:
        times, note = step(run)
    except OutOfTime:
        return {"times": 0, "note": f"over {run.given.limit} s"}
    wall, cpu = time.monotonic() - start, server.cpu() - cpu
    return {"times": times, "wall": wall, "cpu": cpu, "peak": server.memory(), "note": note}


def index(run):
    """Until the index of a server is whole; the note has the memory that it holds then."""
    run.server.settle(run.until)
    return 1, f"{run.server.memory('VmRSS'):.0f} MiB then"


def rows_of(name, command, trees, given):
    """All rows of one server."""
    for tree, keys in trees.items():
        server, whole = None, False
        for step in STEPS[tree]:
            if given.steps and step.__name__ not in given.steps:
                continue
            if server and step in COLD:
                server.stop()
                server = None
            if not server:
                server, whole = Server(command, given.where / "root", tree), False
            runs = [step]
            if name == "lobos" and given.index and not whole and step not in COLD:
                runs, whole = [index, step], True
            for step in runs:
                row = measure(Run(server, tree, keys, given), step)
                yield {"server": name, "tree": tree, "step": step.__name__, **row}
            if not row["times"]:
                # It may be at it still.
                server.stop()
                server = None
        if server:
            server.stop()


# What is said of it.


def table(rows):
    """Markdown: time and CPU per page or request, and peak of memory."""
    out = ["| tree | step | server | times | wall ms | CPU ms | peak MiB | |"]
    out += ["|-|-|-|-:|-:|-:|-:|-|"]
    for row in rows:
        figures = ["-"] * 4
        if row["times"]:
            each = [f"{row[what] * 1000 / row['times']:.2f}" for what in ("wall", "cpu")]
            figures = [str(row["times"]), *each, f"{row['peak']:.0f}"]
        words = [row["tree"], row["step"], row["server"], *figures, row["note"]]
        out.append(f"| {' | '.join(words)} |")
    return "\n".join(out) + "\n"


def in_venv():
    """Goes on in a virtual environment with boto3, which is made on first need."""
    if pathlib.Path(sys.prefix) == VENV:
        return
    lines = (TOP / "tests" / "clients" / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line.partition("==")[0] in BOTO3]
    if not VENV.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin" / "pip", "install", "-q", "--no-deps", *wanted], check=True)
    os.execv(VENV / "bin" / "python", [VENV / "bin" / "python", *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    path = {"type": pathlib.Path}
    parser.add_argument("--where", default=pathlib.Path("/dev/shm/lobos-listing"), **path)
    parser.add_argument("--names", type=int, default=1_000_000, help="a power of ten")
    parser.add_argument("--tree", dest="trees", action="append", choices=TREES)
    parser.add_argument("--step", dest="steps", action="append")
    parser.add_argument("--server", dest="servers", action="append")
    parser.add_argument("--index", action="store_true", help="start lobos with its index")
    parser.add_argument("--lobos", help="a program that is built already")
    parser.add_argument("--limit", type=float, default=60, help="seconds for a step")
    parser.add_argument("--csv", default=VENV.parent / "listing.csv", **path)
    given = parser.parse_args()
    in_venv()
    if not given.lobos:
        subprocess.run(["cargo", "build", "--locked", "--release", "--quiet"], cwd=TOP, check=True)
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
        given.lobos = str(target / "release" / "lobos")
    root = given.where / "root"
    trees = {tree: TREES[tree](given.names) for tree in given.trees or TREES}
    for tree, keys in trees.items():
        make(root, tree, keys)
    make_probe(root)
    rows = []
    for name, command in commands(given).items():
        for row in rows_of(name, command, trees, given):
            rows.append(row)
            print(table([row]).splitlines()[-1], flush=True)
    given.csv.parent.mkdir(parents=True, exist_ok=True)
    with given.csv.open("w", newline="") as file:
        columns = ("server", "tree", "step", "times", "wall", "cpu", "peak", "note")
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    order = list(dict.fromkeys((row["tree"], row["step"]) for row in rows))
    rows.sort(key=lambda row: order.index((row["tree"], row["step"])))
    given.csv.with_suffix(".md").write_text(table(rows))
    print(f"{given.csv} and {given.csv.with_suffix('.md')}")


if __name__ == "__main__":
    main()
