"""What detection has done and how it stands, for whoever asks. Every loss and every delay has a number here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watchkeeper.core.clock import SECOND

_LATELY = 10


class Counts(msgspec.Struct):
    """Since this process began."""

    events: int = 0
    alerts: int = 0
    failures: int = 0
    """Evaluations of rules and stages that failed."""
    unreadable: int = 0
    """Records that nobody can read any more (erased)."""
    corrupt: int = 0
    """Damaged records that it passed over; each range is recorded."""
    late: int = 0
    """Events that came after event time had passed them: rules saw them, correlations may have decided without."""
    skewed: int = 0
    """Events whose time lay too far beyond the moment of their record; taken as of that moment."""
    duplicates: int = 0
    """Events with the id of another one; not looked at."""
    forgotten: int = 0
    """Rows of memory that were damaged, and begun anew; each loss is recorded."""
    unrecordable: int = 0
    """Derived events that could not be written as a record; each is recorded as a failure."""


class Progress(msgspec.Struct, frozen=True):
    """What detection has done since this process began."""

    events: int
    alerts: int
    failures: int
    unreadable: int
    corrupt: int
    late: int
    skewed: int
    duplicates: int
    forgotten: int
    unrecordable: int
    waiting: int
    """Records of the journal it has not looked at yet. None is ever dropped: what it does not keep up with, waits."""
    watermark: int
    """How far event time has come, microseconds; 0 before the first event."""
    rate: float
    """Records a second, lately."""
    trouble: str
    """Why it stands still; empty while it does not."""
    workers: int = 1
    """Who answered."""
    unfollowed: int = 0
    """Groups of correlations and subjects of baselines that found no place in memory, and matches hurried through."""


def together(workers: Sequence[Progress], troubles: Sequence[str] = ()) -> Progress:
    """Several as one. Each of them reads every event: of what they count of events, one's count is everybody's."""

    def most(name: str) -> int:
        return max(int(getattr(one, name)) for one in workers)

    def summed(name: str) -> int:
        return sum(int(getattr(one, name)) for one in workers)

    return Progress(
        events=min(one.events for one in workers),
        alerts=summed("alerts"),
        failures=summed("failures"),
        unreadable=most("unreadable"),
        corrupt=most("corrupt"),
        late=most("late"),
        skewed=most("skewed"),
        duplicates=most("duplicates"),
        forgotten=summed("forgotten"),
        unrecordable=summed("unrecordable"),
        waiting=most("waiting"),
        watermark=min(one.watermark for one in workers),
        rate=min(one.rate for one in workers),
        trouble="; ".join(filter(None, [*(one.trouble for one in workers), *troubles])),
        workers=len(workers),
        unfollowed=summed("unfollowed"),
    )


class Rate:
    """Records a second over the last ten whole seconds."""

    def __init__(self) -> None:
        self._seconds: dict[int, int] = {}

    def note(self, count: int, now: int) -> None:
        """So many were dealt with."""
        second = now // SECOND
        if count:
            self._seconds[second] = self._seconds.get(second, 0) + count
        if len(self._seconds) > 2 * _LATELY:
            self._seconds = {at: one for at, one in self._seconds.items() if at >= second - _LATELY}

    def value(self, now: int) -> float:
        """As of now."""
        second = now // SECOND
        return sum(one for at, one in list(self._seconds.items()) if second - _LATELY <= at < second) / _LATELY
