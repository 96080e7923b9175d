"""s3cmd, which signs as it did ten years ago and lists by ListObjects version 1."""

import urllib.parse

import checks
import folder

S3 = f"s3://{checks.BUCKET}"
BINARY = "/usr/bin/s3cmd"


def s3cmd(place, *words, fails=False, stdin=None, signature=4):
    """One command, with path-style addresses."""
    host = urllib.parse.urlsplit(place.url).netloc
    config = place.local / f"s3cfg{signature}"
    lines = ["[default]", "access_key = any-key", "secret_key = any-secret", "use_https = False"]
    lines += [f"host_base = {host}", f"host_bucket = {host}", "multipart_chunk_size_mb = 5"]
    lines += [f"signature_v2 = {signature == 2}", "max_retries = 1", "guess_mime_type = False"]
    lines += [f"socket_timeout = {checks.PATIENCE}", "progress_meter = False"]
    config.write_text("\n".join(lines) + "\n")
    return checks.run(place, BINARY, "-c", config, *words, fails=fails, stdin=stdin)


def adapter(place, signature=4):
    def put(key, data):
        (place.local / "body").write_bytes(data)
        s3cmd(place, "put", "body", f"{S3}/{key}", signature=signature)

    def get(key):
        s3cmd(place, "get", "--force", f"{S3}/{key}", "got", signature=signature)
        return (place.local / "got").read_bytes()

    def listed(prefix):
        lines = s3cmd(place, "ls", "--recursive", f"{S3}/{prefix}", signature=signature)
        return [line.split(f"{S3}/", 1)[1] for line in lines.decode().splitlines()]

    def delete(key):
        s3cmd(place, "del", f"{S3}/{key}", signature=signature)

    def copy(source, target):
        s3cmd(place, "cp", f"{S3}/{source}", f"{S3}/{target}", signature=signature)

    return checks.Client(put, get, listed, delete, copy)


# Only some names: each command of s3cmd takes a third of a second. sync takes all of them.
FEW = tuple(set(folder.NAMES) - {"plain.txt", "with some spaces.txt", "a+b.txt", "100%.txt"})


def names_and_parts(place):
    """Awkward names and an object in parts, with signatures of version 4."""
    checks.rounds(place, adapter(place), "s3cmd", without=FEW)


def signature_v2(place):
    """The same with signatures of version 2."""
    checks.rounds(place, adapter(place, 2), "v2", without=FEW)


def syncs(place):
    """sync takes every awkward name both ways, finds nothing to do again, and deletes."""
    up, down = place.local / "up", place.local / "down"
    folder.make_tree(up)
    s3cmd(place, "sync", f"{up}/", f"{S3}/tree/")
    folder.same("on disk", folder.tree(place.bucket / "tree"), folder.tree(up))
    s3cmd(place, "sync", f"{S3}/tree/", f"{down}/")
    folder.same("down again", folder.tree(down), folder.tree(up))
    (up / "plain.txt").unlink()
    said = s3cmd(place, "sync", "--delete-removed", f"{up}/", f"{S3}/tree/").decode()
    assert "upload:" not in said, said
    folder.same("after the delete", folder.tree(place.bucket / "tree"), folder.tree(up))


def moves(place):
    """mv renames, modify sets a type and metadata, info tells them."""
    (place.local / "body").write_bytes(b"to be moved")
    s3cmd(place, "put", "body", f"{S3}/new/before move")
    s3cmd(place, "mv", f"{S3}/new/before move", f"{S3}/new/after move")
    checks.stored(place, "new/after move", b"to be moved")
    assert not (place.bucket / "new/before move").exists()
    s3cmd(place, "modify", "-m", "text/x-check", "--add-header", "x-amz-meta-a: b", f"{S3}/new/after move")
    said = s3cmd(place, "info", f"{S3}/new/after move").decode()
    assert "text/x-check" in said and "x-amz-meta-a" in said, said
    checks.stored(place, "new/after move", b"to be moved")
    s3cmd(place, "info", S3)


def deletes(place):
    """del --recursive removes all below a prefix by DeleteObjects."""
    s3cmd(place, "del", "--recursive", "--force", f"{S3}/doomed/")
    folder.same("left on disk", folder.tree(place.bucket / "doomed"), {})
    assert checks.BUCKET in s3cmd(place, "ls").decode()
    s3cmd(place, "get", f"{S3}/missing", "none", fails=True)


def uploads(place):
    """A stream in parts from a pipe, a list of unfinished uploads, and a signed URL."""
    s3cmd(place, "put", "-", f"{S3}/new/pipe", stdin=checks.PARTS)
    checks.stored(place, "new/pipe", checks.PARTS)
    lines = s3cmd(place, "multipart", S3).decode().splitlines()
    folder.same("unfinished", [line for line in lines if "new/" in line], [])
    url = s3cmd(place, "signurl", f"{S3}/new/pipe", "+60").decode().strip()
    got = checks.run(place, "/usr/bin/curl", "-sSf", url)
    folder.same("signed", folder.sha(got), folder.sha(checks.PARTS))


if __name__ == "__main__":
    checks.steps(names_and_parts, signature_v2, syncs, moves, deletes, uploads)
