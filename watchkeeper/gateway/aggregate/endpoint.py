"""An endpoint's messages, each brought to where it is served: to one member, to all, or answered here.

Obligations, and what each one stops:

1. Nothing passes that cannot be recorded; what the endpoint itself refuses or answers is recorded like any exchange.
2. Headers that repeat the body must agree with it before either is changed (two readers, two messages).
3. A session of ours belongs to one principal, and so do the members' behind it (session hijacking).
4. What goes to a member goes through that member's exchange, under its own names: no pin, policy or order is passed by.
5. What could be two members' is nobody's (shadowing).
"""

from __future__ import annotations

import time
from collections.abc import Coroutine, Mapping
from typing import Any

import msgspec

from watchkeeper.core.clock import Clock
from watchkeeper.core.errors import Unavailable
from watchkeeper.core.ids import observed_id
from watchkeeper.gateway import replies
from watchkeeper.gateway.aggregate import edit
from watchkeeper.gateway.aggregate.braid import Braid
from watchkeeper.gateway.aggregate.company import Company, Visit
from watchkeeper.gateway.aggregate.hello import Hello
from watchkeeper.gateway.aggregate.listen import Listen
from watchkeeper.gateway.aggregate.lists import Lists
from watchkeeper.gateway.aggregate.model import Endpoint, NotServed, Serve, status_of
from watchkeeper.gateway.aggregate.pages import LISTED
from watchkeeper.gateway.aggregate.party import Party, Seat
from watchkeeper.gateway.aggregate.single import Single, tell_all
from watchkeeper.gateway.aggregate.telling import OF_A_CALL, Told, read_id, retold
from watchkeeper.gateway.aggregate.together import EVENTS, whole
from watchkeeper.gateway.model import Refusal, Request, Ruling
from watchkeeper.gateway.ports import Answered, Recorder
from watchkeeper.gateway.record import Call
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol.eras import WrongVersion, era_of
from watchkeeper.protocol.errors import INVALID_REQUEST, BadMessage, error_body
from watchkeeper.protocol.headers import check_mirrors
from watchkeeper.protocol.message import Message, parse_message

_NONE = Message(b"", "notification")
_TO_ALL = frozenset({"notifications/initialized", "notifications/roots/list_changed"})
_BEGIN = "begin with initialize: this request has no Mcp-Session-Id"


class Aggregate:
    """Serves the requests of one endpoint."""

    def __init__(
        self, endpoint: Endpoint, serves: Mapping[str, Serve], *, journal: Recorder, clock: Clock, max_sessions: int
    ) -> None:
        """`serves` has `Exchange.serve` for each of the endpoint's servers."""
        self._company = Company(endpoint, serves, journal=journal, clock=clock, max_sessions=max_sessions)
        self._single = Single(self._company)
        self._lists = Lists(self._company)
        self._hello = Hello(self._company)
        self._listen = Listen(self._company, self._single)

    def parties(self) -> list[Party]:
        """Every session with this endpoint."""
        return self._company.parties.all()

    def expel(self, party: Party) -> None:
        """End a session, and the members' behind it."""
        self._company.parties.drop(party)

    async def serve(self, request: Request) -> Outbound:
        """The answer to one admitted request. Cancelling means that the client went away."""
        if not self._company.chronicle.healthy:
            return replies.not_recorded(None)
        request.via = self._company.endpoint.route.name
        started = time.perf_counter_ns()
        try:
            message = parse_message(request.body) if request.verb == "POST" else None
            era = era_of(request.version, message)
            if era == "modern" and message is not None:
                check_mirrors(request.mirrors, message)
        except BadMessage as error:
            return self._malformed(request, error)
        if era == "modern":
            return await self._modern(Visit(request, message or _NONE, era, started, message.client if message else ""))
        return await self._legacy(Visit(request, message or _NONE, era, started, message.client if message else ""))

    def begin(self, request: Request, answered: Answered) -> Coroutine[Any, Any, Outbound]:
        """`serve`, as a door asks for it: see `ports.Begin`."""
        return self.serve(request)

    def refused(self, refusal: Refusal) -> None:
        """Remember a request that the edge turned away."""
        try:
            self._company.chronicle.refused(refusal)
        except Unavailable:
            return  # it is refused either way

    async def close(self) -> None:
        """Follow and ask nothing any more."""
        await self._company.close()

    # -- the modern era

    async def _modern(self, visit: Visit) -> Outbound:
        if visit.request.verb != "POST":
            return self._reject(visit.request, Outbound(405, [(b"Allow", b"POST")]), "this era has no such stream")
        await self._company.learn_eras(visit)
        if self._company.standing.is_refused("modern"):
            return self._malformed(visit.request, WrongVersion(visit.request.version, visit.message.id))
        return await self._dispatch(visit)

    # -- the older era

    async def _legacy(self, visit: Visit) -> Outbound:
        request = visit.request
        if visit.message.method == "initialize" and visit.message.kind == "request":
            try:
                return await self._hello.initialize(visit)
            except WrongVersion as error:
                return self._malformed(request, error)
            except NotServed as error:
                return await self._not_served(visit, error)
        if not request.session:
            if request.verb != "POST":
                return self._reject(request, Outbound(405, [(b"Allow", b"POST")]), _BEGIN)
            answer = whole(error_body(visit.message.id, INVALID_REQUEST, _BEGIN), 400)
            return self._reject(request, answer, _BEGIN)
        party = self._company.parties.of(request.session, request.principal)
        if party is None:
            why = self._company.parties.why_not(request.session)
            return self._reject(request, replies.no_such_session(), why)
        party.used_by(request)
        visit = Visit(request, visit.message, visit.era, visit.started, visit.client or party.client, party)
        if request.verb == "DELETE":
            return self._ended(party)
        if request.verb == "GET":
            return await self._follow(visit, party)
        request.survives = True
        return await self._dispatch(visit)

    def _ended(self, party: Party) -> Outbound:
        self._company.parties.drop(party)
        self._company.chronicle.session("gateway.session.closed", party.principal, party.id)
        return Outbound(204, [])

    async def _follow(self, visit: Visit, party: Party) -> Outbound:
        """The standing stream of all members, or the rest of one member's answer to a call."""
        resumed = read_id(_header(visit.request, b"last-event-id"))
        if resumed is not None and resumed[0] == OF_A_CALL:
            return await self._resume(visit, party, *next(iter(resumed[1].items())))
        if party.standing is not None:
            party.standing.close()  # a newer stream stands for the older
        braid = Braid(party, lambda seat: self._told(visit, party, seat), resumed[1] if resumed else {})
        if not await braid.begin([seat for seat in party.seats.values() if seat.is_open]):
            return Outbound(405, [(b"Allow", b"POST, DELETE")])
        party.standing = braid
        return Outbound(200, list(EVENTS), b"", braid.events(), braid.close, farewell=b"")

    async def _resume(self, visit: Visit, party: Party, server: str, own: str) -> Outbound:
        seat = party.seats.get(server)
        nothing = Outbound(405, [(b"Allow", b"POST, DELETE")])  # a 404 would say that the client's session is over
        if seat is None or not seat.is_open:
            return self._reject(visit.request, nothing, "there is nothing to resume")
        out = await seat.member.serve(party.request(seat, "GET", last_event=own.encode("latin-1")))
        if out.status == 404:
            return nothing
        if out.events is None:
            headers = [pair for pair in out.headers if pair[0].lower() != b"mcp-session-id"]
            return Outbound(out.status, headers, out.body)
        return Outbound(200, list(EVENTS), b"", retold(out, self._told(visit, party, seat)), out.cancel, b"")

    def _told(self, visit: Visit, party: Party, seat: Seat) -> Told:
        name = seat.member.name
        return Told(
            seat.member,
            party,
            lambda raw: edit.from_member(raw, name, None),
            lambda member, note: self._single.noted(visit, member, note),
        )

    # -- both

    async def _dispatch(self, visit: Visit) -> Outbound:
        try:
            out = await self._route(visit)
        except NotServed as error:
            return await self._not_served(visit, error)
        return out

    async def _route(self, visit: Visit) -> Outbound:
        message = visit.message
        if message.kind in ("response", "error"):
            return await self._single.reply(visit)
        if message.kind == "notification":
            return await self._notification(visit)
        if message.method in LISTED:
            return await self._lists.serve(visit)
        if message.method == "server/discover" and visit.is_modern:
            return await self._hello.discover(visit)
        if message.method == "subscriptions/listen" and visit.is_modern:
            return await self._listen.serve(visit)
        if message.method == "logging/setLevel":
            return await self._lists.set_level(visit)
        if message.method == "ping" and not visit.is_modern:
            return await self._own(
                visit, whole(b'{"jsonrpc":"2.0","id":%b,"result":{}}' % msgspec.json.encode(message.id))
            )
        return await self._single.serve(visit)

    async def _notification(self, visit: Visit) -> Outbound:
        message, party = visit.message, visit.party
        if message.method == "notifications/cancelled":
            await tell_all(self._company, visit, party.concerned(message) if party is not None else ())
            return await self._own(visit, Outbound(202, []))
        if message.method in _TO_ALL and party is not None:
            party.is_ready = party.is_ready or message.method == "notifications/initialized"
            sitting = tuple(seat.member for seat in party.seats.values() if seat.is_open)
            await tell_all(self._company, visit, sitting)
            return Outbound(202, [])
        if message.method == "notifications/progress" and party is not None:
            return await self._single.progress(visit)
        return await self._single.serve(visit)

    # -- what the endpoint says itself

    async def _not_served(self, visit: Visit, error: NotServed) -> Outbound:
        correlation = observed_id()
        ruling = Ruling(Verdict(Effect.DENY, (error.rule,), error.reason, True, correlation))
        text = f"{error.reason} Rules: {error.rule}. Correlation: {correlation}."
        if visit.message.kind == "request":
            status = status_of(error.rpc_code, modern=visit.is_modern)
            answer = whole(error_body(visit.message.id, error.rpc_code, text), status)
        else:  # a notification or an answer gets no answer, but a status (G4)
            status = status_of(error.rpc_code, modern=True)
            answer = whole(error_body(None, error.rpc_code, text), status if status >= 400 else 502)
        return await self._own(visit, answer, ruling)

    async def _own(self, visit: Visit, answer: Outbound, ruling: Ruling | None = None) -> Outbound:
        """Record an exchange that no member had a part in; its answer may leave once that is done."""
        route, chronicle = self._company.endpoint.route, self._company.chronicle
        ruling = ruling or Ruling(Verdict(Effect.ALLOW))
        call = Call(route, visit.request, visit.message, visit.era, visit.started, ruling, visit.client)
        call.status, call.sent = answer.status, len(answer.body)
        try:
            index = chronicle.decided(call)
            if replies.stops(ruling) or route.durability == "strict":
                await chronicle.durable(index, call)
        except Unavailable:
            return replies.not_recorded(visit.message)
        return answer

    def _reject(self, request: Request, answer: Outbound, reason: str, code: int = INVALID_REQUEST) -> Outbound:
        self.refused(Refusal(answer.status, code, reason, (), request.principal))
        return answer

    def _malformed(self, request: Request, error: BadMessage) -> Outbound:
        answer = replies.malformed(error, self._company.standing.versions)
        return self._reject(request, answer, error.reason, error.rpc_code)


def _header(request: Request, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in request.headers if key.lower() == name), "")
