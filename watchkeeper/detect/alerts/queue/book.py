"""The queue as people use it: lists, one alert with everything about it, and what they make of it.

What somebody makes of an alert is durable in the journal before it stands in the table; a crash between the two is put
right by the follower. Safe for threads and processes; blocks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Invalid, NotFound
from watchkeeper.detect.alerts.queue import _store
from watchkeeper.detect.alerts.queue._store import AlertRow, AssessmentRow, alert_of
from watchkeeper.detect.alerts.queue.model import Alert, Filter, Opened, Page, Queued, State
from watchkeeper.detect.alerts.queue.moves import Wish, moved
from watchkeeper.detect.alerts.queue.precision import Precision, precision
from watchkeeper.events import Event, new_event

ASSESSED = "detect.alert.assessed"
MOST = 500
"""Alerts of one page."""
DAY = 86_400 * SECOND
_NEAR = 3600 * SECOND
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HINT = "see `watchkeeper alerts list`"
_SHORTEST = 6
"""Characters by which an alert can be named."""


class Recorder(Protocol):
    """The journal."""

    def record(self, event: Event) -> Any:
        """Durable when it returns. Raises `Unavailable`."""


ReadAt = Callable[[str, int], Event | None]
"""The event at a place of the journal; `None` when nobody can read it any more."""


class AlertQueue:
    """The alerts of a control state."""

    def __init__(self, database: Database, journal: Recorder, clock: Clock, read_at: ReadAt) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._read_at = read_at

    def page(self, asked: Filter, limit: int = 100, offset: int = 0) -> Page:
        """The newest first, the worst before the others of the same second."""
        row, where = AlertRow, _where(asked)
        with self._database.read() as session:
            chosen = [*where, *_state(asked.state)]
            rows = session.scalars(
                select(row).where(*chosen).order_by(row.time.desc(), row.severity.desc(), row.id)
                .limit(max(1, min(limit, MOST))).offset(max(0, offset))
            ).all()  # fmt: skip
            total = session.scalar(select(func.count()).select_from(row).where(*chosen)) or 0
            states = session.execute(select(row.state, func.count()).where(*where).group_by(row.state)).all()
        return Page(tuple(map(alert_of, rows)), total, {str(state): count for state, count in states})

    def open(self, name: str, tenant: str) -> Opened:
        """An alert, by its id or the beginning of it, with everything about it. Raises `NotFound`."""
        with self._database.read() as session:
            alert = alert_of(_row(session, name, tenant))
            history = session.scalars(
                select(AssessmentRow).where(AssessmentRow.alert == alert.id).order_by(AssessmentRow.time)
            ).all()
            near = session.scalars(_neighbours(alert)).all()
        raised, trigger = self._at(alert.writer, alert.index), self._at(alert.event_writer, alert.event_index)
        return Opened(
            alert=alert,
            body=raised.body if raised is not None and raised.id == alert.id else {},
            trigger=msgspec.to_builtins(trigger) if trigger is not None and trigger.id == alert.event else None,
            history=tuple(map(_store.assessment_of, history)),
            neighbours=tuple(map(alert_of, near)),
        )

    def assess(self, name: str, tenant: str, wish: Wish) -> Alert:
        """Do what somebody wants. Raises `NotFound`, `Conflict`."""
        with self._database.write() as session:
            row = _row(session, name, tenant)
            was, now = alert_of(row), self._clock.now()
            after = moved(was, wish, now)
            event = _assessed(was, after, wish, now)
            self._journal.record(event)
            _store.put(row, after)
            session.add(assessment_row(event))
        return after

    def rule_named(self, name: str, tenant: str) -> str:
        """The id of a rule that raised alerts, by its name or id. Raises `Invalid`."""
        row = AlertRow
        named = select(row.rule).where(row.tenant == tenant, or_(row.rule == name, row.name == name))
        with self._database.read() as session:
            found = session.scalars(named.order_by(row.time.desc()).limit(1)).first()
        if found is None and not _ID.fullmatch(name):
            raise Invalid(f"no rule {name[:80]!a} has raised an alert yet", hint="give the rule's id")
        return found or name

    def closed_since(self, time: int) -> frozenset[str]:
        """Ids of alerts that people closed since then."""
        row = AlertRow
        chosen = select(row.id).where(row.state == State.CLOSED.value, row.assessed_at >= time)
        with self._database.read() as session:
            return frozenset(session.scalars(chosen))

    def precision(self, tenant: str, rule: str = "", since: int = 0) -> Sequence[Precision]:
        """Of each rule that raised alerts, the one with the most assessed first."""
        row = AlertRow
        where = [row.tenant == tenant, row.kind == Queued.RAISED.value, row.time >= since]
        if rule:
            where.append(or_(row.rule == rule, row.name == rule))
        counted = select(row.rule, func.max(row.title), row.disposition, func.count()).where(*where)
        with self._database.read() as session:
            found = session.execute(counted.group_by(row.rule, row.disposition)).all()
        rules: dict[str, tuple[str, dict[str, int]]] = {}
        for of, title, disposition, count in found:
            rules.setdefault(of, (title, {}))[1][disposition] = count
        all_of = [precision(of, title, counts, counts.get("", 0)) for of, (title, counts) in rules.items()]
        return sorted(all_of, key=lambda one: (-one.right.of, -one.open, one.title, one.rule))

    def volume(self, tenant: str, days: int) -> dict[str, list[int]]:
        """Rule → alerts a day, today last."""
        row, today = AlertRow, self._clock.now() // DAY
        day = (row.time - row.time % DAY) / DAY
        counted = select(row.rule, func.min(row.time), func.count()).where(
            row.tenant == tenant, row.kind == Queued.RAISED.value, row.time >= (today - days + 1) * DAY
        )
        volumes: dict[str, list[int]] = {}
        with self._database.read() as session:
            for rule, first, count in session.execute(counted.group_by(row.rule, day)):
                at = int(first // DAY - today + days - 1)
                if 0 <= at < days:
                    volumes.setdefault(rule, [0] * days)[at] = count
        return volumes

    def _at(self, writer: str, index: int) -> Event | None:
        return self._read_at(writer, index) if writer and index >= 0 else None


def last_raised(database: Database, names: Collection[str]) -> dict[str, int]:
    """Name of a rule → when it raised its last alert, whoever recorded it; rules without one are left out."""
    query = select(AlertRow.name, func.max(AlertRow.time)).where(AlertRow.name.in_(names), AlertRow.kind == "raised")
    with database.read() as session:
        rows = session.execute(query.group_by(AlertRow.name)).all() if names else []
        return {row[0]: row[1] for row in rows}


def forget(database: Database, principal: str) -> int:
    """Take a principal out of every alert, and what was said about it with it; in how many it was."""
    row, gone = AlertRow, "(erased)"
    with database.write() as session:
        ids = session.scalars(select(row.id).where(row.principal == principal)).all()
        session.execute(update(AssessmentRow).where(AssessmentRow.alert.in_(ids)).values(note=""))
        blank = {"principal": gone, "target": "", "group": "", "note": ""}
        session.execute(update(row).where(row.principal == principal).values(**blank))
    return len(ids)


def assessment_row(event: Event) -> AssessmentRow:
    """The row of an assessment, from the event that says so."""
    body = event.body
    said = {
        name: str(body.get(name, "")) for name in ("alert", "act", "was", "state", "assignee", "disposition", "note")
    }
    return AssessmentRow(event=event.id, time=event.time, by=event.actor[:128], **said)


def _row(session: Session, name: str, tenant: str) -> AlertRow:
    row = AlertRow
    named = select(row).where(row.tenant == tenant, row.id.startswith(name, autoescape=True)).limit(2)
    found = session.scalars(named).all() if len(name) >= _SHORTEST else []
    if len(found) != 1:
        why = "several alerts begin with" if found else "there is no alert"
        raise NotFound(f"{why} {name[:40]!a}", hint=_HINT)
    return found[0]


def _assessed(was: Alert, after: Alert, wish: Wish, now: int) -> Event:
    optional = {"disposition": after.disposition, "note": wish.note}
    body = {
        "alert": was.id,
        "rule": was.rule,
        "title": was.title,
        "act": wish.act.value,
        "was": was.state,
        "state": after.state,
        "assignee": after.assignee,
        **{name: value for name, value in optional.items() if value},
    }
    return new_event(
        now, ASSESSED, tenant=was.tenant, actor=wish.by, server=was.server, target=was.id, outcome="success",
        labels=was.labels, body=body,
    )  # fmt: skip


def _where(asked: Filter) -> list[ColumnElement[bool]]:
    row = AlertRow
    found = [row.tenant == asked.tenant, row.severity >= asked.severity]
    if asked.kind != "all":
        kinds = (asked.kind,) if asked.kind else (Queued.RAISED.value, Queued.THROTTLED.value)
        found.append(row.kind.in_(kinds))
    for column, value in (
        (row.server, asked.server), (row.principal, asked.principal), (row.disposition, asked.disposition),
        (row.exception, asked.exception),
    ):  # fmt: skip
        if value:
            found.append(column == value)
    if asked.rule:
        found.append(or_(row.rule == asked.rule, row.name == asked.rule))
    if asked.assignee:
        found.append(row.assignee == ("" if asked.assignee == "nobody" else asked.assignee))
    if asked.since:
        found.append(row.time >= asked.since)
    if asked.until:
        found.append(row.time < asked.until)
    searched = (row.title, row.name, row.server, row.target, row.principal)
    found += [or_(*(one.icontains(word, autoescape=True) for one in searched)) for word in asked.words.split()[:10]]
    return found


def _state(state: str) -> list[ColumnElement[bool]]:
    if state == "all":
        return []
    return [AlertRow.state != State.CLOSED.value if state == "open" else AlertRow.state == state]


def _neighbours(alert: Alert) -> Any:
    row = AlertRow
    same = [row.server == alert.server] if alert.server else []
    same += [row.principal == alert.principal] if alert.principal else []
    near = and_(row.time >= alert.time - _NEAR, row.time <= alert.time + _NEAR, row.id != alert.id)
    return select(row).where(row.tenant == alert.tenant, near, or_(*same, row.id == alert.first)).order_by(
        func.abs(row.time - alert.time)
    ).limit(12)  # fmt: skip
