from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.events import Journal
from watchkeeper.operators import Roster, Tokens


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_795_368_000_000_000)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database.at(tmp_path / "state.db")) as database:
        database.create_missing_tables()
        yield database


@pytest.fixture
def journal(tmp_path: Path, clock: ManualClock) -> Iterator[Journal]:
    with closing(Journal.open(tmp_path, "watch", clock)) as journal:
        yield journal


@pytest.fixture
def roster(database: Database, journal: Journal, clock: ManualClock) -> Roster:
    return Roster(database, journal, clock)


@pytest.fixture
def tokens(database: Database, journal: Journal, clock: ManualClock) -> Tokens:
    return Tokens(database, journal, clock)
