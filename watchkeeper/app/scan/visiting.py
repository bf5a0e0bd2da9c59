"""Looking at what a server shows: started in our sandbox or asked at its URL, listed completely, and left again.

What each rule stops:
1. A started server is confined, and none is started where that is impossible, unless the operator says so (a scan of a
   hostile server must not be how it gets in).
2. It gets neither our environment nor the secrets of its entry, but placeholders, unless the operator says so.
3. Everything has a bound in time; what was not seen completely is said to be so (a server that hides behind silence).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from watchkeeper.app.launching import check_launch, command_of
from watchkeeper.app.scan.clients import PLACEHOLDER
from watchkeeper.app.scan.model import Shown, Source
from watchkeeper.app.scan.web import WebUpstream, fetcher_for
from watchkeeper.app.settings import Loaded
from watchkeeper.core.clock import SystemClock
from watchkeeper.core.errors import Denied, Unavailable, WatchkeeperError
from watchkeeper.core.secrets import Secret
from watchkeeper.events import Event
from watchkeeper.gateway.canary.visit import NotShown, Visit, Visitor
from watchkeeper.gateway.settings import ServerSettings, check_server
from watchkeeper.gateway.stdio import Limits, StdioUpstream
from watchkeeper.gateway.upstream import Upstream
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.spawn import Spawner

CLIENT = "watchkeeper-scan"
_TOGETHER = 4
_LEAVE = 5.0
_OFTEN_MISSING = "resources/templates/list"
"""Whoever has no templates often does not know the method either."""


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """How servers are looked at."""

    seconds: float = 60.0
    """For each."""
    sandbox: str = "require"
    network: bool = True
    secrets: bool = False
    """Give servers the variables and headers that their entries name."""
    env: Mapping[str, str] = {}
    """Variables that every started server gets."""
    read: tuple[str, ...] = ()
    bearer: Secret = Secret("")
    """For URLs named on the command line only."""


class Visits:
    """Looks at servers, some at a time."""

    def __init__(self, loaded: Loaded, spawner: Spawner, ways: Ways, told: Callable[[str], None]) -> None:
        """`told` hears how far it is."""
        self._loaded = loaded
        self._spawner = spawner
        self._ways = ways
        self._told = told
        self._free = asyncio.Semaphore(_TOGETHER)

    async def look_at(self, sources: Sequence[Source]) -> list[Shown]:
        """What each shows, in order. Raises nothing of theirs."""
        return list(await asyncio.gather(*map(self._look, sources)))

    async def _look(self, source: Source) -> Shown:
        if source.skipped or source.broken or source.server is None:
            return Shown(source=source, failure=source.broken)
        async with self._free:
            self._told(f"looking at {source.name} …")
            try:
                async with asyncio.timeout(self._ways.seconds):
                    shown = await self._visit(source, self._fitted(source.server))
            except TimeoutError:
                return Shown(
                    source=source,
                    failure=f"it did not show everything within {self._ways.seconds:g} seconds",
                    hint="a package runner may still be downloading: try a longer --timeout",
                )
            except WatchkeeperError as error:
                return Shown(source=source, failure=error.reason, hint=error.hint or _hint(error, source))
            except (BadMessage, msgspec.MsgspecError, RecursionError) as error:
                return Shown(source=source, failure=f"its answer cannot be read: {error}")
        return shown

    def _fitted(self, server: ServerSettings) -> ServerSettings:
        ways = self._ways
        if server.url:
            return server if ways.secrets else msgspec.structs.replace(server, headers={})
        own = server.env if ways.secrets else dict.fromkeys(server.env, PLACEHOLDER)
        return msgspec.structs.replace(
            server,
            env={**own, **ways.env},
            sandbox=ways.sandbox,
            network=ways.network or ways.sandbox == "off",
            read=(*server.read, *ways.read),
        )

    async def _visit(self, source: Source, server: ServerSettings) -> Shown:
        if server.url and server.transport == "sse":
            raise Unavailable(
                "it speaks HTTP+SSE of 2024, which is not asked for here", hint="look at it in the gateway"
            )
        check_server(source.name, server)
        upstream = self._upstream(source, server)
        try:
            return await self._in_its_era(source, upstream)
        finally:
            async with asyncio.timeout(_LEAVE):
                await upstream.close()

    def _upstream(self, source: Source, server: ServerSettings) -> Upstream:
        ways = self._ways
        if server.url:
            bearer = ways.bearer if source.is_named else Secret("")
            fetcher = fetcher_for(server.url, self._loaded.settings.fetch, ways.seconds, is_named=source.is_named)
            return WebUpstream(server.url, fetcher, server.headers.items(), bearer)
        check_launch(self._loaded, source.name, server)
        limits = Limits(
            probe_seconds=min(10.0, ways.seconds / 4), start_seconds=ways.seconds, request_seconds=ways.seconds
        )
        command = command_of(server)
        return StdioUpstream(
            source.name, command, spawner=self._spawner, recorder=Unrecorded(), clock=SystemClock(), limits=limits
        )

    async def _in_its_era(self, source: Source, upstream: Upstream) -> Shown:
        """As today's clients do: the modern era first, then the older one."""
        visitor = Visitor(CLIENT)
        try:
            seen = await Visit(upstream, visitor, "modern", is_lenient=True).make()
        except NotShown:
            seen = await Visit(upstream, visitor, "legacy", is_lenient=True).make()
        refused = [method for method in seen.refused if method != _OFTEN_MISSING]
        failure = f"it offers {', '.join(refused)} and did not answer" if refused else ""
        return Shown(source=source, definitions=seen.listed, failure=failure)


class Unrecorded:
    """A scan leaves nothing in a journal: it may run where there is none."""

    healthy = True

    def append(self, _: Event) -> int:
        return 0

    async def durable(self, _: int) -> None:
        """Nothing to wait for."""


def _hint(error: WatchkeeperError, source: Source) -> str:
    if "401" in error.reason or "403" in error.reason:
        return "it wants a credential: --bearer env:NAME for a URL, --with-secrets for what a client's file names"
    if isinstance(error, Denied):
        return "name it on the command line, or in fetch.allow_hosts, if it is yours"
    if source.server is not None and source.server.command:
        return "it may need a variable (--env NAME), a file (--read PATH), or more than a sandbox gives (--sandbox off)"
    return ""
