"""Which runs wait for a person, as a part of others' queries."""

from __future__ import annotations

from sqlalchemy import Select, select

from watchkeeper.respond.gates._rows import GateRow
from watchkeeper.respond.gates.model import GateKind, GateState


def waiting_runs() -> Select[str]:
    """Their ids."""
    kinds = (GateKind.APPROVAL.value, GateKind.MANUAL.value)
    return select(GateRow.run).where(GateRow.state == GateState.OPEN.value, GateRow.kind.in_(kinds))
