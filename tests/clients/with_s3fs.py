"""s3fs (fsspec over aiobotocore), and aiobotocore itself, against the server."""

import asyncio

import aiobotocore.session
import fsspec
import s3fs

import checks
import folder

BODY = folder.body("s3fs", 300_000)


def client(place, **named):
    keys = {"key": "any-key", "secret": "any-secret"}
    limits = {"connect_timeout": checks.PATIENCE, "read_timeout": checks.PATIENCE}
    config = {"retries": {"total_max_attempts": 1}, **limits}
    where = {"endpoint_url": place.url, "config_kwargs": config}
    return s3fs.S3FileSystem(**keys, **where, skip_instance_cache=True, **named)


def path(key):
    return f"{checks.BUCKET}/{key}"


def names_and_parts(place):
    """Every awkward name by pipe and cat; the large object goes in parts by open."""
    fs = client(place, use_listings_cache=False)

    def put(key, data):
        with fs.open(path(key), "wb", block_size=5 << 20) as file:
            file.write(data)

    def listed(prefix):
        return [name.removeprefix(path("")) for name in fs.find(path(prefix))]

    def copy(source, target):
        fs.copy(path(source), path(target))

    get, delete = (lambda key: fs.cat_file(path(key))), (lambda key: fs.rm_file(path(key)))
    adapter = checks.Client(put, get, listed, delete, copy)
    checks.rounds(place, adapter, "s3fs")


def files(place):
    """put and get of folders, with expanded names, mv, du, exists, info and rm -r."""
    fs = client(place)
    up, down = place.local / "up", place.local / "down"
    for name in ("a.txt", "b/c.txt", "b/d e.txt"):
        folder.write(up / name, folder.body(name))
    fs.put(f"{up}/", path("files"), recursive=True)
    folder.same("put", folder.tree(place.bucket / "files"), folder.tree(up))
    fs.get(path("files/"), f"{down}/", recursive=True)
    folder.same("get", folder.tree(down), folder.tree(up))
    folder.same("glob", fs.glob(path("files/b/*.txt")), [path("files/b/c.txt"), path("files/b/d e.txt")])
    fs.mv(path("files/a.txt"), path("files/moved.txt"))
    checks.stored(place, "files/moved.txt", folder.body("a.txt"))
    assert fs.exists(path("files/moved.txt")) and not fs.exists(path("files/a.txt"))
    assert fs.isdir(path("files/b")) and fs.isfile(path("files/b/c.txt"))
    folder.same("info", fs.info(path("files/b/c.txt"))["size"], len(folder.body("b/c.txt")))
    folder.same("du", fs.du(path("files")), sum(len(folder.body(n)) for n in ("a.txt", "b/c.txt", "b/d e.txt")))
    fs.rm(path("files"), recursive=True)
    folder.same("rm", folder.tree(place.bucket / "files"), {})


def reading(place):
    """Seeks, blocks and ranges of a file that is read in pieces."""
    fs = client(place)
    fs.pipe_file(path("new/parts"), checks.PARTS)
    checks.stored(place, "new/parts", checks.PARTS)
    with fs.open(path("new/parts"), "rb", block_size=1 << 20) as file:
        file.seek((5 << 20) - 3)
        folder.same("seam", file.read(7), checks.PARTS[(5 << 20) - 3 :][:7])
        file.seek(-5, 2)
        folder.same("end", file.read(), checks.PARTS[-5:])
    folder.same("range", fs.cat_file(path("new/parts"), start=10, end=20), checks.PARTS[10:20])
    folder.same("tail", fs.tail(path("new/parts"), 10), checks.PARTS[-10:])


def appending(place):
    """Mode ab: s3fs reads a small object again, and copies a large one as the first part."""
    fs = client(place)
    for key, first in (("new/small", b"first"), ("new/large", checks.PARTS)):
        fs.pipe_file(path(key), first)
        with fs.open(path(key), "ab") as file:
            file.write(BODY)
        checks.stored(place, key, first + BODY)


def metadata_and_tags(place):
    """Metadata, tags and a signed URL."""
    fs = client(place)
    fs.pipe_file(path("new/meta"), BODY, Metadata={"a": "b"})
    folder.same("metadata", fs.metadata(path("new/meta")), {"a": "b"})
    fs.setxattr(path("new/meta"), c="d")
    folder.same("setxattr", fs.metadata(path("new/meta"), refresh=True), {"a": "b", "c": "d"})
    fs.put_tags(path("new/meta"), {"colour": "green"})
    folder.same("tags", fs.get_tags(path("new/meta")), {"colour": "green"})
    with fsspec.open(fs.sign(path("new/meta")), "rb") as file:
        folder.same("signed", folder.sha(file.read()), folder.sha(BODY))
    checks.stored(place, "new/meta", BODY)


def exclusive(place):
    """Mode xb has one winner."""
    fs = client(place)
    with fs.open(path("new/once"), "xb") as file:
        file.write(b"first")
    try:
        with fs.open(path("new/once"), "xb") as file:
            file.write(b"second")
    except (FileExistsError, OSError):
        checks.stored(place, "new/once", b"first")
    else:
        raise AssertionError("a second xb succeeded")


def bulk(place):
    """1,000 keys go in one DeleteObjects; a large merge is made of parts by UploadPartCopy."""
    fs = client(place)
    fs.rm([path(key) for key in folder.doomed_keys()])
    folder.same("left on disk", folder.tree(place.bucket / "doomed"), {})
    fs.merge(path("new/merged"), [path("new/parts"), path("new/large"), path("new/meta")])
    checks.stored(place, "new/merged", checks.PARTS + checks.PARTS + BODY + BODY)


def aiobotocore_itself(place):
    """aiobotocore's streams: 32 puts and gets at a time."""

    async def all_at_once():
        keys = {"aws_access_key_id": "any-key", "aws_secret_access_key": "any-secret"}
        named = {"endpoint_url": place.url, "region_name": "eu-south-2"}
        session = aiobotocore.session.get_session()
        async with session.create_client("s3", **named, **keys) as s3:

            async def one(n):
                at = {"Bucket": checks.BUCKET, "Key": f"aio/{n} +%é"}
                data = folder.body(f"aio {n}", 100_000 + n)
                await s3.put_object(**at, Body=data)
                got = await s3.get_object(**at)
                async with got["Body"] as stream:
                    folder.same(at["Key"], folder.sha(await stream.read()), folder.sha(data))
                checks.stored(place, at["Key"], data)

            await asyncio.gather(*(one(n) for n in range(32)))

    asyncio.run(all_at_once())


if __name__ == "__main__":
    checks.steps(
        names_and_parts,
        files,
        reading,
        appending,
        metadata_and_tags,
        exclusive,
        bulk,
        aiobotocore_itself,
    )
