"""Past alerts with the events they came from, for asking what an exception would have done with them.

Where a condition looks at nothing but who, where and what kind, the queue's own rows answer; else the journal is read.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from watchkeeper.core.database import Database
from watchkeeper.detect.alerts.exceptions.impact import MOST, Past
from watchkeeper.detect.alerts.exceptions.model import Exemption
from watchkeeper.detect.alerts.queue._store import AlertRow, alert_of
from watchkeeper.detect.alerts.queue.book import ReadAt
from watchkeeper.detect.alerts.queue.model import Alert, Queued
from watchkeeper.detect.conditions.scope import fields_of
from watchkeeper.events import Event
from watchkeeper.events.model import VERSION

_OF_THE_ROW = frozenset({"actor", "server", "target", "kind", "tenant", "time", "id"})
READ = 2_000
"""Events that are looked up in the journal."""


def past_alerts(database: Database, read_at: ReadAt, about: Exemption, since: int) -> Iterator[Past]:
    """Alerts that were raised since then, the newest first; no more than can be looked at."""
    row = AlertRow
    chosen = select(row).where(row.tenant == about.tenant, row.kind == Queued.RAISED.value, row.time >= since)
    if about.rule:
        chosen = chosen.where(row.rule == about.rule)
    from_row = fields_of(about.condition) <= _OF_THE_ROW
    most = MOST + 1 if from_row else READ + 1
    with database.read() as session:
        alerts = [alert_of(one) for one in session.scalars(chosen.order_by(row.time.desc(), row.id).limit(most))]
    for number, alert in enumerate(alerts):
        if from_row:
            yield _past(alert, _shape(alert))
        else:
            yield _past(alert, read_at(alert.event_writer, alert.event_index) if number < READ else None)


def _shape(alert: Alert) -> Event:
    return Event(
        v=VERSION,
        id=alert.event,
        time=alert.event_time,
        kind=alert.event_kind,
        tenant=alert.tenant,
        actor=alert.principal,
        server=alert.server,
        target=alert.target,
    )


def _past(alert: Alert, event: Event | None) -> Past:
    is_it = event is not None and event.id == alert.event
    return Past(
        alert.id,
        alert.tenant,
        alert.rule,
        alert.title,
        alert.severity,
        alert.time,
        event if is_it else None,
        alert.disposition,
    )
