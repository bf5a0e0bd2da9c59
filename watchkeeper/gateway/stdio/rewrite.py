"""Ids and tokens on their way through: which ranges of a message name another message, and what stands there instead.

Many clients' requests share one child, each of them counting from 1, so a child sees numbers of ours. Mapped with
the id itself: `progressToken`, `notifications/cancelled.requestId`, and `subscriptionId`, which is the id of its
listen request. No I/O.
"""

from __future__ import annotations

from typing import NamedTuple

from watchkeeper.core.errors import Invalid
from watchkeeper.gateway.stdio.splice import Span, exchange, members

SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"


class Request(NamedTuple):
    """A client's request, renumbered."""

    body: bytes
    id: bytes
    """The client's own id, as it wrote it."""
    token: bytes
    """The client's own progress token, as it wrote it; empty without one."""
    wants_log: bool
    """Whether a modern request asked for log messages."""


def renumber(raw: bytes, number: int) -> Request:
    """A request with our number for its id and its progress token. Raises `Invalid`."""
    top = members(raw)
    if "id" not in top:
        raise Invalid("a request needs an id")
    mine = b"%d" % number
    edits = [(top["id"], mine)]
    meta = _path(raw, top, "params", "_meta")
    token = meta.get("progressToken")
    if token is not None:
        edits.append((token, mine))
    return Request(exchange(raw, edits), top["id"].of(raw), token.of(raw) if token else b"", LOG_LEVEL in meta)


def restore(raw: bytes, client_id: bytes, number: int, *, is_listen: bool) -> bytes:
    """A child's answer with the client's id again; a listen request's result also names the subscription by it."""
    top = members(raw)
    edits = [(top["id"], client_id)] if "id" in top else []
    if not is_listen:
        return exchange(raw, edits)
    subscription = _path(raw, top, "result", "_meta").get(SUBSCRIPTION)
    if subscription is not None and number_in(subscription.of(raw)) == number:
        edits.append((subscription, client_id))
    return exchange(raw, edits)


class Reference(NamedTuple):
    """Where a notification names a request."""

    member: str
    span: Span
    number: int | None
    """The number there, if it could be one of ours."""


def reference_in(raw: bytes, method: str) -> Reference | None:
    """Which request a notification is about; None when it names none."""
    params = _path(raw, members(raw), "params")
    member = {"notifications/progress": "progressToken", "notifications/cancelled": "requestId"}.get(method)
    span = params.get(member) if member else None
    if member is None or span is None:
        meta = members(raw, params["_meta"]) if "_meta" in params else {}
        member, span = SUBSCRIPTION, meta.get(SUBSCRIPTION)
    return Reference(member, span, number_in(span.of(raw))) if span else None


def number_in(text: bytes) -> int | None:
    """The plain non-negative integer that is written here."""
    return int(text) if text.isdigit() and len(text) < 19 else None


def _path(raw: bytes, top: dict[str, Span], *names: str) -> dict[str, Span]:
    """The members of the object under these names; empty when there is none."""
    here = top
    for name in names:
        if name not in here:
            return {}
        here = members(raw, here[name])
    return here
