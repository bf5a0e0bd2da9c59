"""How long somebody waits for an answer, and whether they still do: asked, between two steps, by whatever takes long.

A context variable carries it, so that it reaches the work without every room between handing it on.
"""

from __future__ import annotations

import threading
import time
from contextvars import ContextVar
from typing import Self

from watchkeeper.core.errors import WatchkeeperError


class GaveUp(WatchkeeperError):
    """Nobody waits for this answer any more. No fault of what was being asked."""

    code = "gave_up"


class Patience:
    """Of one question. Thread-safe."""

    def __init__(self, seconds: float | None = None, gone: threading.Event | None = None) -> None:
        self._until = None if seconds is None else time.monotonic() + seconds
        self._gone = gone or threading.Event()

    def within(self, seconds: float) -> Self:
        """The same, for so many seconds from now."""
        return type(self)(seconds, self._gone)

    def leave(self) -> None:
        """Whoever asked has gone."""
        self._gone.set()

    @property
    def is_gone(self) -> bool:
        return self._gone.is_set()

    @property
    def is_over(self) -> bool:
        return self.is_gone or (self._until is not None and time.monotonic() >= self._until)


_waiting: ContextVar[Patience | None] = ContextVar("watchkeeper_patience", default=None)


def waiting() -> Patience:
    """Of whom this is done for; without an end where nobody said."""
    return _waiting.get() or Patience()


def wait_with(patience: Patience) -> None:
    """From here on in this context."""
    _waiting.set(patience)


def go_on() -> None:
    """Raises `GaveUp` when nobody waits any more."""
    patience = _waiting.get()
    if patience is not None and patience.is_over:
        raise GaveUp("nobody waits for this answer any more")
