"""A registry on a real control state and a real journal, and tools as a server lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.core.database import Database
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.inspection.fingerprints import Definition, definitions_in
from watchkeeper.inspection.model import Finding
from watchkeeper.registry import Observation, Pins

Listing = Callable[..., list[Definition]]


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
def pins(database: Database, journal: Journal, clock: ManualClock) -> Pins:
    return Pins(database, journal, clock)


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[[], list[Event]]:
    """Every registry event that is durable now, in order."""

    def read() -> list[Event]:
        events = (record.event for record in JournalReader(tmp_path).read({}, limit=100_000))
        return [event for event in events if event is not None and event.kind.startswith("registry.")]

    return read


@pytest.fixture
def tools() -> Listing:
    """Definitions of tools by name and description, as `tools/list` shows them."""

    def make(*shown: tuple[str, str], **members: Any) -> list[Definition]:
        rows = [{"name": n, "description": d, "inputSchema": {"type": "object"}, **members} for n, d in shown]
        return definitions_in("tools/list", msgspec.json.encode({"tools": rows}))

    return make


@pytest.fixture
def see(pins: Pins) -> Callable[..., Observation]:
    """Observe definitions of the server `files`; `found` is what inspection noticed in each of them."""

    def observe(definitions: list[Definition], *found: Finding, by: Pins = pins) -> Observation:
        return by.observe("files", definitions, {d.fingerprint: found for d in definitions})

    return observe
