"""An aws cli against the server: objects in parts, copies, presign, and the rest of s3api."""

import json
import sys

import checks
import folder
from with_aws import S3, api, aws

BODY = folder.body("aws parts", 300_000)
# What both versions of the cli in Debian and on PyPI know; each with its answer for no setting.
NOT_SET = {
    "get-bucket-cors": "NoSuchCORSConfiguration",
    "get-bucket-lifecycle-configuration": "NoSuchLifecycleConfiguration",
    "get-bucket-policy": "NoSuchBucketPolicy",
    "get-bucket-tagging": "NoSuchTagSet",
    "get-bucket-website": "NoSuchWebsiteConfiguration",
    "get-bucket-replication": "ReplicationConfigurationNotFoundError",
    "get-object-lock-configuration": "ObjectLockConfigurationNotFoundError",
}
ANSWERED = (
    "get-bucket-acl",
    "get-bucket-location",
    "get-bucket-versioning",
    "get-bucket-logging",
    "get-bucket-notification-configuration",
    "get-bucket-request-payment",
    "get-bucket-accelerate-configuration",
    "get-bucket-encryption",
    "head-bucket",
    "list-multipart-uploads",
)


def refused(place, operation, *words):
    """What the cli says about a call that must fail."""
    words = ["s3api", operation, "--bucket", checks.BUCKET, *words]
    return aws(place, *words, fails=True)


def large_files(place):
    """cp and mv of what goes in parts: up, from bucket to bucket, down, from and to a pipe."""
    (place.local / "large").write_bytes(checks.PARTS)
    quiet = ["--no-progress"]
    aws(place, "s3", "cp", *quiet, "large", f"{S3}/parts/up.bin", "--metadata", "a=b")
    checks.stored(place, "parts/up.bin", checks.PARTS)
    aws(place, "s3", "cp", *quiet, "-", f"{S3}/parts/pipe", stdin=checks.PARTS)
    checks.stored(place, "parts/pipe", checks.PARTS)
    aws(place, "s3", "cp", *quiet, f"{S3}/parts/up.bin", f"s3://{checks.EXTRA}/copied +.bin")
    aws(place, "s3", "mv", *quiet, f"s3://{checks.EXTRA}/copied +.bin", f"{S3}/parts/moved.bin")
    checks.stored(place, "parts/moved.bin", checks.PARTS)
    if sys.argv[3] == "v2":  # version 1 leaves the metadata behind when it copies in parts
        metadata = api(place, "head-object", "--key", "parts/moved.bin")["Metadata"]
        folder.same("moved", metadata, {"a": "b"})
    aws(place, "s3", "mv", *quiet, f"{S3}/parts/moved.bin", "back")
    folder.same("back", folder.sha((place.local / "back").read_bytes()), folder.sha(checks.PARTS))
    assert not (place.bucket / "parts/moved.bin").exists()
    aws(place, "s3", "cp", *quiet, f"{S3}/parts/pipe", "back")
    folder.same("cp", folder.sha((place.local / "back").read_bytes()), folder.sha(checks.PARTS))


def trees_on_the_server(place):
    """cp --recursive, sync and mv --recursive of every awkward name inside the server."""
    wanted = folder.tree(place.bucket / "before")
    quiet = ["--no-progress", "--recursive"]
    aws(place, "s3", "cp", *quiet, f"{S3}/before", f"{S3}/tree")
    folder.same("cp", folder.tree(place.bucket / "tree"), wanted)
    aws(place, "s3", "sync", "--no-progress", f"{S3}/tree", f"s3://{checks.EXTRA}/tree")
    folder.same("sync", folder.tree(place.bucket.parent / "other" / "tree"), wanted)
    aws(place, "s3", "mv", *quiet, f"s3://{checks.EXTRA}/tree", f"{S3}/moved")
    folder.same("mv", folder.tree(place.bucket / "moved"), wanted)
    folder.same("from", folder.tree(place.bucket.parent / "other" / "tree"), {})


def presign(place):
    """The URL of presign works in curl."""
    url = aws(place, "s3", "presign", f"{S3}/parts/up.bin", "--expires-in", "60").strip()
    got = checks.run(place, "/usr/bin/curl", "-sSf", url)
    folder.same("presign", folder.sha(got), folder.sha(checks.PARTS))


def parts_by_hand(place):
    """The whole of a multipart upload by s3api, a part by copy, and an abort."""
    (place.local / "body").write_bytes(BODY)
    at = ["--key", "new/hand"]
    made = api(place, "create-multipart-upload", *at)["UploadId"]
    at += ["--upload-id", made]
    source = ["--copy-source", f"{checks.BUCKET}/parts/up.bin", "--copy-source-range", "bytes=1-5242880"]
    first = api(place, "upload-part-copy", *at, "--part-number", 1, *source)["CopyPartResult"]["ETag"]
    second = api(place, "upload-part", *at, "--part-number", 2, "--body", "body")["ETag"]
    listed = api(place, "list-parts", *at)["Parts"]
    folder.same("parts", [(p["ETag"], p["Size"]) for p in listed], [(first, 5 << 20), (second, len(BODY))])
    uploads = api(place, "list-multipart-uploads")["Uploads"]
    folder.same("uploads", [u["UploadId"] for u in uploads], [made])
    chosen = [{"PartNumber": n, "ETag": etag} for n, etag in ((1, first), (2, second))]
    (place.local / "parts.json").write_text(json.dumps({"Parts": chosen}))
    api(place, "complete-multipart-upload", *at, "--multipart-upload", "file://parts.json")
    checks.stored(place, "new/hand", checks.PARTS[1 : (5 << 20) + 1] + BODY)
    found = api(place, "get-object-attributes", "--key", "new/hand", "--object-attributes", "ObjectSize", "ETag")
    folder.same("size", found["ObjectSize"], (5 << 20) + len(BODY))
    other = api(place, "create-multipart-upload", "--key", "new/aborted")["UploadId"]
    at = ["--key", "new/aborted", "--upload-id", other]
    api(place, "abort-multipart-upload", *at)
    assert "NoSuchUpload" in refused(place, "list-parts", *at)


def copies_and_tags(place):
    """copy-object with new metadata and a condition; tags of an object and of the bucket."""
    at = ["--key", "new/copy é"]
    source = ["--copy-source", f"{checks.BUCKET}/new/hand"]
    new = ["--metadata-directive", "REPLACE", "--metadata", "a=b", "--content-type", "text/x-new"]
    api(place, "copy-object", *at, *source, *new)
    checks.stored(place, "new/copy é", checks.PARTS[1 : (5 << 20) + 1] + BODY)
    head = api(place, "head-object", *at)
    folder.same("copied", (head["Metadata"], head["ContentType"]), ({"a": "b"}, "text/x-new"))
    said = refused(place, "copy-object", *at, *source, "--copy-source-if-match", '"other"')
    assert "PreconditionFailed" in said or "412" in said, said
    tags = {"TagSet": [{"Key": "colour", "Value": "green +"}]}
    api(place, "put-object-tagging", *at, "--tagging", json.dumps(tags))
    folder.same("tags", api(place, "get-object-tagging", *at)["TagSet"], tags["TagSet"])
    api(place, "delete-object-tagging", *at)
    folder.same("no tags", api(place, "get-object-tagging", *at)["TagSet"], [])
    api(place, "put-bucket-tagging", "--tagging", json.dumps(tags))
    folder.same("bucket", api(place, "get-bucket-tagging")["TagSet"], tags["TagSet"])
    api(place, "delete-bucket-tagging")
    folder.same("acl", api(place, "get-object-acl", *at)["Grants"][0]["Permission"], "FULL_CONTROL")


def settings(place):
    """Each question about a bucket has S3's answer, and CORS rules are kept."""
    for operation in ANSWERED:
        api(place, operation)
    for operation, wanted in NOT_SET.items():
        said = refused(place, operation)
        assert wanted in said, f"{operation}: {said}"
    rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["http://page.example"]}
    api(place, "put-bucket-cors", "--cors-configuration", json.dumps({"CORSRules": [rule]}))
    folder.same("CORS", api(place, "get-bucket-cors")["CORSRules"], [rule])
    api(place, "delete-bucket-cors")


def removals(place):
    """rm of one object and of a tree; what is not there is an error of cp and none of rm."""
    aws(place, "s3", "rm", f"{S3}/new/hand")
    assert not (place.bucket / "new/hand").exists()
    for name in ("moved", "tree", "parts", "new"):
        aws(place, "s3", "rm", "--recursive", f"{S3}/{name}")
        folder.same(name, folder.tree(place.bucket / name), {})
    aws(place, "s3", "rm", f"{S3}/missing")
    aws(place, "s3", "cp", f"{S3}/missing", "none", fails=True)


if __name__ == "__main__":
    checks.steps(
        large_files,
        trees_on_the_server,
        presign,
        parts_by_hand,
        copies_and_tags,
        settings,
        removals,
    )
