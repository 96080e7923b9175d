"""The minio client mc: cp, mirror, mv, cat, pipe, stat, tag, share, find and rm."""

import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import checks
import folder

MC = checks.INSTALLED / "bin" / "mc"
S3 = f"lobos/{checks.BUCKET}"


def mc(place, *words, fails=False, stdin=None):
    """One command with its own configuration; gives the lines of JSON that it printed."""
    general = ["--config-dir", place.local / "mc", "--json", "--disable-pager"]
    return checks.run(place, MC, *general, *words, fails=fails, stdin=stdin)


def parsed(said):
    return [json.loads(line) for line in said.splitlines()]


def alias(place):
    """The alias, which asks the server for its location and signature."""
    mc(place, "alias", "set", "lobos", place.url, "any-key", "any-secret")
    names = [entry["key"].rstrip("/") for entry in parsed(mc(place, "ls", "lobos"))]
    assert {checks.BUCKET, checks.EXTRA} <= set(names), names


def trees(place):
    """mirror takes every awkward name both ways and on the server; diff finds nothing."""
    up, down = place.local / "up", place.local / "down"
    folder.make_tree(up)
    (up / "in parts.bin").write_bytes(checks.PARTS)
    mc(place, "mirror", up, f"{S3}/tree")
    folder.same("on disk", folder.tree(place.bucket / "tree"), folder.tree(up))
    mc(place, "mirror", f"{S3}/tree", down)
    folder.same("down", folder.tree(down), folder.tree(up))
    folder.same("diff", mc(place, "diff", up, f"{S3}/tree"), b"")
    mc(place, "cp", "--recursive", f"{S3}/tree/", f"{S3}/copy/")
    folder.same("copy", folder.tree(place.bucket / "copy"), folder.tree(up))
    (up / "plain.txt").unlink()
    mc(place, "mirror", "--remove", "--overwrite", up, f"{S3}/tree")
    folder.same("removed", folder.tree(place.bucket / "tree"), folder.tree(up))


def objects(place):
    """pipe, cat, stat, head, mv, tags, a shared link and rm."""
    mc(place, "pipe", f"{S3}/new/pipe +", stdin=checks.PARTS)
    checks.stored(place, "new/pipe +", checks.PARTS)
    folder.same("cat", folder.sha(mc(place, "cat", f"{S3}/new/pipe +")), folder.sha(checks.PARTS))
    folder.same("stat", parsed(mc(place, "stat", f"{S3}/new/pipe +"))[0]["size"], len(checks.PARTS))
    mc(place, "mv", f"{S3}/new/pipe +", f"{S3}/new/moved")
    checks.stored(place, "new/moved", checks.PARTS)
    mc(place, "tag", "set", f"{S3}/new/moved", "colour=green")
    folder.same("tag", parsed(mc(place, "tag", "list", f"{S3}/new/moved"))[0]["tagset"], {"colour": "green"})
    link = parsed(mc(place, "share", "download", f"{S3}/new/moved"))[0]["share"]
    got = checks.run(place, "/usr/bin/curl", "-sSf", link)
    folder.same("share", folder.sha(got), folder.sha(checks.PARTS))
    found = parsed(mc(place, "find", f"{S3}/many"))
    folder.same("find", len(found), folder.MANY)
    mc(place, "rm", "--recursive", "--force", f"{S3}/doomed")
    folder.same("rm", folder.tree(place.bucket / "doomed"), {})
    mc(place, "cat", f"{S3}/none", fails=True)


if __name__ == "__main__":
    os.umask(0o022)
    checks.steps(alias, trees, objects)
