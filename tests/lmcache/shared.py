"""What both round trips share: the shapes of chunks, their bytes, the server's CPU time, the report."""

import json
import os
import statistics
import time

# Layers, K and V, tokens, KV heads, size of a head: 2 bytes (bfloat16) each, so that 256 tokens are
# 12 * 2 * 256 * 1 * 64 * 2 = 768 KiB and 24 * 2 * 256 * 8 * 128 * 2 = 24 MiB.
SHAPES = {"768 KiB": (12, 2, 256, 1, 64), "24 MiB": (24, 2, 256, 8, 128)}
# 25 chunks of 24 MiB are 75 ranged GETs of 8 MiB, of which the CRT keeps 25 in flight.
COUNTS = {"768 KiB": 64, "24 MiB": 25}
TOKENS = 256
# HEADs of each kind, for percentiles.
LOOKUPS = 500
PATIENCE = 120
TICKS = os.sysconf("SC_CLK_TCK")


def server_cpu():
    """Seconds of CPU time that the server has used."""
    with open(f"/proc/{os.environ['LOBOS_PID']}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Clock:
    """Wall time, and the server's CPU time, of what happens inside."""

    def __enter__(self):
        self.cpu, self.start = server_cpu(), time.perf_counter()
        return self

    def __exit__(self, *_):
        self.wall = time.perf_counter() - self.start
        self.cpu = server_cpu() - self.cpu


def wait_until(done, what):
    """Waits for LMCache's own threads."""
    end = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > end:
            raise AssertionError(f"{what} took longer than {PATIENCE} s")
        time.sleep(0.001)


def say(who, size, what, clock, count, moved=0, times=()):
    """One line for `run`: operations a second, MiB a second, percentiles, CPU time an operation."""
    line = {"who": who, "size": size, "what": what, "count": count, "wall": clock.wall}
    line["cpu_us"] = clock.cpu / count * 1e6
    if moved:
        line["mib_s"] = moved / clock.wall / (1 << 20)
    if times:
        cuts = statistics.quantiles(times, n=100)
        line |= {"p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}
    print("measured " + json.dumps(line), flush=True)


def leave():
    """Ends at once: S3Connector.close() never returns in this version."""
    print("passed", flush=True)
    os._exit(0)
