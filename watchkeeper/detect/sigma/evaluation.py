"""Any rules over any events: which of them match, event by event, and what they mean together. Records nothing.

Unlike the stream this knows no journal: order and time are what the events say of themselves. Within a case (events
that belong together under one id) correlations see that case only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from watchkeeper.detect.conditions.scope import fields_of
from watchkeeper.detect.correlation.bounds import Bounds
from watchkeeper.detect.correlation.engine import Engine, Found
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.correlation.operators.interface import Mark
from watchkeeper.detect.matching.matcher import Matcher
from watchkeeper.detect.model import Heading
from watchkeeper.detect.sigma.foreign.enriching import Enricher
from watchkeeper.detect.sigma.foreign.files import Item
from watchkeeper.detect.sigma.foreign.model import Origin
from watchkeeper.detect.sigma.foreign.moments import moment_of
from watchkeeper.detect.sigma.foreign.origins import KNOWN, origin_of
from watchkeeper.detect.sigma.foreign.shapes import is_as_told, normal
from watchkeeper.detect.sigma.model import ReadRule
from watchkeeper.detect.sigma.spelling import Spelling

_BOUNDS = Bounds()
_FORGET = 10_000


class Outcome(msgspec.Struct, frozen=True):
    """What was found in an event or a case."""

    item: Item
    headings: tuple[Heading, ...]
    """Of what matched, each once."""


class Together(msgspec.Struct, frozen=True):
    """What several events mean together, found when all events were seen."""

    heading: Heading
    file: str
    line: int
    """Of the event that completed it."""
    found: dict[str, Any]
    events: tuple[tuple[str, int], ...]
    """File and line of those that led to it, bounded."""


class Counts(msgspec.Struct):
    """What an evaluation has seen so far."""

    events: int = 0
    cases: int = 0
    matched: int = 0
    """Events or cases in which something was found."""
    matches: int = 0
    untimed: int = 0
    """Events without a time that could be read, where correlations need one: they count as of the time before."""
    failed: int = 0
    """Rules that could not be judged on an event."""


class Evaluator:
    """One run."""

    def __init__(self, rules: Iterable[ReadRule], correlations: Iterable[Correlation] = ()) -> None:
        """Raises `Misconfigured` for a correlation that cannot be carried out."""
        self._rules = tuple(rules)
        self._correlations = tuple(correlations)
        self._matcher: Matcher[ReadRule] = Matcher(self._rules_of, origin_of, self._failed)
        fields = {field for rule in self._rules for field in fields_of(rule.condition)}
        self._spelling = Spelling(fields)
        self._enricher = Enricher(fields)
        self._engine = Engine(self._correlations, _BOUNDS)
        self._together: list[Found] = []
        self._time = 0
        self._newest = 0
        self._taken = 0
        self.counts = Counts()

    def look(self, item: Item) -> Outcome:
        """What is found in an event or a case."""
        counts = self.counts
        found: dict[str, Heading] = {}
        engine = Engine(self._correlations, _BOUNDS) if item.case and self._correlations else self._engine
        for event in item.events:
            counts.events += 1
            named = normal(event)
            text = item.text if is_as_told(event, named) else None
            record = self._enricher.enriched(self._spelling.spelled(named))
            matched = self._matcher.match(record, text)
            if matched:
                found |= {rule.heading.id: rule.heading for rule in matched if rule.alone}
                if self._correlations:
                    self._take(engine, item, record, tuple(rule.heading.id for rule in matched))
        if item.case:
            counts.cases += 1
            if engine is not self._engine:
                ends = engine.advance(self._newest + 1)
                self._time = self._newest = 0
                found |= {one.correlation.heading.id: one.correlation.heading for one in ends if one.correlation.alone}
        counts.matched += bool(found)
        counts.matches += len(found)
        return Outcome(item, tuple(found.values()))

    def end(self) -> Iterator[Together]:
        """What the events meant together; to be asked once, at the end."""
        self._together += self._engine.advance(self._newest + 1)  # what stays away after it, nobody can know
        for one in self._together:
            if one.correlation.alone:
                mark = one.last.mark
                events = tuple((m.writer, m.at) for m in one.evidence)
                yield Together(one.correlation.heading, mark.writer, mark.at, one.found, events)
        self._together = []

    def _take(self, engine: Engine, item: Item, record: dict[str, Any], ids: tuple[str, ...]) -> None:
        time = moment_of(record)
        if time is None:
            self.counts.untimed += 1
            time = self._time
        self._time = time
        self._newest = max(self._newest, time)
        wanted = tuple(id for id in ids if id in engine.routes.named)
        if not wanted:
            return
        self._taken += 1
        # events of one moment and one line (a case, a list of records) keep the order in which they came
        mark = Mark(max(time, engine.time), item.file, item.line, f"{self._taken:012}")
        engine.take(mark, record, wanted, {})
        self._together += engine.hurry()
        if self._taken % _FORGET == 0:
            _forget(engine)

    def _rules_of(self, origin: Any) -> Iterable[ReadRule]:
        known: Origin = origin
        return [rule for rule in self._rules if known.admits(rule.logsource, KNOWN)]

    def _failed(self, rule: ReadRule, error: Exception) -> None:
        self.counts.failed += 1


def _forget(engine: Engine) -> None:
    """What the engine keeps for a memory that is not there."""
    for held in engine.changed:
        held.is_changed = False
    engine.changed.clear()
    for _ in engine.waiting.blocks():
        pass
