"""Derived events on their way into the journal: each one once, whatever happens in between.

1. It is owed in the transaction that moves the cursor past what it was derived from, and only then appended (a lost
   one).
2. After a crash our log is read from where it stood at that transaction: what is there is not appended again (a
   doubled one). The same holds for what is derived anew because an older state was put back.
3. What was appended and is not durable, on a full disk, is waited for and not appended again (a doubled one).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.stream.spans import one_log
from watchkeeper.detect.stream.state import Owed
from watchkeeper.events import Event, Journal, JournalReader
from watchkeeper.events.model import decode, encode

_MAX_RECORD = 8 * 1024 * 1024
"""Half of what the journal takes: masking may lengthen a record."""
_log = logging.getLogger(__name__)


class Outbox:
    """Of one reader, into its own journal."""

    def __init__(self, journal: Journal, reader: JournalReader) -> None:
        self._journal = journal
        self._reader = reader
        self._recorded: set[str] = set()
        """Ids that an earlier life recorded, and that may be derived anew."""
        self._gathered: dict[str, bytes] = {}
        self._unpublished: list[Owed] = []
        self._appended = 0
        """How many of these the journal took already."""
        self._last = -1
        self._published: list[str] = []

    def recover(self, owed: Sequence[Owed], cursor: dict[str, int]) -> int:
        """After a start: what was owed and did not get into the journal is owed still. How many cannot be read."""
        logs = [writer for writer in self._reader.writers() if writer == self._journal.writer or is_told_in(writer)]
        since = [*((log, cursor.get(log, 0)) for log in logs), *((one.writer, one.since) for one in owed)]
        for writer in {writer for writer, _ in since}:
            self._read_back(writer, min(at for one, at in since if one == writer))
        missing = [one for one in owed if one.id not in self._recorded]
        self._unpublished = [one for one in missing if _is_sound(one)]
        sound = {one.id for one in self._unpublished}
        self._published = [one.id for one in owed if one.id not in sound]
        self._recorded.difference_update(self._published)
        self._appended, self._last = 0, -1
        return len(missing) - len(sound)

    def owe(self, event: Event) -> bool:
        """Take a derived event for the next transaction; whether it can be recorded at all."""
        if event.id in self._recorded:
            self._recorded.discard(event.id)
            return True
        try:
            record = encode(event)
        except (UnicodeEncodeError, TypeError, ValueError, OverflowError, RecursionError):
            return False
        if len(record) > _MAX_RECORD or not isinstance(event.actor, str):
            return False
        self._gathered.setdefault(event.id, record)
        return True

    @property
    def has_gathered(self) -> bool:
        """Whether a transaction is due."""
        return bool(self._gathered)

    @property
    def gathered(self) -> list[Owed]:
        """For the next transaction."""
        writer, since = self._journal.writer, self._journal.durable_index
        return [Owed(event_id, record, writer, since) for event_id, record in self._gathered.items()]

    @property
    def published(self) -> list[str]:
        """Ids that the next transaction may forget."""
        return self._published

    def committed(self, owed: Sequence[Owed]) -> None:
        """The transaction happened: what it owes may be published, what it forgot is forgotten."""
        self._unpublished += owed
        self._gathered.clear()
        self._published = []

    def publish(self) -> list[Event]:
        """Append what is owed and return when it is durable: what was recorded. Raises `Unavailable`; try again."""
        while self._appended < len(self._unpublished):
            one = self._unpublished[self._appended]
            try:
                self._last = self._journal.append(decode(one.record))
            except Invalid as error:
                _log.error("a derived event cannot be recorded", extra={"event": one.id, "why": error.reason})
            self._appended += 1
        if self._last >= 0:
            self._journal.wait(self._last)
        done = [decode(one.record) for one in self._unpublished]
        self._published += [one.id for one in self._unpublished]
        self._unpublished, self._appended, self._last = [], 0, -1
        return done

    def _read_back(self, writer: str, since: int) -> None:
        for record in one_log(self._reader, writer, since):
            if record.event is not None and record.event.kind.startswith("detect."):
                self._recorded.add(record.event.id)


def is_told_in(writer: str) -> bool:
    """Whether detection, or one of its workers, records in this log, now or when there were more of them."""
    return writer == "watch" or writer.startswith("detect-")


def _is_sound(one: Owed) -> bool:
    try:
        return decode(one.record).id == one.id
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
