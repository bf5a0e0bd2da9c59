"""What every format is read into, and what reads it. Pure; nothing here knows a format.

A reader takes bytes of one record (a line, or one element of a batch) and says what they tell. It may keep what belongs
together over lines, in bounded memory; it records nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

CALL = "tools/call"
PROMPT = "prompts/get"
READ = "resources/read"


class Malformed(Exception):
    """A record that is not of its format; the text says why, without quoting it."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What another system says happened. Nothing of it is verified."""

    name: str
    """The JSON-RPC method of a request; what the other system calls it, for what is no request."""
    is_request: bool = True
    time: int | None = None
    """Microseconds since the epoch; None where it does not say."""
    id: str = ""
    """By which the other system knows the record: the same id twice is one fact told twice."""
    who: str = ""
    """Whom the other system verified, by its word."""
    client: str = ""
    """What the client says it is."""
    server: str = ""
    target: str = ""
    """The tool, prompt or resource."""
    session: str = ""
    trace: str = ""
    """`trace_id-span_id`, W3C."""
    outcome: str = "success"
    """`deny` when the other system stopped it, `failure` when it went wrong, `success`; empty when it does not say."""
    severity: int = 1
    """OCSF `severity_id`, 1 to 5."""
    status: int | None = None
    """The HTTP status."""
    duration_us: int | None = None
    reason: str = ""
    arguments: bytes = b""
    """JSON text, or whatever stands in its place."""
    result: bytes = b""
    more: dict[str, Any] = {}
    """What has no place above; JSON types."""


class Reader(Protocol):
    """Reads one stream of a format. Belongs to one thread."""

    def read(self, record: bytes) -> Sequence[Observation]:
        """What a record tells; empty when it is of no interest here. Raises `Malformed`."""
        ...

    def end(self) -> Sequence[Observation]:
        """What was waiting for more, when there is no more."""
        ...


class Stateless:
    """For readers to whom every record is whole."""

    def end(self) -> Sequence[Observation]:
        return ()


def text_of(value: object, limit: int = 512) -> str:
    """A foreign value as bounded text; empty for None and for what is no scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value[:limit]
    return str(value)[:limit] if isinstance(value, int | float) else ""


def whole_of(value: object) -> int | None:
    """A foreign value as a whole number that every reader of the lake can hold; None when it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) <= 20 and value.lstrip("-").isdecimal():
        value = int(value)
    if isinstance(value, float) and abs(value) < 2**53:
        value = int(value)
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def json_of(value: object) -> bytes:
    """A foreign value as the JSON text of arguments or of a result; text that is JSON already stays as it is."""
    if value is None or value == "":
        return b""
    if isinstance(value, str):
        data = value.encode("utf-8", "replace")
        return data if data.lstrip()[:1] in (b"{", b"[", b'"') else msgspec.json.encode(value)
    return msgspec.json.encode(value)
