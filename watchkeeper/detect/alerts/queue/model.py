"""What the queue speaks of. No I/O."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec


class State(StrEnum):
    """Where an alert stands."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    """Somebody has seen it."""
    ASSIGNED = "assigned"
    """It is somebody's."""
    CLOSED = "closed"


OPEN = (State.NEW, State.ACKNOWLEDGED, State.ASSIGNED)


class Disposition(StrEnum):
    """What a closed alert was."""

    TRUE_POSITIVE = "true_positive"
    """An attack, or what the rule is there to find."""
    BENIGN_TRUE_POSITIVE = "benign_true_positive"
    """What the rule describes did happen, and it was meant to."""
    FALSE_POSITIVE = "false_positive"
    """It did not happen: the rule is wrong."""
    DUPLICATE = "duplicate"
    """Another alert says the same; it counts for nothing."""


class Queued(StrEnum):
    """What a row of the queue is."""

    RAISED = "raised"
    EXCEPTED = "excepted"
    """An exception holds it back; it waits for nobody."""
    THROTTLED = "throttled"
    """Matches of a rule that were held back together."""


class Alert(msgspec.Struct, frozen=True):
    """An alert as it waits in the queue, or did."""

    id: str
    tenant: str
    kind: str
    time: int
    """When it was raised."""
    rule: str
    name: str
    title: str
    severity: int
    server: str = ""
    target: str = ""
    principal: str = ""
    outcome: str = ""
    group: str = ""
    labels: tuple[str, ...] = ()
    news: tuple[str, ...] = ()
    first: str = ""
    """The alert that it escalates."""
    count: int = 1
    """How often it was seen, as far as that was told."""
    last_time: int = 0
    """When it was seen last."""
    event: str = ""
    event_kind: str = ""
    event_time: int = 0
    writer: str = ""
    index: int = -1
    """Where the alert stands in the journal."""
    event_writer: str = ""
    event_index: int = -1
    """Where the event stands that completed it."""
    exception: str = ""
    state: str = State.NEW.value
    assignee: str = ""
    disposition: str = ""
    note: str = ""
    assessed_by: str = ""
    assessed_at: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it waits for somebody."""
        return self.state != State.CLOSED.value and self.kind != Queued.EXCEPTED.value


class Filter(msgspec.Struct, frozen=True):
    """Which alerts somebody asks for."""

    state: str = "open"
    """A state, `open` for all but the closed, or `all`."""
    severity: int = 1
    """At least."""
    rule: str = ""
    """Id or name."""
    server: str = ""
    principal: str = ""
    assignee: str = ""
    """`nobody` for those that are nobody's."""
    disposition: str = ""
    kind: str = ""
    """Empty for what waits: raised and throttled; `excepted`, `all`."""
    exception: str = ""
    words: str = ""
    """All of them somewhere in title, rule, server, target or principal."""
    since: int = 0
    until: int = 0
    tenant: str = "default"


class Page(msgspec.Struct, frozen=True):
    """Some of the alerts that were asked for."""

    alerts: tuple[Alert, ...]
    total: int
    """Of all that were asked for."""
    counts: dict[str, int]
    """State → how many there are of the others' filters, so that a face can show what else there is."""


class Assessment(msgspec.Struct, frozen=True):
    """Something that was made of an alert."""

    time: int
    by: str
    act: str
    was: str
    state: str
    assignee: str = ""
    disposition: str = ""
    note: str = ""
    event: str = ""


class Opened(msgspec.Struct, frozen=True):
    """An alert with everything about it."""

    alert: Alert
    body: dict[str, Any]
    """As it was recorded; empty when nobody can read it any more."""
    trigger: dict[str, Any] | None
    """The event that completed it; `None` when nobody can read it any more."""
    history: tuple[Assessment, ...] = ()
    neighbours: tuple[Alert, ...] = ()
    """Others about the same server or principal, around that time."""
