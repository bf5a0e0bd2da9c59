"""Incidents that a person opens: somebody phoned, a vendor wrote. No rule raised an alert."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from watchkeeper.core.clock import SECOND
from watchkeeper.core.errors import Invalid
from watchkeeper.core.ids import observed_id
from watchkeeper.events.model import Severity
from watchkeeper.respond import _store
from watchkeeper.respond._store import IncidentRow, TraitRow
from watchkeeper.respond.cases.registrar import Registrar, Work, require_operator, said
from watchkeeper.respond.model import EXERCISE, LONGEST_TRAIT, Incident, IncidentState

_ADVICE = "No alert belongs to it: look for what it left (`watchkeeper hunt list`), and contain by hand."


class Opening:
    """Opens."""

    def __init__(self, registrar: Registrar) -> None:
        self._on = registrar

    def open(
        self,
        title: str,
        by: str,
        *,
        severity: int = int(Severity.MEDIUM),
        server: str = "",
        principal: str = "",
        first_event_at: int = 0,
        why: str = "",
        tenant: str = "default",
        drill: str = "",
    ) -> Incident:
        """A new incident. `first_event_at`: when the harm began, in microseconds, where that is known; `drill`: the
        exercise that it belongs to. Raises `Invalid`."""
        require_operator(by)
        title, why = said(title, "the title"), said(why, "the reason", may_lack=True)
        server, principal = said(server, "the server", may_lack=True), said(principal, "the principal", may_lack=True)
        if not 1 <= severity <= int(Severity.CRITICAL):
            raise Invalid(f"{severity} is no severity", hint="1 informational to 5 critical")
        now = self._on.clock.now()
        if first_event_at > now:
            raise Invalid("the first event has not come yet", hint="say when it was, in the past")
        with self._on.database.write() as session:
            number = _store.next_number(session, tenant, datetime.fromtimestamp(now / SECOND, UTC).year)
            identity = observed_id()
            row = IncidentRow(
                id=identity,
                number=number,
                tenant=tenant,
                group=f"{drill or 'opened'} {identity}",  # no alert joins it by itself
                title=title,
                severity=severity,
                state=IncidentState.OPEN.value,
                server=server,
                principal=principal,
                labels=msgspec.json.encode([EXERCISE] if drill else []).decode(),
                opened_at=now,
                updated_at=now,
                last_alert_at=0,
                first_event_at=first_event_at,
                advice="" if drill else _ADVICE,
                external_id=drill,
                round=1,
            )
            session.add(row)
            traits = {("server", server), ("principal", principal)}
            fit = [(kind, value) for kind, value in sorted(traits) if value and len(value) <= LONGEST_TRAIT]
            session.add_all(TraitRow(incident=identity, kind=kind, value=value) for kind, value in fit)
            work = Work(session, row, by, now, self._on.ledger)
            work.tell("respond.incident.opened", f"{by} opened it" + (f": {why}" if why else ""))
            found = work.incident
        self._on.ledger.flush()
        return found
