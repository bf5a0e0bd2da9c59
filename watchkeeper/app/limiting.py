"""The limits of one gateway process; of several workers, the first keeps the ledger that all of them draw on."""

from __future__ import annotations

import hashlib
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from watchkeeper.app.platform import Platform
from watchkeeper.app.settings import Loaded
from watchkeeper.core.control import Handler
from watchkeeper.core.errors import Invalid
from watchkeeper.core.files import socket_path
from watchkeeper.gateway.containment import AGENT
from watchkeeper.gateway.limits.bank import Bank
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.limits.ledger import Ledger
from watchkeeper.gateway.limits.lender import Lender
from watchkeeper.gateway.limits.model import TOOL_CALL, Caller
from watchkeeper.gateway.limits.settings import check_limits
from watchkeeper.gateway.relay.relay import Relay

KEEPER = 1
"""The worker that keeps the ledger."""


def gate_for(loaded: Loaded, platform: Platform, relay: Relay | None = None, former: Gate | None = None) -> Gate:
    """The limits of the settings. Raises `Misconfigured` for a limit that cannot work."""
    settings = loaded.settings
    check_limits(settings.limits)
    bank = Bank(_path(loaded)) if relay is not None and settings.limits else None
    groups_of = platform.clients.groups_of
    return Gate(
        settings.limits, settings.loops, groups_of=lambda name: groups_of(AGENT + name), bank=bank, former=former
    )


async def keep_ledger(loaded: Loaded, relay: Relay | None, stack: AsyncExitStack) -> Ledger | None:
    """Keep it until the stack is left, where this process is the one to; None where it is another's, or nobody's."""
    if relay is None or relay.number != KEEPER or not loaded.settings.limits:
        return None
    lender = Lender(_path(loaded), Ledger(loaded.settings.limits))
    await lender.open()
    stack.push_async_callback(lender.close)
    return lender.ledger


class Consumption:
    """What the control socket answers about limits."""

    def __init__(self, gate: Gate | None, ledger: Ledger | None, relay: Relay | None) -> None:
        self._is_one_of_several = relay is not None
        self.follow(gate, ledger)
        self.answers: dict[str, Handler] = {"limits.show": self.show, "limits.check": self.check}

    def follow(self, gate: Gate | None, ledger: Ledger | None) -> None:
        """Speak of these limits from now on."""
        self._gate = gate
        self.ledger = ledger
        self._is_elsewhere = ledger is None and self._is_one_of_several

    async def show(self, _: dict[str, Any]) -> dict[str, Any]:
        """Every counter that is in use; nothing where another worker keeps them."""
        now = time.monotonic_ns()
        if self._is_elsewhere or self._gate is None:
            return {"rows": []}
        return {"rows": self._gate.standing(now) if self.ledger is None else self.ledger.standing(now)}

    async def check(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Which limits a message of this caller would fall under."""
        caller = caller_of(arguments)
        return {"rows": self._gate.explain(caller, time.monotonic_ns()) if self._gate is not None else []}


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A caller as the command line names one."""

    principal: str
    server: str
    method: str = TOOL_CALL
    tool: str = ""
    tenant: str = "default"
    groups: tuple[str, ...] | None = None


def caller_of(arguments: dict[str, Any]) -> Caller:
    """Raises `Invalid`."""
    try:
        asked = msgspec.convert(arguments, _Asked)
    except msgspec.ValidationError as error:
        raise Invalid(f"not a caller: {error}", hint="give principal and server, and what else you know") from error
    name = asked.principal.removeprefix(AGENT)
    return Caller(name, asked.server, asked.method, asked.tool, asked.tenant, asked.groups)


def _path(loaded: Loaded) -> Path:
    """Other limits have another ledger, beside the former one while calls that drew on that are still under way."""
    digest = hashlib.sha256(msgspec.json.encode(loaded.settings.limits, order="sorted")).hexdigest()[:8]
    return socket_path(loaded.data_dir, f"limits-{digest}")
