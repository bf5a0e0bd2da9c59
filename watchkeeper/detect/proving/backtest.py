"""Rules and correlations asked about the past: what they find, through the matcher and the operators of the stream.

An alert's id follows from its rule, its group and its event, so what is found here has the very ids that the stream
would have given: the two can be compared, and a test does. Nothing is recorded.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid
from watchkeeper.detect.alerts.raising import alert_id, detection_of
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.correlation.planning import numbered
from watchkeeper.detect.correlation.stage import CorrelationStage
from watchkeeper.detect.interface import Seen
from watchkeeper.detect.matching.own import Indexed
from watchkeeper.detect.model import Detection, Heading, Rule
from watchkeeper.detect.proving.model import Hit
from watchkeeper.detect.proving.past import Fact
from watchkeeper.detect.sigma.rules import Detections

_KEPT = 100
_LATENESS = 5 * SECOND
"""How late an event may be, beside the order in which the past is read; as in the stream."""
MOST_HITS = 2_000_000
"""Beyond, a rule is no rule: the range is to be narrowed, or the rule."""


class Chosen(msgspec.Struct, frozen=True):
    """What is asked for, and all that has to run for it."""

    headings: tuple[Heading, ...]
    """Of the rules and correlations that are asked for, by name."""
    rules: tuple[Rule, ...]
    correlations: tuple[Correlation, ...]

    def rules_of(self, heading: Heading) -> tuple[Rule, ...]:
        """The rules about single events that it stands on: itself, or what a correlation names."""
        ids = _closure({heading.id}, {one.heading.id: one for one in self.correlations})
        return tuple(rule for rule in self.rules if rule.id in ids)


def choose(detections: Detections, ids: Iterable[str] | None = None) -> Chosen:
    """These, with what their correlations refer to; without ids, all that raise alerts by themselves."""
    correlations = {one.heading.id: one for one in detections.correlations}
    headings = [*detections.rules, *(one.heading for one in detections.correlations)]
    if ids is None:
        silent = {one.heading.id for one in detections.correlations if not one.alone}
        wanted = {one.id for one in headings if one.id not in silent and getattr(one, "alone", True)}
    else:
        wanted = set(ids)
    needed = _closure(wanted, correlations)
    return Chosen(
        headings=tuple(sorted((one for one in headings if one.id in wanted), key=lambda one: one.name)),
        rules=tuple(rule for rule in detections.rules if rule.id in needed),
        correlations=tuple(one for one in detections.correlations if one.heading.id in needed),
    )


class Backtest:
    """One run; counts what goes by, and remembers the newest few matches of each."""

    def __init__(self, chosen: Chosen, kept: int = _KEPT) -> None:
        self._chosen = chosen
        self._asked = {one.id for one in chosen.headings}
        self._matcher = Indexed(chosen.rules)
        self._stage = CorrelationStage(chosen.correlations) if chosen.correlations else None
        self._time = 0
        self.events = 0
        """Events that were looked at."""
        self.of_kinds: Counter[str] = Counter()
        """Kind → events of it."""
        self.counts: Counter[str] = Counter(dict.fromkeys(self._asked, 0))
        """Rule → matches."""
        self.failures: Counter[str] = Counter()
        """Rule → events on which it could not be evaluated."""
        self.newest: dict[str, deque[Hit]] = {one: deque(maxlen=kept) for one in self._asked}

    @property
    def late(self) -> int:
        """Events that came too late to be correlated."""
        return self._stage.progress().late if self._stage is not None else 0

    def run(self, facts: Iterable[Fact], until: int = 0) -> Iterator[Hit]:
        """Every match, as the events come; time goes on to `until`. Raises `Invalid` when there are absurdly many."""
        for hits, hit in enumerate(self._all(facts, until), 1):
            self.counts[hit.rule.id] += 1
            self.newest[hit.rule.id].append(hit)
            yield hit
            if hits > MOST_HITS:
                raise Invalid(f"more than {MOST_HITS:,} matches", hint="narrow the range, or the rule")

    def seen_by(self, heading: Heading) -> int:
        """How many events there were of the kinds that a rule, or what a correlation stands on, looks at."""
        rules = self._chosen.rules_of(heading)
        return sum(count for kind, count in self.of_kinds.items() if any(rule.sees(kind) for rule in rules))

    def _all(self, facts: Iterable[Fact], until: int) -> Iterator[Hit]:
        for fact in facts:
            self.events += 1
            self.of_kinds[fact.event.kind] += 1
            yield from self._look(fact)
            yield from self._pass_time(fact.event.time - _LATENESS)
        yield from self._pass_time(until - _LATENESS)

    def _look(self, fact: Fact) -> Iterator[Hit]:
        matched = self._matcher.match(fact.event)
        for rule, _ in matched.failed:
            self.failures[rule.id] += 1
        for rule in matched.rules:
            if rule.id in self._asked:
                yield hit_of(detection_of(rule, fact.event, fact.position))
        if self._stage is not None and matched.rules:
            yield from self._told(self._stage.look(Seen(fact.event, fact.position, matched.rules)))

    def _pass_time(self, time: int) -> Iterator[Hit]:
        time -= time % SECOND
        if self._stage is not None and time > self._time:
            self._time = time
            yield from self._told(self._stage.pass_time(time))

    def _told(self, found: Iterable[Detection]) -> Iterator[Hit]:
        return (hit_of(one) for one in found if one.by.id in self._asked)


def hit_of(found: Detection) -> Hit:
    """A match as it would have been told."""
    return Hit(found, alert_id(found))


def _closure(ids: set[str], correlations: dict[str, Correlation]) -> set[str]:
    needed, open_ = set(ids), list(ids)
    while open_:
        one = correlations.get(open_.pop())
        for name in numbered(one) if one is not None else ():
            if name not in needed:
                needed.add(name)
                open_.append(name)
    return needed
