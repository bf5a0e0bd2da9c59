"""Facts that are recorded before what they tell of is committed, and once, also when the disk refused one of the two.

A fact that a full journal could not store at once is stored as soon as it can; whoever asked was told no, and asks
again. This knows what it has handed over already, in this process; after a crash a fact may come twice, under one id.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import msgspec

from watchkeeper.events.journal import Journal
from watchkeeper.events.model import Event

_MOST = 1024


class Once:
    """Of one journal. Safe for threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._handed: OrderedDict[str, tuple[Event, int]] = OrderedDict()

    def record(self, event: Event, *, but: tuple[str, ...] = ()) -> None:
        """As `Journal.record`; a fact of the same id and the same content is the one that was handed over before.

        `but` are members of the body that do not count. The time does not, either: it was when it was first asked for.
        """
        with self._lock:
            known = self._handed.get(event.id)
            if known is not None and _same(known[0], event, but):
                index = known[1]
            else:
                index = self._journal.append(event)
                self._handed[event.id] = (event, index)
                if len(self._handed) > _MOST:
                    self._handed.popitem(last=False)
        self._journal.wait(index)


def _same(one: Event, other: Event, but: tuple[str, ...]) -> bool:
    bodies = [{name: value for name, value in event.body.items() if name not in but} for event in (one, other)]
    return bodies[0] == bodies[1] and msgspec.structs.replace(one, time=0, body={}) == msgspec.structs.replace(
        other, time=0, body={}
    )
