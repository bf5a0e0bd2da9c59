"""The end of a heartbeat's way: an alert of its rule came to response. It opens no incident and starts no playbook.

Beside them: when each rule last raised an alert, for rules that are expected to.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from watchkeeper.core.clock import Clock
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import VERSION, Event, Severity
from watchkeeper.respond.model import ACTOR

SOUNDED = "gateway.heartbeat.sounded"
_MOST, _RULES = 64, 4096


def is_heartbeat(event: Event) -> bool:
    """Whether an alert is a heartbeat's."""
    return event.body.get("event_kind") == SOUNDED


class Heartbeats:
    """Safe for threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.now()
        self._lock = threading.Lock()
        self._heard: OrderedDict[str, int] = OrderedDict()
        self._rules: OrderedDict[str, int] = OrderedDict()

    def hear(self, alert: Event) -> Event:
        """A heartbeat came through; the event that says so."""
        now, sounded = self._clock.now(), str(alert.body.get("event", ""))
        body = {
            "event": sounded,
            "alert": alert.id,
            "took_us": max(0, now - int(alert.body.get("event_time") or now)),
        }
        with self._lock:
            self._heard[sounded] = now
            if len(self._heard) > _MOST:
                self._heard.popitem(last=False)
        return Event(
            v=VERSION,
            id=derived_id("respond.heartbeat.heard", alert.id),
            time=now,
            kind="respond.heartbeat.heard",
            actor=ACTOR,
            target=alert.target,
            outcome="success",
            severity=Severity.INFORMATIONAL,
            labels=alert.labels,
            body=body,
        )

    def note(self, alert: Event) -> None:
        """A rule raised an alert."""
        name = str(alert.body.get("name", ""))
        with self._lock:
            self._rules[name] = max(alert.time, self._rules.get(name, 0))
            self._rules.move_to_end(name)
            if len(self._rules) > _RULES:
                self._rules.popitem(last=False)

    def know(self, raised: Mapping[str, int]) -> None:
        """When rules raised their last alert before this process began: name → time."""
        with self._lock:
            for name, time in raised.items():
                self._rules[name] = max(time, self._rules.get(name, 0))

    def told(self) -> dict[str, Any]:
        """`since` when we listen, `heard`: event → when, `rules`: name → time of its last alert; microseconds."""
        with self._lock:
            return {"since": self._since, "heard": dict(self._heard), "rules": dict(self._rules)}
