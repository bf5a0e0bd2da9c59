"""Input schemas of tools as the journal has them: of the definition that was seen last under each name.

For looking back, where the control state is not at hand; what is in force is said by `pins`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from watchkeeper.events.model import Event

SEEN = "registry.definition.seen"


def schemas_in(events: Iterable[Event]) -> dict[str, bytes]:
    """`server/tool` → its input schema, of events in the order of time. What was cut or is no schema is left out."""
    found: dict[str, bytes] = {}
    for event in events:
        if event.kind == SEEN and event.body.get("definition") == "tool":
            schema = _schema(event.body.get("canonical"))
            name = f"{event.server}/{event.target}"
            found.pop(name, None)
            if schema is not None:
                found[name] = msgspec.json.encode(schema)
    return found


def _schema(canonical: Any) -> dict[str, Any] | None:
    try:
        tree = msgspec.json.decode(str(canonical).encode())
    except (msgspec.DecodeError, RecursionError):
        return None
    schema = tree.get("inputSchema") if isinstance(tree, dict) else None
    return schema if isinstance(schema, dict) else None
