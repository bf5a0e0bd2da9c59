"""Incidents in a database of either kind, with a real journal: what people do with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.clock import SECOND, ManualClock
from watchkeeper.core.database import Database
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.respond import Alert, RespondSettings
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.cases.model import Filter
from watchkeeper.respond.intake import Intake
from watchkeeper.respond.ledger import Ledger

START = 1_790_000_000 * SECOND
ADA, EVE = "operator:ada", "operator:eve"


class Cases:
    """One data folder: alerts come in, people work on what they open."""

    def __init__(self, data: Path, database: Database) -> None:
        self.database = database
        self.clock = ManualClock(START)
        self.journal = Journal.open(data, "tester", self.clock)
        self.reader = JournalReader(data)
        self.ledger = Ledger(database, self.journal, self.reader)
        self.intake = Intake(database, self.ledger, self.clock, RespondSettings(window_seconds=60))
        self.book = CaseBook(database, self.ledger, self.clock)

    def alert(self, number: int = 1, **members: Any) -> str:
        """An alert comes in; returns the number of the incident that has it then."""
        fields = {"rule": "r", "server": "files", "target": "read", "outcome": "deny", "time": START + number * SECOND}
        alert = Alert(id=f"alert-{number}", **fields | members)
        self.intake.take(alert)
        self.ledger.flush()
        for one in self.book.reading.page(Filter(merged=True), 1000).incidents:
            if any(known.id == alert.id for known in self.book.reading.open(one.id).alerts):
                return one.number
        raise AssertionError("no incident has the alert")

    def events(self, kind: str) -> list[Event]:
        cursor: dict[str, int] = {}
        found: list[Event] = []
        while batch := self.reader.read(cursor):
            for record in batch:
                cursor[record.position.writer] = record.position.index + 1
                if record.event and record.event.kind == kind:
                    found.append(record.event)
        return found

    def close(self) -> None:
        self.reader.close()
        self.journal.close()
        self.database.close()


@pytest.fixture
def cases(tmp_path: Path) -> Iterator[Cases]:
    """On SQLite, as most tests want it."""
    yield from _cases(tmp_path, Database.at(tmp_path / "state.db"))


@pytest.fixture
def either(state_url: str, tmp_path: Path) -> Iterator[Cases]:
    """On both kinds of database."""
    yield from _cases(tmp_path, Database(state_url) if state_url else Database.at(tmp_path / "state.db"))


def _cases(folder: Path, database: Database) -> Iterator[Cases]:
    database.create_missing_tables()
    cases = Cases(folder / "data", database)
    yield cases
    cases.close()
