"""What the Dockerfile makes works: hadolint finds nothing, and Lobos serves in such a container.

container.py LOBOS DOCKERFILE HADOLINT: without Docker, a chroot is made as the image would be, and
the program started in it with just the variables and the command of the Dockerfile, in a network of
its own, as root and as somebody else. A static LOBOS is alone in there, another one gets the
libraries that it needs. It needs root.
"""

import ctypes
import fcntl
import json
import os
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

CLONE_NEWNET = 0x40000000
MOST_BYTES = 10 << 20
PORT = 8080


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Each instruction and what stands behind it, without comments and continued lines."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line]


class Image:
    """What this Dockerfile says; an instruction that is not read here is an error."""

    def __init__(self, dockerfile: Path) -> None:
        self.env: dict[str, str] = {}
        self.copied: list[tuple[str, str]] = []
        self.volumes: list[str] = []
        self.ports: list[str] = []
        self.command: list[str] = []
        self.health: list[str] = []
        for name, value in instructions(dockerfile):
            if name == "FROM":
                assert value == "scratch", value
            elif name == "COPY":
                source, target = value.split()
                self.copied.append((source, target))
            elif name == "ENV":
                self.env.update(pair.split("=", 1) for pair in shlex.split(value))
            elif name == "VOLUME":
                self.volumes.append(value)
            elif name == "EXPOSE":
                self.ports.append(value)
            elif name in ("ENTRYPOINT", "CMD"):
                self.command += json.loads(value)
            elif name == "HEALTHCHECK":
                self.health = json.loads(value.split(" CMD ", 1)[1])
            else:
                raise AssertionError(f"{name} is not known here")


def lay(image: Image, lobos: Path, top: Path, owner: int) -> None:
    """Makes the root of the container."""
    for _, target in image.copied:
        shutil.copy(lobos, top / target.lstrip("/"))
    for volume in image.volumes:
        inside = top / volume.lstrip("/")
        inside.mkdir()
        os.chown(inside, owner, owner)
    top.chmod(0o755)
    needs = subprocess.run(["ldd", str(lobos)], capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", needs):
        target = top / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    kind = "with its libraries" if "=>" in needs else "alone"
    print(f"container.py: lobos {kind}, {lobos.stat().st_size:,} bytes, as {owner}")
    if "=>" not in needs:
        assert lobos.stat().st_size < MOST_BYTES
        assert sorted(path.name for path in top.iterdir()) == ["data", "lobos"]


def inside(image: Image, top: Path, user: int, command: list[str], **more) -> subprocess.Popen:
    """Starts a command as `docker run --user` does."""

    def enter() -> None:
        os.chroot(top)
        os.chdir("/")
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)

    return subprocess.Popen(
        command,
        env=image.env,
        preexec_fn=enter,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


def ask(method: str, path: str, body: bytes | None = None, host: str = "lobos") -> bytes:
    """Asks by the name that the container has for others."""
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data=body, method=method)
    request.add_header("Host", f"{host}:{PORT}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def serve(image: Image, lobos: Path, user: int) -> None:
    """One container from start to end."""
    with tempfile.TemporaryDirectory() as home:
        top = Path(home)
        lay(image, lobos, top, user)
        server = inside(image, top, user, image.command)
        try:
            wait(server)
            ask("PUT", "/bucket")
            ask("PUT", "/bucket/a/key", b"value")
            ask("PUT", "/bucket/a/key", b"value again")
            assert ask("GET", "/bucket/a/key", host="localhost") == b"value again"
            file = top / "data/bucket/a/key"
            assert (file.read_bytes(), file.stat().st_uid) == (b"value again", user)
            check_health(image, top, user, server)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


def wait(server: subprocess.Popen) -> None:
    """Until it accepts connections."""
    end = time.monotonic() + 20
    while time.monotonic() < end and server.poll() is None:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", PORT)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"not ready: {server.poll()}: {server.stdout.read()}")


def check_health(image: Image, top: Path, user: int, server: subprocess.Popen) -> None:
    """It is healthy while it runs, not afterwards, and it ends by the signal that Docker sends."""
    known = b"lobos-healthcheck" in (top / "lobos").read_bytes()

    def healthy() -> bool:
        probe = inside(image, top, user, image.health)
        said, _ = probe.communicate(timeout=10)
        assert probe.returncode in (0, 1), said
        return probe.returncode == 0

    if known:
        assert healthy()
    else:
        print("container.py: this lobos has no healthcheck, so that was not checked")
    server.terminate()
    assert server.wait(timeout=20) == 0
    if known:
        assert not healthy()


def own_network() -> None:
    """A network with nothing but 127.0.0.1, so that no port is taken, or open to others."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    with socket.socket() as control:
        name = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(control, 0x8913, name))
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))


def main() -> None:
    """Checks the Dockerfile, then the container as root and as another user."""
    lobos, dockerfile, hadolint = (Path(word).resolve() for word in sys.argv[1:])
    subprocess.run([hadolint, dockerfile], check=True)
    image = Image(dockerfile)
    source, target = image.copied[0]
    kept = (dockerfile.parent / ".dockerignore").read_text().splitlines()
    assert kept[-2:] == ["*", f"!{source}"], kept
    assert (target, image.volumes, image.ports) == ("/lobos", ["/data"], [str(PORT)])
    own_network()
    for user in (0, 1234):
        serve(image, lobos, user)


main()
