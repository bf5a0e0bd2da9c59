"""Sessions of the older era, and requests without a message: the GET stream, and the DELETE that ends a session.

Above: the exchange, which hands on what has no message and every answer that may bring or lose a session. Below: an
upstream. Obligation 3 of the exchange is kept here: a session belongs to one principal on one route.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from watchkeeper.core.errors import Unavailable
from watchkeeper.gateway import replies
from watchkeeper.gateway.answers import Answers, as_stream
from watchkeeper.gateway.model import Refusal, Request, Route, Ruling
from watchkeeper.gateway.record import Call, Chronicle
from watchkeeper.gateway.sessions import Sessions
from watchkeeper.gateway.upstream import Headers, Inbound, Outbound, Upstream
from watchkeeper.gateway.versions import Versions
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol.eras import era_of
from watchkeeper.protocol.errors import INVALID_REQUEST, BadMessage
from watchkeeper.protocol.message import Message

_SESSION = b"mcp-session-id"
_LAST_EVENT = b"last-event-id"
_LONGEST_SESSION = 1024
_NONE = Message(b"", "notification")
Keeps = Callable[[Route, str, str], Ruling | None]
UNJUDGED = Ruling(Verdict(Effect.ALLOW))


class Visits:
    """Of one route."""

    def __init__(
        self,
        route: Route,
        upstream: Upstream,
        *,
        chronicle: Chronicle,
        answers: Answers,
        sessions: Sessions,
        versions: Versions,
        refused: Callable[[Refusal], None],
        keeps: Keeps | None = None,
    ) -> None:
        """`keeps` says why a session may not be ended by its client."""
        self._route = route
        self._upstream = upstream
        self._chronicle = chronicle
        self._answers = answers
        self._sessions = sessions
        self._versions = versions
        self._refused = refused
        self._keeps = keeps
        self._is_modern_only = "legacy" not in route.eras

    async def serve(self, request: Request) -> Outbound:
        """The answer to a GET or DELETE. Cancelling means that the client went away."""
        try:
            era = era_of(request.version, None)
        except BadMessage as error:
            return self.malformed(request, error)
        if self._is_modern_only:
            return self.reject(request, replies.post_only(), "this route has no streams or sessions to end")
        if era == "modern":
            drop_session(request)
        elif request.session and (refusal := self._turned_away(request)) is not None:
            return refusal
        if not request.session:  # without a session nobody owns what would be replayed
            request.headers = [pair for pair in request.headers if pair[0].lower() != _LAST_EVENT]
        call = Call(self._route, request, _NONE, era, time.perf_counter_ns(), UNJUDGED)
        session, credential = request.session, request.credential
        inbound = Inbound(request.verb, request.headers, b"", None, request.principal, era, session, credential)
        try:
            out = await self._upstream.send(inbound)
        except Unavailable as error:
            self._chronicle.upstream_failed(request.principal, era, error)
            return replies.failed(None, error)
        try:
            index = self._chronicle.opened(request, era, out.status)
            if self._route.durability == "strict":
                await self._chronicle.durable(index)
        except Unavailable:
            let_go(out)
            return replies.not_recorded(None)
        except asyncio.CancelledError:
            let_go(out)
            raise
        if request.verb == "DELETE" and out.status < 300 and request.session:
            self._end(request)
        if out.events is not None:
            events = self._answers.listen(call, out)
            return Outbound(out.status, as_stream(out.headers), b"", events, out.cancel, farewell=b"")
        return await self._answers.whole(call, out)

    def _turned_away(self, request: Request) -> Outbound | None:
        """What this client gets instead of what it wants with a session; None when it may have that."""
        if self._sessions.of(self._route.name, request.session, request.principal) is None:
            why = self._sessions.why_not(self._route.name, request.session)
            return self.reject(request, replies.no_such_session(), why)
        if request.verb != "DELETE" or self._keeps is None:
            return None
        kept = self._keeps(self._route, request.principal, request.session)
        if kept is None or not replies.stops(kept):
            return None
        return self.reject(request, replies.denied(_NONE, kept.verdict, modern=False), kept.verdict.reason)

    def learn(self, call: Call, out: Outbound) -> None:
        """Bind the session id that an `initialize` answer brings; forget one that the server no longer knows."""
        name, principal = self._route.name, call.request.principal
        if call.era == "legacy" and call.message.method == "initialize" and out.status == 200:
            minted = next((value for header, value in out.headers if header.lower() == _SESSION), b"")
            session = minted.decode("latin-1")
            if 0 < len(session) <= _LONGEST_SESSION and self._sessions.begin(name, session, principal, call.client):
                self._chronicle.session("gateway.session.opened", principal, session)
        elif out.status == 404 and call.request.session:
            self._end(call.request)

    def _end(self, request: Request) -> None:
        self._sessions.end(self._route.name, request.session)
        self._chronicle.session("gateway.session.closed", request.principal, request.session)

    def reject(self, request: Request, answer: Outbound, reason: str, code: int = INVALID_REQUEST) -> Outbound:
        self._refused(Refusal(answer.status, code, reason, (), request.principal))
        return answer

    def malformed(self, request: Request, error: BadMessage) -> Outbound:
        answer = replies.malformed(error, self._versions.carried)
        return self.reject(request, answer, error.reason, error.rpc_code)


def let_go(out: Outbound | None) -> None:
    """Nobody will read this stream: without a word, a subscription's would stay open for ever."""
    if out is not None and out.cancel is not None:
        out.cancel()


def without_session(headers: Headers) -> Headers:
    """A session that nobody may use is not passed on."""
    return [pair for pair in headers if pair[0].lower() != _SESSION]


def drop_session(request: Request) -> None:
    """Sessions mean nothing in the modern era; what is ignored is not forwarded for a lax server to honour."""
    if request.session:
        request.session = ""
        request.headers = [pair for pair in request.headers if pair[0].lower() != _SESSION]
