"""What a Streamable HTTP server would say around a child's message: status, headers, refusals of our own. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.gateway.upstream import Headers, Outbound
from watchkeeper.protocol.errors import UPSTREAM_BUSY, RequestId, error_body

BUSY = UPSTREAM_BUSY
"""Every server this route may run is in use. Like all codes of ours: the HTTP status times a hundred, plus a digit."""
CANCELLED = 49900
"""The client itself cancelled the request."""

JSON: Headers = [(b"content-type", b"application/json")]
EVENTS: Headers = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

_STATUS_OF_CODE = {-32601: 404} | dict.fromkeys((-32700, -32600, -32602, -32020, -32021, -32022), 400)
"""MCP 2026-07-28 basic/transports/streamable-http: errors that the modern era also says in HTTP; others are 200."""


class _Code(msgspec.Struct):
    code: int


class _Error(msgspec.Struct):
    error: _Code | None = None


_error_in = msgspec.json.Decoder(_Error).decode


def code_in(body: bytes) -> int | None:
    """The code of a JSON-RPC error; None when the message is no error."""
    try:
        error = _error_in(body).error
    except msgspec.MsgspecError:
        return None
    return error.code if error else None


def answer(body: bytes, *, modern: bool) -> Outbound:
    """A child's answer that came before anything else."""
    status = _STATUS_OF_CODE.get(code_in(body) or 0, 200) if modern else 200
    return Outbound(status, list(JSON), body)


def accepted() -> Outbound:
    """A notification or response was passed on."""
    return Outbound(202, [])


def refusal(status: int, code: int, reason: str, request_id: RequestId = None, data: Any = None) -> Outbound:
    """A refusal of our own."""
    return Outbound(status, list(JSON), error_body(request_id, code, reason, data))


def method_not_allowed() -> Outbound:
    """What a server without this verb says."""
    return Outbound(405, [(b"allow", b"POST")])


def not_acceptable() -> Outbound:
    """The client does not take the only form this answer has."""
    return Outbound(406, [])
