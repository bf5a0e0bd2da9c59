"""What persons ask of playbooks and runs: have one run, what it would do, how runs stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import select

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.events.model import Severity
from watchkeeper.respond import _store
from watchkeeper.respond._run_events import run_event
from watchkeeper.respond._store import IncidentRow, RunRow
from watchkeeper.respond.intake import brief, keep_run
from watchkeeper.respond.interface import Action
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Alert, IncidentState, Mark
from watchkeeper.respond.planning import Authority, Plan, facts_of, plan
from watchkeeper.respond.playbook import Shelved
from watchkeeper.respond.runlist import incident_named, row_of

_EMPTY: dict[str, Any] = {
    "id": "none",
    "number": "none",
    "title": "a dry run",
    "tenant": "default",
    "server": "",
    "severity": int(Severity.HIGH),
    "labels": [],
    "principal": "",
}


class PlaybookDesk:
    """Asks the tables of response. Safe for threads and processes; blocks."""

    def __init__(self, database: Database, ledger: Ledger, clock: Clock) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock

    def plan(
        self,
        shelved: Shelved,
        incident: str,
        alerts: Sequence[Alert],
        actions: Mapping[str, Action],
        authority: Authority,
        *,
        given: Mapping[str, str] | None = None,
    ) -> tuple[Plan, bool]:
        """What it would do about an incident or these alerts; whether it is due. Raises `NotFound`, `Invalid`.

        `given` are inputs as a person says them.
        """
        facts = self._facts(incident, alerts)
        due = plan(shelved.playbook, facts, actions, authority, given=given)
        decided = due or plan(shelved.playbook, facts, actions, authority, is_asked_for=True, given=given)
        assert decided is not None
        return decided, due is not None

    def ask(
        self,
        shelved: Shelved,
        incident: str,
        actions: Mapping[str, Action],
        authority: Authority,
        *,
        by: str,
        reason: str,
        given: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Have it run for an incident. Raises `NotFound`, `Conflict` when it is closed, `Invalid` when nothing fits."""
        decided, _ = self.plan(shelved, incident, (), actions, authority, given=given)
        with self._database.write() as session:
            row = incident_named(session, incident)
            if row.state == IncidentState.CLOSED.value:
                raise Conflict(f"{row.number} is closed", hint="open it again first")
            run = decided.key(row.id, row.round, shelved.playbook, observed_id())
            told = brief(_store.incident_of(row)) | {"alerts": row.alert_count}
            keep_run(session, run, shelved, decided, incident=told, now=self._clock.now(), asked_by=by)
            session.flush()
            kept = session.get_one(RunRow, run)
            event = run_event("respond.playbook.asked", kept, row, self._clock.now(), {"reason": reason}, actor=by)
            what = f"{by} has the playbook {shelved.playbook.id} run: {reason}"
            self._ledger.stage(session, event, row.id, what, Mark.ACTION)
            number = row.number
        self._ledger.flush()
        return {"run": run, "incident": number, "playbook": shelved.playbook.id, "plan_hash": decided.digest()}

    def run(self, name: str) -> dict[str, Any]:
        """One run with its plan, by id or the beginning of one. Raises `NotFound`, `Conflict`."""
        with self._database.read() as session:
            row = session.get(RunRow, name)
            if row is None:
                query = select(RunRow).where(RunRow.id.startswith(name, autoescape=True)).limit(2)
                found = list(session.scalars(query)) if len(name) >= 4 else []
                if not found:
                    raise NotFound(f"there is no run {name[:80]!r}", hint="see `watchkeeper playbooks runs`")
                if len(found) > 1:
                    raise Conflict(f"more than one begins with {name!r}", hint="write more of its id")
                row = found[0]
            number = session.get_one(IncidentRow, row.incident).number
            document = msgspec.json.decode(row.document)
            steps = msgspec.to_builtins(_store.steps_of(session, row.id))
            return {
                "run": row_of(row, number),
                "steps": steps,
                "plan": document["plan"],
                "text": _store.text_of(session, row.hash) or document["playbook"].get("text", ""),
            }

    def _facts(self, incident: str, alerts: Sequence[Alert]) -> dict[str, Any]:
        if not incident:
            newest = alerts[-1] if alerts else None
            about = {"server": newest.server, "principal": newest.principal} if newest else {}
            return facts_of(_EMPTY | about, alerts)
        with self._database.read() as session:
            row = incident_named(session, incident)
            return facts_of(brief(_store.incident_of(row)), _store.alerts_of(session, row.id))
