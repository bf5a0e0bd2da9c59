"""A call as baselines look at it. Pure; whatever an event holds of a wrong type is not there."""

from __future__ import annotations

from typing import Any

import msgspec

from watchkeeper.detect.correlation.facts import cut
from watchkeeper.events import Event

_CALL = "gateway.request.decided"
_LONGEST = 65_536
_MOST = 64
_DEEPEST = 3
_NAMES = {str: "text", bool: "truth", int: "number", float: "number", type(None): "nothing"}


class Observation(msgspec.Struct, frozen=True, gc=False):
    """One call of a tool."""

    time: int
    tenant: str
    actor: str
    server: str
    tool: str
    """SERVER/TOOL."""
    denied: bool
    failed: bool
    duration: int
    """Microseconds; 0 where it is not known."""
    bytes_in: int
    bytes_out: int
    session: str
    arguments: str
    """As the event holds them; empty where it does not."""


def observe(event: Event, time: int) -> Observation | None:
    """The call that an event records; `None` when it records none."""
    body = event.body
    if event.kind != _CALL or body.get("method") != "tools/call" or not event.target:
        return None
    server = cut(event.server)
    return Observation(
        time=time,
        tenant=event.tenant,
        actor=cut(event.actor),
        server=server,
        tool=f"{server}/{cut(event.target)}",
        denied=event.outcome == "deny",
        failed="failure" in body,
        duration=_number(body.get("duration_us")),
        bytes_in=_number(body.get("bytes_in")),
        bytes_out=_number(body.get("bytes_out")),
        session=_text(body.get("session")),
        arguments=_text(body.get("arguments")),
    )


def forms_of(arguments: str) -> tuple[str, ...]:
    """Each argument with its type, `path:text`; none when they cannot be read (cut, or not kept)."""
    if not arguments or len(arguments) > _LONGEST:
        return ()
    try:
        value = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return ()
    if not isinstance(value, dict):
        return ()
    return tuple(cut(f"{name}:{_shape(value[name], 1)}") for name in sorted(value)[:_MOST])


def _shape(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        if depth == _DEEPEST:
            return "object"
        members = sorted(value)[:_MOST]
        inner = ", ".join(f"{name}:{_shape(value[name], depth + 1)}" for name in members)
        return f"{{{inner}}}"
    if isinstance(value, list):
        kinds = sorted({_shape(one, _DEEPEST) for one in value[:_MOST]})
        return f"[{'|'.join(kinds)}]"
    return _NAMES.get(type(value), "other")


def _number(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
