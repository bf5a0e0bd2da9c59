"""What faces ask of incidents: list, show, close. Alerts come in through `intake`, runs report to `progress`."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Invalid, NotFound
from watchkeeper.core.ids import derived_id
from watchkeeper.respond import _store
from watchkeeper.respond._minutes import incident_event
from watchkeeper.respond._store import IncidentRow
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Case, Incident, IncidentState

_STATES = {state.value for state in IncidentState}


class IncidentDesk:
    """Where incidents are kept for people."""

    def __init__(self, database: Database, ledger: Ledger, clock: Clock) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock

    def list(self, text: str = "", state: str = "", limit: int = 200) -> tuple[Incident, ...]:
        """The newest incidents; `text` is searched in number, title, server and principal."""
        if state and state not in _STATES:
            raise Invalid(f"there is no state {state!r}", hint=f"one of {', '.join(sorted(_STATES))}")
        query = select(IncidentRow).order_by(IncidentRow.opened_at.desc())
        if state:
            query = query.where(IncidentRow.state == state)
        if text:
            columns = (IncidentRow.number, IncidentRow.title, IncidentRow.server, IncidentRow.principal)
            query = query.where(
                columns[0].contains(text)
                | columns[1].contains(text)
                | columns[2].contains(text)
                | columns[3].contains(text)
            )
        with self._database.read() as session:
            return tuple(_store.incident_of(row) for row in session.scalars(query.limit(limit)))

    def show(self, name: str) -> Case:
        """Everything about the incident of this number or id. Raises `NotFound`."""
        with self._database.read() as session:
            row = _find(session, name)
            return Case(
                incident=_store.incident_of(row),
                alerts=_store.alerts_of(session, row.id),
                timeline=_store.timeline_of(session, row.id),
                runs=_store.runs_of(session, row.id),
            )

    def close(self, name: str, by: str, reason: str) -> Incident:
        """A person ends an incident. Its orders stay in force: lifting them is a decision of its own."""
        if not by.startswith("operator:"):
            raise Invalid(f"{by or 'nobody'} is no operator", hint="an agent or a playbook never closes an incident")
        with self._database.write() as session:
            row = _find(session, name)
            if row.state == IncidentState.CLOSED.value:
                raise Conflict(f"{row.number} is closed already")
            row.state, row.closed_by, row.close_reason, row.advice = IncidentState.CLOSED.value, by, reason, ""
            row.closed_at = row.updated_at = self._clock.now()
            event = incident_event(
                "respond.incident.updated", row, self._clock.now(), derived_id("incident closed", row.id), actor=by
            )
            self._ledger.stage(session, event, row.id, f"closed by {by}: {reason}")
            closed = _store.incident_of(row)
        self._ledger.flush()
        return closed


def _find(session: Session, name: str) -> IncidentRow:
    row = session.get(IncidentRow, name) or session.scalar(select(IncidentRow).where(IncidentRow.number == name))
    if row is None:
        raise NotFound(f"there is no incident {name}", hint="see `watchkeeper incidents list`")
    return row
