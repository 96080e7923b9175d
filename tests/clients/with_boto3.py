"""boto3 as it comes, with its default checksums, against the server; bytes compared."""

import base64
import hashlib
import os
import socket
import zlib

import awscrt.checksums
import boto3
import botocore.config
import botocore.exceptions

import checks
import folder

BODY = folder.body("boto3", (3 << 20) + 7)


def big_endian(number, size):
    return base64.b64encode(number.to_bytes(size, "big")).decode()


CHECKSUMS = {
    "CRC32": big_endian(zlib.crc32(BODY), 4),
    "CRC32C": big_endian(awscrt.checksums.crc32c(BODY), 4),
    "CRC64NVME": big_endian(awscrt.checksums.crc64nvme(BODY), 8),
    "SHA1": base64.b64encode(hashlib.sha1(BODY).digest()).decode(),
    "SHA256": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
}


def client(url, more=None):
    """A client with no options but one try and short patience, so that nothing hides an error."""
    limits = {"connect_timeout": checks.PATIENCE, "read_timeout": checks.PATIENCE}
    config = botocore.config.Config(retries={"total_max_attempts": 1}, **limits)
    config = config.merge(more) if more else config
    return boto3.client("s3", endpoint_url=url, config=config)


def error(call, **arguments):
    """The S3 error code and the status of a call that must fail."""
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"], e.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError(f"{call.__name__} {arguments} succeeded: {answer}")


def at(key):
    return {"Bucket": checks.BUCKET, "Key": key}


def put_get_head(place):
    """A put is the file on the disk and the answer of a get; type, metadata and ETag come back."""
    s3 = client(place.url)
    sent = {"ContentType": "text/x-check", "Metadata": {"a": "b", "c": "d"}}
    put = s3.put_object(**at("new/from boto3.bin"), Body=BODY, **sent)
    etag = f'"{hashlib.md5(BODY).hexdigest()}"'
    folder.same("put", (put["ETag"], put.get("ChecksumCRC32")), (etag, CHECKSUMS["CRC32"]))
    checks.stored(place, "new/from boto3.bin", BODY)
    got = s3.get_object(**at("new/from boto3.bin"))
    folder.same("get", folder.sha(got["Body"].read()), folder.sha(BODY))
    for answer in (got, s3.head_object(**at("new/from boto3.bin"))):
        fields = [answer[k] for k in ("ETag", "ContentLength", "ContentType", "Metadata")]
        folder.same("fields", fields, [etag, len(BODY), *sent.values()])
    part = s3.get_object(**at("new/from boto3.bin"), Range="bytes=100-199", IfMatch=etag)
    folder.same("range", part["Body"].read(), BODY[100:200])
    folder.same("Content-Range", part["ContentRange"], f"bytes 100-199/{len(BODY)}")
    empty = s3.put_object(**at("new/empty"), Body=b"")
    folder.same("empty", empty["ETag"], '"d41d8cd98f00b204e9800998ecf8427e"')
    folder.same("empty", s3.get_object(**at("new/empty"))["Body"].read(), b"")


def checksums(place):
    """Each algorithm is verified on the way in, stored, and verified by boto3 on the way out."""
    s3 = client(place.url)
    for name, value in CHECKSUMS.items():
        put = s3.put_object(**at(f"new/{name}"), Body=BODY, ChecksumAlgorithm=name)
        got = s3.get_object(**at(f"new/{name}"), ChecksumMode="ENABLED")
        folder.same(f"{name} get", folder.sha(got["Body"].read()), folder.sha(BODY))
        head = s3.head_object(**at(f"new/{name}"), ChecksumMode="ENABLED")
        for answer in (put, got, head):
            folder.same(name, answer.get(f"Checksum{name}"), value)
        wrong = {f"Checksum{name}": base64.b64encode(bytes(len(base64.b64decode(value)))).decode()}
        refusal = error(s3.put_object, **at("new/wrong"), Body=BODY, **wrong)
        folder.same(f"wrong {name}", refusal, ("BadDigest", 400))
        assert not (place.bucket / "new/wrong").exists()


def conditions(place):
    """IfNoneMatch='*' has one winner: the second put is 412 and changes nothing."""
    s3 = client(place.url)
    s3.put_object(**at("new/once"), Body=b"first", IfNoneMatch="*")
    refusal = error(s3.put_object, **at("new/once"), Body=b"second", IfNoneMatch="*")
    folder.same("second put", refusal, ("PreconditionFailed", 412))
    checks.stored(place, "new/once", b"first")


def changes_on_disk(place):
    """A file that a person changed or made is served as it is now, with no checksum of before."""
    s3 = client(place.url)
    for name in CHECKSUMS:
        old = s3.head_object(**at(f"new/{name}"), ChecksumMode="ENABLED")
        (place.bucket / f"new/{name}").write_bytes(b"changed by a person")
        got = s3.get_object(**at(f"new/{name}"), ChecksumMode="ENABLED")
        folder.same(name, got["Body"].read(), b"changed by a person")
        assert f"Checksum{name}" not in got and got["ETag"] != old["ETag"], got
    (place.bucket / "new/by hand.txt").write_bytes(b"made by a person")
    got = s3.get_object(**at("new/by hand.txt"))
    folder.same("made", got["Body"].read(), b"made by a person")
    folder.same("guessed type", got["ContentType"].split(";")[0], "text/plain")


def transfers(place):
    """upload_file and download_file take every awkward name both ways."""
    s3 = client(place.url)
    up, down = place.local / "up", place.local / "down"
    folder.make_tree(up)
    wanted = folder.tree(up)
    for name in wanted:
        s3.upload_file(str(up / name), checks.BUCKET, f"tree/{name}")
    folder.same("on disk", folder.tree(place.bucket / "tree"), wanted)
    for prefix in ("tree", "before"):
        for name in wanted:
            target = down / prefix / name
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(checks.BUCKET, f"{prefix}/{name}", str(target))
        served = folder.tree(place.bucket / prefix)
        folder.same(prefix, folder.tree(down / prefix), served)


def listings(place):
    """2,500 keys come in byte order over pages, in both versions; all files are listed once."""
    s3 = client(place.url)
    for operation in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(operation).paginate(Bucket=checks.BUCKET, Prefix="many/"))
        keys = [entry["Key"] for page in pages for entry in page["Contents"]]
        folder.same(operation, keys, folder.many_keys())
        sizes = [len(page["Contents"]) for page in pages]
        folder.same(f"{operation} pages", sizes, [1000, 1000, 500])
        pages = s3.get_paginator(operation).paginate(Bucket=checks.BUCKET)
        keys = [entry["Key"] for page in pages for entry in page["Contents"]]
        wanted = sorted(folder.tree(place.bucket), key=os.fsencode)
        folder.same(f"{operation} of all, without FIFO and link", keys, wanted)
    top = s3.list_objects_v2(Bucket=checks.BUCKET, Prefix="many/", Delimiter="/")
    prefixes = [entry["Prefix"] for entry in top["CommonPrefixes"]]
    folder.same("folders", prefixes, [f"many/{n}/" for n in range(7)])
    buckets = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert {checks.BUCKET, checks.EXTRA} <= buckets, buckets


def what_is_no_object(place):
    """A get of a FIFO, a link to outside, a folder or nothing ends at once with NoSuchKey."""
    s3 = client(place.url)
    for name in (folder.FIFO, folder.LINK, "many", "missing"):
        got = checks.at_once(error, s3.get_object, **at(name))
        folder.same(name, got, ("NoSuchKey", 404))
        got = checks.at_once(error, s3.head_object, **at(name))
        folder.same(name, got, ("404", 404))


def presigned(place):
    """URLs that boto3 signed work in curl: a put, and a get with a header of its own."""
    s3 = client(place.url)
    (place.local / "body").write_bytes(BODY)
    key = at("new/presigned + %.bin")
    curl = ["/usr/bin/curl", "--silent", "--show-error", "--fail", "--max-time", checks.PATIENCE]
    checks.run(place, *curl, "-T", "body", s3.generate_presigned_url("put_object", key))
    checks.stored(place, key["Key"], BODY)
    asked = {**key, "ResponseContentDisposition": 'attachment; filename="a b"'}
    url = s3.generate_presigned_url("get_object", asked)
    body = checks.run(place, *curl, "--dump-header", "head", url)
    folder.same("get", folder.sha(body), folder.sha(BODY))
    head = (place.local / "head").read_text().lower()
    assert 'content-disposition: attachment; filename="a b"' in head, head


def host_style(place):
    """The bucket as a part of the host name, as boto3 sends it to any name but an address."""
    plain = socket.getaddrinfo
    scheme, _, port = place.url.split(":")

    def local(host, *rest, **named):
        host = host.decode() if isinstance(host, bytes) else host
        return plain("127.0.0.1" if host.endswith("localhost") else host, *rest, **named)

    socket.getaddrinfo = local  # not every machine resolves *.localhost
    try:
        s3 = client(f"{scheme}://localhost:{port}")
        answer = s3.get_object(**at("before/with some spaces.txt"))
        folder.same("get", answer["Body"].read(), folder.body("with some spaces.txt"))
        keys = s3.list_objects_v2(Bucket=checks.BUCKET, Prefix="before/one/")["Contents"]
        folder.same("list", len(keys), 4)
    finally:
        socket.getaddrinfo = plain


def deletes(place):
    """Single deletes and one DeleteObjects of 1,000 keys leave no file on the disk."""
    s3 = client(place.url)
    for _ in range(2):
        s3.delete_object(**at("new/from boto3.bin"))
    assert not (place.bucket / "new/from boto3.bin").exists()
    doomed = [{"Key": key} for key in folder.doomed_keys()]
    answer = s3.delete_objects(Bucket=checks.BUCKET, Delete={"Objects": doomed})
    folder.same("deleted", [entry["Key"] for entry in answer["Deleted"]], folder.doomed_keys())
    assert "Errors" not in answer, answer["Errors"]
    folder.same("left on disk", folder.tree(place.bucket / "doomed"), {})
    assert len(folder.tree(place.bucket / "before")) == len(folder.NAMES) + len(folder.LARGE)


if __name__ == "__main__":
    os.environ.clear()
    os.environ.update(checks.ENV)
    checks.steps(
        put_get_head,
        checksums,
        conditions,
        changes_on_disk,
        transfers,
        listings,
        what_is_no_object,
        presigned,
        host_style,
        deletes,
    )
