"""s3fs-fuse: the bucket as a mounted folder, written and read by ordinary system calls."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import checks
import folder

BINARY = "/usr/bin/s3fs"


class Mount:
    """The bucket mounted on a folder; no cache outlives it. A failed mount is an error."""

    def __init__(self, place, *options):
        self.place, self.at = place, place.local / "mounted"
        self.options = options

    def __enter__(self):
        place = self.place
        if not pathlib.Path("/dev/fuse").exists():
            raise AssertionError("this machine has no /dev/fuse, so s3fs-fuse cannot be tested")
        self.at.mkdir(exist_ok=True)
        keys = place.local / "passwd-s3fs"
        keys.write_text("any-key:any-secret\n")
        keys.chmod(0o600)
        said = [f"url={place.url}", f"passwd_file={keys}", "use_path_request_style", "endpoint=eu-south-2"]
        said += ["multipart_size=5", "retries=1", "enable_noobj_cache", "use_xattr=1", *self.options]
        self.log = (place.local / "s3fs.log").open("wb")
        command = [BINARY, checks.BUCKET, str(self.at), "-f", "-o", ",".join(said)]
        named = {"env": place.env, "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
        self.daemon = subprocess.Popen(command, stdout=self.log, **named)
        for _ in range(100):
            if os.path.ismount(self.at):
                return self.at
            if self.daemon.poll() is not None:
                break
            time.sleep(0.1)
        self.daemon.kill()
        raise AssertionError((place.local / "s3fs.log").read_text()[-2000:])

    def __exit__(self, *_):
        subprocess.run(["fusermount", "-u", str(self.at)], check=False)
        try:
            self.daemon.wait(checks.PATIENCE)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            subprocess.run(["fusermount", "-u", "-z", str(self.at)], check=False)
            raise


def reading(place):
    """What was in the folder before is there with its names and bytes."""
    with Mount(place) as at:
        wanted = folder.tree(place.bucket / "before")
        folder.same("before", folder.tree(at / "before"), wanted)
        names = sorted(f"many/3/{path.name}" for path in (at / "many/3").iterdir())
        folder.same("many", names, [key for key in folder.many_keys() if key.startswith("many/3/")])
        with (at / "before/large.bin").open("rb") as file:
            file.seek(3 << 20)
            folder.same("seek", file.read(9), folder.body("large.bin", 5 << 20)[3 << 20 :][:9])


def writing(place):
    """Every awkward name, an object in parts, an append, a change inside and a truncation."""
    tree = place.local / "up"
    folder.make_tree(tree)
    (tree / "in parts.bin").write_bytes(checks.PARTS)
    with Mount(place) as at:
        shutil.copytree(tree, at / "tree")
    folder.same("on disk", folder.tree(place.bucket / "tree"), folder.tree(tree))
    with Mount(place) as at:
        folder.same("mounted again", folder.tree(at / "tree"), folder.tree(tree))
        with (at / "tree/plain.txt").open("ab") as file:
            file.write(b"appended")
        with (at / "tree/in parts.bin").open("r+b") as file:
            file.seek(7 << 20)
            file.write(b"changed inside")
        with (at / "tree/large.bin").open("r+b") as file:
            file.truncate(1000)
    checks.stored(place, "tree/plain.txt", folder.body("plain.txt") + b"appended")
    changed = bytearray(checks.PARTS)
    changed[7 << 20 : (7 << 20) + 14] = b"changed inside"
    checks.stored(place, "tree/in parts.bin", bytes(changed))
    checks.stored(place, "tree/large.bin", folder.body("large.bin", 5 << 20)[:1000])


def names_and_modes(place):
    """Renames of files and folders, modes, times, links, and removal."""
    with Mount(place) as at:
        (at / "dir/inner").mkdir(parents=True)
        (at / "dir/inner/file").write_bytes(b"data")
        (at / "dir/inner/file").chmod(0o640)
        os.utime(at / "dir/inner/file", (981173106, 981173106))
        (at / "dir/inner/file").rename(at / "dir/renamed file")
        (at / "dir").rename(at / "other dir")
        (at / "other dir/link").symlink_to("renamed file")
        os.setxattr(at / "other dir/renamed file", "user.colour", b"green")
    checks.stored(place, "other dir/renamed file", b"data")
    with Mount(place) as at:
        status = (at / "other dir/renamed file").stat()
        folder.same("status", (status.st_mode & 0o777, status.st_mtime), (0o640, 981173106))
        folder.same("link", os.readlink(at / "other dir/link"), "renamed file")
        folder.same("xattr", os.getxattr(at / "other dir/renamed file", "user.colour"), b"green")
        shutil.rmtree(at / "other dir")
        shutil.rmtree(at / "tree")
        assert not (at / "missing").exists()
    folder.same("other dir", folder.tree(place.bucket / "other dir"), {})
    folder.same("tree", folder.tree(place.bucket / "tree"), {})


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    checks.steps(reading, writing, names_and_modes)
