"""The fast matcher for events of our own, as the stream asks it."""

from __future__ import annotations

from operator import attrgetter

from watchkeeper.detect.interface import Matched
from watchkeeper.detect.matching.counts import Counts
from watchkeeper.detect.matching.matcher import Matcher
from watchkeeper.detect.model import Rule
from watchkeeper.events import Event

_NOTHING = Matched()


class Indexed:
    """Rules by the kinds of event that they see. Belongs to one thread."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._failed: list[tuple[Rule, str]] = []
        self._matcher = Matcher(self._rules_for, attrgetter("kind"), self._note)

    def match(self, event: Event) -> Matched:
        """Which rules match it; a rule that fails costs no other."""
        matched = self._matcher.match(event)
        if not matched and not self._failed:
            return _NOTHING
        failed, self._failed = self._failed, []
        return Matched(tuple(matched), tuple(failed))

    @property
    def counts(self) -> Counts:
        """What it has done."""
        return self._matcher.counts

    def _rules_for(self, kind: object) -> tuple[Rule, ...]:
        return tuple(rule for rule in self.rules if rule.sees(str(kind)))

    def _note(self, rule: Rule, error: Exception) -> None:
        self._failed.append((rule, type(error).__name__))
