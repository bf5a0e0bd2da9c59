"""Answers as bytes. Pure."""

from __future__ import annotations

from http import HTTPStatus

from watchkeeper.gateway.model import Refusal
from watchkeeper.gateway.upstream import Headers, Outbound
from watchkeeper.protocol.errors import error_body
from watchkeeper.protocol.headers import HOP_BY_HOP

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}
_OURS = HOP_BY_HOP | {b"content-length", b"alt-svc"}
"""Never passed on: how this hop frames an answer, and where else a client could go without us."""
_BODILESS = frozenset({204, 304})

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
JSON = (b"Content-Type", b"application/json")


def whole(out: Outbound, *, close: bool, bodiless: bool = False) -> bytes:
    """Head and body in one piece. `bodiless` is for answers to HEAD."""
    parts = _head(out.status, out.headers)
    if out.status not in _BODILESS:
        parts.append(b"Content-Length: %d\r\n" % len(out.body))
    parts.append(b"Connection: close\r\n\r\n" if close else b"\r\n")
    if not bodiless and out.status not in _BODILESS:
        parts.append(out.body)
    return b"".join(parts)


def stream_head(out: Outbound, *, close: bool, chunked: bool) -> bytes:
    """The head of an event stream; nobody between us and the client may collect its events."""
    parts = _head(out.status, out.headers)
    if not any(name.lower() == b"x-accel-buffering" for name, _ in out.headers):
        parts.append(b"X-Accel-Buffering: no\r\n")
    if chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    parts.append(b"Connection: close\r\n\r\n" if close else b"\r\n")
    return b"".join(parts)


def chunk(data: bytes) -> bytes:
    """One chunk of the chunked coding; `data` is not empty, for an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def refusal(refused: Refusal) -> Outbound:
    """A refusal as an answer. Its id is null: the message was not read."""
    body = error_body(None, refused.code, refused.reason)
    return Outbound(refused.status, [JSON, *refused.headers], body)


def _head(status: int, headers: Headers) -> list[bytes]:
    parts = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    for name, value in headers:
        if name.lower() not in _OURS:
            parts += (name, b": ", value, b"\r\n")
    return parts
