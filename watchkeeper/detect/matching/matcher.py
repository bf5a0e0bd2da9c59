"""Which rules match a record: the front door of the fast matcher.

The caller says how a record is routed: a key of its log source, and the rules that look at records of that key. Keys
are few and are made by us (a kind of event, a log source), never of what a record says freely.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from watchkeeper.detect.conditions.fields import Record
from watchkeeper.detect.conditions.model import Condition
from watchkeeper.detect.matching.counts import Counts
from watchkeeper.detect.matching.judging import Judged
from watchkeeper.detect.matching.table import Table
from watchkeeper.detect.matching.views import Names, View
from watchkeeper.events import Event


class Conditioned(Protocol):
    """A rule, as far as the matcher knows it."""

    @property
    def condition(self) -> Condition: ...


R = TypeVar("R", bound=Conditioned)
_TABLES = 2048
Failed = Callable[[R, Exception], None]


class Matcher(Generic[R]):
    """Rules, indexed by what they need. Belongs to one thread."""

    def __init__(
        self,
        rules_of: Callable[[Hashable], Iterable[R]],
        route: Callable[[Any], Hashable],
        failed: Failed[R] | None = None,
        learn_after: int = 32,
    ) -> None:
        """`failed` is told of a rule that could not be judged; without it the error goes to the caller.

        A table learns first from `learn_after` records.
        """
        self._rules_of = rules_of
        self._route = route
        self._failed = failed
        self._learn_after = learn_after
        self._names = Names()
        self._known: dict[int, Judged[R]] = {}
        self._of_dicts: dict[Hashable, Table[R]] = {}
        self._of_events: dict[Hashable, Table[R]] = {}
        self._by_rules: dict[tuple[type, tuple[int, ...]], Table[R]] = {}
        self.counts = Counts()

    @classmethod
    def of(cls, rules: Sequence[R], learn_after: int = 32) -> Matcher[R]:
        """All of these rules for every record."""
        return cls(lambda _: rules, lambda _: None, learn_after=learn_after)

    def match(self, record: Record, raw: bytes | None = None) -> list[R]:
        """The rules that match, in the order in which they were given.

        `raw` is the JSON text of the record, in UTF-8, if it is at hand: keywords are found faster with it.
        """
        counts = self.counts
        counts.records += 1
        key = self._route(record)
        table = (self._of_dicts if type(record) is dict else self._of_events).get(key) or self._table(key, record)
        try:
            candidates = table.candidates(record, raw)
        except Exception:  # noqa: BLE001 — whatever is wrong with an index costs time, not matches
            counts.unindexed += 1
            candidates = table.judged
        if not candidates:
            return []
        counts.candidates += len(candidates)
        view = View(record, self._names)
        found = [one.rule for one in candidates if self._holds(one, view)]
        counts.matches += len(found)
        counts.cut += view.was_cut
        return found

    def _holds(self, one: Judged[R], view: View) -> bool:
        if self._failed is None:
            return one.holds(view)
        try:
            return one.holds(view)
        except Exception as error:  # noqa: BLE001 — the outermost loop of a rule: its fault must not silence the others
            self._failed(one.rule, error)
            return False

    def _table(self, key: Hashable, record: Record) -> Table[R]:
        """The table of a key; keys with the same rules share one."""
        judged = tuple(self._judged(rule) for rule in self._rules_of(key))
        tables, kind = (self._of_dicts, dict) if type(record) is dict else (self._of_events, Event)
        if len(tables) >= _TABLES:
            tables.clear()
            self._by_rules.clear()
        same = kind, tuple(map(id, judged))
        table = self._by_rules.get(same)
        if table is None:
            table = self._by_rules[same] = Table(judged, kind, self._learn_after, self.counts)
        tables[key] = table
        return table

    def _judged(self, rule: R) -> Judged[R]:
        known = self._known.get(id(rule))
        if known is None:
            known = self._known[id(rule)] = Judged(rule, rule.condition, self._names)
        return known
