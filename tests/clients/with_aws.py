"""An aws cli against the server, as in the README: cp, sync, ls, rm and s3api, bytes compared."""

import hashlib
import json
import sys

import checks
import folder

BINARIES = {"v1": checks.CLIENTS / "aws", "v2": "/usr/bin/aws"}
BODY = folder.body("aws", 5 << 20)
S3 = f"s3://{checks.BUCKET}"


def aws(place, *words, fails=False, stdin=None):
    """One command of the cli; gives what it printed."""
    general = ["--endpoint-url", place.url, "--output", "json"]
    general += ["--cli-read-timeout", checks.PATIENCE, "--cli-connect-timeout", checks.PATIENCE]
    binary = BINARIES[sys.argv[3]]
    return checks.run(place, binary, *general, *words, fails=fails, stdin=stdin).decode()


def api(place, operation, *words):
    """One s3api call on the bucket; gives the parsed answer."""
    out = aws(place, "s3api", operation, "--bucket", checks.BUCKET, *words)
    return json.loads(out) if out.strip() else {}


def put_get_head(place):
    """A put is the file on the disk and the answer of a get; type, metadata and ETag come back."""
    (place.local / "body").write_bytes(BODY)
    at = ["--key", "new/from aws.bin"]
    kind = ["--content-type", "text/x-check", "--metadata", "a=b,c=d"]
    put = api(place, "put-object", *at, "--body", "body", *kind)
    etag = f'"{hashlib.md5(BODY).hexdigest()}"'
    folder.same("ETag of the put", put["ETag"], etag)
    checks.stored(place, "new/from aws.bin", BODY)
    got = api(place, "get-object", *at, "got")
    folder.same("get", folder.sha((place.local / "got").read_bytes()), folder.sha(BODY))
    head = api(place, "head-object", *at)
    for answer in (got, head):
        fields = [answer[k] for k in ("ETag", "ContentLength", "ContentType", "Metadata")]
        wanted = [etag, len(BODY), "text/x-check", {"a": "b", "c": "d"}]
        folder.same("fields", fields, wanted)
    part = api(place, "get-object", *at, "--range", "bytes=100-199", "part")
    folder.same("range", (place.local / "part").read_bytes(), BODY[100:200])
    folder.same("Content-Range", part["ContentRange"], f"bytes 100-199/{len(BODY)}")


def copies(place):
    """cp from a file, from a pipe and back, with the exact bytes on the disk."""
    aws(place, "s3", "cp", "--no-progress", "body", f"{S3}/new/cp name +%.bin")
    aws(place, "s3", "cp", "--no-progress", "-", f"{S3}/new/pipe", stdin=BODY)
    for name in ("new/cp name +%.bin", "new/pipe"):
        checks.stored(place, name, BODY)
    aws(place, "s3", "cp", "--no-progress", f"{S3}/new/cp name +%.bin", "back")
    folder.same("back", folder.sha((place.local / "back").read_bytes()), folder.sha(BODY))


def syncs(place):
    """sync takes every awkward name both ways, finds nothing to do again, and deletes."""
    up, down = place.local / "up", place.local / "down"
    folder.make_tree(up)
    aws(place, "s3", "sync", "--no-progress", up, f"{S3}/tree")
    folder.same("on disk", folder.tree(place.bucket / "tree"), folder.tree(up))
    aws(place, "s3", "sync", "--no-progress", f"{S3}/tree", down / "tree")
    folder.same("down again", folder.tree(down / "tree"), folder.tree(up))
    aws(place, "s3", "sync", "--no-progress", f"{S3}/before", down / "before")
    folder.same("before", folder.tree(down / "before"), folder.tree(place.bucket / "before"))
    (up / "plain.txt").unlink()
    said = aws(place, "s3", "sync", "--no-progress", "--delete", up, f"{S3}/tree")
    folder.same("sync again", said.strip(), f"delete: {S3}/tree/plain.txt")
    folder.same("after --delete", folder.tree(place.bucket / "tree"), folder.tree(up))


def listings(place):
    """2,500 keys come in byte order over pages, in both versions of the listing."""
    for operation in ("list-objects-v2", "list-objects"):
        query = ["--prefix", "many/", "--query", "Contents[].Key"]
        folder.same(operation, api(place, operation, *query), folder.many_keys())
    lines = aws(place, "s3", "ls", "--recursive", f"{S3}/many/").splitlines()
    folder.same("ls", [line[31:] for line in lines], folder.many_keys())
    top = aws(place, "s3", "ls", f"{S3}/").splitlines()
    folders = ["PRE before/", "PRE doomed/", "PRE many/", "PRE new/", "PRE tree/"]
    folder.same("the top, without FIFO and link", [line.strip() for line in top], folders)
    buckets = [line.split()[-1] for line in aws(place, "s3", "ls").splitlines()]
    assert {checks.BUCKET, checks.EXTRA} <= set(buckets), buckets


def what_is_no_object(place):
    """A get of a FIFO and of a link to outside ends at once with NoSuchKey."""
    for name in (folder.FIFO, folder.LINK):
        get = ["s3api", "get-object", "--bucket", checks.BUCKET, "--key", name, "none"]
        said = checks.at_once(aws, place, *get, fails=True)
        assert "NoSuchKey" in said, said


def deletes(place):
    """Single, multiple and recursive deletes leave no file on the disk."""
    api(place, "delete-object", "--key", "new/from aws.bin")
    assert not (place.bucket / "new/from aws.bin").exists()
    doomed = {"Objects": [{"Key": key} for key in folder.doomed_keys()]}
    (place.local / "delete.json").write_text(json.dumps(doomed))
    answer = api(place, "delete-objects", "--delete", "file://delete.json")
    folder.same("deleted", [e["Key"] for e in answer["Deleted"]], folder.doomed_keys())
    assert "Errors" not in answer, answer["Errors"]
    folder.same("doomed", folder.tree(place.bucket / "doomed"), {})
    aws(place, "s3", "rm", "--recursive", f"{S3}/tree")
    folder.same("tree", folder.tree(place.bucket / "tree"), {})
    assert len(folder.tree(place.bucket / "before")) == len(folder.NAMES) + len(folder.LARGE)


if __name__ == "__main__":
    checks.steps(put_get_head, copies, syncs, listings, what_is_no_object, deletes)
