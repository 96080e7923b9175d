"""The systemd unit is right, tight, and leaves Lobos every system call that it makes.

unit.py LOBOS UNIT: `systemd-analyze` reads the unit; then Lobos runs under its filter of system
calls, with the death of the process instead of an error for any other call, on each runtime, and
meets a client that makes it do what it can do. Runs with Debian's Python, for python3-seccomp.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import seccomp

# Of 100; what an unprotected service gets is 96.
MOST_EXPOSED = 20
CLONE_NAMESPACES = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)


def said(*command: str) -> str:
    """What a command prints."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def settings(unit: Path) -> list[tuple[str, str]]:
    """Every `Name=value` of the unit, in order."""
    lines = [line for line in unit.read_text().splitlines() if not line.startswith("#")]
    return [tuple(line.split("=", 1)) for line in lines if "=" in line]


def check_unit(lobos: Path, unit: Path, home: Path) -> None:
    """Systemd understands every line, and finds the service hardened."""
    copy = home / "lobos.service"
    copy.write_text(unit.read_text().replace("/usr/bin/lobos", str(lobos)))
    complaints = said("systemd-analyze", "verify", "--man=no", str(copy))
    assert "lobos.service" not in complaints, complaints
    most = f"--threshold={MOST_EXPOSED}"
    said("systemd-analyze", "security", "--offline=true", "--no-pager", most, str(copy))
    names = [name for name, _ in settings(unit)]
    assert "DynamicUser" not in names, "it forbids openat2"
    assert "RestrictSUIDSGID" not in names, "it forbids openat2"


def expanded(words: list[str]) -> set[str]:
    """The system calls behind names and groups."""
    calls: set[str] = set()
    for word in words:
        if not word.startswith("@"):
            calls.add(word)
            continue
        lines = said("systemd-analyze", "--no-pager", "syscall-filter", word).splitlines()
        inner = [line.strip() for line in lines[1:]]
        calls |= expanded([line for line in inner if re.fullmatch(r"@?[a-z0-9_-]+", line)])
    return calls


def allowed(unit: Path) -> set[str]:
    """What the lines SystemCallFilter= leave, read as systemd.exec(5) says."""
    calls = expanded(["@default"])
    for name, value in settings(unit):
        if name != "SystemCallFilter":
            continue
        if value.startswith("~"):
            calls -= expanded(value[1:].split()) - expanded(["@default"])
        else:
            calls |= expanded(value.split())
    return calls


def confine(calls: set[str]) -> None:
    """Puts this process under the filter."""
    rules = seccomp.SyscallFilter(defaction=seccomp.KILL_PROCESS)
    for call in sorted(calls - {"unshare", "clone3", "socket"}):
        # A call of another architecture, or one that is newer than the library.
        with contextlib.suppress(RuntimeError, OSError, ValueError):
            rules.add_rule(seccomp.ALLOW, call)
    # RestrictNamespaces= lets unshare through for what is no namespace, and says that there is no
    # clone3, as it cannot look into it.
    rules.add_rule(seccomp.ERRNO(38), "clone3")
    rules.add_rule(
        seccomp.ALLOW, "unshare", seccomp.Arg(0, seccomp.MASKED_EQ, sum(CLONE_NAMESPACES), 0)
    )
    for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6):
        rules.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, int(family)))
    rules.load()


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> bytes:
    """The body of an answer that must be a success."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers=named)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def use(url: str) -> None:
    """What clients do: every kind of change and of answer."""
    big = os.urandom(3 << 20)
    ask(f"{url}/made", "PUT")
    ask(f"{url}/made/a/b", "PUT", b"small", x_amz_meta_n="1", x_amz_tagging="t=1")
    ask(f"{url}/made/a/b", "PUT", b"over it")
    ask(f"{url}/made/big", "PUT", big)
    ask(f"{url}/made/a//aside", "PUT", b"no path")
    assert ask(f"{url}/made/big") == big
    assert ask(f"{url}/made/big", Range="bytes=5-9") == big[5:10]
    ask(f"{url}/made/copy", "PUT", b"", x_amz_copy_source="/made/big")
    assert ask(f"{url}/made/copy") == big
    upload = re.search(b"<UploadId>(.+?)<", ask(f"{url}/made/parts?uploads", "POST", b""))
    assert upload
    part = f"{url}/made/parts?uploadId={upload[1].decode()}"
    ask(f"{part}&partNumber=1", "PUT", big * 2)
    ask(f"{part}&partNumber=2", "PUT", b"x")
    tags = re.findall(b"<ETag>(.+?)</ETag>", ask(part))
    numbered = [
        b"<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>" % (number, tag)
        for number, tag in enumerate(tags, 1)
    ]
    whole = b"<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % b"".join(numbered)
    ask(part, "POST", whole)
    assert ask(f"{url}/made/parts") == big * 2 + b"x"
    for _ in range(3):  # a folder that just changed is watched
        assert b"<KeyCount>5<" in ask(f"{url}/made?list-type=2")
        ask(f"{url}/made/a/b", "PUT", b"again")
    ask(f"{url}/made/renamed?renameObject", "PUT", b"", x_amz_rename_source="/made/copy")
    for key in ("a/b", "a//aside", "big", "renamed", "parts"):
        ask(f"{url}/made/{key}", "DELETE")
    ask(f"{url}/made", "DELETE")


def serve(lobos: Path, calls: set[str], root: Path, *flags: str) -> None:
    """Runs it under the filter, uses it, and ends it as systemd does."""
    root.mkdir()
    command = [str(lobos), "--port", "0", "--root", str(root), *flags]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={}, preexec_fn=lambda: confine(calls)
    )
    try:
        for line in server.stdout:
            if line.startswith("listening on "):
                break
        else:
            raise AssertionError(f"{command} ended with {server.wait()}")
        use(line.split()[-1])
        server.terminate()
        assert server.wait(timeout=20) == 0, f"{command} ended with {server.returncode}"
    except (OSError, urllib.error.URLError) as error:
        raise AssertionError(f"{command}: {error}, ended with {server.poll()}") from error
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def check_notify(lobos: Path, unit: Path, home: Path) -> None:
    """A service of Type=notify says that it is ready, or systemd waits for it in vain."""
    if b"NOTIFY_SOCKET" not in lobos.read_bytes():
        print("unit.py: this lobos does not notify systemd, so that was not checked")
        return
    assert ("Type", "notify") in settings(unit)
    (home / "notify").mkdir()
    address = str(home / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(20)
        command = [str(lobos), "--port", "0", "--root", str(home / "notify")]
        env = {"NOTIFY_SOCKET": address}
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
        try:
            assert b"READY=1" in listener.recv(4096)
        finally:
            server.kill()
            server.wait()


def main() -> None:
    """Checks the unit, then Lobos under it; and that the filter is one."""
    lobos, unit = (Path(word).resolve() for word in sys.argv[1:])
    with tempfile.TemporaryDirectory() as home:
        check_unit(lobos, unit, Path(home))
        check_notify(lobos, unit, Path(home))
        calls = allowed(unit)
        assert {"openat2", "statx", "inotify_add_watch", "linkat"} <= calls
        assert not {"mount", "ptrace", "chown", "setuid", "bpf", "reboot"} & calls
        for runtime in ("mio", "tokio", "smol"):
            more = ["--durability", "disk", "-e", "--pin-threads-to-cpus"]
            serve(lobos, calls, Path(home, runtime), "--runtime", runtime)
            serve(lobos, calls, Path(home, f"{runtime}-disk"), "--runtime", runtime, *more)
        try:
            serve(lobos, calls - {"linkat"}, Path(home, "less"))
        except AssertionError:
            return
        raise AssertionError("a filter without a call that is needed changed nothing")


main()
