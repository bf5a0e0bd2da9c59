"""Fills the queue from the journal: a row for each alert, its count, what was made of it. Stands on its own cursor.

A row's facts may come in any order across logs, and twice: each sets what it knows, and the later one wins.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from watchkeeper.core.clock import SECOND, Clock
from watchkeeper.core.database import Database
from watchkeeper.core.errors import WatchkeeperError
from watchkeeper.core.ids import derived_id
from watchkeeper.detect.alerts.exceptions.book import count_held
from watchkeeper.detect.alerts.model import EXCEPTED, RAISED, REPEATED, THROTTLED
from watchkeeper.detect.alerts.queue._store import AlertRow, AssessmentRow, PlaceRow, alert_of, put
from watchkeeper.detect.alerts.queue.book import ASSESSED, assessment_row
from watchkeeper.detect.alerts.queue.model import Alert, Queued
from watchkeeper.detect.alerts.queue.moves import Act
from watchkeeper.events import Event, JournalReader, Position, Record, decode

KEPT = 400 * 86_400 * SECOND
"""How long a row stays; the journal's own retention says how long the facts do."""
_CHUNK = 4096
_POLL_SECONDS = 0.1
_SAVE_SECONDS = 2.0
_RETRY_SECONDS = 1.0
_OURS = b'"kind":"detect.alert.'
_HEARTBEAT = "gateway.heartbeat.sounded"
"""Alerts of the dead-man's switch, many a minute: they are for response, and nobody works on them."""
_log = logging.getLogger(__name__)


class QueueFollower:
    """One per control state, in a thread of the watch."""

    def __init__(self, database: Database, reader: JournalReader, clock: Clock) -> None:
        self._database = database
        self._reader = reader
        self._clock = clock
        self._saved_at = 0
        self._pruned_at = 0
        self.cursor: dict[str, int] | None = None
        """As it is durable; `None` before the first look."""
        self._place: dict[str, int] = {}
        self._cuts: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; outlives a full disk or a locked database."""
        while not stop.is_set():
            try:
                if not self.step():
                    stop.wait(_POLL_SECONDS)
            except WatchkeeperError as error:
                _log.warning("the alert queue stands still", extra={"why": error.reason})
                self._place = dict(self.cursor or {})
                stop.wait(_RETRY_SECONDS)

    def step(self) -> int:
        """Take what the journal has now, up to 4096 records; how many. Raises `Unavailable`."""
        if self.cursor is None:
            self.cursor = self._load()
            self._place = dict(self.cursor)
        self._place = self._reader.resumed(self._place, self._cuts)
        records = self._reader.read(self._place, limit=_CHUNK, decode=False)
        ours = [
            (event, record.position) for record in records
            if _OURS in record.record and (event := _event(record)) is not None
        ]  # fmt: skip
        after = self._place | {record.position.writer: record.position.index + 1 for record in records}
        now = self._clock.now()
        if ours or (records and now - self._saved_at >= _SAVE_SECONDS * SECOND):
            self._take(ours, after)
            self.cursor, self._saved_at = dict(after), now
        self._place = after
        self._prune(now)
        return len(records)

    def _take(self, found: Sequence[tuple[Event, Position]], cursor: Mapping[str, int]) -> None:
        with self._database.write() as session:
            for event, position in found:
                _TAKERS[event.kind](session, event, position)
            for writer, index in cursor.items():
                session.merge(PlaceRow(writer=writer, index=index))

    def _load(self) -> dict[str, int]:
        with self._database.read() as session:
            return {row.writer: row.index for row in session.scalars(select(PlaceRow))}

    def _prune(self, now: int) -> None:
        if now - self._pruned_at < 3600 * SECOND:
            return
        self._pruned_at = now
        with self._database.write() as session:
            session.execute(delete(AlertRow).where(AlertRow.time < now - KEPT))
            session.execute(delete(AssessmentRow).where(AssessmentRow.time < now - KEPT))


def _raised(session: Session, event: Event, at: Position) -> None:
    body = event.body
    kind = Queued.EXCEPTED if event.kind == EXCEPTED else Queued.RAISED
    row, was = _row(session, event.id, event.tenant)
    writer, index = _place(body, "position")
    alert = msgspec.structs.replace(
        was,
        kind=kind.value,
        time=event.time,
        rule=_text(body, "rule"),
        name=_text(body, "name"),
        title=_text(body, "title"),
        severity=int(event.severity),
        server=event.server,
        target=event.target,
        principal=_text(body, "principal"),
        outcome=event.outcome,
        group=_text(body, "group"),
        labels=event.labels,
        news=tuple(str(one) for one in news) if isinstance(news := body.get("news"), list) else (),
        first=_text(body, "first"),
        last_time=max(was.last_time, _number(body, "event_time")),
        event=_text(body, "event"),
        event_kind=_text(body, "event_kind"),
        event_time=_number(body, "event_time"),
        writer=at.writer,
        index=at.index,
        event_writer=writer,
        event_index=index,
        exception=_text(body, "exception"),
    )
    put(row, alert)
    if alert.exception and was.index < 0:
        count_held(session, alert.exception, 1, alert.event_time)


def _repeated(session: Session, event: Event, _: Position) -> None:
    body = event.body
    row, was = _row(session, _text(body, "alert"), event.tenant)
    count = max(was.count, _number(body, "count"))
    alert = msgspec.structs.replace(
        was,
        title=was.title or _text(body, "title"),
        name=was.name or _text(body, "name"),
        rule=was.rule or _text(body, "rule"),
        time=was.time or event.time,
        severity=max(was.severity, int(event.severity)),
        server=was.server or event.server,
        count=count,
        last_time=max(was.last_time, _number(body, "until")),
    )
    put(row, alert)
    exception = _text(body, "exception")
    # its escalations were counted as alerts of their own
    more = count - was.count - (_number(body, "escalations") if body.get("over") else 0)
    if exception:
        count_held(session, exception, more, alert.last_time)


def _throttled(session: Session, event: Event, at: Position) -> None:
    body = event.body
    rule, since = _text(body, "rule"), _number(body, "since")
    row, was = _row(session, derived_id("throttled alerts", event.tenant, rule, since, *event.labels), event.tenant)
    writer, index = _place(body, "last")
    alert = msgspec.structs.replace(
        was,
        kind=Queued.THROTTLED.value,
        time=was.time or event.time,
        rule=rule,
        name=_text(body, "name"),
        title=_text(body, "title"),
        severity=max(was.severity, int(event.severity)),
        labels=event.labels,
        count=max(was.count, _number(body, "held")),
        last_time=_number(body, "until"),
        event=_text(_members(body, "last"), "event"),
        event_time=since,
        writer=at.writer,
        index=at.index,
        event_writer=writer,
        event_index=index,
    )
    put(row, alert)


def _assessed(session: Session, event: Event, _: Position) -> None:
    body = event.body
    if session.get(AssessmentRow, event.id) is None:
        session.add(assessment_row(event))
    row, was = _row(session, _text(body, "alert"), event.tenant)
    if event.time < was.assessed_at:
        return
    alert = msgspec.structs.replace(
        was,
        title=was.title or _text(body, "title"),
        rule=was.rule or _text(body, "rule"),
        time=was.time or event.time,
        server=was.server or event.server,
        state=_text(body, "state"),
        assignee=_text(body, "assignee"),
        disposition=_text(body, "disposition"),
        note=_text(body, "note") or ("" if _text(body, "act") == Act.REOPEN else was.note),
        assessed_by=event.actor[:128],
        assessed_at=event.time,
    )
    put(row, alert)


_TAKERS: Mapping[str, Callable[[Session, Event, Position], None]] = {
    RAISED: _raised,
    EXCEPTED: _raised,
    REPEATED: _repeated,
    THROTTLED: _throttled,
    ASSESSED: _assessed,
}


def _row(session: Session, alert_id: str, tenant: str) -> tuple[AlertRow, Alert]:
    row = session.get(AlertRow, alert_id)
    if row is not None:
        return row, alert_of(row)
    blank = Alert(id=alert_id, tenant=tenant, kind=Queued.RAISED.value, time=0, rule="", name="", title="", severity=1)
    row = put(AlertRow(), blank)
    session.add(row)
    return row, blank


def _event(record: Record) -> Event | None:
    """What the queue takes; None for what nobody can read, what is about no alert, and heartbeats."""
    try:
        event = decode(record.record)
    except msgspec.MsgspecError:
        return None
    is_about_one = event.kind not in (REPEATED, ASSESSED) or _text(event.body, "alert")
    is_ours = event.kind in _TAKERS and is_about_one and event.body.get("event_kind") != _HEARTBEAT
    return event if is_ours else None


def _members(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def _place(body: Mapping[str, Any], name: str) -> tuple[str, int]:
    """Writer and index; an index of -1 where there is none."""
    place = _members(body, name)
    return _text(place, "writer"), _number(place, "index") if "index" in place else -1


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
