"""The console's searches, over the same rooms as the command line's: one tenant, in turns, two exports at a time."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from watchkeeper.app.turns import Turns
from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.events.journal import prove_position
from watchkeeper.events.lake.search import Cursor, Found, Search
from watchkeeper.events.search import Asked, ask
from watchkeeper.events.search.conversation import Conversation
from watchkeeper.events.search.counting import Counts, count
from watchkeeper.events.search.export import Gathered
from watchkeeper.events.search.formats import pieces
from watchkeeper.events.search.gathering import gather
from watchkeeper.operators import Acting
from watchkeeper.web.model import Neighbours, RecordedEvent

_EXPORTS = 2
_COUNTED = (
    "kind", "outcome", "server", "target", "actor", "severity", "rule", "finding", "method", "label", "claimed", "era",
)  # fmt: skip


class EventsView:
    """Searches a data folder for one tenant. `require` says no, by raising `Denied`, to a program that may not."""

    def __init__(
        self,
        search: Search,
        data_dir: Path,
        clock: Clock,
        require: Callable[[Acting], None],
        tenant: str = "default",
        *,
        turns: Turns | None = None,
    ) -> None:
        self.require = require
        self._search = search
        self._data_dir = data_dir
        self._clock = clock
        self._tenant = tenant
        self._turns = turns or Turns()
        self._exports = threading.BoundedSemaphore(_EXPORTS)

    def ask(self, text: str, since: str, until: str) -> Asked:
        return ask(text, self._clock.now(), since=since, until=until, tenant=self._tenant)

    def search(self, asked: Asked, after: str, limit: int) -> Found:
        return self._turns.take(
            partial(
                self._search.events,
                since=asked.since,
                until=asked.until,
                unbounded=True,
                limit=limit,
                after=after,
                tenant=self._tenant,
                where=asked.whole,
            )
        )

    def count(self, asked: Asked) -> Counts:
        return self._turns.take(partial(count, self._search, asked.filter, fields=_COUNTED, top=8, clock=self._clock))

    def find(self, event_id: str) -> RecordedEvent:
        position, event = self._turns.take(partial(self._search.find, event_id, self._tenant))
        return RecordedEvent(event, position.writer, position.index)

    def around(self, found: RecordedEvent, number: int) -> Neighbours:
        return self._turns.take(partial(self._around, found, number))

    def _around(self, found: RecordedEvent, number: int) -> Neighbours:
        cursor = str(Cursor(max(0, found.event.time), found.writer, found.index or 0))
        sides = [
            self._search.events(
                unbounded=True, limit=number, after=cursor, newest_first=newest_first, tenant=self._tenant
            ).events
            for newest_first in (True, False)
        ]
        return Neighbours(earlier=tuple(reversed(sides[0])), later=sides[1])

    def conversation(self, key: str) -> Conversation:
        return self._turns.take(partial(gather, self._search, key, self._clock.now(), self._tenant))

    def export(self, asked: Asked, form: str) -> Iterator[bytes]:
        """Takes its turn when its first bytes are asked for."""
        if not self._exports.acquire(blocking=False):
            raise Unavailable(
                f"{_EXPORTS} exports are being made already", hint="wait for them, or use the command line"
            )
        try:
            gathered = Gathered(self._search, asked.filter, self._search.snapshot())
            yield from pieces(form, gathered.pages(), Path(tempfile.gettempdir()))
        finally:
            self._exports.release()

    def proof(self, event_id: str) -> bytes:
        position, _ = self._turns.take(partial(self._search.find, event_id, self._tenant))
        return msgspec.json.format(msgspec.json.encode(prove_position(self._data_dir, position)), indent=2) + b"\n"
