"""Correlation over a list of events at once: for rules' own tests, `rules eval`, simulation. Pure; the same engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from watchkeeper.detect.conditions.fields import Record
from watchkeeper.detect.correlation.bounds import Bounds
from watchkeeper.detect.correlation.engine import Engine, Found
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.correlation.operators.interface import Mark

_BOUNDS = Bounds()


@dataclass(frozen=True)
class Match:
    """An event that some rules matched."""

    time: int
    """Event time in microseconds."""
    record: Record
    rules: tuple[str, ...]
    """Their ids; those that no correlation names do no harm."""
    id: str = ""
    """Its own, if it has one: an event of the same moment and id is the same event."""


def correlate(
    correlations: Iterable[Correlation],
    matches: Iterable[Match],
    *,
    until: int | None = None,
    bounds: Bounds = _BOUNDS,
) -> list[Found]:
    """What the correlations find, in the order of event time; a mark's `index` is the place in `matches`.

    Event time goes on to `until`, or to the last event: what would be decided later is left open, as with a file that
    ends. Raises `Misconfigured` for a correlation that cannot be carried out.
    """
    engine = Engine(correlations, bounds)
    found: list[Found] = []
    last = -1
    for index, match in enumerate(matches):
        ids = tuple(rule for rule in match.rules if rule in engine.routes.named)
        if ids:
            engine.take(Mark(match.time, "", index, match.id), match.record, ids, match.record)
        last = max(last, match.time)
    return found + engine.advance((last if until is None else until) + 1)
