"""What a run does while our own state cannot be used (a full disk, a database that is away): it waits, and says so.

Nothing else could be done meanwhile that would be known afterwards. A process that ends leaves a run that waits as it
is; the next one goes on with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from watchkeeper.core.errors import Stalled
from watchkeeper.core.lasting import Lasting

_PAUSE = 0.25
"""Seconds between two tries."""
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Interrupted(BaseException):
    """The process ends while a run waits. No `Exception`: what meets one ends the run, and this one goes on."""


class Waiting:
    """Of all runs of one process. Safe for threads."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self.trouble = Lasting(_log, "runs of playbooks wait")

    def until_done(self, act: Callable[[], T]) -> T:
        """What `act` returns, however often it has to be done again: it must be the same done twice.

        Raises `Interrupted` when the process ends first.
        """
        while True:
            try:
                done = act()
            except Stalled as error:
                self.trouble.met(error.reason)
            else:
                self.trouble.over()
                return done
            if self._over.wait(_PAUSE):
                raise Interrupted

    def resume(self) -> None:
        """From here on runs may wait."""
        self._over.clear()

    def end(self) -> None:
        """Nobody waits any more."""
        self._over.set()
