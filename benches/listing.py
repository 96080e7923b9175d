#!/usr/bin/env python3
"""Listings of large buckets, over HTTP: benches/listing.py [--names N] [--where DIR] [--trees ...]

Makes three trees (all names in one folder, in 1,000 folders, a tenth of them in a folder each) and
lists them with lobos, with and without its index, and with versitygw and rclone (1.65 or later) if
they are on PATH. Each step quotes the CPU time of the server (utime + stime) and the wall time;
keys are counted, and must be in order. Writes a Markdown table to standard output, and CSV with
--csv FILE.
"""

import argparse
import csv
import datetime
import hashlib
import hmac
import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parent.parent
PAGE = 1000
TICKS = os.sysconf("SC_CLK_TCK")
# What one step of one server may take, in seconds.
LIMIT = 120


def make(where, names):
    """The trees that are not there yet; the last is a probe's folder of ten in each."""
    trees = {"flat": [("", names)], "1,000 folders": [], "a folder each": []}
    per = max(names // 1000, 1)
    trees["1,000 folders"] = [(f"folder-{at:04}/", per) for at in range(1000)]
    trees["a folder each"] = [(f"folder-{at:06}/", 1) for at in range(names // 10)]
    paths = {}
    for name, folders in trees.items():
        root = where / f"{names}-{re.sub('[^a-z0-9]+', '-', name)}" / "bench"
        paths[name] = root
        if (root / "d").exists():
            continue
        for folder, count in folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
            for at in range(count):
                # In no order, as real folders are: 7,777,777 has no factor in common with a count.
                file = root / folder / f"object-{at * 7777777 % count:07}"
                os.close(os.open(file, os.O_CREAT | os.O_WRONLY))
        (root / "d").mkdir()
        for at in range(10):
            (root / "d" / str(at)).write_text("x")
    time.sleep(0.1)
    return paths


class Server:
    """One of the servers over one tree, on a free port."""

    def __init__(self, name, root):
        self.name = name
        port = free_port()
        command, env = COMMANDS[name](root, port)
        options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        start = time.monotonic()
        self.child = subprocess.Popen(command, env={**os.environ, **env}, **options)
        self.host = f"127.0.0.1:{port}"
        while self.child.poll() is None and time.monotonic() < start + 30:
            try:
                self.connection = http.client.HTTPConnection(self.host, timeout=LIMIT)
                self.connection.connect()
                return
            except OSError:
                time.sleep(0.02)
        self.child.kill()
        raise OSError(f"{name} does not listen")

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def get(self, query, method="GET", key=""):
        path, query = f"/bench{key}", urllib.parse.urlencode(sorted(query.items()))
        headers = sign(method, self.host, path, query)
        self.connection.request(method, f"{path}?{query}" if query else path, headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"{self.name}: {answer.status} {body[:200]}")
        return body.decode()

    def page(self, **query):
        return self.get({"list-type": "2", **{k.replace("_", "-"): v for k, v in query.items()}})

    def stop(self):
        self.connection.close()
        self.child.kill()
        self.child.wait()


def sign(method, host, path, query):
    """The headers of signature version 4: versitygw asks for them."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope, empty = f"{now[:8]}/us-east-1/s3/aws4_request", hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    head = f"host:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{now}\n"
    query = query.replace("+", "%20")
    canonical = "\n".join([method, path, query, head, names, empty])
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + SECRET.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}"
    return {
        "x-amz-date": now,
        "x-amz-content-sha256": empty,
        "Authorization": f"{credential}, SignedHeaders={names}, Signature={signature}",
    }


ACCESS, SECRET = "bench", "bench-secret"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def lobos(*flags):
    binary = TOP / "target" / "release" / "lobos"

    def command(root, port):
        return [binary, "--dir", root, "--port", str(port), "--threads", "1", *flags], {}

    return command


def versitygw(root, port):
    env = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET}
    return ["versitygw", "--port", f"127.0.0.1:{port}", "posix", root.parent], env


def rclone(root, port):
    auth = ["--auth-key", f"{ACCESS},{SECRET}"]
    # Without this rclone reads every file for its MD5.
    fast = ["--etag-hash", "", "--no-cleanup"]
    return ["rclone", "serve", "s3", *auth, *fast, "--addr", f"127.0.0.1:{port}", root.parent], {}


COMMANDS = {
    "lobos": lobos(),
    "lobos -e": lobos("-e"),
    "versitygw": versitygw,
    "rclone": rclone,
}


def keys_of(page):
    return re.findall(r"<Key>([^<]*)</Key>", page)


def all_pages(server, **query):
    """Walks to the end, or for LIMIT seconds; gives pages, keys and whether it came to the end."""
    pages = keys = 0
    last, token, began = "", None, time.monotonic()
    while time.monotonic() - began < LIMIT:
        more = {"continuation_token": token} if token else {}
        page = server.page(max_keys=PAGE, **query, **more)
        found = keys_of(page)
        if found != sorted(found) or (found and found[0] <= last):
            raise SystemExit(f"{server.name}: keys out of order after {last}")
        last = found[-1] if found else last
        pages, keys = pages + 1, keys + len(found)
        match = re.search(r"<NextContinuationToken>([^<]+)", page)
        if not match:
            return pages, keys, True
        token = match[1]
    return pages, keys, False


def measured(server, times, step):
    """Milliseconds of CPU and of wall time of one of so many calls."""
    cpu, wall = server.cpu(), time.monotonic()
    for _ in range(times):
        step()
    wall, cpu = time.monotonic() - wall, server.cpu() - cpu
    return cpu / times * 1e3, wall / times * 1e3


def run(name, tree, root):
    """All steps of one server over one tree; yields (step, CPU ms, wall ms, remark)."""
    try:
        server = Server(name, root)
    except OSError as error:
        yield "gave up", None, None, str(error)
        return
    try:
        middle = sorted(os.listdir(root))[len(os.listdir(root)) // 2]
        if name == "lobos -e":
            # It serves while it reads; here what the whole index does is measured.
            while server.cpu() == 0 or changes(server):
                pass
            yield "index at start", server.cpu() * 1e3, None, ""
        yield ("first page", *measured(server, 1, lambda: server.page(max_keys=PAGE)), "")
        step = lambda: server.page(max_keys=PAGE, start_after=middle)  # noqa: E731
        yield ("a middle page", *measured(server, 20, step), "")
        step = lambda: server.page(max_keys=PAGE, delimiter="/")  # noqa: E731
        yield ("delimiter=/", *measured(server, 3, step), "")
        step = lambda: server.page(max_keys=PAGE, prefix=middle[:-1])  # noqa: E731
        yield ("prefix in the middle", *measured(server, 20, step), "")
        probe, wall = measured(server, 1000, lambda: server.page(max_keys=1, prefix="d/"))
        head, _ = measured(server, 1000, lambda: server.get({}, "HEAD", "/d/1"))
        yield "probe of a folder of ten", probe, wall, f"{probe / max(head, 1e-9):.1f} x HEAD"
        result = {}
        cpu, wall = measured(server, 1, lambda: result.update(walk=all_pages(server)))
        pages, keys, whole = result["walk"]
        remark = f"{keys:,} keys, {cpu / pages:.2f} ms a page" + ("" if whole else ", stopped")
        yield "all pages", cpu, wall, remark
        yield "peak memory", None, None, f"{server.peak():.0f} MiB"
    except (OSError, http.client.HTTPException) as error:
        yield "gave up", None, None, str(error)[:80]
    finally:
        server.stop()


def changes(server):
    """Whether the server was at work in the last quarter of a second."""
    before = server.cpu()
    time.sleep(0.25)
    return server.cpu() - before > 0.02


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--where", type=pathlib.Path, default="/dev/shm/lobos-listing")
    parser.add_argument("--trees", nargs="*", help="flat, '1,000 folders', 'a folder each'")
    parser.add_argument("--servers", nargs="*", choices=COMMANDS)
    parser.add_argument("--csv", type=pathlib.Path)
    given = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "--quiet", "--locked"], cwd=TOP, check=True)
    rows = []
    for tree, root in make(given.where, given.names).items():
        if given.trees and tree not in given.trees:
            continue
        print(f"\n| {tree} | server | CPU ms | wall ms | |\n|---|---|---|---|---|", flush=True)
        for name in given.servers or COMMANDS:
            if not name.startswith("lobos") and not shutil.which(name):
                continue
            for step, cpu, wall, remark in run(name, tree, root):
                rows.append([tree, name, step, cpu, wall, remark])
                shown = [f"{ms:.2f}" if ms is not None else "" for ms in (cpu, wall)]
                print(f"| {step} | {name} | {' | '.join(shown)} | {remark} |", flush=True)
    if given.csv:
        with given.csv.open("w", newline="") as out:
            heads = ["tree", "server", "step", "cpu_ms", "wall_ms", "remark"]
            csv.writer(out).writerows([heads, *rows])


if __name__ == "__main__":
    sys.exit(main())
