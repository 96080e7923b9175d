"""The fixtures: a server for the session, and the same one, empty, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lobos_s3._server import Server


@pytest.fixture(scope="session")
def lobos_options() -> dict[str, Any]:
    """The arguments of `lobos_s3.Server`; replace it in a ``conftest.py`` to set flags or keys."""
    return {}


@pytest.fixture(scope="session")
def lobos_server(
    lobos_options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server for the whole session, which keeps what tests leave in it."""
    options = dict(lobos_options)
    options.setdefault("root", tmp_path_factory.mktemp("lobos"))
    with Server(**options) as server:
        yield server


@pytest.fixture
def lobos(lobos_server: Server) -> Iterator[Server]:
    """A server without a bucket; what a test puts is gone after it."""
    lobos_server.check()
    yield lobos_server
    lobos_server.clear()


@pytest.fixture
def lobos_env(lobos: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The same, and AWS's libraries find it without being told."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in lobos.environment.items():
        monkeypatch.setenv(name, value)
    return lobos
