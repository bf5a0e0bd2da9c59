"""The console's searches take turns: so many at once, each for so long, and none for somebody who has gone.

A search runs in a thread of its own. When its time is over, whoever asked is told so at once; the search itself ends at
its next step and keeps its turn until then, so that never more than so many run, whatever is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Any, TypeVar

from watchkeeper.core.errors import Unavailable
from watchkeeper.core.patience import GaveUp, Patience, wait_with, waiting

AT_ONCE = 2
SECONDS = 30.0
WAIT = 5.0
"""Seconds to wait for a turn."""
_LOOK = 0.1
_T = TypeVar("_T")


class Turns:
    """Of one process."""

    def __init__(self, at_once: int = AT_ONCE, *, seconds: float = SECONDS, wait: float = WAIT) -> None:
        self._at_once = at_once
        self._free = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(2 * at_once)  # whoever waits holds one of the console's threads
        self._seconds = seconds
        self._wait = wait

    def take(self, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises. Raises `Unavailable` when there is no turn, or it takes too long."""
        if not self._places.acquire(blocking=False):
            raise self._busy()
        try:
            return self._answered(work)
        finally:
            self._places.release()

    def _answered(self, work: Callable[[], _T]) -> _T:
        caller = waiting()
        if not self._is_my_turn(caller):
            raise self._busy()
        patience = caller.within(self._seconds)
        done: Future[_T] = Future()
        thread = threading.Thread(
            target=copy_context().run, args=(self._run, work, patience, done), name="search", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            self._free.release()
            raise Unavailable("this process cannot start another thread") from error
        while not wait([done], _LOOK).done:
            if patience.is_over:
                raise self._too_long()
        try:
            return done.result()
        except GaveUp as error:
            raise self._too_long() from error

    def _is_my_turn(self, caller: Patience) -> bool:
        until = time.monotonic() + self._wait
        while not caller.is_gone:
            if self._free.acquire(timeout=max(0.0, min(_LOOK, until - time.monotonic()))):
                return True
            if time.monotonic() >= until:
                return False
        return False

    def _run(self, work: Callable[[], Any], patience: Patience, done: Future[Any]) -> None:
        wait_with(patience)
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 — whoever waits gets it
            self._free.release()
            done.set_exception(error)
        else:
            self._free.release()
            done.set_result(result)

    def _busy(self) -> Unavailable:
        return Unavailable(
            f"{self._at_once} searches are being answered already", hint="try again in a moment, or narrow them"
        )

    def _too_long(self) -> Unavailable:
        return Unavailable(
            f"the search took longer than {self._seconds:g} seconds and was given up",
            hint="narrow the time range or the query; the command line waits as long as it takes",
        )
