"""A timeline as Timesketch reads it: a JSON object a line with `message`, `datetime` and `timestamp_desc`."""

from __future__ import annotations

from typing import Any

from watchkeeper.core.clock import to_iso
from watchkeeper.core.text import visible
from watchkeeper.respond.exports.model import Export
from watchkeeper.respond.model import Entry, Mark

_WORDS = {
    Mark.ATTACK: "Malicious event",
    Mark.ALERT: "Alert",
    Mark.ACTION: "Response action",
    Mark.CONTAINED: "Containment verified",
    Mark.FAILED: "Response failed",
    Mark.NOTE: "Incident record",
}


def timeline_lines(export: Export) -> list[dict[str, Any]]:
    """The lines, the oldest first; what nobody would see in a text is shown."""
    return [_line(entry, export) for entry in export.timeline]


def _line(entry: Entry, export: Export) -> dict[str, Any]:
    line: dict[str, Any] = {
        "message": visible(entry.what),
        "datetime": to_iso(entry.time).replace("Z", "+00:00"),
        "timestamp_desc": _WORDS[entry.mark],
        "data_type": "watchkeeper:incident:entry",
        "incident": export.file.incident.number,
    }
    if entry.event:
        line["event_id"] = entry.event
    if entry.index >= 0:
        line["journal"] = f"{entry.writer}/{entry.index}"
    return line
