"""What both directions of a session share: the server, the tables, the guard, the pen, and how an exchange ends."""

from __future__ import annotations

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway import replies
from watchkeeper.gateway.answers import Answers
from watchkeeper.gateway.approvals.desk import Desk
from watchkeeper.gateway.limits.gate import Gate
from watchkeeper.gateway.limits.turnstile import Turnstile
from watchkeeper.gateway.listing import Introduction
from watchkeeper.gateway.model import Refusal, Route
from watchkeeper.gateway.ports import Guard, Recorder
from watchkeeper.gateway.record import Call, Chronicle
from watchkeeper.gateway.stdio.child import Child
from watchkeeper.gateway.stdio.splice import on_one_line
from watchkeeper.gateway.versions import Versions
from watchkeeper.gateway.wrap.asking import Asking
from watchkeeper.gateway.wrap.lines import Writer
from watchkeeper.gateway.wrap.table import Id, Open, Table
from watchkeeper.protocol.errors import UPSTREAM_FAILED


class Wrapped(msgspec.Struct, frozen=True, kw_only=True):
    """How much and how long."""

    message_bytes: int = 4_194_304
    """The longest message of the client."""
    silence: float = 120.0
    """How long a request may be silent; progress starts the time anew."""
    ceiling: float = 3600.0
    finish: float = 5.0
    """How long a server may go on after its client has left."""
    answers: float = 30.0
    """The same while requests are open: a client may write all it wants to ask and close."""


class Between:
    """One client and one server."""

    def __init__(
        self,
        route: Route,
        child: Child,
        writer: Writer,
        *,
        principal: str,
        guard: Guard,
        journal: Recorder,
        clock: Clock,
        gate: Gate | None = None,
        limits: Wrapped | None = None,
        desk: Desk | None = None,
    ) -> None:
        self.route = route
        self.child = child
        self.principal = principal
        self.guard = guard
        self.limits = limits or Wrapped()
        self.era = "legacy"
        """Of the client's last request."""
        self.answered = 0
        self.dropped = 0
        self.chronicle = Chronicle(route, journal, clock)
        self.versions = Versions(route.eras)
        self.answers = Answers(guard, self.chronicle, self.versions, None)
        self.table = Table(self.limits.silence, self.limits.ceiling)
        self.asking = Asking(child, self.table)
        self.introduction = Introduction(route, self.asking, guard)
        self.turnstile = Turnstile(gate, route, self.chronicle) if gate is not None else None
        self.desk = desk
        """Where people are asked; None where nobody can be."""
        self._writer = writer

    @property
    def healthy(self) -> bool:
        return self.chronicle.healthy

    async def to_client(self, body: bytes) -> None:
        """One message on one line, and nothing else, ever."""
        await self._writer.write(on_one_line(body) + b"\n")

    async def remember(self, call: Call) -> bytes | None:
        """Record; what the client gets instead when that fails."""
        is_stopped = replies.stops(call.ruling) or (call.answered is not None and replies.stops(call.answered))
        try:
            index = self.chronicle.decided(call)
            if is_stopped or self.route.durability == "strict":
                await self.chronicle.durable(index, call)
        except Unavailable:
            return replies.not_recorded(call.message).body
        return None

    def refused(self, refusal: Refusal) -> None:
        """Remember what was turned away."""
        try:
            self.chronicle.refused(refusal, era=self.era)
        except Unavailable:
            return  # it is refused either way

    async def cancelled(self, request_id: Id | None) -> None:
        """The client gave a request up: an answer to it goes no further."""
        one = self.table.end(request_id)
        if one is not None:
            self.over(one, "cancelled")

    async def failed(self, call: Call, error: Unavailable) -> None:
        """A message could not be passed on."""
        one = self.table.end(call.message.id) if call.message.kind == "request" else None
        if one is not None:
            self.over(one, error.code)
            await self.to_client(replies.failure(call.message, UPSTREAM_FAILED, error.reason))

    def over(self, one: Open, ending: str) -> None:
        """It ended without an answer of the server's."""
        one.call.ending = ending
        if one.held is not None:
            one.held.release()
        self.chronicle.decided_late(one.call)
