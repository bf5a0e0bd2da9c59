"""A correlation over a few events of its own: is it told? Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from watchkeeper.detect.correlation.batch import Match, correlate
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.correlation.planning import numbered
from watchkeeper.detect.model import Rule
from watchkeeper.events import Event


def is_told(
    correlation: Correlation, among: Iterable[Correlation], rules: Iterable[Rule], events: Sequence[Event]
) -> bool:
    """Whether it is told of these events, with the rules and correlations that it needs; time goes on after them."""
    needed = _needed(correlation, {one.heading.id: one for one in among})
    ids = {rule for one in needed for rule in numbered(one)}
    asked = [rule for rule in rules if rule.id in ids]
    matches = [Match(event.time, event, tuple(rule.id for rule in asked if rule.matches(event))) for event in events]
    until = max((event.time for event in events), default=0) + sum(one.timespan for one in needed)
    found = correlate(needed, matches, until=until)
    return any(one.correlation.heading.id == correlation.heading.id for one in found)


def _needed(correlation: Correlation, known: dict[str, Correlation]) -> list[Correlation]:
    """It, and all that it names, if by others."""
    needed = {correlation.heading.id: correlation}
    open_ = [correlation]
    while open_:
        for rule in numbered(open_.pop()):
            if rule in known and rule not in needed:
                needed[rule] = known[rule]
                open_.append(known[rule])
    return list(needed.values())
