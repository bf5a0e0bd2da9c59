"""Which correlations an event reaches that matched certain rules, and which of its fields they need. Pure.

A correlation may name others. Their detections are events to it: at the time of the detection, with the fields of the
event that completed it and, above these, the values that it was grouped by under the names it gives them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from watchkeeper.core.errors import Misconfigured
from watchkeeper.detect.correlation.model import Correlation
from watchkeeper.detect.correlation.planning import numbered

Names = tuple[str, ...]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Way:
    """Into one correlation: the rules that matched by their number in it, and where the fields are in this event."""

    which: tuple[int, ...]
    group_by: Names
    fields: Names


Reach = tuple[tuple[int, tuple[Way, ...]], ...]
"""Correlation by number, rising, and the ways into it: more than one where aliases name different fields."""


class Routes:
    """Of correlations in an order in which each stands behind those that it names."""

    def __init__(self, correlations: Iterable[Correlation]) -> None:
        self.correlations = _sorted(tuple(correlations))
        self._ways: dict[str, list[tuple[int, int, Names, Names]]] = {}
        for number, one in enumerate(self.correlations):
            for rule, at in numbered(one).items():
                where = _names(one, rule, one.group_by), _names(one, rule, one.fields)
                self._ways.setdefault(rule, []).append((number, at, *where))
        self._reach: dict[tuple[str, ...], Reach] = {}
        self._needs: dict[tuple[str, ...], Names] = {}

    def owners(self) -> list[tuple[str, bool]]:
        """For each correlation, by whose id its worker is chosen, and whether all groups belong to that one: what
        hangs together by naming each other is never divided, as the groups may differ."""
        owner = [one.heading.id for one in self.correlations]
        together: set[str] = set()
        for _ in self.correlations:  # as often as a name may have to travel
            for number, one in enumerate(self.correlations):
                for named in (at for at, other in enumerate(self.correlations) if other.heading.id in numbered(one)):
                    owner[number] = owner[named] = min(owner[number], owner[named])
                    together |= {one.heading.id, self.correlations[named].heading.id}
        return [(owner[number], one.heading.id in together) for number, one in enumerate(self.correlations)]

    @property
    def named(self) -> frozenset[str]:
        """Ids of the rules and correlations that some correlation names."""
        return frozenset(self._ways)

    def reach(self, ids: tuple[str, ...]) -> Reach:
        """Where an event goes that matched all of these."""
        found = self._reach.get(ids)
        if found is None:
            by_number: dict[int, dict[tuple[Names, Names], list[int]]] = {}
            for rule in ids:
                for number, at, group_by, fields in self._ways.get(rule, ()):
                    by_number.setdefault(number, {}).setdefault((group_by, fields), []).append(at)
            found = tuple(
                (number, tuple(Way(tuple(sorted(which)), *names) for names, which in ways.items()))
                for number, ways in sorted(by_number.items())
            )
            self._remember(self._reach, ids, found)
        return found

    def needs(self, ids: tuple[str, ...]) -> Names:
        """The fields that are read of such an event, by whatever it may complete as well."""
        found = self._needs.get(ids)
        if found is None:
            names: dict[str, None] = {}
            for rule in ids:
                for number, _, group_by, fields in self._ways.get(rule, ()):
                    own = self.correlations[number].heading.id
                    names |= dict.fromkeys((*group_by, *fields, *self.needs((own,))))
            found = tuple(names)
            self._remember(self._needs, ids, found)
        return found

    @staticmethod
    def _remember(cache: dict[tuple[str, ...], _T], ids: tuple[str, ...], found: _T) -> None:
        if len(cache) >= 4096:  # combinations of rules: as many as events make, so bounded
            cache.clear()
        cache[ids] = found


def _names(correlation: Correlation, rule: str, names: Names) -> Names:
    return tuple(correlation.aliases.get(name, {}).get(rule, name) for name in names)


def _sorted(correlations: tuple[Correlation, ...]) -> tuple[Correlation, ...]:
    """Each behind those that it names, else by id. Raises `Misconfigured` for a circle."""
    by_id = {one.heading.id: one for one in sorted(correlations, key=lambda one: one.heading.id)}
    done: dict[str, Correlation] = {}
    entered: set[str] = set()

    def visit(one: Correlation) -> None:
        if one.heading.id in done:
            return
        if one.heading.id in entered:
            raise Misconfigured(f"the correlation {one.heading.name} refers to itself, if by others")
        entered.add(one.heading.id)
        for rule in numbered(one):
            if rule in by_id:
                visit(by_id[rule])
        done[one.heading.id] = one

    for one in by_id.values():
        visit(one)
    return tuple(done.values())
