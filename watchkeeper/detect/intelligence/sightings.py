"""What was seen of each indicator: when first, when last, how often, by tenant. Bounded: the longest unseen go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import select

from watchkeeper.core.database import Database
from watchkeeper.detect.keys import key_of
from watchkeeper.detect.stream.state import MemoryRow

MEMORY = "intelligence"
MOST = 50_000
_encode = msgspec.msgpack.Encoder().encode


class Sighting(msgspec.Struct, frozen=True, array_like=True):
    """Of one indicator, by one tenant's events."""

    tenant: str
    key: str
    first: int
    """Time of the first event, microseconds."""
    last: int
    count: int
    past: int = 0
    """How many of them were found afterwards, in the past."""
    server: str = ""
    """Of the last one."""
    actor: str = ""
    event: str = ""


_decoder = msgspec.msgpack.Decoder(Sighting)


class Sightings:
    """A memory of a stage."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._rows: dict[str, Sighting] = {}
        self._dirty: dict[str, Sighting | None] = {}

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """Be what was kept. Raises `msgspec.MsgspecError`."""
        self._rows = {key: _decoder.decode(row) for key, row in kept.items()}
        self._dirty.clear()

    def changes(self) -> Mapping[str, bytes | None]:
        """What changed since the last call."""
        changed = {key: None if row is None else _encode(row) for key, row in self._dirty.items()}
        self._dirty.clear()
        return changed

    def note(self, one: Sighting) -> Sighting:
        """Count it; what it comes to."""
        place = key_of(one.tenant, one.key)
        before = self._rows.pop(place, None)  # taken out and put in: the order is that of the last sighting
        after = one if before is None else joined((before, one))
        self._rows[place] = self._dirty[place] = after
        if len(self._rows) > self._most:
            oldest = next(iter(self._rows))
            del self._rows[oldest]
            self._dirty[oldest] = None
        return after


def joined(several: Iterable[Sighting]) -> Sighting:
    """Those of one indicator as one."""
    every = list(several)
    newest = max(every, key=lambda one: one.last)
    return Sighting(
        newest.tenant,
        newest.key,
        min(one.first for one in every),
        newest.last,
        sum(one.count for one in every),
        sum(one.past for one in every),
        newest.server,
        newest.actor,
        newest.event,
    )


def sightings(database: Database, tenant: str = "default") -> dict[str, Sighting]:
    """Key → what the stream has committed of it, of all workers. Raises `Unavailable`."""
    with database.read() as session:
        rows = session.scalars(select(MemoryRow.value).where(MemoryRow.memory == MEMORY)).all()
    by_key: dict[str, list[Sighting]] = {}
    for row in rows:
        try:
            one = _decoder.decode(row)
        except msgspec.MsgspecError:
            continue  # a damaged row is told by the stream
        if one.tenant == tenant:
            by_key.setdefault(one.key, []).append(one)
    return {key: joined(several) for key, several in by_key.items()}
