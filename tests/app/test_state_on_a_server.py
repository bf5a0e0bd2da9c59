"""The control state on a real server: opened, refused where it would not do, and looked into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from tests.postgres import fresh_database
from watchkeeper.app.platform import opened
from watchkeeper.app.settings import Loaded, Settings
from watchkeeper.app.state import check_state, database_at, ready
from watchkeeper.core.errors import Misconfigured, Unavailable, WatchkeeperError
from watchkeeper.core.state import NOTE, STATE, StateSettings

pytestmark = pytest.mark.timeout(180)


def plain(url: str) -> str:
    return url.replace("+psycopg", "")


def ask(url: str, statement: str) -> None:
    with psycopg.connect(plain(url), autocommit=True) as link:
        link.execute(statement.encode())


def checked(data: Path, url: str) -> None:
    check_state(Loaded(Settings(state=StateSettings(url)), data))


@pytest.mark.behaviour("state.on-a-server")
def test_a_folder_opens_on_a_server_and_finds_it_again_without_settings(tmp_path: Path, postgres: Any) -> None:
    settings = StateSettings(fresh_database(postgres))
    checked(tmp_path, settings.url)
    with opened(tmp_path, "watch", state=settings) as platform:
        platform.clients.mint("claude", "operator:ann")
    assert not (tmp_path / STATE).exists()
    with opened(tmp_path, "cli") as platform:
        assert platform.database.is_server
        assert [client.name for client in platform.clients.clients()] == ["claude"]
    checked(tmp_path, settings.url)


@pytest.mark.behaviour("state.refused-with-what-to-do")
def test_no_server_there_is_said_with_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        ready(tmp_path, StateSettings(f"postgresql://w@/w?host={tmp_path}"))
    assert "state.url" in refused.value.hint
    assert "Is the server running" not in refused.value.reason, "a guess of the driver's"
    assert not (tmp_path / NOTE).exists()


@pytest.mark.behaviour("state.refused-with-what-to-do")
def test_a_database_that_is_not_there_and_a_role_that_is_none_are_told_apart(tmp_path: Path, postgres: Any) -> None:
    url = fresh_database(postgres)
    name = url.rpartition("/")[2] if "?" not in url else url.partition("?")[0].rpartition("/")[2]
    with pytest.raises(WatchkeeperError) as refused:
        checked(tmp_path, url.replace(f"/{name}", "/nowhere"))
    assert "no such database" in refused.value.reason


@pytest.mark.behaviour("state.refused-with-what-to-do")
def test_another_encoding_is_refused_before_anything_is_made(tmp_path: Path, postgres: Any) -> None:
    url = fresh_database(postgres)
    ask(url, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    name = url.partition("?")[0].rpartition("/")[2]
    with pytest.raises(Misconfigured) as refused:
        ready(tmp_path, StateSettings(url.replace(f"/{name}", "/latin")))
    assert "LATIN1" in refused.value.reason
    assert "UTF8" in refused.value.hint


@pytest.mark.behaviour("state.refused-with-what-to-do")
def test_a_server_that_takes_no_writing_is_said_to_be_one(tmp_path: Path, postgres: Any) -> None:
    url = fresh_database(postgres)
    name = url.partition("?")[0].rpartition("/")[2]
    ask(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    for look in (lambda: checked(tmp_path, url), lambda: ready(tmp_path, StateSettings(url))):
        with pytest.raises(Unavailable) as refused:
            look()
        assert "read-only" in refused.value.reason
        assert "primary" in refused.value.hint


@pytest.mark.behaviour("state.refused-with-what-to-do")
def test_a_role_that_may_make_no_table_is_said_to_lack_a_right(tmp_path: Path, postgres: Any) -> None:
    url = fresh_database(postgres)
    ask(url, "DROP ROLE IF EXISTS poor")
    ask(url, "CREATE ROLE poor LOGIN")
    with pytest.raises(Unavailable) as refused:
        ready(tmp_path, StateSettings(url.replace("postgres:@", "poor@")))
    assert "lacks a right" in refused.value.reason
    assert "owner" in refused.value.hint


@pytest.mark.behaviour("state.refused-with-what-to-do")
def test_a_newer_versions_tables_are_refused_and_left_alone(tmp_path: Path, postgres: Any) -> None:
    url = fresh_database(postgres)
    ready(tmp_path, StateSettings(url)).close()
    ask(url, "UPDATE alembic_version SET version_num = 'ffff'")
    for look in (lambda: checked(tmp_path, url), lambda: ready(tmp_path, StateSettings(url))):
        with pytest.raises(Misconfigured):
            look()


@pytest.mark.behaviour("state.no-other-by-mistake")
def test_an_empty_database_is_not_taken_for_the_one_the_folder_had(tmp_path: Path, postgres: Any) -> None:
    ready(tmp_path, StateSettings(fresh_database(postgres))).close()
    empty = fresh_database(postgres)
    for look in (lambda: checked(tmp_path, empty), lambda: ready(tmp_path, StateSettings(empty))):
        with pytest.raises(Unavailable) as refused:
            look()
        assert NOTE in refused.value.hint


@pytest.mark.behaviour("state.one-writer-after-the-other")
def test_what_a_writer_has_read_nobody_changes_before_it_is_done(tmp_path: Path, postgres: Any) -> None:
    url = fresh_database(postgres)
    first, second = ready(tmp_path, StateSettings(url)), database_at(tmp_path)
    ask(url, "CREATE TABLE counted (n integer); INSERT INTO counted VALUES (0)")
    from concurrent.futures import ThreadPoolExecutor

    def add(number: int) -> None:
        for _ in range(20):
            with (first, second)[number % 2].write() as session:
                n = session.execute(text("SELECT n FROM counted")).scalar_one()
                session.execute(text("UPDATE counted SET n = :n"), {"n": n + 1})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    with first.read() as session:
        assert session.execute(text("SELECT n FROM counted")).scalar_one() == 80
        with second.write() as other:
            other.execute(text("UPDATE counted SET n = 0"))
        assert session.execute(text("SELECT n FROM counted")).scalar_one() == 80  # a reader's view stands still
    first.close()
    second.close()


@pytest.mark.behaviour("state.others-words-fit")
@pytest.mark.parametrize("name", ["a\0b", "\U0010fffe", "\U0010fffe0\0", "x" * 3_000, "Ünï\u2028'\"\\%_"])
def test_texts_of_others_are_kept_as_they_are(tmp_path: Path, postgres: Any, name: str) -> None:
    database = ready(tmp_path, StateSettings(fresh_database(postgres)))
    with database.write() as session:
        session.execute(text("INSERT INTO respond_counters (name, value) VALUES (:n, 1)"), {"n": name})
    with database.read() as session:
        row = session.execute(text("SELECT name FROM respond_counters WHERE name = :n"), {"n": name}).scalar_one()
    assert row == name
    database.close()
