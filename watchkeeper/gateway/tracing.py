"""Where a call belongs in somebody's trace: read from the message, linked to HTTP's, handed on if a route says so.

A message's `_meta` names the parent, for it survives every hop and every transport; what the HTTP request says is about
the connection, and becomes a link when it is another trace (MCP 2026-07-28 basic/index#_meta, OpenTelemetry's
conventions for MCP). Handing our own span on changes `_meta`, so it is off unless asked for. Pure.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from watchkeeper.inspection import spans

_HEX = frozenset("0123456789abcdef")
_MEMBER = "traceparent"


class Parent(NamedTuple):
    """A W3C trace context."""

    trace: str
    span: str
    flags: str


def parse(traceparent: str) -> Parent | None:
    """The context of a `traceparent`; None for what is none (W3C Trace Context section 3.2.2)."""
    parts = traceparent.split("-")
    if len(parts) < 4 or (parts[0] == "00" and len(parts) != 4):
        return None
    version, trace, span, flags = parts[:4]
    if [len(part) for part in (version, trace, span, flags)] != [2, 32, 16, 2]:
        return None
    if not _HEX.issuperset("".join(parts[:4])) or version == "ff" or not trace.strip("0") or not span.strip("0"):
        return None
    return Parent(trace, span, flags)


def contexts(said: str, header: str) -> tuple[str, str]:
    """What to record of a message's `traceparent` and of HTTP's: parent and link, each `trace-span` or empty."""
    parent = parse(said) if said else None
    around = parse(header) if header else None
    if parent is None:
        return (f"{around.trace}-{around.span}", "") if around is not None else ("", "")
    link = f"{around.trace}-{around.span}" if around is not None and around != parent else ""
    return f"{parent.trace}-{parent.span}", link


def begin(said: str, header: str) -> Parent:
    """A span of our own: the parent's child, or the first of a new trace."""
    parent = parse(said) or parse(header) or Parent(secrets.token_hex(16), "", "01")
    return Parent(parent.trace, secrets.token_hex(8), parent.flags)


def injected(body: bytes, ours: Parent) -> bytes:
    """The message with our span as its parent; every other byte stays. A message without `params` stays as it is."""
    text = body.decode()
    value = f'"00-{ours.trace}-{ours.span}-{ours.flags}"'
    params = _member(text, 0, "params")
    if params is None or text[params.value] != "{":
        return body
    meta = _member(text, params.value, "_meta")
    if meta is None:
        return _inserted(text, params.value, f'"_meta":{{"{_MEMBER}":{value}}}').encode()
    there = _member(text, meta.value, _MEMBER)
    if there is None:
        return _inserted(text, meta.value, f'"{_MEMBER}":{value}').encode()
    return f"{text[: there.value]}{value}{text[there.end :]}".encode()


def _member(text: str, at: int, name: str) -> spans.Span | None:
    return next((span for span in spans.members(text, at) if span.name == name), None)


def _inserted(text: str, brace: int, member: str) -> str:
    comma = "," if spans.members(text, brace) else ""
    return f"{text[: brace + 1]}{member}{comma}{text[brace + 1 :]}"
