"""Rules and executed attacks held against the catalogues of techniques. Pure.

Two columns that are never added up: *fixture* says that a rule names the technique and passes the tests it carries,
*executed* that an attack of it really went through this estate's gateway and an alert came of it. A technique with
neither is a gap, and is listed as one. What names a sub-technique says nothing about its parent, nor the other way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.detect.proving.frameworks import attack_techniques, item_of
from watchkeeper.detect.proving.model import Covered, Executed, Framework, Item, Matrix, Proof
from watchkeeper.events import Event

EXECUTED = "exercise.attack.executed"


class Standing(msgspec.Struct, frozen=True):
    """What stands behind each technique of one namespace, by id."""

    fixture: Mapping[str, list[str]]
    unproven: Mapping[str, list[str]]
    executed: Mapping[str, list[str]]
    missed: Mapping[str, list[str]]

    def row(self, item: Item) -> Covered:
        """The row of one technique."""
        return Covered(
            id=item.id,
            title=item.title,
            groups=item.groups,
            fixture=tuple(sorted(self.fixture.get(item.id, ()))),
            unproven=tuple(sorted(self.unproven.get(item.id, ()))),
            executed=tuple(sorted(self.executed.get(item.id, ()))),
            missed=tuple(sorted(self.missed.get(item.id, ()))),
        )

    @property
    def named(self) -> set[str]:
        return {*self.fixture, *self.unproven, *self.executed, *self.missed}


def matrix(framework: Framework, proofs: Sequence[Proof], attacks: Sequence[Executed]) -> Matrix:
    """One catalogue, row by row."""

    def ids(tags: Iterable[str]) -> set[str]:
        return {item for tag in tags if (item := item_of(tag, framework))}

    standing = _standing(proofs, attacks, ids)
    known = {item.id for item in framework.items}
    return Matrix(
        framework=framework,
        rows=tuple(map(standing.row, framework.items)),
        unknown=tuple(sorted(standing.named - known)),
    )


def attack_rows(proofs: Sequence[Proof], attacks: Sequence[Executed]) -> tuple[Covered, ...]:
    """What is named of ATT&CK: its catalogue does not come with the product, so there are no gaps to list."""
    standing = _standing(proofs, attacks, attack_techniques)
    return tuple(standing.row(Item(name, "")) for name in sorted(standing.named))


def executed_in(events: Iterable[Event]) -> tuple[Executed, ...]:
    """The newest fact about each attack, by name."""
    newest: dict[str, Event] = {}
    for event in events:
        name = event.target
        if event.kind == EXECUTED and (name not in newest or event.time >= newest[name].time):
            newest[name] = event
    return tuple(_executed(newest[name]) for name in sorted(newest))


def _executed(event: Event) -> Executed:
    body: Mapping[str, Any] = event.body
    return Executed(
        attack=event.target,
        time=event.time,
        tags=tuple(map(str, body.get("techniques") or ())),
        detected_by=tuple(str(one["name"]) for one in body.get("detected") or () if one.get("name")),
        was_stopped=bool(body.get("stopped")),
        event=event.id,
    )


def _standing(proofs: Sequence[Proof], attacks: Sequence[Executed], ids: Any) -> Standing:
    standing = Standing(*(defaultdict(list) for _ in range(4)))
    for proof in proofs:
        column = standing.fixture if proof.passes and proof.is_enabled else standing.unproven
        _note(column, ids(proof.tags), proof.name)
    for one in attacks:
        _note(standing.executed if one.detected_by else standing.missed, ids(one.tags), one.attack)
    return standing


def _note(column: Mapping[str, list[str]], ids: Iterable[str], name: str) -> None:
    for one in ids:
        column[one].append(name)
