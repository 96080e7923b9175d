"""Files and paths over S3: smart_open, cloudpathlib, s3path, django, mountpoint's client, boto 2, ..."""

import asyncio
import io
import os
import pathlib
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import boto3

import checks
import folder

BODY = folder.body("files", 300_000)
KEYS = {"aws_access_key_id": "any-key", "aws_secret_access_key": "any-secret"}
S3 = f"s3://{checks.BUCKET}"


def session(place):
    return boto3.Session(**KEYS, region_name="eu-south-2")


def with_smart_open(place):
    """Writers in parts and readers that seek."""
    import smart_open

    named = {"client": session(place).client("s3", endpoint_url=place.url)}

    def put(key, data):
        with smart_open.open(f"{S3}/{key}", "wb", transport_params={**named, "min_part_size": 5 << 20}) as file:
            file.write(data)

    def get(key):
        with smart_open.open(f"{S3}/{key}", "rb", compression="disable", transport_params=named) as file:
            return file.read()

    checks.rounds(place, checks.Client(put, get), "smart_open", without=("?", "#", "%"))
    with smart_open.open(f"{S3}/smart_open/in parts.bin", "rb", transport_params=named) as file:
        file.seek(6 << 20)
        folder.same("seek", file.read(9), checks.PARTS[6 << 20 :][:9])


def with_cloudpathlib(place):
    """Paths: write, read, glob, rename and remove."""
    import cloudpathlib

    client = cloudpathlib.S3Client(boto3_session=session(place), endpoint_url=place.url)
    at = lambda key: client.CloudPath(f"{S3}/{key}")  # noqa: E731

    def listed(prefix):
        found = at(prefix).rglob("*")
        return [str(path).removeprefix(f"{S3}/") for path in found if path.is_file()]

    put, get = (lambda key, data: at(key).write_bytes(data)), (lambda key: at(key).read_bytes())
    client_of_it = checks.Client(put, get, None, lambda key: at(key).unlink())
    checks.rounds(place, client_of_it, "cloudpathlib", without=("?", "#"))
    folder.same("glob", sorted(listed("many/3/")), [k for k in folder.many_keys() if k.startswith("many/3/")])
    at("new/path").write_text("text")
    at("new/path").rename(at("new/renamed"))
    checks.stored(place, "new/renamed", b"text")
    at("doomed").rmtree()
    folder.same("rmtree", folder.tree(place.bucket / "doomed"), {})


def with_s3path(place):
    """s3path: pathlib with boto3 under it."""
    import s3path

    s3path.register_configuration_parameter(s3path.PureS3Path("/"), resource=session(place).resource("s3", endpoint_url=place.url))
    at = lambda key: s3path.S3Path(f"/{checks.BUCKET}/{key}")  # noqa: E731
    put, get = (lambda key, data: at(key).write_bytes(data)), (lambda key: at(key).read_bytes())
    checks.rounds(place, checks.Client(put, get, None, lambda key: at(key).unlink()), "s3path")
    assert at("before").is_dir() and at("before/plain.txt").is_file()
    folder.same("iterdir", len(list(at("many").iterdir())), 7)


def with_django(place):
    """django-storages as the file storage of a Django site."""
    import django.conf
    import django.core.files.base

    django.conf.settings.configure(USE_TZ=True)
    from storages.backends.s3 import S3Storage

    storage = S3Storage(
        bucket_name=checks.BUCKET, endpoint_url=place.url, access_key="any-key", secret_key="any-secret",
        region_name="eu-south-2", addressing_style="path", file_overwrite=True, querystring_auth=True,
    )

    def put(key, data):
        folder.same("name", storage.save(key, django.core.files.base.ContentFile(data)), key)

    def get(key):
        with storage.open(key) as file:
            return file.read()

    checks.rounds(place, checks.Client(put, get, None, storage.delete), "django", without=("back\\slash",))
    folder.same("listdir", sorted(storage.listdir("many")[0]), [str(n) for n in range(7)])
    assert storage.exists("before/plain.txt") and not storage.exists("none")
    storage.save("new/url", django.core.files.base.ContentFile(BODY))
    got = checks.run(place, "/usr/bin/curl", "-sSf", storage.url("new/url"))
    folder.same("url", folder.sha(got), folder.sha(BODY))


def with_mountpoint(place):
    """mountpoint's client by s3torchconnector, which reads in ranges and writes in parts."""
    import s3torchconnectorclient._mountpoint_s3_client as mountpoint

    os.environ |= {"AWS_ACCESS_KEY_ID": "any-key", "AWS_SECRET_ACCESS_KEY": "any-secret"}
    client = mountpoint.MountpointS3Client(
        region="eu-south-2", user_agent_prefix="lobos", endpoint=place.url, force_path_style=True, part_size=5 << 20,
    )

    def put(key, data):
        with_writer = client.put_object(checks.BUCKET, key)
        for start in range(0, len(data), 1 << 20):
            with_writer.write(data[start : start + (1 << 20)])
        with_writer.close()

    def listed(prefix):
        return [entry.key for page in client.list_objects(checks.BUCKET, prefix, "", 1000) for entry in page.object_info]

    def delete(key):
        client.delete_object(checks.BUCKET, key)

    def copy(source, target):
        client.copy_object(checks.BUCKET, source, checks.BUCKET, target)

    get = lambda key: b"".join(client.get_object(checks.BUCKET, key))  # noqa: E731
    # It puts, gets and lists keys with spaces, but never sends a CopyObject of one: its CRT finds
    # the path that it made itself invalid (AWS_ERROR_HTTP_INVALID_PATH).
    made = checks.Client(put, get, listed, delete, copy)
    checks.rounds(place, made, "mountpoint", uncopied=(" ",), parts="in-parts.bin")


def with_boto2(place):
    """boto 2.49 of 2018, which signs with version 2 and lists by ListObjects."""
    import boto.s3.connection

    where = urllib.parse.urlsplit(place.url)
    connection = boto.s3.connection.S3Connection(
        "any-key", "any-secret", host=where.hostname, port=where.port, is_secure=False,
        calling_format=boto.s3.connection.OrdinaryCallingFormat(),
    )
    bucket = connection.get_bucket(checks.BUCKET)

    def put(key, data):
        if len(data) <= 5 << 20:
            bucket.new_key(key).set_contents_from_string(data)
            return
        upload = bucket.initiate_multipart_upload(key)
        for n, start in enumerate(range(0, len(data), 5 << 20), 1):
            upload.upload_part_from_file(io.BytesIO(data[start : start + (5 << 20)]), n)
        upload.complete_upload()

    def listed(prefix):
        return [key.name for key in bucket.list(prefix, encoding_type="url")]

    def get(key):
        return bucket.get_key(key).get_contents_as_string()

    def copy(source, target):
        bucket.copy_key(target, checks.BUCKET, source)

    checks.rounds(place, checks.Client(put, get, None, bucket.delete_key, copy), "boto2")
    folder.same("list", sorted(key.name for key in bucket.list("many/")), sorted(folder.many_keys()))
    gone = bucket.delete_keys(folder.doomed_keys())
    folder.same("errors", gone.errors, [])
    got = checks.run(place, "/usr/bin/curl", "-sSf", bucket.get_key("before/plain.txt").generate_url(60))
    folder.same("signed", folder.sha(got), folder.sha(folder.body("plain.txt")))


def with_async(place):
    """miniopy-async: minio-py over aiohttp."""
    import miniopy_async

    host = urllib.parse.urlsplit(place.url).netloc

    async def both_ways():
        client = miniopy_async.Minio(host, access_key="any-key", secret_key="any-secret", secure=False)
        for name in folder.NAMES:
            data = folder.body(name)
            await client.put_object(checks.BUCKET, f"async/{name}", io.BytesIO(data), len(data))
            checks.stored(place, f"async/{name}", data)
            got = await client.get_object(checks.BUCKET, f"async/{name}")
            folder.same(name, await got.read(), data)
        await client.put_object(checks.BUCKET, "async/parts", io.BytesIO(checks.PARTS), -1, part_size=5 << 20)
        checks.stored(place, "async/parts", checks.PARTS)

    asyncio.run(both_ways())


def with_gsutil(place):
    """gsutil with s3:// addresses, which is boto 2 with its own resumable copies."""
    where = urllib.parse.urlsplit(place.url)
    config = ["[Credentials]", "aws_access_key_id = any-key", "aws_secret_access_key = any-secret"]
    config += [f"s3_host = {where.hostname}", f"s3_port = {where.port}", "[Boto]", "is_secure = False", "num_retries = 0"]
    config += ["[s3]", "calling_format = boto.s3.connection.OrdinaryCallingFormat", "[GSUtil]", "check_hashes = if_fast_else_skip"]
    config += ["software_update_check_period = 0", f"state_dir = {place.local}"]
    (place.local / "boto").write_text("\n".join(config) + "\n")
    place.env["BOTO_CONFIG"] = str(place.local / "boto")
    gsutil = pathlib.Path(sys.executable).parent / "gsutil"
    (place.local / "body").write_bytes(BODY)
    checks.run(place, sys.executable, gsutil, "cp", "body", f"{S3}/new/gsutil")
    checks.stored(place, "new/gsutil", BODY)
    checks.run(place, sys.executable, gsutil, "cp", f"{S3}/new/gsutil", "back")
    folder.same("back", folder.sha((place.local / "back").read_bytes()), folder.sha(BODY))
    said = checks.run(place, sys.executable, gsutil, "ls", f"{S3}/before/one/").decode()
    assert f"{S3}/before/one/two.txt" in said, said
    checks.run(place, sys.executable, gsutil, "rm", f"{S3}/new/gsutil")
    assert not (place.bucket / "new/gsutil").exists()


def with_aioboto3(place):
    """aioboto3's transfers, on a botocore of 2025."""
    import aioboto3

    async def both_ways():
        made = aioboto3.Session(**KEYS, region_name="eu-south-2")
        async with made.client("s3", endpoint_url=place.url) as s3:
            await s3.upload_fileobj(io.BytesIO(checks.PARTS), checks.BUCKET, "new/aioboto3 +")
            got = io.BytesIO()
            await s3.download_fileobj(checks.BUCKET, "new/aioboto3 +", got)
            folder.same("back", folder.sha(got.getvalue()), folder.sha(checks.PARTS))
            await s3.copy({"Bucket": checks.BUCKET, "Key": "new/aioboto3 +"}, checks.BUCKET, "new/aioboto3 copy")
        checks.stored(place, "new/aioboto3 +", checks.PARTS)
        checks.stored(place, "new/aioboto3 copy", checks.PARTS)

    asyncio.run(both_ways())


if __name__ == "__main__":
    os.environ |= checks.ENV
    checks.steps(
        with_smart_open,
        with_cloudpathlib,
        with_s3path,
        with_django,
        with_mountpoint,
        with_boto2,
        with_async,
        with_gsutil,
    )
