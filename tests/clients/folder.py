"""Makes the folder that the server serves in the client tests, and compares trees by SHA-256."""

import hashlib
import os
import pathlib
import random
import sys
import time

# Each a trap of its own: what XML, a URL, a query, a shell or a normal form would change.
NAMES = (
    "plain.txt",
    "with some spaces.txt",
    "a+b.txt",
    "100%.txt",
    "%41 is not A.txt",
    "a%2Fb.txt",
    "ümläut/naïve çafé.txt",
    "cafe\u0301 in two code points.txt",
    "日本/東京/語.txt",
    "crab 🦀.bin",
    "question?mark=1&x=y.txt",
    "hash#tag;v=1,2.txt",
    "<tag> & \"quotes\" 'single'.xml",
    "a:b@c!d$e*f(g)h[i]j{k}l^m~n`o|p.txt",
    "back\\slash.txt",
    ".hidden",
    "one/two/three/four/five/leaf.bin",
    "one/two.txt",
    "one/two-sibling/x",
    "empty.bin",
)
LARGE = {"large.bin": 5 << 20, "one/odd size.bin": (1 << 20) + 1}

MANY = 2500
DOOMED = 1000
FIFO = "fifo"
LINK = "link to outside"


def body(name, size=None):
    """Bytes that only this name has, the same in every process."""
    if name == "empty.bin":
        return b""
    rng = random.Random(name)
    return rng.randbytes(rng.randrange(1, 5000) if size is None else size)


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def make_tree(root):
    """A tree of every name above, an hour old, so that no sync finds it newer than its upload."""
    sizes = dict.fromkeys(NAMES) | {"empty.bin": 0} | LARGE
    old = time.time() - 3600
    for name, size in sizes.items():
        write(root / name, body(name, size))
        os.utime(root / name, (old, old))


def many_keys():
    """The keys of the long listing, in the order S3 lists them."""
    return sorted((f"many/{n % 7}/{n:04d} +%é" for n in range(MANY)), key=str.encode)


def doomed_keys():
    """The keys that one DeleteObjects removes."""
    return [f"doomed/{n:04d} <&+%é" for n in range(DOOMED)]


def make_bucket(root):
    """A folder as people have it: trees, long folders, a FIFO and a link that leads outside."""
    make_tree(root / "before")
    for key in many_keys() + doomed_keys():
        write(root / key, key.encode())
    os.mkfifo(root / FIFO)
    write(root.parent / "outside" / "secret", b"not for clients")
    (root / LINK).symlink_to(root.parent / "outside" / "secret")


def sha(data):
    return hashlib.sha256(data).hexdigest()


def tree(root):
    """The SHA-256 of every regular file below a folder by its relative path."""
    files = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not path.is_file() or name.startswith(".lobos/"):
            continue
        files[name] = sha(path.read_bytes())
    return files


def same(what, got, wanted):
    """Fails with the first differences of two values."""
    if got == wanted:
        return
    if isinstance(got, dict) and isinstance(wanted, dict):
        keys = [k for k in sorted({**got, **wanted}) if got.get(k) != wanted.get(k)][:5]
        got, wanted = {k: got.get(k) for k in keys}, {k: wanted.get(k) for k in keys}
    elif isinstance(got, list) and isinstance(wanted, list):
        both = min(len(got), len(wanted))
        first = next((i for i in range(both) if got[i] != wanted[i]), both)
        what = f"{what}: {len(got)} for {len(wanted)}, from {first} on"
        got, wanted = got[first : first + 5], wanted[first : first + 5]
    raise AssertionError(f"{what}: {str(got)[:2000]}, wanted {str(wanted)[:2000]}")


if __name__ == "__main__":
    make_bucket(pathlib.Path(sys.argv[1]))
