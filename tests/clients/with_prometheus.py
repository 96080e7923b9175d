"""The metrics as Prometheus' own client reads them, strictly, and as OpenMetrics' names want them."""

import os
import subprocess
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families as parse

import checks
import folder


def scraped(place):
    """A server of its own, some requests, and the families that the parser finds."""
    command = [os.environ["LOBOS_BINARY"], "--port", "0", "--root", place.bucket.parent]
    command += ["--admin-listen", "0", "--enable-lobos-index"]
    server = subprocess.Popen(command, env=place.env, stdout=subprocess.PIPE, text=True)
    try:
        rows = {}
        for line in server.stdout:
            name, _, value = line.strip().partition(" ")
            rows[name] = value.strip()
            if name == "listening":
                break
        url = rows["listening"].removeprefix("on ")
        for path in ("/", f"/{checks.BUCKET}/before/plain.txt", f"/{checks.BUCKET}/missing"):
            try:
                urllib.request.urlopen(url + path).read()
            except urllib.error.HTTPError as error:
                error.read()
        with urllib.request.urlopen(rows["metrics"]) as answer:
            kind = answer.headers["Content-Type"]
            folder.same("type", kind, "text/plain; version=0.0.4; charset=utf-8")
            return {family.name: family for family in parse(answer.read().decode())}
    finally:
        server.kill()
        server.wait()


def read(place):
    """Every family is there with its type, help and samples."""
    families = scraped(place)
    kinds = {
        "lobos_requests": "counter",
        "lobos_errors": "counter",
        "lobos_request_duration_seconds": "histogram",
        "lobos_request_bytes": "counter",
        "lobos_response_bytes": "counter",
        "lobos_connections": "gauge",
        "lobos_uploads_open": "gauge",
        "lobos_heavy_jobs": "gauge",
        "lobos_index_names": "gauge",
        "lobos_build_info": "gauge",
        "process_cpu_seconds": "counter",
        "process_resident_memory_bytes": "gauge",
        "process_start_time_seconds": "gauge",
        "process_open_fds": "gauge",
        "process_max_fds": "gauge",
    }
    for name, kind in kinds.items():
        # lobos_connections_total shares its name without the end with the gauge.
        assert name in families, f"{name} in {sorted(families)}"
        found = families[name]
        assert found.documentation, name
        if name != "lobos_connections":
            folder.same(name, found.type, kind)
    requests = {
        (s.labels["operation"], s.labels["status"]): s.value
        for s in families["lobos_requests"].samples
    }
    wanted = {("ListBuckets", "200"): 1, ("GetObject", "200"): 1, ("GetObject", "404"): 1}
    folder.same("requests", requests, wanted)
    times = families["lobos_request_duration_seconds"].samples
    buckets = [s.value for s in times if s.name.endswith("_bucket") and s.labels["operation"] == "GetObject"]
    folder.same("buckets", buckets, sorted(buckets))
    folder.same("all", buckets[-1], 2)


if __name__ == "__main__":
    checks.steps(read)
