"""Events that were seen before: by their ids, over the last so many. No I/O."""

from __future__ import annotations


class Duplicates:
    """Knows at least the last `window` ids again, and at most twice as many."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._young: set[str] = set()
        self._old: set[str] = set()

    def has_seen(self, event_id: str) -> bool:
        """Whether it was seen before; from now on it was."""
        if event_id in self._young or event_id in self._old:
            return True
        self._young.add(event_id)
        if len(self._young) >= self._window:
            self._young, self._old = set(), self._young
        return False
