"""An event in ArcSight's Common Event Format, version 0. Pure.

Obligations, and what each one stops:
1. In the header `\\` and `|` are escaped, and nothing breaks a line: a tool's name cannot begin a field of its own.
2. In the extension `\\` and `=` are escaped, and line breaks are written `\\n` and `\\r`: a value cannot begin a key of
   its own.
3. Values are bounded, as the format's dictionary says for each key.
"""

from __future__ import annotations

from importlib.metadata import version

from watchkeeper.events.journal.model import Record
from watchkeeper.events.model import Event, Severity
from watchkeeper.events.sinks.lines.rfc5424 import shown

_SEVERITIES = {
    Severity.INFORMATIONAL: 1,
    Severity.LOW: 3,
    Severity.MEDIUM: 5,
    Severity.HIGH: 8,
    Severity.CRITICAL: 10,
}
_VERSION = version("watchkeeper")
_HEADER = 255
_MESSAGE = 1023


def cef(record: Record) -> str:
    """The line, without what syslog puts before it."""
    event = record.event
    assert event is not None
    header = [
        "Watchkeeper",
        "watchkeeper",
        _VERSION,
        event.kind,
        _name(event),
        str(_SEVERITIES[event.severity]),
    ]
    head = "|".join(["CEF:0", *map(header_field, header)])
    keys = " ".join(f"{key}={extension_value(text, length)}" for key, text, length in _extension(record, event) if text)
    return f"{head}|{keys}"


def header_field(text: str) -> str:
    """Escaped for the header."""
    return shown(text[:_HEADER]).replace("\\", "\\\\").replace("|", "\\|")


def extension_value(text: str, length: int) -> str:
    """Escaped for the extension."""
    escaped = text[:length].replace("\\", "\\\\").replace("=", "\\=").replace("\r", "\\r").replace("\n", "\\n")
    return shown(escaped)


def _name(event: Event) -> str:
    return " ".join(part for part in (event.kind, event.outcome) if part)


def _extension(record: Record, event: Event) -> list[tuple[str, str, int]]:
    """Key of the dictionary, value, and how long it may be."""
    reason = event.body.get("reason") or event.body.get("title") or event.body.get("why") or ""
    return [
        ("rt", str(event.time // 1000), 32),
        ("externalId", event.id, 40),
        ("cat", event.kind, _MESSAGE),
        ("outcome", event.outcome, 63),
        ("suser", event.actor, _MESSAGE),
        ("dproc", event.server, _MESSAGE),
        ("reason", reason if isinstance(reason, str) else "", _MESSAGE),
        *_custom(1, "target", event.target),
        *_custom(2, "tenant", event.tenant),
        *_custom(3, "trace", event.trace),
        *_custom(4, "labels", ",".join(event.labels)),
        *_custom(5, "writer", record.position.writer),
        ("cn1Label", "index", 32),
        ("cn1", str(record.position.index), 32),
    ]


def _custom(number: int, label: str, text: str) -> list[tuple[str, str, int]]:
    return [(f"cs{number}Label", label, _MESSAGE), (f"cs{number}", text, 4000)] if text else []
