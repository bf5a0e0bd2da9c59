"""Correlation as such: events in any order in, what they mean together out. Pure, and the same however they came.

Events wait until event time has passed them (`waiting`), and are dealt with in its order: those of one moment in the
order of the journal, and what becomes due at a moment after the events of that moment. So an operator never sees an
event too late, and what is told does not depend on the order of arrival.

What cannot be remembered any more (`bounds`) errs to telling: the group that finds no place is told as such, with
`overflow` in what was found, once in a time span for each correlation; all of them are counted.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from watchkeeper.detect.conditions.fields import Record
from watchkeeper.detect.correlation.bounds import Bounds
from watchkeeper.detect.correlation.facts import Group, digest_of, facts_of, groups_of
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.correlation.operators.interface import EVIDENCE, Mark, Occurrence, State, Told
from watchkeeper.detect.correlation.planning import Plan, plan_for
from watchkeeper.detect.correlation.routing import Routes, Way
from watchkeeper.detect.correlation.waiting import Waiting

Ids = tuple[str, ...]
_Agenda = dict[int, list[tuple[Occurrence, tuple[Way, ...]]]]
"""What is to be shown to which correlation; those with a higher number may name those with a lower one."""


@dataclass(frozen=True)
class Found:
    """A correlation that holds."""

    correlation: Correlation
    time: int
    """When it came to hold: of the event that completed it, or the end of the time that was waited."""
    group: Group
    """The tenant, then the values of `group_by`."""
    last: Occurrence
    evidence: tuple[Mark, ...]
    found: dict[str, Any]


@dataclass
class Held:
    """One group, and when it is to be looked at again."""

    number: int
    group: Group
    digest: str
    state: State
    due: int = -1
    size: int = 0
    is_changed: bool = False


@dataclass
class Counts:
    """What could not be done as it should."""

    overflow: int = 0
    """Groups that found no place, or were cut off."""
    duplicates: int = 0
    """Events that came twice."""
    late: int = 0
    """Events that came when event time had passed them."""
    hurried: int = 0
    """Events that were dealt with before event time had passed them, for too many waited."""
    quiet: dict[str, int] = field(default_factory=dict)
    """Correlation → until when its overflow is not told again."""


class Engine:
    """All correlations of one worker."""

    def __init__(
        self,
        correlations: Iterable[Correlation],
        bounds: Bounds,
        owns: Callable[[str, str], bool] = lambda correlation, group: True,
    ) -> None:
        self.routes = Routes(correlations)
        self.plans: list[Plan] = [plan_for(one, bounds.entries) for one in self.routes.correlations]
        self.bounds = bounds
        self.waiting = Waiting()
        self.groups: list[dict[Group, Held]] = [{} for _ in self.plans]
        self.changed: list[Held] = []
        """Groups that are not as they were when this list was emptied last; those that are gone have no `due`."""
        self.counts = Counts()
        self.time = 0
        """Everything before it was dealt with."""
        self._entries = [0] * len(self.plans)
        self._timers: list[tuple[int, int, str, Held]] = []
        self._owns = owns
        self.owners = self.routes.owners()
        """For each correlation, by what its worker is chosen: see `Routes.owners`."""

    def take(self, mark: Mark, record: Record, ids: Ids, kept: Record) -> None:
        """An event that matched these rules, not before `time`; of it, `kept` and the fields asked for are held."""
        self.waiting.add(Occurrence(mark, facts_of(record, self.routes.needs(ids)), kept), ids)

    def advance(self, time: int) -> list[Found]:
        """What holds by now: there will be no more events before `time`."""
        found: list[Found] = []
        moment, ids_then = -1, set[str]()
        for seen, ids in self.waiting.release(time):
            mark = seen.mark
            if mark[0] != moment:
                moment, ids_then = mark[0], set()
                self._pass(moment, found)
            if mark.id and mark.id in ids_then:
                self.counts.duplicates += 1
                continue
            ids_then.add(mark.id)
            self._run({number: [(seen, ways)] for number, ways in self.routes.reach(ids)}, found)
        self._pass(time, found)
        self.time = max(self.time, time)
        return found

    def hurry(self) -> list[Found]:
        """Deal with the older half of what waits, where too many do."""
        waited = len(self.waiting)
        if waited <= self.bounds.waiting:
            return []
        found = self.advance(self.waiting.middle() + 1)
        self.counts.hurried += waited - len(self.waiting)
        return found

    def hold(self, held: Held) -> None:
        """A group as it was remembered."""
        self.groups[held.number][held.group] = held
        held.size = held.state.size()
        self._entries[held.number] += held.size
        self._schedule(held)

    def _run(self, agenda: _Agenda, found: list[Found]) -> None:
        """Occurrences to the correlations that they reach, and what these complete to those that name them."""
        while agenda:
            number = min(agenda)
            for seen, ways in agenda.pop(number):
                if not self.groups[number] and not self._begins(number, ways):
                    continue
                for group, which, values in self._grouped(number, seen, ways):
                    told = self._feed(number, group, seen, which, values)
                    if told is not None:
                        self._tell(Found(*self._what(number, group, told, seen, seen.mark[0])), agenda, found)

    def _what(self, number: int, group: Group, told: Told, last: Occurrence, time: int) -> tuple[Any, ...]:
        correlation = self.routes.correlations[number]
        found = dict(told.found)
        if "rules" in found:
            found["rules"] = [correlation.rules[rule] for rule in found["rules"]]
        return correlation, time, group, last, told.evidence[-EVIDENCE:], found

    def _tell(self, one: Found, agenda: _Agenda, found: list[Found]) -> None:
        """A detection, which is an occurrence for the correlations that name it."""
        found.append(one)
        reach = self.routes.reach((one.correlation.heading.id,))
        if reach:
            own = zip(one.correlation.group_by, one.group[1:], strict=True)
            facts = one.last.facts | {name: (value,) for name, value in own if value is not None}
            seen = Occurrence(one.last.mark._replace(time=one.time), facts, one.last.record)
            for number, ways in reach:
                agenda.setdefault(number, []).append((seen, ways))

    def _grouped(
        self, number: int, seen: Occurrence, ways: tuple[Way, ...]
    ) -> Iterable[tuple[Group, tuple[int, ...], Any]]:
        """The groups of the correlation that the event belongs to; in each it is one event, whatever it matched."""
        scope = getattr(seen.record, "tenant", "")
        values = self.plans[number].values
        if len(ways) == 1:
            way = ways[0]
            what = values(seen.facts, way.fields) if values is not None else ()
            return [(group, way.which, what) for group in groups_of(seen.facts, way.group_by, scope)]
        merged: dict[Group, tuple[list[int], list[Any]]] = {}
        for way in ways:
            for group in groups_of(seen.facts, way.group_by, scope):
                which, what_all = merged.setdefault(group, ([], []))
                which += way.which
                what_all += values(seen.facts, way.fields) if values is not None else ()
        return [(group, tuple(sorted(which)), what_all) for group, (which, what_all) in merged.items()]

    def _feed(self, number: int, group: Group, seen: Occurrence, which: tuple[int, ...], values: Any) -> Told | None:
        held = self.groups[number].get(group)
        if held is None:
            begins = self.plans[number].begins
            if begins is not None and begins.isdisjoint(which):
                return None  # a later step, of which nothing came before
            held = self._begin(number, group)
            if held is None:
                return None
            if self._is_full(number):
                return self._overflow(number, seen)
            self.groups[number][group] = held
        told = held.state.feed(seen, which, values)
        if not held.is_changed:
            held.is_changed = True
            self.changed.append(held)
        size = held.state.size()
        if size != held.size:
            self._entries[number] += size - held.size
            held.size = size
            if self._entries[number] > self.bounds.total:
                self._drop(held)
                return told or self._overflow(number, seen)
        if held.due < 0 or self.plans[number].is_timed:
            self._schedule(held)
        return told

    def _begins(self, number: int, ways: tuple[Way, ...]) -> bool:
        begins = self.plans[number].begins
        return begins is None or not all(begins.isdisjoint(way.which) for way in ways)

    def _begin(self, number: int, group: Group) -> Held | None:
        """A new group, if it is this worker's."""
        digest = digest_of(group)
        owner, is_whole = self.owners[number]
        if not self._owns(owner, "" if is_whole else digest):
            return None
        return Held(number, group, digest, self.plans[number].begin())

    def _is_full(self, number: int) -> bool:
        return len(self.groups[number]) >= self.bounds.groups

    def _overflow(self, number: int, seen: Occurrence) -> Told | None:
        self.counts.overflow += 1
        correlation = self.routes.correlations[number]
        time = seen.mark[0]
        if time <= self.counts.quiet.get(correlation.heading.id, -1):
            return None
        self.counts.quiet[correlation.heading.id] = time + correlation.timespan
        return Told(None, (seen.mark,), {"overflow": True, "groups": len(self.groups[number]), "first": time})

    def _drop(self, held: Held) -> None:
        del self.groups[held.number][held.group]
        self._entries[held.number] -= held.size
        held.due = -1
        if not held.is_changed:
            held.is_changed = True
            self.changed.append(held)

    def _schedule(self, held: Held) -> None:
        due = held.state.due()
        if held.due < 0 or due < held.due:
            held.due = max(due, 0)
            heapq.heappush(self._timers, (held.due, held.number, held.digest, held))

    def _pass(self, time: int, found: list[Found]) -> None:
        """What becomes due before `time`."""
        while self._timers and self._timers[0][0] < time:
            now, number, _, held = heapq.heappop(self._timers)
            if held.due != now or self.groups[number].get(held.group) is not held:
                continue
            held.due = -1
            told = held.state.wake() if held.state.due() == now else None
            self._settle(held, now)
            if told is not None and told.last is not None:
                agenda: _Agenda = {}
                self._tell(Found(*self._what(number, held.group, told, told.last, now)), agenda, found)
                self._run(agenda, found)

    def _settle(self, held: Held, now: int) -> None:
        """After it was looked at: again later, or never."""
        size = held.state.size()
        self._entries[held.number] += size - held.size
        held.size = size
        if held.state.due() > now:
            if not held.is_changed:
                held.is_changed = True
                self.changed.append(held)
            self._schedule(held)
        else:
            self._drop(held)
