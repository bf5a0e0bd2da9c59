"""The book of on-call: what is known of each incident, who has taken it on, who stands in for whom.

Obligations, and the failure each one stops:
1. An incident is heard of once, with the cursor in one transaction (a page lost or made twice by a crash).
2. Whoever acknowledges first has it; again changes nothing. That an operator may is asked by `app`; an agent never may.
3. An acknowledgement is good for the severity that it was given at: what becomes worse pages again.
4. What an acknowledgement or an end makes needless is kept as dropped, with the reason, and told at the handover.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, Invalid, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.events.model import Event
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import EXERCISE, Mark
from watchkeeper.respond.oncall import _store
from watchkeeper.respond.oncall._minutes import fact, of_incident, stage
from watchkeeper.respond.oncall._store import (
    ACKNOWLEDGED,
    CLOSED,
    OPEN,
    CursorRow,
    EscalationRow,
    OverrideRow,
    QuietRow,
)
from watchkeeper.respond.oncall.model import Override, Plan

_HEARD = "respond.incident."
LONGEST_OVERRIDE = 31 * 24 * 3600 * SECOND
LONGEST_QUIET = 24 * 3600 * SECOND
_OLD = 3600 * SECOND
"""What was opened so long before on-call first listened pages nobody."""


def is_heard(event: Event) -> bool:
    """Whether an event says how an incident stands."""
    return event.kind.startswith(_HEARD) and "state" in event.body and "number" in event.body


class Taken(msgspec.Struct, frozen=True):
    """Who has taken an incident on."""

    incident: str
    number: str
    state: str
    """`open`, `acknowledged` or `closed`."""
    acknowledged_at: int
    """0 while nobody has."""
    acknowledged_by: str
    first_acknowledged_at: int
    """Also of one that was paged again later: this is what counts for the time to acknowledge."""
    is_new: bool = False
    """Whether it was this very act."""


class OncallBook:
    """Safe for threads; blocks."""

    def __init__(self, database: Database, ledger: Ledger, clock: Clock, plan: Plan) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self.plan = plan

    # -- what is heard of incidents

    def cursor(self) -> dict[str, int]:
        """Up to where the journal was read."""
        with self._database.read() as session:
            return {row.writer: row.index for row in session.scalars(select(CursorRow)) if row.writer}

    def hear(self, event: Event | None, cursor: Mapping[str, int]) -> None:
        """Take what an event says of an incident, and remember up to where the journal was read."""
        with self._database.write() as session:
            began = session.get(CursorRow, "")
            if began is None:
                began = CursorRow(writer="", index=self._clock.now())
                session.add(began)
            for writer, index in cursor.items():
                session.merge(CursorRow(writer=writer, index=index))
            if event is not None and EXERCISE not in event.labels:
                self._hear(session, event, began.index)
        self._ledger.flush()

    def _hear(self, session: Session, event: Event, began_at: int) -> None:
        row = session.get(EscalationRow, event.target)
        if row is None:
            row = self._open(session, event, began_at)
        elif event.time < row.told_at:
            return  # two logs have no order: what is newer was heard already
        row.told_at, row.title = event.time, str(event.body.get("title", row.title))
        is_closed, was_closed = event.body.get("state") == CLOSED, row.state == CLOSED
        is_worse = event.severity > row.severity
        row.severity = int(event.severity)
        if is_closed:
            row.state, row.hurry = CLOSED, False
            _store.end_pages(session, row.incident, "the incident was closed", self._clock.now())
        elif was_closed:
            self._again(session, row, "the incident is open again", event)
        elif (row.state == ACKNOWLEDGED and event.severity > row.acknowledged_severity) or (
            row.state == OPEN and is_worse and row.rung
        ):
            self._again(session, row, "it became more severe", event)
        if event.body.get("field") == "acknowledged" and row.state == OPEN and event.actor.startswith("operator:"):
            self._take(session, row, event.actor)

    def _open(self, session: Session, event: Event, began_at: int) -> EscalationRow:
        row = EscalationRow(
            incident=event.target,
            number=str(event.body.get("number", "")),
            tenant=event.tenant,
            title=str(event.body.get("title", "")),
            severity=int(event.severity),
            state=OPEN,
            round=1,
            rung=0,
            hurry=False,
            pages=event.time > began_at - _OLD,
            stepped_at=0,
            opened_at=event.time,
            told_at=event.time,
            acknowledged_at=0,
            acknowledged_by="",
            acknowledged_severity=0,
            first_acknowledged_at=0,
        )
        session.add(row)
        return row

    def _again(self, session: Session, row: EscalationRow, why: str, event: Event) -> None:
        """Nobody has it any more: it begins with the first level."""
        now, was = self._clock.now(), row.acknowledged_by
        _store.end_pages(session, row.incident, f"paged again: {why}", now)
        row.state, row.round, row.rung, row.hurry, row.pages = OPEN, row.round + 1, 0, False, True
        row.acknowledged_at, row.acknowledged_by, row.acknowledged_severity = 0, "", 0
        if was:
            told = of_incident("respond.incident.unacknowledged", row, now, (event.id,), was_by=was, why=why)
            stage(self._ledger, session, told, row.incident, f"acknowledged no longer: {why}")

    # -- acknowledgement

    def acknowledge(self, name: str, by: str) -> Taken:
        """Take an incident on, by number or id: nobody else is paged for it. Raises `NotFound`, `Denied`, `Conflict`.

        Again, or by somebody else, it stays with whoever was first.
        """
        if not by.startswith(("operator:", "webhook:")):
            raise Denied(
                f"{by or 'nobody'} is no operator", rule="oncall.acknowledge", hint="an agent takes nothing on"
            )
        with self._database.write() as session:
            row = _find(session, name)
            if row.state == CLOSED:
                raise Conflict(f"{row.number} is closed", hint="there is nothing to take on")
            is_new = row.state == OPEN
            if is_new:
                self._take(session, row, by)
            taken = _taken(row, is_new=is_new)
        self._ledger.flush()
        return taken

    def _take(self, session: Session, row: EscalationRow, by: str) -> None:
        now = self._clock.now()
        row.state, row.hurry, row.acknowledged_at, row.acknowledged_by = ACKNOWLEDGED, False, now, by
        row.acknowledged_severity = row.severity
        row.first_acknowledged_at = row.first_acknowledged_at or now
        _store.end_pages(session, row.incident, f"acknowledged by {by}", now)
        said = of_incident("respond.incident.acknowledged", row, now, (), actor=by, steps=row.rung)
        stage(self._ledger, session, said, row.incident, f"acknowledged by {by}", Mark.ACTION)

    def standing(self, name: str) -> Taken:
        """Who has an incident. Raises `NotFound`."""
        with self._database.read() as session:
            return _taken(_find(session, name))

    def acknowledgements(self, incidents: Sequence[str]) -> dict[str, Taken]:
        """Incident's id → who has it, of those that are known."""
        with self._database.read() as session:
            rows = session.scalars(select(EscalationRow).where(EscalationRow.incident.in_(incidents)))
            return {row.incident: _taken(row) for row in rows}

    # -- standing in, and quiet

    def overrides(self) -> list[Override]:
        """Those that are not over."""
        with self._database.read() as session:
            return _store.overrides_of(session, self._clock.now())

    def override(self, rota: str, person: str, span: tuple[int, int], by: str, reason: str) -> Override:
        """Somebody takes over a rota from the one to the other moment. Raises `NotFound`, `Invalid`, `Denied`."""
        _check_operator(by)
        now, (begins_at, ends_at) = self._clock.now(), span
        self._check(rota, person)
        if not begins_at < ends_at or ends_at <= now or ends_at - begins_at > LONGEST_OVERRIDE:
            raise Invalid("no such time", hint="an override ends after it begins, in the future, within 31 days")
        made = Override(observed_id(), rota, person, begins_at, ends_at, reason, by[:128], now)
        with self._database.write() as session:
            session.add(OverrideRow(**msgspec.structs.asdict(made)))
            self._tell(session, by, (made.id,), what="override", rota=rota, person=person, until=ends_at, reason=reason)
        self._ledger.flush()
        return made

    def end_override(self, override: str, by: str) -> Override:
        """End one now. Raises `NotFound`, `Denied`."""
        _check_operator(by)
        now = self._clock.now()
        with self._database.write() as session:
            row = session.get(OverrideRow, override)
            if row is None or row.ends_at <= now:
                raise NotFound(f"there is no override {override[:80]!a}", hint="see `watchkeeper oncall show`")
            row.ends_at, row.begins_at = now, min(now, row.begins_at)
            ended = Override(**{name: getattr(row, name) for name in Override.__struct_fields__})
            about = {"rota": row.rota, "person": row.person, "until": now, "reason": ""}
            self._tell(session, by, (row.id, "ended"), what="override ended", **about)
        self._ledger.flush()
        return ended

    def keep_quiet(self, person: str, seconds: int, by: str, reason: str) -> int:
        """Quiet hours from now on, beside those of the settings; 0 ends them. Until when.

        Raises `NotFound`, `Invalid`, `Denied`.
        """
        _check_operator(by)
        now = self._clock.now()
        self._check("", person)
        if not 0 <= seconds * SECOND <= LONGEST_QUIET:
            raise Invalid("quiet lasts for a day at most", hint="for longer, have somebody stand in: `oncall override`")
        until = now + seconds * SECOND
        with self._database.write() as session:
            session.execute(delete(QuietRow).where(QuietRow.person == person))
            if seconds:
                session.add(QuietRow(person=person, ends_at=until, reason=reason, by=by[:128], made_at=now))
            self._tell(session, by, (person, now), what="quiet", rota="", person=person, until=until, reason=reason)
        self._ledger.flush()
        return until

    def _check(self, rota: str, person: str) -> None:
        if rota and rota not in self.plan.rotas:
            raise NotFound(f"there is no rota {rota[:80]!a}", hint=f"there is: {', '.join(self.plan.rotas) or 'none'}")
        if person not in self.plan.people:
            known = ", ".join(self.plan.people) or "nobody"
            raise NotFound(f"nobody on call is {person[:80]!a}", hint=f"[respond.oncall.people] has: {known}")

    def _tell(self, session: Session, by: str, cause: tuple[str | int, ...], **body: object) -> None:
        kind = "respond.oncall.changed"
        target = f"operator:{body['person']}"
        self._ledger.stage(session, fact(kind, self._clock.now(), cause, actor=by, target=target, body=body))


def _find(session: Session, name: str) -> EscalationRow:
    row = session.get(EscalationRow, name) or session.scalar(select(EscalationRow).where(EscalationRow.number == name))
    if row is None:
        hint = "a drill pages nobody, and is taken on with `watchkeeper incidents ack`; for others see `incidents list`"
        raise NotFound(f"on-call knows of no incident {name[:80]!a}", hint=hint)
    return row


def _taken(row: EscalationRow, *, is_new: bool = False) -> Taken:
    members = {name: getattr(row, name) for name in Taken.__struct_fields__ if name != "is_new"}
    return Taken(**members, is_new=is_new)


def _check_operator(by: str) -> None:
    if not by.startswith("operator:"):
        raise Denied(f"{by or 'nobody'} is no operator", rule="oncall.manage", hint="an agent changes no rota")
