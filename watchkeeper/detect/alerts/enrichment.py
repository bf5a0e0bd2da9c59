"""What is known of an alert's subject, put together from several sources: bounded, quick, and never a reason to fail.

A source without an answer is *not known*, and so is one that fails, that answers too much, or for which there was no
time. Nothing of that keeps an alert back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from watchkeeper.detect.alerts.model import Context, Fact, Subject, Unknown
from watchkeeper.detect.alerts.ports import Source

_BYTES = 4_096
"""Of one source's answer."""
_MOST = 4_096
"""Answers that are remembered."""
_log = logging.getLogger(__name__)


class Enrichment:
    """Asks the sources, each subject once in a while."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        *,
        seconds: float = 0.1,
        fresh: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`seconds`: time for all sources together; `fresh`: how long an answer holds."""
        self._sources = sources
        self._seconds = seconds
        self._fresh = fresh
        self._clock = clock
        self._answers: dict[Subject, tuple[float, Context]] = {}
        self._failing: set[str] = set()

    def of(self, subject: Subject) -> Context:
        """What is known of it."""
        now = self._clock()
        found = self._answers.get(subject)
        if found is not None and now - found[0] < self._fresh:
            return found[1]
        if len(self._answers) >= _MOST:
            self._answers.clear()
        context = {name: self._ask(name, source, subject, now) for name, source in self._sources.items()}
        self._answers[subject] = (now, context)
        return context

    def _ask(self, name: str, source: Source, subject: Subject, began: float) -> Fact:
        if self._clock() - began > self._seconds:
            return Fact(known=False, why="there was no time to ask")
        try:
            said = source.tell(subject)
        except Exception as error:  # noqa: BLE001 — a source must never cost an alert, whatever is wrong with it
            if name not in self._failing:
                self._failing.add(name)
                _log.warning("alerts go without what a source knows", extra={"source": name}, exc_info=error)
            return Fact(known=False, why=f"asking failed: {type(error).__name__}")
        self._failing.discard(name)
        return _fact(said)


def _fact(said: Mapping[str, Any] | Unknown) -> Fact:
    if isinstance(said, Unknown):
        return Fact(known=False, why=said.why)
    try:
        plain = msgspec.json.decode(msgspec.json.encode(dict(said)))
    except (msgspec.MsgspecError, TypeError, ValueError, UnicodeError, RecursionError) as error:
        return Fact(known=False, why=f"the answer is no plain data: {type(error).__name__}")
    if len(msgspec.json.encode(plain)) > _BYTES:
        return Fact(known=False, why="the answer is too long")
    return Fact(known=True, says=plain)
