"""A wish to stop that a signal's handler may set.

`threading.Event` cannot be set there: a handler runs in the main thread between two of its instructions, and where
these are inside the event's own `wait`, its lock is taken already, by the thread that the handler has wait for it.
(The same holds for every lock of `threading`; https://docs.python.org/3/library/signal.html#signals-and-threads.)
"""

from __future__ import annotations

import os
import select
import threading
from typing import Self


class Wish(threading.Event):
    """An event without a lock: what sets it is a write to a pipe. Close it, or use `with`."""

    def __init__(self) -> None:
        super().__init__()
        self._is_set = False
        self._heard, self._said = os.pipe()
        os.set_blocking(self._said, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the pipe back; only once no handler and no thread uses this any more."""
        os.close(self._heard)
        os.close(self._said)

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            os.write(self._said, b"!")

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is set, within `timeout` seconds."""
        if not self._is_set:
            select.select([self._heard], [], [], timeout)
        return self._is_set

    def clear(self) -> None:
        if self._is_set:
            self._is_set = False
            os.read(self._heard, 1)
