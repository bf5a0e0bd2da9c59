"""The least that faces ask of incidents: list, show, close. What else people do with them is in `cases`."""

from __future__ import annotations

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.respond import _store
from watchkeeper.respond.cases.book import CaseBook
from watchkeeper.respond.cases.model import Filter
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Case, Incident


class IncidentDesk:
    """Where incidents are kept for people."""

    def __init__(self, database: Database, ledger: Ledger, clock: Clock) -> None:
        self._database = database
        self._cases = CaseBook(database, ledger, clock)

    def list(self, text: str = "", state: str = "", limit: int = 200) -> tuple[Incident, ...]:
        """The newest incidents; `text` is searched in number, title, server and principal."""
        return self._cases.reading.page(Filter(text=text, state=state), limit).incidents

    def show(self, name: str) -> Case:
        """Everything about the incident of this number or id. Raises `NotFound`."""
        with self._database.read() as session:
            row = _store.find_incident(session, name)
            return Case(
                incident=_store.incident_of(row),
                alerts=_store.alerts_of(session, row.id),
                timeline=_store.timeline_of(session, row.id),
                runs=_store.runs_of(session, row.id),
            )

    def parts(self, incident: str) -> frozenset[str]:
        """The ids of an incident and of all that were merged into it."""
        return self._cases.reading.parts(incident)

    def close(self, name: str, by: str, reason: str) -> Incident:
        """A person ends an incident. Its orders stay in force: lifting them is a decision of its own."""
        return self._cases.deciding.close(name, by, reason)
