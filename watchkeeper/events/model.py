"""The event: one fact, recorded once, never changed.

Stored as the bytes msgspec wrote, hashed as stored, never re-canonicalised. OCSF and OpenTelemetry names are mappings
at the edge, not members here. No I/O.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from watchkeeper.core.ids import observed_id

VERSION = 1


class Severity(IntEnum):
    """OCSF `severity_id`."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


SEVERITIES: dict[int, str] = {level.value: level.name.lower() for level in Severity}
"""`severity_id` in words, from the mildest on."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What happened, to whom, by whom, and how it ended."""

    v: int
    """Version of this schema (`VERSION`)."""
    id: str
    """UUIDv7 of an observed fact, UUIDv8 of a derived one (`core.ids`)."""
    time: int
    """When it happened: microseconds since the epoch, UTC."""
    kind: str
    """`domain.subject.verb`, the verb in the past tense; listed in `events.kinds`."""
    tenant: str = "default"
    actor: str = ""
    """The verified principal (`agent:NAME`, `operator:NAME`, `system:PROCESS`); empty when nobody was verified."""
    claimed: str = ""
    """What the client says it is (`clientInfo.name`); for display only, never for a decision."""
    server: str = ""
    """The route's name of the MCP server."""
    target: str = ""
    """The tool, prompt, resource URI, principal, order or incident that it is about."""
    era: str = ""
    """`modern` (2026-07-28) or `legacy`; empty where no MCP message is involved."""
    trace: str = ""
    """W3C trace and span id, `trace_id-span_id`."""
    outcome: str = ""
    """`allow`, `modify`, `ask`, `deny` for verdicts; `success` or `failure` elsewhere."""
    severity: Severity = Severity.INFORMATIONAL
    labels: tuple[str, ...] = ()
    """Sorted marks such as `exercise`, `shadow`, `probe`."""
    body: dict[str, Any] = {}
    """What belongs to this kind only; JSON types."""


def new_event(time: int, kind: str, **fields: Any) -> Event:
    """An observed fact with a fresh id; `fields` are members of `Event`."""
    return Event(v=VERSION, id=observed_id(), time=time, kind=kind, **fields)


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Event)


def encode(event: Event) -> bytes:
    """The record: JSON, exactly as it is stored and hashed."""
    return _encoder.encode(event)


def decode(record: bytes) -> Event:
    """The event of a record. Raises `msgspec.ValidationError` when the bytes are not one."""
    return _decoder.decode(record)
