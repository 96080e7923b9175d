"""A server in a process of its own."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import urlsplit

from lobos_s3._binary import binary as installed

READY = "listening on "


class LobosError(RuntimeError):
    """The server did not start, or it ended by itself; the text has what it said."""


class Bucket(str):
    """The name of a bucket, which boto3 takes as it is, and its folder."""

    path: Path
    """The folder in which its objects are files."""

    def __new__(cls, name: str, path: Path) -> Bucket:
        """A name with its folder."""
        bucket = super().__new__(cls, name)
        bucket.path = path
        return bucket


class Server:
    """A running Lobos; every folder in its root is a bucket.

    ``with Server() as server:`` starts it on a free port of 127.0.0.1 with a temporary root, waits
    until it accepts connections, and stops it at the end.

    Args:
        buckets: names of buckets that are there from the start.
        root: the folder of the buckets, which stays; without it a temporary one.
        port: the port; 0 takes a free one.
        access_key: take only requests that are signed with this key; without it all come in.
        secret_key: its secret.
        region: the region that clients name.
        flags: more flags of the command, such as ``["--etag", "fast"]``.
        env: variables for the process. Of those of this process it gets all but ``LOBOS_*``, so
            that a test is not changed by where it runs.
        binary: the command; without it that of this package.
        timeout: how many seconds it may take to start.
    """

    def __init__(
        self,
        *,
        buckets: Iterable[str] = (),
        root: str | os.PathLike[str] | None = None,
        port: int = 0,
        access_key: str | None = None,
        secret_key: str | None = None,
        region: str = "us-east-1",
        flags: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        binary: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
    ) -> None:
        if (access_key is None) != (secret_key is None):
            raise ValueError("access_key and secret_key go together")
        self.access_key = access_key
        self.secret_key = secret_key
        self.region = region
        self._buckets = list(buckets)
        self._given_root = None if root is None else Path(root).absolute()
        self._port = port
        self._flags = list(flags)
        self._env = dict(env or {})
        self._binary = binary
        self._timeout = timeout
        self._root: Path | None = None
        self._endpoint: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._stderr: IO[str] | None = None
        self._said = ""

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        code = None if self._process is None else self._process.poll()
        self.stop()
        if code is not None and error is None:
            raise LobosError(f"lobos ended by itself with {code}: {self._said.strip()}")

    def __repr__(self) -> str:
        return f"<lobos_s3.Server {self._endpoint or 'not running'}>"

    @property
    def endpoint(self) -> str:
        """The URL, such as ``http://127.0.0.1:41233``."""
        if self._endpoint is None:
            raise LobosError("lobos does not run")
        return self._endpoint

    @property
    def port(self) -> int:
        """The port."""
        return urlsplit(self.endpoint).port or 0

    @property
    def root(self) -> Path:
        """The folder of the buckets."""
        if self._root is None:
            raise LobosError("lobos does not run")
        return self._root

    @property
    def log(self) -> str:
        """What the server wrote to stderr until now."""
        if self._stderr is None:
            return self._said
        return Path(self._stderr.name).read_text(encoding="utf-8", errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which AWS's libraries and tools find this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key or "test",
            "AWS_SECRET_ACCESS_KEY": self.secret_key or "test",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
        }

    def start(self) -> Server:
        """Starts it and waits until it accepts connections.

        Raises:
            LobosError: it did not; the text has what it said.
        """
        if self._process is not None:
            raise LobosError("lobos runs already")
        self._root = self._given_root or Path(tempfile.mkdtemp(prefix="lobos-"))
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            for name in self._buckets:
                self.bucket(name)
            self._stderr = tempfile.NamedTemporaryFile("w", prefix="lobos-")  # noqa: SIM115
            self._process = self._spawn()
            self._endpoint = self._announced(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def _spawn(self) -> subprocess.Popen[str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("LOBOS_")}
        if self.access_key is not None and self.secret_key is not None:
            # Not as flags, which everyone on the machine sees.
            env |= {"LOBOS_ACCESS_KEY": self.access_key, "LOBOS_SECRET_KEY": self.secret_key}
        command = [os.fspath(self._binary or installed()), "--port", str(self._port)]
        command += ["--root", str(self.root), "--region", self.region, *self._flags]
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=env | self._env,
        )

    def _announced(self, process: subprocess.Popen[str]) -> str:
        """The URL of the line that says that it is ready. A thread reads on, so that a full pipe
        never holds the server up.
        """
        lines: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            assert process.stdout is not None
            with process.stdout as out:
                for line in out:
                    lines.put(line)
            lines.put(None)

        threading.Thread(target=read, name="lobos-stdout", daemon=True).start()
        end = time.monotonic() + self._timeout
        while True:
            try:
                line = lines.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                why = f"lobos was not ready after {self._timeout:g} s"
                raise LobosError(f"{why}: {self.log.strip()}") from None
            if line is None:
                code = process.wait()
                raise LobosError(f"lobos did not start (exit code {code}): {self.log.strip()}")
            if line.startswith(READY):
                return line[len(READY) :].strip()

    def check(self) -> None:
        """Does nothing as long as the server runs.

        Raises:
            LobosError: it ended; the text has what it said.
        """
        code = None if self._process is None else self._process.poll()
        if self._process is None:
            raise LobosError("lobos does not run")
        if code is not None:
            raise LobosError(f"lobos ended by itself with {code}: {self.log.strip()}")

    def stop(self) -> None:
        """Stops it; a temporary root goes with all that is in it. Twice is no error."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._stderr is not None:
            self._said = self.log
            self._stderr.close()
        if self._given_root is None and self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
        self._process = self._stderr = self._root = self._endpoint = None

    def bucket(self, name: str) -> Bucket:
        """A bucket of this name, made if there is none."""
        if not name or "/" in name or name.startswith("."):
            raise ValueError(f"{name!r} is no name of a bucket")
        path = self.root / name
        path.mkdir(exist_ok=True)
        return Bucket(name, path)

    def clear(self) -> None:
        """Removes all buckets and what is in them."""
        for entry in self.root.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def client(self, **settings: Any) -> Any:
        """A client of boto3 for this server.

        Args:
            settings: what ``boto3.client`` takes; these outrank the server's, and a ``config`` is
                merged with it.
        """
        return self._boto3().client("s3", **self._settings(settings))

    def resource(self, **settings: Any) -> Any:
        """A resource of boto3 for this server; see `client`."""
        return self._boto3().resource("s3", **self._settings(settings))

    def _boto3(self) -> Any:
        try:
            import boto3.session
        except ImportError as error:
            raise ImportError("client() and resource() need boto3: pip install boto3") from error
        return boto3.session.Session()

    def _settings(self, given: dict[str, Any]) -> dict[str, Any]:
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2})
        if given.get("config") is not None:
            config = config.merge(given["config"])
        return {
            "endpoint_url": self.endpoint,
            "region_name": self.region,
            "aws_access_key_id": self.access_key or "test",
            "aws_secret_access_key": self.secret_key or "test",
            **given,
            "config": config,
        }
