"""A verdict of `ask` carried out: the call is held until a person decides, or told to come again; then it passes once.

Above: the exchange of a route, and a wrapper's session. Below: the desk. What was approved is judged anew before it is
let through, for an order may have come meanwhile, or other policies.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from watchkeeper.core.errors import Denied, Invalid, WatchkeeperError
from watchkeeper.gateway import replies
from watchkeeper.gateway.approvals.desk import Desk
from watchkeeper.gateway.approvals.model import Approval, State
from watchkeeper.gateway.approvals.wants import Plea
from watchkeeper.gateway.approvals.words import told
from watchkeeper.gateway.model import Request
from watchkeeper.gateway.record import Call
from watchkeeper.gateway.upstream import Outbound
from watchkeeper.policy.model import Effect, Verdict
from watchkeeper.protocol.message import Message

Forward = Callable[[Call], Coroutine[Any, Any, Outbound]]
UNREADABLE = "approval.unreadable"
UNAVAILABLE = "approval.unavailable"
_NOT_ASKED = "A person must approve this, and none can be asked now. Do not try in another way; tell the user."
_TWO_WAYS = "A person must approve this, and its parameters can be read in more than one way."


class _Cancelled(msgspec.Struct):
    request_id: int | str | None = msgspec.field(name="requestId", default=None)


_cancelled = msgspec.json.Decoder(_Cancelled).decode


class Passing(msgspec.Struct, frozen=True):
    """A call that may go on, and the grant that it uses up; None when by now it needs none."""

    approval: Approval | None


class Way(NamedTuple):
    """How an exchange goes on with a call."""

    forward: Forward
    finish: Callable[[Call, Outbound], Awaitable[Outbound]]
    """Records an answer of ours."""
    gone: Callable[[Call], None]
    """Records that the client went away."""


class Passage:
    """One route's, or one wrapped session's."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.waiting: set[Hashable] = set()
        """Calls that are held here now; cheap to ask on the way of every other call."""

    async def onwards(self, call: Call, judge: Callable[[Call], None], way: Way) -> Forward | None:
        """Hold a call; how it is forwarded when it may go on, its grant used up before a byte of it leaves."""
        with _unless_gone(call, way.gone):
            passing = await self.hold(call, judge)
        if passing is None:
            return None

        async def forward(call: Call) -> Outbound:
            with _unless_gone(call, way.gone):
                is_through = await self.let_through(call, passing)
            if is_through:
                return await way.forward(call)
            return await way.finish(
                call, replies.denied(call.message, call.ruling.verdict, modern=call.era == "modern")
            )

        return forward

    async def hold(self, call: Call, judge: Callable[[Call], None], key: Hashable = None) -> Passing | None:
        """What a call goes on with; None when it does not, and then its ruling has what its client is told.

        `judge` says anew what the guard makes of it, in the call. Cancelling means that the client went away; the
        request stays.
        """
        asked, key = call.ruling.verdict, key or key_of(call.request.session, call.message.id)
        lives = _made_mortal(call.request)
        began = time.perf_counter_ns()
        self.waiting.add(key)
        self._desk.waits.expect(key)
        given_up = False
        try:
            approval = await self._desk.hear(_plea(call), key)
        except WatchkeeperError as error:
            call.ruling = msgspec.structs.replace(call.ruling, verdict=_refusal(asked, error))
            return None
        finally:
            self.waiting.discard(key)
            given_up = self._desk.waits.let_go(key)
            call.held_us += (time.perf_counter_ns() - began) // 1000
            for request in lives:
                request.survives = True
        if given_up or approval.state is not State.GRANTED:
            call.ending = "cancelled" if given_up else call.ending
            _say(call, asked, approval)
            return None
        judge(call)
        if call.ruling.verdict.effect is Effect.ASK:
            return Passing(approval)
        return Passing(None) if call.ruling.verdict.effect is not Effect.DENY else None

    async def let_through(self, call: Call, passing: Passing) -> bool:
        """Use the grant up; False when it is not to be had any more: then the ruling has what the client is told."""
        approval, asked = passing.approval, call.ruling.verdict
        if approval is None:
            return True
        try:
            is_used, used = await self._desk.use(approval, _plea(call))
        except WatchkeeperError as error:
            call.ruling = msgspec.structs.replace(call.ruling, verdict=_refusal(asked, error))
            return False
        if not is_used:
            _say(call, asked, used)
            return False
        rules, by = (*asked.rules, used.rule), " and ".join(vote.operator for vote in used.votes)
        effect = Effect.ALLOW if call.ruling.body is None else Effect.MODIFY  # another policy had something replaced
        verdict = Verdict(effect, rules, f"Approved by {by}.", True, asked.correlation)
        call.ruling = msgspec.structs.replace(call.ruling, verdict=verdict)
        return True

    def give_up(self, session: str, cancellation: Message) -> bool:
        """A client cancels a request (`notifications/cancelled`); whether it was held here."""
        try:
            named = _cancelled(cancellation.params).request_id if cancellation.params else None
        except msgspec.MsgspecError:
            return False
        return named is not None and self._desk.waits.give_up(key_of(session, named))


@contextmanager
def _unless_gone(call: Call, gone: Callable[[Call], None]) -> Iterator[None]:
    """Whoever waits here may be left by the client."""
    try:
        yield
    except asyncio.CancelledError:
        gone(call)
        raise


def key_of(session: str, request_id: int | str | None) -> Hashable:
    """By which a cancellation finds a held call. Without a session ids are not one sender's: nothing finds it."""
    return (session, type(request_id), request_id) if session else object()


def _made_mortal(request: Request) -> list[Request]:
    """Losing the client cancels what is held, in either era: nobody is left to whom the outcome could be told."""
    lives: list[Request] = []
    one: Request | None = request
    while one is not None:
        if one.survives:
            one.survives = False
            lives.append(one)
        one = one.origin
    return lives


def _plea(call: Call) -> Plea:
    return Plea(call.route.name, call.request.principal, call.message, call.ruling.verdict, call.ruling.findings)


def _say(call: Call, asked: Verdict, approval: Approval) -> None:
    effect = Effect.ASK if approval.state is State.PENDING else Effect.DENY
    rules = (*asked.rules, approval.rule)
    verdict = Verdict(effect, rules, told(approval, asked.reason), True, asked.correlation)
    call.ruling = msgspec.structs.replace(call.ruling, verdict=verdict)


def _refusal(asked: Verdict, error: WatchkeeperError) -> Verdict:
    rule, reason = UNAVAILABLE, _NOT_ASKED
    if isinstance(error, Denied):
        rule, reason = error.rule, f"{error.reason} What to do: {error.hint}." if error.hint else error.reason
    elif isinstance(error, Invalid):
        rule, reason = UNREADABLE, _TWO_WAYS
    return Verdict(Effect.DENY, (*asked.rules, rule), f"{asked.reason} {reason}", True, asked.correlation)
