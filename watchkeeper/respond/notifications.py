"""Tells the people who look at the console and at `up`: a table they show, and an event in the journal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from watchkeeper.core.database import Database
from watchkeeper.core.ids import derived_id
from watchkeeper.events.model import Severity, new_event
from watchkeeper.respond import _store
from watchkeeper.respond._store import NotificationRow
from watchkeeper.respond.ledger import Ledger
from watchkeeper.respond.model import ACTOR, Notification

CHANNEL = "console"


class ConsoleNotifier:
    """`Notifier` without a network: whoever opens the console sees it."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def send(self, notification: Notification) -> Sequence[str]:
        event = new_event(
            notification.time,
            "respond.notification.sent",
            actor=ACTOR,
            target=notification.incident,
            outcome="success",
            severity=Severity(notification.severity),
            labels=notification.labels,
            body={"channel": CHANNEL, "number": notification.number, "text": notification.text},
        )
        event = msgspec.structs.replace(event, id=derived_id("notification", notification.key))
        with self._database.write() as session:
            if session.get(NotificationRow, notification.key) is None:
                text = msgspec.json.encode(notification).decode()
                session.add(NotificationRow(key=notification.key, time=notification.time, notification=text))
            self._ledger.stage(session, event)
        self._ledger.flush()
        return [CHANNEL]

    def latest(self, limit: int = 50) -> tuple[Notification, ...]:
        """The newest notifications, newest first."""
        with self._database.read() as session:
            return _store.notifications(session, limit)
