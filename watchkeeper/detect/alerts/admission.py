"""Makes alerts of detections: what is known, how bad it is, whether an exception holds it, whether it is news.

1. What is held back was told before: the same principal, place and outcome, no less severe (an attack behind noise).
2. What is held back is counted, and the count is told, at the latest when the window or the period ends (silent loss).
3. Sources that fail, exceptions that cannot be read, memory that is full: then more is told, never less.
4. A drill never stands in for the real thing, nor one tenant for another; of a drill every match is told.
5. What gets past a containment is news, however often it was told before it (an attack that goes on).
6. What comes again after a person closed its alert is told again (an attacker who waits for the all-clear).
7. An exception ends by itself, and holds back nothing critical unless it says so (a blind spot that stays).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.detect.alerts.exceptions.held import Held
from watchkeeper.detect.alerts.model import CARRIED, DRILL, Context, Subject, Telling, outcome_of, subject_of
from watchkeeper.detect.alerts.novelty import Facet
from watchkeeper.detect.alerts.raising import alert_id, alert_of
from watchkeeper.detect.alerts.severity import weigh
from watchkeeper.detect.alerts.telling import is_told, repeated, throttled
from watchkeeper.detect.alerts.throttle import Period, Periods
from watchkeeper.detect.alerts.windows import Group, Last, Window, Windows
from watchkeeper.detect.model import Detection
from watchkeeper.events import Event

_STOPPED = ("deny", "ask")
_decoder = msgspec.msgpack.Decoder(Window | Period)


class Limits(msgspec.Struct, frozen=True):
    """How much is told."""

    window_seconds: int = 900
    throttle_alerts: int = 100
    throttle_seconds: int = 3600


@dataclass(frozen=True)
class Knowledge:
    """Whom admission asks."""

    enrich: Callable[[Subject], Context] = lambda _: {}
    standing: Callable[[Subject], int] = lambda _: 0
    """The generation of the last containment order that touches it."""
    closed: Callable[[], Collection[str]] = tuple
    """Ids of alerts that people closed lately."""
    exceptions: Held | None = None


@dataclass(frozen=True)
class _Seen:
    """A detection on its way."""

    detection: Detection
    telling: Telling
    facet: Facet
    group: Group
    last: Last
    now: int

    def alert(self, news: Iterable[str] = (), first: str = "") -> Event:
        """Its alert."""
        telling = msgspec.structs.replace(self.telling, news=tuple(news), first=first)
        return alert_of(self.detection, self.now, telling)


class AlertAdmission:
    """One per stream; its memory is committed with the stream's cursor."""

    name = "alerts"

    def __init__(self, limits: Limits | None = None, knowledge: Knowledge | None = None) -> None:
        limits = limits or Limits()
        self._limit = limits.throttle_alerts
        self._knowledge = knowledge or Knowledge()
        self._windows = Windows(limits.window_seconds * SECOND)
        self._periods = Periods(limits.throttle_seconds * SECOND)
        self._dirty: dict[str, Window | Period | None] = {}

    # what outlives a crash

    def restore(self, kept: Mapping[str, bytes]) -> None:
        """Be what was kept. Raises `msgspec.MsgspecError` when that cannot be read."""
        self._windows, self._periods = Windows(self._windows.length), Periods(self._periods.length)
        self._dirty.clear()
        for row in kept.values():
            found = _decoder.decode(row)
            if isinstance(found, Window):
                self._windows.restore(found)
            else:
                self._periods.restore(found)

    def changes(self) -> Mapping[str, bytes | None]:
        """What changed since the last call."""
        changed = {key: None if value is None else msgspec.msgpack.encode(value) for key, value in self._dirty.items()}
        self._dirty.clear()
        return changed

    # what the stream asks

    def admit(self, detection: Detection, now: int) -> Iterable[Event]:
        """Its alert, or what its being held back is worth to be told."""
        seen = self._look(detection, now)
        if DRILL in seen.group.labels:
            return (seen.alert(),)
        events = list(self._ended(seen))
        window = self._windows.get(seen.group.key)
        if window is not None:
            events += self._more(window, seen)
        elif seen.group.exception:
            events += self._first(seen)
        else:
            events += self._raise_or_hold(seen)
        return events

    def pass_time(self, watermark: int, now: int) -> Iterable[Event]:
        """The final counts of what is over."""
        events: list[Event] = []
        for window in self._windows.over(watermark):
            events += self._close(window, now, "time")
        for period in self._periods.over(watermark):
            events += self._finish(period, now)
        return events

    # how it is carried out

    def _look(self, detection: Detection, now: int) -> _Seen:
        event, by, knows = detection.event, detection.by, self._knowledge
        subject = subject_of(detection)
        context = knows.enrich(subject)
        weighed = weigh(detection, context)
        held = knows.exceptions.by(detection, weighed.severity, now) if knows.exceptions is not None else None
        group = Group(
            rule=by.id,
            name=by.name,
            title=by.title,
            group=detection.group,
            tenant=event.tenant,
            server=event.server,
            target=event.target,
            labels=tuple(sorted(CARRIED.intersection(event.labels))),
            exception=held.id if held is not None else "",
        )
        return _Seen(
            detection,
            Telling(weighed, context, exception=group.exception, because=held.reason if held is not None else ""),
            Facet(event.actor, event.server, event.target, self._outcome(event, subject), weighed.severity),
            group,
            # a time yet to come would keep a window open for ever
            Last(event.id, detection.position.writer, detection.position.index, min(event.time, now)),
            now,
        )

    def _outcome(self, event: Event, subject: Subject) -> str:
        outcome = outcome_of(event)
        if outcome in _STOPPED:
            return outcome
        standing = self._knowledge.standing(subject)
        return f"{outcome} past {standing}" if standing else outcome

    def _ended(self, seen: _Seen) -> Iterator[Event]:
        """What is over by this one's time, although time has not been passed yet."""
        key = seen.group.key
        if (window := self._windows.ended(key, seen.last.time)) is not None:
            yield from self._close(window, seen.now, "time")
        elif (window := self._windows.get(key)) is not None and window.alert in self._knowledge.closed():
            self._windows.drop(key)
            yield from self._close(window, seen.now, "closed")
        period = self._periods.ended(seen.group, seen.last.time)
        if period is not None:
            yield from self._finish(period, seen.now)

    def _more(self, window: Window, seen: _Seen) -> Iterator[Event]:
        news = window.takes(seen.facet, seen.last)
        self._dirty[window.of.key] = window
        if news:
            yield seen.alert(news, window.alert)
            if not seen.group.exception:
                self._tells(self._period(seen), seen)
        if is_told(window.count):
            yield repeated(window, seen.now)

    def _raise_or_hold(self, seen: _Seen) -> Iterator[Event]:
        period = self._period(seen)
        if period.takes(seen.facet, self._limit):
            self._tells(period, seen)
            yield from self._first(seen)
            return
        period.holds(seen.group, seen.facet, seen.last)
        self._dirty[period.key] = period
        if period.held == 1 or is_told(period.held):
            yield throttled(period, seen.now, self._limit)

    def _first(self, seen: _Seen) -> Iterator[Event]:
        window = Window(seen.group, alert_id(seen.detection), seen.last.time, seen.last)
        self._windows.open(window, seen.facet)
        self._dirty[window.of.key] = window
        yield seen.alert()
        for crowded in self._windows.crowd():
            yield from self._close(crowded, seen.now, "room")

    def _period(self, seen: _Seen) -> Period:
        return self._periods.at(seen.group, seen.facet, seen.last.time)

    def _tells(self, period: Period, seen: _Seen) -> None:
        period.tells(seen.facet)
        self._dirty[period.key] = period

    def _close(self, window: Window, now: int, why: str) -> Iterator[Event]:
        self._dirty[window.of.key] = None
        if window.count > 1:
            yield repeated(window, now, why)

    def _finish(self, period: Period, now: int) -> Iterator[Event]:
        self._dirty[period.key] = None
        if period.held:
            yield throttled(period, now, self._limit, is_over=True)
