"""The canary's rounds: which server is looked at when, by whom, and what follows from it.

Above: the app starts one in each gateway process. Below: visits, the registry that holds and records. A server is
looked at when it was used since the last round and its time has come, about; at once when a definition of it changed.

Obligations, and what each one stops:

1. The canary calls itself like a common client, never like us, and not twice in a row alike (a server that behaves
   before whoever watches).
2. A difference counts only when a second look finds the very same one (a server that is just being changed).
3. A server that is contained is not asked.
4. Whoever could not be looked at is said to be so: never that all was well.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Invalid, Unavailable, WatchkeeperError
from watchkeeper.gateway.canary.comparison import Difference, compare
from watchkeeper.gateway.canary.visit import Shown, Visit, Visitor
from watchkeeper.gateway.listing import Introduction
from watchkeeper.gateway.lookout.freshness import Freshness, Standing
from watchkeeper.gateway.model import Route
from watchkeeper.gateway.ports import Guard
from watchkeeper.gateway.record import Call
from watchkeeper.gateway.upstream import Upstream
from watchkeeper.inspection.fingerprints import Definition
from watchkeeper.inspection.model import Finding
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.registry.model import SetApart
from watchkeeper.registry.pins import Pins

NAMES = ("claude-code", "cursor-vscode", "Visual Studio Code", "codex-mcp-client", "gemini-cli-mcp-client", "cline")
TICK = 2.0
"""Seconds between two looks at whose turn it is."""
AT_LEAST = 60.0
"""Seconds between two rounds at one server, whatever happens."""
SECONDS = 60.0
"""How long a round may take."""
_log = logging.getLogger(__name__)
_random = random.SystemRandom()
Notice = Callable[[str, Sequence[Definition]], Awaitable[Mapping[str, tuple[Finding, ...]]]]
"""`Guard.notice`."""


class Report(msgspec.Struct, frozen=True):
    """How a round ended."""

    at: int
    outcome: str
    """`same`, `differed` or `not_looked`."""
    detail: str = ""


class Canary:
    """One process's."""

    def __init__(
        self,
        routes: Callable[[], Mapping[str, Route]],
        pins: Pins,
        guard: Guard,
        clock: Clock,
        *,
        notice: Notice,
        is_contained: Callable[[str], bool],
    ) -> None:
        self._routes = routes
        self._pins = pins
        self._guard = guard
        self._clock = clock
        self._notice = notice
        self._is_contained = is_contained
        self._due: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self.reports: dict[str, Report] = {}
        """By server."""

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            for name, route in list(self._routes().items()):
                if self.is_due(name):
                    await self.look(route)

    def is_due(self, server: str) -> bool:
        """Whether it is a server's turn: it is in use, and its time has come or something of it changed."""
        freshness: Freshness = self._guard.freshness
        standing, seconds = freshness.of(server), self._pins.terms.of(server).canary_seconds
        if not seconds or standing.last is None:
            return False
        now = asyncio.get_running_loop().time()
        due = self._due.setdefault(server, now + seconds * _random.uniform(0.5, 1.5))
        return (standing.suspect or now >= due) and now - self._last.get(server, -AT_LEAST) >= AT_LEAST

    async def look(self, route: Route) -> Report:
        """One round. Raises nothing but for cancellation."""
        standing = self._guard.freshness.of(route.name)
        try:
            async with asyncio.timeout(SECONDS):
                found = await self._round(route, standing)
            detail = ", ".join(f"{one.kind} {one.name} by {one.depends_on}" for one in found[:20])
            report = Report(self._clock.now(), "differed" if found else "same", detail)
        except (TimeoutError, WatchkeeperError, BadMessage, msgspec.MsgspecError) as error:
            report = Report(self._clock.now(), "not_looked", str(error) or type(error).__name__)
            _log.warning("a server could not be looked at as somebody else", extra={"server": route.name})
        except Exception:  # noqa: BLE001 — outermost: no server's answer may end the rounds of others
            report = Report(self._clock.now(), "not_looked", "a failure of ours; see the log")
            _log.exception("a canary's round failed", extra={"server": route.name})
        self._last[route.name] = asyncio.get_running_loop().time()
        self._due.pop(route.name, None)
        standing.last, standing.suspect = None, False
        self.reports[route.name] = report
        return report

    async def on_reports(self, _: dict[str, Any]) -> dict[str, Any]:
        """For the control socket: how the last round at each server ended; a server without one is not in it."""
        return {name: msgspec.to_builtins(report) for name, report in self.reports.items()}

    async def _round(self, route: Route, standing: Standing) -> Sequence[Difference]:
        call = standing.last
        if self._is_contained(route.name):
            raise Unavailable("an order is in force, so it was not asked")
        if call is None:
            raise Unavailable("nobody has used it since, so it was not asked")
        other = Visitor(_random.choice([name for name in NAMES if name != call.client]))
        first = await self._three_looks(route, call, other)
        if not first.differences:
            await self._note(route.name, first.as_other)
            return ()
        second = await self._three_looks(route, call, other)
        confirmed = [one for one in first.differences if one in second.differences]
        if confirmed:
            await self._set_apart(route.name, call.client, second, confirmed)
        return confirmed

    async def _three_looks(self, route: Route, call: Call, other: Visitor) -> _Looks:
        introduction = Introduction(route, _upstream(route), self._guard, prefix="wk-canary-")
        is_own = await introduction.look_again(call.request, call.message, call.era)
        as_client = await self._visit(route, call, msgspec.structs.replace(other, name=call.client or other.name))
        as_other = await self._visit(route, call, other)
        return _Looks(as_client, as_other, compare(introduction.shown if is_own else {}, as_client, as_other))

    async def _visit(self, route: Route, call: Call, visitor: Visitor) -> Shown:
        """As nobody in particular where the server takes that; else on behalf of the client who called last."""
        try:
            return await Visit(_upstream(route), visitor, call.era).make()
        except (Unavailable, Invalid) as error:
            request = call.request
            if request.credential is None and not route.keeps_credential:
                raise
            _log.info("%s shows nothing to nobody: %s", route.name, error)
            visitor = msgspec.structs.replace(visitor, principal=request.principal, credential=request.credential)
            return await Visit(_upstream(route), visitor, call.era).make()

    async def _note(self, server: str, shown: Shown) -> None:
        """What everybody is shown alike is a listing like any other: new definitions are pinned, changed ones held."""
        definitions = list(shown.definitions.values())
        findings = await self._notice(server, [d for d in definitions if not self._pins.is_known(server, d)])
        await asyncio.to_thread(self._pins.observe, server, definitions, findings)

    async def _set_apart(self, server: str, client: str, looks: _Looks, found: Sequence[Difference]) -> None:
        shown = [*looks.as_client.definitions.values(), *looks.as_other.definitions.values()]
        findings = await self._notice(server, shown)
        rows = [
            SetApart(d.kind, d.name, d.depends_on, client, d.client, d.canary, looks.definitions_of(d)) for d in found
        ]
        await asyncio.to_thread(self._pins.set_apart, server, rows, findings)


class _Looks(msgspec.Struct, frozen=True):
    """What three looks showed."""

    as_client: Shown
    as_other: Shown
    differences: list[Difference]

    def definitions_of(self, found: Difference) -> tuple[Definition, ...]:
        key = (found.kind, found.name)
        pair = (self.as_client.definitions.get(key), self.as_other.definitions.get(key))
        return tuple(definition for definition in pair if definition is not None)


def _upstream(route: Route) -> Upstream:
    if route.upstream is None:
        raise Unavailable("it leads nowhere")
    return route.upstream
