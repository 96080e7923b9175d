#!/usr/bin/env python3
"""Measures the four headline loads with warp: benches/headline.py [--rounds N] [--secs N]

PUT and GET of 1 MiB by 50 clients and of 32 KiB by 200, on Lobos and on what is on the PATH of
versitygw, rclone (1.65 or later) and nginx (GET alone), in turn and in several rounds. Each server
begins with an empty folder on tmpfs. Quoted are requests, latencies and the CPU time of the server
(utime + stime of all its processes) per request, and how much of the machine was busy with
something else. A sample of the files is checked: on disk for their size, and byte by byte as the
server gives them. warp is the Go module github.com/minio/warp.
"""

import argparse
import collections
import csv
import datetime
import functools
import os
import pathlib
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from listing import KEY, SECRET, TICKS, TOP, Connection, free_port, start

VENV = TOP / "target" / "headline" / "venv"
PACKAGES = (
    "contourpy==1.3.3",
    "cycler==0.12.1",
    "fonttools==4.68.0",
    "kiwisolver==1.5.1",
    "matplotlib==3.11.2",
    "numpy==2.4.6",
    "packaging==26.4",
    "pillow==13.0.0",
    "pyparsing==3.3.3",
    "python-dateutil==2.9.0.post0",
    "six==1.17.0",
    "zstandard==0.25.0",
)
BUCKET = "bench"
CORES = len(os.sched_getaffinity(0))

# What is asked how often at once; a GET picks from so many objects, which are put before.
Load = collections.namedtuple("Load", "title verb size clients objects")
LOADS = {
    "put-1MiB": Load("PUT 1 MiB, 50 clients", "put", 1 << 20, 50, 0),
    "get-1MiB": Load("GET 1 MiB, 50 clients", "get", 1 << 20, 50, 500),
    "put-32KiB": Load("PUT 32 KiB, 200 clients", "put", 32 << 10, 200, 0),
    "get-32KiB": Load("GET 32 KiB, 200 clients", "get", 32 << 10, 200, 4000),
}

# The servers.

# nginx is no S3 server: its files are made here, and what warp asks for before its first GET is a
# list that lies beside them. All others get their files from warp.
NGINX = """
daemon off;
worker_processes auto;
pid {where}/nginx.pid;
error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {where}/nginx-body;
    fastcgi_temp_path {where}/nginx-fastcgi;
    proxy_temp_path {where}/nginx-proxy;
    scgi_temp_path {where}/nginx-scgi;
    uwsgi_temp_path {where}/nginx-uwsgi;
    server {{
        listen 127.0.0.1:{port};
        root {root};
        location = /{bucket}/ {{ rewrite ^ /list.xml last; }}
        location = /list.xml {{ root {where}; }}
    }}
}}
"""


def commands(given):
    """The servers that are here and how to start them."""
    found = {}
    for runtime in given.runtimes or ["mio"]:
        name = "lobos" if runtime == "mio" else f"lobos-{runtime}"
        lobos = [given.lobos, "--dir", "{root}/{bucket}", "--port", "{port}", "--runtime", runtime]
        found[name] = lobos
        found[f"{name}-fast"] = [*lobos, "--etag", "fast"]
        # As the peers do it: every signature is checked, and with it a SHA-256 of each body.
        found[f"{name}-keys"] = [*lobos, "--access-key", KEY, "--secret-key", SECRET]
    if shutil.which("versitygw"):
        keys = ["--access", KEY, "--secret", SECRET, "--quiet", "--keep-alive"]
        found["versitygw"] = ["versitygw", "--port", "127.0.0.1:{port}", *keys, "posix", "{root}"]
    rclone = ["rclone", "serve", "s3"]
    # Older ones print the help of `rclone serve` for what they do not have.
    if shutil.which("rclone") and "serve s3" in words_of(*rclone, "--help"):
        # Without a hash for the ETag: else it reads a file to answer for it.
        keys = ["--auth-key", f"{KEY},{SECRET}", "--etag-hash", ""]
        found["rclone"] = [*rclone, "--addr", "127.0.0.1:{port}", *keys, "{root}"]
    if shutil.which("nginx"):
        found["nginx"] = ["nginx", "-e", "/dev/null", "-c", "{where}/nginx.conf"]
    if given.original:
        threads = ["--threads", str(CORES)]
        found["original"] = [given.original, "-d", "{root}/{bucket}", "-p", "{port}", *threads]
    return {name: found[name] for name in given.servers or found if name in found}


def words_of(*command):
    """What a program prints."""
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, stdin=subprocess.DEVNULL, **both).stdout


class Server:
    """A server with a bucket that is empty at first."""

    def __init__(self, command, where):
        self.root = where / "root"
        (self.root / BUCKET).mkdir(parents=True)
        self.port = free_port()
        places = {"where": where, "root": self.root, "port": self.port, "bucket": BUCKET}
        (where / "nginx.conf").write_text(NGINX.format(**places))
        words = [word.format(**places) for word in command]
        self.child, listens = start(words, self.port)
        if not listens:
            self.stop()
            raise SystemExit(f"{words} does not listen")

    def stop(self):
        # Not by force at first: nginx ends its workers itself.
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        shutil.rmtree(self.root)

    def file(self, key):
        return self.root / BUCKET / key


def cpu(pid):
    """Seconds of CPU of a process and of all its children so far."""
    place = pathlib.Path(f"/proc/{pid}")
    fields = (place / "stat").read_text().rpartition(")")[2].split()
    children = [task.read_text().split() for task in place.glob("task/*/children")]
    own = sum(map(int, fields[11:15])) / TICKS
    return own + sum(cpu(child) for some in children for child in some)


def machine():
    """Seconds that all cores together were busy so far."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _wait, hard, soft = map(int, fields[:7])
    return (user + nice + system + hard + soft) / TICKS


class Watch:
    """Notes 50 times a second what the server, warp and the whole machine have used of CPU."""

    def __init__(self, server, warp):
        self.pids = (server.child.pid, warp.pid)
        self.seen, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.wait(0.02):
            try:
                self.seen.append((time.time(), *map(cpu, self.pids), machine()))
            except (FileNotFoundError, ProcessLookupError):
                # One has ended meanwhile, mostly warp.
                continue

    def stop(self):
        self.over.set()
        self.thread.join()

    def between(self, first, last):
        """Seconds from shortly before to shortly after: of time, server, warp and machine."""
        before = max((seen for seen in self.seen if seen[0] <= first), default=self.seen[0])
        after = min((seen for seen in self.seen if seen[0] >= last + 0.05), default=self.seen[-1])
        return [late - early for early, late in zip(before, after)]


# warp.


def warp(server, load, given, where, *more):
    """Runs warp: what it did, and what was used meanwhile."""
    data = where / "warp"
    size = f"{load.size >> 10}KiB"
    words = ["warp", load.verb, "--host", f"127.0.0.1:{server.port}", "--lookup", "path"]
    words += ["--access-key", KEY, "--secret-key", SECRET, "--region", "us-east-1"]
    words += ["--bucket", BUCKET, "--obj.size", size, "--concurrent", str(load.clients)]
    words += ["--duration", f"{given.secs}s", "--noclear", "--full", "--no-color"]
    words += ["--benchdata", str(data), *more]
    with (where / "warp.log").open("w+") as log:
        both = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        child = subprocess.Popen(words, cwd=where, **both)
        watch = Watch(server, child)
        try:
            code = child.wait(given.secs + 120)
        finally:
            child.kill()
            watch.stop()
        log.seek(0)
        if code or server.child.poll() is not None:
            raise SystemExit(f"{words}: {code}\n{log.read()[-3000:]}")
    return requests(f"{data}.csv.zst", load.verb.upper()), watch


def requests(path, verb):
    """The requests of the load itself, without those that put objects for a GET."""
    import zstandard

    with zstandard.open(path, "rt") as file:
        lines = (line for line in file if not line.startswith("#"))
        rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["op"] == verb]
    os.unlink(path)
    if not rows:
        raise SystemExit(f"warp made no {verb}")
    return rows


def seconds(text):
    """A time with nanoseconds, as warp writes it."""
    second, part, zone = re.fullmatch(r"([-\dT:]{19})(\.\d+)?(.*)", text).groups()
    return whole(second + zone.replace("Z", "+00:00")) + float(part or 0)


@functools.cache
def whole(text):
    return datetime.datetime.fromisoformat(text).timestamp()


def measure(name, command, load, given, where):
    """One row of figures."""
    server = Server(command, where)
    try:
        more = ["--objects", str(load.objects)] if load.objects else []
        if name == "nginx":
            lay(server, load, where)
            more.append("--list-existing")
        if name == "original" and load.objects:
            # It keeps a signed body with its framing, which warp would not take back.
            more.append("--disable-sha256-payload")
        done, watch = warp(server, load, given, where, *more)
        good = [row for row in done if not row["error"]]
        wrong = [row["error"] for row in done if row["error"]]
        note = wrong[0] if wrong else check(server, load, [row["file"] for row in good])
    finally:
        server.stop()
    # warp puts objects, rests for three seconds and only then begins to count. So the CPU time is
    # that from the first request of the load to the last, by the times that warp wrote for each.
    first = min(seconds(row["start"]) for row in done)
    last = max(seconds(row["end"]) for row in done)
    wall, used, generator, busy = watch.between(first, last)
    count = max(len(good), 1)
    took = sorted(int(row["duration_ns"]) / 1e6 for row in done)
    return {
        "requests": len(good),
        "errors": len(wrong),
        "rate": len(good) / (last - first),
        "mib": len(good) * load.size / (1 << 20) / (last - first),
        "cpu": used * 1e6 / count,
        "warp": generator * 1e6 / count,
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
        "others": max(busy - used - generator, 0) * 100 / (wall * CORES),
        "note": note,
    }


def lay(server, load, where):
    """Makes the files that nginx serves, and the list of them."""
    out = ["<ListBucketResult>", f"<Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>"]
    for at in range(load.objects):
        key = f"{at % load.clients:04}/{at}.rnd"
        server.file(key).parent.mkdir(exist_ok=True)
        server.file(key).write_bytes(os.urandom(load.size))
        out.append(f"<Contents><Key>{key}</Key><Size>{load.size}</Size></Contents>")
    (where / "list.xml").write_text("\n".join([*out, "</ListBucketResult>"]))


def check(server, load, keys):
    """What is wrong with some of the files, if anything is."""
    connection = Connection(server, time.monotonic() + 60)
    found = {}
    for key in random.sample(keys, min(len(keys), 20)):
        if not server.file(key).exists():
            found["some keys have no file of their name"] = True
            continue
        data = server.file(key).read_bytes()
        if len(data) != load.size:
            found[f"{load.size} bytes are {len(data)} on disk"] = True
        if connection.ask("GET", urllib.parse.quote(f"/{BUCKET}/{key}", safe="/~")) != data:
            found["some are given not as they are on disk"] = True
    return "; ".join(sorted(found))


# What is said of it.

FIGURES = ("requests", "errors", "rate", "mib", "cpu", "warp", "p50", "p99", "others")
COLUMNS = ("round", "load", "server", *FIGURES, "note")


def times(row, base, what):
    """How often the figure of Lobos it is, in brackets."""
    return f" ({row[what] / base[what]:.2f})" if base and base is not row and base[what] else ""


def middles(rows):
    """By load and server: the median of each figure, with all CPU times and the first note."""
    found = {}
    for load in LOADS:
        for name in dict.fromkeys(row["server"] for row in rows):
            some = [row for row in rows if (row["load"], row["server"]) == (load, name)]
            if some:
                middle = {each: statistics.median(row[each] for row in some) for each in FIGURES}
                middle["errors"] = sum(row["errors"] for row in some)
                middle["cpus"] = [row["cpu"] for row in some]
                middle["note"] = next((row["note"] for row in some if row["note"]), "")
                found.setdefault(load, {})[name] = middle
    return found


def table(rows):
    """Markdown: all figures, each the median of the rounds; how often that of Lobos in brackets."""
    out = ["| load | server | requests/s | MiB/s | CPU us | least to most | warp's CPU us "]
    out[0] += "| p50 ms | p99 ms | errors | others % | |"
    out.append("|-|-|-:|-:|-:|-:|-:|-:|-:|-:|-:|-|")
    for load, servers in middles(rows).items():
        base = servers.get("lobos")
        for name, row in servers.items():
            each = [f"{row[what]:,.0f}{times(row, base, what)}" for what in ("rate", "cpu")]
            words = [LOADS[load].title, name, each[0], f"{row['mib']:,.0f}", each[1]]
            words += [f"{min(row['cpus']):,.0f} to {max(row['cpus']):,.0f}", f"{row['warp']:,.0f}"]
            words += [f"{row[what]:.1f}" for what in ("p50", "p99")]
            words += [str(row["errors"]), f"{row['others']:.0f}", row["note"]]
            out.append(f"| {' | '.join(words)} |")
    return "\n".join(out) + "\n"


def short(rows):
    """Markdown: CPU per request, a column for each server; how often that of Lobos in brackets."""
    names = list(dict.fromkeys(row["server"] for row in rows))
    out = [f"| CPU us a request | {' | '.join(names)} |", f"|-|{'-:|' * len(names)}"]
    for load, servers in middles(rows).items():
        words = [LOADS[load].title]
        for name in names:
            row = servers.get(name)
            ratio = row and times(row, servers.get("lobos"), "cpu")
            words.append(f"{row['cpu']:,.0f}{ratio}" if row else "-")
        out.append(f"| {' | '.join(words)} |")
    return "\n".join(out) + "\n"


def version(name):
    """What a program says of itself, or else what Go has noted in it."""
    text = words_of(name, {"rclone": "version", "nginx": "-v"}.get(name, "--version"))
    found = re.search(r"\d+\.\d+[-.\w]*", text)
    if not found and shutil.which("go"):
        text = words_of("go", "version", "-m", shutil.which(name))
        found = re.search(r"\tmod\t\S+\t(\S+)", text)
    return f"{name} {found[0].split()[-1] if found else '?'}"


def about(names):
    """Markdown: where and of what the figures are."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    made = words_of("git", "-C", TOP, "describe", "--always", "--dirty").strip()
    out = [f"{datetime.date.today()}, {CORES} cores of {model[1] if model else '?'}, Linux"]
    out[0] += f" {platform.release()}; lobos {made}"
    peers = [name for name in ("versitygw", "rclone", "nginx") if name in names]
    out += map(version, ["warp", *peers])
    return "; ".join(out) + ". Servers and warp share the cores.\n"


# In the middle between black and white, so that it is read on both.
GREY, OURS, THEIRS = "#777777", "#2f81c7", "#9a9a9a"


def draw(rows, svg):
    """A picture: for each load one bar of CPU per request for each server."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "lobos"})
    matplotlib.rcParams.update({"font.family": "sans-serif", "font.size": 9})
    matplotlib.rcParams.update({"text.color": GREY, "ytick.color": GREY, "axes.edgecolor": GREY})
    from matplotlib import pyplot

    names = list(dict.fromkeys(row["server"] for row in rows))
    height = 1.0 + 2 * (0.5 + 0.22 * len(names))
    figure, axes = pyplot.subplots(2, 2, figsize=(7.2, height), layout="constrained")
    figure.suptitle("CPU time of the server per request, in µs (shorter is better)", fontsize=10)
    found = middles(rows)
    for axis, (load, servers) in zip(axes.flat, found.items()):
        axis.set_title(LOADS[load].title, fontsize=9.5, loc="left", fontweight="bold")
        longest = max(row["cpu"] for row in servers.values())
        axis.set_xlim(0, longest * 1.35)
        axis.set_ylim(len(names) - 0.4, -0.6)
        axis.set_yticks(range(len(servers)), servers)
        for at, (name, row) in enumerate(servers.items()):
            color = OURS if name.startswith("lobos") else THEIRS
            axis.barh(at, row["cpu"], height=0.68, color=color)
            text = f"{row['cpu']:,.0f}{times(row, servers.get('lobos'), 'cpu')}"
            axis.text(row["cpu"] + longest * 0.02, at, text, va="center", fontsize=8.5)
        axis.tick_params(length=0, bottom=False, labelbottom=False)
        axis.spines[["top", "right", "bottom"]].set_visible(False)
        axis.spines["left"].set_bounds(-0.6, len(servers) - 0.4)
    for axis in axes.flat[len(found) :]:
        axis.set_visible(False)
    svg.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(svg, transparent=True, metadata={"Date": None, "Creator": None})


def kept(path):
    """The rows of an earlier run."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row.update({each: float(row[each]) for each in FIGURES}, errors=int(row["errors"]))
    return rows


def in_venv():
    """Goes on in a virtual environment with matplotlib, which is made on first need."""
    if pathlib.Path(sys.prefix) == VENV:
        return
    if not VENV.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin" / "pip", "install", "-q", "--no-deps", *PACKAGES], check=True)
    os.execv(VENV / "bin" / "python", [VENV / "bin" / "python", *sys.argv])


def run(given):
    """All rows: each round has every load on every server, beginning with another one."""
    servers = list(commands(given).items())
    rows = []
    with tempfile.TemporaryDirectory(prefix="lobos-headline-", dir=given.where) as where:
        # For the workers of nginx, which are no longer root.
        os.chmod(where, 0o755)
        for number in range(given.rounds):
            at = number % len(servers)
            for load in given.loads or LOADS:
                for name, command in servers[at:] + servers[:at]:
                    if name == "nginx" and LOADS[load].verb == "put":
                        continue
                    figures = measure(name, command, LOADS[load], given, pathlib.Path(where))
                    row = {"round": number + 1, "load": load, "server": name, **figures}
                    rows.append(row)
                    print(table([row]).splitlines()[-1], flush=True)
    # In the order of the servers, whichever came first.
    order = [name for name, _ in servers]
    return sorted(rows, key=lambda row: order.index(row["server"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    path = {"type": pathlib.Path}
    parser.add_argument("--where", default=pathlib.Path("/dev/shm"), help="a tmpfs", **path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--secs", type=int, default=5, help="seconds for a load")
    parser.add_argument("--load", dest="loads", action="append", choices=LOADS)
    parser.add_argument("--server", dest="servers", action="append")
    runtimes = ("mio", "tokio", "smol")
    parser.add_argument("--runtime", dest="runtimes", action="append", choices=runtimes)
    parser.add_argument("--lobos", help="a program that is built already")
    parser.add_argument("--original", help="the Lobos in C++, built from its public source")
    parser.add_argument("--csv", default=VENV.parent / "headline.csv", **path)
    parser.add_argument("--svg", default=VENV.parent / "headline.svg", **path)
    parser.add_argument("--draw", action="store_true", help="draw what the CSV has, run nothing")
    given = parser.parse_args()
    in_venv()
    if given.draw:
        draw(kept(given.csv), given.svg)
        return
    if not shutil.which("warp"):
        raise SystemExit("warp is not on the PATH: go install github.com/minio/warp@latest")
    if not given.lobos:
        subprocess.run(["cargo", "build", "--locked", "--release", "--quiet"], cwd=TOP, check=True)
        target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
        given.lobos = str(target / "release" / "lobos")
    rows = run(given)
    given.csv.parent.mkdir(parents=True, exist_ok=True)
    with given.csv.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    text = "\n".join([about(commands(given)), short(rows), table(rows)])
    given.csv.with_suffix(".md").write_text(text)
    draw(rows, given.svg)
    print(f"{given.csv}, {given.csv.with_suffix('.md')} and {given.svg}")
    wrong = [row for row in rows if row["server"].startswith("lobos") and row["note"]]
    if wrong:
        raise SystemExit(f"{len(wrong)} times something was wrong: {wrong[0]['note']}")


if __name__ == "__main__":
    main()
