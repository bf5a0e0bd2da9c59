"""The lake's contract: one Arrow schema, and how an event becomes a row and a row an event again.

Pure. Columns are only ever added. What belongs to one kind stays JSON text in `body`; what hunts ask for is promoted
beside it. `arguments` and `result` are the long ones: *moved* out of `body`, not copied, and put back by `to_event`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec
from arro3.core import Array, DataType, Field, RecordBatch, Schema, list_array

from watchkeeper.events.model import Event, Severity
from watchkeeper.events.retention import retention_class

_DAY = 86_400_000_000
LAST_TIME = 253_402_300_799_999_999
"""9999-12-31T23:59:59.999999Z, the last time that every reader of Parquet can print."""
_TRACE = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
TEXTS = DataType.list(Field("element", DataType.utf8(), nullable=False))

COLUMNS: Mapping[str, tuple[DataType, bool, str]] = {
    "id": (DataType.utf8(), False, "The event's id, a UUID."),
    "time": (DataType.timestamp("us", tz="UTC"), False, "When it happened, UTC."),
    "v": (DataType.int32(), False, "Version of the event model."),
    "kind": (DataType.utf8(), False, "`domain.subject.verb`."),
    "tenant": (DataType.utf8(), False, "Partition: whose event it is."),
    "actor": (DataType.utf8(), False, "The verified principal, or empty."),
    "claimed": (DataType.utf8(), False, "What the client said it is."),
    "server": (DataType.utf8(), False, "The MCP server's name."),
    "target": (DataType.utf8(), False, "The tool, prompt, resource, principal, order or incident."),
    "era": (DataType.utf8(), False, "`modern`, `legacy`, or empty."),
    "trace_id": (DataType.utf8(), False, "W3C trace id, or empty."),
    "span_id": (DataType.utf8(), False, "W3C span id, or empty."),
    "outcome": (DataType.utf8(), False, "`allow`, `deny`, `success` …"),
    "severity": (DataType.int32(), False, "OCSF severity_id, 1 to 5."),
    "labels": (TEXTS, False, "Sorted marks."),
    "method": (DataType.utf8(), True, "Promoted from the body: the JSON-RPC method."),
    "rules": (TEXTS, False, "Promoted from the body: ids of the rules that spoke."),
    "reason": (DataType.utf8(), True, "Promoted from the body: why."),
    "status": (DataType.int64(), True, "Promoted from the body: the HTTP status."),
    "duration_us": (DataType.int64(), True, "Promoted from the body: microseconds it took."),
    "arguments": (DataType.utf8(), True, "Moved from the body: JSON text as captured."),
    "result": (DataType.utf8(), True, "Moved from the body: JSON text as captured."),
    "body": (DataType.utf8(), False, "What belongs to this kind only: JSON text."),
    "writer": (DataType.utf8(), False, "The journal's log it was recorded in."),
    "idx": (DataType.int64(), False, "Its index in that log; (writer, idx) is unique."),
    "day": (DataType.date32(), False, "Partition: the day of `time`, UTC."),
    "retention": (DataType.utf8(), False, "Partition: the kind's retention class when it was recorded."),
}
"""Name → type, whether it may be null, and what it is."""

SCHEMA = Schema([Field(name, kind, nullable=null) for name, (kind, null, _) in COLUMNS.items()])
PARTITIONS = ("tenant", "day", "retention")
"""By class too, so that deleting what is past its time drops files and rewrites none."""

MOVED = ("arguments", "result")
"""Long texts of a body that have columns of their own."""
_json = msgspec.json.Encoder().encode


def to_row(event: Event, writer: str = "", idx: int = 0) -> dict[str, Any]:
    """The row of an event; `time` and `day` as numbers."""
    time = min(max(event.time, 0), LAST_TIME)
    body = event.body
    arguments, result = _typed(body.get("arguments"), str), _typed(body.get("result"), str)
    trace, span = split_trace(event.trace)
    rules = body.get("rules")
    return {
        "id": event.id,
        "time": time,
        "v": event.v,
        "kind": event.kind,
        # An empty partition value is null in Delta, and one null makes the whole table unreadable.
        "tenant": event.tenant or "default",
        "actor": event.actor,
        "claimed": event.claimed,
        "server": event.server,
        "target": event.target,
        "era": event.era,
        "trace_id": trace,
        "span_id": span,
        "outcome": event.outcome,
        "severity": int(event.severity),
        "labels": event.labels,
        "method": _typed(body.get("method"), str),
        "rules": [rule for rule in rules if isinstance(rule, str)] if isinstance(rules, (list, tuple)) else [],
        "reason": _typed(body.get("reason"), str),
        "status": _typed(body.get("status"), int),
        "duration_us": _typed(body.get("duration_us"), int),
        "arguments": arguments,
        "result": result,
        "body": _json({name: v for name, v in body.items() if name not in MOVED or not isinstance(v, str)}).decode(),
        "writer": writer,
        "idx": idx,
        "day": time // _DAY,
        "retention": retention_class(event.kind).value,
    }


_SAME = ("id", "v", "kind", "actor", "claimed", "server", "target", "era", "outcome")


def to_event(row: Mapping[str, Any]) -> Event:
    """The event of a row whose `time` is a number of microseconds."""
    body = msgspec.json.decode(row["body"])
    body |= {name: row[name] for name in MOVED if row[name] is not None}
    return Event(
        **{name: row[name] for name in _SAME},
        time=row["time"],
        tenant=row["tenant"],
        trace=f"{row['trace_id']}-{row['span_id']}" if row["span_id"] else row["trace_id"],
        severity=Severity(row["severity"]),
        labels=tuple(row["labels"]),
        body=body,
    )


def to_batch(rows: Sequence[Mapping[str, Any]]) -> RecordBatch:
    """Rows as one Arrow batch of `SCHEMA`."""
    return RecordBatch.from_arrays([_column(name, [row[name] for row in rows]) for name in COLUMNS], schema=SCHEMA)


def _column(name: str, values: list[Any]) -> Array:
    kind = COLUMNS[name][0]
    if name in ("labels", "rules"):
        return text_lists(values)
    if name == "time":
        return Array(values, DataType.int64()).cast(kind)
    if name == "day":
        return Array(values, DataType.int32()).cast(kind)
    return Array(values, kind)


def text_lists(values: Sequence[Sequence[str]]) -> Array:
    """A column of lists of texts."""
    offsets = [0, *accumulate(map(len, values))]
    flat = [text for value in values for text in value]
    return list_array(Array(offsets, DataType.int32()), Array(flat, DataType.utf8())).cast(TEXTS)


def _typed(value: object, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        return None
    return None if isinstance(value, int) and abs(value) >= 2**63 else value


def split_trace(trace: str) -> tuple[str, str]:
    """A W3C trace id and span id; anything else is taken to be a trace id."""
    found = _TRACE.fullmatch(trace) if trace else None
    return (found[1], found[2]) if found else (trace, "")
