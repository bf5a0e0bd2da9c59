"""A journal of several full files, and the means to keep it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from watchkeeper.core.clock import ManualClock
from watchkeeper.events import Event, Journal, JournalReader, JournalSettings
from watchkeeper.events.journal import Record
from watchkeeper.events.journal.upkeep import Guards, Keeper, RetentionSettings

Make = Callable[..., Event]
SMALL = JournalSettings(segment_bytes=8192)


class Estate:
    """One log under our hands."""

    def __init__(self, data_dir: Path, make_event: Make) -> None:
        self.data_dir = data_dir
        self.folder = data_dir / "journal" / "gateway"
        self.clock = ManualClock()
        self.journal = Journal.open(data_dir, "gateway", self.clock, SMALL)
        self._make_event = make_event
        self._made = 0

    def write(self, commits: int = 12, each: int = 6) -> None:
        for _ in range(commits):
            for number in range(each):
                actor = ("agent:ada", "agent:bob", "")[number % 3]
                last = self.journal.append(self._make_event(self._made, actor))
                self._made += 1
            self.journal.wait(last)

    def keeper(self, settings: RetentionSettings | None = None, guards: Guards | None = None) -> Keeper:
        return Keeper(self.journal, settings or RetentionSettings(), self.clock, guards or Guards())

    def records(self) -> list[Record]:
        reader = JournalReader(self.data_dir)
        try:
            return reader.read({}, 100_000)
        finally:
            reader.close()

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.seg"))

    def told(self, kind: str) -> list[dict[str, Any]]:
        self.write(1, 1)
        found = [record.event for record in self.records() if record.event and record.event.kind == kind]
        return [json.loads(json.dumps(event.body)) for event in found]

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.files())


@pytest.fixture
def estate(tmp_path: Path, make_event: Make) -> Iterator[Estate]:
    made = Estate(tmp_path / "data", make_event)
    made.write()
    yield made
    made.journal.close()
