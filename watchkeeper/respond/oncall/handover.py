"""The end of a shift: what the next person has to know, kept as it was then, and accepted by them.

What could not be asked is told as not known, never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, to_iso
from watchkeeper.core.errors import Denied, NotFound, WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import SEVERITIES
from watchkeeper.respond.oncall import _store
from watchkeeper.respond.oncall._minutes import fact
from watchkeeper.respond.oncall._store import CLOSED, WAITING, EscalationRow, HandoverRow, PageRow
from watchkeeper.respond.oncall.model import NOBODY, Plan
from watchkeeper.respond.oncall.paging import LONGEST_DEFERRED, Ground
from watchkeeper.respond.oncall.rotation import on_call, quiet_until

Source = Callable[[], Sequence[Mapping[str, Any]]]
"""Rows about something else: approvals that wait, orders in force, what is silent. Raises `WatchkeeperError`."""
_MOST = 200
_DAY = 24 * 3600 * SECOND
_LOW = 2
_NAMES = {"approvals": "Calls that wait for a person", "playbooks": "Playbooks that wait for a person"}


class Held(msgspec.Struct, frozen=True):
    """An incident that is not over."""

    number: str
    title: str
    severity: int
    state: str
    opened_at: int
    acknowledged_by: str = ""


class Waits(msgspec.Struct, frozen=True):
    """A page that has not gone out, or that nobody needed any more."""

    number: str
    title: str
    severity: int
    person: str
    state: str
    why: str
    due_at: int


class Known(msgspec.Struct, frozen=True):
    """What another part says; without an answer it is not known, which is not the same as none."""

    known: bool
    rows: tuple[dict[str, Any], ...] = ()
    why: str = ""
    more: int = 0
    """Rows that there were beyond those that are kept here."""


class Report(msgspec.Struct, frozen=True):
    """A shift's handover."""

    id: str
    rota: str
    outgoing: str
    incoming: str
    since: int
    """When the shift that ends began, microseconds."""
    at: int
    incidents: tuple[Held, ...]
    waiting: tuple[Waits, ...]
    """Pages that were put off, and those of this shift that were dropped."""
    happened: dict[str, int]
    """What there was in the shift: opened, acknowledged, closed, pages, not_taken."""
    others: dict[str, Known]
    """`approvals` (calls that wait for a person), `playbooks` (runs that do), `orders`, `silent`."""
    accepted_at: int = 0
    accepted_by: str = ""


class Handovers:
    """Of all rotas."""

    def __init__(self, on: Ground, plan: Plan, sources: Mapping[str, Source]) -> None:
        self._on = on
        self.plan = plan
        self._sources = dict(sources)

    def round(self) -> int:
        """Hand over where somebody else is on call than a look ago; how many rotas did."""
        now = self._on.clock.now()
        return sum(self._look(rota, now) for rota in self.plan.rotas)

    def report(self, rota: str) -> Report:
        """What would be handed over now; nothing is kept. Raises `NotFound`."""
        self._known(rota)
        now = self._on.clock.now()
        with self._on.database.read() as session:
            before = _latest(session, rota)
            person = self._person(session, rota, now)
        since = before.at if before is not None else now - _DAY
        return self._make(rota, person, NOBODY, since, now)

    def latest(self, rota: str = "", limit: int = 20) -> tuple[Report, ...]:
        """The newest handovers, newest first."""
        with self._on.database.read() as session:
            wanted = select(HandoverRow).where(HandoverRow.report != "").order_by(HandoverRow.at.desc()).limit(limit)
            rows = session.scalars(wanted.where(HandoverRow.rota == rota) if rota else wanted)
            return tuple(_report(row) for row in rows)

    def accept(self, handover: str, by: str) -> Report:
        """The incoming person has read it. Again changes nothing. Raises `NotFound`, `Denied`."""
        now = self._on.clock.now()
        with self._on.database.write() as session:
            row = session.get(HandoverRow, handover)
            if row is None or not row.report:
                raise NotFound(f"there is no handover {handover[:80]!a}", hint="see `watchkeeper oncall handover`")
            if by != f"operator:{row.incoming}":
                hint = f"{row.incoming or 'nobody'} does, by a token of their own: --token-file"
                raise Denied("a handover is accepted by the incoming person", rule="oncall.handover", hint=hint)
            if not row.accepted_at:
                row.accepted_at, row.accepted_by = now, by
                body = {"rota": row.rota, "handover": row.id, "outgoing": row.outgoing}
                target = f"rota:{row.rota}"
                event = fact("respond.handover.accepted", now, (row.id,), actor=by, target=target, body=body)
                self._on.ledger.stage(session, event)
            report = _report(row)
        self._on.ledger.flush()
        return report

    def _known(self, rota: str) -> None:
        if rota not in self.plan.rotas:
            raise NotFound(f"there is no rota {rota[:80]!a}", hint=f"there is: {', '.join(self.plan.rotas) or 'none'}")

    def _person(self, session: Session, rota: str, now: int) -> str:
        return on_call(self.plan.rotas[rota], now, _store.overrides_of(session, now)).person

    def _look(self, rota: str, now: int) -> bool:
        with self._on.database.read() as session:
            before = _latest(session, rota)
            person = self._person(session, rota, now)
        if before is not None and before.incoming == person:
            return False
        outgoing = before.incoming if before is not None else NOBODY
        report = self._make(rota, outgoing, person, min(before.at, now) if before is not None else now, now)
        with self._on.database.write() as session:
            self._keep(session, report, before.seq + 1 if before is not None else 0)
        self._on.ledger.flush()
        return before is not None

    def _keep(self, session: Session, report: Report, seq: int) -> None:
        text = msgspec.json.encode(report).decode() if seq else ""  # nobody hands anything over to the first one
        row = HandoverRow(id=report.id, rota=report.rota, outgoing=report.outgoing, incoming=report.incoming)
        row.seq, row.at, row.report, row.accepted_at, row.accepted_by = seq, report.at, text, 0, ""
        session.add(row)
        if not seq:
            return
        self._announce(session, report)
        body: dict[str, str | int] = {"rota": report.rota, "handover": report.id, "outgoing": report.outgoing}
        body |= {"incoming": report.incoming, "incidents": len(report.incidents), "waiting": len(report.waiting)}
        target = f"rota:{report.rota}"
        self._on.ledger.stage(session, fact("respond.handover.made", report.at, (report.id,), target=target, body=body))

    def _announce(self, session: Session, report: Report) -> None:
        """Tell the incoming person, once they are awake."""
        person = self.plan.people.get(report.incoming)
        if person is None:
            return
        until = quiet_until(person.quiet, report.at, most=LONGEST_DEFERRED)
        title = f"You are on call for {report.rota} now: {len(report.incidents)} incidents are open"
        for channel in person.channels:
            session.add(
                PageRow(
                    id=derived_id("page", report.id, channel),
                    incident="",
                    number="",
                    title=title,
                    severity=_LOW,
                    person=person.name,
                    channel=channel,
                    round=0,
                    rung=0,
                    level=0,
                    state=_store.DUE if until == report.at else _store.DEFERRED,
                    why="" if until == report.at else "quiet hours",
                    due_at=until,
                    made_at=report.at,
                    ended_at=0,
                    attempts=0,
                )
            )

    def _make(self, rota: str, outgoing: str, incoming: str, since: int, now: int) -> Report:
        others = {name: _ask(source) for name, source in self._sources.items()}
        with self._on.database.read() as session:
            return Report(
                id=derived_id("handover", rota, outgoing, incoming, now),
                rota=rota,
                outgoing=outgoing,
                incoming=incoming,
                since=since,
                at=now,
                incidents=tuple(_incidents(session)),
                waiting=tuple(_waiting(session, since)),
                happened=_happened(session, since),
                others=others,
            )


def text_of(report: Report) -> str:
    """The report for people."""
    lines = [f"Handover of {report.rota} at {to_iso(report.at)}: {report.outgoing or 'nobody'} to {report.incoming}"]
    lines[0] = lines[0] if report.incoming else f"{report.rota} as it stands at {to_iso(report.at)}"
    lines.append("In this shift: " + ", ".join(f"{count} {what}" for what, count in report.happened.items()))
    lines.append(f"Open incidents: {len(report.incidents) or 'none'}")
    for one in report.incidents:
        whose = f"taken by {one.acknowledged_by}" if one.acknowledged_by else "taken by NOBODY"
        lines.append(f"  {one.number}  {SEVERITIES.get(one.severity, one.severity)}  {whose}  {one.title}")
    lines.append(f"Pages put off or dropped: {len(report.waiting) or 'none'}")
    lines += [f"  {one.number}  to {one.person}  {one.state}: {one.why}  {one.title}" for one in report.waiting]
    for name, known in report.others.items():
        said = str(len(known.rows) + known.more or "none") if known.known else f"NOT KNOWN: {known.why}"
        lines.append(f"{_NAMES.get(name, name.capitalize())}: {said}")
        lines += [f"  {'  '.join(str(value) for value in row.values())}" for row in known.rows]
        lines += [f"  and {known.more} more"] if known.more else []
    if report.accepted_by:
        lines.append(f"Accepted by {report.accepted_by} at {to_iso(report.accepted_at)}")
    elif report.incoming:
        lines.append(f"Not accepted yet: watchkeeper oncall handover --accept {report.id}")
    return "\n".join(lines)


def _ask(source: Source) -> Known:
    try:
        rows = tuple(dict(row) for row in source())
        return Known(known=True, rows=rows[:_MOST], more=max(0, len(rows) - _MOST))
    except WatchkeeperError as error:
        return Known(known=False, why=error.reason)


def _incidents(session: Session) -> Sequence[Held]:
    row = EscalationRow
    rows = session.scalars(
        select(row).where(row.state != CLOSED).order_by(row.severity.desc(), row.opened_at).limit(_MOST)
    )
    return [Held(r.number, r.title, r.severity, r.state, r.opened_at, r.acknowledged_by) for r in rows]


def _waiting(session: Session, since: int) -> Sequence[Waits]:
    page = PageRow
    wanted = page.state.in_(WAITING) | ((page.state == _store.DROPPED) & (page.ended_at >= since))
    rows = session.scalars(select(page).where(wanted).order_by(page.due_at).limit(_MOST))
    return [Waits(r.number, r.title, r.severity, r.person, r.state, r.why, r.due_at) for r in rows]


def _happened(session: Session, since: int) -> dict[str, int]:
    row, page = EscalationRow, PageRow

    def count(*where: Any) -> int:
        return session.scalar(select(func.count()).where(*where)) or 0

    return {
        "opened": count(row.opened_at >= since),
        "acknowledged": count(row.acknowledged_at >= since),
        "closed": count(row.state == CLOSED, row.told_at >= since),
        "pages": count(page.state == _store.SENT, page.ended_at >= since),
        "not taken": count(page.state == _store.DROPPED, page.ended_at >= since, page.attempts > 0),
    }


def _latest(session: Session, rota: str) -> HandoverRow | None:
    wanted = select(HandoverRow).where(HandoverRow.rota == rota).order_by(HandoverRow.seq.desc()).limit(1)
    return session.scalar(wanted)


def _report(row: HandoverRow) -> Report:
    report = msgspec.json.decode(row.report, type=Report)
    return msgspec.structs.replace(report, accepted_at=row.accepted_at, accepted_by=row.accepted_by)
