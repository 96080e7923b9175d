"""restic: a repository in the bucket, two backups, a check that reads all, restore and prune."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import checks
import folder

RESTIC = checks.INSTALLED / "bin" / "restic"


def backups(place):
    """What was backed up is restored with every byte, also after older backups were removed."""
    place.env |= {"RESTIC_REPOSITORY": f"s3:{place.url}/{checks.BUCKET}/repo", "RESTIC_PASSWORD": "any"}

    def restic(*words):
        return checks.run(place, RESTIC, *words)

    up = place.local / "up"
    folder.make_tree(up)
    restic("init")
    restic("backup", up)
    (up / "in parts.bin").write_bytes(checks.PARTS)
    restic("backup", up)
    restic("check", "--read-data")
    restic("forget", "--keep-last", 1, "--prune")
    restic("restore", "latest", "--target", place.local / "back")
    folder.same("restored", folder.tree(place.local / "back" / str(up).lstrip("/")), folder.tree(up))
    restic("check", "--read-data")


if __name__ == "__main__":
    checks.steps(backups)
