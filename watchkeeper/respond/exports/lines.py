"""Our own format: an incident in one JSON object, with everything that people did and the raw times of its life."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.respond.exports.model import Export

VERSION = 1
_TIMES = (
    *("first_event_at", "alerted_at", "opened_at", "acknowledged_at", "analysed_at", "contained_at"),
    *("recovered_at", "closed_at", "updated_at"),
)


def incident_line(export: Export) -> list[dict[str, Any]]:
    """One object. Times twice: in microseconds, and under `times` for people."""
    plain: dict[str, Any] = msgspec.to_builtins(export.file)
    incident = plain.pop("incident")
    times = {name: to_iso(incident[name]) for name in _TIMES if incident[name]}
    minutes = sum(effort.minutes for effort in export.file.effort)
    merged = [one.id for one in export.file.merged]
    rest = {"version": VERSION, "cursor": export.cursor, "times": times, "minutes_worked": minutes}
    return [incident | plain | rest | {"merged": merged}]
