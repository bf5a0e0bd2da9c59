"""A stdio server as an upstream: to the gateway it looks like a Streamable HTTP server.

Older era: each `initialize` starts a server, its session is bound to the principal, and ends with the server. Modern
era: one server a principal, asked once whether it speaks that era. Nothing is translated: to a modern request an
older server answers as such a server would, so that the client falls back to `initialize` by itself.
"""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.ports import Recorder
from watchkeeper.gateway.stdio import answers
from watchkeeper.gateway.stdio.conversation import LISTEN, Conversation
from watchkeeper.gateway.stdio.fleet import Fleet, Full, Member
from watchkeeper.gateway.stdio.journal import Launches
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.probe import speaks_modern
from watchkeeper.gateway.upstream import Inbound, Outbound, UpstreamFailed
from watchkeeper.protocol.eras import LEGACY
from watchkeeper.protocol.errors import NO_SUCH_SESSION, UNSUPPORTED_VERSION
from watchkeeper.protocol.message import Message
from watchkeeper.protocol.spawn import Command, Spawner

_SESSION = b"mcp-session-id"


class StdioUpstream:
    """The servers of one route. `close` it before its `Spawner`."""

    lives_in_one_worker = True
    """Where a gateway has several workers, all of them ask the one that starts this route's servers."""

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
        self._limits = limits or Limits()
        launches = Launches(server, command, recorder, clock)
        self._fleet = Fleet(server, command, spawner, launches, self._limits)
        self._sessions: dict[str, Member] = {}
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
            return await self._legacy(inbound, message)
        except Full as error:
            busy = answers.refusal(503, answers.BUSY, error.reason, message.id if message else None)
            busy.headers.append((b"retry-after", b"5"))
            return busy

    async def close(self) -> None:
        """End every server of this route; returns when they are gone."""
        for task in self._shared.values():
            task.cancel()
        await asyncio.gather(*self._shared.values(), return_exceptions=True)
        await self._fleet.close()

    # -- the older era

    async def _legacy(self, inbound: Inbound, message: Message | None) -> Outbound:
        session = inbound.session or _header(inbound, _SESSION)
        if message is not None and message.kind == "request" and message.method == "initialize":
            return await self._open(inbound.principal, message)
        if not session:
            return _without_session(message)
        member = self._session(session, inbound.principal)
        if member is None:
            return answers.refusal(404, NO_SUCH_SESSION, "there is no such session", message.id if message else None)
        if inbound.verb == "DELETE":
            await self._fleet.end(member, "the client ended its session")
            return Outbound(204, [])
        if message is None:
            return member.conversation.attach() if _takes_events(inbound) else answers.not_acceptable()
        return await _pass_on(member.conversation, inbound, message)

    def _session(self, session: str, principal: str) -> Member | None:
        """An id proves nothing: it is bound to who got it, and it ends with its server."""
        member = self._sessions.get(session)
        if member is None or member.principal != principal or member.conversation.child.gone.is_set():
            return None
        return member

    async def _open(self, principal: str, initialize: Message) -> Outbound:
        member = await self._fleet.start(principal, "legacy")
        try:
            said = await self._initialize(member, initialize)
        except BaseException as error:  # cancelled, too: nobody else knows of this server
            if isinstance(error, Unavailable):
                self._fleet.note(principal, worked=False)
            else:
                self._fleet.let_go(principal)
            await self._fleet.end(member, "it did not answer initialize")
            raise
        self._fleet.note(principal, worked=True)
        if answers.code_in(said.body) is not None:
            await self._fleet.end(member, "it refused initialize")
        return said

    async def _initialize(self, member: Member, initialize: Message) -> Outbound:
        said = await member.conversation.ask(initialize, streams=False, seconds=self._limits.start_seconds)
        child = member.conversation.child
        if answers.code_in(said.body) is not None:
            return said
        if child.gone.is_set():
            raise UpstreamFailed(f"{child.reason} right after initialize")
        session = secrets.token_urlsafe(32)
        self._sessions[session] = member
        member.on_end = lambda: self._sessions.pop(session)
        said.headers.append((_SESSION, session.encode()))
        return said

    # -- the modern era

    async def _modern(self, inbound: Inbound, message: Message | None) -> Outbound:
        if message is None:
            return answers.method_not_allowed()
        if message.kind not in ("request", "notification"):
            return answers.refusal(400, -32600, "a modern client sends requests and notifications only", message.id)
        member = await self._member_of(inbound.principal)
        if member is None:
            data = {"supported": list(LEGACY), "requested": message.version}
            reason = "this server speaks only the older protocol era: begin with initialize"
            return answers.refusal(400, UNSUPPORTED_VERSION, reason, message.id, data)
        if message.method == LISTEN and not _takes_events(inbound):
            return answers.not_acceptable()
        return await _pass_on(member.conversation, inbound, message)

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
        member = await self._fleet.start(principal, "modern")
        conversation = member.conversation
        try:
            is_modern = await speaks_modern(conversation, self._limits.probe_seconds)
        except asyncio.CancelledError:
            await self._fleet.end(member, "the gateway stops")
            raise
        if is_modern and not conversation.child.gone.is_set():
            self._fleet.note(principal, worked=True)
            return member
        await self._fleet.end(member, "it does not speak the modern era")
        if is_modern:
            raise UpstreamFailed(f"{conversation.child.reason} before it had answered")
        self._older_until = asyncio.get_running_loop().time() + self._limits.era_seconds
        return None


def _is_over(task: asyncio.Task[Member | None]) -> bool:
    """Whether a start has come to nothing, or its server has ended since."""
    if not task.done():
        return False
    if task.cancelled() or task.exception() is not None:
        return True
    member = task.result()
    return member is None or member.conversation.child.gone.is_set()


async def _pass_on(conversation: Conversation, inbound: Inbound, message: Message) -> Outbound:
    if message.kind == "request":
        return await conversation.ask(message, streams=_takes_events(inbound))
    if message.kind == "notification":
        return await conversation.tell(message)
    return await conversation.reply(message)


def _without_session(message: Message | None) -> Outbound:
    """GET without a session: 405, which tells a client of 2024-11-05 that there is no SSE endpoint either."""
    if message is None:
        return answers.method_not_allowed()
    return answers.refusal(400, -32600, "begin with initialize: this request has no Mcp-Session-Id", message.id)


def _takes_events(inbound: Inbound) -> bool:
    accepted = _header(inbound, b"accept").lower()
    return "text/event-stream" in accepted or "*/*" in accepted


def _header(inbound: Inbound, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in inbound.headers if key.lower() == name), "")
