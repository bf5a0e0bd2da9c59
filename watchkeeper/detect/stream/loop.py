"""The plainest matcher: every rule that looks at the event's kind, one after the other."""

from __future__ import annotations

from watchkeeper.detect.conditions.fields import Fields
from watchkeeper.detect.interface import Matched
from watchkeeper.detect.model import Rule
from watchkeeper.events import Event

_NOTHING = Matched()


class Loop:
    """Asks rule by rule."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self._routes: dict[str, tuple[Rule, ...]] = {}

    def match(self, event: Event) -> Matched:
        """What each rule says."""
        rules = self._routes.get(event.kind)
        if rules is None:
            rules = self._routes[event.kind] = tuple(rule for rule in self.rules if rule.sees(event.kind))
        if not rules:
            return _NOTHING
        fields = Fields(event)
        matched, failed = [], []
        for rule in rules:
            try:
                if rule.holds(fields):
                    matched.append(rule)
            except Exception as error:  # noqa: BLE001 — the outermost loop of a rule: its fault must not silence others
                failed.append((rule, type(error).__name__))
        return Matched(tuple(matched), tuple(failed))
