"""Events as messages of RFC 5424, over TLS (RFC 5425), TCP or UDP: the record, and beside it what one filters by."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Hashable, Sequence

from watchkeeper.events.journal.model import Record
from watchkeeper.events.model import Event
from watchkeeper.events.sinks.lines.rfc5424 import CONTROLS, Head, message
from watchkeeper.events.sinks.lines.wire import LineWire, Ticket
from watchkeeper.events.sinks.model import Entry, Receipt

APP = "watchkeeper"
Text = Callable[[Record], str]
"""What an event says as a message's text."""


class SyslogSink:
    """One receiver."""

    def __init__(self, wire: LineWire, text: Text, *, facility: int, message_bytes: int, sd_id: str = "") -> None:
        self._wire = wire
        self._text = text
        self._facility = facility
        self._message_bytes = message_bytes
        self._sd_id = sd_id
        self._host = socket.gethostname()
        self._process = str(os.getpid())

    def render(self, record: Record) -> bytes:
        event = record.event
        assert event is not None
        head = Head(self._facility, event.severity, event.time, self._host, APP, self._process, event.kind)
        parameters = about(record) if self._sd_id else {}
        return message(head, self._sd_id, parameters, self._text(record), self._message_bytes)

    def send(self, entries: Sequence[Entry]) -> Receipt:
        ticket = self._wire.write([entry.data for entry in entries])
        said = f"{len(entries)} messages are written to {self._wire.shown}, which does not answer"
        return Receipt(said=said, ticket=ticket)

    def settled(self, ticket: Hashable) -> bool:
        assert isinstance(ticket, Ticket)
        return self._wire.is_settled(ticket)

    def close(self) -> None:
        self._wire.close()


def about(record: Record) -> dict[str, str]:
    """The parameters: where the event stands, and what one filters by."""
    event, position = record.event, record.position
    assert event is not None
    return {
        "id": event.id,
        "writer": position.writer,
        "index": str(position.index),
        "kind": event.kind,
        "tenant": event.tenant,
        "actor": event.actor,
        "server": event.server,
        "target": event.target,
        "outcome": event.outcome,
        "trace": event.trace,
        "labels": ",".join(event.labels),
    }


def as_json(record: Record) -> str:
    """The whole record; what would be shown as something else is escaped as JSON does, and reads the same."""
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", record.record.decode())


def summary(event: Event) -> str:
    """One line for people."""
    parts = [event.kind, event.outcome, event.actor, event.server, event.target]
    return " ".join(part for part in parts if part)
