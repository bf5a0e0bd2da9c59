"""Events that wait until event time has passed them, and come out in its order. Pure.

For a memory they are told in blocks, one for each time that is asked what is new, so that an event that came and went
between two of these is never written, and none is written twice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from operator import itemgetter

import msgspec

from watchkeeper.detect.correlation.operators.interface import Occurrence, revive

Ids = tuple[str, ...]
_Entry = tuple[int, str, int, int, Occurrence, Ids]
"""Time, writer, place; the rest is never compared, for each has a number of its own."""
_time = itemgetter(0)


class Waiting:
    """In the order of event time; at one moment, in the order of the journal."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._is_sorted = True
        self._added = 0
        self._fresh: list[tuple[Occurrence, Ids]] = []
        self._blocks: dict[int, int] = {}
        """Number of a block → the time of its newest event."""
        self._released = 0
        self._next_block = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, seen: Occurrence, ids: Ids) -> None:
        """One more."""
        mark = seen.mark
        self._is_sorted = False
        self._added += 1
        self._entries.append((mark[0], mark[1], mark[2], self._added, seen, ids))
        self._fresh.append((seen, ids))

    def release(self, before: int) -> list[tuple[Occurrence, Ids]]:
        """Those that happened before then."""
        self._released = max(self._released, before)
        entries = self._entries
        if not entries:
            return []
        if not self._is_sorted:
            entries.sort()
            self._is_sorted = True
        until = bisect_left(entries, before, key=_time)
        if not until:
            return []
        self._entries = entries[until:]
        return [entry[4:] for entry in entries[:until]]

    def middle(self) -> int:
        """The time of the one in the middle."""
        self._entries.sort()
        self._is_sorted = True
        return self._entries[len(self._entries) // 2][0]

    def blocks(self) -> Iterator[tuple[int, bytes | None]]:
        """What a memory must change since it was asked last: new blocks, and those that nobody waits for any more."""
        for number in [number for number, newest in self._blocks.items() if newest < self._released]:
            del self._blocks[number]
            yield number, None
        fresh = [one for one in self._fresh if one[0].mark.time >= self._released]
        self._fresh.clear()
        if fresh:
            self._blocks[self._next_block] = max(seen.mark.time for seen, _ in fresh)
            yield self._next_block, msgspec.msgpack.encode(fresh)
            self._next_block += 1

    def restore(self, number: int, block: bytes, released: int) -> None:
        """A block as it was told, but for what was released before."""
        entries = [(revive(seen), tuple(ids)) for seen, ids in msgspec.msgpack.decode(block)]
        self._released = released
        for seen, ids in entries:
            if seen.mark.time >= released:
                self.add(seen, ids)
        self._fresh.clear()
        self._blocks[number] = max(seen.mark.time for seen, _ in entries)
        self._next_block = max(self._next_block, number + 1)
