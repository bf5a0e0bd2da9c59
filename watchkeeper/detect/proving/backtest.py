"""Rules asked about the past: which recorded events they match, through the matcher that the stream has.

An alert's id follows from its rule, its group and its event, so what is found here has the very ids that the stream
would have given: the two can be compared, and a test does. Nothing is recorded.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence

from watchkeeper.core.errors import Invalid
from watchkeeper.detect.alerts.raising import alert_id, detection_of
from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.model import Rule
from watchkeeper.detect.proving.model import Hit
from watchkeeper.detect.proving.past import Fact

_KEPT = 100
MOST_HITS = 2_000_000
"""Beyond, a rule is no rule: the range is to be narrowed, or the rule."""


class Backtest:
    """One run; counts what goes by, and remembers the newest few matches of each rule."""

    def __init__(self, rules: Sequence[Rule], kept: int = _KEPT) -> None:
        self._rules = tuple(rules)
        self._routes: dict[str, tuple[Rule, ...]] = {}
        self.events = 0
        """Events that were looked at."""
        self.of_kinds: Counter[str] = Counter()
        """Kind → events of it."""
        self.counts: Counter[str] = Counter({rule.id: 0 for rule in rules})
        """Rule → matches."""
        self.failures: Counter[str] = Counter()
        """Rule → events on which it could not be evaluated."""
        self.newest: dict[str, deque[Hit]] = {rule.id: deque(maxlen=kept) for rule in rules}

    def run(self, facts: Iterable[Fact]) -> Iterator[Hit]:
        """Every match, as the events come. Raises `Invalid` when there are absurdly many."""
        hits = 0
        for fact in facts:
            self.events += 1
            self.of_kinds[fact.event.kind] += 1
            for hit in self._look(fact):
                self.counts[hit.rule.id] += 1
                self.newest[hit.rule.id].append(hit)
                hits += 1
                yield hit
            if hits > MOST_HITS:
                raise Invalid(f"more than {MOST_HITS:,} matches", hint="narrow the range, or the rule")

    def seen_by(self, rule: Rule) -> int:
        """How many events there were of the kinds that a rule looks at."""
        return sum(count for kind, count in self.of_kinds.items() if rule.sees(kind))

    def _look(self, fact: Fact) -> Iterator[Hit]:
        kind = fact.event.kind
        rules = self._routes.get(kind)
        if rules is None:
            rules = self._routes[kind] = tuple(rule for rule in self._rules if rule.sees(kind))
        if not rules:
            return
        fields = Fields(fact.event)
        for rule in rules:
            try:
                holds = rule.holds(fields)
            except Exception:  # noqa: BLE001 — as in the stream: one rule's fault must not silence the others
                self.failures[rule.id] += 1
                continue
            if holds:
                yield hit_of(rule, fact)


def hit_of(rule: Rule, fact: Fact) -> Hit:
    """A match as it would have been told."""
    found = detection_of(rule, fact.event, fact.position)
    return Hit(rule, fact.event, fact.position, alert_id(found), found.group)
