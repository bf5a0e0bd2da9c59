"""Several workers before one control state, each a vault of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.redaction.conftest import ADDRESS, sharing
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.redaction.model import Value
from watchkeeper.gateway.redaction.placeholders import PATTERN
from watchkeeper.gateway.redaction.redaction import Redaction
from watchkeeper.gateway.redaction.settings import RedactionSettings
from watchkeeper.gateway.redaction.values import ValueRow, Values
from watchkeeper.protocol.message import Message


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.at(tmp_path / "state.db")
    made.create_missing_tables()
    yield made
    made.close()


def value(text: str, server: str = "crm") -> Value:
    return Value(text, "email", ("email", "personal_data"), frozenset({server}))


def keep(worker: Redaction, owner: str, text: str, server: str = "crm") -> str:
    token = worker.vault.keep(owner, value(text, server))
    assert token is not None
    return token


async def kept(worker: Redaction, owner: str, text: str, server: str = "crm") -> str:
    token = keep(worker, owner, text, server)
    assert await worker.settle(owner, token.encode()) is None
    return token


async def restored(worker: Redaction, owner: str, token: str) -> Value | None:
    await worker.fetch(owner, Message(token.encode(), "request"))
    found = PATTERN.fullmatch(token)
    assert found is not None
    return worker.vault.value_of(owner, found[1], found[2])


def sync(worker: Redaction) -> None:
    assert worker.sharing is not None
    worker.sharing.sync()


def rows(database: Database) -> list[ValueRow]:
    with database.read() as session:
        return list(session.query(ValueRow).where(ValueRow.name != ""))


@pytest.mark.behaviour("redaction.restored-elsewhere")
async def test_what_one_worker_hid_another_restores_with_all_that_was_known_of_it(database: Database) -> None:
    one, other = sharing(database), sharing(database)
    token = await kept(one, "ada", ADDRESS)
    assert await restored(other, "ada", token) == value(ADDRESS)
    assert await restored(other, "bob", token) is None


@pytest.mark.behaviour("redaction.kept-before-it-leaves")
async def test_a_placeholder_settles_once_its_value_is_on_disk_and_not_before(database: Database) -> None:
    one, other = sharing(database), sharing(database)
    token = keep(one, "ada", ADDRESS)
    assert await restored(other, "ada", token) is None
    # a second message with the same value waits for the same write
    assert await asyncio.gather(*(one.settle("ada", token.encode()) for _ in range(3))) == [None] * 3
    assert await restored(other, "ada", token) == value(ADDRESS)


@pytest.mark.behaviour("redaction.kept-before-it-leaves")
async def test_what_could_not_be_written_is_written_by_whoever_comes_next(database: Database) -> None:
    one = sharing(database)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gateway_values RENAME TO away")
    first = keep(one, "ada", ADDRESS)
    said = await one.settle("ada", first.encode())
    assert said is not None
    assert said.rule == "redaction.not-kept"
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO gateway_values")
    await kept(one, "ada", "y@lakes.test")
    assert await restored(sharing(database), "ada", first) == value(ADDRESS)


@pytest.mark.behaviour("redaction.restored-elsewhere")
async def test_servers_at_which_two_workers_saw_a_value_are_known_to_both(database: Database) -> None:
    one, other = sharing(database), sharing(database)
    token = await kept(one, "ada", ADDRESS, "crm")
    assert await kept(other, "ada", ADDRESS, "mail") == token
    for worker in (one, other):
        sync(worker)
        back = await restored(worker, "ada", token)
        assert back is not None
        assert back.servers == {"crm", "mail"}


@pytest.mark.behaviour("redaction.rows-sealed")
async def test_rows_say_nothing_and_a_changed_one_opens_nothing(database: Database, tmp_path: Path) -> None:
    one = sharing(database)
    token = await kept(one, "ada", ADDRESS)
    mine = await kept(one, "mallory", "m@lakes.test")
    for file in tmp_path.iterdir():
        assert ADDRESS.encode() not in file.read_bytes()
        assert b"lakes.test" not in file.read_bytes()
    own, others = sorted(rows(database), key=lambda row: row.owner, reverse=True)
    with database.write() as session:  # whoever can write the table copies another's value under a name of its own
        session.get_one(ValueRow, ("default", own.owner, own.name)).sealed = others.sealed
    assert await restored(sharing(database), "mallory", mine) is None
    assert await restored(sharing(database), "ada", token) is not None


@pytest.mark.behaviour("redaction.forgotten-everywhere")
@pytest.mark.state_in_a_file
async def test_what_is_forgotten_leaves_the_file_and_the_memory_of_every_worker(
    database: Database, tmp_path: Path
) -> None:
    one, other = sharing(database), sharing(database)
    token, kept_on = await kept(one, "ada", ADDRESS), await kept(one, "bob", ADDRESS)
    assert await restored(other, "ada", token) is not None
    sealed = {row.owner: row.sealed.encode() for row in rows(database)}
    assert Values(database, SystemClock()).forget("ada") == 1
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert sealed["ada"] not in written
    assert sealed["bob"] in written
    for worker in (one, other, sharing(database)):
        sync(worker)
        assert await restored(worker, "ada", token) is None
        assert await restored(worker, "bob", kept_on) is not None


@pytest.mark.behaviour("redaction.forgotten-everywhere")
async def test_a_worker_that_has_not_heard_of_it_cannot_write_it_again(database: Database) -> None:
    one = sharing(database)
    old = await kept(one, "ada", ADDRESS)
    late = keep(one, "ada", "late@lakes.test")
    Values(database, SystemClock()).forget("ada")
    said = await one.settle("ada", late.encode())
    assert said is not None
    assert said.rule == "redaction.not-kept"
    assert rows(database) == []
    sync(one)
    assert await restored(one, "ada", old) is None
    # whoever has the name now begins anew
    again = await kept(one, "ada", "new@lakes.test")
    assert await restored(sharing(database), "ada", again) is not None


@pytest.mark.behaviour("redaction.vault-bounded")
async def test_rows_are_bounded_and_what_was_just_written_is_never_what_goes(database: Database) -> None:
    bounds = RedactionSettings(values=12, of_one=5)
    one = sharing(database, bounds)
    for number in range(20):
        token = await kept(one, "ada", f"{number}@lakes.test")
        assert await restored(sharing(database), "ada", token) is not None
    assert len(rows(database)) <= 2 * bounds.of_one
    for owner in "abcdefgh":
        for number in range(5):
            await kept(one, owner, f"{number}@lakes.test")
    assert len(rows(database)) <= bounds.values + bounds.of_one


@pytest.mark.behaviour("redaction.vault-bounded")
def test_one_message_with_more_values_than_are_kept_is_stopped_and_not_half_restorable(database: Database) -> None:
    one = sharing(database, RedactionSettings(of_one=5))
    tokens = [one.vault.keep("ada", value(f"{number}@lakes.test")) for number in range(6)]
    assert None not in tokens[:5]
    assert tokens[5] is None


async def test_a_value_that_goes_on_being_used_lives_on_for_others(database: Database) -> None:
    one = sharing(database)
    token = await kept(one, "ada", ADDRESS)
    (before,) = rows(database)
    now = one.vault._now
    one.vault._now = lambda: now() + 3 * 3600.0
    assert await restored(one, "ada", token) is not None
    sync(one)
    (after,) = rows(database)
    assert after.generation > before.generation


async def test_the_control_state_that_cannot_be_read_is_told_from_a_value_that_is_gone(database: Database) -> None:
    one = sharing(database)
    token = await kept(one, "ada", ADDRESS)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE gateway_values")
    other = sharing(database)
    assert other.sharing is not None
    assert not await other.sharing.fetch("ada", Message(token.encode(), "request"))
    other.vault.keep("ada", value("another@lakes.test"))
    with pytest.raises(Unavailable):
        sync(other)
