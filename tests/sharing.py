#!/usr/bin/env python3
"""Copies take no room where the file system can share bytes: tests/sharing.py [--fs xfs btrfs]
[--runtime mio]

On a small image, mounted by loop, an object that fills a third of it is copied six times, and put
together from ranges of itself by UploadPartCopy, in equal parts and in others. All of that must
fit, take hardly any room, be the bytes that it should be, and stay so when the source is
overwritten. ext4, which shares nothing, shows that the test can tell. Ends with 1 if not.

It needs root and loop devices. Where they are not to be had it says so.
"""

import hashlib
import http.client
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

from powercut import TOP, Server, arguments, loops, mount, unmount

MIB = 1 << 20
IMAGE, OBJECT, LITTLE = 400 * MIB, 110 * MIB, 4 * MIB
PATIENCE = 60


class Client:
    """Asks a server, and is answered well."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)

    def ask(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, f"/b/{path}", body, named)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200 or b"<Error>" in body:
            raise SystemExit(f"sharing: {method} {path}: {answer.status} {body[:500]}")
        return body

    def digest(self, key):
        return hashlib.sha256(self.ask("GET", key)).digest()

    def put_together(self, key, sizes):
        """Makes an object of ranges of `source` with these sizes."""
        start = self.ask("POST", f"{key}?uploads").decode()
        upload = re.search("<UploadId>(.*)</UploadId>", start).group(1)
        parts, at = "", 0
        for number, size in enumerate(sizes, 1):
            query = f"{key}?partNumber={number}&uploadId={upload}"
            span = f"bytes={at}-{at + size - 1}"
            copied = self.ask(
                "PUT", query, x_amz_copy_source="b/source", x_amz_copy_source_range=span
            ).decode()
            etag = re.search("<ETag>(.*)</ETag>", copied).group(1)
            parts += f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            at += size
        document = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"
        self.ask("POST", f"{key}?uploadId={upload}", document)


def free(folder):
    """Bytes, when all that was written is there."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.sync()
        found = os.fstatvfs(fd)
    finally:
        os.close(fd)
    return found.f_bfree * found.f_frsize


def check(kind, folder, server):
    """What is wrong on this file system, and what was seen there."""
    client, body = Client(server), random.Random(kind).randbytes(OBJECT)
    whole = hashlib.sha256(body).digest()
    client.ask("PUT", "source", body)
    before, steps = free(folder), {}

    def step(name, key, act):
        nonlocal before
        act()
        after = free(folder)
        steps[name, key], before = before - after, after

    copies = 6 if kind != "ext4" else 1
    for at in range(copies):
        key = f"d{at}/copy"
        step("copy", key, lambda: client.ask("PUT", key, x_amz_copy_source="b/source"))
    if kind != "ext4":
        half = OBJECT // 2
        others = [20 * MIB, 50 * MIB, OBJECT - 70 * MIB]
        step("equal parts", "equal", lambda: client.put_together("equal", [half, half]))
        step("other parts", "others", lambda: client.put_together("others", others))
    wrong = [f"{key} is not the source" for _, key in steps if client.digest(key) != whole]
    if kind != "ext4":
        client.ask("PUT", "source", b"something else")
        wrong += [f"{key} changed" for _, key in steps if client.digest(key) != whole]
        wrong += [f"{key}: {took} bytes" for (_, key), took in steps.items() if took > LITTLE]
    elif min(steps.values()) < OBJECT:
        wrong.append("a copy that cannot be shared took no room")
    most = {name: max(took for (n, _), took in steps.items() if n == name) for name, _ in steps}
    return wrong, ", ".join(f"{name} {took // 1024} KiB" for name, took in most.items())


def main():
    options = arguments(__doc__, ["xfs", "btrfs", "ext4"]).parse_args()
    if (ended := loops("sharing", __file__)) is not None:
        return ended
    failed = 0
    with tempfile.TemporaryDirectory(dir=TOP / "target", prefix="sharing-") as home:
        for kind in options.fs:
            _, folder, bucket = mount(kind, pathlib.Path(home), IMAGE)
            server = Server(options.server, bucket, "cache", options.runtime)
            try:
                wrong, seen = check(kind, folder, server)
            finally:
                server.end()
                unmount(folder)
            print(f"sharing: {kind}: of {OBJECT // MIB} MiB: {seen}; {len(wrong)} wrong", flush=True)
            print("".join(f"  {line}\n" for line in wrong), end="")
            failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
