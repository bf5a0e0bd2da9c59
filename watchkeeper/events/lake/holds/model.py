"""What a hold is and what it covers: asked of an event, of the lake's columns, of a description. Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from sqlglot import exp

from watchkeeper.core.errors import Invalid
from watchkeeper.events.model import Event

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; every member narrows, and an empty one does not."""

    tenant: str = ""
    actor: str = ""
    server: str = ""
    incident: str = ""
    """Events that are about this incident or name it anywhere in their body."""
    events: tuple[str, ...] = ()
    """Ids: these events, and with `incident` these too."""
    since: int | None = None
    """First moment, inclusive, microseconds."""
    until: int | None = None
    """Last moment, exclusive."""


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """One hold in force."""

    name: str
    reason: str
    by: str
    """The operator who placed it."""
    placed_at: int
    scope: Scope


def is_held(hold: Hold, event: Event) -> bool:
    """Whether the hold covers this event."""
    scope = hold.scope
    if scope.since is not None and event.time < scope.since:
        return False
    if scope.until is not None and event.time >= scope.until:
        return False
    if any(want and want != has for want, has in ((scope.actor, event.actor), (scope.server, event.server))):
        return False
    if scope.tenant and scope.tenant != (event.tenant or "default"):
        return False
    return _is_named(scope, event) if scope.incident or scope.events else True


def condition(hold: Hold) -> Any:
    """The same as a condition over the lake's columns."""
    scope = hold.scope
    parts: list[Any] = [
        exp.column(name).eq(exp.Literal.string(value))
        for name, value in (("tenant", scope.tenant), ("actor", scope.actor), ("server", scope.server))
        if value
    ]
    if scope.since is not None:
        parts.append(exp.column("time") >= _moment(scope.since))
    if scope.until is not None:
        parts.append(exp.column("time") < _moment(scope.until))
    named: list[Any] = []
    if scope.incident:
        text = exp.Literal.string(scope.incident)
        named += [exp.column("target").eq(text), exp.Anonymous(this="contains", expressions=[exp.column("body"), text])]
    if scope.events:
        named.append(exp.column("id").isin(*(exp.Literal.string(value) for value in scope.events)))
    if named:
        parts.append(exp.or_(*named))
    return exp.and_(*parts) if parts else exp.true()


def _is_named(scope: Scope, event: Event) -> bool:
    if event.id in scope.events:
        return True
    if not scope.incident:
        return False
    return event.target == scope.incident or scope.incident in msgspec.json.encode(event.body).decode()


def may_meet(scope: Scope, asked: dict[str, str | None], since: int | None, until: int | None) -> bool:
    """Whether the scope may cover an event of this description; `None` is anything."""
    for name, value in asked.items():
        wanted = getattr(scope, name)
        if wanted and value is not None and wanted != value and not (name == "incident" and scope.events):
            return False
    if scope.since is not None and until is not None and until <= scope.since:
        return False
    return not (scope.until is not None and since is not None and since >= scope.until)


def check(hold: Hold) -> None:
    """Raises `Invalid` for a hold without name, reason or scope."""
    if not _NAME.fullmatch(hold.name):
        raise Invalid(f"not a name for a hold: {hold.name!r}", hint="small letters, digits, `.`, `_`, `-`; at most 64")
    if not hold.reason.strip():
        raise Invalid("a hold needs a reason", hint="name the case or the request it serves")
    scope = hold.scope
    if scope == Scope():
        raise Invalid("a hold needs a scope", hint="name a tenant, a time range, an actor, a server or an incident")
    if scope.since is not None and scope.until is not None and scope.since >= scope.until:
        raise Invalid("the hold's range ends before it begins", hint="exchange since and until")


def _moment(microseconds: int) -> Any:
    """Of the column's own type: where the engine deletes, it does not compare times with and without a zone."""
    number = exp.Literal.number(min(max(microseconds, 0), 2**62))
    kind = exp.Literal.string('Timestamp(Microsecond, Some("UTC"))')
    return exp.Anonymous(this="arrow_cast", expressions=[number, kind])
