"""The life of one request: understand it, ask the guard, carry the ruling out, remember.

Above: an edge that has let it in and will write the answer. Below: an upstream that reaches the server. HTTP's statuses
appear here because both ends speak it; sockets do not.

Obligations, and what each one stops:

1. Nothing passes that cannot be recorded (an attacker who fills the disk first).
2. The body is read strictly, and headers that repeat it must agree with it (two readers, two messages).
3. A session of the older era belongs to one principal on one route (session hijacking).
4. Exactly the bytes that were judged are forwarded.
5. What is beyond a limit is refused before anything is forwarded (floods, runaway agents and bills).
6. A denial is on disk before the client hears of it; on a strict route so is everything else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway import replies
from watchkeeper.gateway.answers import Answers, as_stream
from watchkeeper.gateway.approvals.passage import Forward, Passage, Way
from watchkeeper.gateway.going import Coming, Going, inbound_of
from watchkeeper.gateway.limits.gate import Gate, Held
from watchkeeper.gateway.limits.turnstile import Turnstile
from watchkeeper.gateway.link import Broken
from watchkeeper.gateway.listing import Introduction
from watchkeeper.gateway.model import Refusal, Request, Route, Ruling
from watchkeeper.gateway.oauth.needs import Needs
from watchkeeper.gateway.pool import HttpUpstream
from watchkeeper.gateway.ports import Answered, Guard, KeepsSessions, Recorder, UnderWay
from watchkeeper.gateway.record import Call, Chronicle
from watchkeeper.gateway.redaction.placeholders import MARK
from watchkeeper.gateway.regrets import Regrets
from watchkeeper.gateway.sessions import Sessions
from watchkeeper.gateway.underway import Underway
from watchkeeper.gateway.upstream import Inbound, Outbound, Overheard, Upstream, UpstreamBusy
from watchkeeper.gateway.versions import Versions
from watchkeeper.gateway.visits import UNJUDGED, Visits, drop_session, let_go, without_session
from watchkeeper.protocol.eras import era_of
from watchkeeper.protocol.errors import BadMessage
from watchkeeper.protocol.headers import check_mirrors, check_parameters, mirrored_again
from watchkeeper.protocol.message import Message, parse_message

_RECORDED_AT_ONCE = frozenset({"subscriptions/listen"})
"""Requests whose answer may be hours away."""


class Exchange:
    """Serves the requests of one route."""

    def __init__(
        self,
        route: Route,
        upstream: Upstream,
        *,
        guard: Guard,
        journal: Recorder,
        clock: Clock,
        sessions: Sessions,
        gate: Gate | None = None,
        needs: Needs | None = None,
        passage: Passage | None = None,
    ) -> None:
        self._route = route
        self._upstream = upstream
        self._prompt = upstream if isinstance(upstream, HttpUpstream) else None
        self._guard = guard
        self._sessions = sessions
        self._chronicle = Chronicle(route, journal, clock)
        self._versions = Versions(route.eras)
        self._underway = Underway()
        self._is_modern_only = "legacy" not in route.eras
        self._answers = Answers(guard, self._chronicle, self._versions, Regrets(upstream))
        self._visits = Visits(
            route,
            upstream,
            chronicle=self._chronicle,
            answers=self._answers,
            sessions=sessions,
            versions=self._versions,
            refused=self.refused,
            keeps=guard.keeps if isinstance(guard, KeepsSessions) else None,
        )
        self._introduction = Introduction(route, upstream, guard)
        self._standing = self._introduction.standing
        if isinstance(upstream, Overheard):
            upstream.overhear(lambda method: guard.freshness.heard(route.name, method))
        self._needs = needs
        self._turnstile = Turnstile(gate, route, self._chronicle) if gate is not None else None
        self._passage = passage

    async def serve(self, request: Request) -> Outbound:
        """The answer to one admitted request. Cancelling means that the client went away."""
        if not self._chronicle.healthy:
            return replies.not_recorded(None)
        if request.verb != "POST":
            return await self._visits.serve(request)
        opened = self._open(request)
        return opened if isinstance(opened, Outbound) else await self._carry(opened)

    def begin(self, request: Request, answered: Answered) -> Outbound | Coroutine[Any, Any, Outbound] | UnderWay:
        """`serve` without waiting as long as there is nothing to wait for: see `ports.Begin`."""
        if self._prompt is None or request.verb != "POST" or not self._chronicle.healthy:
            return self.serve(request)
        opened = self._open(request)
        if isinstance(opened, Outbound):
            return opened
        if opened.is_unlisted or opened.lacks_values or is_once(opened) or replies.stops(opened.ruling):
            return self._carry(opened)
        if opened.ruling.change is not None:
            return self._carry(opened)
        going = Going(self, opened, answered)
        if self._turnstile is not None:
            entry = self._turnstile.enter(opened)
            if isinstance(entry, Held):
                going.held = entry
            elif entry is not None:
                return self._turnstile.through(opened, entry, self._forward, self._finish)
        going.link = self._prompt.begin(going.inbound, going.on_answer)
        return going if going.link is not None else self.settled(self._forward(opened), going.held)

    def _open(self, request: Request) -> Call | Outbound:
        """Read a request and judge it, or say why not. Memory only."""
        started = time.perf_counter_ns()
        try:
            message = parse_message(request.body)
            era = era_of(request.version, message)
            if era not in self._route.eras:
                raise self._versions.wrong(request.version, message)
            if era == "modern":
                self._check_headers(request, message)
        except BadMessage as error:
            return self._visits.malformed(request, error)
        client = message.client
        if era == "modern":
            drop_session(request)
        elif request.session:
            session = self._sessions.of(self._route.name, request.session, request.principal)
            if session is None:
                why = self._sessions.why_not(self._route.name, request.session)
                return self._visits.reject(request, replies.no_such_session(), why)
            client = client or session.client
            if self._passage is not None and self._passage.waiting and message.method == "notifications/cancelled":
                self._passage.give_up(request.session, message)
        request.survives = era == "legacy"
        call = Call(self._route, request, message, era, started, UNJUDGED, client)
        if self._guard.needs_listing(self._route, request.principal, message, request.session):
            call.is_unlisted = True
        elif MARK in message.raw and self._guard.needs_values(request.principal, message):
            call.lacks_values = True
        else:
            self._rule(call)
            if message.method == "tools/call":
                standing = self._standing
                standing.calls += 1
                standing.last = call
                if started > standing.due or standing.calls > standing.most:
                    self._look_again(call)
        return call

    def _look_again(self, call: Call) -> None:
        """Its server's tools were listed long or many calls ago."""
        if not replies.stops(call.ruling):
            self._introduction.beside(call.request, call.message, call.era)

    def _rule(self, call: Call) -> None:
        """Judge a call; one that the guard lets pass may lack a scope yet."""
        request, message = call.request, call.message
        call.ruling = ruling = self._guard.on_request(
            self._route, request.principal, message, request.marks, request.session
        )
        if ruling.change is not None:
            self._mirror_again(call, ruling)
        if self._needs is None or request.caller is None or (replies.stops(ruling) and not replies.asks(ruling)):
            return  # what a person may let pass needs its scopes all the same
        needed = self._needs.of(message.method, message.name)
        said = self._needs.verdict(request.caller, needed, ruling.verdict, enforced=not self._route.shadow)
        if said is not None:
            call.ruling = msgspec.structs.replace(ruling, verdict=said)
            call.challenge = self._needs.challenge(request.caller, needed, request.resource, said.reason)

    def _mirror_again(self, call: Call, ruling: Ruling) -> None:
        """Headers that repeat arguments say what is forwarded."""
        schema = self._guard.schema_of(self._route, call.message.name)
        if schema and ruling.body is not None and ruling.verdict.enforced and call.message.method == "tools/call":
            call.request.headers = mirrored_again(call.request.headers, parse_message(ruling.body), schema)

    async def _carry(self, call: Call) -> Outbound:
        """Do with a call that was opened what is to be done."""
        return await (self._once(call) if is_once(call) else self._judged(call))

    def conclude(self, call: Call, out: Outbound) -> Outbound | Coroutine[Any, Any, Outbound]:
        """The answer to a call that went out without waiting has come."""
        if out.status >= 500 and self._prompt is not None:
            self._prompt.fuse.answered(call.request.principal, out.status)
        if self._is_modern_only:
            out.headers = without_session(out.headers)
        answer = self._answers.whole_now(call, out) if out.events is None else None
        if answer is None:
            return self._await_answer(call, _at_hand(out))
        if out.status == 404 or call.message.method == "initialize":
            self._visits.learn(call, out)
        if replies.stops(call.answered or call.ruling) or call.route.durability == "strict":
            return self._finish(call, answer)
        call.status = answer.status
        call.sent = len(answer.body)
        try:
            self._chronicle.decided(call)
        except Unavailable:
            return replies.not_recorded(call.message)
        return replies.unrecorded(answer) if call.is_unrecorded else answer

    async def recover(self, call: Call, inbound: Inbound, error: Broken) -> Outbound:
        """The connection of a call that went out without waiting broke."""
        assert self._prompt is not None
        return await self._await_answer(call, self._prompt.recover(inbound, error))

    def gone(self, call: Call) -> None:
        """The client of a call under way went away."""
        call.ending, call.status = "cancelled", 499
        self._chronicle.decided_late(call)

    def settled(self, coming: Coming, held: Held | None) -> Coming:
        """What a call held is given back once it is over."""
        if held is None or self._turnstile is None:
            return coming
        return self._turnstile.settled(coming, held)

    def refused(self, refusal: Refusal) -> None:
        """Remember a request that the edge turned away."""
        try:
            self._chronicle.refused(refusal)
        except Unavailable:
            return  # it is refused either way

    # -- with a message

    async def _once(self, call: Call) -> Outbound:
        """Serve a request in a session, unless another one of that session goes by its id."""
        assert call.message.id is not None
        key = (call.request.session, call.message.id)
        if not self._underway.begin(key):
            reason = "another request with this id is still open in this session"
            return self._visits.malformed(call.request, BadMessage(reason, request_id=call.message.id))
        try:
            return self._underway.until_let_go(key, await self._judged(call))
        except BaseException:
            self._underway.end(key)
            raise

    async def _judged(self, call: Call) -> Outbound:
        request, message = call.request, call.message
        if call.is_unlisted or call.lacks_values:
            if call.is_unlisted:
                await self._introduction.make(request, message, call.era)
            await self._guard.fetch_values(request.principal, message)
            self._rule(call)
        forward: Forward | None = self._forward
        if self._passage is not None and replies.asks(call.ruling):
            forward = await self._passage.onwards(call, self._rule, Way(self._forward, self._finish, self.gone))
        elif replies.stops(call.ruling):
            forward = None
        if forward is None:
            if call.challenge is not None:
                return await self._finish(call, replies.challenged(message, call.ruling.verdict, call.challenge))
            return await self._finish(call, replies.denied(message, call.ruling.verdict, modern=call.era == "modern"))
        if self._turnstile is not None:
            entry = self._turnstile.enter(call)
            if entry is not None:
                return await self._turnstile.through(call, entry, forward, self._finish)
        return await forward(call)

    def _check_headers(self, request: Request, message: Message) -> None:
        check_mirrors(request.mirrors, message)
        if message.method == "tools/call":
            schema = self._guard.schema_of(self._route, message.name)
            if schema is not None:
                check_parameters(request.mirrors, message, schema)

    async def _forward(self, call: Call) -> Outbound:
        if call.ruling.change is not None:
            call.ruling = await self._guard.kept(self._route, call.request.principal, call.ruling)
            if replies.stops(call.ruling):
                denied = replies.denied(call.message, call.ruling.verdict, modern=call.era == "modern")
                return await self._finish(call, denied)
        return await self._await_answer(call, self._upstream.send(inbound_of(call)))

    async def _await_answer(self, call: Call, sending: Coroutine[Any, Any, Outbound]) -> Outbound:
        out: Outbound | None = None
        try:
            out = await sending
            if self._is_modern_only:
                out.headers = without_session(out.headers)
            if out.events is not None:
                return await self._begin_stream(call, out)
            answer = await self._answers.whole(call, out)
        except asyncio.CancelledError:
            let_go(out)
            self.gone(call)
            raise
        except Unavailable as error:
            call.ending = error.code
            self._answers.give_up(call, error)
            if not isinstance(error, UpstreamBusy):
                self._chronicle.upstream_failed(call.request.principal, call.era, error)
            return await self._finish(call, replies.failed(call.message, error))
        self._visits.learn(call, out)
        return await self._finish(call, answer)

    async def _begin_stream(self, call: Call, out: Outbound) -> Outbound:
        self._visits.learn(call, out)
        call.status = out.status
        if call.message.method in _RECORDED_AT_ONCE:
            refusal = await self._remember(call, wait=call.route.durability == "strict")
            if refusal is not None:
                let_go(out)
                return refusal
        farewell = replies.farewell(call.message) if call.message.method in _RECORDED_AT_ONCE else None
        events = self._answers.stream(call, out)
        return Outbound(out.status, as_stream(out.headers), b"", events, out.cancel, farewell)

    async def _finish(self, call: Call, answer: Outbound) -> Outbound:
        """Record the exchange; its answer may leave once that is done."""
        call.status = answer.status
        call.sent = len(answer.body)
        is_stopped = replies.stops(call.ruling) or (call.answered is not None and replies.stops(call.answered))
        refusal = await self._remember(call, wait=is_stopped or call.route.durability == "strict")
        return refusal or (replies.unrecorded(answer) if call.is_unrecorded else answer)

    async def _remember(self, call: Call, *, wait: bool) -> Outbound | None:
        """Record; what to answer instead when that fails."""
        try:
            index = self._chronicle.decided(call)
            if wait:
                await self._chronicle.durable(index, call)
        except Unavailable:
            return replies.not_recorded(call.message)
        return None


def is_once(call: Call) -> bool:
    """Whether no other request of its session may go by its id meanwhile."""
    return bool(call.request.session) and call.message.kind == "request"


async def _at_hand(out: Outbound) -> Outbound:
    return out
