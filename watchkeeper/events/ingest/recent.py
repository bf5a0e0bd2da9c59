"""Which records were taken already: whoever sends at least once sends some twice.

Bounded: the ids of the last records, of this process and, after a restart, of the log's end. What is repeated later
than that is taken again; its id is the same, so that it can be seen.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from watchkeeper.events.journal.mark import read_mark
from watchkeeper.events.journal.reading.reader import JournalReader

MOST = 262_144
_SEEDED = 50_000
"""Records of the log's end that are looked at when a process begins."""
_CHUNK = 5_000
_BEYOND = 1 << 62


class Recent:
    """The ids of the last records. Belongs to one thread."""

    def __init__(self, most: int = MOST) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._most = most

    def is_new(self, event_id: str) -> bool:
        """Whether it was not there yet; from now on it is."""
        if event_id in self._ids:
            self._ids.move_to_end(event_id)
            return False
        self._ids[event_id] = None
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)
        return True

    def forget(self, event_id: str) -> None:
        """It was not taken after all."""
        self._ids.pop(event_id, None)

    def seed(self, data_dir: Path, writer: str) -> int:
        """Look at the end of a log; returns how many records that were."""
        reader = JournalReader(data_dir, pass_over_corrupt=True)
        cursor = dict.fromkeys(reader.writers(), _BEYOND)
        at = max(0, (read_mark(data_dir, writer) or 0) - _SEEDED)
        seen = 0
        while records := reader.read(cursor | {writer: at}, limit=_CHUNK):
            for record in records:
                if record.event is not None:
                    self.is_new(record.event.id)
            at, seen = records[-1].position.index + 1, seen + len(records)
        reader.close()
        return seen
