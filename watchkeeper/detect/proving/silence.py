"""Stands before admission: what a silent rule finds is recorded and wakes nobody, what a disabled one finds is nothing.

Decided anew from the control state, at most once a second, so that enabling a rule needs no restart. What admission
holds back of a drill, since the same was told a moment ago, is recorded in silence, too: a drill must be judged by
each of its attacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.detect.alerts.model import RAISED
from watchkeeper.detect.alerts.raising import alert_of
from watchkeeper.detect.check import check
from watchkeeper.detect.interface import Admission
from watchkeeper.detect.model import Detection, Heading, Rule
from watchkeeper.detect.proving.simulation import DRILL
from watchkeeper.detect.proving.standing import Decided, Standing, State, standing
from watchkeeper.events import Event

SILENCED = "detect.alert.silenced"
UNTRIED = "the rule may not wake anyone"
HELD_BACK = "a drill, of which the same was told before"
Known = Callable[[], Mapping[str, Decided]]


class Ranks:
    """What each rule may do now."""

    def __init__(self, known: Known, own: Path | None, rules: Iterable[Rule] = ()) -> None:
        """`own` is the folder of the estate's rules; `rules` are those whose tests are asked."""
        self._known = known
        self._own = own
        self._failing = {rule.id for rule in rules if self.is_own(rule) and check(rule).wrong}
        self._decided: Mapping[str, Decided] = {}
        self._next = 0

    def of(self, by: Heading, now: int) -> Standing:
        """Read anew once a second; while the control state cannot be read, as it was."""
        if now >= self._next:
            self._next = now + SECOND
            with suppress(WatchkeeperError):  # a locked database passes; the detector says so itself when it saves
                self._decided = self._known()
        decided = self._decided.get(by.id) or Decided(by.id)
        return standing(decided, is_own=self.is_own(by), passes=by.id not in self._failing)

    def is_own(self, by: Heading) -> bool:
        """Whether it stands in the estate's folder; what did not come from a file never does."""
        return bool(self._own and by.source and Path(by.source).is_relative_to(self._own))


class Silence:
    """An admission around another."""

    def __init__(self, inner: Admission, ranks: Ranks) -> None:
        self._inner = inner
        self._ranks = ranks
        self.name = inner.name

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """The other's memory."""
        self._inner.restore(kept)

    def changes(self) -> Mapping[str, bytes | None]:
        """The other's."""
        return self._inner.changes()

    def admit(self, detection: Detection, now: int) -> Iterable[Event]:
        """What the other makes of it, a silent record, or nothing."""
        state = self._ranks.of(detection.by, now).state
        if state is State.DISABLED:
            return ()
        if state is State.SILENT:
            return (_silent(detection, now, UNTRIED),)
        events = tuple(self._inner.admit(detection, now))
        if DRILL in detection.event.labels and not any(event.kind == RAISED for event in events):
            return (*events, _silent(detection, now, HELD_BACK))
        return events

    def pass_time(self, watermark: int, now: int) -> Iterable[Event]:
        """The other's."""
        return self._inner.pass_time(watermark, now)


def _silent(detection: Detection, now: int, why: str) -> Event:
    alert = alert_of(detection, now)
    return msgspec.structs.replace(alert, kind=SILENCED, body=alert.body | {"reasons": [why]})
