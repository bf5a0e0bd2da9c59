"""OCSF over HTTP, for whatever takes it (a security lake's door, a collector): JSON in one array, or a line each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec

from watchkeeper.events.journal.model import Record
from watchkeeper.events.ocsf import Mapper
from watchkeeper.events.sinks.http.wire import Wire
from watchkeeper.events.sinks.model import Entry, Receipt

_encoder = msgspec.json.Encoder()


class OcsfLine:
    """The event in OCSF's words; counts those that it had to mark. What is sent again is counted again."""

    def __init__(self) -> None:
        self.mapper = Mapper()

    def __call__(self, record: Record) -> bytes:
        assert record.event is not None
        return _encoder.encode(self.mapper(record.event))


class OcsfSink:
    """One receiver; whatever 2xx it answers with, it has them."""

    def __init__(self, wire: Wire, *, as_lines: bool) -> None:
        self.line = OcsfLine()
        self._wire = wire
        self._as_lines = as_lines

    def render(self, record: Record) -> bytes:
        return self.line(record)

    def send(self, entries: Sequence[Entry]) -> Receipt:
        bodies = [entry.data for entry in entries]
        if self._as_lines:
            answer = self._wire.post("", b"\n".join(bodies) + b"\n", "application/x-ndjson")
        else:
            answer = self._wire.post("", b"[" + b",".join(bodies) + b"]", "application/json")
        return Receipt(said=answer.said)

    def settled(self, ticket: Hashable) -> bool:
        return True

    def close(self) -> None:
        self._wire.close()
