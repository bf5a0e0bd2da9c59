"""Trouble that lasts: told in the log when it begins, and once more when it is over, however often it is met between.

A loop that looks twice a second at a database that is away for an hour has one thing to say of it, not seven thousand.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from watchkeeper.core.errors import WatchkeeperError


class Lasting:
    """One thing that can go wrong for a while. Safe for threads."""

    def __init__(self, log: logging.Logger, what: str, level: int = logging.ERROR) -> None:
        """`what` is the sentence of the log while it lasts; the reason follows it."""
        self._log = log
        self._what = what
        self._level = level
        self._lock = threading.Lock()
        self._since = 0.0
        self._times = 0
        self.why = ""
        """The reason that was met last; empty while all is well."""

    def met(self, why: str) -> None:
        """It went wrong."""
        with self._lock:
            is_first, self._times, self.why = not self._times, self._times + 1, why
            if is_first:
                self._since = time.monotonic()
        if is_first:
            self._log.log(self._level, "%s: %s", self._what, why)

    def over(self) -> None:
        """It went well."""
        with self._lock:
            times, why, self._times, self.why = self._times, self.why, 0, ""
            lasted = time.monotonic() - self._since
        if times:
            told = "over after %.0f s and %d times: %s (last: %s)"
            self._log.log(self._level, told, lasted, times, self._what, why)

    @contextmanager
    def told(self) -> Iterator[None]:
        """What the block raises of ours is trouble, and goes no further; a block that ends well is its end."""
        try:
            yield
        except WatchkeeperError as error:
            self.met(error.reason)
        else:
            self.over()
