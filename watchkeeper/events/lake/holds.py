"""Legal holds: what must not be deleted, whoever asks. A hold wins over retention and over erasure.

Everyone who deletes events asks first: `Holds(data_dir).covering(tenant=…, actor=…, …)` returns the holds in force that
may cover an event of that description. What is left out is taken to be anything, so a question that says less finds
more. One that cannot be answered (a register that is unreadable) raises, and then nothing may be deleted.

The register is one small file beside the lake; the journal has `lake.hold.placed` and `lake.hold.lifted`, which its
callers record. Placing writes the register first and lifting writes it last: a crash between leaves a hold in force.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from sqlglot import exp

from watchkeeper.core.errors import Conflict, Invalid, NotFound, Unavailable, Untrusted
from watchkeeper.core.files import make_private_folder, write_private
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


class _Register(msgspec.Struct, frozen=True):
    v: int = 1
    holds: tuple[Hold, ...] = ()


class Holds:
    """The holds of a data folder; safe to use from several processes."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lake" / "holds.json"

    def in_force(self) -> tuple[Hold, ...]:
        """Every hold, by name. Raises `Untrusted` when the register is damaged and `Unavailable` when unreadable."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Register, strict=True).holds
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise Unavailable(f"the legal holds cannot be read: {error.strerror}", hint="check its mode") from error
        except msgspec.MsgspecError as error:
            raise Untrusted(
                f"the register of legal holds is damaged: {error}",
                hint=f"nothing is deleted until {self._path} is mended; the journal has every lake.hold.placed",
            ) from error

    def covering(
        self,
        *,
        tenant: str | None = None,
        actor: str | None = None,
        server: str | None = None,
        incident: str | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> tuple[Hold, ...]:
        """The holds that may cover an event of this description; `None` is anything. Raises as `in_force` does.

        Whoever deletes asks this first, and deletes nothing for which it is not empty.
        """
        asked = {"tenant": tenant, "actor": actor, "server": server, "incident": incident}
        return tuple(hold for hold in self.in_force() if _may_meet(hold.scope, asked, since, until))

    def place(self, hold: Hold) -> None:
        """Put a hold in force. Raises `Invalid`, or `Conflict` when its name is taken."""
        _check(hold)
        with self._changing():
            holds = self.in_force()
            if any(other.name == hold.name for other in holds):
                raise Conflict(f"there is a hold named {hold.name}", hint="choose another name, or lift that one first")
            self._write((*holds, hold))

    def get(self, name: str) -> Hold:
        """The hold of this name. Raises `NotFound`."""
        for hold in self.in_force():
            if hold.name == name:
                return hold
        raise NotFound(f"no hold is named {name}", hint="`watchkeeper lake hold list` has those in force")

    def lift(self, name: str) -> Hold:
        """End a hold and return it. Raises `NotFound`."""
        with self._changing():
            found = self.get(name)
            self._write(tuple(hold for hold in self.in_force() if hold.name != name))
        return found

    def _write(self, holds: tuple[Hold, ...]) -> None:
        ordered = tuple(sorted(holds, key=lambda hold: hold.name))
        write_private(self._path, msgspec.json.encode(_Register(holds=ordered)))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time changes the register; the others wait."""
        make_private_folder(self._path.parent)
        handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


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


def _may_meet(scope: Scope, asked: dict[str, str | None], since: int | None, until: int | None) -> bool:
    for name, value in asked.items():
        wanted = getattr(scope, name)
        if wanted and value is not None and wanted != value and not (name == "incident" and scope.events):
            return False
    if scope.since is not None and until is not None and until <= scope.since:
        return False
    return not (scope.until is not None and since is not None and since >= scope.until)


def _check(hold: Hold) -> None:
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
