"""Where the command is."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path


def binary() -> Path:
    """The path of the command ``lobos``.

    It is the one that the variable ``LOBOS_BINARY`` names, else the one that was installed with
    this package, else the first in ``PATH``.

    Raises:
        FileNotFoundError: there is none of them.
    """
    named = os.environ.get("LOBOS_BINARY")
    places = [Path(named)] if named else list(_places())
    for place in places:
        if place.is_file() and os.access(place, os.X_OK):
            return place
    raise FileNotFoundError(f"no command lobos at {', '.join(map(str, places))}")


def _places() -> Iterator[Path]:
    """Where installers put it: into the environment, for a user alone, below ``--target``."""
    yield Path(sysconfig.get_path("scripts"), "lobos")
    yield Path(sysconfig.get_path("scripts", scheme="posix_user"), "lobos")
    yield Path(__file__).parents[1] / "bin" / "lobos"
    found = shutil.which("lobos")
    if found:
        yield Path(found)
