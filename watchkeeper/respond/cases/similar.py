"""Incidents that have something in common, each with what that is: rarer things say more."""

from __future__ import annotations

import math
from collections.abc import Collection

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from watchkeeper.core.database import Database
from watchkeeper.respond import _store
from watchkeeper.respond._store import IncidentRow, TraitRow
from watchkeeper.respond.model import Incident

WEIGHTS = {"indicator": 5.0, "fingerprint": 5.0, "principal": 2.0, "rule": 2.0, "technique": 1.5, "server": 1.0}
"""How much it says that two incidents share one of a kind, were it in no third one."""
_CANDIDATES = 400
"""Incidents that are compared: those with the rarest things in common, the newest first."""


class Reason(msgspec.Struct, frozen=True):
    """Something that both have."""

    kind: str
    value: str
    incidents: int
    """How many incidents have it."""
    weight: float


class Likeness(msgspec.Struct, frozen=True):
    """An incident, how like it is (0 to 1), and why."""

    incident: Incident
    score: float
    """The weight of what both have, as a part of the weight of all that the asked one has."""
    reasons: tuple[Reason, ...]


class Similar:
    """Finds them by an index of what incidents have; reads no alert."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def to(self, name: str, limit: int = 10) -> tuple[Likeness, ...]:
        """The most like it first. Raises `NotFound`."""
        with self._database.read() as session:
            row = _store.find_incident(session, name)
            traits = _traits(session, row)
            whole = sum(trait.weight for trait in traits)
            if not whole:
                return ()
            shared: dict[str, list[Reason]] = {}
            for trait in traits:
                for other in _having(session, row, trait, shared):
                    shared.setdefault(other, []).append(trait)
            ranked = sorted(shared.items(), key=lambda one: (-sum(t.weight for t in one[1]), one[0]))[: max(1, limit)]
            found = {
                one.id: _store.incident_of(one)
                for one in session.scalars(select(IncidentRow).where(IncidentRow.id.in_([key for key, _ in ranked])))
            }
            return tuple(
                Likeness(found[key], round(sum(t.weight for t in reasons) / whole, 3), tuple(reasons))
                for key, reasons in ranked
            )


def _traits(session: Session, row: IncidentRow) -> list[Reason]:
    """What it has, the rarest first."""
    found = []
    for kind, value in session.execute(select(TraitRow.kind, TraitRow.value).where(TraitRow.incident == row.id)):
        known = select(func.count()).where(TraitRow.kind == kind, TraitRow.value == value)
        count = session.scalar(known) or 1
        weight = WEIGHTS.get(kind, 1.0) / (1 + math.log2(max(1, count - 1)))
        found.append(Reason(kind, value, count, round(weight, 4)))
    return sorted(found, key=lambda one: (one.incidents, -one.weight, one.kind, one.value))


def _having(session: Session, row: IncidentRow, trait: Reason, known: Collection[str]) -> list[str]:
    """Others of the tenant that have it: of those that are compared already, and the newest until enough are."""
    has = (TraitRow.kind == trait.kind, TraitRow.value == trait.value)
    theirs = session.scalars(select(TraitRow.incident).where(*has, TraitRow.incident.in_(known)))
    newest = session.scalars(
        select(TraitRow.incident)
        .join(IncidentRow, IncidentRow.id == TraitRow.incident)
        .where(*has, IncidentRow.tenant == row.tenant, IncidentRow.id != row.id, IncidentRow.merged_into == "")
        .order_by(IncidentRow.opened_at.desc(), IncidentRow.id)
        .limit(max(0, _CANDIDATES - len(known)))
    )
    return sorted({*theirs, *newest})
