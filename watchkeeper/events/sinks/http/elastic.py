"""Elasticsearch and what speaks its bulk interface: each event is created under its own id.

So an event that is sent twice is there once: the second time it is answered with 409, which is as good as a 201. Each
event has an answer of its own. What has to wait (429, 5xx) is sent again with all behind it; those that were taken
already are there already.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.events.journal.model import Record
from watchkeeper.events.sinks.http.wire import Wire
from watchkeeper.events.sinks.model import Entry, NotTaken, Receipt, Refusal

STREAM = "logs-watchkeeper.events-default"
_PATH = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
_OUTCOMES = {"allow": "success", "modify": "success", "deny": "failure", "success": "success", "failure": "failure"}
"""ECS knows success, failure and unknown. What we decided stands in `watchkeeper.outcome`."""


class Item(msgspec.Struct, frozen=True):
    """The answer to one event."""

    status: int
    error: dict[str, Any] = {}


class Bulk(msgspec.Struct, frozen=True):
    """The answer to all."""

    items: tuple[dict[str, Item], ...] = ()
    errors: bool = False


class ElasticSink:
    """One data stream or index."""

    def __init__(self, wire: Wire, stream: str = "") -> None:
        self._wire = wire
        self._stream = stream or STREAM

    def render(self, record: Record) -> bytes:
        assert record.event is not None
        action = {"create": {"_index": self._stream, "_id": record.event.id}}
        return msgspec.json.encode(action) + b"\n" + msgspec.json.encode(document(record)) + b"\n"

    def send(self, entries: Sequence[Entry]) -> Receipt:
        answer = self._wire.post(_PATH, b"".join(entry.data for entry in entries), "application/x-ndjson")
        try:
            bulk = msgspec.json.decode(answer.body, type=Bulk)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise NotTaken(
                f"it does not answer as Elasticsearch does: {answer.said}", hint="correct the url"
            ) from error
        items = [item for answers in bulk.items for item in answers.values()]
        if len(items) != len(entries):
            raise NotTaken(f"it answers for {len(items)} events of {len(entries)}", hint="correct the url")
        return _receipt(items, f"{answer.status}: {_words(items)}")

    def settled(self, ticket: Hashable) -> bool:
        return True

    def close(self) -> None:
        self._wire.close()


def document(record: Record) -> dict[str, Any]:
    """ECS's names for what ECS has a name for, and the whole event under `watchkeeper`."""
    event, position = record.event, record.position
    assert event is not None
    found: dict[str, Any] = {
        "@timestamp": to_iso(event.time),
        "event": {
            "id": event.id,
            "action": event.kind,
            "dataset": "watchkeeper.events",
            "kind": "alert" if event.kind == "detect.alert.raised" else "event",
            "module": "watchkeeper",
            "outcome": _OUTCOMES.get(event.outcome, "unknown"),
            "provider": position.writer,
            "sequence": position.index,
            "severity": int(event.severity),
        },
        "watchkeeper": msgspec.Raw(record.record),
    }
    if event.actor:
        found["user"] = {"name": event.actor}
    if event.server:
        found["service"] = {"name": event.server}
    if event.trace:
        trace, _, span = event.trace.partition("-")
        found |= {"trace": {"id": trace}, "span": {"id": span}}
    return found


def _receipt(items: Sequence[Item], said: str) -> Receipt:
    refused: list[Refusal] = []
    for at, item in enumerate(items):
        if 200 <= item.status < 300 or item.status == 409:
            continue
        why = f"{item.status}: {item.error.get('type', '')}: {item.error.get('reason', '')}"
        if item.status == 429 or item.status >= 500:
            return Receipt(said=why, taken=at, refused=tuple(refused))
        if item.status in (400, 413, 422):
            refused.append(Refusal(at, why))
            continue
        raise NotTaken(why, hint="correct the index, or the rights of these credentials")
    return Receipt(said=said, refused=tuple(refused))


def _words(items: Sequence[Item]) -> str:
    there = sum(item.status == 409 for item in items)
    made = sum(200 <= item.status < 300 for item in items)
    return f"{made} created" + (f", {there} were there already" if there else "")
