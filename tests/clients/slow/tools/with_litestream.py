"""litestream: a SQLite database that grows is replicated to the bucket and restored from it."""

import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import checks
import folder

LITESTREAM = checks.INSTALLED / "bin" / "litestream"
ROWS = 5_000


def replication(place):
    """The restored database has every row, also those written while it was replicated."""
    database = place.local / "app.db"
    config = place.local / "litestream.yml"
    config.write_text(
        f"dbs:\n  - path: {database}\n    replica:\n      type: s3\n      bucket: {checks.BUCKET}\n"
        f"      path: lite\n      endpoint: {place.url}\n      region: eu-south-2\n"
        "      force-path-style: true\n      sync-interval: 200ms\n"
        "      access-key-id: any-key\n      secret-access-key: any-secret\n"
    )
    with sqlite3.connect(database) as db:
        db.execute("PRAGMA journal_mode = wal")
        db.execute("CREATE TABLE rows (n INTEGER, text TEXT)")
    log = (place.local / "litestream.log").open("wb")
    command = [LITESTREAM, "replicate", "-config", config]
    named = {"env": place.env, "stdout": log, "stderr": subprocess.STDOUT}
    daemon = subprocess.Popen([str(word) for word in command], **named)
    try:
        for start in range(0, ROWS, 500):
            with sqlite3.connect(database) as db:
                rows = [(n, folder.sha(str(n).encode())) for n in range(start, start + 500)]
                db.executemany("INSERT INTO rows VALUES (?, ?)", rows)
            time.sleep(0.2)
        time.sleep(2)
    finally:
        daemon.send_signal(signal.SIGINT)
        daemon.wait(checks.PATIENCE)
    said = (place.local / "litestream.log").read_text()
    back = place.local / "back.db"
    try:
        checks.run(place, LITESTREAM, "restore", "-config", config, "-o", back, database)
    except AssertionError as e:
        raise AssertionError(f"{e}\n{said[-3000:]}") from None
    wanted = sqlite3.connect(database).execute("SELECT * FROM rows ORDER BY n").fetchall()
    folder.same("count", len(wanted), ROWS)
    folder.same("rows", sqlite3.connect(back).execute("SELECT * FROM rows ORDER BY n").fetchall(), wanted)


if __name__ == "__main__":
    checks.steps(replication)
