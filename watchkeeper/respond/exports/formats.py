"""The formats by their names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchkeeper.core.errors import Invalid
from watchkeeper.respond.exports.lines import incident_line
from watchkeeper.respond.exports.model import Export
from watchkeeper.respond.exports.ocsf import finding
from watchkeeper.respond.exports.stix import bundle
from watchkeeper.respond.exports.timesketch import timeline_lines
from watchkeeper.respond.exports.veris import record

FORMATS: dict[str, Callable[[Export], list[dict[str, Any]]]] = {
    "jsonl": incident_line,
    "timesketch": timeline_lines,
    "stix": bundle,
    "veris": record,
    "ocsf": finding,
}


def lines_of(export: Export, name: str) -> list[dict[str, Any]]:
    """The JSON objects of an incident. Raises `Invalid` for a format that nobody knows."""
    form = FORMATS.get(name)
    if form is None:
        raise Invalid(f"there is no format {name!r}", hint=f"one of {', '.join(FORMATS)}")
    return form(export)
