"""Facts that were recorded twice under one id: whoever counts takes each once. No I/O.

Where a process dies or is stopped between recording a fact and marking it as recorded, another one may record it anew,
in another log. The id is the same, and so is the time that the event says. What passes the gateway is recorded once by
design, and so often that nobody could remember it all.
"""

from __future__ import annotations

from collections import OrderedDict

_TRAFFIC = ("gateway.request.", "gateway.message.")
_MOST = 100_000


class Twins:
    """Knows the last of them again, however they come."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self.left_out = 0

    def has_seen(self, event_id: str, kind: str) -> bool:
        """Whether it came before; from now on it did."""
        if kind.startswith(_TRAFFIC):
            return False
        if event_id in self._ids:
            self.left_out += 1
            return True
        self._ids[event_id] = None
        if len(self._ids) > _MOST:
            self._ids.popitem(last=False)
        return False
