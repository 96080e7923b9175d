"""Clients of Debian: the AWS SDK for Ruby, Perl's Net::Amazon::S3, GDAL, libs3 and s4cmd."""

import pathlib
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

import checks
import folder


def with_ruby(place):
    """upload_file in parts, streams, copies, lists, presigned URLs and many deletes."""
    checks.run(place, "/usr/bin/ruby", HERE / "with_aws.rb", place.url, place.bucket.parent)


def with_perl(place):
    """Keys by put, get, list, copy and delete, with signatures of version 4 and 2."""
    for signature in ("Signature::V4", "Signature::V2"):
        checks.run(place, "/usr/bin/perl", HERE / "with_net.pl", place.url, place.bucket.parent, signature)


def with_gdal(place):
    """GDAL's /vsis3/, its own S3 client over libcurl, with files in parts of 5 MiB."""
    place.env |= {"AWS_S3_ENDPOINT": urllib.parse.urlsplit(place.url).netloc, "AWS_HTTPS": "NO"}
    place.env |= {"AWS_VIRTUAL_HOSTING": "FALSE", "AWS_REGION": "eu-south-2", "VSIS3_CHUNK_SIZE": "5"}
    place.env["CPL_VSIL_USE_TEMP_FILE_FOR_RANDOM_WRITE"] = "YES"
    (place.local / "large").write_bytes(checks.PARTS)
    s3 = f"/vsis3/{checks.BUCKET}"
    checks.run(place, "/usr/bin/gdal_create", "-outsize", 3000, 2000, "-ot", "Float64", "-burn", 7, f"{s3}/gdal/a b.tif")
    said = checks.run(place, "/usr/bin/gdalinfo", "-checksum", f"{s3}/gdal/a b.tif").decode()
    local = checks.run(place, "/usr/bin/gdalinfo", "-checksum", place.bucket / "gdal/a b.tif").decode()
    folder.same("checksum", said.split("Checksum=")[1], local.split("Checksum=")[1])
    assert (place.bucket / "gdal/a b.tif").stat().st_size > 40_000_000


def with_libs3(place):
    """The command s3 of libs3, whose lists are of version 1, and its parts of 15 MiB."""
    place.env |= {"S3_ACCESS_KEY_ID": "any-key", "S3_SECRET_ACCESS_KEY": "any-secret"}
    place.env |= {"S3_HOSTNAME": urllib.parse.urlsplit(place.url).netloc}

    def s3(*words):
        # It ends with 0 whatever it was answered: that it failed is only said.
        judged = '"$@" 2>said && ! grep -q ERROR said || { cat said >&2; exit 1; }'
        return checks.run(place, "/bin/sh", "-c", judged, "sh", "/usr/bin/s3", "-u", "-r", 0, *words)

    def put(key, data):
        (place.local / "body").write_bytes(data)
        s3("put", f"{checks.BUCKET}/{key}", f"filename={place.local / 'body'}")

    def get(key):
        (place.local / "got").unlink(missing_ok=True)
        s3("get", f"{checks.BUCKET}/{key}", f"filename={place.local / 'got'}")
        return (place.local / "got").read_bytes()

    def delete(key):
        s3("delete", f"{checks.BUCKET}/{key}")

    # It writes a space of a key as `+` in the path, which is a plus there and in S3 no space.
    checks.rounds(place, checks.Client(put, get, None, delete), "libs3", without=(" ",), parts="in+parts.bin")
    lines = s3("list", checks.BUCKET, "prefix=many/").decode().splitlines()
    folder.same("list", sum(line.startswith("many/") for line in lines), folder.MANY)


def with_s4cmd(place):
    """s4cmd: many parts at once, both ways, and sync."""
    up = place.local / "s4up"
    for name in ("a.txt", "b/c d.txt"):
        folder.write(up / name, folder.body(name))
    folder.write(up / "parts.bin", checks.PARTS)

    def s4cmd(*words):
        return checks.run(place, "/usr/bin/s4cmd", "--endpoint-url", place.url, "--multipart-split-size", 5 << 20, *words)

    s4cmd("put", "-r", up, f"s3://{checks.BUCKET}/s4/")
    folder.same("up", folder.tree(place.bucket / "s4/s4up"), folder.tree(up))
    s4cmd("get", "-r", f"s3://{checks.BUCKET}/s4/s4up", place.local / "s4down")
    folder.same("down", folder.tree(place.local / "s4down"), folder.tree(up))
    s4cmd("cp", f"s3://{checks.BUCKET}/s4/s4up/parts.bin", f"s3://{checks.BUCKET}/s4/copy.bin")
    checks.stored(place, "s4/copy.bin", checks.PARTS)
    s4cmd("del", "-r", f"s3://{checks.BUCKET}/s4/")
    folder.same("del", folder.tree(place.bucket / "s4"), {})


if __name__ == "__main__":
    checks.steps(with_ruby, with_perl, with_gdal, with_libs3, with_s4cmd)
