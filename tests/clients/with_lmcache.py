"""What LMCache's S3Connector sends, by awscrt alone: KV chunks with 320 I/O threads.

The bucket stands in the Host header, as LMCache takes it from `remote_url: s3://HOST:PORT/BUCKET`;
HEADs go one after the other, PUTs four at a time, GETs all at once. LMCache's own code is too large
for here: tests/lmcache/run has it.
"""

import concurrent.futures
import io
import threading
import urllib.parse

import awscrt.auth
import awscrt.http
import awscrt.io
import awscrt.s3

import checks
import folder

REGION = "US-WEST-04A"
IO_THREADS = 320
PUTS = 4
# How many, and their size: one PUT and one ranged GET each, or three parts and three ranges.
CHUNKS = {"small": (25, 768 << 10), "large": (9, 24 << 20)}
# No multiple of it is a part of 8 MiB, so that no two parts are alike.
BLOCK = folder.body("kv", (1 << 20) + 7919)


class Connector:
    """The client, the requests and their options of S3Connector in LMCache 0.5.6."""

    def __init__(self, place):
        where = urllib.parse.urlsplit(place.url)
        self.host = f"localhost:{where.port}/{checks.BUCKET}"
        group = awscrt.io.EventLoopGroup(IO_THREADS)
        bootstrap = awscrt.io.ClientBootstrap(group, awscrt.io.DefaultHostResolver(group))
        self.keys = awscrt.auth.AwsCredentialsProvider.new_static("not", "needed")
        self.client = awscrt.s3.S3Client(
            bootstrap=bootstrap,
            region=REGION,
            enable_s3express=False,
            tls_mode=awscrt.s3.S3RequestTlsMode.DISABLED,
        )

    def ask(self, kind, method, key, stream=None, headers=(), **named):
        fields = awscrt.http.HttpHeaders([("Host", self.host), *headers])
        request = awscrt.http.HttpRequest(method, "/" + urllib.parse.quote(key), fields, stream)
        named |= {"credential_provider": self.keys, "region": REGION}
        return awscrt.s3.S3Request(client=self.client, type=kind, request=request, **named)

    def put(self, key, data):
        headers = [("Content-Length", str(len(data))), ("Content-Type", "application/octet-stream")]
        kind, stream = awscrt.s3.S3RequestType.PUT_OBJECT, io.BytesIO(data)
        self.ask(kind, "PUT", key, stream, headers).finished_future.result(6 * checks.PATIENCE)

    def length(self, key):
        """The size that HEAD names; None if the key is not there."""
        answered = {}

        def on_headers(status_code, headers, **_):
            answered.update({"status": status_code, **{n.lower(): v for n, v in headers}})

        kind = awscrt.s3.S3RequestType.DEFAULT
        asked = self.ask(kind, "HEAD", key, operation_name="HeadObject", on_headers=on_headers)
        try:
            asked.finished_future.result(checks.PATIENCE)
        except awscrt.s3.S3ResponseError:
            # LMCache takes nothing but 404 for a miss; anything else costs it seven seconds.
            folder.same(f"status of {key}", answered["status"], 404)
            return None
        return int(answered["content-length"])

    def start_get(self, key, into):
        """Starts a GET that fills `into`, and counts the bytes that came."""
        came, lock = [0], threading.Lock()

        def on_body(chunk, offset, **_):
            with lock:
                into[offset : offset + len(chunk)] = chunk
                came[0] += len(chunk)

        kind = awscrt.s3.S3RequestType.GET_OBJECT
        return self.ask(kind, "GET", key, on_body=on_body), came


def chunks(label):
    """Keys as LMCache makes them, model, world, worker, hash (also negative) and type, and bytes."""
    count, size = CHUNKS[label]
    signs = ("", "-")
    keys = [f"meta_{label}@1@0@{signs[i % 2]}{i + 1:x}7d05a1c3@bfloat16" for i in range(count)]
    return {key: (key.encode() + BLOCK * (size // len(BLOCK) + 1))[:size] for key in keys}


def same(what, got, wanted):
    """A megabyte that differs is not for people: no more than what and where."""
    if got != wanted:
        pairs = enumerate(zip(got, wanted))
        at = next((i for i, (a, b) in pairs if a != b), min(len(got), len(wanted)))
        raise AssertionError(f"{what}: {len(got)} of {len(wanted)} bytes, other at byte {at}")


def chunks_of(label):
    """Misses, stores, looks up and loads chunks of one size, every byte compared."""

    def step(place):
        connector = Connector(place)
        wanted = chunks(label)
        for key in wanted:
            folder.same(key, connector.length(key), None)
        with concurrent.futures.ThreadPoolExecutor(PUTS) as pool:
            list(pool.map(connector.put, wanted, wanted.values()))
        for key, data in wanted.items():
            same(f"{key} on disk", (place.bucket / key).read_bytes(), data)
        for key, data in wanted.items():
            folder.same(key, connector.length(key), len(data))
        got = {key: bytearray(len(data)) for key, data in wanted.items()}
        loads = {key: connector.start_get(key, into) for key, into in got.items()}
        for key, (asked, came) in loads.items():
            asked.finished_future.result(6 * checks.PATIENCE)
            folder.same(f"bytes of {key}", came, [len(wanted[key])])
        for key, data in wanted.items():
            same(key, got[key], data)

    step.__name__ = f"chunks_{label}"
    return step


if __name__ == "__main__":
    checks.steps(*map(chunks_of, CHUNKS))
