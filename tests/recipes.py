#!/usr/bin/env python3
"""Runs the pages under docs/ as a reader would: tests/recipes.py [--fast | --slow] [PAGE ...]

A block ```sh server is how its page starts Lobos; the blocks in sh, python, js, go and rust then
run in order in a scratch folder, and a block ```text that follows is what they print (`...` in it
is any text). ```yaml is read: the environment of a service starts Lobos, and the commands of the
steps run against it. Blocks marked `install` and `shown` are not run. Port 8080 becomes a free one.
LOBOS names the binary (target/debug/lobos), LOBOS_RUNTIME the runtime.
"""

import argparse
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
DOCS = TOP / "docs"
INSTALLED = (TOP / "target" / "clients").resolve()
SLOW = TOP / "tests" / "clients" / "slow"
LOBOS = pathlib.Path(os.environ.get("LOBOS", TOP / "target/debug/lobos")).resolve()
# What needs Node, Go or Rust beside the clients of setup.sh.
SLOW_PAGES = ("javascript", "go", "rust")
LIMIT = 900  # a first build in Rust or Go
BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What the image sets (see Dockerfile) that a service need not.
IMAGE = {"LOBOS_PORT": "8080", "LOBOS_NO_AUTH": "1"}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def said_by_help():
    """The long flags that this binary has."""
    said = subprocess.run([LOBOS, "--help"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--([a-z][a-z0-9-]+)", said))


class Wrong(Exception):
    """What a page says and what is so differ."""


class Page:
    """One page and the scratch folder in which it is followed."""

    def __init__(self, name, home, flags):
        self.name, self.flags = name, flags
        self.text = (DOCS / f"{name}.md").read_text()
        self.home, self.scratch = home, home / "scratch"
        self.groups, self.port, self.own = [], free_port(), None
        self.set, self.said = {}, None
        for part in ("scratch", "bin", "root"):
            (home / part).mkdir()
        (home / "bin/lobos").symlink_to(LOBOS)
        for tool in ("warp", "elbencho"):
            if (INSTALLED / "bin" / tool).exists():
                (home / "bin" / tool).symlink_to(INSTALLED / "bin" / tool)

    def environment(self):
        person = pathlib.Path(pwd.getpwuid(os.getuid()).pw_dir)
        dirs = [self.home / "bin", "/usr/bin", "/bin", "/usr/sbin", "/usr/local/go/bin"]
        dirs += [person / ".cargo/bin"]
        dirs += [pathlib.Path(f).parent for f in map(shutil.which, ("cargo", "go", "node")) if f]
        env = {"PATH": ":".join(map(str, dirs)), "HOME": str(self.home), "LANG": "C.UTF-8"}
        env |= {"AWS_EC2_METADATA_DISABLED": "true", "GOFLAGS": "-mod=mod"}
        for name, place in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"),
                            ("GOPATH", "go"), ("GOCACHE", ".cache/go-build")):
            env[name] = os.environ.get(name, str(person / place))
        for name in ("GOPROXY", "GOSUMDB", "GONOSUMDB", "SSL_CERT_FILE"):
            if name in os.environ:
                env[name] = os.environ[name]
        return env | self.set

    def ported(self, text):
        """The same text with the page's port and root made ours."""
        text = re.sub(rf"\b{self.own or 8080}\b", str(self.port), text)
        return text.replace("/srv/s3", str(self.home / "root"))

    def spawn(self, words, env, out, err=subprocess.STDOUT):
        child = subprocess.Popen(words, cwd=self.scratch, env=env, stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=err, start_new_session=True)
        self.groups.append(child)
        return child

    def serve(self, text, env):
        """Starts Lobos as a shell command line says it, and waits until it listens."""
        found = re.search(r"(?:--port|-p|LOBOS_PORT=)[ =]?(\d+)", text)
        self.own = int((found and found[1]) or env.get("LOBOS_PORT") or 8080)
        text = self.ported(text.strip())
        if str(self.port) not in text:
            env = env | {"LOBOS_PORT": str(self.port)}
        if "LOBOS_RUNTIME" in os.environ:
            env = env | {"LOBOS_RUNTIME": os.environ["LOBOS_RUNTIME"]}
        log = self.home / "server.log"
        with log.open("ab") as out:
            child = self.spawn(["bash", "-ec", text], self.environment() | env, out)
        for _ in range(200):
            if child.poll() is not None:
                break
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise Wrong(f"{text}\ndid not start:\n{log.read_text()}")

    def run(self, language, words, text):
        """One block; its output is kept for the `text` that may follow."""
        command = getattr(self, f"as_{language}")(self.ported(text), words)
        path, complaints = self.home / "said", self.home / "complaints"
        with path.open("wb") as out, complaints.open("wb") as err:
            child = self.spawn(command, self.environment(), out, err)
            try:
                code = child.wait(LIMIT)
            except subprocess.TimeoutExpired:
                code = "no end in time"
        said = path.read_text(errors="replace")
        self.said = re.sub(rf"\b{self.port}\b", str(self.own), said)
        if code != 0:
            complaint = complaints.read_text(errors="replace")
            raise Wrong(f"{text}ended with {code}:\n{self.said}{complaint}")

    def as_sh(self, text, _words):
        env = self.home / "env"
        before = f". {env}\n" if env.exists() else ""
        return ["bash", "-c", f"set -euo pipefail\n{before}{text}\nexport -p >{env}"]

    def as_python(self, text, _words):
        venv = "venv-async" if re.search("pyarrow|s3fs", text) else "venv"
        return self.beside("recipe.py", text, f"{INSTALLED}/{venv}/bin/python -B recipe.py")

    def as_js(self, text, _words):
        modules = self.scratch / "node_modules"
        if not modules.exists():
            modules.symlink_to(INSTALLED / "js/node_modules")
        return self.beside("recipe.mjs", text, "node recipe.mjs")

    def as_go(self, text, _words):
        for file in ("go.mod", "go.sum"):
            shutil.copy(SLOW / "go" / file, self.scratch)
        return self.beside("main.go", text, "go run main.go")

    def as_rust(self, text, _words):
        (self.scratch / "src").mkdir(exist_ok=True)
        shutil.copy(SLOW / "rust/Cargo.lock", self.scratch)
        target = INSTALLED / "recipes" / "rust"
        return self.beside("src/main.rs", text, f"cargo run --quiet --target-dir {target}")

    def as_toml(self, text, _words):
        head = '[package]\nname = "recipe"\nversion = "0.1.0"\nedition = "2024"\n\n'
        return self.beside("Cargo.toml", head + text, "true")

    def beside(self, name, text, command):
        """A program as a file, run with what the shell blocks before it exported."""
        (self.scratch / name).write_text(text)
        return self.as_sh(command, "")

    def compare(self, wanted):
        """The last block printed this; `...` is any text."""
        parts = [re.escape(part) for part in wanted.strip().split("...")]
        if not re.fullmatch(".*?".join(parts), (self.said or "").strip(), re.DOTALL):
            raise Wrong(f"the page says:\n{wanted}\nbut it printed:\n{self.said}")

    def known(self, text):
        """Each LOBOS_* variable and each flag of lobos that a text names is one of the binary."""
        names = {n.lower().replace("_", "-") for n in re.findall(r"\bLOBOS_([A-Z_]+)\b", text)}
        for line in re.findall(r"\blobos (--?[^\n|#&]*)", text):
            names |= set(re.findall(r"--([a-z][a-z0-9-]+)", line))
        unknown = names - self.flags - {"version"}
        if unknown:
            raise Wrong(f"lobos --help does not have {sorted(unknown)}")

    def yaml(self, words, text):
        """The services start Lobos, and what the steps say is run."""
        reader = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
        python = INSTALLED / "venv/bin/python"
        done = subprocess.run([python, "-c", reader], input=text, capture_output=True, text=True)
        if done.returncode != 0:
            raise Wrong(f"{text}{done.stderr}")
        read = json.loads(done.stdout)
        if "jobs" in read:
            for job in read["jobs"].values():
                self.job(job)
        elif "services" in read:
            self.compose(read["services"], words)
        else:
            raise Wrong(f"neither a workflow nor a compose file:\n{text}")

    def job(self, job):
        """A workflow's job: its services, then each step that runs a command."""
        self.set = {k: self.ported(str(v)) for k, v in job.get("env", {}).items()}
        if "services" not in job:
            self.set["LOBOS_PORT"] = str(self.port)
        for service in job.get("services", {}).values():
            self.service(service.get("env", {}), "")
        for step in job["steps"]:
            if "run" in step and not step.get("name", "").startswith("Install"):
                self.said = None
                self.own = self.own or 8080
                self.run("sh", "", step["run"])
        self.stop()
        self.set = {}

    def compose(self, services, _words):
        """A compose file: the service named lobos, then the commands of the others."""
        one = services.pop("lobos")
        names = ["lobos", *services]
        self.service(one.get("environment", {}), one.get("command", ""))
        for other in services.values():
            env = {k: str(v) for k, v in other.get("environment", {}).items()}
            self.set = {k: self.ported(self.here(v, names)) for k, v in env.items()}
            self.run("sh", "", self.here(other["command"], names))
        self.set = {}

    @staticmethod
    def here(text, names):
        """Names of services are this machine."""
        for name in names:
            text = text.replace(f"http://{name}:", "http://127.0.0.1:")
        return text

    def service(self, env, command):
        env = IMAGE | {k: str(v) for k, v in env.items()}
        self.known(" ".join(env))
        if "LOBOS_ROOT" in env or "LOBOS_TEMP" not in env or "temp" not in self.flags:
            env["LOBOS_ROOT"] = str(self.home / "root")
            env.pop("LOBOS_TEMP", None)
        for bucket in env.get("LOBOS_BUCKET", "").split(","):
            (self.home / "root" / bucket).mkdir(exist_ok=True)
        if "bucket" not in self.flags:
            env.pop("LOBOS_BUCKET", None)
        self.own = int(env.pop("LOBOS_PORT"))
        self.serve(f"lobos {command}", env)

    def follow(self):
        """Everything that the page says, in its order."""
        self.known(self.text)
        count = 0
        for language, words, text in BLOCK.findall(self.text):
            count += 1
            words = words.split()
            if {"install", "shown"} & set(words):
                continue
            if language == "text":
                self.compare(text)
            elif language == "yaml":
                self.yaml(words, text)
            elif "server" in words:
                self.stop()
                self.serve(text, {})
            else:
                self.run(language, words, text)
        return count

    def stop(self):
        """Ends what the page started: each in a session of its own; and its mounts."""
        for line in pathlib.Path("/proc/mounts").read_text().splitlines():
            if line.split()[1].startswith(f"{self.home}/"):
                subprocess.run(["fusermount", "-u", "-z", line.split()[1]], check=False)
        for child in self.groups:
            try:
                os.killpg(child.pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        for child in self.groups:
            child.wait()
        self.groups, self.own = [], None


def links(text):
    """The files that a page points to are there."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (DOCS / target).exists():
            raise Wrong(f"there is no {target}")


def follow(name, flags):
    """One page from its top to its end; gives what was wrong."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lobos-recipes-") as place:
        page = Page(name, pathlib.Path(place), flags)
        wrong = ""
        try:
            links(page.text)
            count = page.follow()
        except Wrong as e:
            wrong = str(e)
        finally:
            page.stop()
            log = page.home / "server.log"
            if wrong and log.exists():
                wrong += f"\nthe server said:\n{log.read_text()[-2000:]}"
    how = "FAILED" if wrong else f"{count} blocks"
    print(f"{name:16} {how:10} {time.monotonic() - start:5.1f} s", flush=True)
    if wrong:
        print(wrong, flush=True)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE")
    parser.add_argument("--fast", action="store_true", help="those that setup.sh suffices for")
    parser.add_argument("--slow", action="store_true", help="those that need Node, Go and Cargo")
    given = parser.parse_args()
    pages = [p.removesuffix(".md") for p in given.pages] or sorted(p.stem for p in DOCS.glob("*.md"))
    if given.fast:
        pages = [page for page in pages if page not in SLOW_PAGES]
    if given.slow:
        pages = [page for page in pages if page in SLOW_PAGES]
    flags = said_by_help()
    failed = [page for page in pages if follow(page, flags)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
