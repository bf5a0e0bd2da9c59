"""A stdio server as an upstream: to the gateway it looks like a Streamable HTTP server.

Older era: each `initialize` starts a server, its session is bound to the principal, and ends with the server. Modern
era: one server a principal, asked once whether it speaks that era. Nothing is translated: to a modern request an
older server answers as such a server would, so that the client falls back to `initialize` by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.gateway.ports import Recorder
from watchkeeper.gateway.stdio import answers
from watchkeeper.gateway.stdio.conversation import LISTEN
from watchkeeper.gateway.stdio.fleet import Fleet, Full, Member
from watchkeeper.gateway.stdio.journal import Launches
from watchkeeper.gateway.stdio.launched import Launched, Launcher
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.offline import attempt, without_network
from watchkeeper.gateway.stdio.older import OlderSessions, busy, only_older, pass_on, takes_events
from watchkeeper.gateway.stdio.probe import speaks_modern
from watchkeeper.gateway.upstream import Hosted, Inbound, Outbound, UpstreamFailed
from watchkeeper.protocol.message import Message
from watchkeeper.protocol.spawn import Command, Spawner


class StdioUpstream:
    """The servers of one route. `close` it before its `Spawner`."""

    def __init__(
        self,
        server: str,
        command: Command,
        *,
        spawner: Spawner,
        recorder: Recorder,
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        """Raises `Misconfigured` when the command can never be started."""
        command.check()
        self._command = command
        self._limits = limits or Limits()
        self._launches = Launches(server, command, recorder, clock)
        self._launcher = Launcher(server, command, spawner, self._launches, self._limits)
        self._fleet = Fleet(self._limits, self._record_end)
        self._older = OlderSessions(self._fleet, self._limits, self._peer_for)
        self._shared: dict[str, asyncio.Task[Member | None]] = {}
        self._older_until = 0.0

    async def send(self, inbound: Inbound) -> Outbound:
        """Pass a message on; see `Upstream.send`. Raises `UpstreamFailed`, `UpstreamSilent`."""
        message = inbound.message
        if message is not None and message.raw != inbound.body:
            message = msgspec.structs.replace(message, raw=inbound.body)
        try:
            if inbound.era == "modern":
                return await self._modern(inbound, message)
            return await self._older.serve(inbound, message)
        except Full as error:
            return busy(error.reason, message)

    async def close(self) -> None:
        """End every server of this route; returns when they are gone."""
        for task in self._shared.values():
            task.cancel()
        await asyncio.gather(*self._shared.values(), return_exceptions=True)
        await self._fleet.close()

    def overhear(self, told: Callable[[str], None]) -> None:
        """See `Overheard`."""
        self._fleet.overheard = told

    def hosted(self) -> list[Hosted]:
        """See `Houses`."""
        sessions = {id(member): session for session, member in self._older.sessions()}
        return [
            Hosted(peer.pid, member.principal, member.era, sessions.get(id(member), ""))
            for member in self._fleet.members()
            if isinstance(peer := member.conversation.peer, Launched)
        ]

    async def isolate(self, *, is_offline: bool) -> None:
        """See `Isolates`."""
        command = without_network(self._command) if is_offline else self._command
        if command == self._launcher.command:
            return
        self._launcher.command = command
        why = "an order keeps it from the network" if is_offline else "the order that kept it from the network is over"
        await asyncio.gather(*(self._fleet.end(member, why) for member in self._fleet.members()))

    async def try_network(self) -> str:
        """See `Isolates`."""
        return await attempt(self._launcher.spawner, self._launcher.command)

    async def expel(self, hosted: Hosted, reason: str) -> None:
        """See `Houses`."""
        for member in self._fleet.members():
            peer = member.conversation.peer
            if isinstance(peer, Launched) and peer.pid == hosted.pid:
                await self._fleet.end(member, reason)

    def _peer_for(self, inbound: Inbound) -> Launched:
        return self._launcher.child_for(inbound.principal, inbound.era)

    def _record_end(self, member: Member) -> None:
        peer = member.conversation.peer
        assert isinstance(peer, Launched)
        self._launches.exited(peer, member.conversation, member.principal, member.era, wanted=member.wanted)

    # -- the modern era

    async def _modern(self, inbound: Inbound, message: Message | None) -> Outbound:
        if message is None:
            return answers.method_not_allowed()
        if message.kind not in ("request", "notification"):
            return answers.refusal(400, -32600, "a modern client sends requests and notifications only", message.id)
        member = await self._member_of(inbound.principal)
        if member is None:
            return only_older(message)
        if message.method == LISTEN and not takes_events(inbound):
            return answers.not_acceptable()
        return await pass_on(member.conversation, inbound, message)

    async def _member_of(self, principal: str) -> Member | None:
        """The principal's server; None when the server speaks only the older era. One start serves all who wait."""
        if asyncio.get_running_loop().time() < self._older_until:
            return None
        task = self._shared.get(principal)
        if task is None or _is_over(task):
            task = asyncio.create_task(self._start_modern(principal))
            task.add_done_callback(_is_over)  # whoever waits may have gone: its exception is looked at here
            self._shared[principal] = task
        member = await asyncio.shield(task)
        if member is not None:
            member.conversation.used = asyncio.get_running_loop().time()
        return member

    async def _start_modern(self, principal: str) -> Member | None:
        member = await self._fleet.start(principal, "modern", self._launcher.child_for(principal, "modern"))
        conversation = member.conversation
        try:
            is_modern = await speaks_modern(conversation, self._limits.probe_seconds)
        except asyncio.CancelledError:
            await self._fleet.end(member, "the gateway stops")
            raise
        if is_modern and not conversation.peer.gone.is_set():
            self._fleet.note(principal, worked=True)
            return member
        await self._fleet.end(member, "it does not speak the modern era")
        if is_modern:
            raise UpstreamFailed(f"{conversation.peer.reason} before it had answered")
        self._older_until = asyncio.get_running_loop().time() + self._limits.era_seconds
        return None


def _is_over(task: asyncio.Task[Member | None]) -> bool:
    """Whether a start has come to nothing, or its server has ended since."""
    if not task.done():
        return False
    if task.cancelled() or task.exception() is not None:
        return True
    member = task.result()
    return member is None or member.conversation.peer.gone.is_set()
