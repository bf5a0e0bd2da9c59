"""The exceptions of a control state: added and removed by people, each change a fact before it takes effect."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from watchkeeper.core.clock import Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import Conflict, Denied, NotFound
from watchkeeper.core.ids import observed_id
from watchkeeper.detect.alerts.exceptions._store import ExceptionRow, exemption_of, row_of
from watchkeeper.detect.alerts.exceptions.model import DAY, Draft, Exemption
from watchkeeper.detect.alerts.exceptions.reading import checked
from watchkeeper.events import Event, Severity, new_event

ADDED = "admin.exception.added"
ENDED = "admin.exception.ended"
MOST = 1_000
"""In force at once, of a tenant."""
_HINT = "see `watchkeeper alerts exceptions list`"
_log = logging.getLogger(__name__)


class Recorder(Protocol):
    """The journal."""

    def record(self, event: Event) -> Any:
        """Durable when it returns. Raises `Unavailable`."""


class ExceptionBook:
    """Safe for threads and processes; blocks."""

    def __init__(self, database: Database, journal: Recorder, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock

    def in_force(self) -> Sequence[Exemption]:
        """Of every tenant, oldest first; one that cannot be read holds nothing back. Raises `Unavailable`."""
        row, now = ExceptionRow, self._clock.now()
        with self._database.read() as session:
            found = select(row).where(row.ended_at == 0, row.expires_at > now).order_by(row.created_at, row.id)
            return list(_readable(session.scalars(found)))

    def list(self, tenant: str, rule: str = "") -> Sequence[Exemption]:
        """Every one there ever was, newest first; of one rule, those for all rules with it."""
        row = ExceptionRow
        with self._database.read() as session:
            found = select(row).where(row.tenant == tenant).order_by(row.created_at.desc(), row.id.desc())
            if rule:
                found = found.where(row.rule.in_((rule, "")))
            return [exemption_of(one) for one in session.scalars(found)]

    def get(self, name: str, tenant: str) -> Exemption:
        """By its id, or the beginning of it. Raises `NotFound`."""
        with self._database.read() as session:
            return exemption_of(self._row(session, name, tenant))

    def add(self, draft: Draft, by: str, impact: dict[str, Any] | None = None) -> Exemption:
        """Put one in force. Raises `Invalid`, `Denied` for an agent, `Conflict` when there are too many."""
        _refuse_agents(by)
        condition, now = checked(draft), self._clock.now()
        one = Exemption(
            id=observed_id(),
            tenant=draft.tenant,
            rule=draft.rule,
            where=draft.where,
            condition=condition,
            reason=draft.reason.strip(),
            author=by,
            created_at=now,
            expires_at=now + int(draft.days * DAY),
            over_critical=draft.over_critical,
        )
        with self._database.write() as session:
            row = ExceptionRow
            there = select(row.id).where(row.tenant == one.tenant, row.ended_at == 0, row.expires_at > now).limit(MOST)
            if len(session.scalars(there).all()) >= MOST:
                raise Conflict(f"{MOST} exceptions are in force", hint="remove some; they make the watch blind")
            self._record(ADDED, one, by, {"impact": impact} if impact is not None else {})
            session.add(row_of(one))
        return one

    def remove(self, name: str, tenant: str, by: str, because: str = "") -> Exemption:
        """End one now. Raises `NotFound`, `Conflict` when it has ended."""
        _refuse_agents(by)
        with self._database.write() as session:
            row = self._row(session, name, tenant)
            if row.ended_at:
                raise Conflict("this exception was removed before", hint=_HINT)
            row.ended_at, row.ended_by, row.ended_because = self._clock.now(), by[:128], because
            one = exemption_of(row)
            self._record(ENDED, one, by, {"held": one.held, "because": because})
        return one

    def _row(self, session: Session, name: str, tenant: str) -> ExceptionRow:
        row = ExceptionRow
        named = select(row).where(row.tenant == tenant, row.id.startswith(name, autoescape=True)).limit(2)
        found = session.scalars(named).all() if len(name) >= 8 else []
        if len(found) != 1:
            why = "several exceptions begin with" if found else "there is no exception"
            raise NotFound(f"{why} {name[:40]!a}", hint=_HINT)
        one: ExceptionRow = found[0]
        return one

    def _record(self, kind: str, one: Exemption, by: str, more: dict[str, Any]) -> None:
        body = {
            "exception": one.id,
            "rule": one.rule,
            "where": one.where,
            "reason": one.reason,
            "expires_at": one.expires_at,
            "over_critical": one.over_critical,
            **more,
        }
        severity = Severity.MEDIUM if one.over_critical or not one.rule else Severity.LOW
        event = new_event(
            self._clock.now(),
            kind,
            tenant=one.tenant,
            actor=by,
            target=one.id,
            outcome="success",
            severity=severity if kind == ADDED else Severity.INFORMATIONAL,
            body=body,
        )
        self._journal.record(event)


def _readable(rows: Iterable[ExceptionRow]) -> Iterator[Exemption]:
    for row in rows:
        try:
            yield exemption_of(row)
        except msgspec.MsgspecError as error:
            _log.error("an exception cannot be read and holds nothing back", extra={"id": row.id, "why": str(error)})


def count_held(session: Session, name: str, more: int, time: int) -> None:
    """So many more were held back by an exception, the last one then. Part of the caller's transaction."""
    row = ExceptionRow
    session.execute(update(row).where(row.id == name).values(held=row.held + more))
    session.execute(update(row).where(row.id == name, row.last_held_at < time).values(last_held_at=time))


def _refuse_agents(by: str) -> None:
    if by.startswith("agent:"):
        raise Denied("an agent decides about no exception", rule="detect.operators-except")
