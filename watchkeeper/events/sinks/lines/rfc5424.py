"""A message of RFC 5424 from parts of any content. Pure.

Obligations, and what each one stops:
1. The header's fields are printable ASCII without spaces (6.2), cut to their length: a server's name cannot make fields
   of its own.
2. In structured data `"`, `\\` and `]` are escaped (6.3.3), control characters shown: a value cannot end itself.
3. The text begins with UTF-8's mark (6.4), and holds no control character but those shown: no line break makes a
   second message where a receiver splits at lines.
4. A message has a bound. Its text is cut at a character's end, and says so; its structured data is left whole, or
   dropped whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from watchkeeper.core.clock import to_iso
from watchkeeper.core.text import visible
from watchkeeper.events.model import Severity

BOM = b"\xef\xbb\xbf"
_LEVELS = {
    Severity.INFORMATIONAL: 6,
    Severity.LOW: 5,
    Severity.MEDIUM: 4,
    Severity.HIGH: 3,
    Severity.CRITICAL: 2,
}
"""OCSF's severity to syslog's: informational, notice, warning, error, critical."""
_CUT = " … cut"
_NOT_PRINTED = re.compile(r"[^!-~]+")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_VALUE = 1024
"""Characters of a parameter's value."""


class Head(msgspec.Struct, frozen=True):
    """What stands before the text."""

    facility: int
    severity: Severity
    time: int
    host: str
    app: str
    process: str
    kind: str
    """MSGID."""


def message(head: Head, sd_id: str, parameters: Mapping[str, str], text: str, limit: int) -> bytes:
    """At most `limit` bytes."""
    begin = (
        f"<{head.facility * 8 + _LEVELS[head.severity]}>1 {to_iso(head.time)} {name(head.host, 255)} "
        f"{name(head.app, 48)} {name(head.process, 128)} {name(head.kind, 32)} "
    ).encode()
    structured = structured_data(sd_id, parameters)
    if len(begin) + len(structured) + 64 > limit:
        structured = b"-"
    room = limit - len(begin) - len(structured) - 1 - len(BOM)
    return begin + structured + b" " + BOM + cut(shown(text).encode("utf-8", "replace"), room)


def name(text: str, length: int) -> str:
    """A header's field: PRINTUSASCII, `-` for nothing."""
    return _NOT_PRINTED.sub("_", text)[:length] or "-"


def structured_data(sd_id: str, parameters: Mapping[str, str]) -> bytes:
    """One element; parameters without a value are left out."""
    said = "".join(f' {key}="{value(text)}"' for key, text in parameters.items() if text)
    return f"[{sd_id}{said}]".encode("utf-8", "replace") if said else b"-"


def value(text: str) -> str:
    """A parameter's value, escaped."""
    return shown(text[:_VALUE]).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def shown(text: str) -> str:
    """Without anything that ends a line or moves a cursor."""
    return CONTROLS.sub(lambda found: visible(found[0]), text)


def cut(data: bytes, room: int) -> bytes:
    """At most so many bytes, whole characters, and a mark where something is missing."""
    if len(data) <= room:
        return data
    mark = _CUT.encode()
    return data[: max(0, room - len(mark))].decode("utf-8", "ignore").encode() + mark
