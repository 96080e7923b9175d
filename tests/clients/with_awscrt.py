"""awscrt's own S3 client, the engine of LMCache, mountpoint and boto3's CRT mode."""

import io
import threading
import urllib.parse

import awscrt.auth
import awscrt.http
import awscrt.io
import awscrt.s3

import checks
import folder

BODY = folder.body("crt", 300_000)


class Refused(Exception):
    """The status and the body of an answer that the client took for an error."""


class Crt:
    """A client that splits and joins by itself, with `limits` as its part sizes."""

    def __init__(self, place, signed=True, **limits):
        where = urllib.parse.urlsplit(place.url)
        self.host, self.port = where.netloc, where.port
        group = awscrt.io.EventLoopGroup(2)
        resolver = awscrt.io.DefaultHostResolver(group)
        named = {"region": "eu-south-2", "tls_mode": awscrt.s3.S3RequestTlsMode.DISABLED}
        if signed:
            keys = awscrt.auth.AwsCredentialsProvider.new_static("any-key", "any-secret")
            signing = awscrt.s3.create_default_s3_signing_config(
                region="eu-south-2", credential_provider=keys
            )
            named["signing_config"] = signing
        bootstrap = awscrt.io.ClientBootstrap(group, resolver)
        self.client = awscrt.s3.S3Client(bootstrap=bootstrap, **named, **limits)

    def ask(self, kind, method, key, data=b"", checksum=None, query="", headers=(), name=None):
        """One request; gives the body and the headers, and raises what the client raises."""
        path = "/" + checks.encode(f"{checks.BUCKET}/{key}") + query
        fields = [("Host", self.host), *headers]
        stream = None
        if method in ("PUT", "POST"):
            fields.append(("Content-Length", str(len(data))))
            stream = awscrt.io.InputStream(io.BytesIO(data))
        request = awscrt.http.HttpRequest(method, path, awscrt.http.HttpHeaders(fields), stream)
        got, answered, lock = {}, {}, threading.Lock()

        def on_headers(status_code, headers, **_):
            answered.update({"status": status_code, **{n.lower(): v for n, v in headers}})

        def on_body(chunk, offset, **_):
            with lock:
                got[offset] = bytes(chunk)

        named = {"on_headers": on_headers, "on_body": on_body, "checksum_config": checksum}
        if name:
            named["operation_name"] = name
        asked = self.client.make_request(type=kind, request=request, **named)
        try:
            asked.finished_future.result(6 * checks.PATIENCE)
        except awscrt.s3.S3ResponseError as e:
            said = (e.body or b"").decode(errors="replace")
            raise Refused(f"{method} {path}: {e.status_code} {e} {said}") from None
        return b"".join(got[offset] for offset in sorted(got)), answered

    def put(self, key, data, checksum=None, **more):
        return self.ask(awscrt.s3.S3RequestType.PUT_OBJECT, "PUT", key, data, checksum, **more)

    def get(self, key, checksum=None, **more):
        return self.ask(awscrt.s3.S3RequestType.GET_OBJECT, "GET", key, b"", checksum, **more)

    def plain(self, name, method, key, data=b"", **more):
        return self.ask(awscrt.s3.S3RequestType.DEFAULT, method, key, data, name=name, **more)


def adapter(crt, checksum=None):
    def copy(source, target):
        source = checks.encode(f"{checks.BUCKET}/{source}")
        kind = awscrt.s3.S3RequestType.DEFAULT
        headers = [("x-amz-copy-source", source)]
        crt.ask(kind, "PUT", target, headers=headers, name="CopyObject")

    return checks.Client(
        lambda key, data: crt.put(key, data, checksum),
        lambda key: crt.get(key)[0],
        None,
        lambda key: crt.plain("DeleteObject", "DELETE", key),
        copy,
    )


def names_and_parts(place):
    """Every awkward name, and parts and ranges of 8 MiB, as the client cuts them by default."""
    checks.rounds(place, adapter(Crt(place)), "crt")


def unsigned(place):
    """Without any signature, as for a public bucket."""
    checks.rounds(place, adapter(Crt(place, signed=False)), "unsigned")


def small_parts(place):
    """Parts and ranges of 5 MiB."""
    limits = {"part_size": 5 << 20, "multipart_upload_threshold": 5 << 20}
    checks.rounds(place, adapter(Crt(place, **limits)), "small")


def checksums(place):
    """Each algorithm in a trailer and in a header, in one put and in parts, checked on the way."""
    crt = Crt(place)
    at = awscrt.s3.S3ChecksumLocation
    check = awscrt.s3.S3ChecksumConfig(validate_response=True)
    for algorithm in awscrt.s3.S3ChecksumAlgorithm:
        for location in (at.TRAILER, at.HEADER):
            config = awscrt.s3.S3ChecksumConfig(algorithm=algorithm, location=location)
            for size, data in (("small", BODY), ("parts", checks.PARTS)):
                key = f"new/{algorithm.name} {location.name} {size}"
                crt.put(key, data, config)
                checks.stored(place, key, data)
                got = crt.get(key, check)[0]
                folder.same(key, folder.sha(got), folder.sha(data))
                head = crt.plain("HeadObject", "HEAD", key, headers=[("x-amz-checksum-mode", "ENABLED")])[1]
                name = f"x-amz-checksum-{algorithm.name.lower()}"
                assert name in head, (key, head)
    wrong = [("x-amz-checksum-crc32", "AAAAAA==")]
    try:
        crt.put("new/wrong", BODY, headers=wrong)
    except Refused as e:
        assert " 400 " in str(e) and "BadDigest" in str(e), e
    else:
        raise AssertionError("a wrong checksum was accepted")
    assert not (place.bucket / "new/wrong").exists()


def errors_and_empty(place):
    """A missing key is 404, and an empty object is empty though it is asked by range."""
    crt = Crt(place)
    crt.put("new/empty", b"")
    folder.same("empty", crt.get("new/empty")[0], b"")
    for call in (crt.get, lambda key: crt.plain("HeadObject", "HEAD", key)):
        try:
            call("new/missing")
        except Refused as e:
            assert " 404 " in str(e), e
        else:
            raise AssertionError("a missing key was found")


def ranges(place):
    """Ranges that the caller asks, also over the seam of two parts, and from the end."""
    crt = Crt(place)
    crt.put("new/ranges", checks.PARTS)
    seam = 8 << 20
    for said, wanted in (
        (f"bytes={seam - 5}-{seam + 4}", checks.PARTS[seam - 5 : seam + 5]),
        ("bytes=-9", checks.PARTS[-9:]),
        (f"bytes={seam}-", checks.PARTS[seam:]),
    ):
        got = crt.get("new/ranges", headers=[("Range", said)])[0]
        folder.same(said, folder.sha(got), folder.sha(wanted))


if __name__ == "__main__":
    checks.steps(names_and_parts, unsigned, small_parts, checksums, errors_and_empty, ranges)
