"""curl against the server: plain HTTP as a person types it, every byte compared with the disk."""

import base64
import hashlib
import re
import urllib.parse
import xml.etree.ElementTree
import zlib

import checks
import folder

CURL = "/usr/bin/curl"
BODY = folder.body("curl", 3 << 20)


def curl(place, path, *options, stdin=None):
    """One request; gives the status, the headers in lower case, and the body."""
    url = path if path.startswith("http") else f"{place.url}/{path}"
    head = place.local / "head"
    limit = ["--silent", "--show-error", "--globoff", "--max-time", checks.PATIENCE]
    body = checks.run(place, CURL, *limit, "--dump-header", head, *options, url, stdin=stdin)
    last = head.read_bytes().decode().rstrip().split("\r\n\r\n")[-1].split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in last[1:] if ": " in line)
    return int(last[0].split()[1]), headers, body


def ok(place, path, *options, status=200, stdin=None):
    """One request that must answer with this status; gives the headers and the body."""
    got, headers, body = curl(place, path, *options, stdin=stdin)
    if got != status:
        raise AssertionError(f"{path} {options}: {got}, wanted {status}: {body[:1000]!r}")
    return headers, body


def key(name):
    return f"{checks.BUCKET}/{checks.encode(name)}"


def error_code(body):
    return xml.etree.ElementTree.fromstring(body).findtext("{*}Code")


def put_get_head(place):
    """A put is the file on the disk and the answer of a GET, and its ETag is the MD5."""
    (place.local / "body").write_bytes(BODY)
    put, _ = ok(place, key("new/from curl.bin"), "-T", "body")
    etag = f'"{hashlib.md5(BODY).hexdigest()}"'
    folder.same("ETag of the put", put["etag"], etag)
    checks.stored(place, "new/from curl.bin", BODY)
    got, body = ok(place, key("new/from curl.bin"))
    folder.same("GET", (folder.sha(body), got["etag"]), (folder.sha(BODY), etag))
    head, _ = ok(place, key("new/from curl.bin"), "--head")
    folder.same("HEAD", (head["content-length"], head["etag"]), (str(len(BODY)), etag))
    assert head["accept-ranges"] == "bytes" and "last-modified" in head, head


def other_ways_to_put(place):
    """HTTP chunks, a signed put, aws-chunked and a name that curl adds: exact bytes."""
    ok(place, key("new/pipe"), "-T", "-", stdin=BODY)
    signed = ["--aws-sigv4", "aws:amz:eu-south-2:s3", "--user", "any-key:any-secret"]
    signed += ["-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    ok(place, key("new/signed"), *signed, "-T", "body")
    aws_chunked(place, "new/aws-chunked")
    for name in ("new/pipe", "new/signed", "new/aws-chunked"):
        checks.stored(place, name, BODY)
    (place.local / "named by curl + %.bin").write_bytes(BODY)
    ok(place, key("new/in folder/"), "-T", "named by curl + %.bin")
    checks.stored(place, "new/in folder/named by curl + %.bin", BODY)


def empty_put_that_waits(place):
    """100 Continue comes for an empty body too: without it, botocore until 1.43 misreads the
    answer to its next request on the connection and hangs."""
    (place.local / "empty").write_bytes(b"")
    ok(place, key("new/empty"), "-H", "Expect: 100-continue", "-T", "empty")
    heads = (place.local / "head").read_bytes()
    assert heads.startswith(b"HTTP/1.1 100 "), heads
    checks.stored(place, "new/empty", b"")


def aws_chunked(place, name):
    """The framing of today's SDKs: chunks in the body, the checksum in a trailer."""
    crc = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
    pieces = [BODY[i : i + 65536] for i in range(0, len(BODY), 65536)] + [b""]
    framed = b"".join(b"%x\r\n%s" % (len(p), p + b"\r\n" if p else b"") for p in pieces)
    framed += f"x-amz-checksum-crc32:{crc}\r\n\r\n".encode()
    (place.local / "framed").write_bytes(framed)
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": len(BODY),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "content-encoding": "aws-chunked",
    }
    options = [word for k, v in headers.items() for word in ("-H", f"{k}: {v}")]
    ok(place, key(name), *options, "-T", "framed")
    got, _ = ok(place, key(name), "--head", "-H", "x-amz-checksum-mode: ENABLED")
    assert got["x-amz-checksum-crc32"] == crc.lower() and "content-encoding" not in got, got


def ranges(place):
    """Every form of a single range, and 416 past the end."""
    forms = {"0-0": (0, 1), "100-199": (100, 200), "3145000-": (3145000, None)}
    forms |= {"-1000": (-1000, None), "3000000-99999999": (3000000, None)}
    for form, (start, end) in forms.items():
        got, body = ok(place, key("new/from curl.bin"), "--range", form, status=206)
        folder.same(form, folder.sha(body), folder.sha(BODY[start:end]))
        assert re.fullmatch(rf"bytes \d+-\d+/{len(BODY)}", got["content-range"]), got
    _, body = ok(place, key("new/from curl.bin"), "--range", "3145728-", status=416)
    folder.same("past the end", error_code(body), "InvalidRange")


def headers_and_conditions(place):
    """Content-Type and metadata round-trip; conditions answer 304 and 412."""
    meta = ["-H", "Content-Type: text/x-check; charset=utf-8", "-H", "x-amz-meta-a: b"]
    put, _ = ok(place, key("new/meta"), *meta, "-T", "body")
    got, _ = ok(place, key("new/meta"), "--head")
    wanted = ("text/x-check; charset=utf-8", "b")
    folder.same("headers", (got["content-type"], got["x-amz-meta-a"]), wanted)
    ok(place, key("new/meta"), "-H", f"If-None-Match: {put['etag']}", status=304)
    ok(place, key("new/meta"), "-H", 'If-Match: "no"', status=412)
    _, body = ok(place, key("new/meta"), "-H", "If-None-Match: *", "-T", "body", status=412)
    folder.same("conflict", error_code(body), "PreconditionFailed")


def files_from_before(place):
    """What was in the folder before the start is served under its percent-encoded name."""
    for name, wanted in folder.tree(place.bucket / "before").items():
        _, body = ok(place, key(f"before/{name}"))
        folder.same(name, folder.sha(body), wanted)
    _, body = ok(place, f"{checks.BUCKET}/before/a+b.txt")
    folder.same("a plus that is not encoded", body, folder.body("a+b.txt"))


def upload_of_a_tree(place):
    """Every awkward name goes up, lies on the disk, and comes down the same."""
    up, down = place.local / "up", place.local / "down"
    folder.make_tree(up)
    wanted = folder.tree(up)
    for name in wanted:
        ok(place, key(f"tree/{name}"), "-T", up / name)
    folder.same("on disk", folder.tree(place.bucket / "tree"), wanted)
    for name in wanted:
        ok(place, key(f"tree/{name}"), "--create-dirs", "-o", down / name)
    folder.same("down again", folder.tree(down), wanted)


def page(place, **query):
    """One page of a listing: its keys, common prefixes, and the root element."""
    path = f"{checks.BUCKET}?{urllib.parse.urlencode(query)}"
    root = xml.etree.ElementTree.fromstring(ok(place, path)[1])
    keys = [e.findtext("{*}Key") for e in root.findall("{*}Contents")]
    return keys, [e.findtext("{*}Prefix") for e in root.findall("{*}CommonPrefixes")], root


def listings(place):
    """2,500 keys come in byte order over pages, in both versions of the listing."""
    for query, token, follow in (
        ({"list-type": 2}, "NextContinuationToken", "continuation-token"),
        ({}, "NextMarker", "marker"),
    ):
        query |= {"prefix": "many/", "max-keys": 1000}
        keys, sizes = [], []
        while True:
            got, _, root = page(place, **query)
            keys, sizes = keys + got, [*sizes, len(got)]
            if root.findtext("{*}IsTruncated") == "false":
                break
            query[follow] = root.findtext("{*}" + token) or got[-1]
        folder.same("keys", keys, folder.many_keys())
        folder.same("pages", sizes, [1000, 1000, 500])
    exact = [key for key in folder.many_keys() if key.startswith("many/0/")]
    for size, truncated in ((len(exact), "false"), (len(exact) - 1, "true")):
        keys, _, root = page(place, **{"list-type": 2, "prefix": "many/0/", "max-keys": size})
        got = keys, root.findtext("{*}IsTruncated")
        folder.same(f"{size} of {len(exact)}", got, (exact[:size], truncated))
    _, prefixes, _ = page(place, prefix="many/", delimiter="/")
    folder.same("folders", prefixes, [f"many/{n}/" for n in range(7)])
    root = xml.etree.ElementTree.fromstring(ok(place, "")[1])
    names = {entry.text for entry in root.findall("{*}Buckets/{*}Bucket/{*}Name")}
    assert {checks.BUCKET, checks.EXTRA} <= names, names


def what_is_no_object(place):
    """A FIFO, a link to outside, a folder and a missing key: 404 at once, and not listed."""
    for name in (folder.FIFO, folder.LINK, "many", "missing"):
        answer = checks.at_once(ok, place, key(name), status=404)
        folder.same(name, error_code(answer[1]), "NoSuchKey")
        checks.at_once(ok, place, key(name), "--head", status=404)
    keys, _, _ = page(place, **{"list-type": 2, "delimiter": "/"})
    folder.same("objects at the top", keys, [])
    assert not place.bucket.joinpath("missing").exists()


def addressing(place):
    """The bucket in the host, before the dot or after a slash, is the bucket in the path."""
    port = place.url.rsplit(":", 1)[1]
    name = checks.encode("before/with some spaces.txt")
    wanted = folder.body("with some spaces.txt")
    hosts = (f"{checks.BUCKET}.localhost:{port}", f"{checks.BUCKET}.localhost")
    for host in (*hosts, f"localhost:{port}/{checks.BUCKET}"):
        _, body = ok(place, name, "-H", f"Host: {host}")
        folder.same(host, body, wanted)
        _, body = ok(place, "?list-type=2&prefix=one", "-H", f"Host: {host}")
        assert b"<ListBucketResult" in body, body
        ok(place, "host/put", "-H", f"Host: {host}", "-T", "body")
        checks.stored(place, "host/put", BODY)
        ok(place, "host/put", "-H", f"Host: {host}", "-X", "DELETE", status=204)


def deletes(place):
    """DELETE removes the file and is no error for a missing one; one POST removes 1,000."""
    for _ in range(2):
        ok(place, key("new/from curl.bin"), "-X", "DELETE", status=204)
    ok(place, key("new/from curl.bin"), status=404)
    assert not (place.bucket / "new/from curl.bin").exists()
    root = xml.etree.ElementTree.Element("Delete")
    for name in folder.doomed_keys():
        entry = xml.etree.ElementTree.SubElement(root, "Object")
        xml.etree.ElementTree.SubElement(entry, "Key").text = name
    body = xml.etree.ElementTree.tostring(root)
    (place.local / "delete.xml").write_bytes(body)
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    options = ["-X", "POST", "-H", f"Content-MD5: {md5}", "--data-binary", "@delete.xml"]
    _, body = ok(place, f"{checks.BUCKET}?delete", *options)
    gone = [e.findtext("{*}Key") for e in xml.etree.ElementTree.fromstring(body)]
    folder.same("deleted", gone, folder.doomed_keys())
    folder.same("left on disk", folder.tree(place.bucket / "doomed"), {})


if __name__ == "__main__":
    checks.steps(
        put_get_head,
        other_ways_to_put,
        empty_put_that_waits,
        ranges,
        headers_and_conditions,
        files_from_before,
        upload_of_a_tree,
        listings,
        what_is_no_object,
        addressing,
        deletes,
    )
