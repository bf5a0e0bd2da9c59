"""Requests nobody should send, one named flaw each, and what must become of them.

Each item is a request that would be served but for its flaw. `python -m tests.gateway.corpus` prints the summary that
stands in docs/concepts/hardening.md.
"""

from __future__ import annotations

from dataclasses import dataclass

HOST = b"127.0.0.1:1"
"""Stands for the address of the gateway under test."""
BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"poison","arguments":{}}}'
HEAD = (
    b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAuthorization: Bearer token-of-alice\r\n"
    b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
)
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
GOOD = HEAD + LENGTH + b"\r\n" + BODY
CANARY_BODY = BODY.replace(b"poison", b"canary")
CANARY = HEAD + LENGTH + b"\r\n" + CANARY_BODY
"""A flawless request, sent behind the flawed one: an attacker's smuggled prefix, or another user's request."""


@dataclass(frozen=True)
class Item:
    """One flawed request."""

    flaw: str
    data: bytes
    status: int = 400
    """What the answer says; 0 when the connection closes without one; 200 when HTTP has it served after all."""
    closes: bool = True
    """Whether the connection must end: nobody can be sure where the next request begins."""
    body: bytes = BODY
    """What the server gets if it is served."""


@dataclass(frozen=True)
class Group:
    """Items that share an attack."""

    title: str
    stops: str
    items: tuple[Item, ...]


def with_header(line: bytes) -> bytes:
    """A flawless request with one more header line, given without its CRLF."""
    return HEAD + line + b"\r\n" + LENGTH + b"\r\n" + BODY


def without_length(lines: bytes, rest: bytes = BODY) -> bytes:
    """A request framed by `lines` instead of its length, and what follows its head."""
    return HEAD + lines + b"\r\n" + rest


def chunks(rest: bytes) -> bytes:
    """A chunked request whose chunks are `rest`."""
    return without_length(CHUNKED, rest)


def swapped(old: bytes, new: bytes) -> bytes:
    """A flawless request in which `old` is `new`."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def with_body(body: bytes) -> bytes:
    """A flawless head over `body`."""
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
