"""Who is paged next: one step of an incident's escalation a transaction, decided once.

A step names its pages by incident, round, step, person and channel: killed anywhere, the next look finds the step taken
or takes it, never both. Steps follow each other by how long ago the last one was taken, not by a time set long before:
a clock that jumps ahead brings one step early, one that jumps back makes the wait begin anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.ids import derived_id
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import Mark
from watchkeeper.respond.oncall import _store
from watchkeeper.respond.oncall._minutes import of_incident, of_page, stage
from watchkeeper.respond.oncall._store import DEFERRED, DUE, FOLDED, OPEN, SENT, EscalationRow, PageRow
from watchkeeper.respond.oncall.model import PERSON, Person, Plan, Rung
from watchkeeper.respond.oncall.rotation import on_call, quiet_until

CRITICAL = 5
LONGEST_DEFERRED = 72 * 3600 * SECOND
"""A page waits no longer for the end of quiet hours."""


@dataclass(frozen=True)
class Ground:
    """What pages stand on."""

    database: Database
    ledger: Ledger
    clock: Clock
    is_gone: Callable[[str], bool]
    """Whether an operator of this name was taken off the roster."""


class Paging:
    """Makes pages of escalations that are due."""

    def __init__(self, on: Ground, plan: Plan) -> None:
        self._on = on
        self.plan = plan

    def round(self) -> int:
        """Take every step that is due; how many were taken."""
        if not self.plan.is_on:
            return 0
        with self._on.database.read() as session:
            row = EscalationRow
            waits = select(row.incident).where(row.state == OPEN, row.pages, row.severity >= self.plan.page_from)
            incidents = list(session.scalars(waits.order_by(row.severity.desc(), row.opened_at)))
        taken = sum(self._step(incident) for incident in incidents)
        if taken:
            self._on.ledger.flush()
        return taken

    def _step(self, incident: str) -> bool:
        now = self._on.clock.now()
        with self._on.database.read() as session:
            row = session.get(EscalationRow, incident)
            if row is None or self._next(row, now) is None:
                return False
        with self._on.database.write() as session:
            row = session.get(EscalationRow, incident)
            rung = self._next(row, now) if row is not None else None
            if row is None or rung is None:
                return False
            if row.rung and not row.hurry and row.stepped_at > now:
                row.stepped_at = now  # the clock was put back: the wait begins anew
                return False
            self._take(session, row, rung, now)
        return True

    def _next(self, row: EscalationRow, now: int) -> Rung | None:
        """The step that is due; None when none is."""
        if row.state != OPEN:
            return None
        last = self.plan.rungs[-1]
        if row.rung < len(self.plan.rungs):
            rung = self.plan.rungs[row.rung]
        elif last.is_fallback:
            rung = last
        else:
            return None
        is_first_round = row.rung < len(self.plan.rungs)
        if row.rung == 0 or (row.hurry and is_first_round):
            return rung
        if row.severity < self.plan.escalate_from:
            return None
        return rung if now - row.stepped_at >= rung.wait or row.stepped_at > now else None

    def _take(self, session: Session, row: EscalationRow, rung: Rung, now: int) -> None:
        people = list(self._people(session, rung, now))
        made = [page for person in people for page in self._pages(session, row, rung, person, now)]
        step, row.rung, row.stepped_at = row.rung, row.rung + 1, now
        row.hurry = not made
        if not step and made:
            return
        names = ", ".join(person.name for person in people) or "nobody"
        kind = "respond.escalation.raised" if not rung.is_fallback else "respond.escalation.exhausted"
        event = of_incident(kind, row, now, (step,), level=rung.level, people=[one.name for one in people])
        stage(self._on.ledger, session, event, row.incident, f"escalated to level {rung.level}: {names}", Mark.ACTION)

    def _people(self, session: Session, rung: Rung, now: int) -> Iterator[Person]:
        """Who a step names now, each once; who was taken off the roster is not called."""
        overrides = _store.overrides_of(session, now)
        named: dict[str, None] = {}
        for target in rung.targets:
            kind, _, name = target.partition(":")
            named[name if kind == PERSON else on_call(self.plan.rotas[name], now, overrides).person] = None
        for name in named:
            if name in self.plan.people and not self._on.is_gone(name):
                yield self.plan.people[name]

    def _pages(self, session: Session, row: EscalationRow, rung: Rung, person: Person, now: int) -> Iterator[PageRow]:
        for channel in person.channels:
            page_id = derived_id("page", row.incident, row.round, row.rung, person.name, channel)
            if session.get(PageRow, page_id) is not None:
                continue
            state, why, due_at = self._when(session, row, person, channel, now)
            page = PageRow(
                id=page_id,
                incident=row.incident,
                number=row.number,
                title=row.title,
                severity=row.severity,
                person=person.name,
                channel=channel,
                round=row.round,
                rung=row.rung,
                level=rung.level,
                state=state,
                why=why,
                due_at=due_at,
                made_at=now,
                ended_at=0,
                attempts=0,
            )
            session.add(page)
            session.flush()
            if state != DUE:
                self._on.ledger.stage(session, of_page("respond.page.deferred", page, now, why=why, until=due_at))
            yield page

    def _when(
        self, session: Session, row: EscalationRow, person: Person, channel: str, now: int
    ) -> tuple[str, str, int]:
        """A page's state, why it is that, and when it is due."""
        if row.severity >= CRITICAL:
            return DUE, "", now
        if row.severity < person.quiet_below:
            asked = _store.quiet_of(session, now).get(person.name)
            until = quiet_until(person.quiet, now, most=LONGEST_DEFERRED)
            until = max(until, asked.ends_at if asked is not None else 0)
            if until > now:
                return DEFERRED, "quiet hours", until
        if row.rung == 0 and self._told(session, person.name, channel, now) >= self.plan.most_pages:
            return FOLDED, "too many pages: told with others in one", now + self.plan.within
        return DUE, "", now

    def _told(self, session: Session, person: str, channel: str, now: int) -> int:
        page = PageRow
        lately = (page.person == person, page.channel == channel, page.made_at > now - self.plan.within)
        return session.scalar(select(func.count()).where(*lately, page.state.in_((DUE, SENT)))) or 0
