"""Notes of runs that could not be made yet: containment does not wait for its minutes, but a run does not end without.

Killed in between, nothing is lost: a step without its note is taken again by the next life, under the same key.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from watchkeeper.core.errors import Stalled, WatchkeeperError

_PAUSES = (0.2, 1.0)
"""Seconds before another try, where the run could go on without."""
_log = logging.getLogger(__name__)
Note = Callable[[], None]


class Owing:
    """Of all runs of one process. Safe for threads."""

    def __init__(self) -> None:
        self._owed: dict[str, deque[Note]] = {}
        self._lock = threading.Lock()
        self._pause = threading.Event()

    def note(self, run: str, note: Note) -> None:
        """Make it, or owe it. A note that can never be made is told in the log."""
        with self._lock:
            self._owed.setdefault(run, deque()).append(note)
        for pause in (*_PAUSES, None):
            try:
                self.pay(run)
            except Stalled as error:
                if pause is None:
                    _log.error("a run owes a note of what it did: %s", error.reason)
                else:
                    self._pause.wait(pause)
            else:
                return

    def pay(self, run: str) -> None:
        """Make what is owed, in order. Raises `Stalled`: the rest is owed still."""
        while (note := self._next(run)) is not None:
            try:
                note()
            except Stalled:
                raise
            except WatchkeeperError as error:
                _log.error("a run could not note what it did: %s", error.reason)
            self._made(run, note)

    def owes(self, run: str) -> bool:
        """Whether something is."""
        return self._next(run) is not None

    def _next(self, run: str) -> Note | None:
        with self._lock:
            notes = self._owed.get(run)
            return notes[0] if notes else None

    def _made(self, run: str, note: Note) -> None:
        with self._lock:
            notes = self._owed.get(run)
            if notes and notes[0] is note:  # another branch of the run may have made it meanwhile
                notes.popleft()
            if not notes:
                self._owed.pop(run, None)
