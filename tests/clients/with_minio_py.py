"""minio-py against the server: names, parts, copies, composing, tags, presigned and forms."""

import datetime
import io
import sys
import urllib.parse

import minio
import minio.commonconfig
import minio.datatypes
import minio.deleteobjects
import urllib3

import checks
import folder

BODY = folder.body("minio", 300_000)


def client(place):
    host = urllib.parse.urlsplit(place.url).netloc
    named = {"access_key": "any-key", "secret_key": "any-secret", "secure": False}
    http = urllib3.PoolManager(timeout=checks.PATIENCE, retries=False)
    return minio.Minio(host, http_client=http, **named)


def read(answer):
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def names_and_parts(place):
    """Every awkward name and an object in parts go round; parts are 5 MiB."""
    s3, bucket = client(place), checks.BUCKET

    def put(key, data):
        s3.put_object(bucket, key, io.BytesIO(data), len(data), part_size=5 << 20)

    def copy(source, target):
        s3.copy_object(bucket, target, minio.commonconfig.CopySource(bucket, source))

    def listed(prefix):
        return [e.object_name for e in s3.list_objects(bucket, prefix, recursive=True)]

    def delete(key):
        s3.remove_object(bucket, key)

    adapter = checks.Client(put, lambda k: read(s3.get_object(bucket, k)), listed, delete, copy)
    checks.rounds(place, adapter, "minio-py")


def unknown_length(place):
    """A stream of unknown length is sent in parts and is whole."""
    s3 = client(place)
    s3.put_object(checks.BUCKET, "new/stream", io.BytesIO(checks.PARTS), -1, part_size=5 << 20)
    checks.stored(place, "new/stream", checks.PARTS)
    part = read(s3.get_object(checks.BUCKET, "new/stream", offset=(5 << 20) - 3, length=7))
    folder.same("range over two parts", part, checks.PARTS[(5 << 20) - 3 :][:7])


def metadata_and_tags(place):
    """Metadata and tags of an object come back, and tags of the bucket too."""
    s3 = client(place)
    tags = minio.commonconfig.Tags.new_object_tags()
    tags["colour"] = "green + blue"
    s3.put_object(
        checks.BUCKET, "new/meta", io.BytesIO(BODY), len(BODY), content_type="text/x-check",
        metadata={"a": "b"}, tags=tags,
    )
    head = s3.stat_object(checks.BUCKET, "new/meta")
    folder.same("type", head.content_type, "text/x-check")
    folder.same("metadata", head.metadata["x-amz-meta-a"], "b")
    folder.same("tags", dict(s3.get_object_tags(checks.BUCKET, "new/meta")), dict(tags))
    s3.delete_object_tags(checks.BUCKET, "new/meta")
    folder.same("no tags", s3.get_object_tags(checks.BUCKET, "new/meta"), None)
    tags = minio.commonconfig.Tags.new_bucket_tags()
    tags["a"] = "b"
    s3.set_bucket_tags(checks.BUCKET, tags)
    folder.same("bucket tags", dict(s3.get_bucket_tags(checks.BUCKET)), dict(tags))
    s3.delete_bucket_tags(checks.BUCKET)
    folder.same("no bucket tags", s3.get_bucket_tags(checks.BUCKET), None)


def composing(place):
    """compose_object joins objects by UploadPartCopy with ranges."""
    s3 = client(place)
    large = folder.body("compose", 6 << 20)
    s3.put_object(checks.BUCKET, "new/one", io.BytesIO(large), len(large), part_size=5 << 20)
    s3.put_object(checks.BUCKET, "new/two", io.BytesIO(BODY), len(BODY))
    sources = [
        minio.commonconfig.ComposeSource(checks.BUCKET, "new/one", offset=1),
        minio.commonconfig.ComposeSource(checks.BUCKET, "new/two"),
    ]
    s3.compose_object(checks.BUCKET, "new/composed", sources)
    checks.stored(place, "new/composed", large[1:] + BODY)


def files(place):
    """fput and fget of a file on the disk."""
    s3 = client(place)
    (place.local / "body").write_bytes(checks.PARTS)
    s3.fput_object(checks.BUCKET, "new/file", str(place.local / "body"))
    s3.fget_object(checks.BUCKET, "new/file", str(place.local / "back"))
    folder.same("back", folder.sha((place.local / "back").read_bytes()), folder.sha(checks.PARTS))


def presigned(place):
    """Presigned put, get and a form with a policy, sent by a client that knows no S3."""
    s3, http = client(place), urllib3.PoolManager(timeout=checks.PATIENCE, retries=False)
    url = s3.presigned_put_object(checks.BUCKET, "new/presigned +%.bin")
    folder.same("put", http.request("PUT", url, body=BODY).status, 200)
    checks.stored(place, "new/presigned +%.bin", BODY)
    got = http.request("GET", s3.presigned_get_object(checks.BUCKET, "new/presigned +%.bin"))
    folder.same("get", (got.status, folder.sha(got.data)), (200, folder.sha(BODY)))
    expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5)
    policy = minio.datatypes.PostPolicy(checks.BUCKET, expires)
    policy.add_starts_with_condition("key", "form/")
    policy.add_content_length_range_condition(1, 1 << 20)
    fields = {**s3.presigned_post_policy(policy), "key": "form/${filename}", "file": ("a.bin", BODY)}
    got = http.request("POST", f"{place.url}/{checks.BUCKET}", fields=fields)
    folder.same("form", got.status, 204)
    checks.stored(place, "form/a.bin", BODY)
    fields["key"] = "elsewhere"
    got = http.request("POST", f"{place.url}/{checks.BUCKET}", fields=fields)
    folder.same("form with another key", got.status, 403)
    assert not (place.bucket / "elsewhere").exists()


def deletes(place):
    """remove_objects takes 1,000 keys in one request and reports no error."""
    s3 = client(place)
    doomed = [minio.deleteobjects.DeleteObject(key) for key in folder.doomed_keys()]
    folder.same("errors", list(s3.remove_objects(checks.BUCKET, doomed)), [])
    folder.same("left on disk", folder.tree(place.bucket / "doomed"), {})


def buckets(place):
    """What minio-py asks a bucket: whether it is there, its name, its versioning."""
    s3 = client(place)
    assert s3.bucket_exists(checks.BUCKET) and not s3.bucket_exists("no-such-bucket")
    assert {checks.BUCKET, checks.EXTRA} <= {bucket.name for bucket in s3.list_buckets()}
    assert s3.get_bucket_versioning(checks.BUCKET).status in (None, "Off")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    checks.steps(
        names_and_parts,
        unknown_length,
        metadata_and_tags,
        composing,
        files,
        presigned,
        deletes,
        buckets,
    )
