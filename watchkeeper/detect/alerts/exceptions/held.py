"""Whether an exception holds a detection back: asked for each, answered from memory. On any doubt, none does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.detect.alerts.exceptions.model import Exemption
from watchkeeper.detect.conditions.compiling import compile_condition
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.conditions.values import Test
from watchkeeper.detect.model import Detection
from watchkeeper.events import Severity

_FRESH = 2.0
"""Seconds after which another process's changes are noticed."""
_log = logging.getLogger(__name__)

Load = Callable[[], Sequence[Exemption]]
"""Those that may be in force. Raises `Unavailable`."""


class Held:
    """The exceptions as admission asks them."""

    def __init__(self, load: Load, clock: Callable[[], float] = time.monotonic) -> None:
        self._load = load
        self._clock = clock
        self._loaded_at: float | None = None
        self._all: tuple[tuple[Exemption, Test], ...] = ()

    def by(self, detection: Detection, severity: Severity, now: int) -> Exemption | None:
        """The exception that holds this one back at `now`: the oldest of several."""
        self._reload()
        if not self._all:
            return None
        fields = Fields(detection.event)
        for one, holds in self._all:
            about = one.is_in_force(now) and one.may_hold(detection.event.tenant, detection.by.id, severity)
            if about and _is_true(holds, fields):
                return one
        return None

    def forget(self) -> None:
        """Read them anew at the next question."""
        self._loaded_at = None

    def _reload(self) -> None:
        now = self._clock()
        if self._loaded_at is not None and now - self._loaded_at < _FRESH:
            return
        try:
            self._all = tuple(_compiled(self._load()))
        except WatchkeeperError as error:
            # what is known stays in force until its end
            _log.warning("the exceptions cannot be read", extra={"why": error.reason})
        self._loaded_at = now


def _compiled(all_of_them: Iterable[Exemption]) -> Iterator[tuple[Exemption, Test]]:
    for one in all_of_them:
        try:
            yield one, compile_condition(one.condition)
        except Exception:  # noqa: BLE001 — one that cannot be compiled holds nothing back, and stops nobody
            _log.exception("an exception's condition cannot be compiled", extra={"exemption": one.id})


def _is_true(holds: Test, fields: Fields) -> bool:
    try:
        return holds(fields)
    except Exception:  # noqa: BLE001 — an exception that cannot be asked holds nothing back
        _log.exception("an exception's condition failed")
        return False
