"""Command-line tools of one binary each: s5cmd and a current rclone."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import checks
import folder
import with_rclone

BIN = pathlib.Path(sys.executable).parent
S3 = f"s3://{checks.BUCKET}"


def s5cmd(place):
    """Copies of trees both ways, on the server, in parts, from a pipe; sync and rm."""

    def run(*words, fails=False, stdin=None):
        general = ["--endpoint-url", place.url, "--retry-count", 0]
        return checks.run(place, BIN / "s5cmd", *general, *words, fails=fails, stdin=stdin)

    up, down = place.local / "s5up", place.local / "s5down"
    folder.make_tree(up)
    (up / "in parts.bin").write_bytes(checks.PARTS)
    run("cp", "--part-size", 5, f"{up}/", f"{S3}/s5/")
    folder.same("on disk", folder.tree(place.bucket / "s5"), folder.tree(up))
    run("cp", "--part-size", 5, f"{S3}/s5/*", f"{down}/")
    folder.same("down", folder.tree(down), folder.tree(up))
    run("cp", f"{S3}/s5/plain.txt", f"{S3}/new/copy")
    checks.stored(place, "new/copy", folder.body("plain.txt"))
    run("mv", f"{S3}/new/copy", f"{S3}/new/moved +")
    checks.stored(place, "new/moved +", folder.body("plain.txt"))
    run("pipe", f"{S3}/new/pipe", stdin=checks.PARTS)
    checks.stored(place, "new/pipe", checks.PARTS)
    folder.same("cat", folder.sha(run("cat", f"{S3}/new/pipe")), folder.sha(checks.PARTS))
    (up / "plain.txt").unlink()
    run("sync", "--delete", f"{up}/", f"{S3}/s5/")
    folder.same("sync", folder.tree(place.bucket / "s5"), folder.tree(up))
    lines = run("ls", f"{S3}/many/*").decode().splitlines()
    folder.same("ls", len(lines), folder.MANY)
    run("rm", f"{S3}/doomed/*")
    folder.same("rm", folder.tree(place.bucket / "doomed"), {})
    run("cat", f"{S3}/none", fails=True)


def rclone(place):
    """The steps of the fast test, with the rclone of 2026 instead of Debian's."""
    with_rclone.BINARY = BIN / "rclone"
    for step in with_rclone.STEPS:
        step(place)


if __name__ == "__main__":
    checks.steps(s5cmd, rclone)
