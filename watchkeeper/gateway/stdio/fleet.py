"""The servers of one route: how many, whose, for how long; each started, watched and ended here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway.breaker import Breaker
from watchkeeper.gateway.stdio.conversation import Conversation
from watchkeeper.gateway.stdio.model import Limits
from watchkeeper.gateway.stdio.peer import Peer
from watchkeeper.gateway.upstream import UpstreamBusy, UpstreamFailed, UpstreamSilent
from watchkeeper.protocol.message import Message

_LONGEST_SWEEP = 30.0


class Full(Unavailable):
    """As many servers run as may."""

    code = "full"


class Member(msgspec.Struct, eq=False):
    """A conversation, and whose it is."""

    principal: str
    era: str
    conversation: Conversation
    wanted: bool = False
    """Whether we ended it; else it ended by itself, or for what it did."""
    on_end: Callable[[], object] | None = None
    """Told once."""


class Fleet:
    """All running servers of a route."""

    def __init__(self, limits: Limits, ended: Callable[[Member], object]) -> None:
        """`ended` is told of each member that is gone."""
        self._limits = limits
        self._ended = ended
        self._places: list[str] = []
        self._members: dict[Member, asyncio.Task[None]] = {}
        self._breakers: dict[str, Breaker] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._closed = False
        self.overheard: Callable[[str], None] | None = None
        """Told the method of each notification, whether or not some client reads it."""

    def __len__(self) -> int:
        return len(self._places)

    def members(self) -> list[Member]:
        """Those that run."""
        return list(self._members)

    async def start(self, principal: str, era: str, peer: Peer) -> Member:
        """Open a new server for this principal. Raises `Full`, `UpstreamBusy`, `UpstreamFailed`, `Unavailable`."""
        self._admit(principal)
        self._places.append(principal)
        try:
            return await self._start(principal, era, peer)
        except BaseException:  # cancelled or failed, nobody will give the place back later
            self._places.remove(principal)
            raise

    async def end(self, member: Member, reason: str) -> None:
        """Stop a server and wait until it is gone."""
        peer = member.conversation.peer
        if not peer.gone.is_set():
            member.wanted = True
        task = self._members.get(member)
        await peer.stop(reason)
        if task is not None:
            await asyncio.shield(task)

    def note(self, principal: str, *, worked: bool) -> None:
        """A new server did, or did not, come to its first answer. Counted by principal: none can shut out another."""
        if worked:
            self._breakers.pop(principal, None)
        else:
            self._breakers.setdefault(principal, Breaker()).failed(asyncio.get_running_loop().time())

    def let_go(self, principal: str) -> None:
        """A start was broken off by whoever wanted it, and says nothing of the server."""
        if (breaker := self._breakers.get(principal)) is not None:
            breaker.let_go()

    async def close(self) -> None:
        """End every server."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.gather(*(self.end(member, "the gateway stops") for member in list(self._members)))

    def _admit(self, principal: str) -> None:
        if self._closed:
            raise UpstreamFailed("the gateway stops")
        if len(self._places) >= self._limits.children:
            raise Full("every server that may run for this route is in use; close a session or try later")
        if self._places.count(principal) >= self._limits.children_per_principal:
            raise Full("this client has as many servers open as it may; close a session or try later")
        breaker = self._breakers.get(principal)
        if breaker is None:
            return
        now = asyncio.get_running_loop().time()
        if (wait := breaker.wait(now)) > 0:
            reason = f"the server keeps ending right after its start; it is tried again in {wait:.0f} s"
            raise UpstreamBusy(reason, retry_after=wait)
        breaker.probe(now)

    async def _start(self, principal: str, era: str, peer: Peer) -> Member:
        conversation = Conversation(peer, self._limits, modern=era == "modern")
        try:
            await peer.open(lambda message: self._receive(conversation, message))
        except (UpstreamFailed, UpstreamSilent):
            self.note(principal, worked=False)
            raise
        member = Member(principal, era, conversation)
        self._members[member] = asyncio.create_task(self._attend(member))
        if self._sweeper is None or self._sweeper.done():
            self._sweeper = asyncio.create_task(self._sweep())
        return member

    def _receive(self, conversation: Conversation, message: Message) -> None:
        if self.overheard is not None and message.kind == "notification":
            self.overheard(message.method)
        conversation.receive(message)

    async def _attend(self, member: Member) -> None:
        """Wait for the end, tell everybody, clean up."""
        conversation = member.conversation
        try:
            await conversation.peer.gone.wait()
            conversation.fail(conversation.peer.reason)
            if member.on_end is not None:
                member.on_end()
            await conversation.peer.stop(conversation.peer.reason)
            self._ended(member)
        finally:
            del self._members[member]
            self._places.remove(member.principal)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while self._members:
            await asyncio.sleep(min(_LONGEST_SWEEP, self._limits.idle_seconds / 2))
            for member in list(self._members):
                is_old = loop.time() - member.conversation.used >= self._limits.idle_seconds
                if is_old and member.conversation.is_idle:
                    await self.end(member, "nobody used it")
