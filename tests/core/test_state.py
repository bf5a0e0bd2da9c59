"""Where the control state is said to be: by the settings, and by the data folder's note."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import QueuePool

from watchkeeper.core.database import Database
from watchkeeper.core.errors import Misconfigured, Stalled
from watchkeeper.core.state import NOTE, STATE, StateSettings, is_there, note, noted, refuse_another, url_of

LOCAL = "postgresql://watchkeeper@localhost/watchkeeper"


def opened(said: str, **environment: str) -> str:
    return url_of(Path("/data"), StateSettings(said), environment)


@pytest.mark.behaviour("state.setting")
def test_without_a_url_the_state_is_a_file_of_the_folder() -> None:
    assert opened("") == "sqlite:////data/state.db"


@pytest.mark.behaviour("state.setting")
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_url_is_taken_with_or_without_its_driver(scheme: str) -> None:
    said = LOCAL.replace("postgresql", scheme)
    assert opened(said) == "postgresql+psycopg://watchkeeper@localhost/watchkeeper"


@pytest.mark.behaviour("state.setting")
def test_a_url_with_a_password_comes_by_reference(tmp_path: Path) -> None:
    secret = "postgresql://watchkeeper:s%40t@localhost/watchkeeper"
    wanted = "postgresql+psycopg://watchkeeper:s%40t@localhost/watchkeeper"
    file = tmp_path / "url"
    file.write_text(secret + "\n")
    file.chmod(0o600)
    assert opened("env:STATE", STATE=secret) == wanted
    assert opened(f"file:{file}") == wanted


@pytest.mark.behaviour("state.no-plain-password")
@pytest.mark.parametrize(
    "said",
    [
        "postgresql://watchkeeper:hunter2@localhost/watchkeeper",
        "postgresql://watchkeeper@localhost/watchkeeper?password=hunter2",
        "postgresql://watchkeeper@localhost/watchkeeper?sslpassword=hunter2",
        "hunter2@[",
        "env:UNSET",
        "env:BROKEN",
        "mysql://watchkeeper@localhost/watchkeeper",
        "postgresql://watchkeeper@localhost",
        "sqlite:///state.db",
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do_and_without_the_password(said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        opened(said, BROKEN="hunter2 is no URL")
    assert refused.value.hint
    assert "hunter2" not in f"{refused.value.reason} {refused.value.hint}"
    assert "hunter2" not in str(refused.value.__cause__ or "")


@pytest.mark.behaviour("state.tls")
@pytest.mark.parametrize(
    ("said", "tls"),
    [
        ("postgresql://w@db.example/w", "?sslmode=require"),
        ("postgresql://w@db.example/w?sslmode=verify-full", "?sslmode=verify-full"),
        ("postgresql://w@db.example/w?sslmode=disable", "?sslmode=disable"),
        ("postgresql:///w?host=db.example", "?host=db.example&sslmode=require"),
        ("postgresql:///w?host=/run/postgresql", "?host=%2Frun%2Fpostgresql"),
        ("postgresql://w@db1.example,db2.example/w", "?sslmode=require"),
        ("postgresql:///w?host=/run/postgresql,db2.example", "?host=%2Frun%2Fpostgresql%2Cdb2.example&sslmode=require"),
        ("postgresql://w@127.0.0.1/w", ""),
        ("postgresql:///w", ""),
    ],
)
def test_a_server_elsewhere_is_reached_by_tls_unless_the_url_says_otherwise(said: str, tls: str) -> None:
    assert opened(said).partition("/w")[2] == tls if "@" not in said else opened(said).rpartition("/w")[2] == tls


@pytest.mark.behaviour("state.no-other-by-mistake")
def test_a_folder_whose_state_is_elsewhere_is_not_opened_on_another(tmp_path: Path) -> None:
    server, file = StateSettings("env:STATE"), StateSettings()
    assert not is_there(tmp_path)
    refuse_another(tmp_path, server)
    refuse_another(tmp_path, file)
    note(tmp_path, file)
    assert not is_there(tmp_path)
    note(tmp_path, server)
    assert (is_there(tmp_path), noted(tmp_path)) == (True, server)
    assert b"env:STATE" in (tmp_path / NOTE).read_bytes()
    with pytest.raises(Misconfigured) as refused:
        refuse_another(tmp_path, file)
    assert "state.url" in refused.value.hint
    refuse_another(tmp_path, StateSettings("file:/run/secrets/state"))  # the same database may be named otherwise
    (tmp_path / NOTE).write_text("{")
    with pytest.raises(Misconfigured):
        noted(tmp_path)


@pytest.mark.behaviour("state.no-other-by-mistake")
def test_a_file_that_holds_the_state_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / STATE).touch()
    with pytest.raises(Misconfigured) as refused:
        refuse_another(tmp_path, StateSettings("env:STATE"))
    assert STATE in refused.value.hint


@pytest.mark.behaviour("state.connections-exhausted")
def test_who_finds_every_connection_of_the_process_in_use_is_told_so_and_goes_on_when_one_is_free(
    tmp_path: Path, state_url: str
) -> None:
    database = Database(state_url or f"sqlite:///{tmp_path / STATE}")
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    pool._timeout = 0.01
    with ExitStack() as held:
        for _ in range(pool.size() + pool._max_overflow):
            held.enter_context(database.read()).connection()
        for way in (database.read, database.write):
            with pytest.raises(Stalled, match="in use"), way() as session:
                session.connection()
    with database.write() as session:
        session.connection()
    database.close()
