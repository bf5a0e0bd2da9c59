"""The events that count: the same seen again, and what a throttle held back. Pure."""

from __future__ import annotations

from watchkeeper.core.ids import derived_id
from watchkeeper.detect.alerts.model import ACTOR, REPEATED, THROTTLED
from watchkeeper.detect.alerts.throttle import Period
from watchkeeper.detect.alerts.windows import Last, Window
from watchkeeper.events import Event, Severity
from watchkeeper.events.model import VERSION


def is_told(count: int) -> bool:
    """Whether a count is worth an event by itself: 10, 100, 1,000 …"""
    while count >= 10 and count % 10 == 0:
        count //= 10
        if count == 1:
            return True
    return False


def repeated(window: Window, now: int, over: str = "") -> Event:
    """How often the same was seen; `over` says why the count is final."""
    of = window.of
    return Event(
        v=VERSION,
        id=derived_id("alert repeated", window.alert, window.count, over),
        time=now,
        kind=REPEATED,
        tenant=of.tenant,
        actor=ACTOR,
        server=of.server,
        target=of.target,
        outcome="success",
        severity=Severity(max(window.told.values(), default=Severity.INFORMATIONAL)),
        labels=of.labels,
        body={
            "alert": window.alert,
            "rule": of.rule,
            "name": of.name,
            "title": of.title,
            "group": of.group,
            "count": window.count,
            "escalations": window.escalations,
            "since": window.since,
            "until": window.last.time,
            "last": _place(window.last),
            "over": over,
            "exception": of.exception,
        },
    )


def throttled(period: Period, now: int, limit: int, *, is_over: bool = False) -> Event:
    """What a rule found and was not told one by one."""
    last = period.last or Last("", "", 0, period.since)
    return Event(
        v=VERSION,
        id=derived_id(
            "alerts throttled", period.rule, period.tenant, *period.labels, period.since, period.held, is_over
        ),
        time=now,
        kind=THROTTLED,
        tenant=period.tenant,
        actor=ACTOR,
        outcome="success",
        severity=Severity(period.severity),
        labels=period.labels,
        body={
            "rule": period.rule,
            "name": period.name,
            "title": period.title,
            "held": period.held,
            "raised": period.raised,
            "limit": limit,
            "since": period.since,
            "until": last.time,
            "groups": dict(period.groups),
            "last": _place(last),
            "over": is_over,
        },
    )


def _place(last: Last) -> dict[str, str | int]:
    return {"writer": last.writer, "index": last.index, "event": last.event}
