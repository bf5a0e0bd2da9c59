"""Splunk's HTTP Event Collector: event objects one behind the other, and where it is switched on, the indexers' word.

A plain 200 says that the collector has the events in memory. With acknowledgement each request gets a number within a
channel of ours, and the cursor waits until the collector says that this number is indexed.
"""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Hashable, Sequence
from typing import Any

import msgspec

from watchkeeper.core.secrets import Secret
from watchkeeper.events.journal.model import Record
from watchkeeper.events.sinks.http.wire import Answer, Wire
from watchkeeper.events.sinks.model import BatchRefused, Entry, NotTaken, Receipt

EVENTS, ACKS = "/services/collector/event", "/services/collector/ack"
_PATIENCE = 120.0
"""Seconds until what is not acknowledged is sent again."""
_POLL = 0.2
_OF_THE_SETTINGS = frozenset({7, 10, 11, 14})
"""Codes of a 400 that no other event would cure: wrong index, no channel, a bad one, acknowledgement switched off."""


class SplunkSink:
    """One collector."""

    def __init__(self, wire: Wire, token: Secret, *, index: str, acknowledged: bool, patience: float = 0.0) -> None:
        self._wire = wire
        self._channel = str(uuid.uuid4()) if acknowledged else ""
        self._headers = [("Authorization", f"Splunk {token.reveal()}")]
        if acknowledged:
            self._headers.append(("X-Splunk-Request-Channel", self._channel))
        self._patience = patience or _PATIENCE
        self._envelope: dict[str, Any] = {"host": socket.gethostname(), "source": "watchkeeper"}
        self._envelope |= {"sourcetype": "watchkeeper:event"} | ({"index": index} if index else {})
        self._due: dict[int, float] = {}
        """Number of a request → when it is given up."""
        self._indexed: set[int] = set()
        self._polled_at = 0.0

    def render(self, record: Record) -> bytes:
        assert record.event is not None
        event, position = record.event, record.position
        about = {"time": event.time / 1_000_000, **self._envelope, "event": msgspec.Raw(record.record)}
        return msgspec.json.encode(about | {"fields": {"writer": position.writer, "index": str(position.index)}})

    def send(self, entries: Sequence[Entry]) -> Receipt:
        answer = self._post(EVENTS, b"".join(entry.data for entry in entries))
        said = _object(answer.body)
        if said.get("code") != 0:
            raise NotTaken(f"it does not answer as a collector does: {answer.said}", hint="correct the url")
        if not self._channel:
            return Receipt(said=answer.said)
        number = said.get("ackId")
        if not isinstance(number, int) or isinstance(number, bool):
            raise NotTaken(
                f"it acknowledges nothing: {answer.said}", hint="switch acknowledgement on for the token, or off here"
            )
        self._due[number] = time.monotonic() + self._patience
        return Receipt(said=answer.said, ticket=number)

    def settled(self, ticket: Hashable) -> bool:
        assert isinstance(ticket, int)
        if ticket not in self._indexed and time.monotonic() - self._polled_at >= _POLL:
            self._poll()
        if ticket in self._indexed:
            self._indexed.discard(ticket)
            self._due.pop(ticket, None)
            return True
        if time.monotonic() > self._due.get(ticket, 0.0):
            self._forget()
            raise NotTaken("what was sent was not acknowledged in time", hint="look at the indexers' queues")
        return False

    def close(self) -> None:
        self._forget()
        self._wire.close()

    def _poll(self) -> None:
        asked = msgspec.json.encode({"acks": sorted(set(self._due) - self._indexed)})
        try:
            said = _object(self._post(ACKS, asked).body).get("acks")
        except (NotTaken, BatchRefused):
            self._forget()
            raise
        finally:
            self._polled_at = time.monotonic()
        if isinstance(said, dict):
            self._indexed |= {number for number in self._due if said.get(str(number)) is True}

    def _post(self, path: str, body: bytes) -> Answer:
        query = f"?channel={self._channel}" if self._channel else ""
        try:
            return self._wire.post(path + query, body, "application/json", self._headers)
        except BatchRefused as error:
            code = _object(error.reason.partition(": ")[2].encode()).get("code")
            if code in _OF_THE_SETTINGS or path == ACKS:
                raise NotTaken(error.reason, hint="compare index and acknowledged with the token's settings") from error
            raise

    def _forget(self) -> None:
        self._due.clear()
        self._indexed.clear()


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
