"""boto3's multipart, copies, forms, conditions, tags and bucket settings; bytes compared."""

import base64
import concurrent.futures
import hashlib
import io
import os
import time
import urllib.parse
import zlib

import awscrt.checksums
import boto3.s3.transfer
import botocore.config
import urllib3

import checks
import folder
from with_boto3 import at, client, error

MIB = 1 << 20
BODY = folder.body("boto3 parts", 300_000)
BOTH_WAYS = boto3.s3.transfer.TransferConfig(
    multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4
)


def code(call, **arguments):
    return error(call, **arguments)[0]


def transfers(place):
    """Every awkward name; parts of 5 MiB both ways, four at a time, and copies in parts."""
    s3 = client(place.url)

    def put(key, data):
        s3.upload_fileobj(io.BytesIO(data), checks.BUCKET, key, Config=BOTH_WAYS)

    def get(key):
        got = io.BytesIO()
        s3.download_fileobj(checks.BUCKET, key, got, Config=BOTH_WAYS)
        return got.getvalue()

    def listed(prefix):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=checks.BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page["Contents"]]

    def copy(source, target):
        s3.copy(at(source), checks.BUCKET, target, Config=BOTH_WAYS)

    adapter = checks.Client(put, get, listed, lambda key: s3.delete_object(**at(key)), copy)
    checks.rounds(place, adapter, "transfer")


def checksums_in_parts(place):
    """Each algorithm in parts by TransferManager; HEAD gives the checksum of the whole object."""
    s3 = client(place.url)
    for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"):
        kind = "COMPOSITE" if name[:3] == "SHA" else "FULL_OBJECT"
        extra = {"ChecksumAlgorithm": name, "ChecksumType": kind}
        s3.upload_fileobj(io.BytesIO(checks.PARTS), **upload(f"new/{name}"), ExtraArgs=extra)
        checks.stored(place, f"new/{name}", checks.PARTS)
        head = s3.head_object(**at(f"new/{name}"), ChecksumMode="ENABLED")
        folder.same(f"type of {name}", head["ChecksumType"], kind)
        assert head[f"Checksum{name}"].endswith("-4") == (kind == "COMPOSITE"), head
        got = s3.get_object(**at(f"new/{name}"))["Body"].read()
        folder.same(name, folder.sha(got), folder.sha(checks.PARTS))
    crc = s3.head_object(**at("new/CRC32"), ChecksumMode="ENABLED")["ChecksumCRC32"]
    folder.same("CRC32", crc, base64.b64encode(zlib.crc32(checks.PARTS).to_bytes(4, "big")).decode())
    crc = s3.head_object(**at("new/CRC64NVME"), ChecksumMode="ENABLED")["ChecksumCRC64NVME"]
    wanted = awscrt.checksums.crc64nvme(checks.PARTS).to_bytes(8, "big")
    folder.same("CRC64NVME", crc, base64.b64encode(wanted).decode())


def upload(key):
    return {"Bucket": checks.BUCKET, "Key": key, "Config": BOTH_WAYS}


def newer_checksums(place):
    """SHA512 and the three XXHASH go round, in one put; wrong ones store nothing."""
    s3 = client(place.url)
    for name in ("SHA512", "XXHASH64", "XXHASH3", "XXHASH128"):
        put = s3.put_object(**at(f"new/{name}"), Body=BODY, ChecksumAlgorithm=name)
        head = s3.head_object(**at(f"new/{name}"), ChecksumMode="ENABLED")
        folder.same(name, put[f"Checksum{name}"], head[f"Checksum{name}"])
        got = s3.get_object(**at(f"new/{name}"), ChecksumMode="ENABLED")["Body"].read()
        folder.same(f"{name} get", folder.sha(got), folder.sha(BODY))
        size = len(base64.b64decode(put[f"Checksum{name}"]))
        wrong = {f"Checksum{name}": base64.b64encode(bytes(size)).decode()}
        refusal = error(s3.put_object, **at("new/wrong"), Body=BODY, **wrong)
        folder.same(f"wrong {name}", refusal, ("BadDigest", 400))
        assert not (place.bucket / "new/wrong").exists()


def by_hand(place):
    """Parts in any order and at once, replaced, listed over pages, completed with gaps."""
    s3 = client(place.url)
    key = at("new/by hand +é.bin")
    made = s3.create_multipart_upload(**key, ContentType="text/x-check", Metadata={"a": "b"})
    named = {**key, "UploadId": made["UploadId"]}
    parts = {n: folder.body(f"part {n}", 5 * MIB + n) for n in (9, 2, 7, 4)} | {10: b"the last"}

    def send(n, data):
        return s3.upload_part(**named, PartNumber=n, Body=data)["ETag"]

    send(7, b"to be replaced")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        etags = dict(zip(parts, pool.map(lambda n: send(n, parts[n]), parts)))
    pages = s3.get_paginator("list_parts").paginate(**named, PaginationConfig={"PageSize": 2})
    listed = [(p["PartNumber"], p["Size"], p["ETag"]) for page in pages for p in page["Parts"]]
    folder.same("parts", listed, [(n, len(parts[n]), etags[n]) for n in sorted(parts)])
    found = s3.list_multipart_uploads(Bucket=checks.BUCKET, Prefix="new/by hand")["Uploads"]
    folder.same("uploads", [(u["Key"], u["UploadId"]) for u in found], [(key["Key"], made["UploadId"])])
    assert not (place.bucket / key["Key"]).exists()
    chosen = [{"PartNumber": n, "ETag": etags[n]} for n in sorted(parts)]
    wrong = {"MultipartUpload": {"Parts": list(reversed(chosen))}}
    folder.same("order", code(s3.complete_multipart_upload, **named, **wrong), "InvalidPartOrder")
    wrong = {"MultipartUpload": {"Parts": [{"PartNumber": 3, "ETag": etags[2]}]}}
    folder.same("no such part", code(s3.complete_multipart_upload, **named, **wrong), "InvalidPart")
    done = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": chosen})
    whole = b"".join(parts[n] for n in sorted(parts))
    checks.stored(place, key["Key"], whole)
    digests = b"".join(hashlib.md5(parts[n]).digest() for n in sorted(parts))
    folder.same("ETag", done["ETag"], f'"{hashlib.md5(digests).hexdigest()}-5"')
    again = s3.complete_multipart_upload(**named, MultipartUpload={"Parts": chosen})
    folder.same("completed again", again["ETag"], done["ETag"])
    head = s3.head_object(**at("new/CRC32"), PartNumber=2)
    folder.same("second part", (head["ContentLength"], head["PartsCount"]), (5 * MIB, 4))
    got = s3.get_object(**at("new/CRC32"), PartNumber=4)
    folder.same("last part", got["Body"].read(), checks.PARTS[15 * MIB :])
    head = s3.head_object(**key)
    folder.same("metadata", (head["ContentType"], head["Metadata"]), ("text/x-check", {"a": "b"}))


def refused_parts(place):
    """Small parts are refused, an abort removes all, and a wrong upload is NoSuchUpload."""
    s3 = client(place.url)
    key = at("new/refused")
    named = {**key, "UploadId": s3.create_multipart_upload(**key)["UploadId"]}
    etags = [s3.upload_part(**named, PartNumber=n, Body=b"small")["ETag"] for n in (1, 2)]
    chosen = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
    small = {"MultipartUpload": {"Parts": chosen}}
    folder.same("small", code(s3.complete_multipart_upload, **named, **small), "EntityTooSmall")
    s3.abort_multipart_upload(**named)
    folder.same("aborted", code(s3.list_parts, **named), "NoSuchUpload")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=checks.BUCKET)
    assert not (place.bucket / "new/refused").exists()


def copies(place):
    """CopyObject with both directives, conditions, and any name; parts copied with ranges."""
    s3 = client(place.url)
    for name in folder.NAMES:
        s3.copy_object(**at(f"copy/{name}"), CopySource=at(f"before/{name}"))
    wanted = {n: h for n, h in folder.tree(place.bucket / "before").items() if n in folder.NAMES}
    folder.same("copies", folder.tree(place.bucket / "copy"), wanted)
    put = s3.put_object(**at("new/source"), Body=BODY, ContentType="text/x-check", Metadata={"a": "b"})
    s3.copy_object(Bucket=checks.EXTRA, Key="kept", CopySource=at("new/source"))
    head = s3.head_object(Bucket=checks.EXTRA, Key="kept")
    folder.same("kept", (head["ContentType"], head["Metadata"]), ("text/x-check", {"a": "b"}))
    new = {"MetadataDirective": "REPLACE", "Metadata": {"c": "d"}, "ContentType": "text/x-new"}
    s3.copy_object(**at("new/source"), CopySource=at("new/source"), **new)
    head = s3.head_object(**at("new/source"))
    folder.same("replaced", (head["ContentType"], head["Metadata"]), ("text/x-new", {"c": "d"}))
    checks.stored(place, "new/source", BODY)
    itself = {**at("new/source"), "CopySource": at("new/source")}
    folder.same("onto itself", code(s3.copy_object, **itself), "InvalidRequest")
    from_source = {**at("new/none"), "CopySource": at("new/source")}
    refusal = error(s3.copy_object, **from_source, CopySourceIfMatch='"other"')
    folder.same("If-Match", refusal, ("PreconditionFailed", 412))
    refusal = error(s3.copy_object, **from_source, CopySourceIfNoneMatch=put["ETag"])
    folder.same("If-None-Match", refusal, ("PreconditionFailed", 412))
    s3.put_object(**at("new/parts"), Body=checks.PARTS)
    key = at("new/copied parts")
    named = {**key, "UploadId": s3.create_multipart_upload(**key)["UploadId"]}
    ranges = ((0, 6 * MIB), (6 * MIB, 16 * MIB + 1))
    chosen = []
    for n, (start, end) in enumerate(ranges, 1):
        source = {"CopySource": at("new/parts"), "CopySourceRange": f"bytes={start}-{end - 1}"}
        made = s3.upload_part_copy(**named, PartNumber=n, **source)["CopyPartResult"]
        chosen.append({"PartNumber": n, "ETag": made["ETag"]})
    s3.complete_multipart_upload(**named, MultipartUpload={"Parts": chosen})
    checks.stored(place, "new/copied parts", checks.PARTS)


def conditions(place):
    """If-Match and If-None-Match on puts, completions, copies and deletes."""
    s3 = client(place.url)
    first = s3.put_object(**at("new/cond"), Body=b"first", IfNoneMatch="*")["ETag"]
    second = s3.put_object(**at("new/cond"), Body=b"second", IfMatch=first)["ETag"]
    failed = ("PreconditionFailed", 412)
    folder.same("put", error(s3.put_object, **at("new/cond"), Body=b"x", IfMatch=first), failed)
    gone = error(s3.put_object, **at("new/no"), Body=b"x", IfMatch=first)
    folder.same("put on nothing", gone, ("NoSuchKey", 404))
    source = {"CopySource": at("new/source")}
    folder.same("copy", error(s3.copy_object, **at("new/cond"), **source, IfNoneMatch="*"), failed)
    named = {**at("new/cond"), "UploadId": s3.create_multipart_upload(**at("new/cond"))["UploadId"]}
    etag = s3.upload_part(**named, PartNumber=1, Body=b"x")["ETag"]
    parts = {"MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": etag}]}}
    refusal = error(s3.complete_multipart_upload, **named, **parts, IfNoneMatch="*")
    folder.same("complete", refusal, failed)
    s3.abort_multipart_upload(**named)
    checks.stored(place, "new/cond", b"second")
    folder.same("delete", error(s3.delete_object, **at("new/cond"), IfMatch=first), failed)
    entry = [{"Key": "new/cond", "ETag": first}]
    answer = s3.delete_objects(Bucket=checks.BUCKET, Delete={"Objects": entry})
    folder.same("delete many", [e["Code"] for e in answer["Errors"]], ["PreconditionFailed"])
    checks.stored(place, "new/cond", b"second")
    s3.delete_object(**at("new/cond"), IfMatch=second)
    assert not (place.bucket / "new/cond").exists()


def appends_and_renames(place):
    """Appends with an offset and renames, as S3 Express has them."""
    s3 = client(place.url)
    s3.put_object(**at("new/log"), Body=b"one ")
    s3.put_object(**at("new/log"), Body=b"two", WriteOffsetBytes=4)
    checks.stored(place, "new/log", b"one two")
    refusal = error(s3.put_object, **at("new/log"), Body=b"x", WriteOffsetBytes=4)
    folder.same("wrong offset", refusal, ("InvalidWriteOffset", 400))
    s3.rename_object(**at("new/log renamed"), RenameSource=urllib.parse.quote(f"/{checks.BUCKET}/new/log"))
    checks.stored(place, "new/log renamed", b"one two")
    assert not (place.bucket / "new/log").exists()


def tags_and_attributes(place):
    """Tags of objects and of the bucket; all attributes of an object in parts."""
    s3 = client(place.url)
    tags = [{"Key": "colour", "Value": "green +/é"}]
    s3.put_object(**at("new/tags"), Body=BODY, Tagging=urllib.parse.urlencode({"colour": "green +/é"}))
    folder.same("sent", s3.get_object_tagging(**at("new/tags"))["TagSet"], tags)
    folder.same("count", s3.get_object(**at("new/tags"))["TagCount"], 1)
    tags.append({"Key": "size", "Value": "small"})
    s3.put_object_tagging(**at("new/tags"), Tagging={"TagSet": tags})
    found = s3.get_object_tagging(**at("new/tags"))["TagSet"]
    folder.same("put", sorted(found, key=str), sorted(tags, key=str))
    s3.copy_object(**at("new/tags copied"), CopySource=at("new/tags"))
    found = s3.get_object_tagging(**at("new/tags copied"))["TagSet"]
    folder.same("copied", sorted(found, key=str), sorted(tags, key=str))
    s3.delete_object_tagging(**at("new/tags"))
    folder.same("deleted", s3.get_object_tagging(**at("new/tags"))["TagSet"], [])
    bucket = {"Bucket": checks.BUCKET}
    folder.same("no bucket tags", code(s3.get_bucket_tagging, **bucket), "NoSuchTagSet")
    s3.put_bucket_tagging(**bucket, Tagging={"TagSet": tags})
    found = s3.get_bucket_tagging(**bucket)["TagSet"]
    folder.same("bucket tags", sorted(found, key=str), sorted(tags, key=str))
    s3.delete_bucket_tagging(**bucket)
    every = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
    found = s3.get_object_attributes(**at("new/SHA256"), ObjectAttributes=every)
    folder.same("size", found["ObjectSize"], len(checks.PARTS))
    folder.same("parts", found["ObjectParts"]["TotalPartsCount"], 4)
    sizes = [part["Size"] for part in found["ObjectParts"]["Parts"]]
    folder.same("part sizes", sizes, [5 * MIB, 5 * MIB, 5 * MIB, MIB + 1])
    folder.same("type", found["Checksum"]["ChecksumType"], "COMPOSITE")
    folder.same("class", found["StorageClass"], "STANDARD")


def settings(place):
    """What boto3 asks a bucket is answered as S3 answers for one that has none of it."""
    s3 = client(place.url)
    bucket = {"Bucket": checks.BUCKET}
    for call, wanted in (
        (s3.get_bucket_cors, "NoSuchCORSConfiguration"),
        (s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration"),
        (s3.get_bucket_policy, "NoSuchBucketPolicy"),
        (s3.get_bucket_website, "NoSuchWebsiteConfiguration"),
        (s3.get_bucket_replication, "ReplicationConfigurationNotFoundError"),
        (s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError"),
    ):
        folder.same(call.__name__, error(call, **bucket), (wanted, 404))
    for call in (
        s3.get_bucket_acl,
        s3.get_bucket_location,
        s3.get_bucket_versioning,
        s3.get_bucket_encryption,
        s3.get_bucket_logging,
        s3.get_bucket_notification_configuration,
        s3.get_bucket_request_payment,
        s3.get_bucket_accelerate_configuration,
        s3.head_bucket,
    ):
        folder.same(call.__name__, call(**bucket)["ResponseMetadata"]["HTTPStatusCode"], 200)
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["http://page.example"]}
    rule |= {"AllowedHeaders": ["*"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 60}
    s3.put_bucket_cors(**bucket, CORSConfiguration={"CORSRules": [rule]})
    folder.same("CORS", s3.get_bucket_cors(**bucket)["CORSRules"], [rule])
    s3.delete_bucket_cors(**bucket)
    owned = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(**bucket, OwnershipControls=owned)
    found = s3.get_bucket_ownership_controls(**bucket)["OwnershipControls"]
    folder.same("ownership", found, owned)
    folder.same("no CORS", code(s3.get_bucket_cors, **bucket), "NoSuchCORSConfiguration")
    acl = s3.get_object_acl(**at("new/source"))
    folder.same("acl", [g["Permission"] for g in acl["Grants"]], ["FULL_CONTROL"])
    s3.put_object(**at("new/acl"), Body=BODY, ACL="private", StorageClass="STANDARD", ServerSideEncryption="AES256")
    checks.stored(place, "new/acl", BODY)


def forms(place):
    """A form that generate_presigned_post signed; what its policy does not allow is refused."""
    s3, http = client(place.url), urllib3.PoolManager(timeout=checks.PATIENCE, retries=False)
    allowed = [["content-length-range", 1, 1 << 20], ["starts-with", "$Content-Type", "text/"]]
    made = s3.generate_presigned_post(checks.BUCKET, "form/${filename}", Conditions=allowed, ExpiresIn=60)
    fields = {**made["fields"], "Content-Type": "text/x-check"}
    got = http.request("POST", made["url"], fields={**fields, "file": ("a b.bin", BODY)})
    folder.same("form", got.status, 204)
    checks.stored(place, "form/a b.bin", BODY)
    folder.same("type", s3.head_object(**at("form/a b.bin"))["ContentType"], "text/x-check")
    wrong = {**fields, "Content-Type": "image/png", "file": ("b.bin", BODY)}
    folder.same("another type", http.request("POST", made["url"], fields=wrong).status, 403)
    wrong = {**fields, "file": ("b.bin", b"")}
    folder.same("too small", http.request("POST", made["url"], fields=wrong).status, 400)
    assert not (place.bucket / "form/b.bin").exists()


def presigned(place):
    """Presigned in both signature versions, in parts, deleted, and refused once expired."""
    http = urllib3.PoolManager(timeout=checks.PATIENCE, retries=False)
    for version in ("s3", "s3v4"):
        config = botocore.config.Config(signature_version=version)
        s3 = client(place.url, config)
        key = at(f"presigned/{version} +%é?")
        put = http.request("PUT", s3.generate_presigned_url("put_object", key), body=BODY)
        folder.same("put", put.status, 200)
        checks.stored(place, key["Key"], BODY)
        got = http.request("GET", s3.generate_presigned_url("get_object", key))
        folder.same("get", (got.status, folder.sha(got.data)), (200, folder.sha(BODY)))
        head = http.request("HEAD", s3.generate_presigned_url("head_object", key))
        folder.same("head", head.status, 200)
        named = {**key, "UploadId": s3.create_multipart_upload(**key)["UploadId"]}
        url = s3.generate_presigned_url("upload_part", {**named, "PartNumber": 1})
        etag = http.request("PUT", url, body=b"one part").headers["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        s3.complete_multipart_upload(**named, MultipartUpload=parts)
        checks.stored(place, key["Key"], b"one part")
        late = s3.generate_presigned_url("get_object", key, ExpiresIn=1)
        time.sleep(2.1)
        folder.same("expired", http.request("GET", late).status, 403)
        gone = http.request("DELETE", s3.generate_presigned_url("delete_object", key))
        folder.same("delete", gone.status, 204)


def listings(place):
    """Delimiters of any kind, start-after, small pages, and keys in V1 markers."""
    s3 = client(place.url)
    keys = folder.many_keys()
    page = s3.list_objects_v2(Bucket=checks.BUCKET, Prefix="many/", StartAfter=keys[10], MaxKeys=3)
    folder.same("after", [e["Key"] for e in page["Contents"]], keys[11:14])
    page = s3.list_objects(Bucket=checks.BUCKET, Prefix="many/", Marker=keys[10], MaxKeys=3, Delimiter="é")
    wanted = [f"{key.split('é')[0]}é" for key in keys[11:14]]
    folder.same("delimiter", [e["Prefix"] for e in page["CommonPrefixes"]], wanted)
    folder.same("next", page["NextMarker"], wanted[-1])
    page = s3.list_objects_v2(Bucket=checks.BUCKET, MaxKeys=0)
    folder.same("none", (page["KeyCount"], page["IsTruncated"]), (0, False))
    found = s3.list_buckets(MaxBuckets=1)
    folder.same("buckets", len(found["Buckets"]), 1)
    pages = s3.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": 1})
    names = [bucket["Name"] for page in pages for bucket in page["Buckets"]]
    assert {checks.BUCKET, checks.EXTRA} <= set(names), names
    folder.same("order", names, sorted(names))


if __name__ == "__main__":
    os.environ.clear()
    os.environ.update(checks.ENV)
    checks.steps(
        transfers,
        checksums_in_parts,
        newer_checksums,
        by_hand,
        refused_parts,
        copies,
        conditions,
        appends_and_renames,
        tags_and_attributes,
        settings,
        forms,
        presigned,
        listings,
    )
