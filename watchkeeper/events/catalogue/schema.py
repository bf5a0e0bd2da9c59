"""JSON Schema (2020-12) of events as they are recorded, made from the catalogue; and events held against it.

An event is recorded without the members that it does not set. What a schema forbids was never recorded by this version.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from watchkeeper.core.errors import NotFound
from watchkeeper.events.catalogue.entries import ENTRIES
from watchkeeper.events.catalogue.kind import Kind
from watchkeeper.events.kinds import KINDS
from watchkeeper.events.model import VERSION, Event, encode

DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXERCISE = "exercise"
"""The label that everything may have which happens in a drill."""
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
_TRACE = "^[0-9a-f]{32}(-[0-9a-f]{16})?$"
_ALWAYS = ("v", "id", "time", "kind")
_TEXTS = {
    "actor": "The verified principal: `agent:NAME`, `operator:NAME`, `system:PROCESS`, `webhook:NAME`. What another "
    "system says is `ingested:SOURCE/NAME`, and not verified.",
    "claimed": "What the client says it is; for display only.",
    "server": "The route's name of the MCP server.",
    "target": "What it is about.",
}


def entry_of(kind: str) -> Kind:
    """The catalogue's entry. Raises `NotFound`."""
    entry = ENTRIES.get(kind)
    if entry is None:
        raise NotFound(f"there is no kind of event {kind[:80]!a}", hint="see `watchkeeper events kinds`")
    return entry


def schema_of(kind: str) -> dict[str, Any]:
    """The schema of a kind's events. Raises `NotFound`."""
    entry = entry_of(kind)
    (body,), parts = msgspec.json.schema_components((entry.body,), ref_template="#/$defs/{name}")
    members = {name: _member(name, entry) for name in (*entry.sets, *entry.may)}
    properties = {
        "v": {"const": VERSION, "description": "Version of the event's own schema."},
        "id": {
            "type": "string",
            "pattern": _UUID,
            "description": "UUIDv7 of an observed fact, UUIDv8 of a derived one.",
        },
        "time": {"type": "integer", "minimum": 0, "description": "Microseconds since the epoch, UTC."},
        "kind": {"const": kind},
        "tenant": {"type": "string", "minLength": 1, "description": "Whose event it is; `default` when left out."},
        **members,
        "severity": {"enum": [1, 2, 3, 4, 5], "description": "OCSF's severity_id; 1 when left out."},
        "labels": {"type": "array", "items": {"enum": sorted({*entry.labels, EXERCISE})}, "uniqueItems": True},
        "body": body | ({"description": f"Open: {entry.open}."} if entry.open else {}),
    }
    has_body = bool(parts[entry.body.__name__].get("required"))
    return {
        "$schema": DIALECT,
        "title": kind,
        "description": KINDS.get(kind, ""),
        "type": "object",
        "properties": properties,
        "required": [*_ALWAYS, *entry.sets, *(["body"] if has_body else [])],
        "additionalProperties": False,
        "$defs": parts,
    }


def problems(event: Event) -> list[str]:
    """What is wrong with an event as it would be recorded; empty when nothing is. Raises `NotFound`."""
    record = msgspec.json.decode(encode(event))
    if not record.get("body", True):
        del record["body"]  # a record may say that it is empty
    return [
        f"{'/'.join(map(str, error.instance_path)) or 'event'}: {error.message[:400]}"
        for error in _judge(event.kind).iter_errors(record)
    ]


@cache
def _judge(kind: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema_of(kind))


def _member(name: str, entry: Kind) -> dict[str, Any]:
    if name == "outcome":
        return {"enum": list(entry.outcomes)}
    if name == "era":
        return {"enum": ["modern", "legacy"]}
    if name == "trace":
        return {"type": "string", "pattern": _TRACE, "description": "W3C trace and, where known, span id."}
    return {"type": "string", "minLength": 1, "description": _TEXTS[name]}
