"""Draining a server's transport in one gateway process: what is under way may end, then it is begun anew and tried.

While it lasts an order keeps newcomers out (`gateway.holds`); that order is given and lifted elsewhere. A server that
we start is ended and started; of one that we only reach the connections are given up, since restarting it is its
operator's. The trial is a real greeting, sent past every order under a name of our own.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.gateway.canary.visit import Visit, Visitor
from watchkeeper.gateway.custody.ending import Endings
from watchkeeper.gateway.custody.model import Drained, Served
from watchkeeper.gateway.custody.view import View, houses_in, renews_in
from watchkeeper.gateway.holds import EVERY_SERVER, Subject
from watchkeeper.gateway.upstream import Upstream
from watchkeeper.protocol.errors import BadMessage

PRINCIPAL = "system:trial"
_LOOK = 0.02
_TRIAL_SECONDS = 15.0


class Drain:
    """One gateway's."""

    def __init__(self, view: View, endings: Endings) -> None:
        self._view = view
        self._endings = endings
        self._never = asyncio.Event()

    async def drain(self, server: str, within: float) -> Drained:
        """Wait for what is under way, so many seconds at most; then end every session and begin anew."""
        loop, everybody = asyncio.get_running_loop(), Subject("principal", EVERY_SERVER, server)
        deadline = loop.time() + within
        while any(not one.is_stream for one in self._view.serving(everybody)) and loop.time() < deadline:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._never.wait(), _LOOK)
        was_quiet = all(one.is_stream for one in self._view.serving(everybody))
        ended = await self._endings.end(everybody, "its transport was drained", with_tasks=False)
        if (renewed := renews_in(self._view.upstream(server))) is not None:
            renewed.renew()
        return Drained(ended=ended, was_quiet=was_quiet)

    async def served(self, server: str, eras: tuple[str, ...]) -> Served:
        """Greet the server as a client does, and leave."""
        upstream = self._view.upstream(server)
        everybody = Subject("principal", EVERY_SERVER, server)
        rest = await self._endings.rest(everybody)
        sessions = rest.sessions + len(rest.processes)
        if upstream is None:
            return Served(serves=False, reason="this gateway has no such route", sessions=sessions)
        why = ""
        for era in eras:
            why = await self._greet(upstream, era)
            if not why:
                return Served(serves=True, era=era, sessions=sessions)
        return Served(serves=False, reason=why, sessions=sessions)

    async def _greet(self, upstream: Upstream, era: str) -> str:
        """Why it did not answer; empty when it did."""
        try:
            async with asyncio.timeout(_TRIAL_SECONDS):
                await Visit(upstream, Visitor("watchkeeper", principal=PRINCIPAL), era, is_lenient=True).make()
        except TimeoutError:
            return "it did not answer in time"
        except (Unavailable, BadMessage, Invalid, msgspec.MsgspecError) as error:
            return str(error)
        finally:
            if (houses := houses_in(upstream)) is not None:
                for hosted in houses.hosted():
                    if hosted.principal == PRINCIPAL:
                        await houses.expel(hosted, "the trial is over")
        return ""
