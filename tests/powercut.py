#!/usr/bin/env python3
"""Cuts the power of a file system under a server, and counts what is lost: tests/powercut.py
[--rounds N] [--fs ext4 xfs] [--durability disk|cache] [--runtime mio] [--seconds S]

A fresh image is mounted by loop. In each round clients change objects through the server; in the
middle of it the kernel drops everything of that file system that is not on the disk, dirty pages
and the tail of the journal (FS_IOC_SHUTDOWN without a flush). It is mounted again, and every
acknowledged change must be there, whole, with its metadata; one that was under way may be there or
not. Ends with 1 if anything is lost. `--durability cache` shows that the test can lose something.

It needs root and loop devices. Where they are not to be had it says so.
"""

import argparse
import ctypes
import dataclasses
import fcntl
import hashlib
import http.client
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parent.parent
os.environ["PATH"] += ":/usr/sbin:/sbin"
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
CLIENTS = 16
PATIENCE = 30
FILES = ["a", "a/b", "d/x", "d/y", "new/deep/er/z", "/w", "d//v", "u"]
FOLDERS = ["d/", "only/"]
LARGE = 1900  # with ten long tags it does not fit into an attribute of ext4


@dataclasses.dataclass(frozen=True)
class Version:
    """An object, as far as its client can tell."""

    seed: str
    large: int = 0
    tags: tuple = ()
    broken: str = ""

    def body(self):
        dice = random.Random(self.seed)
        size = dice.randrange(dice.choice([1, 100, 5_000, 70_000, 300_000]))
        return (f"{self.seed}:".encode() * (size // (len(self.seed) + 1) + 1))[:size]


class Gone(Exception):
    """The server does not answer, or says that its disk does not."""


class Server:
    """A Lobos on the bucket `b`."""

    def __init__(self, binary, folder, durability, runtime):
        command = [binary, "--dir", f"b={folder}", "--port", "0", "--runtime", runtime]
        command += ["--durability", durability, "--min-part-size", "0", "--threads", "2"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env={}, text=True)
        for line in self.process.stdout:
            if found := re.search(r"listening on http://([\d.]+):(\d+)", line):
                self.address = found.group(1), int(found.group(2))
                return
        raise SystemExit("the server does not start")

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Client:
    """Changes keys of its own, and knows what they must be."""

    def __init__(self, number):
        self.number = number
        self.dice = random.Random(number)
        self.count = self.acknowledged = 0
        self.objects = {}
        self.pending = {}
        self.aborted = set()
        self.connection = None
        self.dark = threading.Event()
        self.refused = []

    def connect(self, server):
        self.dark.clear()
        self.connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)

    def ask(self, method, key, query="", body=None, headers=()):
        path = f"/b/c{self.number}/{urllib.parse.quote(key)}{query}"
        try:
            self.connection.request(method, path, body, dict(headers))
            answer = self.connection.getresponse()
            return answer, answer.read()
        except (OSError, http.client.HTTPException) as e:
            raise Gone from e

    def ask_well(self, *request):
        """The body of an answer that must be good as long as there is power."""
        answer, body = self.ask(*request)
        if answer.status // 100 == 2:
            return body
        if not self.dark.is_set():
            self.refused.append(f"{request[:3]}: {answer.status} {body.decode()}")
        raise Gone

    def change(self, change, *request):
        """A request that makes objects what `change` says; None is no object."""
        self.pending = change
        self.ask_well(*request)
        self.objects.update(change)
        self.pending = {}
        self.acknowledged += 1

    def run(self):
        try:
            while True:
                self.step()
        except Gone:
            self.connection.close()

    def version(self):
        self.count += 1
        version = Version(f"{self.number}-{self.count}")
        if self.dice.random() < 0.25:
            tags = tuple((f"{at}{'k' * 100}", "v" * 250) for at in range(10))
            version = dataclasses.replace(version, large=LARGE, tags=tags)
        headers = {"x-amz-meta-seed": version.seed}
        if version.large:
            headers["x-amz-meta-large"] = "l" * version.large
            headers["x-amz-tagging"] = urllib.parse.urlencode(version.tags)
        return version, headers

    def source(self):
        return self.dice.choice([k for k in FILES if self.objects.get(k)] or [None])

    def step(self):
        key, source = self.dice.choice(FILES), self.source()
        kind = self.dice.choice(
            ["put"] * 4
            + ["folder", "new", "delete", "delete", "parts", "abort", "copy", "rename", "tag"]
        )
        if kind == "delete":
            key = self.dice.choice(FILES + FOLDERS)
            self.change({key: None}, "DELETE", key)
        elif kind == "parts":
            self.parts(key)
        elif kind == "abort":
            self.abort(key)
        elif kind == "copy" and source not in (None, key):
            path = urllib.parse.quote(f"/b/c{self.number}/{source}")
            headers = {"x-amz-copy-source": path}
            self.change({key: self.objects[source]}, "PUT", key, "", b"", headers)
        elif kind == "rename" and source not in (None, key):
            headers = {"x-amz-rename-source": urllib.parse.quote(f"c{self.number}/{source}")}
            change = {source: None, key: self.objects[source]}
            self.change(change, "PUT", key, "?renameObject", b"", headers)
        elif kind == "tag" and source:
            self.tag(source)
        else:
            version, headers = self.version()
            if kind == "folder":
                key = self.dice.choice(FOLDERS)
            elif kind == "new":
                key = f"n{self.count}/{self.dice.randrange(9)}/{self.count}"
            self.change({key: version}, "PUT", key, "", version.body(), headers)

    def begin(self, key, headers=()):
        body = self.ask_well("POST", key, "?uploads", b"", headers)
        return re.search(b"<UploadId>(.*)</UploadId>", body).group(1).decode()

    def abort(self, key):
        upload = self.begin(key)
        if self.dice.random() < 0.5:
            self.ask_well("PUT", key, f"?partNumber=1&uploadId={upload}", b"part")
        self.ask_well("DELETE", key, f"?uploadId={upload}")
        self.aborted.add((key, upload))
        self.acknowledged += 1

    def parts(self, key):
        version, headers = self.version()
        upload = self.begin(key, headers)
        body, listed = version.body(), ""
        half = len(body) // 2
        for number, part in ((1, body[:half]), (2, body[half:])):
            self.ask_well("PUT", key, f"?partNumber={number}&uploadId={upload}", part)
            etag = hashlib.md5(part).hexdigest()
            listed += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        document = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
        self.change({key: version}, "POST", key, f"?uploadId={upload}", document)

    def tag(self, key):
        size = self.dice.choice([1, 250])
        tags = tuple((f"t{at}", "t" * size) for at in range(self.dice.randrange(11)))
        tagged = "".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in tags)
        document = f"<Tagging><TagSet>{tagged}</TagSet></Tagging>"
        new = dataclasses.replace(self.objects[key], tags=tags)
        self.change({key: new}, "PUT", key, "?tagging", document)

    def look(self, key):
        answer, body = self.ask("GET", key)
        if answer.status == 404:
            return None
        if answer.status != 200:
            return Version("", broken=f"{answer.status}")
        seen = Version(answer.getheader("x-amz-meta-seed", ""))
        etag = answer.getheader("ETag")
        if body != seen.body():
            return dataclasses.replace(seen, broken=f"{len(body)} bytes, {body[:20]}")
        if "-" not in etag and etag != f'"{hashlib.md5(body).hexdigest()}"':
            return dataclasses.replace(seen, broken=f"tag {etag}")
        tags = ()
        if answer.getheader("x-amz-tagging-count"):
            _, document = self.ask("GET", key, "?tagging")
            tags = re.findall("<Key>(.*?)</Key><Value>(.*?)</Value>", document.decode())
        large = len(answer.getheader("x-amz-meta-large", ""))
        return dataclasses.replace(seen, large=large, tags=tuple(tags))

    def settle(self):
        """Looks at all keys, and says which are neither what was acknowledged nor under way."""
        keys = {*self.objects, *self.pending}
        seen = {key: self.look(key) for key in keys}
        before = {key: self.objects.get(key) for key in keys}
        after = {**before, **self.pending}
        nearest = max(before, after, key=lambda wanted: sum(seen[k] == wanted[k] for k in keys))
        lost = [f"{k}: {seen[k]}, not {nearest[k]}" for k in keys if seen[k] != nearest[k]]
        for key, upload in self.aborted:
            answer, _ = self.ask("GET", key, f"?uploadId={upload}")
            if answer.status != 404:
                lost.append(f"{key}: an upload that was aborted is back ({answer.status})")
        self.objects, self.pending, self.aborted = seen, {}, set()
        return lost


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")


def loops(name, script):
    """Goes on where whatever happens no mount is left; if that is elsewhere, how it ended there."""
    if os.getuid() != 0 or not os.path.exists("/dev/loop-control"):
        print(f"{name}: NOT TESTED: it needs root and loop devices", flush=True)
        return 0
    (TOP / "target").mkdir(exist_ok=True)
    if "LOOPS_APART" in os.environ:
        return None
    command = ["unshare", "--mount", sys.executable, script, *sys.argv[1:]]
    return subprocess.run(command, env={**os.environ, "LOOPS_APART": "1"}).returncode


def cut(folder):
    """The power fails."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, FS_IOC_SHUTDOWN, ctypes.c_uint32(NO_LOG_FLUSH))
    finally:
        os.close(fd)


def mount(kind, home, size):
    """A new file system on an image of so many bytes: the image, where it is, a folder there."""
    image, folder, bucket = home / f"{kind}.img", home / kind, home / kind / "bucket"
    with open(image, "wb") as file:
        file.truncate(size)
    run(f"mkfs.{kind}", "-q", image)
    folder.mkdir()
    run("mount", "-o", "loop", image, folder)
    bucket.mkdir()
    return image, folder, bucket


def unmount(folder):
    for _ in range(100):
        if subprocess.run(["umount", folder], capture_output=True).returncode == 0:
            return
        time.sleep(0.05)
    run("umount", folder)


def fail_once(options, clients, mounted, after):
    """Clients at work, a power cut, and the file system as it is then."""
    image, folder = mounted
    server = Server(options.server, folder / "bucket", options.durability, options.runtime)
    try:
        for client in clients:
            client.connect(server)
        threads = [threading.Thread(target=client.run) for client in clients]
        for thread in threads:
            thread.start()
        time.sleep(after)
        for client in clients:
            client.dark.set()
        cut(folder)
    finally:
        server.end()
    for thread in threads:
        thread.join()
    if refused := [line for client in clients for line in client.refused]:
        raise SystemExit("\n".join(refused))
    unmount(folder)
    run("mount", "-o", "loop", image, folder)


def check(options, clients, bucket):
    """What a new server has lost."""
    server, lost = Server(options.server, bucket, options.durability, options.runtime), []
    try:
        for client in clients:
            client.connect(server)
            lost += client.settle()
            client.connection.close()
    finally:
        server.end()
    return lost


def lose(options, kind, home):
    """All rounds on one file system; how much was acknowledged, and what is lost of it."""
    image, folder, bucket = mount(kind, home, 1 << 30)
    os.sync()
    clients, lost, dice = [Client(number) for number in range(CLIENTS)], [], random.Random(kind)
    try:
        for _ in range(options.rounds):
            fail_once(options, clients, (image, folder), options.seconds * dice.uniform(0.3, 1))
            lost += check(options, clients, bucket)
    finally:
        unmount(folder)
    return sum(client.acknowledged for client in clients), lost


def arguments(doc, kinds):
    """What each of these tests may be told."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--fs", nargs="+", default=kinds)
    parser.add_argument("--runtime", default="mio")
    parser.add_argument("--server", default=TOP / "target" / "debug" / "lobos")
    return parser


def main():
    parser = arguments(__doc__, ["ext4", "xfs"])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--durability", choices=["disk", "cache"], default="disk")
    parser.add_argument("--seconds", type=float, default=1)
    options = parser.parse_args()
    if (ended := loops("powercut", __file__)) is not None:
        return ended
    failed = 0
    with tempfile.TemporaryDirectory(dir=TOP / "target", prefix="powercut-") as home:
        for kind in options.fs:
            acknowledged, lost = lose(options, kind, pathlib.Path(home))
            said = f"{options.rounds} power cuts, {acknowledged} acknowledged changes"
            said = f"{kind}, {options.durability}: {said}, {len(lost)} lost"
            print(f"powercut: {said}", flush=True)
            for line in lost[:20]:
                print(f"  {line}")
            failed += len(lost) + (acknowledged < CLIENTS * options.rounds)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
