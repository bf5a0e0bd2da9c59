"""The way of a server's messages to the client: matched with what they answer, judged, passed on in order, or withheld.

A server's own request that is withheld is answered in the client's place, so that the server does not wait for ever.
"""

from __future__ import annotations

import asyncio
import time

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway import replies
from watchkeeper.gateway.flood import Flood
from watchkeeper.gateway.model import Refusal, Ruling
from watchkeeper.gateway.wrap.between import Between
from watchkeeper.gateway.wrap.table import Open, named_in
from watchkeeper.protocol.errors import DENIED_BY_POLICY, UPSTREAM_FAILED, error_body
from watchkeeper.protocol.message import Message

_NO_REQUESTS = -32601
_TOO_MANY = -32603


class TowardsClient:
    """One session's server, as far as it speaks."""

    def __init__(self, session: Between) -> None:
        self._session = session
        self._flood = Flood(time.monotonic())

    async def take(self, message: Message) -> None:
        """One message of the server."""
        if message.kind in ("response", "error"):
            await self._on_answer(message)
        elif message.kind == "request":
            await self._on_request(message)
        else:
            await self._on_notification(message)

    async def _on_answer(self, message: Message) -> None:
        session = self._session
        if session.asking.take(message):
            return
        one = session.table.end(message.id)
        if one is not None:
            await self._on_awaited(one, message)
        elif message.kind == "error" and message.id is None:
            await self._own(message)  # about something it could not read
        else:
            self._drop("an answer to nothing that is open")

    async def _on_awaited(self, one: Open, message: Message) -> None:
        session, call = self._session, one.call
        session.answered += 1
        ruling = await session.answers.judge(call, message)
        body = message.raw
        if replies.stops(ruling):
            body = replies.denial(call.message, ruling.verdict, modern=call.era == "modern")
        elif ruling.body is not None and ruling.verdict.enforced:
            body = ruling.body
        if one.held is not None:
            one.held.answered(len(body), time.monotonic_ns())
            one.held.release()
        call.status, call.sent = 200, len(body)
        refused = await session.remember(call)
        await session.to_client(refused or body)

    async def _on_request(self, message: Message) -> None:
        session = self._session
        assert message.id is not None
        if session.era == "modern":  # MCP 2026-07-28 basic: a server asks in its result
            await self._tell(error_body(message.id, _NO_REQUESTS, "a server sends no requests in this era"))
            self._drop("a request, which no server sends in this era")
            return
        if not session.table.ask(message.id):
            await self._tell(error_body(message.id, _TOO_MANY, "this id is open, or too many requests are"))
            return
        if not await self._own(message):
            session.table.answered(message.id)
            text = "the gateway withheld this request: a policy does not allow it"
            await self._tell(error_body(message.id, DENIED_BY_POLICY, text))

    async def _on_notification(self, message: Message) -> None:
        session = self._session
        if not self._flood.takes(time.monotonic(), message.method):
            session.dropped += 1
            if self._flood.dropped == 1:
                self._drop("more notifications than a client can follow", counts=False)
            return
        if message.method == "notifications/progress":
            session.table.progressed(message, asyncio.get_running_loop().time())
        elif message.method == "notifications/cancelled" and session.era == "legacy":
            session.table.answered(named_in(message))
        await self._own(message)

    async def _own(self, message: Message) -> bool:
        """Judge a message that answers nothing; whether it went to the client."""
        session = self._session
        ruling = session.guard.on_server_message(session.route, session.principal, message)
        if ruling.change is not None:
            ruling = await session.guard.kept(session.route, session.principal, ruling)
        is_stopped = replies.stops(ruling)
        if ruling.findings or ruling.is_notable:
            is_stopped = not await self._recorded(message, ruling, wait=is_stopped) or is_stopped
        if is_stopped:
            session.dropped += 1
            return False
        await session.to_client(ruling.body if ruling.body is not None and ruling.verdict.enforced else message.raw)
        return True

    async def _recorded(self, message: Message, ruling: Ruling, *, wait: bool) -> bool:
        session = self._session
        try:
            index = session.chronicle.server_message(session.principal, session.era, message, ruling)
            if wait or session.route.durability == "strict":
                await session.chronicle.durable(index)
        except Unavailable:
            return False
        return True

    async def _tell(self, body: bytes) -> None:
        try:
            await self._session.child.write(body)
        except Unavailable:
            return  # it is gone; whoever waits for it is told elsewhere

    def _drop(self, why: str, *, counts: bool = True) -> None:
        self._session.dropped += 1 if counts else 0
        reason = f"a server's message was withheld: {why}"
        self._session.refused(Refusal(200, UPSTREAM_FAILED, reason))
