"""Who is told of what: the console always, an integration by the severity that its settings ask for, or by its name.

It does not wait for anybody: what is to be told is kept first, and the outbox brings it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from watchkeeper.core.errors import NotFound
from watchkeeper.events.model import Severity
from watchkeeper.respond.errands import Errand, Verb
from watchkeeper.respond.integrations.settings import IntegrationSettings
from watchkeeper.respond.model import Notification
from watchkeeper.respond.ports import Errands, Notifier


class RoutedNotifier:
    """`Notifier` by the console and by integrations."""

    def __init__(self, console: Notifier, errands: Errands, integrations: Mapping[str, IntegrationSettings]) -> None:
        self._console = console
        self._errands = errands
        self._least = {name: Severity[one.notify.upper()] for name, one in integrations.items() if one.notify}

    def send(self, notification: Notification) -> Sequence[str]:
        """Raises `NotFound` for a channel that there is not, after everybody else was told."""
        told = list(self._console.send(notification))
        by_severity = [name for name, least in self._least.items() if notification.severity >= least]
        unknown: NotFound | None = None
        for name in dict.fromkeys([*by_severity, *notification.channels]):
            try:
                self._errands.put(errand_of(notification, name))
                told.append(name)
            except NotFound as error:
                unknown = error
        if unknown is not None:
            raise unknown
        return told


def errand_of(notification: Notification, name: str) -> Errand:
    return Errand(
        key=notification.key,
        integration=name,
        verb=Verb.TELL,
        time=notification.time,
        title=notification.title,
        text=notification.text,
        incident=notification.incident,
        number=notification.number,
        severity=notification.severity,
        labels=notification.labels,
    )
