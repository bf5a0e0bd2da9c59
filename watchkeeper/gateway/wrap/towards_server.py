"""The way of a client's lines to the server: read strictly, judged, passed on in order, or answered here.

Obligations, and what each one stops:

1. Nothing passes that cannot be recorded, and a denial is on disk before the client hears of it.
2. One strict reading of each line, which is what is forwarded (two readers, two messages).
3. An id is not used twice at once, and an answer is to a question that the server asked.
4. A tool that was never listed is looked at before it is called; only what answers the server goes on meanwhile, for
   the server may need it to list its tools.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

from watchkeeper.core.errors import Invalid, Unavailable
from watchkeeper.gateway import replies
from watchkeeper.gateway.limits.model import Refused
from watchkeeper.gateway.model import Refusal, Request, Ruling
from watchkeeper.gateway.record import Call
from watchkeeper.gateway.redaction.placeholders import MARK
from watchkeeper.gateway.stdio.splice import on_one_line
from watchkeeper.gateway.wrap.between import Between
from watchkeeper.gateway.wrap.holding import Holding
from watchkeeper.gateway.wrap.table import named_in
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol.eras import era_of
from watchkeeper.protocol.errors import DENIED_BY_POLICY, PARSE_ERROR, TOO_LARGE, BadMessage, error_body
from watchkeeper.protocol.message import parse_message

_UNJUDGED = Ruling(Verdict(Effect.ALLOW))
_MOST_WAITING = 256


class TowardsServer:
    """One session's client, as far as it speaks."""

    def __init__(self, session: Between) -> None:
        self._session = session
        self._behind: deque[Call] | None = None
        """Calls that wait until a server's tools were looked at; None when none is looked at."""
        self._looking: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        self._client = ""
        self._holding = Holding(session, self._judge, self._go_on, self._refuse) if session.desk is not None else None

    async def take(self, line: bytes) -> None:
        """One line of the client."""
        line = line.strip(b" \t\r")
        if not line:
            return
        call = await self._read(line)
        if call is None:
            return
        if call.message.kind in ("response", "error"):
            await self._reply(call)
            return
        while self._behind is not None and len(self._behind) >= _MOST_WAITING:
            self._room.clear()
            await self._room.wait()
        if self._behind is not None:
            self._behind.append(call)
            return
        if self._session.guard.needs_listing(self._session.route, call.request.principal, call.message):
            self._behind = deque([call])
            self._looking = asyncio.create_task(self._look_then_go_on())
            return
        await self._pass(call)

    async def rest(self) -> None:
        """Until nothing waits any more."""
        if self._looking is not None:
            await asyncio.wait([self._looking])
        if self._holding is not None:
            await self._holding.rest()

    def stop(self) -> None:
        """Nothing is passed on any more."""
        if self._looking is not None:
            self._looking.cancel()
        if self._holding is not None:
            self._holding.stop()

    # -- reading

    async def _read(self, line: bytes) -> Call | None:
        session, started = self._session, time.perf_counter_ns()
        try:
            if len(line) > session.limits.message_bytes:
                raise BadMessage("the message is too large; see gateway.max_body_bytes", rpc_code=TOO_LARGE)
            message = parse_message(_on_one_line(line))
            era = era_of(message.version, message)
            if era not in session.route.eras:
                raise session.versions.wrong("", message)
            if message.kind == "request" and session.table.knows(message.id):
                raise BadMessage("another request with this id is still open", request_id=message.id)
        except BadMessage as error:
            await self._malformed(line, error)
            return None
        if message.kind == "request":
            session.era = era
        self._client = message.client or self._client
        request = Request(verb="POST", headers=[], principal=session.principal, version=message.version)
        return Call(session.route, request, message, session.era, started, _UNJUDGED, self._client)

    async def _malformed(self, line: bytes, error: BadMessage) -> None:
        refusal = Refusal(400, error.rpc_code, error.reason, (), self._session.principal)
        self._session.refused(refusal)
        is_call = b'"method"' in line
        if error.rpc_code not in (PARSE_ERROR, TOO_LARGE) and is_call and b'"id"' not in line:
            return  # a notification is never answered
        if not is_call:
            error.request_id = None  # an answer gone wrong: its id is the server's, and the client may use the same
        await self._session.to_client(replies.malformed(error, self._session.versions.carried).body)

    # -- passing on

    async def _look_then_go_on(self) -> None:
        while self._behind:
            call = self._behind[0]
            await self._session.introduction.make(call.request, call.message, call.era)
            await self._pass(self._behind.popleft())
            self._room.set()
        self._behind = None
        self._room.set()

    async def _pass(self, call: Call) -> None:
        session, message = self._session, call.message
        if message.kind == "request" and session.table.knows(message.id):
            await self._malformed(
                message.raw, BadMessage("another request with this id is open", request_id=message.id)
            )
            return
        if not session.healthy:
            await self._answer(call, replies.not_recorded(message).body)
            return
        if MARK in message.raw:
            await session.guard.fetch_values(session.principal, message)
        self._judge(call)
        if message.method == "tools/call":
            self._count(call)
        if self._holding is not None and replies.asks(call.ruling):
            self._holding.begin(call)
            return
        if replies.stops(call.ruling):
            await self._refuse(call, replies.denied(message, call.ruling.verdict, modern=call.era == "modern").body)
            return
        await self._go_on(call)

    def _judge(self, call: Call) -> None:
        call.ruling = self._session.guard.on_request(self._session.route, call.request.principal, call.message)

    async def _go_on(self, call: Call, let_through: Callable[[], Awaitable[bool]] | None = None) -> None:
        """Pass on what may pass; of what was held, once its grant is used up."""
        session, message = self._session, call.message
        if call.ruling.change is not None:
            call.ruling = await session.guard.kept(session.route, session.principal, call.ruling)
            if replies.stops(call.ruling):
                denied = replies.denied(message, call.ruling.verdict, modern=call.era == "modern")
                await self._refuse(call, denied.body)
                return
        entry = await session.turnstile.held(call) if session.turnstile is not None else None
        if isinstance(entry, Refused):
            said = call.ruling.verdict
            rules = (*said.rules, entry.rule)
            verdict = Verdict(Effect.DENY, rules, entry.reason, not session.route.shadow, said.correlation)
            call.ruling = Ruling(verdict, call.ruling.findings)
            if replies.stops(call.ruling):
                await self._refuse(call, replies.limited(message, verdict, entry.retry_after, call.era).body)
                return
            entry = None
        if let_through is not None and not await let_through():
            if entry is not None:
                entry.release()
            await self._refuse(call, replies.denied(message, call.ruling.verdict, modern=call.era == "modern").body)
            return
        if message.kind == "request":
            session.table.begin(call, entry, asyncio.get_running_loop().time())
            await self._forward(call)
            return
        if message.method == "notifications/cancelled":
            await session.cancelled(named_in(message))
            if self._holding is not None:
                self._holding.give_up(named_in(message))
        await self._forward(call)
        if entry is not None:
            entry.release()
        await session.remember(call)

    def _count(self, call: Call) -> None:
        """Have a look at the server's tools taken beside this call when the last was long or many calls ago."""
        introduction = self._session.introduction
        introduction.standing.calls += 1
        is_due = call.started > introduction.standing.due or introduction.standing.calls > introduction.standing.most
        if is_due and not replies.stops(call.ruling):
            introduction.beside(call.request, call.message, call.era)

    async def _forward(self, call: Call) -> None:
        ruling = call.ruling
        body = ruling.body if ruling.body is not None and ruling.verdict.enforced else call.message.raw
        try:
            await self._session.child.write(body)
        except Unavailable as error:
            await self._session.failed(call, error)

    async def _refuse(self, call: Call, body: bytes) -> None:
        refused = await self._session.remember(call)
        await self._answer(call, refused or body)

    async def _answer(self, call: Call, body: bytes) -> None:
        if call.message.kind == "request":
            await self._session.to_client(body)

    async def _reply(self, call: Call) -> None:
        """A client's answer to the server; what is withheld is answered in its place, or the server would wait."""
        session, message = self._session, call.message
        if not session.table.answered(message.id):
            reason = "the server has no open request with this id"
            session.refused(Refusal(400, PARSE_ERROR, reason, (), session.principal))
            return
        if MARK in message.raw:
            await session.guard.fetch_values(session.principal, message)
        ruling = session.guard.on_request(session.route, call.request.principal, message)
        if ruling.change is not None:
            ruling = await session.guard.kept(session.route, session.principal, ruling)
        call.ruling = ruling
        body = ruling.body if ruling.body is not None and ruling.verdict.enforced else message.raw
        if replies.stops(ruling) or not session.healthy:
            text = "the client's answer was withheld: a policy does not allow it"
            body = error_body(message.id, DENIED_BY_POLICY, text)
        await session.remember(call)
        try:
            await session.child.write(body)
        except Unavailable:
            return  # the server is gone; whoever waits for it is told elsewhere


def _on_one_line(line: bytes) -> bytes:
    try:
        return on_one_line(line)
    except Invalid as error:
        raise BadMessage(error.reason, rpc_code=PARSE_ERROR) from error
