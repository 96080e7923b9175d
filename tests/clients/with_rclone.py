"""rclone against the server: copy, sync, check, move, cat, rcat, purge, with each provider."""

import checks
import folder

BINARY = "/usr/bin/rclone"
S3 = f"lobos:{checks.BUCKET}"


def rclone(place, *words, fails=False, stdin=None, provider="Other"):
    """One command; parts of 5 MiB, no retries."""
    config = place.local / f"rclone-{provider}.conf"
    lines = ["[lobos]", "type = s3", f"provider = {provider}", f"endpoint = {place.url}"]
    lines += ["access_key_id = any-key", "secret_access_key = any-secret", "region = eu-south-2", "force_path_style = true"]
    config.write_text("\n".join(lines) + "\n")
    general = ["--config", config, "--retries", 1, "--low-level-retries", 1, "--timeout", "20s"]
    general += ["--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--s3-copy-cutoff", "8M"]
    return checks.run(place, BINARY, *general, *words, fails=fails, stdin=stdin)


def trees(place):
    """copy takes every awkward name both ways; check finds the same hashes; sync deletes."""
    up, down = place.local / "up", place.local / "down"
    folder.make_tree(up)
    (up / "in parts.bin").write_bytes(checks.PARTS)
    rclone(place, "copy", up, f"{S3}/tree")
    folder.same("on disk", folder.tree(place.bucket / "tree"), folder.tree(up))
    rclone(place, "copy", f"{S3}/tree", down)
    folder.same("down again", folder.tree(down), folder.tree(up))
    rclone(place, "check", up, f"{S3}/tree")
    rclone(place, "check", "--download", up, f"{S3}/tree")
    rclone(place, "copy", f"{S3}/before", place.local / "before")
    folder.same("before", folder.tree(place.local / "before"), folder.tree(place.bucket / "before"))
    (up / "plain.txt").unlink()
    rclone(place, "sync", up, f"{S3}/tree")
    folder.same("after the sync", folder.tree(place.bucket / "tree"), folder.tree(up))


def on_the_server(place):
    """Copies and moves on the server, small ones by CopyObject and large ones in parts."""
    rclone(place, "copy", f"{S3}/tree", f"{S3}/copy")
    wanted = folder.tree(place.local / "up")
    folder.same("copied", folder.tree(place.bucket / "copy"), wanted)
    rclone(place, "move", f"{S3}/copy", f"{S3}/moved")
    folder.same("moved", folder.tree(place.bucket / "moved"), wanted)
    folder.same("moved from", folder.tree(place.bucket / "copy"), {})
    rclone(place, "moveto", f"{S3}/moved/a+b.txt", f"{S3}/moved/renamed +.txt")
    checks.stored(place, "moved/renamed +.txt", (place.local / "up/a+b.txt").read_bytes())


def pipes(place):
    """rcat sends a stream of unknown length in parts, cat reads it, also in pieces."""
    rclone(place, "rcat", f"{S3}/new/pipe", stdin=checks.PARTS)
    checks.stored(place, "new/pipe", checks.PARTS)
    folder.same("cat", folder.sha(rclone(place, "cat", f"{S3}/new/pipe")), folder.sha(checks.PARTS))
    part = rclone(place, "cat", "--offset", 5_000_000, "--count", 9, f"{S3}/new/pipe")
    folder.same("piece", part, checks.PARTS[5_000_000:5_000_009])
    # To rclone what is not there is an empty folder, and no error.
    folder.same("missing", rclone(place, "cat", f"{S3}/new/missing"), b"")


def listings(place):
    """lsf gives 2,500 names; times that rclone keeps in the metadata come back."""
    lines = rclone(place, "lsf", "--recursive", "--files-only", f"{S3}/many").decode().splitlines()
    names = sorted((f"many/{line}" for line in lines), key=str.encode)
    folder.same("names", names, folder.many_keys())
    assert checks.BUCKET in rclone(place, "lsd", "lobos:").decode()
    rclone(place, "touch", "--timestamp", "2001-02-03T04:05:06", f"{S3}/new/pipe")
    said = rclone(place, "lsl", f"{S3}/new/pipe").decode()
    assert "2001-02-03 04:05:06" in said, said
    checks.stored(place, "new/pipe", checks.PARTS)


def providers(place):
    """As providers that list, check and split in other ways and keep path-style addresses."""
    for provider in ("Minio", "Ceph"):
        target = f"{S3}/{provider}"
        rclone(place, "copy", place.local / "up", target, provider=provider)
        wanted = folder.tree(place.local / "up")
        folder.same(provider, folder.tree(place.bucket / provider), wanted)
        rclone(place, "check", "--download", place.local / "up", target, provider=provider)
        rclone(place, "purge", target, provider=provider)
        folder.same(f"{provider} purged", folder.tree(place.bucket / provider), {})


def deletes(place):
    """purge and cleanup leave nothing."""
    rclone(place, "purge", f"{S3}/doomed")
    folder.same("left on disk", folder.tree(place.bucket / "doomed"), {})
    rclone(place, "cleanup", S3)


STEPS = (trees, on_the_server, pipes, listings, providers, deletes)

if __name__ == "__main__":
    checks.steps(*STEPS)
