"""A control state, a journal and a clock of the test's own, and what of the gateway's facts is durable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.events import Event, Journal, JournalReader

Recorded = Callable[[], list[Event]]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.at(tmp_path / "state.db")
    database.create_missing_tables()
    yield database
    database.close()


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[Journal]:
    journal = Journal.open(tmp_path, "gateway", clock)
    yield journal
    journal.close()


@pytest.fixture
def closed_journal(tmp_path: Path) -> Journal:
    """A journal that takes nothing any more."""
    journal = Journal.open(tmp_path, "broken")
    journal.close()
    return journal


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """Every event of the gateway that is durable now, in order."""

    def read() -> list[Event]:
        events = (record.event for record in JournalReader(tmp_path).read({}, limit=100_000))
        return [event for event in events if event is not None and event.kind.startswith("gateway.")]

    return read
