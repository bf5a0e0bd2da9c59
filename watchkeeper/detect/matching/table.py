"""The rules of one log source, and what each record of it asks first.

A record's values name the rules that may match (`index`); only their conditions run. After the first records, and ever
more seldom later, the table chooses anew what it looks for, by what it saw. What it chooses changes the time a record
takes, never an answer.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from watchkeeper.detect.conditions.fields import Record
from watchkeeper.detect.conditions.needs import Atom, Clause
from watchkeeper.detect.matching.counts import Counts
from watchkeeper.detect.matching.everywhere import Everywhere
from watchkeeper.detect.matching.index import Probe, atoms_by_field
from watchkeeper.detect.matching.judging import Judged
from watchkeeper.detect.matching.learning import Experience, choose, is_worth_it
from watchkeeper.detect.matching.reaching import Reach, reach_for

R = TypeVar("R")

_SAMPLE = 64
_RARER = 16
"""Each choice lasts for so many times more records than the one before."""
_PLANS = 4096


class Table(Generic[R]):
    """One log source. Belongs to one thread."""

    def __init__(self, judged: tuple[Judged[R], ...], kind: type, first: int, counts: Counts) -> None:
        self.judged = judged
        """All of them."""
        self._counts = counts
        self._kind = kind
        """Of the records: plain dicts, or events of our own."""
        self._sample: list[Record] = []
        self._next = first
        """Records before the next choice."""
        self._skip = self._until = max(first // _SAMPLE, 1)
        self._seen = 0
        self._clauses: list[Clause | None] | None = None
        """What each rule is looked for by."""
        self._by_field: dict[str, dict[Atom, int]] = {}
        self._everywhere: Everywhere | None = None
        self._probes: dict[str, Probe] = {}
        self._named: tuple[tuple[str, dict[str | int, int], Probe], ...] = ()
        """Fields that are members of a plain record."""
        self._reached: tuple[tuple[Reach, dict[str | int, int], Probe], ...] = ()
        self._unrepeated: tuple[tuple[Reach, Probe], ...] = ()
        """Fields whose values do not come again."""
        self._choose(Experience(self._kind))

    def candidates(self, record: Any, raw: bytes | None) -> tuple[Judged[R], ...]:
        """The rules that can match this record; the others cannot."""
        self._until -= 1
        if not self._until:
            self._look_closer(record)
        marks = self._always
        named = self._named
        get = record.get if named else _nothing
        for name, memo, probe in named:
            value = get(name)
            if type(value) is str or type(value) is int:
                found = memo.get(value)
                marks |= probe.learn(value) if found is None else found
            elif value is not None:
                marks |= probe.find_other(value, record)
        marks |= self._look_further(record)
        if self._everywhere is not None:
            marks |= self._everywhere.find(record, raw)
        if not marks:
            return ()
        plan = self._plans.get(marks)
        return self._plan(marks) if plan is None else plan

    def _look_further(self, record: Any) -> int:
        """The marks of fields that are no members of a plain record, and of those whose values never come again."""
        marks = 0
        for reach, memo, probe in self._reached:
            value = reach(record)
            if type(value) is str or type(value) is int:
                found = memo.get(value)
                marks |= probe.learn(value) if found is None else found
            elif value is not None:
                marks |= probe.find_other(value, record)
        for reach, probe in self._unrepeated:
            value = reach(record)
            if type(value) is str:
                marks |= probe.find(value)
            elif value is not None:
                marks |= probe.find_other(value, record)
        return marks

    def _plan(self, marks: int) -> tuple[Judged[R], ...]:
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        plan = self._plans[marks] = tuple(one for bit, one in enumerate(self.judged) if marks >> bit & 1)
        return plan

    def _choose(self, experience: Experience) -> None:
        """Decide what each rule is looked for by, and build what is not there yet."""
        clauses = choose([one.needs for one in self.judged], experience)
        if self._clauses is None or is_worth_it(clauses, self._clauses, experience, self._next * _RARER):
            self._clauses = clauses
            self._build(clauses)
        self._arrange(experience)

    def _build(self, clauses: list[Clause | None]) -> None:
        """What was built before and is still the same stays."""
        before = self._by_field
        self._by_field, self._always = atoms_by_field(clauses)
        keywords = self._by_field.get("")
        if keywords != before.get(""):
            self._everywhere = Everywhere(keywords.items()) if keywords else None
        self._probes = {
            field: self._probes[field] if atoms == before.get(field) else Probe(field, atoms.items(), self._counts)
            for field, atoms in sorted(self._by_field.items())
            if field
        }
        self._plans: dict[int, tuple[Judged[R], ...]] = {}

    def _arrange(self, experience: Experience) -> None:
        """In which way each field is looked at."""
        again = {field: probe for field, probe in self._probes.items() if experience.repeats(field)}
        reach = {field: reach_for(self._kind, field) for field in self._probes}
        direct = {field for field in again if self._kind is dict and "." not in field}
        self._named = tuple((field, again[field].memo, again[field]) for field in direct)
        self._reached = tuple((reach[field], again[field].memo, again[field]) for field in again if field not in direct)
        self._unrepeated = tuple((reach[field], probe) for field, probe in self._probes.items() if field not in again)

    def _look_closer(self, record: Record) -> None:
        """Keep a record to learn from; when there are enough, learn."""
        self._sample.append(record)
        self._seen += self._skip
        if self._seen >= self._next:
            self._choose(Experience(self._kind, self._sample))
            self._sample.clear()
            self._next *= _RARER
            self._skip = max(self._next // _SAMPLE, 1)
        self._until = self._skip


def _nothing(_: str) -> None:
    """An event of ours is reached otherwise."""
